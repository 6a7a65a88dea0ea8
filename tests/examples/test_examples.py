import runpy
from pathlib import Path

import numpy as np
import pytest

from tinyconv.data import digits, fashion_mnist

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def small_fashion_mnist(monkeypatch):
    """The digits, 28 x 28, in place of Fashion-MNIST: real images that learn fast."""

    def enlarge(images):
        return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))

    def load_data():
        (x_train, y_train), (x_test, y_test) = digits.load_data()
        return (enlarge(x_train[:320]), y_train[:320]), (enlarge(x_test[:64]), y_test[:64])

    monkeypatch.setattr(fashion_mnist, "load_data", load_data)


def test_every_example_is_run_here():
    tested = {"01_fashion_mnist_dense.py", "02_fashion_mnist_cnn.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.parametrize(
    ("name", "parameters", "picture"),
    [
        ("01_fashion_mnist_dense.py", 101_770, "fashion_mnist_dense.png"),
        ("02_fashion_mnist_cnn.py", 421_642, "fashion_mnist_cnn.png"),
    ],
)
def test_book_example_learns(
    name, parameters, picture, small_fashion_mnist, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    result = runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert result["model"].count_params() == parameters
    assert result["test_accuracy"] > 0.8
    assert (tmp_path / picture).stat().st_size > 10_000
    assert f"Total params: {parameters:,}" in capsys.readouterr().out
