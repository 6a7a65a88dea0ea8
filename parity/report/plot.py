"""The distribution of the errors as one picture: a lane for each family, float64 left of float32.

Plain SVG, so that the page needs nothing but itself. The horizontal axis is logarithmic; what
agrees to the last bit has a place of its own at the left.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Sequence

from parity.case import Row

_LOW, _HIGH = -18, 0  # decades
_BINS = 3  # a decade
_LEFT, _RIGHT, _TOP = 236, 24, 40
_LANE, _BAR = 26, 19
_STEP = 13.0  # pixels a bin
_EXACT = 34  # pixels for the zeros
_WIDTH = int(_LEFT + _EXACT + (_HIGH - _LOW) * _BINS * _STEP + _RIGHT)


def svg(rows: Sequence[Row]) -> str:
    """The picture, with the tolerances as ticks."""
    families = list(dict.fromkeys(row.case.family for row in rows))
    height = _TOP + _LANE * len(families) + 34
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="Distribution of the relative errors by family and dtype">',
        *_axis(height),
    ]
    for place, family in enumerate(families):
        own = [row for row in rows if row.case.family == family]
        parts += _lane(family, own, _TOP + _LANE * (place + 1))
    return "\n".join([*parts, "</svg>"])


def _x(error: float) -> float:
    """Where an error stands."""
    decades = min(max(math.log10(error), _LOW), _HIGH) - _LOW
    return _LEFT + _EXACT + decades * _BINS * _STEP


def _axis(height: int) -> list[str]:
    bottom = height - 30
    parts = [f'<text class="axis" x="{_LEFT + 6}" y="{_TOP - 14}" text-anchor="middle">0</text>']
    for decade in range(_LOW, _HIGH + 1, 2):
        x = _x(10.0**decade)
        parts.append(f'<line class="grid" x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{bottom}"/>')
        parts.append(
            f'<text class="axis" x="{x}" y="{_TOP - 14}" text-anchor="middle">10<tspan '
            f'class="power" dy="-5">{decade}</tspan></text>'
        )
    for dtype, exponent in (("float64", -52), ("float32", -23)):
        x = _x(2.0 ** (exponent - 1))
        parts.append(
            f'<line class="unit {dtype}" x1="{x}" y1="{_TOP - 6}" x2="{x}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text class="label {dtype}" x="{x}" y="{height - 12}" text-anchor="middle">'
            f"one {dtype} rounding</text>"
        )
    return parts


def _lane(family: str, rows: Sequence[Row], base: float) -> list[str]:
    """Bars whose area is the number of errors, scaled to the fullest bin of the lane."""
    bins = {
        dtype: Counter(
            _bin(error) for row in rows if row.dtype == dtype for error in row.errors.values()
        )
        for dtype in ("float64", "float32")
    }
    fullest = max((n for counter in bins.values() for n in counter.values()), default=1)
    parts = [
        f'<line class="lane" x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}"/>',
        f'<text class="family" x="{_LEFT - 14}" y="{base - 5}" text-anchor="end">'
        f"{html.escape(family)}</text>",
    ]
    for dtype, counter in bins.items():
        for place, n in sorted(counter.items(), key=lambda item: _key(item[0])):
            tall = max(1.5, _BAR * math.sqrt(n / fullest))
            x = _LEFT if place is None else _LEFT + _EXACT + place * _STEP
            # Both dtypes have zeros: side by side at the left.
            shift = 6.0 if place is None and dtype == "float32" else 0.0
            wide = 5.0 if place is None else _STEP - 1.5
            where = (
                "exactly equal" if place is None else f"around {10 ** (place / _BINS + _LOW):.0e}"
            )
            parts.append(
                f'<rect class="{dtype}" x="{x + shift:.1f}" y="{base - tall:.1f}" width="{wide}" '
                f'height="{tall:.1f}" rx="1"><title>{html.escape(family)}, {dtype}: {n} {where}'
                "</title></rect>"
            )
        for tolerance in sorted({row.tolerance() for row in rows if row.dtype == dtype}):
            x = _x(tolerance)
            parts.append(
                f'<line class="limit {dtype}" x1="{x}" y1="{base - _BAR}" x2="{x}" y2="{base}">'
                f"<title>{html.escape(family)}, {dtype}: tolerance {tolerance:.0e}</title></line>"
            )
    return parts


def _key(place: int | None) -> int:
    return -1 if place is None else place


def _bin(error: float) -> int | None:
    """Number of its bin from the left; None for exactly 0."""
    if error == 0:
        return None
    if math.isinf(error):
        return (_HIGH - _LOW) * _BINS - 1
    place = math.floor((math.log10(error) - _LOW) * _BINS)
    return min(max(place, 0), (_HIGH - _LOW) * _BINS - 1)
