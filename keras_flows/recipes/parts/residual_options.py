"""What the recipes for residual flows share: options, the model, and errors of estimation."""

import numpy as np

from keras_flows.layers import Residual
from keras_flows.models import ResidualFlow
from keras_flows.networks.lipschitz_nets import ACTIVATIONS
from keras_flows.recipes.parts.certified import report_bounds
from keras_flows.training.arguments import below_1, count, not_negative, positive

SETTINGS = (
    *("levels", "squeezes", "depth", "dense_depth", "hidden", "lipschitz", "activation"),
    *("concatenate", "alpha", "log_det", "terms", "eval_terms", "eval_probes"),
)


def add_residual_options(p, **defaults):
    """Adds the options of a residual flow of pictures to the parser."""
    add = p.add_argument
    add("--levels", type=positive, help="resolutions, with a squeeze between them")
    add("--squeezes", type=count, help="squeezes before the first level")
    add("--depth", type=positive, help="residual blocks of a level")
    add("--dense-depth", type=count, help="residual blocks of dense networks at the end")
    add("--hidden", type=positive, help="channels of the networks")
    add("--lipschitz", type=below_1, help="bound on the Lipschitz constant of a network")
    add("--activation", choices=tuple(ACTIVATIONS), help="of the networks")
    add("--concatenate", action="store_true", help="networks of an i-DenseNet")
    add("--alpha", type=not_negative, help="logit(alpha + (1 - 2 alpha) x) of the pixels x")
    add(
        "--log-det",
        choices=("roulette", "series"),
        help="in training: unbiased, or a series of --terms terms; outside of it it is unbiased",
    )
    add("--terms", type=positive, help="terms that are always computed; None: 2 or 10")
    add("--eval-terms", type=positive, help="the same outside of training")
    add("--eval-probes", type=positive, help="random vectors a picture outside of training")
    p.set_defaults(**defaults)


def build_residual(args, image_shape):
    """The flow of the options."""
    return ResidualFlow(
        image_shape,
        levels=args.levels,
        squeezes=args.squeezes,
        steps=args.depth,
        dense_steps=args.dense_depth,
        log_det=args.log_det,
        terms=args.terms,
        eval_terms=args.eval_terms,
        eval_probes=args.eval_probes,
        eval_log_det="roulette",
        hidden=args.hidden,
        lipschitz=args.lipschitz,
        activation=args.activation,
        concatenate=args.concatenate,
        alpha=args.alpha,
        seed=args.seed,
    )


def residual_metrics(flow, test, batch_size, pictures=2000, probes=2):
    """Certified bounds of the blocks, and how exact estimates of test bits/dim are.

    From some test pictures, estimated once more with at least two probes: `estimation_error` is the
    standard error of their mean that comes from log-determinants that are estimated. Pictures of
    one batch share the lengths of a roulette, so their errors are added as if they were equal: an
    upper bound.
    """
    blocks = [v for v in flow.encoder.layers if isinstance(v, Residual)]
    counts = [block.eval_probes for block in blocks]
    for block in blocks:
        block.eval_probes = max(block.eval_probes, probes)
    log_prob, error = flow.log_prob_error(test[:pictures], batch_size=batch_size)
    for block, count_ in zip(blocks, counts):
        block.eval_probes = count_
    bits, error = -log_prob / (flow.dims * np.log(2)), error / (flow.dims * np.log(2))
    batches = [error[i : i + batch_size].sum() for i in range(0, len(error), batch_size)]
    estimate = {
        "pictures": len(bits),
        "bits_per_dim": float(bits.mean()),
        "estimation_error": float(np.sqrt(np.sum(np.square(batches))) / len(bits)),
        "estimation_error_of_a_picture": float(np.sqrt(np.mean(np.square(error)))),
    }
    return {"test_estimate": estimate, **report_bounds(flow)}
