"""The trace: counted by hand, in the order of the data, and the model stays as it was."""

import re
from math import prod

import numpy as np
import pytest

from tests.explain.models import siamese
from tinyconv import Input, Model, Sequential, backends, config, explain, layers, random
from tinyconv.applications import vgg16
from tinyconv.cli.networks import cnn
from tinyconv.explain.counting import multiply_adds
from tinyconv.explain.formulas import formula

RNG = np.random.default_rng(0)
F = 4  # bytes of a float32


@pytest.fixture(scope="module")
def traced() -> explain.Trace:
    return explain.trace(cnn((28, 28, 1), 10), RNG.random((2, 28, 28, 1)), runs=2)


# ---- counts -----------------------------------------------------------------------


def test_multiply_adds_of_the_books_cnn(traced: explain.Trace):
    """By hand: filters * height * width * taps * channels, for each of two images."""
    first, second = 32 * 28 * 28 * 9 * 1, 64 * 14 * 14 * 9 * 32
    hidden, last = 3136 * 128, 128 * 10
    counted = [row.multiply_adds for row in traced]
    assert counted == [2 * n for n in (first, 0, second, 0, 0, hidden, last)]
    assert traced.total.multiply_adds == 2 * 4_241_152
    # On the way back dx and dkernel take as many each; nobody needs the slope of the image.
    backward = [row.backward_multiply_adds for row in traced]
    assert backward == [2 * n for n in (first, 0, 2 * second, 0, 0, 2 * hidden, 2 * last)]


def test_multiply_adds_of_vgg16():
    """The 15.5 billion that are quoted for VGG16, layer by layer, without running it."""
    blocks = [(224, 3, 64), (224, 64, 64), (112, 64, 128), (112, 128, 128)]
    blocks += [(56, 128, 256), (56, 256, 256), (56, 256, 256)]
    blocks += [(28, 256, 512), (28, 512, 512), (28, 512, 512), *[(14, 512, 512)] * 3]
    by_hand = [size * size * 9 * taken * given for size, taken, given in blocks]
    by_hand += [7 * 7 * 512 * 4096, 4096 * 4096, 4096 * 1000]
    model = vgg16.VGG16(weights=None)
    counted = [
        multiply_adds(step.layer, (1, *step.layer.output.shape[1:])) for step in model.graph.steps
    ]
    assert [n for n in counted if n] == by_hand
    assert sum(by_hand) == 15_470_264_320


def test_groups_strides_and_every_sample_count():
    conv = layers.Conv2D(6, 3, strides=2, groups=2)
    model = Sequential([Input((9, 9, 4)), conv, layers.BatchNormalization(), layers.Flatten()])
    rows = explain.trace(model, np.ones((5, 9, 9, 4)), runs=1)
    assert [row.multiply_adds for row in rows] == [5 * 4 * 4 * 6 * 9 * 2, 5 * 4 * 4 * 6, 0]


def test_shapes_and_parameters(traced: explain.Trace):
    assert [(row.name, row.kind) for row in traced][:2] == [
        (traced[0].name, "Conv2D"), (traced[1].name, "MaxPooling2D"),
    ]  # fmt: skip
    assert traced[0].inputs == [(2, 28, 28, 1)]
    assert [row.output for row in traced] == [
        (2, 28, 28, 32), (2, 14, 14, 32), (2, 14, 14, 64), (2, 7, 7, 64), (2, 3136), (2, 128),
        (2, 10),
    ]  # fmt: skip
    assert [row.parameters for row in traced] == [320, 0, 18_496, 0, 0, 401_536, 1_290]
    assert traced.total.parameters == 421_642


def test_bytes_moved_by_hand():
    model = Sequential([Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(4)])
    conv, flatten, dense = explain.trace(model, np.ones((2, 6, 6, 2)), runs=1)
    image, kernel, output = 2 * 6 * 6 * 2, 9 * 2 * 3 + 3, 2 * 4 * 4 * 3
    assert conv.bytes_moved == F * (image + kernel + output)
    assert (flatten.bytes_moved, flatten.backward_bytes_moved) == (0, 0)
    weights, values, scores = 48 * 4 + 4, 2 * 48, 2 * 4
    assert dense.bytes_moved == F * (values + weights + scores)
    # dy, what was kept (x, y), the weights; dx and the gradients of the weights.
    assert dense.backward_bytes_moved == F * (2 * scores + 2 * values + 2 * weights)
    assert conv.backward_bytes_moved == F * (2 * output + image + 2 * kernel)


def test_memory_kept_is_counted_once():
    """The output of one layer is the input of the next: one array in two caches."""
    model = Sequential([Input((6, 6, 2)), layers.Conv2D(3, 3, activation="relu"),
                        layers.Conv2D(5, 3), layers.MaxPooling2D(2)])  # fmt: skip
    first, second, pool = explain.trace(model, np.ones((2, 6, 6, 2)), runs=1)
    assert first.kept == F * (2 * 6 * 6 * 2 + 2 * 4 * 4 * 3)
    assert second.kept == F * 2 * 2 * 2 * 5
    assert 0 < pool.kept <= F * 2 * 1 * 1 * 5  # the place of each maximum


# ---- what has a way back ------------------------------------------------------------


def test_nothing_is_kept_below_the_lowest_layer_that_trains():
    model = cnn((28, 28, 1), 10)
    for layer in model.layers[:3]:
        layer.trainable = False
    rows = explain.trace(model, np.ones((1, 28, 28, 1)), runs=1)
    for row in rows[:5]:
        assert (row.kept, row.backward_seconds, row.backward_bytes_moved) == (0, 0, 0)
        assert row.backward_multiply_adds == 0
    assert rows[5].backward_multiply_adds == rows[5].multiply_adds  # dkernel alone
    assert rows[6].backward_multiply_adds == 2 * rows[6].multiply_adds


def test_a_frozen_layer_above_hands_dx_on():
    model = cnn((28, 28, 1), 10)
    model.layers[-1].trainable = False
    last = explain.trace(model, np.ones((1, 28, 28, 1)), runs=1)[-1]
    assert last.backward_multiply_adds == last.multiply_adds


def test_inference():
    rows = explain.trace(cnn((28, 28, 1), 10), np.ones((1, 28, 28)), training=False, runs=1)
    assert rows.total.backward_seconds == rows.total.kept == rows.total.backward_bytes_moved == 0
    assert "inference" in rows.title


# ---- graphs, times, and what is left alone ------------------------------------------


def test_a_layer_called_twice_has_two_rows():
    rows = explain.trace(siamese(), [np.ones((3, 4)), np.ones((3, 4))], runs=1)
    assert [row.name for row in rows] == ["twin", "twin", "both", "same"]
    assert [row.parameters for row in rows] == [10, 0, 0, 5]
    assert rows[2].inputs == [(3, 2), (3, 2)]


def test_nested_models_are_taken_apart():
    inner = Sequential([Input((4,)), layers.Dense(3, name="d")], name="inner")
    rows = explain.trace(Sequential([Input((4,)), inner, layers.ReLU(name="r")]), np.ones((2, 4)))
    assert [row.name for row in rows] == ["inner/d", "r"]


def test_times_are_medians_and_add_up(traced: explain.Trace):
    assert all(row.seconds > 0 and row.backward_seconds > 0 for row in traced)
    assert traced.total.seconds == pytest.approx(sum(row.seconds for row in traced))
    assert sum(traced.share(row) for row in traced) == pytest.approx(1)


def test_the_model_stays_as_it_was():
    made = [Input((4, 4, 2)), layers.Conv2D(2, 3), layers.BatchNormalization(), layers.Flatten(),
            layers.Dropout(0.5), layers.Dropout(0.5, seed=3), layers.Dense(2)]  # fmt: skip
    model, x = Sequential(made), RNG.random((4, 4, 4, 2))
    before, state = model.get_weights(), random.generator().bit_generator.state
    own = model.layers[4].generator.bit_generator.state
    explain.trace(model, x)
    for now, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    assert random.generator().bit_generator.state == state
    assert model.layers[4].generator.bit_generator.state == own
    assert config.planning()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_counts_are_the_same_on_every_backend(backend: str):
    with backends.use_backend(backend):
        rows = explain.trace(cnn((8, 8, 1), 3), np.ones((2, 8, 8, 1)), runs=1)
    assert [row.multiply_adds for row in rows][:3] == [2 * 32 * 64 * 9, 0, 2 * 64 * 16 * 9 * 32]
    assert rows.total.kept > 0
    assert f"backend {backend}" in rows.title


def test_a_layer_of_ones_own():
    class Twice(layers.Layer):
        def forward(self, x, training=False):
            """y = 2 x."""
            x = self.prepare(x)
            return 2 * x, layers.Cache(self, x.shape)

        def backward(self, dy, cache):
            return 2 * dy, {}

    rows = explain.trace(Sequential([Input((3,)), layers.Dense(2), Twice()]), np.ones((2, 3)))
    assert rows[1].multiply_adds is rows[1].backward_multiply_adds is None
    assert rows.total.multiply_adds == 2 * 3 * 2
    assert rows[1].formula.forward == "y = 2 x."
    assert "not told: it has no docstring" in str(rows)
    assert "?: a layer of one's own" in str(rows)
    assert re.search(r"^twice\w* +Twice +2 +2 +0 +\? +\? ", str(rows), re.M)


# ---- to be read ---------------------------------------------------------------------


def test_every_layer_tells_its_formula():
    kinds = {kind for kind in vars(layers).values() if isinstance(kind, type)}
    bases = {layers.Layer, layers.Cache}
    for kind in kinds - bases:
        if not issubclass(kind, layers.Layer):
            continue
        told = formula(kind.__new__(kind))
        assert len(told.forward) > 4, kind
        assert len(told.backward) > 7, kind
        assert "see below" not in told.backward, kind
    dense = formula(layers.Dense(2, "relu"))
    assert "y = activation(z + bias)" in dense.forward
    assert "dkernel = x^T @ dz" in dense.backward
    assert "dx = dz @ kernel^T" in dense.backward
    assert dense.activation == "relu: f(x) = max(x, 0); f'(x) = 1 for x > 0, else 0, also at 0."
    assert formula(layers.ReLU(6.0)).activation.startswith("clipped_relu: ")
    assert formula(layers.Activation("leaky_relu")).activation.startswith("leaky_relu (alpha 0.2)")
    assert formula(layers.Dense(2)).activation == ""


def test_the_table(traced: explain.Trace):
    lines = str(traced).splitlines()
    assert re.match(r"Sequential 'cnn\w*', 2 samples, float32, training, backend \w+", lines[0])
    assert lines[1].split() == [
        "layer", "kind", "input", "output", "params", "mult-adds", "(back)", "moved", "(back)",
        "kept", "ms", "(back)", "share",
    ]  # fmt: skip
    cells = lines[3].split()
    assert cells[1:8] == ["Conv2D", "28x28x1", "28x28x32", "320", "452", "k", "452"]
    assert lines[11].startswith("total")
    assert lines[11].endswith("100.0%")
    told = "\n".join(lines)
    assert "Layer by layer" in told
    assert "by kind : " in told
    assert told.count("y = activation(z + bias)") == 2  # convolutions once, dense layers once
    assert told.count("relu: f(x) = max(x, 0)") == 1


def test_the_picture(traced: explain.Trace):
    (axes,) = traced.figure().axes
    forward, backward = axes.containers
    for bars, key in ((forward, "seconds"), (backward, "backward_seconds")):
        widths = [bar.get_width() for bar in bars]
        np.testing.assert_allclose(widths, [1e3 * getattr(row, key) for row in traced])
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.name for row in traced]
    assert axes.get_title(loc="left").startswith("8.48 M multiply-adds forward, ")


def test_what_is_refused():
    model = cnn((28, 28, 1), 10)
    with pytest.raises(ValueError, match=r"runs must be at least 1\. Received: runs=0"):
        explain.trace(model, np.ones((1, 28, 28, 1)), runs=0)
    with pytest.raises(ValueError, match=r"expected input of shape .*28, 28, 1"):
        explain.trace(model, np.ones((1, 20, 20, 1)))


def test_a_model_that_is_built_by_what_it_sees():
    model = Sequential([layers.Flatten(), layers.Dense(2)])
    assert explain.trace(model, np.ones((3, 2, 2)))[1].multiply_adds == 3 * prod((4, 2))


def test_outputs_that_nothing_is_trained_for():
    x = Input((4,))
    model = Model(x, [layers.Dense(2)(x), layers.Rescaling(2.0)(x)])
    rows = explain.trace(model, np.ones((2, 4)), runs=1)
    assert [row.backward_multiply_adds for row in rows] == [2 * 4 * 2, 0]


def test_a_large_model_shows_its_slowest_layers(traced: explain.Trace):
    rows = [
        traced[2]._replace(name=str(n), seconds=1.0 + n % 50, backward_seconds=0.0)
        for n in range(100)
    ]
    (axes,) = explain.Trace(rows, "many").figure().axes
    shown = [int(label.get_text()) for label in axes.get_yticklabels()]
    assert shown == [n for n in range(100) if n % 50 >= 30]
    assert axes.get_title(loc="left").endswith("; the 40 slowest of 100 layers")
    assert axes.get_legend().get_texts()[0].get_text() == "forward 2,550,000 ms"
