"""The pages of docs/: their programs, what these are said to print, the files they name."""

import contextlib
import doctest
import io
import re
from pathlib import Path
from typing import NamedTuple

import tinyconv

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.M | re.S)
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.\w+)`")
_PICTURE = re.compile(r"!\[[^\]]+\]\((?:\.\./)*(?:docs/)?images/([\w-]+\.png)\)")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


class Program(NamedTuple):
    """A block of Python; `output` is the block of text right below it, empty without one."""

    code: str
    output: str


def read(name):
    """The text of a page, by its path below docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def programs(text):
    """The blocks of Python in a page, in order."""
    found = (match.groups() for match in _BLOCK.finditer(text))
    return [Program(code, output or "") for language, code, output in found if language == "python"]


def fences(text):
    """All that stands between fences, in order."""
    return re.findall(r"^```.*?^```$", text, re.M | re.S)


def run(text):
    """Run the programs of a page one after the other, and check what each prints.

    They share their names, as at a prompt. Dots in the page stand for what may differ.
    """
    tinyconv.utils.clear_session()  # layers are called as at a new prompt
    names = {}
    for code, output in programs(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        same = doctest.OutputChecker().check_output(output, printed.getvalue(), doctest.ELLIPSIS)
        assert same, f"{code}\nprints\n\n{printed.getvalue()}\nbut the page says\n\n{output}"
    return names


def pictures(text):
    """The names of the pictures that a page shows, in order."""
    return _PICTURE.findall(text)


def missing_files(name):
    """What a page names or links to and is not there."""
    text, folder = read(name), (DOCS / name).parent
    paths = [path for path in _PATH.findall(text) if not (ROOT / path).exists()]
    return paths + [link for link in _LINK.findall(text) if not (folder / link).exists()]
