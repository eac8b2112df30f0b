"""The page of `keras-flows demo`: its pictures without gradio, and the page in a browser."""

import importlib.util
import shutil
import time

import keras
import numpy as np
import pytest
from PIL import Image

from keras_flows import Flow, cli, codec, datasets
from keras_flows.demo import dropped, pictures, points
from keras_flows.demo.attributes import Attributes
from keras_flows.demo.choices import choices
from keras_flows.models import IDF, MAF, NICE, Glow, TarFlow
from tests.multiscale import eager

SMALL = {"seed": 0}
GRADIO = importlib.util.find_spec("gradio") is not None


@pytest.fixture(scope="module")
def glow():
    flow = Glow((8, 8, 3), levels=2, steps=1, hidden=4, name="small", **SMALL)
    flow.adapt(np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), "uint8"))
    return eager(flow)


@pytest.fixture(scope="module")
def tarflow():
    return TarFlow((8, 8, 1), steps=2, patch=4, hidden=8, blocks=1, heads=1, classes=3, seed=0)


def faces(n=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3), "uint8")


def test_choices_are_those_of_the_flow(glow, tarflow):
    offer = choices(glow)
    assert (offer.scales, offer.dims, offer.side, offer.classes) == (2, 192, 8, None)
    assert offer.pictures and not offer.guidance and not offer.exact
    offer = choices(tarflow)
    assert (offer.classes, offer.no_class, offer.guidance, offer.scales) == (3, True, True, 1)
    assert not choices(MAF(2, steps=1, hidden=(4,))).pictures
    assert choices(NICE(784, steps=2, hidden=(4,))).side == 28
    with pytest.raises(ValueError, match="of two dimensions. Received: .*(3,)"):
        choices(MAF(3, steps=1, hidden=(4,)))
    with pytest.raises(ValueError, match="without context.*Received"):
        choices(MAF(2, context_dims=1, steps=1, hidden=(4,)))


def test_a_grid_is_that_of_the_samples(glow):
    picture = pictures.sample_grid(glow, [0.5, 1.0], seed=3, rows=2, columns=2)
    assert picture.shape == (560, 560, 3) and picture.dtype == np.uint8
    samples = glow.sample(4, [0.5, 1.0], 3)
    np.testing.assert_array_equal(picture[::35, ::35][:8, 8:], samples[1])
    assert (pictures.sample_grid(glow, [0.5, 1.0], 4, rows=2, columns=2) != picture).any()
    assert (pictures.sample_grid(glow, [0.1, 1.0], 3, rows=2, columns=2) != picture).any()


def test_a_grid_has_class_and_guidance(tarflow):
    make = lambda *args: pictures.sample_grid(tarflow, [1.0], 0, *args, rows=1, columns=2)  # noqa: E731
    assert make(None, 2.0).shape == (560, 1120, 1)  # guidance needs a class: it is left out
    expected = tarflow.sample(2, 1.0, 0, labels=1, guidance=2.0)
    from keras_flows.plots.grids import to_pictures

    np.testing.assert_array_equal(make(1, 2.0)[::70, ::70][:, :8], to_pictures(expected)[0])
    flow = MAF(2, classes=3, steps=1, hidden=(4,))
    with pytest.raises(ValueError, match="class from 0 to 2. Received: none"):
        points.density_picture(flow)


def test_a_walk_begins_and_ends_with_its_ends(glow):
    a, b = faces(2)
    row = pictures.walk(glow, (a, b), steps=4)
    small = row[::14, ::14]
    assert small.shape == (8, 32, 3)
    np.testing.assert_array_equal(small[:, :8], a)
    np.testing.assert_array_equal(small[:, -8:], b)
    ends = pictures.sampled_ends(glow, (0, 1))
    assert ends[0].shape == (8, 8, 3) and (ends[0] != ends[1]).any()


def test_one_dimension_is_moved(glow):
    row = pictures.dimension_row(glow, 191, seed=2, steps=3, reach=2.0)
    z = keras.ops.convert_to_numpy(glow.prior.sample(1, 1.0, 2)).repeat(3, axis=0)
    z[:, 191] = [-2, 0, 2]
    expected = glow.decode(z)
    np.testing.assert_array_equal(row[::14, ::14][:, 16:], expected[2])
    with pytest.raises(ValueError, match="0 to 191. Received: 192"):
        pictures.dimension_row(glow, 192)


def test_the_density_of_two_dimensions_is_bright_where_samples_are():
    x = keras.Input((2,))
    from keras_flows import layers

    flow = eager(Flow(keras.Model(x, layers.Rescale(2.0)(x))))  # a Gaussian of deviation 1/2
    picture = points.density_picture(flow, size=50, shown=50, points=1)
    brightness = picture.astype(int).sum(axis=-1)
    assert picture.shape == (50, 50, 3) and brightness[25, 20] > 2 * brightness[0, 0]
    with pytest.raises(ValueError, match="in 2 dimensions. Received"):
        points.density_picture(MAF(3, steps=1, hidden=(4,)))


def test_a_picture_becomes_data(glow):
    wide = np.zeros((16, 40, 3), "uint8")
    wide[:, 12:28] = 200
    assert (dropped.as_data(glow, wide) == 200).all()  # the centre
    assert (dropped.as_data(glow, wide, inverted=True) == 55).all()
    grey = faces(1)[0, ..., 0]
    np.testing.assert_array_equal(dropped.as_data(glow, grey), np.stack([grey] * 3, -1))
    with pytest.raises(ValueError, match="A picture is uint8.*Received: dtype=float64"):
        dropped.as_data(glow, np.zeros((8, 8)))


def test_a_picture_is_measured(glow, tarflow):
    x = faces(1)[0]
    result = dropped.measured(glow, x)
    np.testing.assert_allclose(result.bits_per_dim, glow.bits_per_dim(x[None])[0], rtol=0.05)
    assert result.largest_error == 0 and result.compressed_bytes is None
    np.testing.assert_array_equal(result.reconstruction[::35, ::35][:, 8:], x)
    result = dropped.measured(tarflow, dropped.as_data(tarflow, x), label=1)
    assert result.bits_per_dim is None and result.largest_error < 1e-3
    assert dict(result.rows())["as PNG"].endswith("bytes")


def test_a_discrete_flow_gives_the_compressed_size():
    flow = IDF((8, 8, 1), levels=1, steps=1, hidden=4, blocks=1, prior_hidden=4, seed=0)
    x = datasets.mnist()[1][0][0, 8:16, 8:16, None]
    result = dropped.measured(flow, x)
    assert result.compressed_bytes == len(codec.compress(flow, x[None]))
    assert "compressed by the flow" in dict(result.rows())


def test_attributes_have_directions(glow):
    x, has = faces(6), np.array([1, -1, 1, -1, 1, -1])
    signs = np.stack([has, np.ones(6)], axis=1)
    attributes = Attributes(glow, x, ["Odd", "All"], signs)
    assert attributes.names == ["Odd"]
    from keras_flows.plots.manipulation import attribute_direction

    np.testing.assert_allclose(
        attributes.direction("Odd"), attribute_direction(glow, x, has > 0), rtol=1e-4, atol=1e-5
    )
    rows = pictures.attribute_rows(glow, x[:2], attributes.direction("Odd"), steps=3)
    small = rows[::7, ::7]
    np.testing.assert_array_equal(small[:8, 8:16], x[0])  # strength 0 in the middle
    with pytest.raises(ValueError, match="with and without it. Received: 6 pictures"):
        Attributes(glow, x, ["All"], signs[:, 1:])


@pytest.mark.skipif(GRADIO, reason="gradio is installed")
def test_without_gradio_the_command_says_what_to_install(capsys):
    with pytest.raises(SystemExit, match=r"pip install keras-flows\[demo\]. Received"):
        cli.main(["demo", "idf_mnist"])


@pytest.mark.skipif(not GRADIO, reason="needs gradio")
def test_pages_are_made(glow, tarflow):
    from keras_flows.demo import page

    has = np.array([1, -1, 1, -1, 1, -1])[:, None]
    pages = [(glow, Attributes(glow, faces(6), ["Odd"], has)), (tarflow, None)]
    pages.append((MAF(2, steps=1, hidden=(4,)), None))
    for flow, attributes in pages:
        made = page.make_page(flow, flow.name, attributes)
        labels = [block.label for block in made.blocks.values() if hasattr(block, "label")]
        assert {"temperature", "seed"} <= set(labels)
        assert ("guidance" in labels) == (flow is tarflow)
        assert ("attribute" in labels) == (attributes is not None)
        assert ("dimension" in labels) == (flow.dims > 2)


@pytest.fixture
def browser():
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1280,1000")
    service = webdriver.ChromeService(executable_path=driver)
    browser = webdriver.Chrome(options=options, service=service)
    yield browser
    browser.quit()


@pytest.fixture
def served():
    """The address of a page of the package's preset."""
    pytest.importorskip("gradio")
    from keras_flows.demo import page

    flow = Flow.from_preset("idf_mnist")
    made, address = page.launch(flow, "idf_mnist", wait=False)
    assert address.startswith("http://127.0.0.1:")
    yield address
    made.close()


@pytest.mark.slow
def test_the_page_in_a_browser(served, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def find(selector):
        return browser.find_element(By.CSS_SELECTOR, selector)

    def wait(condition, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := condition():
                    return value
            except Exception:  # the element is not there yet, or was replaced
                pass
            time.sleep(0.02)
        raise AssertionError("nothing changed on the page")

    def source(name):
        return find(f"#{name} img").get_attribute("src")

    def type_into(name, text):
        box = find(f"#{name} input[type=number]")
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text, Keys.ENTER)

    def tab(name):
        buttons = browser.find_elements(By.CSS_SELECTOR, "button[role=tab]")
        next(b for b in buttons if b.text == name).click()

    browser.get(served)
    first = wait(lambda: source("samples"))
    type_into("seed", "7")
    second = wait(lambda: source("samples") != first and source("samples"))
    slider = find("#temperature input[type=range]")
    slider.send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)  # as a user moves it
    wait(lambda: source("samples") not in (first, second))
    tab("Dimensions")
    type_into("dimension", "783")
    wait(lambda: source("dimension_row"))
    tab("Walk")
    find("#walk").click()
    wait(lambda: source("walk_row"))
    tab("A picture of yours")
    digit = datasets.mnist()[1][0][0]
    Image.fromarray(digit).save(tmp_path / "digit.png")
    find("#drop input[type=file]").send_keys(str(tmp_path / "digit.png"))
    wait(lambda: source("reconstruction"))
    expected = f"{dropped.png_size(digit[..., None]):,} bytes"
    text = wait(lambda: "as PNG" in find("#numbers").text and find("#numbers").text)
    assert "bits/dim" in text and "compressed by the flow" in text and expected in text
