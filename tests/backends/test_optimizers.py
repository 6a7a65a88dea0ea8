"""Optimizer updates: several steps of a whole buffer against one weight at a time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.comparison import assert_close
from tests.strategies import LAYOUTS, Fill, lay_out
from tinyconv.backends.base import Backend

STEPS = 4
# Which of the buffers an optimizer remembers are in use, and its numbers. Epsilon
# is large, so that it matters where it stands.
VARIANTS = {
    "sgd": ("sgd", [False], (0.1, 0.0, False)),
    "sgd_momentum": ("sgd", [True], (0.1, 0.9, False)),
    "sgd_nesterov": ("sgd", [True], (0.1, 0.9, True)),
    "rmsprop": ("rmsprop", [True, False, False], (0.1, 0.8, 0.0, 0.05)),
    "rmsprop_centered": ("rmsprop", [True, True, False], (0.1, 0.8, 0.0, 0.05)),
    "rmsprop_momentum": ("rmsprop", [True, False, True], (0.1, 0.8, 0.7, 0.05)),
    "rmsprop_centered_momentum": ("rmsprop", [True, True, True], (0.1, 0.8, 0.7, 0.05)),
    "adam": ("adam", [True, True, False], (0.1, 0.8, 0.7, 0.05)),
    "adam_amsgrad": ("adam", [True, True, True], (0.1, 0.8, 0.7, 0.05)),
}
EVERY = pytest.mark.parametrize("variant", VARIANTS)


def adam_numbers(numbers: tuple, step: int) -> tuple:
    """The bias correction of step 1, 2, ... goes into the step size."""
    learning_rate, beta_1, beta_2, epsilon = numbers
    corrected = learning_rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
    return corrected, beta_1, beta_2, epsilon


def update(backend: Backend, variant: str, param, grad, slots, step: int = 1) -> None:
    """One step, in place."""
    name, _, numbers = VARIANTS[variant]
    if name == "sgd":
        assert backend.sgd_update(param, grad, *slots, *numbers) is None
    elif name == "rmsprop":
        assert backend.rmsprop_update(param, grad, *slots, *numbers) is None
    else:
        numbers = adam_numbers(numbers, step)
        assert backend.adam_update(param, grad, *slots, *numbers) is None


def expected_update(variant: str, param, grad, slots, step: int) -> tuple:
    """One step of the oracle on float64 copies: (param, slots)."""
    name, _, numbers = VARIANTS[variant]
    if name == "adam":
        numbers = adam_numbers(numbers, step)
    oracle = getattr(reference, name)
    param, slots = param.copy(), [None if slot is None else slot.copy() for slot in slots]
    for i in range(len(param)):
        remembered = [None if slot is None else float(slot[i]) for slot in slots]
        param[i], *remembered = oracle(float(param[i]), float(grad[i]), *remembered, *numbers)
        for slot, value in zip(slots, remembered, strict=True):
            if slot is not None:
                slot[i] = value
    return param, slots


def empty_slots(variant: str, size: int, dtype: str, layout: str = "contiguous") -> list:
    used = VARIANTS[variant][1]
    return [lay_out(np.zeros(size, dtype), layout) if use else None for use in used]


@EVERY
@given(
    size=st.integers(1, 20),
    seed=st.integers(0, 2**16),
    layout=st.sampled_from(LAYOUTS),
    sparse=st.booleans(),
)
def test_steps(
    backend: Backend, dtype: str, variant: str, size: int, seed: int, layout: str, sparse: bool
):
    """From empty slots; views of other arrays are updated in place as well."""
    fill = Fill(seed, "sparse" if sparse else "normal", layout)
    param, slots = fill((size,), dtype), empty_slots(variant, size, dtype, layout)
    expected = param.astype("float64"), empty_slots(variant, size, "float64")
    arrays = backend.asarray(param), [None if s is None else backend.asarray(s) for s in slots]
    for step in range(1, STEPS + 1):
        grad = fill((size,), dtype)
        given_grad = backend.asarray(grad.copy())
        update(backend, variant, arrays[0], given_grad, arrays[1], step)
        np.testing.assert_array_equal(backend.to_numpy(given_grad), grad, "grad was changed")
        expected = expected_update(variant, expected[0], grad, expected[1], step)
    assert_close(backend.to_numpy(arrays[0]), expected[0], dtype, scale=5)
    for slot, value in zip(arrays[1], expected[1], strict=True):
        if slot is not None:
            assert_close(backend.to_numpy(slot), value, dtype, scale=5)


@EVERY
def test_a_part_of_a_buffer(backend: Backend, dtype: str, variant: str):
    """Only the slice that was given is updated, not its neighbours."""
    fill = Fill(0)
    whole = backend.asarray(fill((30,), dtype))
    before = backend.to_numpy(whole).copy()
    grad, slots = backend.asarray(fill((10,), dtype)), empty_slots(variant, 10, dtype)
    slots = [None if slot is None else backend.asarray(slot) for slot in slots]
    update(backend, variant, whole[10:20], grad, slots)
    changed = backend.to_numpy(whole) != before
    np.testing.assert_array_equal(changed, [False] * 10 + [True] * 10 + [False] * 10)


@EVERY
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_gradient_spoils_its_own_weight_only(
    backend: Backend, dtype: str, variant: str, value: float
):
    fill = Fill(0)
    param, grad = backend.asarray(fill((64,), dtype)), fill((64,), dtype)
    grad[37] = value
    slots = empty_slots(variant, 64, dtype)
    slots = [None if slot is None else backend.asarray(slot) for slot in slots]
    with np.errstate(invalid="ignore"):  # infinity / infinity
        update(backend, variant, param, backend.asarray(grad), slots)
    spoiled = np.arange(64) == 37
    for array in [param, *(slot for slot in slots if slot is not None)]:
        np.testing.assert_array_equal(~np.isfinite(backend.to_numpy(array)), spoiled)


@pytest.mark.parametrize("size", [3, 64, 20_000])  # by itself, in vectors, by several threads
@pytest.mark.parametrize("variant", ["rmsprop", "rmsprop_momentum", "adam", "adam_amsgrad"])
def test_a_gradient_whose_square_overflows(backend: Backend, dtype: str, variant: str, size: int):
    """It is divided by infinity, and moves nothing: a root by approximation would be NaN."""
    large = 1e25 if dtype == "float32" else 1e200
    before = Fill(0)((size,), dtype)
    param, slots = backend.asarray(before.copy()), empty_slots(variant, size, dtype)
    slots = [None if slot is None else backend.asarray(slot) for slot in slots]
    with np.errstate(over="ignore"):
        for step in range(1, 2 if "adam" in variant else STEPS):  # then it is inf - inf, as Keras'
            grad = backend.asarray(np.full(size, large, dtype))
            update(backend, variant, param, grad, slots, step)
    np.testing.assert_array_equal(backend.to_numpy(param), before)


@EVERY
def test_the_same_steps_give_the_same_bits(backend: Backend, dtype: str, variant: str):
    def run() -> list[bytes]:
        fill, size = Fill(3), 5001
        param = backend.asarray(fill((size,), dtype))
        slots = [
            None if slot is None else backend.asarray(slot)
            for slot in empty_slots(variant, size, dtype)
        ]
        for step in range(1, 4):
            update(backend, variant, param, backend.asarray(fill((size,), dtype)), slots, step)
        return [backend.to_numpy(a).tobytes() for a in [param, *slots] if a is not None]

    assert run() == run()
