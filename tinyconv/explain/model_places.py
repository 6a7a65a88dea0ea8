"""Where everything in the picture of a model lies, nested models in their frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tinyconv.explain.graph_layers import Link
from tinyconv.explain.graph_layout import Layout, Point, Route, arrange, moved
from tinyconv.explain.model_diagram import Box, Diagram

TITLE_SIZE, LINE_SIZE, FRAME_SIZE = 9.5, 8.0, 8.0  # points
TITLE_HEIGHT, LINE_HEIGHT = 0.18, 0.155  # inches
INSIDE = 0.12, 0.085  # between the text and the rim of a box
_FRAME = 0.16  # between a frame and what is in it


class Rect(NamedTuple):
    """Middle and size."""

    x: float
    y: float
    width: float
    height: float

    def moved(self, right: float, down: float) -> Rect:
        """The same elsewhere."""
        return Rect(self.x + right, self.y + down, self.width, self.height)


class Picture(NamedTuple):
    """Where everything of a diagram lies, in inches, (0, 0) at the upper left.

    Attributes:
        boxes: with their places.
        frames: titles with their places; a frame comes before those inside it.
        routes: edges as Bezier curves, and whether an arrow's head ends it.
        size: width and height.
        entries, exits: where edges of the model around this one end, and start; by number.
    """

    boxes: list[tuple[Box, Rect]]
    frames: list[tuple[str, Rect]]
    routes: list[tuple[Route, bool]]
    size: Point
    entries: list[float]
    exits: dict[int, float]


def picture(diagram: Diagram, rankdir: str) -> Picture:
    """Lay out a diagram that runs from top to bottom ("TB"), or "BT", "LR", "RL"."""
    return _turned(_place(diagram, rankdir), rankdir)


def _place(diagram: Diagram, rankdir: str, used: Collection[int] | None = None) -> Picture:
    """Lay out a diagram from top to bottom; `_turned` gives it its direction.

    A nested diagram is laid out by itself first and is then one large box in this one,
    which edges reach where its own edges go on.

    Args:
        used: for a nested diagram its outputs that the model around it uses.
    """
    leaving = _leaving(diagram, used or ())
    inner = [
        None if isinstance(item, Box) else _place(item, rankdir, leaving[number])
        for number, item in enumerate(diagram.items)
    ]
    sizes = [
        nested.size if nested else _box_size(item, rankdir)  # type: ignore[arg-type]
        for item, nested in zip(diagram.items, inner, strict=True)
    ]
    count = len(sizes)

    def into(item: int, port: int) -> float:
        nested = inner[item]
        return nested.entries[port] - nested.size[0] / 2 if nested else 0.0

    def out(item: int, port: int) -> float:
        nested = inner[item]
        return nested.exits[port] - nested.size[0] / 2 if nested else 0.0

    links = [Link(a, b, out(a, made), into(b, taken)) for a, made, b, taken in diagram.edges]
    if used is None:
        layout = arrange(sizes, links)
        return _gathered(
            diagram, inner, sizes, links, layout, Picture([], [], [], layout.size, [], {})
        )
    # The ports in the frame are boxes without extent, above and below all others.
    entries = range(count, count + len(diagram.entries))
    exits = dict(zip(sorted(used), range(entries.stop, entries.stop + len(used)), strict=True))
    for port, takers in zip(entries, diagram.entries, strict=True):
        links += [Link(port, item, 0.0, into(item, taken)) for item, taken in takers]
    for made, port in exits.items():
        links.append(Link(diagram.exits[made][0], port, out(*diagram.exits[made])))
    nowhere = [(0.0, 0.0)] * (len(entries) + len(exits))
    layout = arrange(sizes + nowhere, links, entries, exits.values())
    crossing = [
        layout.centres[port][0] for port in (exits.values() if rankdir == "BT" else entries)
    ]
    left, top, (width, height) = _frame_around(diagram.title, layout, sizes, crossing, rankdir)
    layout = layout.moved(left, top)
    x = [centre[0] for centre in layout.centres]
    rim = [(_upright(x[port], 0.0, layout.centres[port][1]), False) for port in entries]
    rim += [(_upright(x[port], layout.centres[port][1], height), False) for port in exits.values()]
    frame = Picture(
        [],
        [(diagram.title, Rect(width / 2, height / 2, width, height))],
        rim,
        (width, height),
        [x[port] for port in entries],
        {made: x[port] for made, port in exits.items()},
    )
    return _gathered(diagram, inner, sizes, links, layout, frame)


def _leaving(diagram: Diagram, used: Collection[int]) -> list[set[int]]:
    """For each item its outputs that other items, or the model around, use."""
    leaving: list[set[int]] = [set() for _ in diagram.items]
    for item, made, _, _ in diagram.edges:
        leaving[item].add(made)
    for number in used:
        item, made = diagram.exits[number]
        leaving[item].add(made)
    return leaving


def _gathered(
    diagram: Diagram,
    inner: list[Picture | None],
    sizes: list[Point],
    links: list[Link],
    layout: Layout,
    frame: Picture,
) -> Picture:
    """The frame with all that is in it."""
    boxes, frames, routes = list(frame.boxes), list(frame.frames), list(frame.routes)
    for item, nested, (x, y), size in zip(
        diagram.items, inner, layout.centres, sizes, strict=False
    ):
        if nested is None:
            boxes.append((item, Rect(x, y, *size)))  # type: ignore[arg-type]
            continue
        left, top = x - size[0] / 2, y - size[1] / 2
        boxes += [(each, rect.moved(left, top)) for each, rect in nested.boxes]
        frames += [(title, rect.moved(left, top)) for title, rect in nested.frames]
        routes += [(moved(route, left, top), head) for route, head in nested.routes]
    for link, route in zip(links, layout.routes, strict=True):
        routes.append((route, link.target < len(inner) and inner[link.target] is None))
    return frame._replace(boxes=boxes, frames=frames, routes=routes)


def _frame_around(
    title: str, layout: Layout, sizes: list[Point], crossing: list[float], rankdir: str
) -> tuple[float, float, Point]:
    """Left and upper margin, and size, of a frame around a layout; its title is at its top.

    The layout is still drawn from top to bottom: the side that will be the top has the title.
    There the edges that cross the frame pass to the right of the title.
    """
    room = _FRAME + LINE_HEIGHT
    written = _text_width(title, FRAME_SIZE) + 2 * INSIDE[0]
    width, height = layout.size
    boxes = list(zip(layout.centres, sizes, strict=False))  # the ports need no room
    above = min(y - extent / 2 for (_, y), (_, extent) in boxes)
    below = height - max(y + extent / 2 for (_, y), (_, extent) in boxes)
    if rankdir in ("LR", "RL"):
        lacking = max(0.0, written - height) / 2
        top, bottom = max(_FRAME - above, lacking), max(_FRAME - below, lacking)
        return room, top, (room + width + _FRAME, top + height + bottom)
    top = max(0.0, (room if rankdir == "TB" else _FRAME) - above)
    bottom = max(0.0, (room if rankdir == "BT" else _FRAME) - below)
    left = max(_FRAME, written - min(crossing, default=written))
    return left, top, (max(left + width + _FRAME, written), top + height + bottom)


def _turned(picture: Picture, rankdir: str) -> Picture:
    """The picture with its rows running in another direction."""
    width, height = picture.size
    sideways, reverse = rankdir in ("LR", "RL"), rankdir in ("BT", "RL")

    def turned(point: Point) -> Point:
        x, y = point[0], height - point[1] if reverse else point[1]
        return (y, x) if sideways else (x, y)

    def turned_rect(rect: Rect) -> Rect:
        size = rect[3:1:-1] if sideways else rect[2:]
        return Rect(*turned(rect[:2]), *size)

    return Picture(
        [(box, turned_rect(rect)) for box, rect in picture.boxes],
        [(title, turned_rect(rect)) for title, rect in picture.frames],
        [([turned(point) for point in route], head) for route, head in picture.routes],
        (height, width) if sideways else (width, height),
        [],
        {},
    )


def _upright(x: float, start: float, end: float) -> Route:
    return [(x, start), (x, start), (x, end), (x, end)]


# ---- text -----------------------------------------------------------------------


def _box_size(box: Box, rankdir: str) -> Point:
    """What the text of a box takes: width and height in a row, the other way round sideways."""
    widths = [_text_width(box.title, TITLE_SIZE, bold=True)]
    widths += [_text_width(line, LINE_SIZE) for line in box.lines]
    height = TITLE_HEIGHT + len(box.lines) * LINE_HEIGHT + 2 * INSIDE[1]
    width = max(widths) + 2 * INSIDE[0]
    return (height, width) if rankdir in ("LR", "RL") else (width, height)


def _text_width(text: str, points: float, bold: bool = False) -> float:
    """In inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, False)[0]) / 72
