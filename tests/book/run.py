"""Runs the book's programs, which stand beside this file as the book prints them.

`tf.keras` and `tensorflow.keras` read tinyconv there, `tf.nn` tinyconv.nn. Left out are the
notebook's commands, and what neither trains nor shows a model (a table of pandas, say). What
TFDS no longer has (`Split.TRAIN.subsplit`) is written as it is written today.
"""

from pathlib import Path
from types import SimpleNamespace

import tinyconv

PROGRAMS = Path(__file__).parent / "programs"


def run(name, replaced=None):
    """Run a program and return its variables.

    Args:
        replaced: numbers of the book and what stands there instead, so that it takes seconds.
    """
    path = PROGRAMS / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    for written, wanted in (replaced or {}).items():
        assert written in text, f"{path.name} does not say {written}"
        text = text.replace(written, wanted)
    tinyconv.utils.clear_session()
    tinyconv.utils.set_random_seed(0)
    names = {"__name__": "__main__"}
    exec(compile(text, path, "exec"), names)
    return SimpleNamespace(**names)
