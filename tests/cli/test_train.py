"""`tinyconv train`, run as a person runs it."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyconv
from tinyconv.data import download, fashion_mnist

pytest.importorskip("typer")
pytest.importorskip("h5py")
image = pytest.importorskip("matplotlib.image")

from typer.testing import CliRunner  # noqa: E402

from tests.cli.here import command  # noqa: E402
from tinyconv.cli import main, run_folder  # noqa: E402
from tinyconv.cli.app import app  # noqa: E402

FILES = {
    "model.keras", "history.csv", "run.json",
    "training_curves.png", "predictions.png", "confusion.png",
}  # fmt: skip
SMALL = ("--epochs", "2", "--limit", "96", "--backend", "numpy")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty folder to run in, and no Keras folder; the backend of the tests comes back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    backend = tinyconv.get_backend()
    yield
    tinyconv.use_backend(backend.name)


@pytest.fixture
def offline(monkeypatch):
    """The downloads fail at once, and are counted."""
    asked = []

    def refuse(urls, seconds):
        asked.extend(urls)
        return ((url, "refused by the test") for url in urls)

    monkeypatch.setattr(download, "_probe", refuse)
    return asked


def run(*arguments):
    return CliRunner().invoke(app, ["train", *arguments])


@pytest.mark.parametrize("model", ["dense", "cnn"])
def test_a_run_leaves_all_its_files(model):
    result = run("--dataset", "digits", "--model", model, *SMALL)
    assert result.exit_code == 0, result.output
    folder = Path("runs") / f"digits-{model}"
    assert {path.name for path in folder.iterdir()} == FILES

    with open(folder / "history.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert [row[0] for row in rows] == ["0", "1"]
    values = np.array(rows, "float64")
    assert np.isfinite(values).all()
    assert values[1, 2] < values[0, 2]

    for name in (name for name in FILES if name.endswith(".png")):
        picture = image.imread(folder / name)
        assert min(picture.shape[:2]) > 200
        assert picture[..., :3].std() > 0.01

    network = tinyconv.models.load_model(folder / "model.keras")
    _, (x_test, y_test) = tinyconv.data.digits.load_data()
    predicted = network.predict(x_test[:96] / 255.0, verbose=0).argmax(axis=1)
    right = int((predicted == y_test[:96]).sum())
    assert f"Test accuracy: {right / 96:.4f} ({right} of 96 images)" in result.output
    assert (
        "digits: 86 images to learn from, 10 to watch the learning by, 96 to be tested on at the "
        "end"
    ) in result.output
    # What the epochs show are the last tenth of the training images.
    (x_train, y_train), _ = tinyconv.data.digits.load_data()
    predicted = network.predict(x_train[86:96] / 255.0, verbose=0).argmax(axis=1)
    assert values[1, 3] == pytest.approx((predicted == y_train[86:96]).mean())
    assert f"Total params: {network.count_params():,}" in result.output
    assert f"Written to {folder}/" in result.output


def test_no_run_overwrites_an_earlier_one(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "write_pictures", lambda *a: [])  # 2 s for each run
    arguments = ("--dataset", "digits", "--model", "dense", "--out", str(tmp_path / "mine"), *SMALL)
    for name in ("digits-dense", "digits-dense-2", "digits-dense-3"):
        assert run(*arguments).exit_code == 0
        assert (tmp_path / "mine" / name / "history.csv").exists()
    folders = sorted((tmp_path / "mine").iterdir())
    assert len(folders) == 3
    # One seed, one result.
    texts = {(folder / "history.csv").read_bytes() for folder in folders}
    assert len(texts) == 1
    assert run(*arguments, "--seed", "5").exit_code == 0
    assert (tmp_path / "mine" / "digits-dense-4" / "history.csv").read_bytes() not in texts


def test_a_run_that_is_interrupted_leaves_no_empty_folder(monkeypatch):
    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(tinyconv.Sequential, "fit", interrupt)
    assert run("--dataset", "digits", *SMALL).exit_code != 0
    assert not Path("runs").exists()


def test_without_fashion_mnist_the_digits_are_learnt(offline):
    result = run("--model", "dense", *SMALL)
    assert result.exit_code == 0, result.output
    assert offline
    first, second = result.output.splitlines()[:2]
    assert re.fullmatch(
        r"Fashion-MNIST can't be had \(no server .* reached\), so this run learns the handwritten "
        r"digits that come with tinyconv\.", first
    )  # fmt: skip
    assert second.startswith("digits: 86 images")
    assert (Path("runs") / "digits-dense" / "model.keras").exists()
    assert "Traceback" not in result.output


def test_a_damaged_file_is_named_when_the_digits_take_over(offline, tmp_path):
    damaged = tmp_path / "keras" / "datasets" / "fashion-mnist" / fashion_mnist.FILES.x_train.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no images")
    result = run("--model", "dense", *SMALL)
    assert result.exit_code == 0, result.output
    assert f"Fashion-MNIST can't be had ({damaged} is damaged" in result.output
    assert damaged.read_bytes() == b"no images"


@pytest.mark.parametrize("dataset", ["fashion_mnist", "mnist"])
def test_a_dataset_that_was_asked_for_must_be_there(dataset, offline):
    result = run("--dataset", dataset, *SMALL)
    assert result.exit_code == 1
    assert "Error: " in result.stderr
    assert "could not be downloaded. Tried:" in result.stderr
    assert "refused by the test" in result.stderr
    assert "Traceback" not in result.output
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--dataset", "cifar"), "cifar"),
        (("--model", "resnet"), "resnet"),
        (("--epochs", "0"), "--epochs"),
        (("--batch-size", "-1"), "--batch-size"),
        (("--limit", "none"), "--limit"),
        (("--limit", "1"), "--limit"),
        (("--seed", "-1"), "--seed"),
        (("--backend", "tensorflow"), "tensorflow"),
        (("--speed", "9"), "--speed"),
    ],
)
def test_wrong_options_are_named(arguments, named):
    result = run(*arguments)
    assert result.exit_code == 2
    assert named in result.stderr
    assert not Path("runs").exists()


def test_a_gpu_that_is_not_there_is_told_before_anything_is_written():
    result = run("--backend", "cupy")
    assert result.exit_code == 2
    assert "needs an NVIDIA GPU" in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert not Path("runs").exists()


def test_help_names_every_option():
    shown = command(Path(), "train", "--help")
    assert shown.status == 0
    assert "Train a network, evaluate it, and write model" in shown.output
    for option in (
        "resume", "dataset", "model", "epochs", "batch-size", "backend", "out", "seed", "limit",
    ):  # fmt: skip
        assert f"--{option}" in shown.output
    for word in ("fashion_mnist", "digits", "cnn", "dense", "numba"):
        assert word in shown.output


def test_the_command_alone_shows_its_help():
    assert "train" in command(Path(), "--help").output
    alone = command(Path())
    assert "Usage" in alone.output + alone.errors


def test_version():
    """In a process of its own, in which next to nothing is set."""
    root = str(Path(tinyconv.__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-c", "from tinyconv.cli import main; main()", "--version"],
        env={"PYTHONPATH": root, "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"tinyconv {tinyconv.__version__}\n", "")


def test_a_folder_that_cannot_be_made_is_an_error_in_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file")
    failed = command(
        tmp_path, "train", "--dataset", "digits", "--out", str(tmp_path / "taken"), *SMALL
    )
    assert failed.status == 1
    assert re.fullmatch(r"Error: .*--out: .*taken.*\n", failed.errors)


def test_the_fewest_images():
    result = run("--dataset", "digits", "--model", "dense", *SMALL[:2], "--limit", "2")
    assert result.exit_code == 0, result.output
    assert "digits: 1 images to learn from, 1 to watch" in result.output


def test_too_little_memory_is_told(monkeypatch, capsys):
    def fit(*arguments, **keywords):
        raise MemoryError("Unable to allocate 9.00 GiB")

    monkeypatch.setattr(tinyconv.Sequential, "fit", fit)
    monkeypatch.setattr(sys, "argv", ["tinyconv", "train", "--dataset", "digits", *SMALL])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "Error: not enough memory. Unable to allocate 9.00 GiB\n"
    assert not Path("runs").exists()
