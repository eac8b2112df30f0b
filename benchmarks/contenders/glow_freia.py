"""Glow in FrEIA, with its public classes."""

import math

import torch
from FrEIA import framework, modules
from torch import nn

from benchmarks.training_loops.torch import at_zero, conv_net, of_pixels


class InvConv(modules.InvertibleModule):
    """Learned 1x1 convolution in PLU form; the library has only fixed and orthogonal ones."""

    def __init__(self, dims_in, dims_c=None):
        super().__init__(dims_in, dims_c)
        size, *sides = dims_in[0]
        p, lower, upper = torch.linalg.lu(torch.linalg.qr(torch.randn(size, size))[0])
        diagonal = upper.diag()
        self.register_buffer("p", p)
        self.register_buffer("sign", diagonal.sign())
        self.register_buffer("eye", torch.eye(size))
        self.lower = nn.Parameter(lower.tril(-1))
        self.upper = nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(diagonal.abs().log())
        self.positions = math.prod(sides)

    def forward(self, x, rev=False, jac=True):
        lower = self.lower.tril(-1) + self.eye
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_diagonal.exp())
        kernel = self.p @ lower @ upper
        kernel = torch.linalg.inv(kernel) if rev else kernel
        z = nn.functional.conv2d(x[0], kernel[..., None, None])
        return (z,), (-1) ** rev * self.positions * self.log_diagonal.sum()

    def output_dims(self, input_dims):
        return input_dims


class Density(nn.Module):
    """A `GraphINN` with a standard normal prior, and with `log_prob` and `sample`.

    Actnorms that have seen no data stay the identity when sampling. The library would initialize
    them from the samples, which would then explode.
    """

    def __init__(self, model):
        super().__init__()
        self.model = model

    def log_prob(self, x):
        z, jac = self.model(x)
        energy = sum(0.5 * (part * part).flatten(1).sum(1) for part in z)
        return jac - energy - 0.5 * math.log(2 * math.pi) * x[0].numel()

    def sample(self, n):
        for layer in self.model.modules():
            if isinstance(layer, modules.ActNorm):
                layer.init_on_next_batch = False
        z = [torch.randn(n, *shape) for shape in self.model.global_out_shapes]
        return self.model(z, rev=True)[0]


def build(image_shape, levels, depth, hidden):
    """Steps of flow as a `GraphINN` with one output a scale, standard normal.

    The couplings' clamp is set to log sigmoid(s + 2). A condition cannot be a node within the
    flow. The conditional Gaussian of a split-off part is therefore a one-sided coupling with one
    3x3 convolution before the split, which is the same density. Actnorms are initialized from the
    first batch.
    """
    net = {"subnet_constructor": lambda a, b: conv_net(a, hidden, b), **_clamp(_log_sigmoid)}
    prior = {"subnet_constructor": _prior_net, **_clamp(lambda s: s)}
    height, width, channels = image_shape
    nodes = [framework.InputNode(channels, height, width)]
    outputs = []

    def add(source, module, options=None):
        nodes.append(framework.Node(source, module, options or {}))
        return nodes[-1]

    h = nodes[0]
    for level in range(levels):
        h = add(h, modules.IRevNetDownsampling)
        for _ in range(depth):
            h = add(add(h, modules.ActNorm), InvConv)
            h = add(h, modules.AffineCouplingOneSided, net)
        if level < levels - 1:
            split = add(add(h, modules.AffineCouplingOneSided, prior), modules.Split)
            outputs.append(framework.OutputNode(split.out1))
            h = split.out0
    model = framework.GraphINN([*nodes, *outputs, framework.OutputNode(h)])
    return of_pixels(Density(model))


def _clamp(function):
    return {"clamp": 1.0, "clamp_activation": function}


def _log_sigmoid(s):
    return nn.functional.logsigmoid(s + 2)


def _prior_net(inputs, outputs):
    return at_zero(nn.Conv2d(inputs, outputs, 3, padding=1))
