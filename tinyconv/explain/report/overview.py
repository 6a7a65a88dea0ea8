"""The sections about the image: what the network says, how it gets there, and why."""

from __future__ import annotations

import numpy as np

from tinyconv.explain.gradcam import gradcam_of
from tinyconv.explain.heat import overlay
from tinyconv.explain.report.layers import bar, layer_id, shape_text
from tinyconv.explain.report.markup import Html, breakable, joined, paragraph, tag
from tinyconv.explain.report.pictures import (
    Picture,
    as_map,
    heat,
    photograph,
    slopes,
    tile,
    tiles,
)
from tinyconv.explain.report.subject import Subject
from tinyconv.explain.walk import numbers

_TOP = 10  # classes that are shown
_STATIONS = 24  # of the way of the data


# ---- the verdict --------------------------------------------------------------------


def verdict(about: Subject) -> str:
    """What the network says, in one sentence."""
    if about.chances is None:
        return f"What {about.model.name} makes of this image"
    best = int(about.chances.argmax())
    name = about.name(best)
    name = name[:1].upper() + name[1:]
    if not about.certain:
        return f"{name}, with a score of {about.chances[best]:.3g}"
    return f"{name}, says {about.model.name}: {about.chances[best]:.1%}"


def prediction(about: Subject) -> Html:
    """The image and the classes."""
    picture = tag(
        "figure",
        photograph(about.picture).image("the image"),
        tag("figcaption", _how_prepared(about)),
        class_="subject", id="image",
    )  # fmt: skip
    if about.chances is None or about.scored is None:
        text = "This model gives no classes, so there is no score whose slopes could be shown."
        return tag("div", picture, tag("div", paragraph(text)), class_="hero")
    explained = about.scored.class_index
    order = [int(k) for k in np.argsort(-about.chances, kind="stable")]
    top = order[:_TOP] if explained in order[:_TOP] else [*order[: _TOP - 1], explained]
    most = 1.0 if about.certain else float(np.abs(about.chances).max()) or 1.0
    rows = []
    for k in top:
        told = f"{about.chances[k]:.1%}" if about.certain else f"{about.chances[k]:.3g}"
        rows.append(bar(about.name(k), about.chances[k] / most, told, k == explained))
    left = len(order) - len(top)
    rest = f"{left:,} more classes are less probable. " if left else ""
    note = f"{rest}All that is said about the way back is about {about.name(explained)}."
    if explained != order[0]:
        note += " That was asked for; it is not the first choice."
    return tag(
        "div", picture,
        tag("div", tag("ol", *rows, class_="bars chances"), tag("p", note, class_="note")),
        class_="hero",
    )  # fmt: skip


def _how_prepared(about: Subject) -> str:
    shape, told = shape_text(about.walk.inputs[0].shape), about.prepared
    if told is None:
        return f"{shape}, as it was given"
    height, width = told.size
    return (
        f"{height} × {width} in the file, {shape} for the network; values {told.scale} ({told.why})"
    )


# ---- the way ------------------------------------------------------------------------


def way(about: Subject) -> Html:
    """A small picture of each layer's output, in a row."""
    stops = [tag("li", _stop("#image", photograph(about.picture), "image", _taken(about)))]
    for number in _stations(about):
        call = about.calls[number]
        picture = heat(as_map(numbers(call.output)[0]))
        name = call.path.rsplit("/", 1)[-1]
        stops.append(
            tag("li", _stop(f"#{layer_id(number)}", picture, name, shape_text(call.output.shape)))
        )
    shown = len(stops) - 1
    left = f" {shown} of {len(about.calls)} layers are shown." if shown < len(about.calls) else ""
    text = f"What each layer makes of the image; of its maps, the liveliest.{left}"
    return joined([paragraph(text), tag("ol", *stops, class_="way", tabindex=0)])


def _stop(target: str, picture: Picture, name: str, shape: str) -> Html:
    return tag("a", picture.image(""), tag("b", breakable(name)), tag("span", shape), href=target)


def _taken(about: Subject) -> str:
    return shape_text(about.walk.inputs[0].shape)


def _stations(about: Subject) -> list[int]:
    """All calls, or of many those after which the maps change their size, and some between."""
    count = len(about.calls)
    if count <= _STATIONS:
        return list(range(count))
    shapes = [call.output.shape for call in about.calls]
    turns = [n for n in range(count) if n + 1 == count or shapes[n] != shapes[n + 1]]
    steps = np.linspace(0, len(turns) - 1, min(_STATIONS, len(turns)))
    return sorted({turns[round(float(step))] for step in steps})


# ---- what speaks for the class ------------------------------------------------------


def evidence(about: Subject) -> Html | None:
    """Grad-CAM and saliency."""
    if about.scored is None or about.scored.slopes.inputs[0] is None:
        return None
    name = about.name(about.scored.class_index)
    parts = [paragraph(f"Which parts of the image make the network say {name}?")]
    strip = [tile(photograph(about.picture), "the image", "the image", large=True)]
    maps = [call for call in about.calls if call.output.ndim == 4]
    if maps:
        try:
            cam = gradcam_of(about.scored)
        except ValueError as error:  # no maps that the score depends on
            parts.append(tag("p", f"Grad-CAM is not drawn: {error}.", class_="note"))
        else:
            laid = photograph(overlay(about.picture, cam.map))
            strip.append(tile(laid, "Grad-CAM", f"Grad-CAM: the maps of {cam.layer}", large=True))
    back = numbers(about.scored.slopes.inputs[0])[0].reshape(*about.picture.shape[:2], -1)
    sizes = np.abs(back).max(axis=2)
    strip += [
        tile(heat(sizes), "saliency", "saliency: where a change matters", large=True),
        tile(slopes(back.sum(axis=2)), "gradient", "brighter: blue for, red against", large=True),
    ]
    text = (
        f"Grad-CAM weighs each map of the last convolution by how much {name} gains from it. "
        "Saliency is the gradient of the score by each pixel: this is as far as the way back goes."
        if maps
        else "Saliency is the gradient of the score by each pixel."
    )
    return joined([*parts, tiles(*strip), tag("p", text, class_="note")])
