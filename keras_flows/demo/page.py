"""The page: sliders and pictures of gradio around the functions of this room."""

import gradio as gr

from keras_flows.demo import dropped, pictures, points
from keras_flows.demo.choices import choices

LARGEST_SEED, GUIDANCE, SPREAD = 9999, 4.0, 1.5
FONTS = ["system-ui", "sans-serif"]  # nothing is fetched from elsewhere


def launch(flow, title, attributes=None, host="127.0.0.1", port=None, wait=True):
    """Serves the page of a flow; returns its address. With `wait` until it is interrupted."""
    page = make_page(flow, title, attributes)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        share=False,
        quiet=True,
        show_error=True,
        theme=gr.themes.Default(font=FONTS, font_mono=["monospace"]),
        footer_links=[],
        max_file_size="20mb",
        ssr_mode=False,
    )
    print(f"The page is at {address} (Ctrl-C ends it).", flush=True)
    if wait:
        page.block_thread()
    return page, address


def make_page(flow, title, attributes=None):
    """The page as gradio's `Blocks`."""
    offer = choices(flow)
    with gr.Blocks(title=title, analytics_enabled=False) as page:
        gr.Markdown(f"## {title}")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                controls = _controls(offer)
            with gr.Column(scale=3):
                if offer.pictures:
                    _picture_tabs(page, flow, offer, controls, attributes)
                else:

                    def show(*values):
                        return points.density_picture(flow, *_arguments(offer, values)[:3])

                    _connect(page, show, controls, _image("Density and samples", "samples"))
    return page.queue(default_concurrency_limit=1)


def _controls(offer):
    """Sliders: temperature, a factor for each scale if there are several, seed, class, guidance."""
    slider = gr.Slider
    sliders = [slider(0, SPREAD, 1.0, step=0.05, label="temperature", elem_id="temperature")]
    sliders.append(slider(0, LARGEST_SEED, 0, step=1, label="seed", elem_id="seed"))
    if offer.classes:
        low, text = (-1, "class (-1: none)") if offer.no_class else (0, "class")
        sliders.append(slider(low, offer.classes - 1, 0, step=1, label=text, elem_id="class"))
    if offer.guidance:
        sliders.append(slider(0, GUIDANCE, 1.0, step=0.25, label="guidance", elem_id="guidance"))
    if offer.scales > 1:
        with gr.Accordion("Scales, from fine to coarse", open=offer.scales < 5):
            for i in range(offer.scales):
                name = f"scale {i + 1}, times the temperature"
                sliders.append(slider(0, SPREAD, 1.0, step=0.05, label=name, elem_id=f"scale{i}"))
    return sliders


def _arguments(offer, values):
    """Values of the sliders as temperatures, seed, class and guidance."""
    temperature, seed, *rest = values
    label = rest.pop(0) if offer.classes else None
    guidance = rest.pop(0) if offer.guidance else 0.0
    return [temperature * factor for factor in rest or [1.0]], seed, label, guidance


def _flat(picture):
    """A grey picture without its axis of channels, as gradio takes it."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _image(label, name):
    buttons = ["download", "fullscreen"]  # without gradio's own "share"
    return gr.Image(label=label, format="png", interactive=False, buttons=buttons, elem_id=name)


def _connect(page, function, inputs, output):
    """Calls the function when a slider moves, and when the page opens."""
    options = {"inputs": inputs, "outputs": output, "show_progress": "minimal"}
    for slider in inputs:
        slider.change(function, trigger_mode="always_last", **options)
    page.load(function, **options)


def _picture_tabs(page, flow, offer, controls, attributes):
    with gr.Tab("Samples"):

        def show(*values):
            return _flat(pictures.sample_grid(flow, *_arguments(offer, values)))

        _connect(page, show, controls, _image("Samples", "samples"))
    with gr.Tab("Walk"):
        _walk_tab(flow, offer, controls)
    with gr.Tab("Dimensions"):
        _dimension_tab(flow, offer, controls)
    with gr.Tab("A picture of yours"):
        _picture_tab(flow, offer, controls)
    if attributes is not None:
        with gr.Tab("Attributes"):
            _attribute_tab(flow, attributes)


def _walk_tab(flow, offer, controls):
    """Between samples of two seeds, or between two pictures if both are there."""
    with gr.Row():
        ends = [gr.Image(label=f"{name} (or a sample)", height=180) for name in ("from", "to")]
    second = gr.Slider(0, LARGEST_SEED, 1, step=1, label="seed of the other end")
    steps, inverted = gr.Slider(3, 12, 8, step=1, label="steps"), _inverted()
    button, row = gr.Button("Walk", elem_id="walk"), _image("Walk", "walk_row")

    def show(first, last, other, count, dark, *values):
        temperatures, seed, label, _ = _arguments(offer, values)
        if first is None or last is None:
            between = pictures.sampled_ends(flow, (seed, other), temperatures, label)
        else:
            between = [dropped.as_data(flow, end, dark) for end in (first, last)]
        return _flat(pictures.walk(flow, between, count, label))

    inputs = [*ends, second, steps, inverted, *controls]
    button.click(show, inputs, row)
    for slider in (second, steps):
        slider.change(show, inputs, row, trigger_mode="always_last", show_progress="minimal")


def _dimension_tab(flow, offer, controls):
    which = gr.Slider(0, offer.dims - 1, 0, step=1, label="dimension", elem_id="dimension")
    reach = gr.Slider(0.5, 8, 3, step=0.5, label="from minus this to this")
    row = _image("One dimension moved, the others as they are", "dimension_row")

    def show(dimension, distance, *values):
        temperatures, seed, label, _ = _arguments(offer, values)
        options = {"reach": distance, "label": label}
        return _flat(pictures.dimension_row(flow, int(dimension), seed, temperatures, **options))

    for slider in (which, reach):
        slider.change(
            show,
            [which, reach, *controls],
            row,
            trigger_mode="always_last",
            show_progress="minimal",
        )


def _picture_tab(flow, offer, controls):
    with gr.Row():
        picture = gr.Image(label="Drop a picture", height=280, elem_id="drop")
        beside = _image("The picture and its reconstruction", "reconstruction")
    inverted = _inverted()
    table = gr.Dataframe(headers=["", "of this picture"], interactive=False, elem_id="numbers")

    def show(image, dark, *values):
        if image is None:
            return None, []
        label = _arguments(offer, values)[2]
        result = dropped.measured(flow, dropped.as_data(flow, image, dark), label)
        return _flat(result.reconstruction), [list(row) for row in result.rows()]

    for event in (picture.change, inverted.change):
        event(show, [picture, inverted, *controls], [beside, table])


def _inverted():
    return gr.Checkbox(False, label="swap black and white (MNIST has white digits on black)")


def _attribute_tab(flow, attributes):
    name = gr.Dropdown(attributes.names, value=attributes.names[0], label="attribute")
    strength = gr.Slider(0, 4, 1.5, step=0.25, label="strength", elem_id="strength")
    count = gr.Slider(1, 6, 3, step=1, label="pictures")
    rows = _image("Without the attribute to the left, with it to the right", "attribute_rows")

    def show(chosen, much, number):
        x = attributes.x[: int(number)]
        return _flat(pictures.attribute_rows(flow, x, attributes.direction(chosen), much))

    for event in (name.change, strength.change, count.change):
        event(show, [name, strength, count], rows, trigger_mode="always_last")
