"""Whole models to a file and back, by tinyconv alone."""

import re
import zipfile

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.saving.models import IMAGES, TARGETS, graph, network, same_weights  # noqa: E402
from tinyconv import layers, optimizers  # noqa: E402
from tinyconv.saving import load_model, load_weights, save_model  # noqa: E402

ENDINGS = (".keras", ".h5")
RNG = np.random.default_rng(2)
X = [RNG.random((6, 3)).astype("float32") for _ in range(2)]
Y = [RNG.random((6, 1)), RNG.random((6, 2))]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("build", [network, graph])
def test_everything_comes_back_bit_for_bit(build, ending, tmp_path):
    x, y = (IMAGES, TARGETS) if build is network else (X, Y)
    model = build()
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    assert same_weights(loaded, model.get_weights())
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.iterations == model.optimizer.iterations
    for each in (model, loaded):
        each.reset_metrics()
        for _ in range(3):
            each.train_on_batch(x, y)
    assert same_weights(loaded, model.get_weights())
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


OPTIMIZERS = {
    "plain SGD": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipvalue=0.5),
    "Adam": lambda: optimizers.Adam(0.003, global_clipnorm=1.0),
    "AMSGrad": lambda: optimizers.Adam(0.003, amsgrad=True),
    "AdamW": lambda: optimizers.AdamW(0.003, weight_decay=0.1),
    "RMSprop": lambda: optimizers.RMSprop(0.003, momentum=0.3, centered=True),
    "schedule": lambda: optimizers.Adam(
        optimizers.schedules.CosineDecay(0.0, 50, warmup_target=0.01, warmup_steps=2)
    ),
    "steps": lambda: optimizers.SGD(
        optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.05, 0.01]), momentum=0.5
    ),
}


@pytest.mark.parametrize("ending", [*ENDINGS, ".weights.h5"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on(name, ending, tmp_path):
    file = tmp_path / f"model{ending}"

    def build():
        model = graph()
        model.compile(OPTIMIZERS[name](), "mse")
        return model

    model = build()
    for _ in range(3):
        model.train_on_batch(X, Y)
    if ending == ".weights.h5":
        model.save_weights(file)
        loaded = build()
        loaded.load_weights(file)
    else:
        model.save(file)
        loaded = load_model(file)
    assert loaded.optimizer.iterations == 3
    for each in (model, loaded):
        for _ in range(4):
            each.train_on_batch(X, Y)
    assert same_weights(loaded, model.get_weights())


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_rate_that_a_callback_has_changed(ending, tmp_path):
    model = network()
    model.optimizer.learning_rate = 0.1
    model.save(tmp_path / f"model{ending}")
    assert load_model(tmp_path / f"model{ending}").optimizer.learning_rate == 0.1


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_need_not_be_saved_or_loaded(ending, tmp_path):
    file, model = tmp_path / f"model{ending}", network()
    model.save(file)
    assert not load_model(file, compile=False).compiled
    model.save(file, include_optimizer=False)
    loaded = load_model(file)
    assert not loaded.compiled
    assert same_weights(loaded, model.get_weights())


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_input_record_is_kept(ending, tmp_path):
    model = network(trained=False)
    model.fit(IMAGES, TARGETS, verbose=0)
    assert model.input_record[0].maximum == pytest.approx(IMAGES.max())
    model.save(tmp_path / f"model{ending}")
    assert load_model(tmp_path / f"model{ending}").input_record == model.input_record


@pytest.mark.parametrize("ending", ENDINGS)
def test_loading_draws_no_random_numbers(ending, tmp_path):
    file = tmp_path / f"model{ending}"
    network().save(file)
    tinyconv.utils.set_random_seed(3)
    load_model(file)
    after = tinyconv.layers.Dense(2)(np.ones((1, 3), "float32"))
    tinyconv.utils.set_random_seed(3)
    np.testing.assert_array_equal(after, tinyconv.layers.Dense(2)(np.ones((1, 3), "float32")))


@pytest.mark.parametrize("ending", ENDINGS)
def test_calls_with_a_fixed_mode_and_several_outputs(ending, tmp_path):
    start = tinyconv.Input((4,), name="start")
    normal = layers.BatchNormalization(name="normal")
    y = layers.Activation("tanh")(normal(start, training=False))
    inner = tinyconv.Model(start, [y, layers.Dense(2)(y)], name="inner")
    image = tinyconv.Input((4,), name="image")
    first, second = inner(image)
    third, _ = inner(layers.Dense(4)(second))
    model = tinyconv.Model(image, [third, layers.Concatenate()([first, third])], name="outer")
    model.set_weights([RNG.random(w.shape) + 0.2 for w in model.weights])
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert loaded.get_config() == model.get_config()
    x = RNG.random((5, 4)).astype("float32")
    for a, b in zip(loaded.predict_on_batch(x), model.predict_on_batch(x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names_of_files(tmp_path):
    model = network()
    for name in ("model.txt", "model", "model.weights.h5", "model.keras.bak"):
        with pytest.raises(ValueError, match=r"must end in \.keras or \.h5"):
            save_model(model, tmp_path / name)
    for name in ("model.txt", "model"):
        with pytest.raises(ValueError, match=r"must end in \.keras or \.h5"):
            load_model(tmp_path / name)
    for read in (load_model, model.load_weights):
        with pytest.raises(
            ValueError, match=r"address on the web.* download .*https://x\.org/m\.h5$"
        ):
            read("https://x.org/m.h5")
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing\.keras"):
        load_model(tmp_path / "nothing.keras")
    model.save(str(tmp_path / "model.hdf5"))
    with pytest.raises(FileExistsError, match=r"model\.hdf5 exists, and overwrite=False"):
        model.save(tmp_path / "model.hdf5", overwrite=False)
    assert load_model(str(tmp_path / "model.hdf5")).built
    with pytest.raises(ValueError, match="build the model first"):
        save_model(tinyconv.Sequential([layers.Dense(2)]), tmp_path / "unbuilt.keras")
    assert [each.name for each in tmp_path.iterdir()] == ["model.hdf5"]


def test_a_file_of_weights_is_no_model(tmp_path):
    file = tmp_path / "net.weights.h5"
    network().save_weights(file)
    with pytest.raises(ValueError, match=r"net\.weights\.h5: there is no model in it\. If it is a"):
        load_model(file)


def test_weights_out_of_a_whole_model(tmp_path):
    model = network()
    for ending in ENDINGS:
        file, other = tmp_path / f"model{ending}", network(trained=False)
        model.save(file)
        load_weights(other, file)
        assert same_weights(other, model.get_weights())


def test_skip_mismatch_leaves_a_layer_and_says_which(tmp_path):
    file = tmp_path / "net.weights.h5"
    source = tinyconv.Sequential([tinyconv.Input((4,)), layers.Dense(3), layers.Dense(2)])
    source.save_weights(file)
    model = tinyconv.Sequential([tinyconv.Input((4,)), layers.Dense(3), layers.Dense(5, name="d")])
    before = model.get_weights()
    message = r"net\.weights\.h5: skipped: Dense 'd': expected kernel of shape \(3, 5\).*\(3, 2\)"
    with pytest.warns(UserWarning, match="skipped") as caught:
        load_weights(model, file, skip_mismatch=True)
    told = [str(each.message) for each in caught]
    assert re.search(message, told[0])
    assert "expected bias of shape (5,). Received: (2,)" in told[1]
    assert np.array_equal(model.get_weights()[0], source.get_weights()[0])
    assert np.array_equal(model.get_weights()[2], before[2])
    with pytest.raises(ValueError, match="by_name=True reads only Keras' older"):
        load_weights(model, file, by_name=True)


def test_a_state_for_other_layers_is_left_with_a_warning(tmp_path):
    file, model = tmp_path / "net.weights.h5", network()
    model.save_weights(file)
    other = network(trained=False)
    other.layers[0].trainable = False
    other.compile("adam", "mse")
    with pytest.warns(UserWarning, match=r"net\.weights\.h5: adam starts anew: the file holds 16"):
        load_weights(other, file)
    assert same_weights(other, model.get_weights())
    assert other.optimizer.iterations == 0


def test_a_state_of_another_shape(tmp_path):
    file = tmp_path / "model.keras"
    network().save(file)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    weights = tmp_path / "w.h5"
    weights.write_bytes(entries["model.weights.h5"])
    with h5py.File(weights, "r+") as h5:
        del h5["optimizer/vars/2"]
        h5["optimizer/vars/2"] = np.zeros((7, 7))
    entries["model.weights.h5"] = weights.read_bytes()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    message = (
        r"model\.keras: adam: expected momentum of .*stem/kernel of shape .*Received: \(7, 7\)"
    )
    with pytest.raises(ValueError, match=message):
        load_model(file)


def test_settings_that_are_not_supported_can_be_left_out(tmp_path):
    file, model = tmp_path / "model.h5", network()
    model.save(file)
    with h5py.File(file, "r+") as h5:
        settings = h5.attrs["training_config"]
        h5.attrs["training_config"] = settings.replace("Adam", "Lion")
    message = r"model\.h5: optimizer: unknown name 'Lion'.*load_model\(\.\.\., compile=False\)"
    with pytest.raises(ValueError, match=message):
        load_model(file)
    assert same_weights(load_model(file, compile=False), model.get_weights())


def test_constructors_take_what_has_no_effect():
    layer = layers.Conv2D(
        2, 3, data_format="channels_last", activity_regularizer=None, kernel_constraint=None,
        bias_constraint=None,
    )  # fmt: skip
    assert "kernel_constraint" not in layer.get_config()
    with pytest.raises(TypeError, match="Dense 'd': argument 'kernel_constraint' is supported as"):
        layers.Dense(2, kernel_constraint="max_norm", name="d")
    assert optimizers.Adam(use_ema=False, jit_compile=True, loss_scale_factor=None).beta_1 == 0.9
    with pytest.raises(TypeError, match="Adam: argument 'use_ema' is supported as False only"):
        optimizers.Adam(use_ema=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_layer_in_several_models_is_not_copied_silently(ending, tmp_path):
    common, image = layers.Dense(4, name="common"), tinyconv.Input((4,))
    inner = []
    for name in ("one", "two"):
        start = tinyconv.Input((4,))
        inner.append(tinyconv.Model(start, layers.Dense(3)(common(start)), name=name))
    model = tinyconv.Model(image, layers.Add()([each(image) for each in inner]), name="outer")
    with pytest.raises(ValueError, match="'outer': Dense 'common' is shared by several models"):
        model.save(tmp_path / f"model{ending}")
    assert list(tmp_path.iterdir()) == []
    model.save_weights(tmp_path / "model.weights.h5")
    before = model.get_weights()
    model.set_weights([0 * array for array in before])
    model.load_weights(tmp_path / "model.weights.h5")
    assert same_weights(model, before)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_folders_in_the_way_or_missing_are_told(ending, tmp_path):
    model = network()
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        save_model(model, tmp_path / "nowhere" / f"model{ending}")
    folder = tmp_path / f"folder{ending}"
    folder.mkdir()
    for load in (load_model, lambda path: load_weights(model, path)):
        with pytest.raises(IsADirectoryError, match=f"folder{ending} is a folder, not a file"):
            load(folder)
