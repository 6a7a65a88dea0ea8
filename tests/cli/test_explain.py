"""`tinyconv explain`."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from tinyconv import layers, models
from tinyconv.cli.app import app
from tinyconv.saving.errors import FileError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A model of grey images with two classes, and an image."""
    pytest.importorskip("h5py")
    from PIL import Image

    net = models.Sequential(
        [
            layers.Conv2D(2, 3, input_shape=(6, 6, 1), name="only"),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ],
        name="tiny",
    )
    net.save(tmp_path / "net.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "net.keras", tmp_path / "photo.png"


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


def test_a_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, image = map(str, files)
    out = tmp_path / "page.html"
    code, output = run(
        "--model", model, "--image", image, "--out", str(out), "--names", "cat,dog", "--class", "1"
    )
    assert code == 0, output
    assert f"Written to {out}" in " ".join(output.split())
    page = out.read_text(encoding="utf-8")
    assert "says tiny: " in page
    assert "about dog." in page
    assert "im2col" in page


def test_names_from_a_file_and_the_model_as_an_argument(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    model, image = map(str, files)
    (tmp_path / "names.txt").write_text("zebra\nyak\n")
    out = tmp_path / "page.html"
    names = ["--names", str(tmp_path / "names.txt")]
    code, output = run(model, "--image", image, "--out", str(out), "--deep", "0", *names)
    assert code == 0, output
    assert "zebra" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--class", "2"], "must be less than 2"),
        (["--names", "a,b,c"], "must hold 2 names"),
        (["--scale", "0..2"], "scale must be one of"),
        (["--scale", "imagenet"], "3 channels"),
        (["--algorithms"], "--algorithms excludes --image"),
        (["--batch", "4"], "--batch excludes --image"),
    ],
)
def test_what_a_page_refuses(
    files: tuple[Path, Path], tmp_path: Path, arguments: list[str], told: str
) -> None:
    model, image = map(str, files)
    out = tmp_path / "page.html"
    code, output = run("--model", model, "--image", image, "--out", str(out), *arguments)
    assert code == 2
    assert told in " ".join(output.replace("\u2502", " ").split())
    assert not out.exists()


def test_files_that_are_no_good(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, image = map(str, files)
    out, damaged = str(tmp_path / "page.html"), tmp_path / "net.h5"
    damaged.write_bytes(b"no model")
    for told, *options in [
        ("none.png", "--model", model, "--image", str(tmp_path / "none.png"), "--out", out),
        ("is not an image", "--model", model, "--image", model, "--out", out),
        ("net.h5", "--model", str(damaged), "--image", image, "--out", out),
        ("there is no folder", "--model", model, "--image", image, "--out", f"{out}/none/x"),
    ]:
        result = CliRunner().invoke(app, ["explain", *options])
        assert result.exit_code == 1
        # `main` prints these as one line.
        assert isinstance(result.exception, (OSError, FileError)), told
        assert told in str(result.exception)
    code, output = run("--model", image, "--image", image, "--out", out)
    assert code == 2
    assert "photo.png" in output.replace("\n", "")
    assert not Path(out).exists()


def test_which_model() -> None:
    for arguments in ([], ["cnn", "--model", "cnn"]):
        code, output = run(*arguments)
        assert code == 2
        assert "give one model" in output
    code, output = run("cnn", "--image", "photo.png")
    assert code == 2
    assert "learnt nothing" in output
    code, output = run("cnn", "--class", "3")
    assert code == 2
    assert "--class needs --image" in output
