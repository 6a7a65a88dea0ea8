"""HTML from Python: every text is escaped, unless it is HTML already."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any


class Html(str):
    """A text that is HTML, and is not escaped again."""

    __slots__ = ()


def tag(name: str, *children: Any, **attributes: Any) -> Html:
    """An element.

    Args:
        children: texts, which are escaped, and `Html`; None is nothing, lists are opened up.
        attributes: `class_` is written class, `data_x` data-x; None and False are left out, of
            True the name alone is written.
    """
    said = ""
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = key.rstrip("_").replace("_", "-")
        said += f" {written}" if value is True else f' {written}="{html.escape(str(value))}"'
    if name == "img":  # which has no end
        return Html(f"<{name}{said}>")
    return Html(f"<{name}{said}>{joined(children)}</{name}>")


def joined(children: Iterable[Any]) -> Html:
    """Texts and elements, one after the other."""
    parts = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(html.escape(child, quote=False))
        else:
            parts.append(joined(child))
    return Html("".join(parts))


def breakable(name: str) -> Html:
    """A name that may go on in the next line after an underline or a slash."""
    escaped = html.escape(name, quote=False)
    return Html(escaped.replace("_", "_<wbr>").replace("/", "/<wbr>"))


def paragraph(*children: Any) -> Html:
    """A paragraph of text."""
    return tag("p", *children)


def more(title: Any, *children: Any, opened: bool = False) -> Html:
    """What is shown when its title is asked for."""
    return tag(
        "details", tag("summary", title), tag("div", *children, class_="inside"),
        class_="more", open=opened,
    )  # fmt: skip
