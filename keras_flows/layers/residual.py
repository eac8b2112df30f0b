"""Residual layers: z = x + g(x) for a network g whose Lipschitz constant is below 1."""

import keras
from keras import ops

from keras_flows.core.branch import Branch, with_weights
from keras_flows.core.flow_layer import register, serialize_shared
from keras_flows.core.remat import remat
from keras_flows.core.reports import Reports
from keras_flows.core.scope import current
from keras_flows.layers.contractive import Contractive


@register
class Residual(Contractive):
    """Residual layer: z = x + net(x), invertible where the network's Lipschitz constant is below 1.

    log|det dz/dx| = log det(I + J), J the network's Jacobian, in nats. `decode` iterates
    x <- z - net(x), accelerated, for each sample by itself; a sample that has not converged is
    reported (`flow.sample`, `decode` and `reconstruct` warn), and NaN where nothing reports.

    Args:
        net: a network from x, or from [x, context], to x's shape: `LipschitzMLP`,
            `LipschitzConvNet`, a `keras.Sequential` of layers with `bound()`, or one whose
            constant you know to be below 1.
        log_det: "exact", from the whole Jacobian; "series", its power series cut after `terms`,
            which is biased; "roulette", which continues the series by chance, so that it is
            unbiased, and stops with a probability that follows from the certified bound, so that
            the variance is finite; "auto": exact up to 8 dimensions, else roulette. Traces are
            estimated by random signs. Gradients are those of the log-determinant, by one
            product that is differentiated, whatever the number of terms.
        terms, probes: terms that are always computed, and random vectors for each sample, in
            training. Terms of None: 2 of a roulette, 10 of a series.
        eval_terms, eval_probes: the same outside of training. With 2 probes or more
            `flow.log_prob_error` knows the standard error.
        eval_log_det: as log_det, outside of training; None if it is the same. "series" in
            training and "roulette" outside of it trains at the cost of few terms, and reports
            densities that are unbiased.
        tolerance, max_iterations: of the inverse; see `core.fixed_point`.
        seed: integer that fixes the random vectors.

    Shapes: any to the same, `[x, context]` with a context. `bounds()` certifies the network's
    constant. Weights of norms are brought up to date by `fit`, `evaluate`, `predict`, `sample`
    and `save` of a `Flow`. Raises ValueError for networks of other shapes and unknown methods.
    Papers: i-ResNet (1811.00995), Residual Flows (1906.02735) section 3.

    >>> z = Residual(LipschitzMLP((64, 64)))(x)
    """

    def __init__(self, net, log_det="auto", **kwargs):
        super().__init__(log_det, **kwargs)
        if not isinstance(net, keras.layers.Layer):
            raise ValueError(f"net is a Keras layer or model. Received: net={net!r}.")
        self.net = net

    @property
    def nets(self):
        return [self.net]

    def encode(self, inputs):
        x, context = self._parts(inputs)
        # Read here: what is computed again in a backward pass is outside of their scopes.
        needed, probes = Reports.needs_log_det(), self._counts()[1]
        estimate = None
        if needed:
            branch = Branch(self.net, context)
            estimate = self._estimate(branch, x, self.certificates[0])

        def block(x, context, estimate):
            branch = Branch(self.net, context)
            if not needed:
                return x + branch(x), None
            y, log_det = self._value_and_log_det(branch, x, estimate, probes)
            return x + y, log_det

        if current().backprop == "remat":
            return self._remat(block, x, context, estimate)
        return block(x, context, estimate)

    def _remat(self, block, *args):
        """`block(*args)`, of which nothing is kept but its arguments and the weights."""
        flat, variables = keras.tree.flatten(args), self.net.variables
        present = [v for v in flat if v is not None]

        def function(*tensors):
            tensors, values = iter(tensors[: len(present)]), tensors[len(present) :]
            filled = [None if v is None else next(tensors) for v in flat]
            with with_weights(variables, values):
                return block(*keras.tree.pack_sequence_as(args, filled))

        values = [ops.cast(v.value, v.dtype) for v in variables]
        return remat(function, *present, *values)

    def decode(self, inputs):
        z, context = self._parts(inputs)
        branch = Branch(self.net, context)
        x, _ = self.solve(branch, z, self.certificates[0])
        if not Reports.needs_log_det():
            return x, None
        estimate = self._estimate(branch, x, self.certificates[0])
        return x, -self._value_and_log_det(branch, x, estimate, self._counts()[1])[1]

    def get_config(self):
        return {**super().get_config(), "net": serialize_shared(self.net)}

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
