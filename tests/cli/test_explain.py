"""`tinyconv explain`."""

import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from tinyconv import layers, models
from tinyconv.cli.app import app


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *arguments])
    return result.exit_code, result.output


def test_algorithms():
    code, output = run("cnn", "--algorithms", "--batch", "8")
    assert code == 0
    lines = output.splitlines()
    assert len(lines) == 6  # two convolutions, three operations each
    assert "direct" in lines[0]
    assert "winograd" in lines[3]


def test_asked_for():
    code, output = run("cnn", "--algorithms", "--conv", "im2col")
    assert code == 0
    assert output.count("asked for") == 6
    code, output = run("cnn", "--algorithms", "--conv", "fft")
    assert code == 2
    assert "fft" in output


def test_a_file(tmp_path):
    pytest.importorskip("h5py")
    net = models.Sequential([layers.Conv2D(3, 1, input_shape=(8, 8, 2), name="only")])
    net.save(tmp_path / "net.keras")
    assert "only" in run(str(tmp_path / "net.keras"))[1]
    code, output = run(str(tmp_path / "net.keras"), "--algorithms")
    assert code == 0
    assert "pointwise" in output


def test_neither_a_network_nor_a_file():
    code, output = run("lenet")
    assert code == 2
    assert "lenet" in output
