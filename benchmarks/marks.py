"""Tables on pages between two marks: written by a command, none of their numbers by hand."""

from __future__ import annotations

from pathlib import Path

END = "<!-- end -->"


def begin(question: str) -> str:
    """The mark above the tables of a question."""
    return f"<!-- begin: python -m benchmarks {question} --docs -->"


def put(page: Path, question: str, tables: str) -> None:
    """Write tables between the marks.

    Raises:
        ValueError: if the page has no such marks.
    """
    text = page.read_text(encoding="utf-8")
    before, mark, after = text.partition(begin(question))
    if not mark or END not in after:
        raise ValueError(f"{page.name} has no place for the tables of {question}")
    rest = after.partition(END)[2]
    page.write_text(f"{before}{mark}\n{tables}\n{END}{rest}", encoding="utf-8")


def between(page: Path, question: str) -> str:
    """What stands between the marks."""
    text = page.read_text(encoding="utf-8")
    return text.partition(begin(question))[2].partition(END)[0].strip()
