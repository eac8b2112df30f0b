"""f-VAE (1809.05861) on faces, or any pictures of your own: an autoencoder with a flow as prior.

The defaults are sizes that two CPU cores train in an evening at 64x64. The blog series' has
--img-size 128 --blocks 12 --depth 12 --hidden 256 --norm batch --output-activation tanh
--optimizer adam --learning-rate 1e-4 --batch-size 32 --warmup 0. --prior tarflow puts a transformer
flow on the latents in place of Glow, as STARFlow (2506.06276).

--data is a folder or a zip of pictures, as for glow_celeba, with the same options.

Writes to --out: a grid of samples after every epoch; at the end grid.png at --temperature,
grid_1.png at temperature 1, corners.png (pictures between four samples), lines.png (between two),
loss.png, fvae_celeba.keras, metrics.json, and reconstruction.png: test pictures above
reconstructions, which are pictures of your data.
"""

from keras_flows.models import FVAE, TarFlow
from keras_flows.models.latent_glow import latent_glow
from keras_flows.models.pictures import check_sides
from keras_flows.networks.autoencoder import NORMS, latent_shape
from keras_flows.recipes.parts.fvae_figures import draw, measure
from keras_flows.training.arguments import above_0, positive
from keras_flows.training.callbacks import RollbackOnCollapse, SampleGrid
from keras_flows.training.image_folder import HELP, add_folder_options, load_folder
from keras_flows.training.image_plots import plot_loss
from keras_flows.training.image_run import dry_run, image_parser
from keras_flows.training.model_checkpoint import ModelCheckpoint, save, with_weights
from keras_flows.training.run import Run
from keras_flows.training.script import script

NAME = "fvae_celeba"
MODEL = (
    *("level", "blocks", "norm", "output_activation", "posterior_std", "pixel_std"),
    *("prior", "depth", "hidden"),
)


def parser():
    p = image_parser(
        __doc__,
        NAME,
        epochs=100,
        batch_size=32,
        learning_rate=1e-3,
        rows=9,
        columns=9,
        temperature=0.8,
        holdout=None,
        steps_per_epoch=500,
        warmup=300,
        clip=100.0,
        ema=0.99,
        data=HELP,
        data_required=True,
    )
    add = p.add_argument
    add("--level", type=positive, default=3, help="how often the autoencoder halves the sides")
    add("--blocks", type=positive, default=3, help="residual blocks of each network at each size")
    norms = ["none" if norm is None else norm for norm in NORMS]
    add("--norm", choices=norms, default="group", help="in the residual blocks")
    add("--output-activation", choices=("tanh",), help="of the pictures; None: none")
    add("--posterior-std", type=above_0, help="fixed; None: learned")
    add("--pixel-std", type=above_0, help="fixed, for pixels in [-1, 1]; None: learned")
    add("--prior", choices=PRIORS, default="glow", help="the flow of the latents")
    add("--depth", type=positive, default=6, help="steps of Glow a scale, or of TarFlow")
    add("--hidden", type=positive, default=192, help="channels of the flow's networks")
    add_folder_options(p)
    return p


def glow(shape, args):
    return latent_glow(shape, steps=args.depth, hidden=args.hidden, seed=args.seed)


def tarflow(shape, args):
    """A TarFlow whose tokens are the positions of the latents."""
    return TarFlow(
        shape, steps=args.depth, patch=1, hidden=args.hidden, blocks=2, noise=None, seed=args.seed
    )


PRIORS = {"glow": glow, "tarflow": tarflow}


def build(args):
    shape = (args.img_size, args.img_size, 3)
    return FVAE(
        shape,
        levels=args.level,
        blocks=args.blocks,
        norm=None if args.norm == "none" else args.norm,
        output_activation=args.output_activation,
        posterior_std=args.posterior_std,
        pixel_std=args.pixel_std,
        flow=PRIORS[args.prior](latent_shape(shape, args.level), args),
        levels_per_channel=2**args.bits,
        seed=args.seed,
    )


@script(NAME, parser)
def main(args):
    check_sides("FVAE", (args.img_size, args.img_size, 3), args.level, args.level)
    data = load_folder(args)
    settings = ("bits", "holdout", "img_size", "data", "test", *MODEL)
    run = Run(NAME, args, data.arrays, settings, checkpoint=ModelCheckpoint)
    model = run.flow(lambda: build(args), data.size)
    reduce = lambda x: x >> (8 - args.bits)  # noqa: E731
    loading = {"rows": data.rows, "flip": True, "transform": reduce}
    if args.dry_run:
        return dry_run(model, args, data, {**loading, "context": None})
    grids = SampleGrid(
        args.out / "epoch_{epoch:03d}.png", args.temperature, args.rows, args.columns
    )
    validation, test = reduce(data.validation), reduce(data.test)
    sizes = {"validation_batch_size": args.batch_size}
    model = run.train(
        model, data.train, validation, [grids, RollbackOnCollapse()], **sizes, **loading
    )
    model = with_weights(model, model.get_weights())
    save(model, args.out / f"{NAME}.keras")
    metrics = measure(model, test)
    run.write_metrics(model, {"training_pictures": data.size, **metrics})
    draw(args, model, test)
    plot_loss(args.out, model, run.checkpoint, NAME)
    print(f"Test: {metrics['test']}\nPictures, model and metrics are in {args.out}.")
