"""examples/*.py as notebooks: made of the scripts, and run from top to bottom."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyconv
from examples import notebooks

ROOT = Path(__file__).resolve().parents[2]
DIGITS = """\
from tests.examples.small import large_digits
from tinyconv.data import fashion_mnist

fashion_mnist.load_data = large_digits"""
CLASS_NAMES = """\
from pathlib import Path

import pytest
from tests.keras_folder import KerasFolder

KerasFolder(Path("keras").absolute(), pytest.MonkeyPatch()).put_class_names()"""
# What has to be done in the kernel first.
BEFORE = {"01": DIGITS, "02": DIGITS, "03": DIGITS, "05": CLASS_NAMES}
OPTIONS = {
    "04": ["--epochs", "1", "--images", "64"],
    "05": ["--image", "photograph.jpg", "--weights", "weights.weights.h5"],
    "06": ["--image", "photograph.jpg", "--weights", "weights.h5"],
    "07": [
        "--weights", "weights.h5", "--size", "32", "--images", "32", "--epochs", "1",
        "--fine-tune-epochs", "1", "--scratch-epochs", "1",
    ],
}  # fmt: skip
# What each prints, and how many pictures it shows.
SHOWN = {
    "01": ("The first test image is a", 1),
    "02": ("Accuracy on test dataset:", 1),
    "03": ("Test accuracy of the best epoch:", 1),
    "04": ("The same photograph, not divided by 255", 1),
    "05": ("Written to pretrained_resnet50.png", 1),
    "06": ("VGG16 to block1_pool, the rest cut off", 1),
    "07": ("Fine-tuning goes on where the frozen base ended", 1),
}


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A folder to run in; kernels find tinyconv and the tests, and keep nothing at home."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / ".jupyter"))
    return tmp_path


def give_weights(number, folder):
    """A photograph, and weights that were never trained."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), "uint8")
    tinyconv.utils.save_img(folder / "photograph.jpg", pixels, scale=False)
    if number == "05":
        tinyconv.applications.ResNet50(weights=None).save_weights(folder / "weights.weights.h5")
    else:
        whole = tinyconv.applications.VGG16(weights=None, include_top=False)
        part = tinyconv.Model(whole.input, whole.get_layer("block1_pool").output)
        part.save(folder / "weights.h5")


def outputs(made):
    """(all that was printed or shown as text, number of pictures)."""
    found = [output for cell in made.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in found]
    text = "".join(output.get("text", "") for output in found)
    text += "".join(str(each.get("text/plain", "")) for each in data)
    return text, sum("image/png" in each for each in data)


@pytest.mark.parametrize("script", notebooks.SCRIPTS, ids=lambda path: path.name[:2])
def test_from_top_to_bottom(script, kernel, request, monkeypatch):
    from nbformat.v4 import new_code_cell

    number = script.name[:2]
    if number in ("04", "07"):
        monkeypatch.setenv("TFDS_DATA_DIR", str(request.getfixturevalue("tfds_folder")))
    if number in ("05", "06", "07"):
        give_weights(number, kernel)
    made = notebooks.notebook(script, OPTIONS.get(number))
    if number in BEFORE:
        made.cells.insert(0, new_code_cell(BEFORE[number]))
    notebooks.execute(made, kernel)
    text, pictures = outputs(made)
    printed, expected = SHOWN[number]
    assert printed in text
    assert pictures == expected


@pytest.mark.parametrize("script", notebooks.SCRIPTS, ids=lambda path: path.name[:2])
def test_nothing_of_the_script_is_lost(script):
    import jupytext
    import nbformat

    made = notebooks.notebook(script)
    nbformat.validate(made)
    assert made.cells[0].source.startswith("# ")
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    own = [source for source in code if not source.startswith(("# The options", "from IPython"))]
    text = script.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip("#") and line[:2] != "# "]
    kept = "\n".join([made.cells[0].source.removeprefix("# "), *own])
    for line in lines:
        assert line.strip().strip('"') in kept
    assert jupytext.writes(made, fmt="py:percent").count("# %%") == len(made.cells)


def test_the_same_notebook_every_time():
    first, second = (notebooks.notebook(notebooks.SCRIPTS[0]) for _ in range(2))
    assert first == second


def test_command(tmp_path, capsys):
    notebooks.main(["04", "05", "--out", str(tmp_path / "new")])
    names = ["04_global_average_pooling.ipynb", "05_pretrained_resnet50.ipynb"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    cells = json.loads((tmp_path / "new" / names[1]).read_text())["cells"]
    options = "".join(cells[1]["source"])
    assert 'sys.argv = ["05_pretrained_resnet50.py", "--image", "elephant.jpg"]' in options
    with pytest.raises(SystemExit):
        notebooks.main(["99", "--out", str(tmp_path)])
    assert "examples are 01, 02" in capsys.readouterr().err


def test_without_jupytext_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(ImportError, match=r'pip install "tinyconv\[notebooks\]"'):
        notebooks.main(["01", "--out", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
