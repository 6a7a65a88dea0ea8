"""Writes docs/licences.md: `python -m tests.trust.licences`, with `all` and `benchmarks` installed.

What each package says of its own licence: its expression (PEP 639), else its classifiers, else
the first line of its text.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.trust import building, packaging

PAGE = building.ROOT / "docs/licences.md"
HEAD = """# Licences

tinyconv is under the MIT licence. Its wheel holds no code of others; the digits in it are from the
UCI repository (Alpaydin & Kaynak, CC BY 4.0). What it is installed with has licences of its own,
as each package states them. This page is made by `python -m tests.trust.licences`.

## What setup.cfg asks for

"""
COMES_ALONG = """
## What comes along with these

Packages that those above ask for, directly or through others, on Linux; those that came with the
PyTorch for CPUs.

"""


def licence(name: str) -> str:
    """What the installed package says."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in about.get_all("Classifier") or ()
        if each.startswith("License :: ") and each != "License :: OSI Approved"
    ]
    if classifiers:
        return ", ".join(classifiers)
    text = (about.get("License") or "").strip()
    return text.splitlines()[0] if text else "not stated"


def direct() -> dict[str, list[str]]:
    """requirement: the extras that name it; those of Linux."""
    found: dict[str, list[str]] = {}
    for extra, requirements in packaging.requirements().items():
        for text in requirements:
            requirement = Requirement(text)
            applies = requirement.marker is None or requirement.marker.evaluate()
            if requirement.name != "tinyconv" and applies:
                found.setdefault(text.partition(";")[0].strip(), []).append(extra or "always")
    return found


def along(asked: Iterable[str]) -> set[str]:
    """The names of all that these requirements are installed with, themselves included."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in asked]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}{sorted(requirement.extras)}"
        if key in seen or not installed(name):
            continue
        seen.add(key)
        found.add(name)
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            extras = ["", *requirement.extras]
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(needed)
    return found


def installed(name: str) -> bool:
    """Whether this environment has the package."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def page() -> str:
    """The whole text.

    Raises:
        PackageNotFoundError: if what setup.cfg asks for is not installed.
    """
    lines = ["| package | extra | licence |", "| --- | --- | --- |"]
    wanted = direct()
    names = {text: canonicalize_name(Requirement(text).name) for text in wanted}
    for text, extras in wanted.items():
        lines.append(f"| `{text}` | {', '.join(extras)} | {licence(names[text])} |")
    others = ["| package | licence |", "| --- | --- |"]
    for name in sorted(along(wanted) - set(names.values())):
        others.append(f"| {name} | {licence(name)} |")
    return HEAD + "\n".join(lines) + "\n" + COMES_ALONG + "\n".join(others) + "\n"


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
