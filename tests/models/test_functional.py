"""Functional models: what they compute, forward and back."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv
from tests.models.graph_kinds import GRAPHS
from tests.models.graphs import RNG, inputs_of, randomize, siamese, two_by_two
from tinyconv import Model
from tinyconv.models import Functional
from tinyconv.testing import assert_gradients


def kernel(model, name):
    layer = model.get_layer(name)
    return layer.params["kernel"], layer.params["bias"]


def test_a_model_of_a_graph_is_functional():
    model = siamese()
    assert type(model) is Functional
    assert isinstance(model, Model)
    assert model.built
    assert (model.input_names, model.output_names) == (["a", "b"], ["top"])
    assert model.input_shape == [(None, 3), (None, 3)]
    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["a", "b", "shared", "add", "top"]


def test_the_output_is_what_one_computes_by_hand():
    model = randomize(siamese())
    a, b = inputs_of(model)
    (k, c), (top, d) = kernel(model, "shared"), kernel(model, "top")
    expected = np.tanh((np.tanh(a @ k + c) + np.tanh(b @ k + c)) @ top + d)
    for y in (model([a, b]), model((a, b)), model({"b": b, "a": a}), model.predict([a, b])):
        np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_several_outputs_are_a_list():
    model = two_by_two()
    x = inputs_of(model)
    kind, size = model(x)
    assert (kind.shape, size.shape) == ((5, 3), (5, 1))
    assert model.output_names == ["kind", "size"]
    for given in (x, dict(zip(model.input_names, x, strict=True))):
        predicted = model.predict(given, batch_size=2, verbose=0)
        np.testing.assert_allclose(predicted[0], kind, rtol=1e-12)
        np.testing.assert_allclose(predicted[1], size, rtol=1e-12)


def test_gradients_of_a_shared_layer_are_the_sum_over_its_calls():
    model = randomize(siamese())
    a, b = inputs_of(model)
    shared, top = model.get_layer("shared"), model.get_layer("top")
    y, cache = model.forward([a, b], training=True)
    dy = RNG.standard_normal(y.shape)
    dx, grads = model.backward(dy, cache)

    (h_a, c_a), (h_b, c_b) = shared.forward(a), shared.forward(b)
    dh, top_grads = top.backward(dy, top.forward(h_a + h_b)[1])
    (da, of_a), (db, of_b) = shared.backward(dh, c_a), shared.backward(dh, c_b)
    assert set(grads) == {"shared/kernel", "shared/bias", "top/kernel", "top/bias"}
    for key in ("kernel", "bias"):
        np.testing.assert_allclose(grads[f"shared/{key}"], of_a[key] + of_b[key], rtol=1e-12)
        np.testing.assert_allclose(grads[f"top/{key}"], top_grads[key], rtol=1e-12)
    np.testing.assert_allclose(dx[0], da, rtol=1e-12)
    np.testing.assert_allclose(dx[1], db, rtol=1e-12)


@pytest.mark.parametrize("backend", tinyconv.available_backends())
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_gradients(make, training, backend):
    with tinyconv.use_backend(backend):
        model = make()
        x = inputs_of(model, 3)
        assert_gradients(model, x if len(x) > 1 else x[0], training=training)


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_the_shapes_are_known_beforehand(make):
    model = make()
    x = inputs_of(model, 3)
    y = model(x if len(x) > 1 else x[0])
    outputs = y if isinstance(y, list) else [y]
    assert [(None, *array.shape[1:]) for array in outputs] == model.output_shapes
    shapes = [array.shape for array in x]
    made = model.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    assert (made if len(outputs) > 1 else [made]) == [array.shape for array in outputs]


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_threads_share_a_model(make):
    model = make()
    batches = [inputs_of(model, 4, seed) for seed in range(6)]
    batches = [x if len(x) > 1 else x[0] for x in batches]
    alone = [model.predict(x, verbose=0) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: model.predict(x, verbose=0), batches * 3))
    for y, wanted in zip(together, alone * 3, strict=True):
        for mine, other in zip(y, wanted, strict=True):
            np.testing.assert_array_equal(mine, other)
