"""Pictures of models: in which formats they are written, by matplotlib or by Graphviz."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from tests.explain.drawings import drawn
from tests.explain.models import chain, nested
from tinyconv import Input, Sequential, layers
from tinyconv.explain import model_plot
from tinyconv.explain.model_diagram import Details, diagram
from tinyconv.explain.model_dot import dot_source
from tinyconv.utils import plot_model

pytestmark = pytest.mark.usefixtures("no_graphviz")

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
