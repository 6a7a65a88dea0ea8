"""Frozen layers: what stays as it was, and what is trained, as in Keras."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from parity.sides.base import key  # noqa: E402
from tests.applications.networks import images, made  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

FIRST = {"VGG16": "block4_conv1", "ResNet50": "conv5_block1_1_conv"}
LABELS = np.array([0, 1, 1, 0])


def tuned(library, network, file):
    """Everything from a layer on is trained, below a dense layer of two classes."""
    base = made(library, network, False, weights=str(file))
    frozen = True
    for layer in base.layers:
        frozen = frozen and layer.name != FIRST[network]
        layer.trainable = not frozen
    layers = library.layers
    head = layers.Dense(2, activation="softmax", name="head")
    parts = [library.Input(base.input_shape[1:]), base, layers.GlobalAveragePooling2D(), head]
    model = library.Sequential(parts)
    units = base.output_shape[-1]
    kernel = np.random.default_rng(5).normal(0, 1 / units, (units, 2)).astype("float32")
    head.set_weights([kernel, np.zeros(2, "float32")])
    options = {} if library is tinyconv else {"jit_compile": False}
    optimizer = library.optimizers.SGD(1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


@pytest.mark.parametrize("network", FIRST)
def test_a_step_of_fine_tuning(network, keras_files):
    """The way of each weight, which with SGD is its gradient; the frozen ones do not move."""
    file, _ = keras_files(network, False)
    ours, theirs = tuned(tinyconv, network, file), tuned(keras, network, file)
    trained = [key(weight.path) for weight in ours.trainable_weights]
    assert trained == [key(weight.path) for weight in theirs.trainable_weights]
    before = ours.get_weights()
    x = images(network, 4)
    logs = [model.train_on_batch(x, LABELS, return_dict=True) for model in (ours, theirs)]
    assert logs[0]["loss"] == pytest.approx(float(logs[1]["loss"]), rel=1e-5)
    frozen = {weight.path for weight in ours.weights} - {w.path for w in ours.trainable_weights}
    moving = {path for path in frozen if "conv5" in path}
    steps = [
        (weight.path, ours_now - start, np.asarray(theirs_now) - start)
        for weight, start, ours_now, theirs_now in zip(
            ours.weights, before, ours.get_weights(), theirs.get_weights(), strict=True
        )
    ]
    largest = max(np.abs(expected).max() for _, _, expected in steps)
    for path, step, expected in steps:
        if path in frozen - moving:
            assert not step.any(), path
            assert not expected.any(), path
        else:
            # What is compared are differences of float32 weights near 1.
            np.testing.assert_allclose(step, expected, atol=max(1e-4 * largest, 2e-7), err_msg=path)
    assert any("moving" in path for path in frozen - moving) == (network == "ResNet50")


def test_a_frozen_base_is_in_inference_mode(keras_files):
    """Its BatchNormalization keeps its statistics, and goes by them, in training too."""
    file, theirs = keras_files("ResNet50", False)
    base = made(tinyconv, "ResNet50", False, weights=file)
    base.trainable = False
    x = images("ResNet50", 3)
    before = base.get_weights()
    in_training = base(x, training=True)
    np.testing.assert_array_equal(in_training, base(x, training=False))
    expected = np.asarray(theirs(x, training=False))
    np.testing.assert_allclose(in_training, expected, atol=1e-5 * np.abs(expected).max())
    for weight, start in zip(base.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, start)
    base.trainable = True
    base(x, training=True)
    assert (base.get_layer("conv1_bn").get_weights()[2] != before[4]).all()
