"""Reading an image file for a model: size, channels, scale, names of the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image

from tests.keras_folder import KerasFolder
from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain import image_for
from tinyconv.explain.report.choice import chosen
from tinyconv.explain.report.names import names_for
from tinyconv.explain.report.prepare import scale_of
from tinyconv.explain.walk import Walk
from tinyconv.training.input_record import InputRecord


def model_of(*shape: int | None) -> Model:
    x = Input(shape)
    return Model(x, layers.Flatten()(x) if None not in shape else layers.ReLU()(x))


def record(low: float, high: float, mean: float = 0.0, magnitude: float = 0.4) -> InputRecord:
    return InputRecord(low, high, mean, magnitude, 100, "float32")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """8 high, 4 wide: red above, black below."""
    pixels = np.zeros((8, 4, 3), np.uint8)
    pixels[:4, :, 0] = 255
    Image.fromarray(pixels).save(tmp_path / "image.png")
    return tmp_path / "image.png"


def test_size_and_channels(file: Path) -> None:
    x = image_for(model_of(4, 2, 3), file)
    assert x.shape == (1, 4, 2, 3)
    np.testing.assert_allclose(x[0, 0, 0], [1, 0, 0])
    np.testing.assert_allclose(x[0, 3, 1], 0)
    grey = 76 / 255  # of red, ITU-R 601
    np.testing.assert_allclose(image_for(model_of(8, 4, 1), file)[0, 0, 0], [grey], atol=1e-6)
    assert image_for(model_of(6, 6), file).shape == (1, 6, 6)
    assert image_for(model_of(9), file).shape == (1, 9)
    assert image_for(model_of(12), file).shape == (1, 12)  # 2 x 2 x 3
    assert image_for(model_of(4, 4, 4), file)[0, 0, 0].tolist() == [1, 0, 0, 1]
    assert image_for(model_of(None, None, 3), file).shape == (1, 8, 4, 3)


def test_large_images_for_any_size(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 500)).save(tmp_path / "large.png")
    assert image_for(model_of(None, None, 3), tmp_path / "large.png").shape == (1, 112, 224, 3)


def test_turned_photographs(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, :4] = 255  # left, which the camera says is below
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    x = image_for(model_of(8, 4, 1), tmp_path / "turned.png")
    np.testing.assert_allclose(x[0, :4], 0)
    np.testing.assert_allclose(x[0, 4:], 1)


def test_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 65535, np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(image_for(model_of(4, 4, 1), tmp_path / "deep.png"), 1)


def test_scales(file: Path) -> None:
    model = model_of(8, 4, 3)
    top = {scale: image_for(model, file, scale)[0, 0, 0].tolist() for scale in ("-1..1", "0..255")}
    assert top == {"-1..1": [1, -1, -1], "0..255": [255, 0, 0]}
    np.testing.assert_allclose(
        image_for(model, file, "imagenet")[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-5
    )
    inverted = image_for(model, file, invert=True)
    np.testing.assert_allclose(inverted, 1 - image_for(model, file))


def test_the_scale_of_the_training_is_taken(file: Path) -> None:
    model = model_of(8, 4, 3)
    model.input_record = [record(0, 255, 100, 100)]
    assert image_for(model, file).max() == 255
    model.input_record = [record(-3.0, 3.0)]
    with pytest.raises(ValueError, match="trained on values from -3 to 3"):
        image_for(model, file)
    scaling = Sequential([Input((8, 4, 3)), layers.Rescaling(1 / 255), layers.Flatten()])
    assert image_for(scaling, file).max() == 255


@pytest.mark.parametrize(
    ("given", "scale"),
    [
        (record(0, 1), "0..1"),
        (record(0, 1.04), "0..1"),
        (record(-0.03, 1), "0..1"),
        (record(-1, 1), "-1..1"),
        (record(0, 255), "0..255"),
        (record(-123.68, 151.061, 0.0, 50.0), "imagenet"),
        (record(-2.1, 2.6), None),
        (record(0, 65535), None),
    ],
)
def test_scale_of(given: InputRecord, scale: str | None) -> None:
    assert scale_of(given) == scale


def test_what_is_refused(file: Path, tmp_path: Path) -> None:
    model = model_of(8, 4, 3)
    with pytest.raises(ValueError, match="scale must be one of"):
        image_for(model, file, "0..2")
    with pytest.raises(ValueError, match="3 channels"):
        image_for(model_of(8, 4, 1), file, "imagenet")
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        image_for(model, tmp_path / "none.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(OSError, match="not an image"):
        image_for(model, tmp_path / "text.png")
    for shape in [(7,), (8, 8, 2), (2, 8, 8, 3)]:
        with pytest.raises(ValueError, match="a model of images"):
            image_for(model_of(*shape), file)
    left, right = Input((8, 8, 1)), Input((8, 8, 1))
    with pytest.raises(ValueError, match="one input"):
        image_for(Model([left, right], layers.Add()([left, right])), file)


def test_names(tmp_path: Path, keras_folder: KerasFolder) -> None:
    model = model_of(8, 8, 3)
    file = tmp_path / "model.keras"
    assert names_for(model, 10, file) is None
    (tmp_path / "run.json").write_text(json.dumps({"dataset": "fashion_mnist"}))
    names = names_for(model, 10, file)
    assert names is not None
    assert names[0] == "T-shirt/top"
    assert names_for(model, 9, file) is None
    for content in ("{", "[]", '{"dataset": "none"}', '{"dataset": 3}'):
        (tmp_path / "run.json").write_text(content)
        assert names_for(model, 10, file) is None
    assert names_for(model, 1000, file) is None  # Keras' list has not been downloaded
    keras_folder.put_class_names()
    names = names_for(model, 1000, file)
    assert names is not None
    assert names[7] == "class 7"
    assert names_for(model_of(8, 8, 1), 1000, file) is None


def test_what_is_drawn_of_many_layers() -> None:
    def block(filters: int) -> list[Any]:
        return [
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(filters, 1),
            layers.MaxPooling2D(2),
        ]

    net = Sequential([Input((16, 16, 1)), *block(2), *block(2), *block(2)])
    calls = Walk(net, np.zeros((16, 16, 1))).calls
    assert chosen(calls, 12) == {0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14}
    # The first of each kind, then the last convolution, then again at the next size.
    assert chosen(calls, 4) == {0, 1, 3, 4}
    assert chosen(calls, 6) == {0, 1, 3, 4, 13, 5}
    assert chosen(calls, 0) == set()
