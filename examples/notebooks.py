"""The examples as notebooks: `python -m examples.notebooks` writes them into notebooks/.

There is no second copy of an example: its script is cut where a comment begins with `# %%`, as
editors that run cells know it, too. What the docstring says is the notebook's first cell; the
options of the command line are a cell to be changed; and a picture is shown below the cell that
writes it. Needs jupytext: pip install "tinyconv[notebooks]".
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))

# What a script can't do without.
GIVEN = {
    "05_pretrained_resnet50.py": ["--image", "elephant.jpg"],
    "06_vgg16_features.py": ["--image", "elephant.jpg"],
}
_OPTIONS = """\
# The options of the command line: "--help" lists them.
import sys

sys.argv = {}"""
_PICTURE = """\
from IPython.display import Image

Image("{}")"""
_WRITTEN = re.compile(r'[(,] ?"([\w-]+\.png)"[,)]')


def notebook(script: Path, options: Sequence[str] | None = None) -> Any:
    """One example as a notebook (nbformat).

    Args:
        script: of `SCRIPTS`.
        options: its command line; without it, only what it can't do without.

    Raises:
        ImportError: without jupytext.
    """
    try:
        import jupytext
        from nbformat.v4 import new_code_cell, new_markdown_cell
    except ImportError as error:
        raise ImportError('notebooks need jupytext: pip install "tinyconv[notebooks]"') from error
    text = script.read_text(encoding="utf-8")
    made = jupytext.reads(text, fmt="py:percent")
    first, *rest = made.cells  # all before the first mark
    docstring = ast.literal_eval(first.source)
    cells = [new_markdown_cell(f"# {docstring.strip()}")]
    if "ArgumentParser(" in text:
        line = [script.name, *(GIVEN.get(script.name, []) if options is None else options)]
        cells.append(new_code_cell(_OPTIONS.format(_listed(line))))
    for cell in rest:
        cells.append(cell)
        if cell.cell_type == "code":
            names = _WRITTEN.findall(cell.source)
            cells += [new_code_cell(_PICTURE.format(name)) for name in names]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same whenever it is made
    made.cells = cells
    made.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return made


def _listed(words: Sequence[str]) -> str:
    return "[" + ", ".join('"' + word.replace("\\", "\\\\") + '"' for word in words) + "]"


def execute(made: Any, folder: Path) -> None:
    """Run a notebook from top to bottom in a folder; what it shows becomes a part of it.

    Raises:
        nbclient.exceptions.CellExecutionError: where a cell fails.
    """
    from nbclient import NotebookClient

    place = {"metadata": {"path": str(folder)}}
    NotebookClient(made, timeout=None, resources=place).execute()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the notebooks, and run them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m examples.notebooks", description=__doc__)
    parser.add_argument("number", nargs="*", help="of an example, as 01; all unless given")
    parser.add_argument("--out", type=Path, default=FOLDER.parent / "notebooks", help="where to")
    parser.add_argument("--run", action="store_true", help="run them, too, as long as that takes")
    options = parser.parse_args(arguments)
    chosen = [each for each in SCRIPTS if not options.number or each.name[:2] in options.number]
    if len(chosen) < len(options.number):
        parser.error(f"examples are {', '.join(each.name[:2] for each in SCRIPTS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for script in chosen:
        made = notebook(script)
        import nbformat  # comes with jupytext

        if options.run:
            execute(made, options.out)
        path = options.out / f"{script.stem}.ipynb"
        nbformat.write(made, path)
        print(path)


if __name__ == "__main__":
    main()
