"""What a plan never computes, what it does not keep, and the table that tells."""

import numpy as np
import pytest

import tinyconv
from tests.models.planned import conv, dense, flat, made, mixed, norm, pool, relu
from tinyconv import Input, Model, Sequential, config, layers
from tinyconv.backends import get_backend

RNG = np.random.default_rng(8)


def counted(monkeypatch, *operations):
    """How often an operation of the backend in use is called from now on."""
    counts, backend = dict.fromkeys(operations, 0), get_backend()
    for name in operations:
        original = getattr(backend, name)

        def spy(*args, name=name, original=original):
            counts[name] += 1
            return original(*args)

        monkeypatch.setattr(backend, name, spy, raising=False)
    return counts


def test_gradients_are_written_where_they_are_wanted(backend):
    """But each place is used once: a layer that is called twice has two gradients to add up."""
    x, same = Input((6,), dtype="float64"), dense(6, "same")
    model = mixed(Model(x, dense(3, "top")(same(relu()(same(x))))))
    batch, dy = RNG.standard_normal((4, 6)), [RNG.standard_normal((4, 3))]
    _, wanted = model.backward(dy[0], model.forward(batch, True)[1])
    places = {path: np.full_like(each, np.nan) for path, each in wanted.items()}
    _, tape = model.forward_for_loss([batch], True, [False])
    grads = model.backward_from_loss(dy, tape, places)
    for path, gradient in wanted.items():
        np.testing.assert_allclose(grads[path], gradient, rtol=1e-12, atol=1e-14)
    assert grads["top/kernel"] is places["top/kernel"]
    assert grads["same/kernel"] is not places["same/kernel"]


@pytest.mark.parametrize("frozen", [0, 1])
def test_the_slope_of_what_nobody_trains_is_never_computed(monkeypatch, frozen):
    with tinyconv.use_backend("numpy"):
        parts = [conv(name=f"conv{n}", activation="relu") for n in range(3)]
        model = made(*parts, flat(), dense())
        for layer in parts[:frozen]:
            layer.trainable = False
        model.compile("sgd", "mse")
        counts = counted(monkeypatch, "conv2d_input_gradient", "conv2d_kernel_gradient")
        model.train_on_batch(RNG.standard_normal((2, 8, 8, 2)), np.ones((2, 3)))
        assert counts["conv2d_input_gradient"] == 2 - frozen
        assert counts["conv2d_kernel_gradient"] == 3 - frozen


def trained_around_frozen():
    """Frozen layers of every kind between two that are trained."""
    model = made(
        conv(name="low"), conv(name="conv1", activation="relu"), norm(), relu(),
        conv(name="conv2", size=2),
        layers.BatchNormalization(name="norm2", dtype="float64", center=False), flat(),
        dense(4, "middle", activation="tanh"), dense(3, "top"),
    )  # fmt: skip
    for layer in model.layers:
        layer.trainable = layer.name in ("low", "top")
    return model


@pytest.mark.parametrize("planning", [True, False])
def test_the_gradients_of_frozen_parameters_are_never_computed(monkeypatch, planning):
    config.set_planning(planning)
    with tinyconv.use_backend("numpy"):
        model = trained_around_frozen()
        model.compile("sgd", "mse")
        names = "conv2d_kernel_gradient", "normalize_backward", "conv2d_input_gradient"
        counts = counted(monkeypatch, *names)
        model.train_on_batch(RNG.standard_normal((2, 8, 8, 2)), np.ones((2, 3)))
    assert counts == dict(zip(names, (1, 0, 2), strict=True))


@pytest.mark.parametrize("planning", [True, False])
def test_the_other_gradients_are_the_same_without_them(planning, backend):
    config.set_planning(planning)
    model, x = trained_around_frozen(), RNG.standard_normal((2, 8, 8, 2))
    y, cache = model.forward(x, training=True)
    _, everything = model.backward(np.cos(y), cache)
    parameters = [weight.path for weight in model.weights if "moving" not in weight.name]
    assert sorted(everything) == sorted(parameters), "who asks a model for its gradients gets all"
    (y,), tape = model.forward_for_loss([x], True, [False])
    grads = model.backward_from_loss([np.cos(y)], tape)
    assert sorted(grads) == sorted(weight.path for weight in model.trainable_weights)
    for path, gradient in grads.items():
        np.testing.assert_allclose(gradient, everything[path], rtol=1e-9, atol=1e-11)


def test_a_training_step_uses_its_tape_up():
    model = trained_around_frozen()
    x = RNG.standard_normal((2, 8, 8, 2))
    (y,), cache = model.forward_for_loss([x], True, [False])
    assert len(cache.tape.caches) == len(cache.tape.plan.work)
    model.backward_from_loss([np.ones_like(y)], cache)
    assert cache.tape.caches == []


def test_the_table():
    model = made(conv(activation="relu"), pool(), norm(), flat(), dense())
    model.layers[0].trainable = model.layers[-1].trainable = False
    rows = model.graph.plan(True, [False]).describe().splitlines()
    assert [" ".join(row.split()) for row in rows if "--" not in row] == [
        "layers computed as kept for the way back slope of the input of parameters",
        "conv + pool conv_block nothing - -",
        "norm BatchNormalization yes never computed yes",
        "flat Flatten yes yes -",
        "dense dense_block yes yes never computed",
    ]
    folded = made(conv(), norm()).graph.plan(False).describe()
    assert "conv + norm  conv_block (normalisation folded)  nothing" in folded


@pytest.mark.parametrize("change", [1, -1])
def test_a_slope_of_another_shape_is_told(change):
    """Kernels would write beyond the memory of a block."""

    class Wrong(layers.Layer):
        def compute_output_shape(self, shape):
            return shape

        def forward(self, x, training=False):
            return x, x.shape

        def backward(self, dy, cache):
            return np.zeros((cache[0], cache[1] + change, *cache[2:]), "float32"), {}

    for inside in (
        [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D()],
        [layers.Conv2D(8, 3, activation="relu")],
        [layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU()],
        [layers.Flatten(), layers.Dense(12, activation="relu")],
    ):
        model = Sequential([Input((10, 10, 3)), *inside, Wrong(), layers.Flatten()])
        model.add(layers.Dense(2))
        model.compile("sgd", "mse")
        with pytest.raises(ValueError, match="expected dy of the output's shape"):
            model.fit(np.ones((4, 10, 10, 3)), np.ones((4, 2)), verbose=0)
