"""Fashion-MNIST and MNIST: from Keras' folder, from mirrors, from nowhere.

Small data sets in the real formats stand in for the real ones, which are read, too,
where Keras' folder holds them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import tinyconv.datasets
from tests.data.web import WebServer, hangs, idx, missing, packed_idx, sends
from tinyconv.data import fashion_mnist, mnist
from tinyconv.data.cache import CorruptFileError, keras_home
from tinyconv.data.download import DownloadError
from tinyconv.data.idx_set import IdxFile, IdxSet

RNG = np.random.default_rng(7)
ARRAYS = {
    "x_train": RNG.integers(0, 256, (12, 28, 28), np.uint8),
    "y_train": RNG.integers(0, 10, 12, np.uint8),
    "x_test": RNG.integers(0, 256, (5, 28, 28), np.uint8),
    "y_test": RNG.integers(0, 10, 5, np.uint8),
}
NAMES = [file.name for file in fashion_mnist.FILES]
PACKED = {name: packed_idx(array) for name, array in zip(NAMES, ARRAYS.values(), strict=True)}
REAL = keras_home() / "datasets"


@pytest.fixture(autouse=True)
def small_sets(monkeypatch: pytest.MonkeyPatch, keras_home: Path) -> None:
    files = IdxSet(
        *(
            IdxFile(file.name, array.shape, hashlib.md5(idx(array)).hexdigest())
            for file, array in zip(fashion_mnist.FILES, ARRAYS.values(), strict=True)
        )
    )
    for module in (fashion_mnist, mnist):
        monkeypatch.setattr(module, "FILES", files)
        monkeypatch.setattr(module, "MIRRORS", ())


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What Keras calls mnist.npz."""
    np.savez_compressed(tmp_path / "made.npz", **ARRAYS)
    content = (tmp_path / "made.npz").read_bytes()
    monkeypatch.setattr(mnist, "CHECKSUM", "sha256:" + hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, "URLS", ())
    return content


def assert_is_the_set(loaded: object) -> None:
    (x_train, y_train), (x_test, y_test) = loaded  # type: ignore[misc]
    found = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.uint8
        np.testing.assert_array_equal(found[name], array)


def fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in PACKED.items():
        (folder / name).write_bytes(content)


def serve(web: WebServer) -> str:
    for name, content in PACKED.items():
        web.url("/good/" + name, sends(content))
    return f"http://127.0.0.1:{web.server_port}/good/"


def test_fashion_from_keras_folder(keras_home: Path) -> None:
    fill(keras_home / "datasets" / "fashion-mnist")
    assert_is_the_set(fashion_mnist.load_data())


def test_fashion_from_home(
    keras_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    fill(tmp_path / ".keras" / "datasets" / "fashion-mnist")
    assert_is_the_set(fashion_mnist.load_data())


def test_fashion_from_the_second_mirror(
    keras_home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fashion_mnist, "MIRRORS", (f"http://127.0.0.1:{web.server_port}/gone/", serve(web))
    )
    assert_is_the_set(fashion_mnist.load_data())
    folder = keras_home / "datasets" / "fashion-mnist"
    assert sorted(file.name for file in folder.iterdir()) == sorted(NAMES)
    web.requests.clear()
    assert_is_the_set(fashion_mnist.load_data())
    assert web.requests == []


def test_fashion_only_fetches_what_is_missing(
    keras_home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "MIRRORS", (serve(web),))
    folder = keras_home / "datasets" / "fashion-mnist"
    fill(folder)
    (folder / NAMES[3]).unlink()
    assert_is_the_set(fashion_mnist.load_data())
    assert set(web.requests) == {"/good/" + NAMES[3]}


def test_fashion_damaged_file_is_named_and_kept(keras_home: Path) -> None:
    folder = keras_home / "datasets" / "fashion-mnist"
    fill(folder)
    damaged = folder / NAMES[0]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(CorruptFileError) as caught:
        fashion_mnist.load_data()
    assert caught.value.path == damaged
    assert damaged.exists()


def test_fashion_without_network_says_where_to_put_the_files(
    keras_home: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "MIRRORS", (f"http://127.0.0.1:{closed_port}/",))
    with pytest.raises(ConnectionError) as caught:
        fashion_mnist.load_data()
    told = str(caught.value)
    assert all(name in told for name in NAMES)
    assert f"into {keras_home / 'datasets' / 'fashion-mnist'} by hand" in told


def test_mnist_from_keras_file(keras_home: Path, archive: bytes) -> None:
    (keras_home / "datasets").mkdir(parents=True)
    (keras_home / "datasets" / "mnist.npz").write_bytes(archive)
    assert_is_the_set(mnist.load_data())


def test_mnist_download(
    keras_home: Path, archive: bytes, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "URLS", (web.url("/mnist.npz", sends(archive)),))
    assert_is_the_set(mnist.load_data())
    assert (keras_home / "datasets" / "mnist.npz").read_bytes() == archive


def test_mnist_falls_back_to_the_original_files(
    keras_home: Path, archive: bytes, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "URLS", (web.url("/mnist.npz", missing),))
    monkeypatch.setattr(mnist, "MIRRORS", (serve(web),))
    assert_is_the_set(mnist.load_data())
    assert not (keras_home / "datasets" / "mnist.npz").exists()
    web.requests.clear()
    assert_is_the_set(mnist.load_data())
    assert web.requests == []


def test_mnist_damaged_file(keras_home: Path, archive: bytes) -> None:
    damaged = keras_home / "datasets" / "mnist.npz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(archive[:-1])
    with pytest.raises(CorruptFileError, match="sha256"):
        mnist.load_data()
    assert damaged.exists()


@pytest.mark.usefixtures("archive")
def test_mnist_tells_of_both_attempts(
    keras_home: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyconv.data.download._PROBE", 0.3)
    monkeypatch.setattr(mnist, "URLS", (web.url("/mnist.npz", hangs),))
    for name in NAMES:
        web.url(f"/slow/{name}", hangs)
    monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{web.server_port}/slow/",))
    with pytest.raises(DownloadError, match="no answer") as caught:
        mnist.load_data()
    assert len(caught.value.tried) == 2
    datasets = keras_home / "datasets"
    assert f"Put mnist.npz into {datasets}, or train-images" in str(caught.value)
    assert f"into {datasets / 'mnist'} by hand" in str(caught.value)


def test_names_are_keras_own() -> None:
    assert tinyconv.datasets.fashion_mnist is fashion_mnist
    assert tinyconv.datasets.mnist is mnist
    assert len(fashion_mnist.CLASS_NAMES) == len(mnist.CLASS_NAMES) == 10
    assert fashion_mnist.CLASS_NAMES[9] == "Ankle boot"


def test_real_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real files where there are any; elsewhere, what they must be is still pinned."""
    monkeypatch.undo()
    sizes = [file.shape[0] for file in fashion_mnist.FILES]
    assert sizes == [60000, 60000, 10000, 10000]
    if not (REAL / "fashion-mnist").is_dir():
        return
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert x_train.shape == (60000, 28, 28)
    assert x_test.shape == (10000, 28, 28)
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert np.bincount(y_test).tolist() == [1000] * 10
    assert y_train[:6].tolist() == [9, 0, 0, 3, 0, 2]
    assert {array.dtype.name for array in (x_train, y_train, x_test, y_test)} == {"uint8"}


def test_a_user_without_a_home_is_told_of_keras_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match=r"no home\. Set KERAS_HOME"):
        fashion_mnist.load_data()
