"""fit(cache_frozen_features=) where nothing can be kept, or no longer: told, and trained right."""

import warnings

import numpy as np
import pytest

from tests.training.frozen_bases import (
    CLOSE,
    X,
    Y,
    assert_same_training,
    like_vgg,
    ready,
    trained,
)  # fmt: skip
from tests.training.models import assert_same_weights
from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import Callback

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
