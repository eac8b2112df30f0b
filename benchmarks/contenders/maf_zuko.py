"""MAF in zuko, with its public classes."""

import torch
import zuko


class Density(torch.nn.Module):
    """A zuko flow with `log_prob` and `sample`, as the flows of nflows have them."""

    def __init__(self, flow):
        super().__init__()
        self.flow = flow

    def log_prob(self, x):
        return self.flow().log_prob(x)

    def sample(self, n):
        return self.flow().sample((n,))


def build(dims, steps, hidden):
    """`zuko.flows.MAF`: affine steps in alternating order, no normalisation, standard normal."""
    model = Density(zuko.flows.MAF(dims, transforms=steps, hidden_features=hidden))
    return model, lambda x: -model.log_prob(x).mean()
