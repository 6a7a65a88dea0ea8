"""A diagram of a model in the language of Graphviz, and what its program `dot` makes of it."""

from __future__ import annotations

import html
import subprocess
from collections.abc import Iterator

from tinyconv.explain.model_diagram import Box, Diagram
from tinyconv.explain.style import FAINT, INK, QUIET


def dot_source(diagram: Diagram, rankdir: str = "TB", dpi: float = 200) -> str:
    """The diagram as text that `dot` draws; nested models are clusters."""
    font = 'fontname="Helvetica,Arial,sans-serif"'
    lines = [
        f"digraph {_quoted(diagram.title)} {{",
        f"  graph [rankdir={rankdir}, dpi={dpi:g}, pad=0.1, {font}];",
        f'  node [shape=box, style="rounded,filled", height=0.35, fontsize=10, {font}];',
        f'  edge [color="{FAINT}", arrowsize=0.7];',
        *_statements(diagram, "", "  "),
        "}",
    ]
    return "\n".join(lines) + "\n"


def render(source: str, format: str, program: str) -> bytes:
    """What `dot` makes of a source: "png", "svg" or "pdf".

    Raises:
        RuntimeError: with what the program says, if it fails.
    """
    done = subprocess.run(
        [program, f"-T{format}"], input=source.encode(), capture_output=True, check=False
    )
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"Graphviz ({program}) could not draw the model: {said}")
    return done.stdout


def _statements(diagram: Diagram, path: str, indent: str) -> Iterator[str]:
    """Boxes are called after their places: n0, n3_1 (item 1 of the model that is item 3)."""
    for number, item in enumerate(diagram.items):
        place = f"{path}{number}"
        if isinstance(item, Box):
            fill, rim = item.colours
            yield f'{indent}n{place} [label={_label(item)}, fillcolor="{fill}", color="{rim}"];'
            continue
        yield f"{indent}subgraph cluster_{place} {{"
        yield f"{indent}  label={_quoted(item.title)}; labeljust=l; style=dashed;"
        yield f'{indent}  color="{QUIET}"; fontcolor="{FAINT}"; fontsize=9;'
        yield from _statements(item, f"{place}_", indent + "  ")
        yield f"{indent}}}"
    for source, out, target, into in diagram.edges:
        tail = _maker(diagram, path, source, out)
        for head in _takers(diagram, path, target, into):
            yield f"{indent}{tail} -> {head};"


def _maker(diagram: Diagram, path: str, number: int, port: int) -> str:
    """The box, however deep inside, that makes an output of an item."""
    item = diagram.items[number]
    if isinstance(item, Box):
        return f"n{path}{number}"
    return _maker(item, f"{path}{number}_", *item.exits[port])


def _takers(diagram: Diagram, path: str, number: int, port: int) -> Iterator[str]:
    """The boxes, however deep inside, that take an input of an item."""
    item = diagram.items[number]
    if isinstance(item, Box):
        yield f"n{path}{number}"
        return
    for inner, inner_port in item.entries[port]:
        yield from _takers(item, f"{path}{number}_", inner, inner_port)


def _label(box: Box) -> str:
    rows = [f'<B><FONT COLOR="{INK}">{html.escape(box.title)}</FONT></B>']
    rows += [
        f'<FONT COLOR="{FAINT}" POINT-SIZE="9">{html.escape(line)}</FONT>' for line in box.lines
    ]
    return f"<{'<BR/>'.join(rows)}>"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
