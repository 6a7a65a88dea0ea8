"""With a plan and without: the same outputs, gradients and training, up to rounding."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv
from tests.models.graphs import inputs_of, siamese, two_by_two
from tests.models.planned import conv, dense, flat, made, mixed, norm, planned, pool, relu
from tinyconv import Input, Model, Sequential, config, layers

RNG = np.random.default_rng(8)


def book():
    return made(
        conv(activation="relu"), pool(), conv(name="conv2"), relu(), flat(),
        layers.Dropout(0.4, seed=3, name="drop", dtype="float64"),
        dense(5, "hidden"), relu("relu2"), dense(3, "top", activation="softmax"),
    )  # fmt: skip


def normalized():
    return made(
        conv(use_bias=False), norm(), relu(), pool(), conv(size=1, name="conv2"),
        layers.BatchNormalization(name="norm2", dtype="float64", scale=False),
        relu("relu2", max_value=6.0), flat(), dense(3),
        layers.Activation("softmax", name="softmax", dtype="float64"),
    )  # fmt: skip


def shared():
    x = Input((8, 8, 2), dtype="float64")
    same = conv(2, padding="same", name="same")
    y = relu()(same(relu("relu0")(same(x))))
    z = layers.Add(name="add", dtype="float64")([y, pool(strides=1, padding="same")(same(y))])
    return mixed(Model(x, dense(3, "top", activation="softmax")(flat()(z))))


def residual():
    """Sums of two and of three branches with ReLU behind them, one branch frozen."""
    x = Input((8, 8, 2), dtype="float64")
    first, second = conv(2, padding="same", name="first"), conv(2, padding="same", name="second")
    first.trainable = False
    y = relu("relu_two")(layers.Add(name="two", dtype="float64")([x, first(x)]))
    z = layers.Add(name="three", dtype="float64")([x, y, second(y)])
    z = relu("relu_three")(z)
    return mixed(Model(x, dense(3, "top", activation="softmax")(flat()(z))))


def bottlenecks():
    """Branches that end with 1x1 convolutions and normalisations; one is repeated over pixels."""
    x = Input((8, 8, 2), dtype="float64")
    y = conv(16, 1, name="wide")(x)
    z = layers.BatchNormalization(name="norm1", dtype="float64")(conv(16, 1, name="one")(y))
    y = relu("relu1")(layers.Add(name="add1", dtype="float64")([y, z]))
    z = conv(16, 1, name="two")(y)
    y = layers.Add(name="add2", dtype="float64")([z, y])
    pooled = layers.AveragePooling2D(8, name="mean", dtype="float64")(y)
    y = relu("relu3")(layers.Add(name="add3", dtype="float64")([pooled, conv(16, 1, name="3")(y)]))
    return mixed(Model(x, dense(3, "top", activation="softmax")(flat()(y))))


def nested():
    x = Input((8, 8, 2), dtype="float64")
    inside = Sequential([Input((8, 8, 2), dtype="float64"), conv(), norm()], name="inside")
    y = flat()(pool()(relu()(inside(x))))
    return mixed(Model(x, dense(3, "top", activation="softmax")(y)))


def half_frozen():
    model = normalized()
    for layer in model.layers[:4]:
        layer.trainable = False
    return model


MODELS = [book, normalized, shared, residual, bottlenecks, nested, half_frozen, siamese, two_by_two]
CLASSIFIERS = [book, normalized, shared, residual, bottlenecks, nested, half_frozen]


def both_ways(compute):
    """What `compute` gives with and without the plan."""
    results = []
    for on in (True, False):
        config.set_planning(on)
        config.set_batch_norm_folding(False)  # the one thing that rounds differently
        results.append(compute())
    return results


def assert_same(results, backend):
    """In NumPy bit for bit; fused kernels may round differently."""
    for a, b in zip(*results, strict=True):
        if backend.name == "numpy":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("training", [False, True])
def test_outputs_slopes_and_gradients(make, training, backend):
    def compute():
        model = mixed(make())
        x = inputs_of(model)
        y, cache = model.forward(x if len(x) > 1 else x[0], training)
        outputs = y if isinstance(y, list) else [y]
        slopes = [np.cos(np.arange(each.size)).reshape(each.shape) for each in outputs]
        slopes = slopes if len(slopes) > 1 else slopes[0]
        dx, grads = model.backward(slopes, cache)
        again, _ = model.backward(slopes, cache)  # a tape is a value
        dx, again = (each if isinstance(each, list) else [each] for each in (dx, again))
        for a, b in zip(dx, again, strict=True):
            np.testing.assert_array_equal(a, b)
        statistics = [w.numpy() for w in model.weights]
        return [*outputs, *dx, *(grads[key] for key in sorted(grads)), *statistics]

    assert_same(both_ways(compute), backend)


@pytest.mark.parametrize("make", CLASSIFIERS)
def test_training(make, backend):
    def compute():
        tinyconv.utils.set_random_seed(2)
        model = make()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        x, y = np.random.default_rng(3).standard_normal((12, 8, 8, 2)), np.arange(12) % 3
        history = model.fit(x, y, batch_size=5, epochs=2, verbose=0, validation_data=(x, y))
        numbers = [np.array(values) for values in history.history.values()]
        return [*numbers, model.predict(x, verbose=0), *model.get_weights()]

    assert_same(both_ways(compute), backend)


def test_training_on_kept_features(backend):
    def compute(keep):
        model = half_frozen()
        model.compile("sgd", "sparse_categorical_crossentropy")
        x, y = np.random.default_rng(3).standard_normal((12, 8, 8, 2)), np.arange(12) % 3
        model.fit(x, y, epochs=3, verbose=0, cache_frozen_features=keep, shuffle=False)
        return model.get_weights()

    results = both_ways(lambda: compute(True))
    assert_same(results, backend)
    for kept, plain in zip(results[0], compute(False), strict=True):
        np.testing.assert_allclose(kept, plain, rtol=1e-9, atol=1e-11)


def test_the_loss_takes_over_the_last_activation(backend):
    model = normalized()
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert planned(model, logits=[True])[-1] == ("dense_block", "dense softmax")
    x = RNG.standard_normal((4, 8, 8, 2))
    (logits,), _ = model.forward_for_loss([x], True, [True])
    assert not np.allclose(logits.sum(axis=-1), 1)
    probabilities = tinyconv.nn.softmax(logits)
    (y,), _ = model.forward_for_loss([x], True, [False])
    np.testing.assert_allclose(probabilities, y, rtol=1e-12)


def test_predict_from_several_threads(backend):
    model = normalized()
    batches = [np.random.default_rng(n).standard_normal((6, 8, 8, 2)) for n in range(8)]
    alone = [model.predict(x, verbose=0) for x in batches]
    model.graph._plans.clear()  # the threads make it together
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda x: model.predict(x, verbose=0), batches * 4))
    for y, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(y, expected)


def test_a_pool_that_does_not_fit_is_told_before_anything_is_computed(backend):
    model = Sequential([Input((None, None, 2)), layers.Conv2D(3, 3), layers.MaxPooling2D(4)])
    with pytest.raises(ValueError, match=r"MaxPooling2D 'max_pooling2d': the window of 4 x 4"):
        model(np.ones((1, 5, 5, 2), "float32"))
