"""The page: every section is there, everything is inside of it, and what it says is true."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from PIL import Image

from tests.explain import reports
from tests.explain.reports import Page
from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain import report

RNG = np.random.default_rng(3)
SECTIONS = ["image", "way", "why", "layers", "sizes", "cost", "next"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("small")
    path = report(reports.small(), RNG.random((10, 9)), folder / "page.html")
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def residual(residual_page: Path) -> Page:
    return Page(residual_page.read_text(encoding="utf-8"))


def test_a_small_network(small: Page) -> None:
    assert [each for each in small.ids if each in SECTIONS] == SECTIONS
    assert [each for each in small.ids if each.startswith("layer-")] == [
        f"layer-{n}" for n in range(1, 5)
    ]
    for part in (
        "im2col", "col2im", "Filters", "Receptive field", "Who wins", "The gradient",
        "Grad-CAM", "saliency", "The formula", "multiply-adds",
    ):  # fmt: skip
        assert part.lower() in small.text.lower(), part
    assert "Left out" not in small.text


def test_a_residual_network(residual: Page) -> None:
    assert [each for each in residual.ids if each in SECTIONS] == SECTIONS
    for part in ("Before and after", "What it would drop", "im2col", "Who wins", "<dog>"):
        assert part in residual.text, part
    # What an Add takes is told, as it is not the layer above alone.
    assert "It takes first and block/bent." in residual.text
    assert "model.get_layer('block').get_layer('second')" in residual.text


@pytest.mark.parametrize("name", ["small", "residual"])
def test_nothing_is_fetched(name: str, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue(name)
    sources = page.values("img", "src")
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed")
        for key in ("href", "action", "srcset", "data"):
            assert str(attributes.get(key) or "#").startswith("#")
    assert page.values("script", "src") == []
    policy = page.values("meta", "content")
    assert any("default-src 'none'" in each for each in policy)


@pytest.mark.parametrize("name", ["small", "residual"])
def test_links_and_pictures(name: str, request: pytest.FixtureRequest) -> None:
    page: Page = request.getfixturevalue(name)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.values("a", "href")} <= set(page.ids)
    assert len(page.values("img", "alt")) == len(page.values("img", "src"))
    for source in page.values("img", "src"):
        kind, _, content = source.partition(";base64,")
        data = base64.b64decode(content, validate=True)
        if kind == "data:image/svg+xml":
            root = ElementTree.fromstring(data)
            assert float(str(root.get("width")).removesuffix("pt")) > 100
            assert b"prefers-color-scheme" in data
        else:
            image = Image.open(io.BytesIO(data))
            image.load()
            assert min(image.size) > 0


def test_the_first_choice_is_told(tmp_path: Path) -> None:
    model = reports.small()
    x = RNG.random((1, 10, 9, 1))
    p = np.asarray(model.predict(x, verbose=0))[0]
    names = ["ant", "bee", "cow"]
    path = report(model, x, tmp_path / "page.html", class_names=names, class_index=1, deep=0)
    page = Page(path.read_text(encoding="utf-8"))
    assert f"{names[p.argmax()].capitalize()}, says small: {p.max():.1%}" in page.text
    assert "All that is said about the way back is about bee." in page.text
    for name, chance in zip(names, p, strict=True):
        assert re.search(rf"{name} {chance:.1%}", page.text)
    # deep=0: no inside is drawn, and the page says how to get it.
    assert "im2col of" not in page.text
    assert "--deep 2" in page.text


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = Sequential(
        [
            Input((4, 4, 2)),
            layers.BatchNormalization(),
            layers.Dropout(0.5, name="drop"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2),
        ]
    )
    before = model.get_weights()
    state = model.get_layer("drop").generator.bit_generator.state
    report(model, RNG.random((4, 4, 2)), tmp_path / "page.html")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.get_layer("drop").generator.bit_generator.state == state


def test_models_without_maps_or_classes(tmp_path: Path) -> None:
    dense = Sequential([Input((16,)), layers.Dense(5, activation="relu"), layers.Dense(2)])
    page = Page(report(dense, RNG.random(16), tmp_path / "a.html").read_text(encoding="utf-8"))
    assert "Grad-CAM" not in page.text
    assert "saliency" in page.text
    x = Input((8, 8, 3))
    maps = Model(x, layers.Conv2D(2, 3, name="only")(x))
    page = Page(report(maps, RNG.random((8, 8, 3)), tmp_path / "b.html").read_text("utf-8"))
    assert "This model gives no classes" in page.text
    assert "why" not in page.ids
    assert "im2col" in page.text


def test_a_large_network(tmp_path: Path) -> None:
    parts = [
        [layers.Conv2D(2, 3, padding="same", name=f"conv{n}"), layers.ReLU(name=f"relu{n}")]
        for n in range(14)
    ]
    net = Sequential([Input((6, 6, 1)), *(each for part in parts for each in part)])
    path = report(net, RNG.random((6, 6)), tmp_path / "page.html", deep=1)
    page = Page(path.read_text(encoding="utf-8"))
    kinds = [tag for tag, each in page.elements if each.get("class") == "layer"]
    assert kinds == ["section"] + ["details"] * 27
    assert "draws the inside of 1 of 14 layers that have one" in page.text
    assert "Left out: conv1, conv2," in page.text
    assert "--deep 14 draws them all." in page.text


def test_a_layer_of_ones_own(tmp_path: Path) -> None:
    class Halve(layers.Layer):
        """Half of everything. And more."""

        def forward(self, x, training=False):  # type: ignore[no-untyped-def]
            return x / 2, layers.base.Cache(self, x.shape)

        def backward(self, dy, cache):  # type: ignore[no-untyped-def]
            return dy / 2, {}

    model = Sequential(
        [Input((8, 8, 1)), Halve(name="half"), layers.Conv2D(2, 3, name="conv"), layers.Flatten(),
         layers.Dense(2, activation="softmax")]
    )  # fmt: skip
    path = report(model, RNG.random((8, 8, 1)), tmp_path / "page.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert "Half of everything." in page.text
    assert "it is not known which pixels a Halve sees" in page.text


def test_what_is_refused(tmp_path: Path) -> None:
    model, x, path = reports.small(), RNG.random((10, 9, 1)), tmp_path / "page.html"
    with pytest.raises(ValueError, match="class_index must be less than 3"):
        report(model, x, path, class_index=3)
    with pytest.raises(ValueError, match="3 names"):
        report(model, x, path, class_names=["a", "b"])
    with pytest.raises(ValueError, match="small"):
        report(model, RNG.random((4, 4, 1)), path)
    with pytest.raises(ValueError, match="image files"):
        report(model, x, path, scale="0..1")
    a, b = Input((4,)), Input((4,))
    two = Model([a, b], layers.Add()([a, b]))
    with pytest.raises(ValueError, match="one input"):
        report(two, x, path)
    with pytest.raises(ValueError, match="a model of images"):
        report(Sequential([Input((7,)), layers.Dense(2)]), np.ones(7), path)
    with pytest.raises(OSError, match="there is no folder"):
        report(model, x, tmp_path / "none" / "page.html")
    with pytest.raises(OSError, match="it is a folder"):
        report(model, x, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", _full)
        with pytest.raises(OSError, match="nothing there has changed"):
            report(reports.small(), RNG.random((10, 9)), path, deep=0)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def _full(*paths: str) -> None:
    raise OSError(28, "No space left on device")
