"""One section a layer, in the order of the data."""

from __future__ import annotations

import numpy as np

from tinyconv.explain.activations import measured
from tinyconv.explain.feature_maps import different
from tinyconv.explain.report.inside import inside
from tinyconv.explain.report.markup import Html, breakable, joined, more, paragraph, tag
from tinyconv.explain.report.pictures import as_map, heat, slopes, tile, tiles
from tinyconv.explain.report.subject import Subject
from tinyconv.explain.report.words import words
from tinyconv.explain.trace_table import bytes_text, count_text
from tinyconv.explain.walk import numbers

_MAPS = 12  # of a layer
_FEW = 16  # numbers that are drawn as bars


def layer_section(about: Subject, number: int, opened: bool, first: bool) -> Html:
    """What a layer takes, does and gives, and what comes back.

    Args:
        opened: whether it is shown at once, or when asked for.
        first: whether it is the first whose inside is drawn.
    """
    call, row = about.calls[number], about.trace[number]
    title = (
        tag("span", str(number + 1), class_="number"),
        tag("span", breakable(call.path), class_="name"),
        tag("span", row.kind, class_="kind"),
        tag("span", f"{_shapes(row.inputs)} → {shape_text(row.output)}", class_="shape"),
    )
    body = joined(
        [
            paragraph(words(call), _from(about, number)),
            _chips(about, number),
            _output(about, number),
            _back(about, number),
            inside(about, number, first) if number in about.deep else None,
            _formula(about, number),
        ]
    )
    anchor = layer_id(number)
    if opened:
        return tag("section", tag("h3", *title), body, class_="layer", id=anchor)
    head = tag("summary", *title)
    return tag("details", head, tag("div", body, class_="inside"), class_="layer", id=anchor)


def layer_id(number: int) -> str:
    """The anchor of a layer."""
    return f"layer-{number + 1}"


def shape_text(shape: tuple[int | None, ...]) -> str:
    """Without the batch: 28 × 28 × 1."""
    return " × ".join(str(n) for n in shape[1:])


def _shapes(shapes: list[tuple[int | None, ...]]) -> str:
    return " + ".join(dict.fromkeys(shape_text(shape) for shape in shapes))


def _from(about: Subject, number: int) -> Html | None:
    """Where the input comes from, if that is not the layer right above."""
    origins = about.origins(number)
    if origins == [number - 1]:
        return None
    links = []
    for place, origin in enumerate(origins):
        name = "the image" if origin < 0 else about.calls[origin].path
        target = "#image" if origin < 0 else f"#{layer_id(origin)}"
        joint = "" if not place else " and " if place == len(origins) - 1 else ", "
        links += [joint, tag("a", name, href=target)]
    return joined([" It takes ", *links, "."])


def _chips(about: Subject, number: int) -> Html:
    row, told = about.trace[number], measured(about.calls[number])
    share = about.trace.share(row)
    facts = [
        (row.parameters, f"{row.parameters:,}", "parameters"),
        (row.multiply_adds, count_text(row.multiply_adds), "multiply-adds"),
        (share >= 0.005, f"{share:.0%}", "of the time"),
        (row.kept, bytes_text(row.kept), "kept for the way back"),
        (told.zeros >= 0.005, f"{told.zeros:.0%}", "of the output is zero"),
        (
            len(told.dead) and told.units > 1, f"{len(told.dead)} of {told.units}",
            "silent for this image",
        ),
    ]  # fmt: skip
    items = [tag("li", tag("b", value), f" {what}") for there, value, what in facts if there]
    return tag("ul", *items, class_="chips")


def _output(about: Subject, number: int) -> Html | None:
    """The maps that come out, or the numbers."""
    values = numbers(about.calls[number].output)[0]
    if values.ndim == 3:
        which, signs = _shown(values), bool((values < 0).any())
        draw = slopes if signs else heat  # one language of colours for all maps of a layer
        strip = [tile(draw(values[..., n]), f"map {n}", f"map {n}") for n in which]
        return joined([tiles(*strip), _note(len(which), values.shape[2], signs)])
    if values.ndim == 1 and len(values) <= _FEW:
        return _bars(about, number, values)
    return tiles(tile(heat(as_map(values)), "values", f"{values.size:,} values", large=True))


def _shown(values: np.ndarray) -> list[int]:
    """Numbers of the maps to draw, in order."""
    return sorted(int(n) for n in different(values, _MAPS))


def _note(count: int, total: int, signs: bool) -> Html | None:
    some = f"{count} of {total} maps: lively ones, as unlike each other as there are."
    parts = [some] if count < total else []
    if signs:
        parts.append("Blue is above zero, red below.")
    return tag("p", " ".join(parts), class_="note") if parts else None


def _bars(about: Subject, number: int, values: np.ndarray) -> Html:
    """Few numbers, as bars around zero."""
    last = number == len(about.calls) - 1
    limit = float(np.abs(values).max()) or 1.0
    named = about.names and last and len(about.names) == len(values)
    names = about.names if named and about.names else [str(k) for k in range(len(values))]
    rows = [
        bar(name, float(value) / limit, f"{value:.3g}")
        for name, value in zip(names, values, strict=True)
    ]
    return tag("ol", *rows, class_="bars")


def bar(name: str, share: float, told: str, marked: bool = False) -> Html:
    """A name, a bar of that share of the width (red below zero), and a number."""
    kind = ("marked " if marked else "") + ("minus" if share < 0 else "")
    fill = tag("i", style=f"width:{min(abs(share), 1):.2%}")
    return tag(
        "li", tag("span", name, class_="name"), tag("span", fill, class_="track"),
        tag("span", told, class_="told"), class_=kind.strip() or None,
    )  # fmt: skip


def _back(about: Subject, number: int) -> Html | None:
    """The slopes of the score by the maps that are shown."""
    slope = about.slope(number)
    if slope is None or about.scored is None or number == len(about.calls) - 1:
        return None
    values, back = numbers(about.calls[number].output)[0], numbers(slope)[0]
    if values.size <= 1:
        return None
    score = f"the score of {about.name(about.scored.class_index)}"
    text = f"How {score} would change if this output were a little larger: blue up, red down."
    if values.ndim == 3:
        # One scale for all: a map that hardly counts is pale.
        which = _shown(values)
        limit = float(np.quantile(np.abs(back[..., which]), 0.995))
        strip = [tile(slopes(back[..., n], limit), f"slope {n}", f"map {n}") for n in which]
    else:
        strip = [tile(slopes(as_map(back)), "slopes", f"{back.size:,} slopes", large=True)]
    return more("What comes back: the gradient", paragraph(text), tiles(*strip))


def _formula(about: Subject, number: int) -> Html:
    told = about.trace[number].formula
    ways = [("forward", told.forward), ("backward", told.backward), ("activation", told.activation)]
    rows = [(tag("dt", way), tag("dd", text)) for way, text in ways if text]
    return more("The formula", tag("dl", *rows, class_="formula"))
