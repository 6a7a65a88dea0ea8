"""A cache is a value: what one forward pass kept, untouched by whatever happens after it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.cases import CASES, Case, name_of, nested_network
from tinyconv import Sequential, layers, random
from tinyconv.layers import Layer

EVERY = pytest.mark.parametrize("make", CASES, ids=name_of)
SEEDS = st.integers(0, 2**16)


IMAGES = (2, 5, 5, 4)
ARGUMENTS: dict[Callable[..., Layer], dict[str, Any]] = {
    layers.Activation: {"activation": "gelu"},
    layers.Conv2D: {"filters": 3, "kernel_size": 3},
    layers.Dense: {"units": 3, "activation": "softmax"},
    layers.Dropout: {"rate": 0.5},
    layers.InputLayer: {"shape": IMAGES[1:]},
    layers.Rescaling: {"scale": 0.5},
    layers.Reshape: {"target_shape": (-1, 2)},
    nested_network: {"activation": "relu", "padding": "same", "frozen": False},
}
MERGES = (layers.Add, layers.Concatenate)
SIMPLE = {
    make: Case(make, ARGUMENTS.get(make, {}), [IMAGES] * 3 if make in MERGES else IMAGES)
    for make in CASES
}


def step(layer: Layer, x: Any, training: bool, seed: int) -> tuple[Any, ...]:
    """One forward and one backward pass, with nothing in between."""
    random.set_seed(seed)
    y, cache = layer.forward(x, training)
    return y, *layer.backward(np.cos(np.arange(y.size)).reshape(y.shape), cache)


def assert_same(result: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    for arrays, wanted in zip(result[:-1], expected[:-1], strict=True):
        assert isinstance(arrays, list) == isinstance(wanted, list)
        pairs = zip(arrays, wanted, strict=True) if isinstance(arrays, list) else [(arrays, wanted)]
        for array, right in pairs:
            np.testing.assert_array_equal(array, right)
    assert result[-1].keys() == expected[-1].keys()
    for key, grad in expected[-1].items():
        np.testing.assert_array_equal(result[-1][key], grad)


@EVERY
@settings(max_examples=10)
@given(data=st.data(), seed=SEEDS)
def test_two_forwards_before_one_backward(make: Callable[..., Layer], data, seed: int):
    """Both caches still give the gradients of their own input and their own dropout mask."""
    case = data.draw(CASES[make])
    case.arguments.pop("seed", None)  # a generator of its own could not be set for each pass
    seeds = seed, seed + 1
    alone = [step(case.layer(seed=seed), case.x(seed=s), case.training, s) for s in seeds]
    shared, passes = case.layer(seed=seed), []
    for s in seeds:
        random.set_seed(s)
        passes.append(shared.forward(case.x(seed=s), case.training))
    for (y, cache), wanted in zip(passes, alone, strict=True):
        dy = np.cos(np.arange(y.size)).reshape(y.shape)
        assert_same((y, *shared.backward(dy, cache)), wanted)


@EVERY
@settings(max_examples=10)
@given(data=st.data(), seed=SEEDS)
def test_forward_and_backward_leave_nothing_on_the_layer(make, data, seed: int):
    case = data.draw(CASES[make])
    layer = case.layer(seed=seed)
    before = [snapshot(part) for part in parts(layer)]
    step(layer, case.x(seed=seed), case.training, seed)
    after = [snapshot(part) for part in parts(layer)]
    for part, (names, trained, statistics), (other, values, moved) in zip(
        parts(layer), before, after, strict=True
    ):
        assert names == other
        assert trained == values
        moves = case.training and part.trainable and isinstance(part, layers.BatchNormalization)
        assert (statistics != moved) == (moves and part.momentum < 1)


def parts(layer: Layer) -> list[Layer]:
    if isinstance(layer, Sequential):
        return [layer, *(part for inner in layer.layers for part in parts(inner))]
    return [layer]


def snapshot(layer: Layer) -> tuple[dict[str, str], bytes, bytes]:
    """All attributes by identity, but for the generator that Dropout may own and the backend
    that a model's values lie on; all values.
    """
    attributes = {
        name: repr(value)
        for name, value in vars(layer).items()
        if name not in ("params", "state", "_own_generator", "home")
    }
    attributes["keys"] = repr((list(layer.params), list(layer.state)))
    trained = b"".join(array.tobytes() for array in layer.params.values())
    return attributes, trained, b"".join(array.tobytes() for array in layer.state.values())


@EVERY
def test_threads_share_a_layer(make: Callable[..., Layer]):
    """Inference keeps no state, so predictions of several threads do not meet."""
    case = SIMPLE[make]
    layer = case.layer()
    batches = [case.x(seed=seed) for seed in range(8)]
    alone = [layer(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(layer, batches * 5))
    for y, wanted in zip(together, alone * 5, strict=True):
        np.testing.assert_array_equal(y, wanted)


@EVERY
def test_a_cache_of_another_layer_is_refused(make: Callable[..., Layer]):
    case = SIMPLE[make]
    layer, other = case.layer(), case.layer()
    y, cache = layer.forward(case.x())
    with pytest.raises(ValueError, match="backward needs the cache that its own forward returned"):
        other.backward(y, cache)
    with pytest.raises(ValueError, match="Received: <class 'NoneType'>"):
        layer.backward(y, None)


@EVERY
def test_a_gradient_of_another_shape_is_refused(make: Callable[..., Layer]):
    case = SIMPLE[make]
    layer = case.layer()
    y, cache = layer.forward(case.x())
    with pytest.raises(ValueError, match="expected dy of the output's shape") as error:
        layer.backward(y[:1], cache)
    assert layer.name in str(error.value)
    assert str(y.shape) in str(error.value)


@pytest.mark.parametrize("make", [layers.Conv2D, layers.Dense])
def test_parameter_gradients_alone(make: Callable[..., Layer]):
    case = SIMPLE[make]
    layer = case.layer()
    y, cache = layer.forward(case.x())
    assert_same((layer.backward_parameters(y, cache),), layer.backward(y, cache)[1:])


@EVERY
@pytest.mark.parametrize("training", [False, True])
def test_dx_alone(make: Callable[..., Layer], training: bool):
    case = SIMPLE[make]
    layer = case.layer()
    y, cache = layer.forward(case.x(), training)
    np.testing.assert_allclose(
        layer.backward_input(y, cache), layer.backward(y, cache)[0], rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "relu", "gelu", None])
@pytest.mark.parametrize(
    "case",
    [SIMPLE[layers.Conv2D], SIMPLE[layers.Dense], Case(layers.Activation, {}, IMAGES)],
    ids=["Conv2D", "Dense", "Activation"],
)
def test_logits_are_what_the_activation_is_given(case: Case, activation: str | None):
    layer, plain = case.layer(activation=activation), case.layer(activation=None)
    x = case.x()
    logits, cache = layer.forward_logits(x)
    wanted, plain_cache = plain.forward(x)
    np.testing.assert_array_equal(logits, wanted)
    assert_same(layer.backward(wanted, cache), plain.backward(wanted, plain_cache))
    assert layer.final_activation == (activation or "linear")


def test_only_the_softmax_of_the_last_axis_is_taken_over_by_a_loss():
    assert layers.Softmax().final_activation == "softmax"
    assert layers.Softmax(axis=1).final_activation == "linear"


def test_a_layer_without_an_activation_has_no_logits():
    with pytest.raises(TypeError, match=r"Flatten 'flatten.*' has no final activation"):
        layers.Flatten().forward_logits(np.ones((1, 2)))
