"""Implicit layers: z solves an equation with x, and either side is found by one iteration."""

import keras

from keras_flows.core.branch import Branch
from keras_flows.core.flow_layer import register, serialize_shared
from keras_flows.core.reports import Reports
from keras_flows.layers.contractive import Contractive


@register
class Implicit(Contractive):
    """Implicit layer: the z of z + net_z(z) = x + net_x(x), networks of Lipschitz below 1.

    A residual block followed by the inverse of another, so that its slopes are not limited to 2.
    log|det dz/dx| = log det(I + J_x) - log det(I + J_z), J_x and J_z the networks' Jacobians at x
    and at z, in nats. Both directions iterate, each sample by itself; gradients come from the
    equation, by one more iteration with the transposed Jacobian, so that nothing of the iteration
    is kept. Samples that have not converged are reported as in `Residual`.

    Args:
        net_x, net_z: networks as in `Residual`, with contexts as there.
        log_det, terms, probes, eval_terms, eval_probes, eval_log_det, tolerance, max_iterations,
            seed: as in `Residual`.

    Shapes: any to the same, `[x, context]` with a context. Raises ValueError as `Residual`. Paper:
    Implicit Normalizing Flows (2103.09527) section 4.

    >>> z = Implicit(LipschitzMLP((64, 64)), LipschitzMLP((64, 64)))(x)
    """

    def __init__(self, net_x, net_z, log_det="auto", **kwargs):
        super().__init__(log_det, **kwargs)
        for name, net in (("net_x", net_x), ("net_z", net_z)):
            if not isinstance(net, keras.layers.Layer):
                raise ValueError(f"{name} is a Keras layer or model. Received: {name}={net!r}.")
        self.net_x, self.net_z = net_x, net_z

    @property
    def nets(self):
        return [self.net_x, self.net_z]

    def encode(self, inputs):
        return self._cross(inputs, *self.nets, *self.certificates)

    def decode(self, inputs):
        return self._cross(inputs, *self.nets[::-1], *self.certificates[::-1])

    def _cross(self, inputs, net, other, certificate, rate):
        """From one side of the equation to the other: y of y + other(y) = x + net(x)."""
        x, context = self._parts(inputs)
        here, there = Branch(net, context), Branch(other, context)
        value, log_det = self._value(here, x, certificate)
        target = x + value
        y, _ = self.solve(there, target, rate)
        if log_det is None:
            return y, None
        return y, log_det - self._value(there, y, rate)[1]

    def _value(self, branch, x, certificate):
        if not Reports.needs_log_det():
            return branch(x), None
        estimate = self._estimate(branch, x, certificate)
        return self._value_and_log_det(branch, x, estimate, self._counts()[1])

    def get_config(self):
        nets = {"net_x": serialize_shared(self.net_x), "net_z": serialize_shared(self.net_z)}
        return {**super().get_config(), **nets}

    @classmethod
    def from_config(cls, config):
        nets = [keras.saving.deserialize_keras_object(config.pop(n)) for n in ("net_x", "net_z")]
        return cls(*nets, **config)


@register
class Monotone(Contractive):
    """Monotone layer: z = (u - g(u)) / 2 at the u of x = (u + g(u)) / 2, for g = net.

    One network of a Lipschitz constant below 1; as it goes to 1, the layer's slopes cover all
    numbers above 0. log|det dz/dx| = log det(I - J) - log det(I + J), J the network's Jacobian at
    u, in nats. Both directions iterate, as in `Implicit`; the inverse is the same with -g.

    Args:
        net, log_det, terms, probes, eval_terms, eval_probes, eval_log_det, tolerance,
            max_iterations, seed: as in `Residual`.

    Shapes: any to the same, `[x, context]` with a context. Paper: Monotone Flows (2210.08176)
    section 3.

    >>> z = Monotone(LipschitzMLP((64, 64)))(x)
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
        return self._turn(inputs, 1.0)

    def decode(self, inputs):
        return self._turn(inputs, -1.0)

    def _turn(self, inputs, sign):
        x, context = self._parts(inputs)
        branch, rate = Branch(self.net, context), self.certificates[0]
        u, value = self.solve(branch, 2 * x, rate, sign)
        # u + s g(u) = 2 x, so that (u - s g(u)) / 2 = x - s g(u).
        if not Reports.needs_log_det():
            return x - sign * value, None
        probes, total = self._counts()[1], None
        for s in (-sign, sign):
            estimate = self._estimate(branch, u, rate, s)
            value, log_det = self._value_and_log_det(branch, u, estimate, probes, s)
            total = log_det if total is None else total - log_det
        return x - sign * value, total

    def get_config(self):
        return {**super().get_config(), "net": serialize_shared(self.net)}

    @classmethod
    def from_config(cls, config):
        net = keras.saving.deserialize_keras_object(config.pop("net"))
        return cls(net, **config)
