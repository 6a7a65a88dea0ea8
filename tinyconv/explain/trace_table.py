"""A trace as a table to print."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tinyconv.geometry import Shape

if TYPE_CHECKING:
    from tinyconv.explain.trace import Trace, TraceRow

_TITLES = (
    "layer", "kind", "input", "output", "params", "mult-adds", "(back)", "moved", "(back)",
    "kept", "ms", "(back)", "share",
)  # fmt: skip
_TEXTS = 4  # columns that are aligned to the left
_NOTE = (
    "Layer by layer, so that each has a row of its own; fit and predict compute some of them "
    "together, and take less time.\n"
    "Numbers are of the whole batch, on the way forward and (back). mult-adds: multiplications "
    "with an addition;\n"
    "moved: bytes that must be read and written at least; kept: bytes that stay for the way back; "
    "ms: median of the runs."
)
_UNKNOWN = "?: a layer of one's own, which the total leaves out"
_WIDTH = 110  # of the formulas
_LARGEST = 5  # layers named below the table


def text(trace: Trace) -> str:
    """Title, table, totals, where the time goes, and the formulas."""
    rows = [_TITLES, *(_cells(trace, row) for row in trace), _cells(trace, trace.total)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if column < _TEXTS else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * max(len(line) for line in lines)
    table = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    unknown = any(row.multiply_adds is None for row in trace)
    note = f"{_NOTE}\n{_UNKNOWN}" if unknown else _NOTE
    parts = ["\n".join([trace.title, *table]), note, _where(trace), _formulas(trace)]
    return "\n\n".join(parts)


def _cells(trace: Trace, row: TraceRow) -> tuple[str, ...]:
    inputs = row.inputs
    return (
        row.name,
        row.kind,
        " + ".join(shape_text(shape) for shape in inputs[:2]) + (" + ..." if inputs[2:] else ""),
        shape_text(row.output),
        f"{row.parameters:,}",
        count_text(row.multiply_adds),
        count_text(row.backward_multiply_adds),
        bytes_text(row.bytes_moved),
        bytes_text(row.backward_bytes_moved),
        bytes_text(row.kept),
        f"{1e3 * row.seconds:.3f}",
        f"{1e3 * row.backward_seconds:.3f}",
        f"{trace.share(row):.1%}",
    )


def shape_text(shape: Shape) -> str:
    """Without the batch: 28x28x1."""
    return "x".join(str(n) for n in shape[1:])


def count_text(count: int | None) -> str:
    """A large number in three digits: 1.85 G."""
    if count is None:
        return "?"
    value, units = float(count), ["", " k", " M", " G", " T"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g}{units[0]}"


def bytes_text(count: int) -> str:
    """As `count_text`, in powers of 1000: 12.8 MB."""
    told = count_text(count)
    return told + ("B" if " " in told else " B")


def _where(trace: Trace) -> str:
    """Which layers, and which kinds of layers, take the time."""
    by_layer = {row.name: 0.0 for row in trace}
    by_kind = {row.kind: 0.0 for row in trace}
    for row in trace:
        by_layer[row.name] += trace.share(row)
        by_kind[row.kind] += trace.share(row)
    lines = [
        f"{title}: " + ", ".join(f"{name} {share:.0%}" for name, share in largest(shares))
        for title, shares in (("by layer", by_layer), ("by kind ", by_kind))
    ]
    return "\n".join(["Where the time goes, forward and backward", *lines])


def largest(shares: dict[str, float]) -> list[tuple[str, float]]:
    """The first few, the largest first."""
    return sorted(shares.items(), key=lambda item: -item[1])[:_LARGEST]


def _formulas(trace: Trace) -> str:
    """Those of each kind of layer once, then each activation once."""
    kinds: dict[tuple[str, ...], list[str]] = {}
    functions: dict[str, None] = {}
    for row in trace:
        told = row.formula
        kinds.setdefault((row.kind, told.forward, told.backward), []).append(row.name)
        functions.setdefault(told.activation)
    lines = ["What they compute"]
    for (kind, *ways), names in kinds.items():
        more = f", ... ({len(names)} in all)" if len(names) > 3 else ""
        lines.append(f"{kind}: {', '.join(names[:3])}{more}")
        for title, way in zip(("forward", "backward"), ways, strict=True):
            lines.append(_wrapped(f"  {title:10}", way or "not told: it has no docstring"))
    lines += [_wrapped("activation ", told) for told in functions if told]
    return "\n".join(lines)


def _wrapped(title: str, told: str) -> str:
    later = " " * max(len(title), 12)
    return textwrap.fill(
        told, _WIDTH, initial_indent=title, subsequent_indent=later, break_long_words=False
    )
