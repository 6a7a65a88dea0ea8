"""fit(cache_frozen_features=): the same training, with each feature computed once."""

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
from tinyconv.callbacks import BackupAndRestore, LambdaCallback


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
