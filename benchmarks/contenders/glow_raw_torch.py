"""Glow written by hand in torch."""

import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.training_loops.torch import at_zero, conv_net, of_pixels


class Step(nn.Module):
    """Actnorm, PLU 1x1 convolution that starts as a random rotation, and affine coupling."""

    def __init__(self, channels, hidden):
        super().__init__()
        p, lower, upper = torch.linalg.lu(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.register_buffer("p", p)
        self.register_buffer("sign", upper.diag().sign())
        self.register_buffer("eye", torch.eye(channels))
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(upper.diag().abs().log())
        self.net = conv_net(channels // 2, hidden, channels)

    def kernel(self):
        lower = self.lower.tril(-1) + self.eye
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        return self.p @ lower @ upper

    def coupling(self, x1):
        """Shift and log scale, exp(s) = sigmoid(r + 2)."""
        shift, raw = self.net(x1).chunk(2, dim=1)
        return shift, functional.logsigmoid(raw + 2)

    def encode(self, h):
        h = functional.conv2d(h * self.scale.exp() + self.shift, self.kernel()[..., None, None])
        x1, x2 = h.chunk(2, dim=1)
        shift, log_scale = self.coupling(x1)
        positions = h.shape[2] * h.shape[3]
        log_det = positions * (self.scale.sum() + self.log_diagonal.sum())
        h = torch.cat([x1, (x2 - shift) * log_scale.exp()], dim=1)
        return h, log_scale.sum((1, 2, 3)) + log_det

    def decode(self, h):
        z1, z2 = h.chunk(2, dim=1)
        shift, log_scale = self.coupling(z1)
        h = torch.cat([z1, z2 * (-log_scale).exp() + shift], dim=1)
        h = functional.conv2d(h, torch.linalg.inv(self.kernel())[..., None, None])
        return (h - self.shift) * (-self.scale).exp()


class RawGlow(nn.Module):
    """Steps at each scale, conditional Gaussians for split-off parts, standard normal."""

    def __init__(self, image_shape, levels, depth, hidden):
        super().__init__()
        height, width, channels = image_shape
        self.scales, self.priors, self.shapes = nn.ModuleList(), nn.ModuleList(), []
        for level in range(1, levels + 1):
            squeezed = channels << (level + 1)
            self.scales.append(nn.ModuleList(Step(squeezed, hidden) for _ in range(depth)))
            if level < levels:
                self.priors.append(at_zero(nn.Conv2d(squeezed // 2, squeezed, 3, padding=1)))
            size = squeezed if level == levels else squeezed // 2
            self.shapes.append((size, height >> level, width >> level))

    def encode(self, h):
        """The parts of the latent, finest scale first, and the log-determinant."""
        parts, log_det = [], 0.0
        for i, scale in enumerate(self.scales):
            h = functional.pixel_unshuffle(h, 2)
            for step in scale:
                h, more = step.encode(h)
                log_det = log_det + more
            if i < len(self.priors):
                h, out = h.chunk(2, dim=1)
                k, b = self.priors[i](h).chunk(2, dim=1)
                parts.append(out * k.exp() + b)
                log_det = log_det + k.sum((1, 2, 3))
        return [*parts, h], log_det

    def decode(self, parts):
        h = None
        for i, z in reversed(list(enumerate(parts))):
            if h is not None:
                k, b = self.priors[i](h).chunk(2, dim=1)
                z = torch.cat([h, (z - b) * (-k).exp()], dim=1)
            for step in reversed(self.scales[i]):
                z = step.decode(z)
            h = functional.pixel_shuffle(z, 2)
        return h

    def log_prob(self, x):
        parts, log_det = self.encode(x)
        energy = sum(0.5 * (z * z).sum((1, 2, 3)) for z in parts)
        return log_det - energy - 0.5 * math.log(2 * math.pi) * x[0].numel()

    def sample(self, n):
        return self.decode([torch.randn(n, *shape) for shape in self.shapes])


def build(image_shape, levels, depth, hidden):
    """Uses channels last in memory, unlike the other libraries: faster on CPUs."""
    model = RawGlow(image_shape, levels, depth, hidden)
    return of_pixels(model.to(memory_format=torch.channels_last))
