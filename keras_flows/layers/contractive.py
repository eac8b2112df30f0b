"""What layers of Lipschitz networks share: norms, certificates, log-determinants, iterations."""

import math

import keras
from keras import ops

from keras_flows.core import lipschitz
from keras_flows.core.branch import implicit_gradient
from keras_flows.core.fixed_point import fixed_point
from keras_flows.core.flow_layer import FlowLayer, Inverse, register
from keras_flows.core.reports import report_variance, settled
from keras_flows.core.scope import current, is_adapting, scope
from keras_flows.core.shapes import is_shape
from keras_flows.layers import log_det as log_dets

METHODS = ("auto", "exact", "series", "roulette")
EXACT_DIMS = 8  # up to which "auto" takes the exact determinant


class Contractive(FlowLayer):
    """Base of `Residual`, `Implicit` and `Monotone`.

    Subclasses name their networks in `nets`; for each there is a weight with its certified bound.
    """

    updates_in_call = True
    iterates = True  # decodes by an iteration that may fail to converge

    def __init__(
        self,
        log_det="auto",
        terms=None,
        probes=1,
        eval_terms=20,
        eval_probes=4,
        eval_log_det=None,
        tolerance=None,
        max_iterations=500,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if log_det not in METHODS or eval_log_det not in (None, *METHODS):
            raise ValueError(
                f"log_det and eval_log_det are each one of {METHODS}, eval_log_det None if it is "
                f"the same. Received: log_det={log_det!r}, eval_log_det={eval_log_det!r}."
            )
        counts = [1 if terms is None else terms, probes, eval_terms, eval_probes, max_iterations]
        if min(counts) < 1:
            raise ValueError(
                "terms, probes, eval_terms, eval_probes and max_iterations are 1 or more. "
                f"Received: terms={terms}, probes={probes}, eval_terms={eval_terms}, "
                f"eval_probes={eval_probes}, max_iterations={max_iterations}."
            )
        self.log_det, self.eval_log_det = log_det, eval_log_det
        self.terms, self.probes = terms, int(probes)
        self.eval_terms, self.eval_probes = int(eval_terms), int(eval_probes)
        self.tolerance, self.max_iterations = tolerance, int(max_iterations)
        self.seed = seed

    def build(self, input_shape):
        shape, *context = [input_shape] if is_shape(input_shape) else input_shape
        if len(context) > 1 or len(shape) < 2 or None in shape[1:]:
            raise ValueError(
                f"{type(self).__name__} takes samples of known shape, or [samples, context]. "
                f"Received: input_shape={input_shape}."
            )
        self.conditions = len(context)
        self.input_spec = keras.InputSpec(shape=(None, *shape[1:]))
        if context:
            self.input_spec = [self.input_spec, keras.InputSpec(ndim=len(context[0]))]
        for net in self.nets:
            self._check_net(net, tuple(shape), context)
        self.certificates = [self._certificate(net, i) for i, net in enumerate(self.nets)]
        dims = math.prod(shape[1:])
        self.method = self._method(self.log_det, dims)
        self.eval_method = self._method(self.eval_log_det or self.log_det, dims)
        if not self.method == self.eval_method == "exact":
            self.seed_generator = keras.random.SeedGenerator(self.seed)

    def _check_net(self, net, shape, context):
        symbols = [keras.KerasTensor(s, self.compute_dtype) for s in (shape, *context)]
        try:
            received = tuple(net(symbols if context else symbols[0]).shape)
        except ValueError as error:
            raise ValueError(
                f"The network of '{self.name}' must take {shape} and {len(context)} contexts. "
                f"Received: shapes {[shape, *context]}, of which it says: {error}"
            ) from error
        if received[1:] != shape[1:]:
            raise ValueError(
                f"The network of '{self.name}' must keep the shape {shape}. "
                f"Received: a network that gives {received}."
            )

    def _certificate(self, net, i):
        start = getattr(net, "lipschitz", 1.0)
        return self.add_weight(
            name=f"bound_{i}" if i else "bound",
            shape=(),
            initializer=lambda shape, dtype: ops.full(shape, start, dtype),
            trainable=False,
            aggregation="mean",
        )

    def _method(self, log_det, dims):
        if log_det != "auto":
            bounded = all(hasattr(net, "bound") for net in self.nets)
            if log_det == "roulette" and not bounded:
                raise ValueError(
                    "log_det='roulette' needs a network with a certified bound, such as "
                    "LipschitzMLP: by it the variance is finite. Take 'series' for others. "
                    f"Received: {[type(net).__name__ for net in self.nets]}."
                )
            return log_det
        if dims <= EXACT_DIMS:
            return "exact"
        return "roulette" if all(hasattr(net, "bound") for net in self.nets) else "series"

    def certify(self):
        """Keeps the certified bounds of the networks, or 1 where there is none."""
        for net, certificate in zip(self.nets, self.certificates):
            bound = lipschitz.bound(net)
            certificate.assign(1.0 if bound is None else bound)

    def bounds(self):
        """Certified bounds on the Lipschitz constants of the networks, for the present weights."""
        lipschitz.refresh(self)
        return [lipschitz.bound(net) for net in self.nets]

    def call(self, inputs, training=None):
        self.iterate_norms(training)
        with scope(training=bool(training)):
            return super().call(inputs)

    def iterate_norms(self, training):
        """One step of power iteration in each network, in training only."""
        if training and self.trainable and not is_adapting():
            for net in self.nets:
                lipschitz.iterate(net)

    def _make_inverse(self):
        return InverseContractive(self)

    def _parts(self, inputs):
        return inputs if self.conditions else (inputs, None)

    def solve(self, branch, target, rate, sign=1.0):
        """The x of x + sign g(x) = target, and g there; gradients go through the equation."""
        rate, fixed = ops.convert_to_tensor(rate), ops.stop_gradient(target)
        options = {"tolerance": self.tolerance, "max_iterations": self.max_iterations}
        solution = fixed_point(
            lambda x: fixed - sign * branch.constant(x), fixed, rate=rate, **options
        )
        point = ops.stop_gradient(settled(solution))
        x = target - sign * branch(point)
        x = implicit_gradient(x, point, branch, rate, sign, options)
        return x, sign * (target - x)

    def _estimate(self, branch, x, certificate, sign=1.0):
        """The constants of an estimated log-determinant at x; None where it is exact."""
        method = self.method if current().training else self.eval_method
        if method == "exact":
            return None
        terms, probes = self._counts()
        noise = log_dets.rademacher(x, probes, self.seed_generator)
        extra, stop = 0, None
        if method == "roulette":
            stop = log_dets.stopping(ops.convert_to_tensor(certificate))
            # A length for each probe, so that the variance between probes contains theirs.
            shape = (probes,) if probes > 1 else ()
            extra = log_dets.geometric(stop, self.seed_generator, shape)
        estimate = log_dets.estimate(branch, x, noise, probes, terms, extra, stop, sign)
        report_variance(estimate.variance)
        return estimate

    def _counts(self):
        if not current().training:
            return self.eval_terms, self.eval_probes
        return self.terms or (2 if self.method == "roulette" else 10), self.probes

    @staticmethod
    def _value_and_log_det(branch, x, estimate, probes, sign=1.0):
        """g(x) and log det(I + sign J_g(x)), differentiable."""
        if estimate is None:
            return branch(x), log_dets.exact(branch, x, sign)
        return log_dets.with_gradient(branch, x, estimate, probes)

    def get_config(self):
        return {
            **super().get_config(),
            "log_det": self.log_det,
            "terms": self.terms,
            "probes": self.probes,
            "eval_terms": self.eval_terms,
            "eval_probes": self.eval_probes,
            "eval_log_det": self.eval_log_det,
            "tolerance": self.tolerance,
            "max_iterations": self.max_iterations,
            "seed": self.seed,
        }


@register
class InverseContractive(Inverse):
    """`Inverse` of a `Contractive` layer, whose norms it keeps up to date in training."""

    def call(self, inputs, training=None):
        self.layer.iterate_norms(training)
        with scope(training=bool(training)):
            return super().call(inputs)
