"""What a forward pass returns, for every layer: values, shapes, dtypes, whatever the layout."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.comparison import assert_close
from tests.layers.cases import CASES, Case, every, exported_layers, name_of, nested_network
from tests.layers.oracles import ORACLES, expected
from tests.strategies import LAYOUTS, lay_out
from tinyconv import layers, random
from tinyconv.layers import Layer

EVERY = pytest.mark.parametrize("make", CASES, ids=name_of)
DTYPES = st.sampled_from(["float32", "float64"])
SEEDS = st.integers(0, 2**16)


def rounding(make: Callable[..., Layer]) -> float:
    """A variance near 0 multiplies the rounding of x - mean by up to 1 / sqrt(epsilon)."""
    return 300 if make in (layers.BatchNormalization, nested_network) else 10


def as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def has_dropout(case: Case) -> bool:
    return case.training and case.make in (layers.Dropout, nested_network)


def test_every_exported_layer_has_an_oracle():
    assert exported_layers() <= set(ORACLES)


@EVERY
@settings(max_examples=30)
@given(data=st.data(), dtype=DTYPES, seed=SEEDS)
def test_values(make: Callable[..., Layer], data: st.DataObject, dtype: str, seed: int):
    case = data.draw(CASES[make])
    if has_dropout(case):
        case = case._replace(training=False)
    layer, x = case.layer(dtype, seed), case.x(dtype, seed)
    wanted = expected(case, layer, x)
    y, _ = layer.forward(x, case.training)
    assert_close(y, wanted, dtype, scale=rounding(make))


@EVERY
@settings(max_examples=10)
@given(data=st.data(), dtype=DTYPES)
def test_shapes(make: Callable[..., Layer], data: st.DataObject, dtype: str):
    """The output's shape is known beforehand, as far as that of the input is."""
    case = data.draw(CASES[make])
    layer = case.layer(dtype)
    y, cache = layer.forward(case.x(dtype), case.training)
    assert layer.compute_output_shape(case.shape) == y.shape
    anyhow = every(lambda shape: (None, *shape[1:]), case.shape)
    assert layer.compute_output_shape(anyhow) == (None, *y.shape[1:])
    dx, grads = layer.backward(np.ones_like(y), cache)
    assert every(np.shape, dx) == case.shape
    dxs = dx if isinstance(dx, list) else [dx]
    assert {array.dtype for array in (y, *dxs, *grads.values())} == {np.dtype(dtype)}
    hidden = [True, *(data.draw(st.booleans()) for _ in range(case.rank - 2)), False]
    partly = layer.compute_output_shape(
        every(
            lambda shape: tuple(None if hide else n for n, hide in zip(shape, hidden, strict=True)),
            case.shape,
        )
    )
    assert len(partly) == y.ndim
    assert all(size in (None, n) for size, n in zip(partly, y.shape, strict=True))


@pytest.mark.parametrize(
    ("layer", "given_shape", "known"),
    [
        (layers.Conv2D(4, 3, strides=2), (None, None, 9, 3), (None, None, 4, 4)),
        (layers.Conv2D(4, 3, padding="same"), (None, 8, None, 3), (None, 8, None, 4)),
        (layers.MaxPooling2D(2), (None, 7, None, 3), (None, 3, None, 3)),
        (layers.AveragePooling2D(2, padding="same"), (None, 7, None, 3), (None, 4, None, 3)),
        (layers.GlobalMaxPooling2D(), (None, None, None, 3), (None, 3)),
        (layers.GlobalAveragePooling2D(keepdims=True), (2, None, None, 3), (2, 1, 1, 3)),
        (layers.ZeroPadding2D(((1, 0), (0, 2))), (None, 5, None, 3), (None, 6, None, 3)),
        (layers.Flatten(), (None, None, 3), (None, None)),
        (layers.Flatten(), (None, 2, 3), (None, 6)),
        (layers.Flatten(), (None,), (None, 1)),
        (layers.Reshape((3, -1)), (None, None, 2), (None, 3, None)),
        (layers.Reshape((3, 2)), (None, None, 2), (None, 3, 2)),
        (layers.Dense(5), (None, None, 2), (None, None, 5)),
        (layers.BatchNormalization(), (None, None, 2), (None, None, 2)),
        (layers.Add(), [(None, None, 2), (None, 5, 1)], (None, 5, 2)),
        (layers.Add(), [(None, None, 2), (None, 1, 1)], (None, None, 2)),
        (layers.Add(), [(None, 1, 2), (None, 1, 1)], (None, 1, 2)),
        (layers.Concatenate(), [(None, None, 2), (None, 5, 1)], (None, 5, 3)),
        (layers.Concatenate(1), [(None, None, 2), (None, 5, 2)], (None, None, 2)),
        (layers.Concatenate(-1), [(None, None), (None, 3)], (None, None)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else str(value),
)
def test_shapes_of_inputs_of_unknown_size(layer: Layer, given_shape, known):
    assert layer.compute_output_shape(given_shape) == known


@EVERY
@pytest.mark.parametrize("layout", [how for how in LAYOUTS if how != "contiguous"])
@settings(max_examples=6)
@given(data=st.data(), dtype=DTYPES, seed=SEEDS)
def test_layout(make: Callable[..., Layer], layout: str, data, dtype: str, seed: int):
    """Views of any layout give what contiguous arrays give, and none of them is changed."""
    case = data.draw(CASES[make])
    results = []
    for how in ("contiguous", layout):
        layer = case.layer(dtype, seed)
        x = every(partial(lay_out, layout=how), case.x(dtype, seed))
        before = every(np.copy, x)
        y, cache = layer.forward(x, case.training)
        wanted_y = y.copy()
        dy = lay_out(np.random.default_rng(seed).standard_normal(y.shape).astype(dtype), how)
        cotangent = dy.copy()
        parameters = layer.get_weights()
        dx, grads = layer.backward(dy, cache)
        assert all(np.array_equal(a, b) for a, b in zip(as_list(x), as_list(before), strict=True))
        np.testing.assert_array_equal(dy, cotangent)
        np.testing.assert_array_equal(y, wanted_y, "backward changed y")
        for weight, value in zip(layer.get_weights(), parameters, strict=True):
            np.testing.assert_array_equal(weight, value, "backward changed a weight")
        results.append((y, dx, grads))
    (y, dx, grads), (other_y, other_dx, other_grads) = results
    scale = rounding(make)
    assert_close(other_y, y, dtype, scale=scale)
    for other, wanted in zip(as_list(other_dx), as_list(dx), strict=True):
        assert_close(other, wanted, dtype, scale=scale)
    assert other_grads.keys() == grads.keys()
    for key, grad in grads.items():
        assert_close(other_grads[key], grad, dtype, scale=scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given_dtype", ["uint8", "int64", "float16", "float32", "float64"])
def test_the_layer_decides_the_dtype(dtype: str, given_dtype: str):
    x = np.arange(12).reshape(3, 4).astype(given_dtype)
    layer = layers.Rescaling(2.0, dtype=dtype)
    y, cache = layer.forward(x)
    assert_close(y, 2.0 * np.arange(12).reshape(3, 4), dtype)
    dx, _ = layer.backward(np.ones((3, 4), given_dtype), cache)
    assert_close(dx, np.full((3, 4), 2.0), dtype)


def test_lists_are_inputs_too():
    y, _ = layers.Rescaling(2.0).forward([[1, 2], [3, 4]])
    assert_close(y, np.array([[2.0, 4], [6, 8]]), "float32")


@EVERY
@settings(max_examples=6)
@given(data=st.data(), seed=SEEDS)
def test_the_batch_does_not_matter(make: Callable[..., Layer], data: st.DataObject, seed: int):
    """In inference a sample gives the same alone, and in company."""
    case = data.draw(CASES[make])
    assume(not (make is layers.Softmax and case.arguments["axis"] % case.rank == 0))
    layer, x = case.layer("float64", seed), case.x("float64", seed)
    together = layer(x)
    for n in range(len(together)):
        alone = layer(every(itemgetter(slice(n, n + 1)), x))
        assert_close(alone, together[n : n + 1], "float64", scale=10)


@EVERY
@settings(max_examples=10)
@given(data=st.data(), seed=SEEDS)
def test_calling_is_inference(make: Callable[..., Layer], data: st.DataObject, seed: int):
    case = data.draw(CASES[make])
    layer, x = case.layer("float64", seed), case.x("float64", seed)
    wanted = expected(case._replace(training=False), layer, x)
    for y in (layer(x), layer.infer(x), layer.forward(x)[0], layer(x, training=False)):
        assert_close(y, wanted, "float64", scale=10)
    random.set_seed(seed)
    trained = layer(x, training=True)
    twin = case.layer("float64", seed)
    random.set_seed(seed)
    np.testing.assert_array_equal(trained, twin.forward(x, training=True)[0])


def test_weights_set_after_build_by_hand_are_used():
    layer = layers.Dense(2, activation="relu")
    layer.build((None, 3))
    kernel, bias = np.arange(6, dtype="float32").reshape(3, 2), np.ones(2, "float32")
    layer.set_weights([kernel, bias])
    with pytest.raises(ValueError, match="expected 3 values along the last axis"):
        layer(np.ones((1, 4), "float32"))
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(layer(x), x @ kernel + bias)
