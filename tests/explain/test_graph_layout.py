"""The layout of graphs: nothing overlaps, edges run downwards round the boxes, order is kept."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyconv.explain.graph_layers import Link, in_rows
from tinyconv.explain.graph_layout import STUB, Layout, Point, Route, arrange

TINY = 1e-9


@st.composite
def graphs(draw: st.DrawFn, circles: bool = False) -> tuple[list[Point], list[Link]]:
    """Boxes of some sizes, and links between them; with ports anywhere along their edges."""
    count = draw(st.integers(1, 12))
    side = st.sampled_from([0.2, 0.35, 0.9, 2.3])
    sizes = draw(st.lists(st.tuples(side, side), min_size=count, max_size=count))
    place = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(place, place), max_size=24, unique=True))
    if not circles:
        pairs = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    port = st.sampled_from([0.0, 0.0, -0.4, 0.3])
    links = [Link(a, b, draw(port) * sizes[a][0], draw(port) * sizes[b][0]) for a, b in pairs]
    return sizes, links


def along(route: Route) -> np.ndarray:
    """(points, 2) on the curves of a route."""
    controls = np.array(route)
    t = np.linspace(0, 1, 25)[:, None]
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    starts = range(0, len(controls) - 1, 3)
    pieces = [sum(w * controls[s + n] for n, w in enumerate(weights)) for s in starts]
    return np.concatenate(pieces)


def overlaps(layout: Layout, sizes: list[Point], room: float = 0.0) -> list[tuple[int, int]]:
    """Pairs of boxes nearer to each other than `room`."""
    return [
        (a, b)
        for a, b in combinations(range(len(sizes)), 2)
        if all(
            abs(layout.centres[a][axis] - layout.centres[b][axis])
            < (sizes[a][axis] + sizes[b][axis]) / 2 + room - TINY
            for axis in (0, 1)
        )
    ]


@given(graphs(circles=True))
def test_no_boxes_overlap_and_all_lie_in_the_drawing(graph: tuple[list[Point], list[Link]]) -> None:
    sizes, links = graph
    layout = arrange(sizes, links)
    assert len(layout.centres) == len(sizes)
    assert overlaps(layout, sizes, room=0.3) == []
    for centre, size in zip(layout.centres, sizes, strict=True):
        for axis in (0, 1):
            assert centre[axis] - size[axis] / 2 >= -TINY
            assert centre[axis] + size[axis] / 2 <= layout.size[axis] + TINY
    for route in layout.routes:
        assert (along(route) >= -TINY).all()
        assert (along(route) <= np.array(layout.size) + TINY).all()


@given(graphs(circles=True))
def test_edges_go_from_port_to_port_and_through_no_box(
    graph: tuple[list[Point], list[Link]],
) -> None:
    sizes, links = graph
    layout = arrange(sizes, links)
    assert len(layout.routes) == len(links)
    low = np.array(layout.centres) - np.array(sizes) / 2 + 1e-6
    high = np.array(layout.centres) + np.array(sizes) / 2 - 1e-6
    for link, route in zip(links, layout.routes, strict=True):
        x, y = layout.centres[link.source]
        assert route[0] == pytest.approx((x + link.out, y + sizes[link.source][1] / 2))
        x, y = layout.centres[link.target]
        assert route[-1] == pytest.approx((x + link.into, y - sizes[link.target][1] / 2))
        # The last piece is straight and long enough for the head of an arrow.
        assert route[-4][0] == pytest.approx(route[-1][0])
        assert route[-1][1] - route[-4][1] >= STUB - TINY
        points = along(route)[:, None]
        assert not ((points > low) & (points < high)).all(axis=-1).any()


@given(graphs())
def test_edges_run_downwards(graph: tuple[list[Point], list[Link]]) -> None:
    sizes, links = graph
    layout = arrange(sizes, links)
    for link, route in zip(links, layout.routes, strict=True):
        assert layout.centres[link.source][1] < layout.centres[link.target][1]
        assert (np.diff([y for _, y in route]) >= -TINY).all()


@given(graphs(circles=True))
def test_every_box_is_in_one_row_and_the_layout_is_always_the_same(
    graph: tuple[list[Point], list[Link]],
) -> None:
    sizes, links = graph
    layered = in_rows(len(sizes), links)
    nodes = sorted(node for row in layered.rows for node in row)
    assert nodes == list(range(len(nodes)))
    assert len(nodes) >= len(sizes)
    row_of = {node: number for number, row in enumerate(layered.rows) for node in row}
    for chain in filter(None, layered.chains):
        assert all(row_of[b] == row_of[a] + 1 for a, b in pairwise(chain))
    assert arrange(sizes, links) == arrange(sizes, links)


BOX = (1.0, 0.4)


def test_a_chain_is_one_column() -> None:
    layout = arrange([BOX, (2.0, 0.4), BOX, (0.3, 0.2)], [Link(0, 1), Link(1, 2), Link(2, 3)])
    assert {round(x, 9) for x, _ in layout.centres} == {1.0}
    assert layout.size[0] == pytest.approx(2)


@pytest.mark.parametrize("branches", [2, 3, 4, 5])
def test_branches_lie_evenly_about_what_they_leave_and_meet(branches: int) -> None:
    inner = range(1, branches + 1)
    links = [Link(0, n) for n in inner] + [Link(n, branches + 1) for n in inner]
    layout = arrange([BOX] * (branches + 2), links)
    x = [centre[0] for centre in layout.centres]
    assert x[0] == pytest.approx(np.mean(x[1:-1]), abs=1e-3)
    assert x[-1] == pytest.approx(np.mean(x[1:-1]), abs=1e-3)
    assert np.diff(sorted(x[1:-1])) == pytest.approx(x[2] - x[1], abs=1e-3)


def test_a_shortcut_goes_round_a_straight_chain() -> None:
    links = [Link(n, n + 1) for n in range(4)] + [Link(1, 3)]
    layout = arrange([BOX] * 5, links)
    assert np.ptp([x for x, _ in layout.centres]) == pytest.approx(0)
    assert along(layout.routes[-1])[:, 0].max() > layout.centres[2][0] + BOX[0] / 2


def test_edges_are_uncrossed() -> None:
    """0 and 1 are named before 2 and 3, which they take crosswise."""
    layout = arrange([BOX] * 6, [Link(0, 3), Link(1, 2), Link(3, 5), Link(2, 4)])
    x = [centre[0] for centre in layout.centres]
    assert (x[0] < x[1]) == (x[3] < x[2]) == (x[5] < x[4])


def test_crossings_that_a_search_in_depth_leaves_are_swept_away() -> None:
    # Two rows: 0 1 2 above, 3 4 5 below; without sweeps 1 -> 3 crosses 0 -> 5.
    links = [Link(0, 3), Link(0, 5), Link(1, 3), Link(1, 4), Link(2, 4), Link(2, 5), Link(2, 6)]
    rows = in_rows(7, links).rows
    place = {node: number for row in rows for number, node in enumerate(row)}
    pairs = [(place[link.source], place[link.target]) for link in links]
    crossings = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(pairs, 2))
    assert crossings == 2  # a circle of six edges cannot have fewer in two rows


def test_a_source_lies_above_its_first_user() -> None:
    rows = in_rows(5, [Link(0, 1), Link(1, 2), Link(2, 3), Link(4, 3)]).rows
    assert [4 in row for row in rows] == [False, False, True, False]


def test_boxes_of_the_first_and_the_last_row() -> None:
    links = [Link(0, 1), Link(1, 2), Link(2, 3), Link(4, 3), Link(1, 5)]
    rows = in_rows(6, links, first=[4], last=[3, 5]).rows
    assert 4 in rows[0]
    assert {3, 5} <= set(rows[-1])


def test_links_of_a_circle_go_back_beside_the_boxes() -> None:
    layout = arrange([BOX] * 3, [Link(0, 1), Link(1, 2), Link(2, 0), Link(1, 1)])
    assert [y for _, y in layout.centres] == sorted(y for _, y in layout.centres)
    right = max(x for x, _ in layout.centres) + BOX[0] / 2
    lanes = [along(route)[:, 0].max() for route in layout.routes[2:]]
    assert right < lanes[0] < lanes[1]


def test_ports_of_a_column_are_in_line() -> None:
    """What hangs on a port left of the middle is itself left of the middle."""
    layout = arrange([(3.0, 1.0), BOX], [Link(0, 1, out=-0.8, into=0.2)])
    (above, _), (below, _) = layout.centres
    assert below + 0.2 == pytest.approx(above - 0.8)


def test_nothing_to_draw() -> None:
    assert arrange([], []) == Layout([], [], (0.0, 0.0))
