"""Times the training steps of a torch module in a plain loop, as its users write it.

Eager mode, float32, `torch.optim.Adam(lr=1e-3)` with its defaults (on CPU neither foreach nor
fused; the `-fused` contenders set fused=True), `zero_grad()` with its defaults, PyTorch's default
number of threads. The data is one tensor, pictures as (channels, height, width), shuffled once and
indexed, which costs less than a DataLoader. The loss is read after every step.
"""

import math
import time

import torch
from torch import nn


def mlp(widths):
    """Linear layers with these widths, each followed by a ReLU."""
    pairs = zip(widths, widths[1:])
    return nn.Sequential(*[m for a, b in pairs for m in (nn.Linear(a, b), nn.ReLU())])


def conv_net(inputs, hidden, outputs):
    """Convolutions of 3x3, 1x1 and 3x3 with ReLU between them; the last one starts at zero."""
    last = nn.Conv2d(hidden, outputs, 3, padding=1)
    first = nn.Conv2d(inputs, hidden, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), at_zero(last))


def at_zero(conv):
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv


def dequantized(x):
    """8-bit pixels with uniform noise in [-1, 1], and the log-determinant, as in the Keras model.

    The noise is as wide as a bin, so losses are bounds in nats on the same integers.
    """
    return (x + torch.rand(x.shape)) / 128 - 1, -math.log(128) * x[0].numel()


class Pixels(nn.Module):
    """A density of 8-bit pixels, made from a density of pictures in [-1, 1]."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def log_prob(self, pixels):
        x, log_det = dequantized(pixels)
        return self.flow.log_prob(x) + log_det

    def sample(self, n):
        return ((self.flow.sample(n) + 1) * 128).clamp(0, 255).to(torch.uint8)


def of_pixels(flow):
    """A density of pixels and its loss."""
    model = Pixels(flow)
    return model, lambda pixels: -model.log_prob(pixels).mean()


def noisy(x):
    """Adds the blog's training noise, U(-0.01, 0), which is a layer of the Keras model."""
    return x - 0.01 * torch.rand_like(x)


def start_as_keras(model):
    """Initializes as Keras does, so that losses compare: Glorot uniform weights, zero biases.

    Weights that are 0 stay so.
    """
    for layer in model.modules():
        weight = getattr(layer, "weight", None)  # libraries may have layer classes of their own
        if isinstance(weight, nn.Parameter) and weight.ndim > 1 and weight.any():
            nn.init.xavier_uniform_(weight)
            nn.init.zeros_(layer.bias)


def measure(build, x, batch, sizes, adam):
    """Wall and CPU times at the start and after each step, losses, number of parameters."""
    torch.manual_seed(0)
    model, loss_of = build(**sizes)
    start_as_keras(model)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **adam)
    data = torch.from_numpy(x if x.ndim < 4 else x.transpose(0, 3, 1, 2).copy())
    times, cpu, losses = [time.perf_counter()], [time.process_time()], []
    for idxs in torch.randperm(len(data)).split(batch):
        optimizer.zero_grad()
        loss = loss_of(data[idxs])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        times.append(time.perf_counter())
        cpu.append(time.process_time())
    return {
        "times": times,
        "cpu": cpu,
        "losses": losses,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "threads": torch.get_num_threads(),
    }
