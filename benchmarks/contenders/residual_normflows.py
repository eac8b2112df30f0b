"""A residual flow in normflows, with its public classes."""

import normflows as nf

from benchmarks.training_loops.torch import of_pixels


class Flow(nf.NormalizingFlow):
    """Samples without densities."""

    def sample(self, n):
        return super().sample(n)[0]


def build(image_shape, blocks, hidden, lipschitz, terms):
    """`Residual` layers of `LipschitzCNN`s, each followed by an `ActNorm`, after a squeeze.

    Log-determinants are series of `terms` terms with the gradients of Neumann series, computed in
    the forward pass, the library's default. One step of power iteration for each training step, as
    in the Keras model; the library's examples take 5 and 50. The list runs from latent to data.
    """
    height, width, channels = image_shape
    shape = (4 * channels, height // 2, width // 2)
    widths, each = [shape[0], hidden, hidden, shape[0]], lipschitz ** (1 / 3)
    flows = []
    for _ in range(blocks):
        net = nf.nets.LipschitzCNN(widths, [3, 1, 3], lipschitz_const=each)
        flows += [nf.flows.ActNorm((shape[0], 1, 1)), nf.flows.Residual(net, n_power_series=terms)]
    base = nf.distributions.DiagGaussian(shape, trainable=False)
    model, loss_of = of_pixels(Flow(base, [*flows, nf.flows.Squeeze()]))

    def loss_after_an_iteration(pixels):
        nf.utils.update_lipschitz(model, 1)
        return loss_of(pixels)

    return model, loss_after_an_iteration
