"""The page: its sections, its table of contents, and what was left out."""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import Any

from tinyconv.explain.report import comparison, overview
from tinyconv.explain.report.choice import drawable
from tinyconv.explain.report.layers import layer_id, layer_section
from tinyconv.explain.report.markup import Html, breakable, joined, paragraph, tag
from tinyconv.explain.report.subject import Subject

_OPEN = 26  # layers that are shown at once; of more only those with an inside


def page(about: Subject) -> str:
    """The whole page, one HTML document that needs nothing else."""
    sections = [
        ("way", "The way of the data", overview.way(about)),
        ("why", "What speaks for it", overview.evidence(about)),
        ("layers", "Layer by layer", _layers(about)),
        ("sizes", "The layers compared", comparison.sizes(about)),
        ("cost", "What it costs", comparison.cost(about)),
        ("next", "Go on from here", _next(about)),
    ]
    shown = [(anchor, title, body) for anchor, title, body in sections if body is not None]
    body = [
        tag("section", tag("h2", title), content, id=anchor, class_="part")
        for anchor, title, content in shown
    ]
    files = resources.files("tinyconv.explain.report")
    template, style, script = (
        files.joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "page.js")
    )
    return Template(template).substitute(
        title=joined([overview.verdict(about)]),
        summary=joined([_summary(about)]),
        contents=_contents(about, [(anchor, title) for anchor, title, _ in shown]),
        prediction=overview.prediction(about),
        sections=joined(body),
        style=style,
        script=script,
    )


def _summary(about: Subject) -> str:
    model, count = about.model, len(about.calls)
    return (
        f"{model.name}: {count} layers, {model.count_params():,} parameters, looked at from "
        "inside, one image from the pixels to the answer and back."
    )


def _layers(about: Subject) -> Html:
    few = len(about.calls) <= _OPEN
    first = min(about.deep, default=-1)
    sections = [
        layer_section(about, number, few or number in about.deep, number == first)
        for number in range(len(about.calls))
    ]
    text = (
        "From the image to the answer. Each section says what a layer does, shows what comes out, "
        "and, where you open it, what comes back and how one number of it is computed."
    )
    closed = "" if few else " Layers that are closed here open with a tap."
    return joined([paragraph(text + closed), *sections])


def _contents(about: Subject, sections: list[tuple[str, str]]) -> Html:
    items = [tag("li", tag("a", "The prediction", href="#top"))]
    for anchor, title in sections:
        inner: Any = None
        if anchor == "layers":
            links = [
                tag("li", tag("a", breakable(call.path), href=f"#{layer_id(number)}"))
                for number, call in enumerate(about.calls)
            ]
            inner = tag("ol", *links)
        items.append(tag("li", tag("a", title, href=f"#{anchor}"), inner))
    return tag("ol", *items)


# ---- what is not here, and how to get it ------------------------------------------------


def _next(about: Subject) -> Html:
    """The program that draws all of it, and what this page left out."""
    parts: list[Any] = []
    left = [n for n in drawable(about.calls) if n not in about.deep]
    if left:
        names = [about.calls[number].path for number in left]
        parts.append(
            paragraph(
                f"To stay readable, this page draws the inside of {len(about.deep)} of "
                f"{len(about.deep) + len(left)} layers that have one: the first of each kind, the "
                "last convolution, and the first of each kind at each size of the maps. Left out: ",
                joined(
                    (", " if place else "", tag("a", name, href=f"#{layer_id(number)}"))
                    for place, (number, name) in enumerate(zip(left, names, strict=True))
                ),
                ". ",
                tag("code", f"--deep {len(about.deep) + len(left)}"),
                " draws them all.",
            )
        )
    parts.append(
        paragraph(
            "Every figure here is one call, written below it. In a Python prompt or a notebook, "
            "with any pixel, filter or layer that you like:"
        )
    )
    parts.append(tag("pre", tag("code", _program(about))))
    return joined(parts)


def _program(about: Subject) -> str:
    file = repr(str(about.file)) if about.file else "'model.keras'"
    lines = ["from tinyconv import explain, models", "", f"model = models.load_model({file})"]
    if about.prepared is not None:
        scale = about.prepared.scale
        lines.append(f"x = explain.image_for(model, 'image.png', scale={scale!r})")
    else:
        lines.append("x = ...  # the image, as the model takes it")
    lines.append("values = explain.layer_values(model, x)  # what each layer takes and gives")
    if about.scored is not None:
        target = about.scored.class_index
        lines.append(f"slopes = explain.layer_slopes(model, x, {target})  # and what comes back")
    conv = next((n for n, c in enumerate(about.calls) if type(c.layer).__name__ == "Conv2D"), None)
    if conv is not None:
        path = about.calls[conv].path
        taken = f"values[{path!r}].input"
        lines += ["", f"explain.im2col({about.source(conv)}, {taken}, at=(0, 0), filter=1)"]
    lines += ["explain.feature_maps(model, x)", "print(explain.trace(model, x))"]
    return "\n".join(lines)
