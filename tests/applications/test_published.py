"""weights="imagenet": Keras' own files, in Keras' own folder, or downloaded."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from tests.data.web import sends  # noqa: E402
from tinyconv import Input, InputScaleWarning  # noqa: E402
from tinyconv.applications import ResNet50, resnet50, vgg16  # noqa: E402
from tinyconv.data.cache import CorruptFileError  # noqa: E402
from tinyconv.data.download import DownloadError  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


def test_names_addresses_and_checksums_are_keras_own():
    from keras.src.applications import resnet
    from keras.src.applications import vgg16 as theirs

    with_top, without = vgg16.NETWORK.published[True], vgg16.NETWORK.published[False]
    assert with_top.folder + with_top.name == theirs.WEIGHTS_PATH
    assert without.folder + without.name == theirs.WEIGHTS_PATH_NO_TOP
    source = Path(theirs.__file__).read_text(encoding="utf-8")
    assert with_top.md5 in source
    assert without.md5 in source
    files = resnet50.NETWORK.published
    assert (files[True].md5, files[False].md5) == resnet.WEIGHTS_HASHES["resnet50"]
    assert files[True].folder == files[False].folder == resnet.BASE_WEIGHTS_PATH
    assert files[True].name == "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
    assert files[False].name == "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture
def resnet_file(keras_files, monkeypatch):
    """A file of ResNet-50 without its top, which stands in for the published one."""
    file, model = keras_files("ResNet50", False)
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    published = resnet50.NETWORK.published[False]._replace(md5=md5)
    monkeypatch.setitem(resnet50.NETWORK.published, False, published)
    return file, model


def test_the_file_in_keras_folder_is_used(resnet_file, keras_home):
    file, theirs = resnet_file
    (keras_home / "models").mkdir(parents=True)
    shutil.copy(file, keras_home / "models" / resnet50.NETWORK.published[False].name)
    ours = ResNet50(include_top=False)
    for weight, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def test_it_is_downloaded_once(resnet_file, keras_home, web, monkeypatch):
    file, theirs = resnet_file
    published = resnet50.NETWORK.published[False]
    web.url(f"/resnet/{published.name}", sends(file.read_bytes()))
    folder = f"http://127.0.0.1:{web.server_port}/resnet/"
    monkeypatch.setitem(resnet50.NETWORK.published, False, published._replace(folder=folder))
    for _ in range(2):
        ours = ResNet50(include_top=False, pooling="avg", input_shape=(64, 64, 3))
    assert len(web.requests) == 2  # one asks whether it is there, one brings it
    assert [path.name for path in (keras_home / "models").iterdir()] == [published.name]
    np.testing.assert_array_equal(ours.get_weights()[0], theirs.get_weights()[0])


def test_offline_it_says_which_file_to_put_where(resnet_file, keras_home, closed_port, monkeypatch):
    published = resnet50.NETWORK.published[False]
    folder = f"http://127.0.0.1:{closed_port}/"
    monkeypatch.setitem(resnet50.NETWORK.published, False, published._replace(folder=folder))
    with pytest.raises(DownloadError) as told:
        ResNet50(include_top=False)
    for part in (folder + published.name, f"{published.name} (MD5 {published.md5})"):
        assert part in str(told.value)
    assert f"into {keras_home / 'models'} by hand" in str(told.value)


def test_a_damaged_file_is_not_used(resnet_file, keras_home):
    path = keras_home / "models" / resnet50.NETWORK.published[False].name
    path.parent.mkdir(parents=True)
    path.write_bytes(resnet_file[0].read_bytes()[:-10])
    with pytest.raises(CorruptFileError, match="is damaged or is not the file"):
        ResNet50(include_top=False)
    assert path.exists()


def test_a_damaged_download_is_not_used(resnet_file, keras_home, web, monkeypatch):
    published = resnet50.NETWORK.published[False]
    web.url(f"/resnet/{published.name}", sends(resnet_file[0].read_bytes()[:-1] + b"?"))
    folder = f"http://127.0.0.1:{web.server_port}/resnet/"
    monkeypatch.setitem(resnet50.NETWORK.published, False, published._replace(folder=folder))
    with pytest.raises(DownloadError, match=f"sent another file: expected.*{published.md5}"):
        ResNet50(include_top=False)
    assert list((keras_home / "models").iterdir()) == []


@pytest.mark.parametrize("scale", [1, 255], ids=["0 to 1", "0 to 255"])
def test_images_that_were_never_prepared_are_told(scale, resnet_file, keras_home):
    (keras_home / "models").mkdir(parents=True)
    shutil.copy(resnet_file[0], keras_home / "models" / resnet50.NETWORK.published[False].name)
    model = ResNet50(include_top=False, input_tensor=Input((64, 64, 3)))
    pixels = scale * np.random.default_rng(0).random((1, 64, 64, 3))
    message = "trained on values from -123.68 to 151.061.*preprocess_input"
    with pytest.warns(InputScaleWarning, match=message):
        model.predict(pixels, verbose=0)


def test_images_that_were_prepared_are_not_told(resnet_file, keras_home, recwarn):
    (keras_home / "models").mkdir(parents=True)
    shutil.copy(resnet_file[0], keras_home / "models" / resnet50.NETWORK.published[False].name)
    model = ResNet50(include_top=False)
    rng = np.random.default_rng(0)
    for low, high in ((0, 256), (0, 30), (250, 256)):
        pixels = rng.integers(low, high, (1, 64, 64, 3))
        model.predict(resnet50.preprocess_input(pixels), verbose=0)
    assert not [each for each in recwarn if issubclass(each.category, InputScaleWarning)]
