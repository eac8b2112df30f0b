"""Serves a page in which one plays with a flow: samples, walks, dimensions, pictures of one's own.

The page is at 127.0.0.1, so that only this machine sees it; --host 0.0.0.0 shows it to the network.
It needs gradio: pip install keras-flows[demo].
"""

from pathlib import Path

from keras_flows.cli import flows, samples
from keras_flows.cli.options import add_model
from keras_flows.training.arguments import positive

HELP = "a page to play with a flow in the browser"


def options(p):
    add_model(p)
    add = p.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=positive, help="port (default: the first free one from 7860)")
    add("--data", type=Path, help="folder or zip of pictures, for directions of attributes")
    add("--attributes", type=Path, help="list_attr_celeba.txt or .csv; None: the one in --data")
    add("--limit", type=positive, default=1000, help="pictures of --data to use")


def run(args):
    try:
        from keras_flows.demo import page
    except ImportError as error:
        raise ImportError(
            f"The page needs gradio: pip install keras-flows[demo]. Received: {error}."
        ) from error
    title = args.model
    flow = flows.load(args)
    page.launch(flow, title, _attributes(args, flow), args.host, args.port)


def _attributes(args, flow):
    """The `Attributes` of --data, or None without it."""
    if args.data is None:
        return None
    from keras_flows.data import datasets
    from keras_flows.demo.attributes import Attributes

    pixels, names, signs = samples.with_attributes(args, flow)
    return Attributes(flow, datasets.as_input(flow, pixels), names, signs)
