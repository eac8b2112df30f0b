"""Glow in normflows, with its public classes."""

import normflows as nf

from benchmarks.training_loops.torch import of_pixels


class Flow(nf.MultiscaleFlow):
    """Samples without densities, and densities without classes."""

    def log_prob(self, x, y=None):
        return super().log_prob(x, y)

    def sample(self, n):
        return super().sample(n)[0]


def build(image_shape, levels, depth, hidden):
    """`GlowBlock`s with PLU and sigmoid scales in a `MultiscaleFlow`.

    The library's base distributions take no condition. The conditional Gaussian of a split-off
    part is therefore an affine coupling with one 3x3 convolution before the split, which is the
    same density. `GlowBlock` has the same network, with LeakyReLU of slope 0; actnorms are
    initialized from the first batch. Lists run from latent to data.
    """
    height, width, channels = image_shape
    bases, flows, merges = [], [], []
    for level in reversed(range(levels)):
        channels_here, side = channels * 2 ** (level + 2), 2 ** (level + 1)
        top = level == levels - 1
        steps = [nf.flows.GlowBlock(channels_here, hidden) for _ in range(depth)]
        flows.append([*([] if top else [_prior(channels_here // 2)]), *steps, nf.flows.Squeeze()])
        merges += [] if top else [nf.flows.Merge()]
        shape = (channels_here if top else channels_here // 2, height // side, width // side)
        bases.append(nf.distributions.DiagGaussian(shape, trainable=False))
    return of_pixels(Flow(bases, flows, merges, class_cond=False))


def _prior(channels):
    net = nf.nets.ConvNet2d([channels, 2 * channels], [3])
    return nf.flows.AffineCouplingBlock(net, scale_map="exp")
