"""docs/for-keras-users.md: the names it lists are there, and its programs run."""

import re

import numpy as np
import pytest

import tinyconv
from tests.docs import pages

TEXT = pages.read("for-keras-users.md")
PROGRAMS = [program.code for program in pages.programs(TEXT)]
ROWS = re.findall(r"^\| `(\w+)` \| (.+) \|$", TEXT, re.M)


def test_every_listed_name_exists():
    assert len(ROWS) == 10
    for module, told in ROWS:
        for name in re.findall(r"\w+", " ".join(re.findall(r"`([^`\"]+)`", told))):
            assert hasattr(getattr(tinyconv, module), name), (module, name)


@pytest.mark.parametrize("module", ["layers", "losses", "optimizers", "callbacks"])
def test_every_class_is_listed(module):
    told = dict(ROWS)[module]
    others = {"Layer", "Cache", "Convolution2D", "MaxPool2D", "AvgPool2D", "GlobalAvgPool2D"}
    others |= {"GlobalMaxPool2D", "Loss", "LossResult", "Optimizer", "ParameterBuffer"}
    others |= {"CallbackList", "EpochLines", "ProgressBar"}
    names = [name for name in getattr(tinyconv, module).__all__ if name[0].isupper()]
    missing = [name for name in names if name not in told and name not in others]
    assert [name for name in missing if not name.endswith(("Decay", "Schedule", "Restarts"))] == []


def test_the_layer_of_ones_own(capsys):
    exec(PROGRAMS[0], {})
    assert "scale" in capsys.readouterr().out


def test_fine_tuning_runs():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    given = {"tc": tinyconv, "images": images, "labels": np.array([0, 1, 0, 1])}
    program = (
        PROGRAMS[1].replace('weights="imagenet"', "weights=None").replace("160, 160", "32, 32")
    )
    for long, short in (("epochs=10", "epochs=1"), ("epochs=20", "epochs=2"), ("h=10", "h=1")):
        program = program.replace(long, short)
    exec(program, given)
    model = given["model"]
    assert model.history.epoch == [1]
    assert sum(w.numpy().size for w in model.trainable_weights) == 12_979_713
    assert given["x"].min() < -90
    assert not given["base"].trainable
    assert given["base"].trainable_weights == []
    model.trainable = False
    with pytest.raises(ValueError, match="no layer is trainable"):
        model.fit(given["x"], given["labels"], verbose=0)
