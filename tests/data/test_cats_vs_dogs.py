"""Cats vs dogs, from a small set in the real format of TFDS; the real one where there is one."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import tinyconv
from tinyconv.data import cats_vs_dogs
from tinyconv.saving.errors import FileError

REAL = os.environ.get("TFDS_DATA_DIR", "")


@pytest.fixture(autouse=True)
def small_set(tfds_folder, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tfds_folder))


def listed(dataset):
    return [(image, int(label)) for image, label in dataset.as_numpy_iterator()]


def test_splits_are_80_10_10_and_hold_every_photograph_once():
    splits = cats_vs_dogs.load_data(image_size=None)
    assert [len(split) for split in splits] == [64, 8, 8]
    images = [image.tobytes() for split in splits for image, _ in listed(split)]
    assert len(set(images)) == 80
    assert images == [image.tobytes() for image, _ in listed(cats_vs_dogs.load(image_size=None))]


def test_order_is_always_the_same():
    first, second = (listed(cats_vs_dogs.load_data()[0]) for _ in range(2))
    for (one, label), (other, same) in zip(first, second, strict=True):
        assert label == same
        np.testing.assert_array_equal(one, other)


def test_photographs_are_resized_and_scaled_as_in_the_book():
    raw = listed(cats_vs_dogs.load("train[:10]", image_size=None))
    ready = listed(cats_vs_dogs.load("train[:10]", image_size=(30, 20)))
    assert len({image.shape for image, _ in raw}) == 10
    for (image, label), (photograph, same) in zip(raw, ready, strict=True):
        assert image.dtype == np.uint8
        assert photograph.dtype == np.float32
        assert label == same
        expected = tinyconv.image.resize(image / np.float32(255), (30, 20))
        np.testing.assert_allclose(photograph, expected, atol=1e-6)


def test_labels_index_the_class_names():
    for image, label in listed(cats_vs_dogs.load()):
        redder = image[..., 0].mean() > image[..., 2].mean()
        assert cats_vs_dogs.CLASS_NAMES[label] == ("cat" if redder else "dog")
    assert tfds.builder_cls("cats_vs_dogs")(data_dir=os.environ["TFDS_DATA_DIR"]).info.features[
        "label"
    ].names == list(cats_vs_dogs.CLASS_NAMES)


def test_it_is_a_dataset_like_any_other():
    train, _, _ = cats_vs_dogs.load_data()
    assert isinstance(train, tf.data.Dataset)
    shape, label = train.shuffle(10, seed=1).repeat().batch(16).element_spec
    assert shape.shape == (None, 100, 100, 3)
    assert (label.shape, label.dtype) == ((None,), tf.int64)
    assert tinyconv.datasets.cats_vs_dogs is cats_vs_dogs


def test_folder_can_be_given(tfds_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert len(cats_vs_dogs.load(data_dir=Path(tfds_folder))) == 80


def test_missing_data_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"download=True.*TFDS_DATA_DIR") as caught:
        cats_vs_dogs.load_data()
    assert str(tmp_path / "cats_vs_dogs") in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_download_is_left_to_tfds(tmp_path, monkeypatch, tfds_folder):
    """TFDS is asked to fetch only on request, and what it fetched is read."""

    def fetch(builder):
        Path(builder.data_dir).parent.mkdir(parents=True, exist_ok=True)
        Path(builder.data_dir).symlink_to(next((tfds_folder / "cats_vs_dogs").iterdir()))
        builder.info.read_from_directory(builder.data_dir)

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fetch)
    assert len(cats_vs_dogs.load(data_dir=tmp_path, download=True)) == 80


@pytest.mark.parametrize("module", ["tensorflow", "tensorflow_datasets"])
def test_missing_packages_are_named(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf'pip install "tinyconv\[tf\]".*{module}'):
        cats_vs_dogs.load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "test"),
        ({"split": "train[:"}, "split"),
        ({"split": ["train[:10]", "train[10:]"]}, "split must name one part; call load for each"),
        ({"image_size": 100}, r"image_size must be \(height, width\)\. Received: 100"),
        ({"image_size": (100, 0)}, "image_size must be"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        cats_vs_dogs.load(**arguments)


def test_a_damaged_file_stops_the_stream(tfds_folder, tmp_path):
    """The checksum of TensorFlow's records finds one wrong byte; nothing is passed over."""
    source = next((tfds_folder / "cats_vs_dogs").iterdir())
    target = tmp_path / "cats_vs_dogs" / source.name
    target.mkdir(parents=True)
    for file in source.iterdir():
        content = bytearray(file.read_bytes())
        if ".tfrecord" in file.name:
            content[len(content) // 2] ^= 255
        (target / file.name).write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        listed(cats_vs_dogs.load(data_dir=tmp_path))


@pytest.fixture
def copied(tfds_folder, tmp_path):
    """A copy that may be damaged: the folder to give, and that of the version inside it."""
    shutil.copytree(tfds_folder, tmp_path / "set")
    return tmp_path / "set", next((tmp_path / "set" / "cats_vs_dogs").iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 99_999, b'{"name": 3}', b'{"splits": [7]}', b"\xff\xfe"]
)
def test_a_damaged_description_is_named(copied, content):
    folder, version = copied
    (version / "dataset_info.json").write_bytes(content)
    with pytest.raises((FileError, FileNotFoundError), match="cats_vs_dogs"):
        listed(cats_vs_dogs.load(data_dir=folder))


@pytest.mark.parametrize("way", ["name", "link"])
def test_files_of_the_set_are_in_its_folder(copied, way, tmp_path):
    folder, version = copied
    (file,) = version.glob("*.tfrecord*")
    file.rename(tmp_path / file.name)
    if way == "link":
        file.symlink_to(tmp_path / file.name)
    else:
        info = version / "dataset_info.json"
        info.write_text(info.read_text().replace("{DATASET}", "../../../{DATASET}"))
    with pytest.raises(FileError, match="is not in the folder of the data set: refused"):
        listed(cats_vs_dogs.load(data_dir=folder))


def test_nothing_is_kept_from_one_pass_to_the_next(tfds_folder, tmp_path):
    shutil.copytree(tfds_folder, tmp_path / "set")
    stream = cats_vs_dogs.load(data_dir=tmp_path / "set")
    assert len(list(stream)) > 0
    for file in (tmp_path / "set").rglob("*.tfrecord*"):
        file.unlink()
    with pytest.raises(Exception, match="tfrecord"):  # as it would not from TFDS' own cache
        list(stream)


def test_the_real_set_where_there_is_one():
    """Elsewhere the numbers that it must have are still pinned: 80, 10 and 10 percent."""
    assert cats_vs_dogs.SPLITS == ("train[:80%]", "train[80%:90%]", "train[90%:]")
    if not (Path(REAL) / "cats_vs_dogs").is_dir():
        return
    splits = cats_vs_dogs.load_data(data_dir=REAL)
    sizes = [len(split) for split in splits]
    assert sum(sizes) in (4000, 23262)
    np.testing.assert_allclose(np.divide(sizes, sum(sizes)), [0.8, 0.1, 0.1], atol=1e-4)
    image, label = next(splits[2].as_numpy_iterator())
    assert image.shape == (100, 100, 3)
    assert 0 <= image.min() < image.max() <= 1
    assert label in (0, 1)
