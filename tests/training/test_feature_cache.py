"""fit(cache_frozen_features=): the same training, with each feature computed once."""

import warnings

import numpy as np
import pytest

import tinyconv
from tests.training.frozen_bases import (
    CLOSE,
    RNG,
    Counted,
    X,
    Y,
    assert_same_training,
    like_vgg,
    ready,
    trained,
    two_towers,
)  # fmt: skip
from tests.training.models import assert_same_weights
from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import BackupAndRestore, Callback, LambdaCallback

# ---- the same as without --------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"shuffle": False},
        {"shuffle": True},
        {"validation_data": (X[:7], Y[:7])},
        {"validation_data": (X[:7] + 1, Y[:7])},
        {"validation_split": 0.25, "validation_freq": 2},
        {"class_weight": {0: 3.0, 2: 0.5}},
        {"sample_weight": np.linspace(0, 2, 22)},
    ],
    ids=["in order", "shuffled", "known validation", "validation", "split", "classes", "samples"],
)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_arrays(arguments, backend):
    with tinyconv.use_backend(backend):
        computed = assert_same_training(like_vgg, **arguments)
    validation = arguments.get("validation_data", (X, Y))[0]
    foreign = 0 if validation[0, 0, 0, 0] == X[0, 0, 0, 0] else 7
    assert computed == 22 + foreign


@pytest.mark.parametrize("unfrozen", [("conv2",), ("pool1", "conv2")])
def test_partly_unfrozen_the_cut_lies_inside_the_nested_model(unfrozen):
    assert assert_same_training(lambda: like_vgg(unfrozen)) == 22


def test_dropout_above_the_cut_draws_the_same_masks():
    assert assert_same_training(lambda: like_vgg(dropout=0.5)) == 22


def test_dropout_inside_the_base_is_drawn_anew_each_time():
    def make():
        return like_vgg(inside=[layers.Dropout(0.5, name="inner")])

    assert assert_same_training(make) == 22
    model = make()
    above = Counted(model.get_layer("base").get_layer("conv2"))
    model.fit(X, Y, 8, 3, verbose=0, cache_frozen_features=True)
    assert above.total == 66


@pytest.mark.parametrize("frozen", [True, False])
def test_batch_normalization_is_kept_where_it_is_frozen(frozen):
    def make():
        model = like_vgg(inside=[layers.BatchNormalization(name="norm")])
        model.layers[0].get_layer("norm").trainable = not frozen
        return ready(model)

    assert assert_same_training(make) == 22
    model = make()
    above = Counted(model.layers[0].get_layer("conv2"))
    model.fit(X, Y, 8, 3, verbose=0, cache_frozen_features=True)
    assert above.total == (22 if frozen else 66)


def test_several_inputs_and_outputs():
    facts = RNG.standard_normal((22, 4)).astype("float32")
    size = RNG.standard_normal((22, 1)).astype("float32")
    data = {"image": X, "facts": facts}
    assert assert_same_training(two_towers, data, [Y, size], watched="frozen") == 22


def test_what_leads_to_no_output_is_computed_along():
    """A second output of a model inside, that nobody takes, still trains and draws numbers."""

    def make():
        image = Input((8, 8, 3))
        features = layers.Conv2D(4, 3, trainable=False, name="frozen")(image)
        inside = Input(features.shape[1:])
        rows = layers.Flatten()(inside)
        used = layers.Dense(3, activation="softmax")(layers.Dropout(0.3)(rows))
        unused = layers.BatchNormalization()(layers.Dense(2)(layers.Dropout(0.5)(rows)))
        head = tinyconv.Model(inside, [used, unused], name="head")
        return ready(tinyconv.Model(image, head(features)[0]))

    assert assert_same_training(make, watched="frozen") == 22


def test_float64():
    def make():
        tinyconv.config.set_floatx("float64")
        try:
            return like_vgg()
        finally:
            tinyconv.config.set_floatx("float32")

    assert assert_same_training(make) == 22


def test_a_stream_in_any_order():
    tf = pytest.importorskip("tensorflow")

    def stream():
        return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(22, seed=3).batch(8)

    plain, expected, _ = trained(like_vgg, stream(), None, cached=False, batch_size=None)
    model, history, computed = trained(like_vgg, stream(), None, batch_size=None)
    assert computed == 22
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert_same_weights(model, plain, **CLOSE)


def test_duplicates_are_computed_once():
    twice = np.concatenate([X[:5], X[:5]])
    assert assert_same_training(like_vgg, twice, Y[:10]) == 5


def test_only_what_is_missing_is_computed():
    class Overlapping:
        def __iter__(self):
            yield X[:8], Y[:8]
            yield X[4:12], Y[4:12]

    model = like_vgg()
    count = Counted(model.layers[0].layers[0])
    model.fit(Overlapping(), epochs=2, verbose=0, cache_frozen_features=True)
    assert count.samples == [8, 4]


def test_a_training_goes_on_after_a_crash(tmp_path):
    expected, _, _ = trained(like_vgg, epochs=4)

    def crash(epoch, logs):
        if epoch == 2:
            raise RuntimeError("crash")

    backup = BackupAndRestore(tmp_path)
    with pytest.raises(RuntimeError, match="crash"):
        trained(like_vgg, epochs=4, callbacks=[backup, LambdaCallback(on_epoch_begin=crash)])
    model, history, computed = trained(like_vgg, epochs=4, callbacks=[BackupAndRestore(tmp_path)])
    assert computed == 22
    assert len(history["loss"]) == 4
    assert_same_weights(model, expected, **CLOSE)


def test_penalties_on_trained_and_frozen_weights():
    def make():
        model = Sequential(
            [
                Input((8, 8, 3)),
                layers.Conv2D(2, 3, kernel_regularizer="l2", trainable=False, name="base"),
                layers.Flatten(),
                layers.Dense(3, kernel_regularizer="l2", activation="softmax"),
            ]
        )
        return ready(model)

    plain, expected, _ = trained(make, cached=False, watched="base")
    model, history, _ = trained(make, watched="base")
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert_same_weights(model, plain, **CLOSE)


# ---- what made the features changes ---------------------------------------------


def changing(action):
    """A callback that does something to the model after the first epoch."""

    class Changing(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                action(self.model)

    return Changing()


def test_weights_that_a_callback_changes():
    def action(model):
        model.layers[0].layers[0].params["kernel"] += 0.1

    assert assert_same_training(like_vgg, callbacks=[changing(action)]) == 44


def test_weights_that_a_callback_changes_before_validation():
    class Changing(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                self.model.layers[0].layers[0].params["kernel"] *= 1.01

    data = {"validation_data": (X, Y), "callbacks": [Changing()]}
    assert assert_same_training(like_vgg, **data) == 22 + 3 * 22


def test_a_batch_normalization_that_melts():
    def make():
        return like_vgg(inside=[layers.BatchNormalization(name="norm", center=False, scale=False)])

    def melt(model):
        model.layers[0].get_layer("norm").trainable = True

    assert_same_training(make, callbacks=[changing(melt)])


def test_all_unfrozen_by_a_callback():
    def melt(model):
        model.layers[0].trainable = True

    with pytest.warns(UserWarning, match="unfrozen, so features are no longer kept"):
        trained(like_vgg, callbacks=[changing(melt)])


# ---- samples that never come again -------------------------------------------------


class Augmented:
    """Batches of samples that never come again."""

    def __init__(self, steps=3):
        self.steps, self.generator = steps, np.random.default_rng(0)

    def __len__(self):
        return self.steps

    def __iter__(self):
        for _ in range(self.steps):
            yield X[:8] + self.generator.random((8, 1, 1, 1), "float32"), Y[:8]


def test_samples_that_never_come_again_are_told_and_not_kept():
    plain, expected, _ = trained(like_vgg, Augmented(), None, cached=False, batch_size=None)
    with pytest.warns(UserWarning, match="only 0 of the 24 samples of epoch 2 had come") as told:
        model, history, computed = trained(like_vgg, Augmented(), None, batch_size=None, epochs=3)
    assert len(told) == 1
    assert computed == 72
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert_same_weights(model, plain, **CLOSE)


def test_epochs_that_are_part_of_a_pass_are_not_taken_for_that():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, _, computed = trained(like_vgg, epochs=7, steps_per_epoch=1, shuffle=False)
    assert computed == 22


# ---- errors ---------------------------------------------------------------------


def nothing_frozen():
    model = like_vgg()
    model.layers[0].trainable = True
    return ready(model)


class Noisy(layers.Layer):
    """A layer of a user's own, which does not say that it is the same in training."""

    def forward(self, x, training=False):
        x = self.prepare(x)
        return x, layers.Cache(self, x.shape)

    def backward(self, dy, cache):
        return dy, {}


def noise_first():
    return ready(Sequential([Input((8, 8, 3)), Noisy(), like_vgg()]))


@pytest.mark.parametrize("make", [nothing_frozen, noise_first])
def test_nothing_to_keep(make):
    model = make()
    with pytest.raises(ValueError, match="cache_frozen_features needs frozen layers") as caught:
        model.fit(X, Y, verbose=0, cache_frozen_features=True)
    assert repr(model.name) in str(caught.value)
    assert model.history is None


def test_a_layer_of_ones_own_that_says_it_is_steady():
    class Steady(Noisy):
        steady = True

    model = ready(Sequential([Input((8, 8, 3)), Steady(), like_vgg()]))
    assert model.fit(X, Y, verbose=0, cache_frozen_features=True).history["loss"]


@pytest.mark.parametrize(
    ("given", "error"), [(1, TypeError), (None, TypeError), ([], TypeError), ("", ValueError)]
)
def test_something_that_is_no_folder(given, error):
    with pytest.raises(error, match="Sequential 'transfer': cache_frozen_features"):
        like_vgg().fit(X, Y, verbose=0, cache_frozen_features=given)


def test_frozen_layers_that_mix_the_samples():
    class Mean(Noisy):
        steady = True

        def forward(self, x, training=False):
            x = self.prepare(x)
            return x.mean(axis=0, keepdims=True), layers.Cache(self, x.shape)

    model = like_vgg(inside=[Mean(name="mean")])
    with pytest.raises(ValueError, match="one row a sample"):
        model.fit(X, Y, verbose=0, cache_frozen_features=True)
