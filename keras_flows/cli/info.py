"""Shows what is in the file of a flow: data, context, size, prior and versions."""

import json
import zipfile

from keras_flows.cli import flows
from keras_flows.cli.options import add_model

HELP = "what is in a saved flow"


def options(p):
    add_model(p)


def run(args):
    from keras_flows.flow.value_checks import broken_weights

    flow = flows.load(args, check=False)
    facts = {**_flow_facts(flow), **_file_facts(args.model)}
    if broken := broken_weights(flow):
        facts["weights"] = f"not finite: {broken[0]}, and {len(broken) - 1} more"
    width = max(map(len, facts)) + 2
    for name, fact in facts.items():
        print(f"{name:{width}}{fact}")


def _flow_facts(flow):
    """Facts about the flow: {name: text}."""
    from keras_flows.core.cost import multiply_adds, trainable_parameters
    from keras_flows.layers.noise import Noise

    data, *contexts = flow.encoder.inputs
    numbers = f"integers from 0 to {flow.levels - 1}" if flow.discrete else "numbers"
    inner_layers = flow._flatten_layers(include_self=False)
    noise = [layer for layer in inner_layers if isinstance(layer, Noise)]
    return {
        "flow": f"{flow.name} ({type(flow).__name__})",
        "data": f"{_shape(data)}, {data.dtype}, {numbers}",
        "dimensions": f"{flow.dims}",
        "context": ", ".join(map(_context, contexts)) or "none",
        "classes": f"{flow.classes or 'none'}{', or none' * flow.labels_optional}",
        "latent levels": f"{len(flow.latent_levels)}",
        "prior": f"{type(flow.prior).__name__}",
        "noise": ", ".join(_noise(layer) for layer in noise) or "none",
        "parameters": f"{trainable_parameters(flow):,}",
        "multiply-adds": f"{multiply_adds(flow.encoder):,} a sample",
    }


def _shape(tensor):
    return f"shape {tuple(tensor.shape[1:])}"


def _context(tensor):
    return f"{tensor.name}, {_shape(tensor)}, {tensor.dtype}"


def _noise(layer):
    sizes = {k: v for k, v in layer.get_config().items() if k in ("low", "high", "std")}
    return f"{type(layer).__name__}({', '.join(f'{k}={v:g}' for k, v in sizes.items())})"


def _file_facts(path):
    """Facts about the file: size, date, and the versions that wrote it."""
    if path.is_dir():
        return {"folder": f"{path}"}
    facts = {"file": f"{path}, {path.stat().st_size:,} bytes"}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            metadata, model = (json.loads(file.read(f"{x}.json")) for x in ("metadata", "config"))
        facts["saved"] = f"by Keras {metadata.get('keras_version')}, {metadata.get('date_saved')}"
        facts["format"] = f"{model['config'].get('format', 0)}"
    return facts
