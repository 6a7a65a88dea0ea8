"""The table as one self-contained page, with the picture of all errors on top."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from string import Template

from parity.case import Row
from parity.report.columns import Summary, columns, dtypes, number, summaries
from parity.report.numbers import versions
from parity.report.plot import svg

# Rows with wider tolerances are about something else than rounding in this dtype: random samples,
# trajectories, constants that TensorFlow has rounded to float32.
_ARITHMETIC = {"float32": 1e-4, "float64": 1e-10}


def write_html(path: Path, rows: Sequence[Row], seconds: float) -> None:
    """One file that needs no other."""
    template = resources.files("parity.report").joinpath("page.html").read_text(encoding="utf-8")
    failed = sum(not row.passed for row in rows)
    page = Template(template).substitute(
        verdict="all rows agree" if not failed else f"{failed} rows disagree",
        state="good" if not failed else "bad",
        tiles="\n".join(_tiles(rows, seconds)),
        plot=svg(rows),
        families="\n".join(_family(summary, rows) for summary in summaries(rows)),
        versions=html.escape(" · ".join(f"{name} {v}" for name, v in versions().items())),
    )
    path.write_text(page, encoding="utf-8")


def _tiles(rows: Sequence[Row], seconds: float) -> list[str]:
    """The totals."""
    backends = list(dict.fromkeys(row.backend for row in rows))
    numbers = {
        "cases": f"{len({row.case.id for row in rows}):,}",
        f"rows on {' and '.join(backends)}": f"{len(rows):,}",
        "errors measured": f"{sum(len(row.errors) for row in rows):,}",
        "seconds": f"{seconds:.0f}",
    }
    for dtype in dtypes(rows):
        own = [row for row in rows if row.dtype == dtype and row.tolerance() <= _ARITHMETIC[dtype]]
        if own:
            numbers[f"worst {dtype} error of a layer, loss or step"] = number(
                max(row.worst for row in own)
            )
    return [
        f'<div class="tile"><b>{value}</b><span>{html.escape(name)}</span></div>'
        for name, value in numbers.items()
    ]


def _family(summary: Summary, rows: Sequence[Row]) -> str:
    """A heading that opens on the family's rows; open from the start if one of them is red."""
    own = [row for row in rows if row.case.family == summary.family]
    worst = "".join(
        f'<span class="worst {dtype}">{number(error)}</span>'
        for dtype, error in summary.worst.items()
    )
    state, opened = ("bad", " open") if summary.failed else ("good", "")
    body = "\n".join(
        line
        for _, group in groupby(own, key=lambda row: row.case.id)
        for line in _case(list(group))
    )
    return (
        f'<details{opened} class="{state}"><summary><i></i><b>{html.escape(summary.family)}</b>'
        f"<span>{summary.cases} cases</span>{worst}</summary>\n"
        "<table><thead><tr><th>case</th><th>dtype</th><th>backend</th><th>output</th>"
        "<th>dx</th><th>parameters and the rest</th><th>worst, up to the tolerance</th>"
        f"</tr></thead><tbody>\n{body}\n</tbody></table></details>"
    )


def _case(rows: Sequence[Row]) -> list[str]:
    """A line a row; the name of the case beside the first."""
    lines = []
    for place, row in enumerate(rows):
        shown = columns(row)
        name = ""
        if not place:
            note = f"<small>{html.escape(row.case.note)}</small>" if row.case.note else ""
            name = f'<td rowspan="{len(rows)}">{html.escape(row.case.name)}{note}</td>'
        every = html.escape(", ".join(f"{k} {number(e)}" for k, e in row.errors.items()))
        classes = " ".join(
            filter(None, ("first" if not place else "", "" if row.passed else "bad"))
        )
        lines.append(
            f'<tr class="{classes}">{name}<td class="{row.dtype}">{row.dtype}</td>'
            f"<td>{row.backend}</td><td>{shown.output}</td><td>{shown.dx}</td>"
            f'<td title="{every}">{html.escape(shown.others)}</td><td>{_gauge(row)}</td></tr>'
        )
    return lines


def _gauge(row: Row) -> str:
    """How much of the way to the tolerance the worst error takes, on a logarithmic scale."""
    worst = max(
        (error / row.tolerance(name) for name, error in row.errors.items()), default=math.inf
    )
    low = -7.0  # decades below the tolerance
    share = (
        1.0 if math.isinf(worst) else 0.0 if worst == 0 else 1 - max(math.log10(worst), low) / low
    )
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<span class="gauge {row.dtype}"><i style="width:{width:.0f}%"></i></span>'
        f'<span class="limit">{row.tolerance():.0e}</span>'
    )
