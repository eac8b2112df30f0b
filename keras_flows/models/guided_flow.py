"""`GuidedFlow`: sampling with guidance, and denoising by the model's own score."""

import keras
import numpy as np
from keras import ops

from keras_flows.backend.programs import gradient
from keras_flows.core.flow_layer import FlowLayer, register
from keras_flows.core.graph import operations
from keras_flows.flow.flow import Flow
from keras_flows.flow.prediction import predict
from keras_flows.flow.progress import verbose_for
from keras_flows.flow.sampling import temperature_per_dimension
from keras_flows.layers.noise import GaussianNoise
from keras_flows.models.guidance import in_place, make_guided_decoder, strength_factors


@register
class GuidedFlow(Flow):
    """A `Flow` of `TransformerAutoregressive` layers with guidance and denoising of its samples.

    `TarFlow` builds it. The encoder is a chain of flow layers.
    Paper: TarFlow (2412.06329) section 2.

    >>> flow.sample(10, labels=np.arange(10), guidance=2.0)
    """

    def __init__(self, encoder, prior=None, **kwargs):
        super().__init__(encoder, prior, **kwargs)
        noise = next((v for v in self.chain if isinstance(v, GaussianNoise)), None)
        self.noise_std = noise and noise.std

    @property
    def chain(self):
        """The flow layers from data to latent."""
        return [v for v, _ in operations(self.encoder) if isinstance(v, FlowLayer)]

    @property
    def decoder(self):
        return in_place(super().decoder)

    def sample(
        self,
        n,
        temperature=1.0,
        seed=None,
        batch_size=None,
        context=None,
        *,
        per_context=False,
        labels=None,
        guidance=0.0,
        guidance_schedule="linear",
        denoise=None,
    ):
        """`n` samples of data, as `Flow.sample`, with guidance by the class and denoising.

        With guidance w the parameters p of each layer become p + w_i (p - q),
        where q are the parameters without a class.

        Args:
            labels: the same as `context`: one class for all samples, or one each.
            guidance: w; 0 for no guidance, usually 1 to 3.
            guidance_schedule: w_i for the i-th patch: "constant"; "linear", which
                grows from 0 to w over the patches of a layer; or a function
                from an array of positions, 0 to 1, to an array of factors of w.
            denoise: whether to denoise the samples, see `denoise`. None does so
                if the flow was trained with Gaussian noise.

        Raises ValueError for guidance without labels or in a flow that drops
        no labels in training, and for denoising without Gaussian noise.
        """
        denoise = bool(self.noise_std) if denoise is None else denoise
        if denoise:
            self._check_noise()
        if not np.isfinite(guidance):
            raise ValueError(f"guidance is a finite number. Received: guidance={guidance}.")
        context = labels if context is None else context
        options = {"guidance": guidance, "schedule": guidance_schedule, "denoise": denoise}
        return super().sample(
            n, temperature, seed, batch_size, context, per_context=per_context, **options
        )

    def _sample(self, n, temperature, seed, batch_size, context, guidance, schedule, denoise):
        if guidance:
            z = self.prior.sample(n, temperature_per_dimension(self, temperature), seed)
            x = self._decode_guided(z, context, guidance, schedule, batch_size)
        else:
            x = super()._sample(n, temperature, seed, batch_size, context)
        if not denoise:
            return x
        return self.denoise(x, context, batch_size=self._batch_size(x, batch_size))

    def denoise(self, x, context=None, *, batch_size=32):
        """x + std^2 d log p(x | context) / dx: the mean of the clean data given noisy x.

        This is Tweedie's formula, for a flow trained with Gaussian noise of
        this standard deviation. It takes one forward and backward pass. Raises
        ValueError for a flow trained with other noise. Paper: TarFlow
        (2412.06329) section 2.
        """
        self._check_noise()
        x = self.inputs_spec.prepare(np.asarray(x, self.variable_dtype), context)
        parts = x if self.conditional else [x]
        rows = len(parts[0])
        bar = keras.utils.Progbar(rows, verbose=verbose_for(rows, batch_size))
        batches = []
        for i in range(0, rows, batch_size):
            batches.append(self._denoised(*(part[i : i + batch_size] for part in parts)))
            bar.update(min(i + batch_size, rows))
        return np.concatenate(batches)

    def _denoised(self, x, *context):
        score = gradient(lambda v: self.log_prob(v, *context), x)
        return x + self.noise_std**2 * ops.convert_to_numpy(score)

    def _check_noise(self):
        if not self.noise_std:
            raise ValueError(
                "Denoising is for flows trained with Gaussian noise, TarFlow(noise='gaussian'). "
                f"Received: '{self.name}' with no GaussianNoise layer."
            )

    def _decode_guided(self, z, context, guidance, schedule, batch_size):
        if not self.labels_optional or context is None:
            raise ValueError(
                "Guidance needs labels, and a flow of classes that drops labels in training. "
                f"Received: labels={context}, guidance={guidance}, classes={self.classes}."
            )
        z, labels = self.inputs_spec.prepare(ops.convert_to_numpy(z), context, latent=True)
        model = self.guided_decoder
        factors = strength_factors(schedule, model.inputs[2].shape[1])
        strength = np.broadcast_to(guidance * factors, (len(z), len(factors))).astype(z.dtype)
        size = self._batch_size(z, batch_size, even=True)
        return predict(model, [z, labels, strength], size, flow=self, verbose=0)

    @property
    def guided_decoder(self):
        """The model from [latent, label, strength of each patch] to data, built at first use."""
        if getattr(self, "_guided_decoder", None) is None:
            decoder = make_guided_decoder(self)
            object.__setattr__(self, "_guided_decoder", lambda: decoder)
        return self._guided_decoder()

    def __dir__(self):
        # Keras saves the attributes that dir() lists; see `Flow.__dir__`.
        return [name for name in super().__dir__() if name not in ("guided_decoder", "chain")]
