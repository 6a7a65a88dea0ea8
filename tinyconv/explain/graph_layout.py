"""Where the boxes and edges of a drawn graph lie, once their rows are known.

Distances are in inches; x runs along the rows, y from row to row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tinyconv.explain.graph_layers import Link, Rows, in_rows, neighbours

Point = tuple[float, float]
Route = list[Point]  # control points of cubic Bezier curves: start, (control, control, end) ...

STUB = 0.16  # an edge enters a box straight for so long: room for the head of an arrow
_BESIDE = 0.32  # between two boxes
_PASSING = 0.2  # between an edge and what it passes
_BETWEEN = 0.44  # between two rows, at least
_LEAN = 0.12  # further apart, for each inch that an edge moves aside
_FARTHEST = 1.1
_ROUNDS, _PUSHES, _NEGLIGIBLE = 120, 40, 1e-4


class Layout(NamedTuple):
    """A finished drawing; its upper left corner is (0, 0).

    Attributes:
        centres: of the boxes.
        routes: of the links.
        size: width and height.
    """

    centres: list[Point]
    routes: list[Route]
    size: Point

    def moved(self, right: float, down: float) -> Layout:
        """The same drawing elsewhere."""
        routes = [moved(route, right, down) for route in self.routes]
        return Layout(moved(self.centres, right, down), routes, self.size)


def moved(points: Sequence[Point], right: float, down: float) -> list[Point]:
    """The same points elsewhere."""
    return [(x + right, y + down) for x, y in points]


def arrange(
    sizes: Sequence[Point],
    links: Sequence[Link],
    first: Collection[int] = (),
    last: Collection[int] = (),
) -> Layout:
    """Lay out boxes of these (width, height): no two overlap, and no edge crosses a box.

    Args:
        sizes: of the boxes.
        links: between them, at most one from one place to another.
        first, last: boxes that belong into the first and the last row.
    """
    layered = in_rows(len(sizes), links, first, last)
    count = sum(len(row) for row in layered.rows)
    widths = [width for width, _ in sizes] + [0.0] * (count - len(sizes))
    x = _across(layered, widths, len(sizes), links)
    tops, bottoms = _down(layered, sizes, links, x)
    row_of = {node: number for number, row in enumerate(layered.rows) for node in row}
    y = [(tops[row_of[box]] + bottoms[row_of[box]]) / 2 for box in range(len(sizes))]
    right = max((x[node] + widths[node] / 2 for node in range(count)), default=0.0)
    routes = []
    for link, chain in zip(links, layered.chains, strict=True):
        start = y[link.source] + sizes[link.source][1] / 2
        end = y[link.target] - sizes[link.target][1] / 2
        if chain is None:
            right += _PASSING
            route = _leave(x[link.source] + link.out, start, bottoms[row_of[link.source]])
            route += _round_turn(route[-1], right, _BETWEEN - STUB)
            target = x[link.target] + link.into
            route += _line(route[-1], (right, tops[row_of[link.target]] - STUB))
            route += _round_turn(route[-1], target, STUB - _BETWEEN)
        else:
            route = _leave(x[link.source] + link.out, start, bottoms[row_of[link.source]])
            for node in chain[1:]:
                at = x[node] + (link.into if node == link.target else 0.0)
                route += _sway(route[-1], (at, tops[row_of[node]] - STUB))
                if node != link.target:
                    route += _line(route[-1], (at, bottoms[row_of[node]]))
        routes.append(route + _line(route[-1], (route[-1][0], end)))
    return _moved_to_corner(list(zip(x, y, strict=False)), sizes, routes)


# ---- across ---------------------------------------------------------------------


def _across(layered: Rows, widths: list[float], boxes: int, links: Sequence[Link]) -> list[float]:
    """x of each node: what belongs straight below each other is one column; the columns are
    drawn together by the edges between them, and kept apart by their widths."""
    pulls = list(_segments(layered, links))
    column, shift = _columns(layered, pulls, boxes)
    apart: dict[tuple[int, int], float] = {}
    for row in layered.rows:
        for left, right in pairwise(row):
            room = _BESIDE if left < boxes and right < boxes else _PASSING
            room += (widths[left] + widths[right]) / 2 + shift[left] - shift[right]
            pair = column[left], column[right]
            apart[pair] = max(apart.get(pair, room), room)
    drawn: dict[int, list[tuple[int, float]]] = {each: [] for each in column}
    for upper, lower, out, into in pulls:
        a, b = column[upper], column[lower]
        if a != b:
            aside = shift[upper] + out - shift[lower] - into
            drawn[b].append((a, aside))
            drawn[a].append((b, -aside))
    at = _balanced(_left_to_right(column, apart), apart, drawn)
    return [at[column[node]] + shift[node] for node in range(len(column))]


def _balanced(
    order: list[int],
    apart: dict[tuple[int, int], float],
    drawn: dict[int, list[tuple[int, float]]],
) -> dict[int, float]:
    """x of each column, so that the sum of (x - place it is drawn to)^2 is small.

    Projected gradient descent: a step half way to the mean of those places, then columns
    that are too near are pushed apart, each the less the more edges hold it.
    """
    at = _pushed(dict.fromkeys(order, 0.0), order, apart)
    rank = {each: place for place, each in enumerate(order)}
    pairs = sorted(apart.items(), key=lambda item: (rank[item[0][0]], rank[item[0][1]]))
    hold = {each: max(len(drawn[each]), 1) for each in order}
    for _ in range(_ROUNDS):
        step = {
            each: sum(at[other] + aside - at[each] for other, aside in drawn[each])
            for each in order
        }
        for each in order:
            at[each] += step[each] / (2 * hold[each])
        for turn in range(_PUSHES):
            worst = 0.0
            for (left, right), room in pairs if turn % 2 else reversed(pairs):
                lacking = room - (at[right] - at[left])
                if lacking > 0:
                    worst = max(worst, lacking)
                    share = hold[right] / (hold[left] + hold[right])
                    at[left] -= lacking * share
                    at[right] += lacking * (1 - share)
            if worst < _NEGLIGIBLE:
                break
    # What is still too near is moved: to the right, to the left, and so to the mean of both.
    mirrored = {(b, a): room for (a, b), room in apart.items()}
    rightwards = _pushed(at, order, apart)
    leftwards = _pushed({each: -x for each, x in at.items()}, order[::-1], mirrored)
    return {each: (rightwards[each] - leftwards[each]) / 2 for each in order}


def _segments(layered: Rows, links: Sequence[Link]) -> Iterator[tuple[int, int, float, float]]:
    """(upper node, lower node, offset above, offset below) of each piece of an edge."""
    for link, chain in zip(links, layered.chains, strict=True):
        for upper, lower in pairwise(chain or ()):
            out = link.out if upper == link.source else 0.0
            yield upper, lower, out, link.into if lower == link.target else 0.0


def _columns(
    layered: Rows, pulls: Sequence[tuple[int, int, float, float]], boxes: int
) -> tuple[list[int], list[float]]:
    """The column of each node (named by its highest node), and its place beside the column's x.

    The waypoints of an edge are one column; and a box is in that of the one above it, if each
    is what the other one would choose and no edge straightened before is crossed.
    """
    count = sum(len(row) for row in layered.rows)
    place = {node: number for row in layered.rows for number, node in enumerate(row)}
    above, below = neighbours(count, [(upper, lower) for upper, lower, *_ in pulls])
    # Waypoints of edges that lead round what lies between their ends.
    aside = {
        node
        for chain in layered.chains
        if chain and len(below[chain[0]]) > 1 and len(above[chain[-1]]) > 1
        for node in chain[1:-1]
    }
    column, shift = list(range(count)), [0.0] * count
    offset = {(upper, lower): out - into for upper, lower, out, into in pulls}
    for row in layered.rows:
        wished = []
        for upper in row:
            for lower in below[upper]:
                passing = upper >= boxes and lower >= boxes
                if passing or (
                    _middle(below[upper], place, aside) == lower
                    and _middle(above[lower], place, aside) == upper
                ):
                    order = not passing, upper >= boxes or lower >= boxes
                    wished.append((order, place[upper], place[lower], upper, lower))
        kept: list[tuple[int, int]] = []
        for _, a, b, upper, lower in sorted(wished):
            if all((a - c) * (b - d) > 0 for c, d in kept):
                kept.append((a, b))
                column[lower] = column[upper]
                shift[lower] = shift[upper] + offset[upper, lower]
    return column, shift


def _middle(linked: list[int], place: dict[int, int], aside: set[int]) -> int | None:
    """The node in the middle of those linked, which a box lies straight above or below.

    Edges that lead round something do not count beside others; None if two are in the middle.
    """
    counted = [node for node in linked if node not in aside] or linked
    ordered = sorted(counted, key=lambda node: place[node])
    return ordered[len(ordered) // 2] if len(ordered) % 2 else None


def _left_to_right(column: list[int], apart: dict[tuple[int, int], float]) -> list[int]:
    """The columns, each after those to its left."""
    following: dict[int, list[int]] = {each: [] for each in column}
    missing = dict.fromkeys(following, 0)
    for left, right in apart:
        following[left].append(right)
        missing[right] += 1
    order = [each for each in following if not missing[each]]
    for each in order:  # grows
        for right in following[each]:
            missing[right] -= 1
            if not missing[right]:
                order.append(right)
    return order


def _pushed(
    at: dict[int, float], order: list[int], apart: dict[tuple[int, int], float]
) -> dict[int, float]:
    """x of each column, as far to the right as those to its left demand."""
    before: dict[int, list[tuple[int, float]]] = {each: [] for each in order}
    for (left, right), room in apart.items():
        before[right].append((left, room))
    moved: dict[int, float] = {}
    for each in order:
        moved[each] = max([at[each], *(moved[left] + room for left, room in before[each])])
    return moved


# ---- down -----------------------------------------------------------------------


def _down(
    layered: Rows, sizes: Sequence[Point], links: Sequence[Link], x: list[float]
) -> tuple[list[float], list[float]]:
    """y of the top and the bottom of each row; the further edges lean, the further apart."""
    row_of = {node: number for number, row in enumerate(layered.rows) for node in row}
    lean = [0.0] * len(layered.rows)
    for upper, lower, out, into in _segments(layered, links):
        aside = abs(x[upper] + out - x[lower] - into)
        lean[row_of[lower]] = max(lean[row_of[lower]], aside)
    tops: list[float] = []
    bottoms: list[float] = []
    for row, aside in zip(layered.rows, lean, strict=True):
        gap = min(_BETWEEN + _LEAN * aside, _FARTHEST) if bottoms else 0.0
        tops.append(bottoms[-1] + gap if bottoms else 0.0)
        tallest = max((sizes[node][1] for node in row if node < len(sizes)), default=0.0)
        bottoms.append(tops[-1] + tallest)
    return tops, bottoms


# ---- routes ---------------------------------------------------------------------


def _leave(x: float, start: float, bottom: float) -> Route:
    """From a box straight to the end of its row."""
    return [(x, start), *_line((x, start), (x, bottom))]


def _line(a: Point, b: Point) -> Route:
    return [(a[0], a[1]), (b[0], b[1]), (b[0], b[1])]


def _sway(a: Point, b: Point) -> Route:
    """An S, upright at both ends."""
    middle = (a[1] + b[1]) / 2
    return [(a[0], middle), (b[0], middle), b]


def _round_turn(a: Point, x: float, bulge: float) -> Route:
    """A U: off in the direction of `bulge` and back to the same height."""
    return [(a[0], a[1] + bulge), (x, a[1] + bulge), (x, a[1])]


def _moved_to_corner(centres: list[Point], sizes: Sequence[Point], routes: list[Route]) -> Layout:
    corners = [
        (x + side * width / 2, y + side * height / 2)
        for (x, y), (width, height) in zip(centres, sizes, strict=True)
        for side in (-1, 1)
    ]
    everything = corners + [point for route in routes for point in route] or [(0.0, 0.0)]
    left, top = (min(point[axis] for point in everything) for axis in (0, 1))
    right, bottom = (max(point[axis] for point in everything) for axis in (0, 1))
    return Layout(centres, routes, (right - left, bottom - top)).moved(-left, -top)
