"""Times the training steps of a torch module in the plain loop of its users.

Options: eager mode, float32, `torch.optim.Adam(lr=1e-3)` with its defaults
(on CPU neither foreach nor fused; the `-fused` contenders set fused=True),
`zero_grad()` with its defaults, PyTorch's own number of threads. The data is one
tensor, shuffled once and cut by index, which costs less than a DataLoader. The
loss is read after every step.
"""

import time

import torch
from torch import nn


def mlp(widths):
    """Linear layers of these widths, each followed by a ReLU."""
    pairs = zip(widths, widths[1:])
    return nn.Sequential(*[m for a, b in pairs for m in (nn.Linear(a, b), nn.ReLU())])


def noisy(x):
    """The blog's noise in training, U(-0.01, 0), which the Keras model adds as a layer."""
    return x - 0.01 * torch.rand_like(x)


def start_as_keras(model):
    """Glorot uniform weights and zero biases, so that losses can be compared."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def measure(build, x, batch, sizes, adam):
    """Times of the start and of the end of each step, the losses, the number of parameters."""
    torch.manual_seed(0)
    model, loss_of = build(**sizes)
    start_as_keras(model)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **adam)
    data = torch.from_numpy(x)
    times, losses = [time.perf_counter()], []
    for idxs in torch.randperm(len(data)).split(batch):
        optimizer.zero_grad()
        loss = loss_of(data[idxs])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        times.append(time.perf_counter())
    return {
        "times": times,
        "losses": losses,
        "parameters": sum(p.numel() for p in model.parameters()),
        "threads": torch.get_num_threads(),
    }
