"""Pictures of models: what they show, in which format, and what is refused."""

from __future__ import annotations

import stat
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.transforms import Bbox

from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain import model_plot
from tinyconv.explain.model_diagram import Details, diagram
from tinyconv.explain.model_dot import dot_source
from tinyconv.utils import plot_model


@pytest.fixture(autouse=True)
def _no_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests are the same where Graphviz is installed; files go to a folder of their own."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.chdir(tmp_path)


def chain() -> Sequential:
    return Sequential(
        [
            Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(3, trainable=False, name="head"),
        ],
        name="chain",
    )


def nested() -> Model:
    """A block with two outputs, of which the model uses one, and a chain in a chain."""
    x = Input((8, 8, 2), name="x")
    y = layers.Conv2D(2, 3, padding="same", name="conv")(x)
    added = layers.Add(name="add")([x, y])
    pooled = layers.GlobalAveragePooling2D(name="pool")(y)
    block = Model(x, [added, pooled], name="block")
    inner = Sequential([Input((2,)), layers.Dense(3, name="d1"), layers.ReLU(name="r")], name="in")
    tail = Sequential([Input((2,)), inner, layers.Softmax(name="soft")], name="tail")
    image = Input((8, 8, 2), name="image")
    return Model(image, tail(block(image)[1]), name="outer")


def siamese() -> Model:
    left, right = Input((4,), name="left"), Input((4,), name="right")
    twin = layers.Dense(2, name="twin")
    both = layers.Concatenate(name="both")([twin(left), twin(right)])
    return Model([left, right], layers.Dense(1, name="same")(both))


def drawn(model: Any, **options: Any) -> Figure:
    figure = plot_model(model, **{"dpi": 100, **options})  # matplotlib's own: extents are right
    assert isinstance(figure, Figure)
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure: Figure) -> list[Bbox]:
    """Of the layers, in the order they were drawn; without frames."""
    return [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_linestyle() == "solid"
    ]


def frames(figure: Figure) -> list[Bbox]:
    return [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_linestyle() != "solid"
    ]


def count(figure: Figure, kind: type) -> int:
    return sum(isinstance(patch, kind) for patch in figure.axes[0].patches)


def inside(inner: Bbox, outer: Bbox) -> bool:
    return (
        outer.x0 <= inner.x0 and inner.x1 <= outer.x1
        and outer.y0 <= inner.y0 and inner.y1 <= outer.y1
    )  # fmt: skip


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


# ---- files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.png", b"\x89PNG"),
        ("a.PNG", b"\x89PNG"),
        ("a", b"\x89PNG"),
        ("a.svg", b"<?xml"),
        ("a.pdf", b"%PDF"),
        ("a.dot", b"digraph"),
        ("a.gv", b"digraph"),
    ],
)
def test_formats(name: str, start: bytes, tmp_path: Path) -> None:
    plot_model(chain(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "programs"])


def test_dots_per_inch() -> None:
    figure = drawn(chain(), to_file="a.png", dpi=50)
    height, width = imread("a.png").shape[:2]
    assert figure.get_size_inches() * 50 == pytest.approx([width, height], abs=1)


def test_a_picture_too_large_for_matplotlib_has_fewer_dots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_plot, "_LARGEST", 300)
    drawn(chain(), to_file="a.png", dpi=200, rankdir="LR")
    assert max(imread("a.png").shape) in (299, 300)
    drawn(chain(), to_file="a.png", dpi=20, rankdir="LR")
    assert max(imread("a.png").shape) < 150


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plot_model(chain(), "a.png")
    old = Path("a.png").read_bytes()

    def fail(_self: Figure, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space left"):
        plot_model(nested(), "a.png")
    assert Path("a.png").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "programs"]


# ---- Graphviz -------------------------------------------------------------------


def test_source_of_a_chain() -> None:
    source = dot_source(diagram(chain(), Details(show_layer_names=True), False), "LR", 96)
    lines = [line.strip() for line in source.splitlines()]
    assert lines[0] == 'digraph "chain" {'
    assert lines[-1] == "}"
    assert "rankdir=LR, dpi=96" in lines[1]
    labels = [line for line in lines if " [label=" in line]
    assert [label.split()[0] for label in labels] == ["n0", "n1", "n2", "n3"]
    assert "<B><FONT" in labels[1]
    assert ">Conv2D</FONT></B><BR/>" in labels[1]
    assert ">conv</FONT>>" in labels[1]
    assert [line for line in lines if "->" in line] == ["n0 -> n1;", "n1 -> n2;", "n2 -> n3;"]


def test_source_of_nested_models() -> None:
    source = dot_source(diagram(nested(), Details(show_layer_names=True), True))
    lines = [line.strip() for line in source.splitlines()]
    named = {
        name: line.split()[0]
        for line in lines
        for name in ["image", "x", "conv", "add", "pool", "d1", "r", "soft"]
        if f">{name}</FONT>>" in line
    }
    edges = {tuple(line[:-1].split(" -> ")) for line in lines if "->" in line}
    expected = [
        ("image", "x"), ("x", "conv"), ("x", "add"), ("conv", "add"), ("conv", "pool"),
        ("pool", "d1"), ("d1", "r"), ("r", "soft"),
    ]  # fmt: skip
    assert edges == {(named[a], named[b]) for a, b in expected}
    assert [line for line in lines if line.startswith("subgraph")] == [
        "subgraph cluster_1 {",
        "subgraph cluster_2 {",
        "subgraph cluster_2_0 {",
    ]
    assert source.count("{") == source.count("}")


def test_source_of_odd_names() -> None:
    model = Sequential([Input((2,)), layers.Dense(1, name="a<b>&c")], name='say "hi" \\')
    source = dot_source(diagram(model, Details(show_layer_names=True), False))
    assert source.startswith('digraph "say \\"hi\\" \\\\" {')
    assert ">a&lt;b&gt;&amp;c</FONT>" in source


def program(text: str) -> None:
    """A `dot` on the path that does this, in Python."""
    path = Path("programs/dot")
    path.write_text(f"#!{sys.executable} -S\nimport sys\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_graphviz_draws_where_it_is_installed() -> None:
    program("sys.stdout.write(sys.argv[1] + ' ' + sys.stdin.read())")
    assert plot_model(chain(), "a.svg", rankdir="BT") is None
    written = Path("a.svg").read_text()
    assert written == "-Tsvg " + dot_source(diagram(chain(), Details(), False), "BT", 200)


def test_graphviz_fails() -> None:
    Path("a.png").write_bytes(b"old")
    program("sys.exit('syntax error in line 3')")
    with pytest.raises(RuntimeError, match=r"could not draw the model: syntax error in line 3"):
        plot_model(chain(), "a.png")
    assert Path("a.png").read_bytes() == b"old"


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
