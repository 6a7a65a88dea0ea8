import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyconv
from tests.data.conftest import closed_port  # noqa: F401
from tests.examples.small import large_digits
from tinyconv.applications import resnet50, vgg16
from tinyconv.data import fashion_mnist

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def small_fashion_mnist(monkeypatch):
    """The digits in place of Fashion-MNIST."""
    monkeypatch.setattr(fashion_mnist, "load_data", large_digits)


def test_every_example_is_run_here():
    tested = {
        "01_fashion_mnist_dense.py",
        "02_fashion_mnist_cnn.py",
        "03_callbacks.py",
        "04_global_average_pooling.py",
        "05_pretrained_resnet50.py",
        "06_vgg16_features.py",
        "07_transfer_learning.py",
    }
    assert {path.name for path in EXAMPLES.glob("[0-9]*.py")} == tested


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


def test_callbacks(small_fashion_mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    result = runpy.run_path(str(EXAMPLES / "03_callbacks.py"), run_name="__main__")
    history = result["history"].history
    assert result["test_accuracy"] > 0.6
    assert history["accuracy"][-1] > 0.9 >= max(history["accuracy"][:-1])
    assert "Reached 90% accuracy" in capsys.readouterr().out
    rows = (tmp_path / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + len(history["loss"])
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.keras", "history.csv", "logs", "training_curves.png",
    }  # fmt: skip
    for part in ("train", "validation"):
        (events,) = (tmp_path / "logs" / part).iterdir()
        assert events.stat().st_size > 500


def test_global_average_pooling(tfds_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_folder))
    name = "04_global_average_pooling.py"
    monkeypatch.setattr(sys, "argv", [name, "--epochs", "4", "--images", "64"])
    with pytest.warns(tinyconv.InputScaleWarning):
        result = runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    rows = result["results"]
    assert [row["parameters"] for row in rows] == [30_753, 705_453, 705_453]
    for row in rows:
        assert row["history"]["accuracy"][-1] > max(0.7, row["history"]["accuracy"][0])
        folder = tmp_path / "log" / row["name"]
        assert {path.parent.name for path in folder.glob("*/events*")} == {"train", "validation"}
    out = capsys.readouterr().out
    for told in ("overfitting", "30,753", "8 photographs tell", "on 8 test photographs"):
        assert told in out
    assert (tmp_path / "global_average_pooling.png").stat().st_size > 10_000

    image = result["image"][None] / 255
    pooled = result["results"][0]["model"].predict(image)
    np.testing.assert_allclose(pooled, result["model"].predict(image), rtol=1e-6)
    assert 0 <= result["dog"] <= 1


@pytest.fixture
def photograph(tmp_path):
    """The path of a JPEG file of 90 x 60 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), "uint8")
    tinyconv.utils.save_img(tmp_path / "photograph.jpg", pixels, scale=False)
    return str(tmp_path / "photograph.jpg")


def run_on(photograph, name, weights, monkeypatch):
    """An example in the folder of the photograph, with its names."""
    monkeypatch.chdir(Path(photograph).parent)
    monkeypatch.setattr(sys, "argv", [name, "--image", photograph, "--weights", str(weights)])
    return runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_pretrained_resnet50(photograph, keras_folder, tmp_path, monkeypatch, capsys):
    keras_folder.put_class_names()
    model = tinyconv.applications.ResNet50(weights=None)
    model.save_weights(tmp_path / "r.weights.h5")

    name = "05_pretrained_resnet50.py"
    result = run_on(photograph, name, tmp_path / "r.weights.h5", monkeypatch)
    expected = model.predict(result["x"], verbose=0)
    np.testing.assert_allclose(result["predictions"], expected, rtol=1e-4)
    out = capsys.readouterr().out.splitlines()
    assert f"class {expected[0].argmax()}" in out[1]
    assert out[-1] == "Written to pretrained_resnet50.png"
    assert (tmp_path / "pretrained_resnet50.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("blocks", "file"),
    [(1, "w.h5"), (3, "w.h5"), (5, "w.h5"), (5, "w.weights.h5"), (5, "w.keras")],
)
def test_vgg16_features(blocks, file, photograph, tmp_path, monkeypatch, capsys):
    """A file that ends behind a block cuts the network off there, and it says so."""
    whole = tinyconv.applications.VGG16(weights=None, include_top=False)
    part = tinyconv.Model(whole.input, whole.get_layer(f"block{blocks}_pool").output)
    (part.save_weights if ".weights" in file else part.save)(tmp_path / file)

    result = run_on(photograph, "06_vgg16_features.py", tmp_path / file, monkeypatch)
    features = part.get_layer("block1_conv2").output
    expected = tinyconv.Model(part.input, features).predict(result["x"], verbose=0)
    np.testing.assert_allclose(result["features"][0], expected[0], rtol=1e-4, atol=1e-3)
    assert len(result["features"]) == blocks
    out = capsys.readouterr().out
    assert f"block{blocks}_conv" in out
    assert (f"to block{blocks}_pool, the rest cut off" in out) == (blocks < 5)
    assert out.endswith("Written to vgg16_features.png\n")
    assert (tmp_path / "vgg16_features.png").stat().st_size > 10_000


@pytest.fixture
def weights_of_blocks(tmp_path):
    """A function that writes a file of VGG16's first blocks, and returns it and its model.

    The whole network goes into a `.weights.h5` file, which knows no names.
    """

    def write(blocks):
        whole = tinyconv.applications.VGG16(weights=None, include_top=False)
        for weight in whole.weights:
            weight.assign(weight.numpy() * 2**0.5)  # else the signal fades from layer to layer
        part = tinyconv.Model(whole.input, whole.get_layer(f"block{blocks}_pool").output)
        if blocks == 5:
            part.save_weights(tmp_path / "whole.weights.h5")
            return tmp_path / "whole.weights.h5", part
        part.save(tmp_path / "blocks.h5")
        return tmp_path / "blocks.h5", part

    return write


TRAINED = {3: (1_735_745, 257, 257, 1_475_585), 5: (14_715_201, 513, 513, 12_979_713)}


@pytest.mark.parametrize("blocks", [3, 5])
def test_transfer_learning(blocks, weights_of_blocks, tfds_folder, tmp_path, monkeypatch, capsys):
    name = "07_transfer_learning.py"
    file, pretrained = weights_of_blocks(blocks)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_folder))
    given = f"{name} --weights {file} --size 32 --epochs 4 --fine-tune-epochs 2 --scratch-epochs 3"
    monkeypatch.setattr(sys, "argv", given.split())
    result = runpy.run_path(str(EXAMPLES / name), run_name="__main__")

    scratch, plain, base, tuned = rows = result["results"]
    assert tuple(row["trained"] for row in rows) == TRAINED[blocks]
    assert [len(row["seconds"]) for row in rows] == [3, 1, 4, 2]
    # Keeping features changes nothing, and fine-tuning goes on from there.
    for key in ("loss", "val_loss"):
        assert base["history"][key][0] == pytest.approx(plain["history"][key][0], rel=1e-5)
    assert tuned["history"]["loss"][-1] < base["history"]["loss"][-1] < base["history"]["loss"][0]
    assert tuned["history"]["accuracy"][-1] > 0.9
    assert scratch["history"]["loss"][-1] < scratch["history"]["loss"][0]
    free = ("block4", "block5") if blocks == 5 else ("block3",)
    for layer, given in zip(result["BASE"].layers, pretrained.layers, strict=True):
        for now, before in zip(layer.get_weights(), given.get_weights(), strict=True):
            assert np.array_equal(now, before) != layer.name.startswith(free), layer.name

    out = capsys.readouterr().out
    assert ("VGG16 cut after block3_pool (blocks 1 to 3 of 5" in out) == (blocks < 5)
    for count in TRAINED[blocks]:
        assert f"{count:,}" in out
    assert out.endswith("Written to transfer_learning.png\n")
    assert (tmp_path / "transfer_learning.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "network", "top"),
    [
        ("05_pretrained_resnet50.py --image photograph.jpg", resnet50, True),
        ("06_vgg16_features.py --image photograph.jpg", vgg16, False),
        ("07_transfer_learning.py", vgg16, False),
    ],
)
def test_offline(name, network, top, photograph, keras_folder, closed_port, tmp_path, monkeypatch):  # noqa: F811
    """Without weights, an example says which file to put where, and ends."""
    published = network.NETWORK.published[top]
    folder = f"http://127.0.0.1:{closed_port}/"
    monkeypatch.setitem(network.NETWORK.published, top, published._replace(folder=folder))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", name.split())
    with pytest.raises(SystemExit) as told:
        runpy.run_path(str(EXAMPLES / sys.argv[0]), run_name="__main__")
    assert f"Put {published.name} (MD5" in told.value.code
    assert f"into {keras_folder.models} by hand" in told.value.code


@pytest.mark.parametrize("name", ["06_vgg16_features.py", "07_transfer_learning.py"])
def test_a_file_of_other_weights(name, photograph, tmp_path, monkeypatch):
    model = tinyconv.Sequential([tinyconv.layers.Dense(2, input_shape=(3,))])
    model.save(tmp_path / "other.h5")
    arguments = [name, "--weights", str(tmp_path / "other.h5")]
    more = ["--image", photograph] if name.startswith("06") else []
    monkeypatch.setattr(sys, "argv", [*arguments, *more])
    block = pytest.raises(SystemExit, match="holds not even the first block of VGG16")
    with pytest.warns(UserWarning, match="nothing is read"), block:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_transfer_learning_without_photographs(weights_of_blocks, tmp_path, monkeypatch):
    name = "07_transfer_learning.py"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [name, "--weights", str(weights_of_blocks(1)[0])])
    with pytest.raises(SystemExit, match="set TFDS_DATA_DIR to the folder"):
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def ends(arguments, capsys, monkeypatch):
    """(exit status, what was printed) of an example that ends by itself."""
    monkeypatch.setattr(sys, "argv", arguments.split())
    with pytest.raises(SystemExit) as told:
        runpy.run_path(str(EXAMPLES / sys.argv[0]), run_name="__main__")
    out, error = capsys.readouterr()
    return told.value.code, out + error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("05_pretrained_resnet50.py --image none.jpg", "there is no file none.jpg"),
        ("05_pretrained_resnet50.py --image photograph.jpg --top 0", "--top is at least 1"),
        ("06_vgg16_features.py --image none.jpg", "there is no file none.jpg"),
        ("07_transfer_learning.py --images -5", "--images is at least 1"),
        ("07_transfer_learning.py --images 0", "--images is at least 1"),
        ("07_transfer_learning.py --scratch-epochs -1", "--scratch-epochs at least 0"),
        ("07_transfer_learning.py --epochs 0", "--epochs and --fine-tune-epochs are at least 1"),
        ("07_transfer_learning.py --fine-tune-epochs 0", "--fine-tune-epochs are at least 1"),
        ("07_transfer_learning.py --epochs 2.5", "--epochs: invalid int value: '2.5'"),
        ("07_transfer_learning.py --size 31", "--size is at least 32"),
    ],
)
def test_refused_before_anything_is_loaded(arguments, message, photograph, capsys, monkeypatch):
    monkeypatch.chdir(Path(photograph).parent)
    # Would be told first, if it were looked for.
    status, text = ends(f"{arguments} --weights none.h5", capsys, monkeypatch)
    assert status == 2
    assert message in text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("05_pretrained_resnet50.py", ["pretrained_resnet50.png", ".weights.h5"]),
        ("06_vgg16_features.py", ["vgg16_features.png", ".weights.h5"]),
        (
            "07_transfer_learning.py",
            ["transfer_learning.png", ".weights.h5", "TFDS_DATA_DIR", "load_data(download=True)"],
        ),
    ],
)
def test_help(name, told, capsys, monkeypatch):
    status, text = ends(f"{name} --help", capsys, monkeypatch)
    assert status == 0
    assert all(each in text for each in told)
