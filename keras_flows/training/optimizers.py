"""The optimizer of a run, and the devices and the precision that it trains with."""

import functools

import keras

from keras_flows.backend.native import mirror_on_all_devices

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
}


def make_optimizer(args, samples):
    """The optimizer of the options, for a training set of `samples` samples."""
    steps = args.epochs * (args.steps_per_epoch or -(-samples // args.batch_size))
    rate = args.learning_rate
    if args.warmup or args.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if args.warmup else rate,
            max(1, steps - args.warmup),
            alpha=1.0 if args.schedule == "constant" else 0.0,
            warmup_target=rate if args.warmup else None,
            warmup_steps=args.warmup,
        )
    options = {"beta_2": args.beta_2, "global_clipnorm": args.clip}
    if args.weight_decay is not None:  # AdamW has a default of its own
        options["weight_decay"] = args.weight_decay
    if args.ema:
        options |= {"use_ema": True, "ema_momentum": args.ema}
    return OPTIMIZERS[args.optimizer](rate, **options)


def set_up(args):
    """Sets the seed, the devices and the precision of the options."""
    use_devices(args.devices)
    keras.utils.set_random_seed(args.seed)
    if args.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")


@functools.cache
def use_devices(devices):
    """Makes all later models train on one device, or on all devices of this host."""
    if devices == "all" and keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    elif devices == "all":
        mirror_on_all_devices()
