"""Makes a preset from the folder of a finished training run: a model and its card.

The card has the run's command, data, split, machine and figures, and a figure of 50 test pictures
by which a test can tell that the preset still works.
"""

from pathlib import Path

from keras_flows.training.arguments import positive

HELP = "makes a preset from the folder of a training run"


def options(p):
    add = p.add_argument
    add("run_folder", type=Path, help="folder of a run, with its .keras file and metrics.json")
    add("--name", help="name of the preset (default: that of the recipe)")
    add("--out", type=Path, help="folder to write (default: the preset's name)")
    add("--model", type=Path, help="the .keras file, if the folder has several")
    add("--title", help="the preset in one line (default: the recipe's, with the figure)")
    add("--data", type=Path, help="MNIST, as for the run (default: the known copies)")
    add("--data-name", help="what the data are, if not MNIST")
    add("--data-licence", help="licence of the data, if not MNIST")
    text = "significant bits of the weights that are kept: 24 are float32, 11 are float16"
    add("--bits", type=positive, help=text)


def run(args):
    from keras_flows import recipes
    from keras_flows.training import presets

    card = presets.preset_of_run(
        args.run_folder,
        args.name,
        args.out,
        model=args.model,
        title=args.title,
        titles=recipes.summaries(),
        data=args.data,
        about={"data": args.data_name, "data_licence": args.data_licence},
        bits=args.bits,
    )
    folder = args.out or Path(card["name"])
    size = (folder / "model.keras").stat().st_size
    print(f"{folder}: {card['title']}, {size:,} bytes")
