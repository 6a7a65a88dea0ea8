"""The rows of a drawn graph: which box lies in which row, and in which order.

Sugiyama, Tagawa and Toda (1981): a box lies below all that it takes; an edge that passes
rows gets a waypoint in each of them, so that it can be led round the boxes; the order
within the rows is swept down and up by barycentres until few edges cross.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

_SWEEPS = 12


class Link(NamedTuple):
    """An edge between two boxes.

    Attributes:
        source, target: numbers of the boxes.
        out, into: where it leaves and enters, measured from the middle of the box.
    """

    source: int
    target: int
    out: float = 0.0
    into: float = 0.0


class Rows(NamedTuple):
    """A graph in rows.

    Attributes:
        rows: numbers of the boxes and waypoints of each row, in order; the waypoints are
            numbered on from the boxes.
        chains: for each link source, waypoints, target; None for a link that goes back up
            (or to the box it comes from), as those of a layer used twice can.
    """

    rows: list[list[int]]
    chains: list[list[int] | None]


def in_rows(
    count: int, links: Sequence[Link], first: Collection[int] = (), last: Collection[int] = ()
) -> Rows:
    """Put boxes 0 ... count - 1 into rows.

    Args:
        count: number of boxes.
        links: between them.
        first, last: boxes that belong into the first and the last row.
    """
    backward = _going_back(count, links)
    ranks = _ranks(count, links, backward, first, last)
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    chains: list[list[int] | None] = []
    rank_of = list(ranks)
    for number, link in enumerate(links):
        if number in backward:
            chains.append(None)
            continue
        between = range(ranks[link.source] + 1, ranks[link.target])
        waypoints = range(len(rank_of), len(rank_of) + len(between))
        rank_of.extend(between)
        chains.append([link.source, *waypoints, link.target])
    segments = [pair for chain in chains if chain is not None for pair in pairwise(chain)]
    above, below = neighbours(len(rank_of), segments)
    for node in _in_depth(count, above, below):
        rows[rank_of[node]].append(node)
    return Rows(_uncrossed(rows, above, below), chains)


def neighbours(
    count: int, segments: Sequence[tuple[int, int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """What is linked to each node from the row above, and from the row below."""
    above: list[list[int]] = [[] for _ in range(count)]
    below: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in segments:
        below[upper].append(lower)
        above[lower].append(upper)
    return above, below


def _going_back(count: int, links: Sequence[Link]) -> set[int]:
    """Numbers of the links that close a circle, as a search in depth meets them."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, link in enumerate(links):
        leaving[link.source].append(number)
    back: set[int] = set()
    done: set[int] = set()
    entered = {link.target for link in links}
    for root in sorted(range(count), key=lambda box: box in entered):
        if root in done:
            continue
        path = [root]
        waiting = [iter(leaving[root])]
        while path:
            number = next(waiting[-1], -1)
            if number < 0:
                done.add(path.pop())
                waiting.pop()
            elif (target := links[number].target) in path:
                back.add(number)
            elif target not in done:
                path.append(target)
                waiting.append(iter(leaving[target]))
    return back


def _ranks(
    count: int,
    links: Sequence[Link],
    backward: set[int],
    first: Collection[int],
    last: Collection[int],
) -> list[int]:
    """The row of each box: below all that it takes; a source right above its first user."""
    kept = [link for number, link in enumerate(links) if number not in backward]
    above, below = neighbours(count, [(link.source, link.target) for link in kept])
    ranks = [0] * count
    missing = [len(each) for each in above]
    ready = [box for box in range(count) if not missing[box]]
    for box in ready:  # grows
        for target in below[box]:
            ranks[target] = max(ranks[target], ranks[box] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    for box in range(count):
        if not above[box] and below[box] and box not in first:
            ranks[box] = min(ranks[target] for target in below[box]) - 1
    for box in last:
        ranks[box] = max(ranks)
    return ranks


def _in_depth(count: int, above: list[list[int]], below: list[list[int]]) -> list[int]:
    """All nodes as a search in depth meets them, boxes before waypoints: what belongs
    together starts side by side, and edges that skip rows start to the right."""
    met: list[int] = []
    seen: set[int] = set()
    waiting = [node for node in reversed(range(len(above))) if not above[node]]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        met.append(node)
        boxes = [other for other in below[node] if other < count]
        waypoints = [other for other in below[node] if other >= count]
        waiting.extend(reversed(boxes + waypoints))
    return met


def _uncrossed(
    rows: list[list[int]], above: list[list[int]], below: list[list[int]]
) -> list[list[int]]:
    """The rows in the best order that the sweeps find."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        linked = above if down else below
        for row in rows if down else reversed(rows):
            _sort_by_barycentre(row, linked, _places(rows))
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _places(rows: list[list[int]]) -> dict[int, int]:
    return {node: place for row in rows for place, node in enumerate(row)}


def _sort_by_barycentre(row: list[int], linked: list[list[int]], place: dict[int, int]) -> None:
    """By the mean place of what each node is linked to; those linked to nothing stay put."""
    free = [node for node in row if linked[node]]
    mean = {node: sum(place[other] for other in linked[node]) / len(linked[node]) for node in free}
    ordered = iter(sorted(free, key=lambda node: mean[node]))
    row[:] = [next(ordered) if linked[node] else node for node in row]


def _crossings(rows: list[list[int]], below: list[list[int]]) -> int:
    """How often edges cross between neighbouring rows."""
    place = _places(rows)
    total = 0
    for row in rows:
        passed: list[int] = []  # places below of the edges further left
        for node in row:
            ends = [place[other] for other in below[node]]
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total
