"""What the site does to a page before it is rendered.

Many functions of tinyconv.explain are called like the file they are in, and mkdocstrings would
take `tinyconv.explain.confusion` for the file. So its page says `::: tinyconv.explain` and gets
an entry for each public name, by the place where that is defined.
"""

from typing import Any

from tinyconv import explain


def on_page_markdown(markdown: str, **page: Any) -> str:
    """The page, with the entries in place of the module."""
    names = sorted(explain.__all__, key=lambda name: (name[0].isupper(), name))
    entries = [f"::: {getattr(explain, name).__module__}.{name}\n" for name in names]
    alone = "::: tinyconv.explain\n    options:\n      members: false\n"
    return markdown.replace("::: tinyconv.explain", "\n".join([alone, *entries]))
