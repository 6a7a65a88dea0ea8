"""Pictures of models: what they show, and what is refused."""

from __future__ import annotations

import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon

from tests.explain.drawings import boxes, count, drawn, frames, inside, texts
from tests.explain.models import chain, nested, siamese
from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain.model_diagram import Details, diagram
from tinyconv.explain.model_dot import dot_source
from tinyconv.utils import plot_model

pytestmark = pytest.mark.usefixtures("no_graphviz")

# ---- what is told ---------------------------------------------------------------


def test_classes_alone() -> None:
    figure = drawn(chain())
    assert texts(figure) == ["InputLayer", "Conv2D", "Flatten", "Dense"]
    assert len(boxes(figure)) == 4
    assert count(figure, PathPatch) == count(figure, Polygon) == 3  # lines and heads
    assert Path("model.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("show_layer_names", [["image"], ["conv"], ["flat"], ["head"]]),
        ("show_layer_activations", [[], ["relu"], [], ["linear"]]),
        ("show_dtype", [["float32"]] * 4),
        ("show_trainable", [[], ["trainable"], [], ["frozen"]]),
        (
            "show_shapes",
            [
                ["(None, 8, 8, 1)"],
                ["(None, 8, 8, 1) → (None, 6, 6, 4)"],
                ["(None, 6, 6, 4) → (None, 144)"],
                ["(None, 144) → (None, 3)"],
            ],
        ),
    ],
)
def test_details(option: str, expected: list[list[str]]) -> None:
    classes = ["InputLayer", "Conv2D", "Flatten", "Dense"]
    told = [word for name, lines in zip(classes, expected, strict=True) for word in [name, *lines]]
    assert texts(drawn(chain(), **{option: True})) == told


def test_a_layer_used_twice_is_one_box() -> None:
    figure = drawn(siamese(), show_layer_names=True, show_shapes=True)
    assert texts(figure).count("twin") == 1
    assert len(boxes(figure)) == 5
    assert count(figure, Polygon) == 4
    # One shape each, though called twice; what is merged is listed in full.
    told = texts(figure)
    assert told[told.index("twin") + 1] == "(None, 4) → (None, 2)"
    assert told[told.index("both") + 1 :][:2] == ["in\u00a0(None,\u00a02), (None,\u00a02)",
                                                 "out\u00a0(None,\u00a04)"]  # fmt: skip


def test_a_layer_called_on_what_it_gave() -> None:
    x = Input((4,))
    again = layers.Dense(4, name="again")
    y = layers.ReLU()(again(again(x)))
    figure = drawn(Model(x, again(y)))
    assert len(boxes(figure)) == 3
    assert count(figure, Polygon) == 4  # x -> again, again -> again, again -> relu, relu -> again


def test_a_nested_model_is_one_box() -> None:
    figure = drawn(nested(), show_layer_names=True)
    assert texts(figure) == ["InputLayer", "image", "Functional", "block", "Sequential", "tail"]
    assert frames(figure) == []


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
def test_nested_models_in_frames(rankdir: str) -> None:
    figure = drawn(nested(), show_layer_names=True, expand_nested=True, rankdir=rankdir)
    names = ["image", "x", "conv", "add", "pool", "d1", "r", "soft"]
    assert sorted(names) == sorted(set(texts(figure)) & set(names))
    assert {"block", "tail", "in"} <= set(texts(figure))
    layer = dict(zip([t for t in texts(figure) if t in names], boxes(figure), strict=True))
    frame = dict(
        zip([t for t in texts(figure) if t in ("block", "tail", "in")], frames(figure), strict=True)
    )
    within = {
        title: sorted(name for name, box in layer.items() if inside(box, around))
        for title, around in frame.items()
    }
    assert within == {
        "block": ["add", "conv", "pool", "x"],
        "tail": ["d1", "r", "soft"],
        "in": ["d1", "r"],
    }
    assert inside(frame["in"], frame["tail"])
    assert not frame["block"].overlaps(frame["tail"])
    # Each box is reached by as many heads as there are values that it takes.
    assert count(figure, Polygon) == 8
    # Titles hide neither behind boxes nor beyond their frames.
    for text in figure.axes[0].texts:
        if text.get_text() in frame:
            extent = text.get_window_extent()
            assert inside(extent, frame[text.get_text()])
            assert not any(extent.overlaps(box) for box in layer.values())


@pytest.mark.parametrize(
    ("rankdir", "axis", "sign"),
    [("TB", "y0", -1), ("BT", "y0", 1), ("LR", "x0", 1), ("RL", "x0", -1)],
)
def test_directions(rankdir: str, axis: str, sign: int) -> None:
    places = [sign * getattr(box, axis) for box in boxes(drawn(chain(), rankdir=rankdir))]
    assert all(b - a > 20 for a, b in pairwise(places))


def test_text_fits_its_box_and_the_picture() -> None:
    figure = drawn(
        nested(), show_layer_names=True, show_shapes=True, show_dtype=True, expand_nested=True
    )
    places = boxes(figure)
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        assert inside(extent, figure.bbox)
        if text.get_text() not in ("block", "tail", "in"):
            assert sum(inside(extent, box) for box in places) == 1
    assert not any(a.overlaps(b) for a, b in combinations(places, 2))


def test_kinds_of_layers_have_colours() -> None:
    figure = drawn(chain())
    colours = [p.get_facecolor() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert len(set(colours)) == 4


def test_a_model_cut_out_of_another() -> None:
    whole = chain()
    assert texts(drawn(Model(whole.inputs, whole.get_layer("flat").output))) == [
        "InputLayer",
        "Conv2D",
        "Flatten",
    ]
    assert texts(drawn(Model(whole.get_layer("conv").output, whole.output))) == [
        "InputLayer",
        "Flatten",
        "Dense",
    ]


def test_two_outputs_of_a_nested_model_go_their_own_ways() -> None:
    x = Input((4,), name="x")
    split = Model(x, [layers.ReLU(name="a")(x), layers.Softmax(name="b")(x)], name="split")
    y = Input((4,), name="y")
    joined = layers.Add(name="sum")(split(y))
    figure = drawn(Model(y, joined), expand_nested=True)
    assert count(figure, Polygon) == 5  # y -> x, x -> a, x -> b, a -> sum, b -> sum
    source = dot_source(diagram(Model(y, joined), Details(), True))
    assert source.count("->") == 5


# ---- what is refused ------------------------------------------------------------


def test_no_model() -> None:
    with pytest.raises(TypeError, match=r"expected a tinyconv model\. Received: 'model'"):
        plot_model("model")
    with pytest.raises(TypeError, match=r"expected a tinyconv model\. Received: Dense 'd'"):
        plot_model(layers.Dense(1, name="d"))


def test_not_built() -> None:
    model = Sequential([layers.Dense(1)], name="m")
    with pytest.raises(ValueError, match=r"Sequential 'm': .* or call build\(input_shape\)"):
        plot_model(model)
    model.build((None, 3))
    assert texts(drawn(model)) == ["InputLayer", "Dense"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"to_file": "a.jpg"}, ValueError, r"\.png, \.svg, \.pdf.*Received: 'a\.jpg'"),
        ({"to_file": "no/a.png"}, FileNotFoundError, "no folder 'no'"),
        ({"rankdir": "up"}, ValueError, "rankdir must be one of .* Received: 'up'"),
        ({"dpi": 0}, ValueError, "dpi must be .* Received: 0"),
        ({"dpi": "high"}, ValueError, "dpi must be .* Received: 'high'"),
        ({"dpi": float("nan")}, ValueError, "dpi must be .* Received: nan"),
        ({"splines": "curved"}, TypeError, "argument 'splines' .* Received: 'curved'"),
        ({"layer_range": ["a", "b"]}, TypeError, "argument 'layer_range'"),
        ({"colour": 1}, TypeError, "argument 'colour'"),
    ],
)
def test_arguments_out_of_range(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        plot_model(chain(), **options)
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]


def test_keras_defaults_pass() -> None:
    assert isinstance(drawn(chain(), splines="ortho", layer_range=None), Figure)


def test_missing_matplotlib_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "tinyconv\[plots\]"'):
        plot_model(chain())
    assert [path.name for path in tmp_path.iterdir()] == ["programs"]
    assert plot_model(chain(), "a.dot") is None


def test_a_deep_residual_network_is_one_tall_picture() -> None:
    x = image = Input((8, 8, 4))
    for stage in range(12):
        y = layers.Conv2D(4, 3, padding="same", name=f"conv_{stage}")(x)
        y = layers.BatchNormalization()(y)
        if stage % 4 == 3:
            x = layers.BatchNormalization()(layers.Conv2D(4, 1)(x))
        x = layers.ReLU()(layers.Add()([x, y]))
    model = Model(image, layers.GlobalAveragePooling2D()(x))
    figure = drawn(model, dpi=20, show_shapes=True)
    places = boxes(figure)
    assert len(places) == len(model.layers) == 56
    assert not any(a.overlaps(b) for a, b in combinations(places, 2))
    width, height = figure.get_size_inches()
    assert width < 6 < 30 < height
    middles = [(box.x0 + box.x1) / 2 for box in places]
    assert np.median(middles) == pytest.approx(middles[0], abs=1)  # it does not drift aside


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.png").mkdir()
    with pytest.raises(OSError, match=r"plot_model: .*: '[^']*/model\.png'$"):
        plot_model(chain(), tmp_path / "model.png")
