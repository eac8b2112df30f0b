"""NICE in normflows, with its public classes."""

import normflows as nf

from benchmarks.training_loops.torch import mlp, noisy


class Flow(nf.NormalizingFlow):
    """Samples without densities."""

    def sample(self, n):
        return super().sample(n)[0]


def build(dims, couplings, hidden):
    """Additive coupling blocks on alternating halves, diagonal scale, standard normal.

    Contiguous halves are the library's cheapest split. The flow is that of the blog up to a
    constant permutation of the pixels. The list runs from latent to data.
    """
    half = dims // 2
    flows = [nf.flows.AffineConstFlow((dims,), shift=False)]
    for i in reversed(range(couplings)):
        flows.append(
            nf.flows.AffineCouplingBlock(
                mlp((half, *hidden, half)),
                scale=False,
                split_mode="channel_inv" if i % 2 == 0 else "channel",
            )
        )
    base = nf.distributions.DiagGaussian(dims, trainable=False)
    model = Flow(base, flows)
    return model, lambda x: model.forward_kld(noisy(x))
