"""Weights to files and back, and to Keras and back."""

import os
import re
import shutil

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

IMAGES = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype("float32")


def network(lib, units=5):
    """Two layers of one class, batch normalisation, a model in a model in a model."""
    layers = lib.layers
    innermost = lib.Sequential([layers.Dense(6), layers.Dense(units, use_bias=False)])
    block = lib.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()], name="block")
    head = lib.Sequential([layers.Flatten(), innermost, layers.Dense(2)], name="head")
    parts = [layers.Conv2D(3, 3, name="my_stem"), layers.Conv2D(2, 1), layers.BatchNormalization()]
    return lib.Sequential([lib.Input((8, 8, 3)), *parts, block, layers.ReLU(), head])


def randomized(model, seed):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.random(w.shape) + 0.1 for w in model.weights])
    return model


def assert_same(model, weights):
    for weight, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def outputs(model):
    return np.asarray(model(IMAGES, training=False))


@pytest.mark.parametrize("written_by", ["tinyconv", "keras"])
@pytest.mark.parametrize("read_by", ["tinyconv", "keras"])
def test_weights_travel(written_by, read_by, tmp_path):
    libraries = {"tinyconv": tinyconv, "keras": keras}
    source = randomized(network(libraries[written_by]), 1)
    target = randomized(network(libraries[read_by]), 2)
    assert np.abs(outputs(target) - outputs(source)).max() > 1
    source.save_weights(tmp_path / "w.weights.h5")
    target.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_allclose(outputs(target), outputs(source), rtol=1e-4)
    if written_by == read_by:
        assert_same(target, source.get_weights())
    assert [path.name for path in tmp_path.iterdir()] == ["w.weights.h5"]


def test_a_trained_model_comes_back_and_trains_on(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 8, 8, 3)), rng.random((8, 2))
    model, twin = network(tinyconv), network(tinyconv)
    for each in (model, twin):
        each.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    model.save_weights(str(tmp_path / "w.weights.h5"))
    twin.train_on_batch(x, y)  # its weights are views of its buffer now
    twin.load_weights(str(tmp_path / "w.weights.h5"))
    assert_same(twin, model.get_weights())
    for each in (model, twin):
        each.reset_metrics()
    assert twin.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert_same(twin, model.get_weights())


def test_float64_weights_lose_nothing(tmp_path):
    model, twin = (
        tinyconv.Sequential([tinyconv.Input((2,)), tinyconv.layers.Dense(3, dtype="float64")])
        for _ in range(2)
    )
    randomized(model, 3).save_weights(tmp_path / "w.weights.h5")
    twin.load_weights(tmp_path / "w.weights.h5")
    assert_same(twin, model.get_weights())
    assert twin.get_weights()[0].dtype == np.float64


# ---- files that do not fit ------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "good.weights.h5"
    randomized(network(tinyconv), 1).save_weights(path)
    return path


def edit(change):
    def damage(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def without_layer(file):
    del file["layers/conv2d_1"]


def without_value(file):
    del file["layers/sequential/layers/batch_normalization/vars/2"]


def other_shape(file):
    deep = file["layers/sequential_1/layers/sequential/layers/dense_1/vars"]
    del deep["0"]
    deep["0"] = np.zeros((6, 7))


def group_for_value(file):
    variables = file["layers/conv2d/vars"]
    del variables["1"]
    variables.create_group("1")


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DEEP = r"good\.weights\.h5: Dense '.*': expected kernel of shape \(6, 5\)\. Received: \(6, 7\)"
DAMAGES = {
    "layer missing": (edit(without_layer), ValueError, r"good.*Conv2D '.*' has 2 weights.*holds 0"),
    "value missing": (edit(without_value), ValueError, "BatchNormalization '.*' has 4.*holds 3"),
    "other shape": (edit(other_shape), ValueError, DEEP),
    "a group": (edit(group_for_value), ValueError, r"Conv2D 'my_stem': expected bias of shape \(3"),
    "garbage": (lambda p: p.write_bytes(b"what?" * 99), OSError, "good.* not a readable HDF5"),
    "empty": (lambda p: p.write_bytes(b""), OSError, "good.* not a readable HDF5"),
    "truncated": (truncated, OSError, "good.* not a readable HDF5"),
    "gone": (lambda p: p.unlink(), FileNotFoundError, "no weights file .*good"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_does_not_fit_changes_nothing(damage, good, tmp_path):
    path = tmp_path / good.name
    shutil.copy(good, path)
    spoil, error, message = DAMAGES[damage]
    spoil(path)
    model = randomized(network(tinyconv), 2)
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.load_weights(path)
    assert_same(model, before)
    model.load_weights(good)
    assert_same(model, randomized(network(tinyconv), 1).get_weights())


def test_a_file_of_another_model_is_told_by_its_layer(good):
    model = randomized(network(tinyconv, units=4), 2)
    before = model.get_weights()
    expected = r"expected kernel of shape \(6, 4\)\. Received: \(6, 5\)"
    with pytest.raises(ValueError, match=expected):
        model.load_weights(good)
    assert_same(model, before)


@pytest.mark.parametrize("method", ["save_weights", "load_weights"])
def test_names_and_unbuilt_models_are_refused(method, tmp_path):
    model, name = network(tinyconv), "model.h5" if method == "save_weights" else "model.txt"
    with pytest.raises(ValueError, match=rf"must end in \.weights\.h5.*Received: .*{name}"):
        getattr(model, method)(tmp_path / name)
    unbuilt = tinyconv.Sequential([tinyconv.layers.Dense(2)], name="unbuilt")
    with pytest.raises(ValueError, match=r"'unbuilt': build the model first"):
        getattr(unbuilt, method)(tmp_path / "w.weights.h5")
    assert list(tmp_path.iterdir()) == []


# ---- a file is the old one or the whole new one ---------------------------------


def test_overwrite_must_be_allowed(good, tmp_path):
    path = tmp_path / good.name
    shutil.copy(good, path)
    model = randomized(network(tinyconv), 2)
    with pytest.raises(FileExistsError, match=r"good\.weights\.h5 exists"):
        model.save_weights(path, overwrite=False)
    assert path.read_bytes() == good.read_bytes()
    model.save_weights(path)
    other = network(tinyconv)
    other.load_weights(path)
    assert_same(other, model.get_weights())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_a_write_that_fails_leaves_the_old_file(error, good, tmp_path, monkeypatch):
    path = tmp_path / good.name
    shutil.copy(good, path)
    model, written = randomized(network(tinyconv), 2), []
    create = h5py.Group.create_group

    def fail_late(self, *arguments, **keywords):
        written.append(arguments[0])
        if len(written) == 6:
            raise error
        return create(self, *arguments, **keywords)

    monkeypatch.setattr(h5py.Group, "create_group", fail_late)
    with pytest.raises(type(error)):
        model.save_weights(path)
    monkeypatch.undo()
    assert len(written) == 6
    assert path.read_bytes() == good.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_missing_folder_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        network(tinyconv).save_weights(tmp_path / "nowhere" / "w.weights.h5")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_the_model_has_no_place_for_are_named(tmp_path):
    path = tmp_path / "two.weights.h5"
    two = [tinyconv.layers.Input((4,)), tinyconv.layers.Dense(4), tinyconv.layers.Dense(4)]
    tinyconv.Sequential(two).save_weights(path)
    one = tinyconv.Sequential([tinyconv.layers.Input((4,)), tinyconv.layers.Dense(4)])
    before = one.get_weights()
    with pytest.raises(ValueError, match="no place for 2 of its weights: layers/dense_1/vars/0"):
        one.load_weights(path)
    assert_same(one, before)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_told_and_read(ending, value, tmp_path):
    """As Keras does, which says nothing."""
    model = randomized(network(tinyconv), 1)
    weights = model.get_weights()
    weights[1][2] = value
    weights[0][:] = 3e38  # whose sum is infinite, too
    model.set_weights(weights)
    file = tmp_path / f"w{ending}"
    (model.save_weights if ".weights" in ending else model.save)(file)
    other = network(tinyconv)
    message = rf"w{re.escape(ending)}: there is NaN or infinity in .* Conv2D 'my_stem' \(bias\)\."
    with pytest.warns(UserWarning, match=message) as told:
        other.load_weights(file)
    assert told[0].filename == __file__
    assert_same(other, weights)
