"""Lists the trained flows of the package, whose names every command takes as MODEL."""

HELP = "the trained flows of the package"


def options(p):
    pass


def run(args):
    from keras_flows import list_presets

    presets = list_presets()
    width = max(map(len, presets), default=0) + 2
    for name, line in presets.items():
        print(f"{name:{width}}{line}")
