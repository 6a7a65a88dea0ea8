"""Models with frozen bases, for the tests of features that are kept."""

import numpy as np

import tinyconv
from tests.training.models import assert_same_weights
from tinyconv import Input, Model, Sequential, layers

RNG = np.random.default_rng(3)
X = RNG.standard_normal((22, 8, 8, 3)).astype("float32")
Y = RNG.integers(0, 3, 22)


def like_vgg(unfrozen=(), dropout=0.0, inside=()):
    """A nested base of two convolutional blocks and a head; frozen but for the layers named."""
    base = Sequential(
        [
            Input((8, 8, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            *inside,
            layers.Conv2D(5, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool2"),
        ],
        name="base",
    )
    for layer in base.layers:
        layer.trainable = layer.name in unfrozen
    model = Sequential(
        [
            base,
            layers.Flatten(name="flat"),
            layers.Dropout(dropout, seed=1, name="drop"),
            layers.Dense(3, activation="softmax", name="top"),
        ],
        name="transfer",
    )
    return ready(model)


def two_towers():
    """A frozen tower and a trained one, of two inputs, to two outputs."""
    image, facts = Input((8, 8, 3), name="image"), Input((4,), name="facts")
    a = layers.Conv2D(4, 3, activation="relu", name="frozen", trainable=False)(image)
    a = layers.GlobalAveragePooling2D(name="gap")(a)
    b = layers.Dense(5, activation="tanh", name="hidden")(facts)
    both = layers.Concatenate(name="both")([a, b, facts])
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    size = layers.Dense(1, name="size")(a)
    return ready(
        Model([image, facts], [kind, size], name="towers"),
        ["sparse_categorical_crossentropy", "mse"],
    )


def ready(model, loss="sparse_categorical_crossentropy"):
    """The same weights each time, and compiled."""
    generator = np.random.default_rng(7)
    lows = [0.1 if w.name == "moving_variance" else -0.1 for w in model.weights]
    shapes = [w.shape for w in model.weights]
    model.set_weights(
        [low + 0.3 * generator.random(shape) for low, shape in zip(lows, shapes, strict=True)]
    )
    model.compile("adam", loss, metrics=["accuracy"] if isinstance(loss, str) else None)
    return model


class Counted:
    """Counts the samples that a layer computes."""

    def __init__(self, layer):
        self.samples, original = [], layer.forward

        def forward(x, training=False):
            self.samples.append(len(x))
            return original(x, training)

        layer.forward = forward

    @property
    def total(self):
        return sum(self.samples)


CLOSE = {"rtol": 1e-4, "atol": 1e-6}


def trained(make, x=X, y=Y, cached=True, epochs=3, watched=None, **arguments):
    """Model, history and the number of samples that its lowest layer has computed."""
    tinyconv.utils.set_random_seed(5)
    model = make()
    base = model.layers[0] if watched is None else model.get_layer(watched)
    count = Counted(base.layers[0] if watched is None else base)
    arguments.setdefault("batch_size", 8)
    data = (x,) if y is None else (x, y)
    history = model.fit(
        *data, epochs=epochs, verbose=0, cache_frozen_features=cached, **arguments
    ).history
    return model, history, count.total


def assert_same_training(make, *data, **arguments):
    """With kept features and without: histories, weights, and the samples computed with them."""
    plain, expected, _ = trained(make, *data, cached=False, **arguments)
    model, history, computed = trained(make, *data, **arguments)
    assert list(history) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5, err_msg=name)
    assert_same_weights(model, plain, **CLOSE)
    return computed
