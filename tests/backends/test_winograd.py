"""Winograd's convolution against the textbook: equal but for rounding, and that is bounded."""

import gc
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import Fill, fills
from tinyconv.backends.base import Activation
from tinyconv.backends.numba import NumbaBackend
from tinyconv.backends.numba.convolution import winograd, winograd_kernels
from tinyconv.backends.numba.convolution.case import PLAIN, SHUT, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.winograd import F2, F4, Winograd
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Window, slide

BOTH = pytest.mark.parametrize("algorithm", [F2, F4], ids=["F2", "F4"])
textbook = NumpyBackend()

# How much of the largest value float64 may differ by; float32's bounds are winograd.ERROR.
EXACT = 1e-13


@st.composite
def problems(draw: st.DrawFn):
    """A 3x3 window over up to 14 x 14 pixels, anything but square, with the shapes around it."""
    image = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    pads = st.tuples(st.integers(0, 4), st.integers(0, 4))
    padding = draw(st.tuples(pads, pads))
    output = tuple(max(1, n + sum(p) - 2) for n, p in zip(image, padding, strict=True))
    padding = tuple(p if n + sum(p) >= 3 else (1, 1) for n, p in zip(image, padding, strict=True))
    window = Window((3, 3), (1, 1), (1, 1), padding, image, output)
    channels, filters = draw(st.integers(1, 40)), draw(st.integers(1, 70))
    return draw(st.integers(1, 3)), window, channels, filters


def run(algorithm: Winograd, operation: str, first, second, window: Window):
    if operation == "conv2d":
        return algorithm.forward(first, second, window, 1, PLAIN)[0]
    name = {"conv2d_input_gradient": "input_gradient", "conv2d_kernel_gradient": "kernel_gradient"}
    return getattr(algorithm, name[operation])(first, second, window, 1)


def shapes(N: int, window: Window, C: int, F: int) -> dict[str, tuple]:
    x, kernel, dz = (N, *window.input, C), (3, 3, C, F), (N, *window.output, F)
    return {
        "conv2d": (x, kernel),
        "conv2d_input_gradient": (dz, kernel),
        "conv2d_kernel_gradient": (x, dz),
    }


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest value."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


OPERATIONS = pytest.mark.parametrize(
    "operation", ["conv2d", "conv2d_input_gradient", "conv2d_kernel_gradient"]
)


@BOTH
@OPERATIONS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(problem=problems(), fill=fills(("normal", "sparse")))
def test_equals_the_textbook(algorithm, operation, dtype, problem, fill):
    arguments = [fill(shape, dtype) for shape in shapes(*problem)[operation]]
    window = problem[1]
    result = run(algorithm, operation, *arguments, window)
    exact = [argument.astype(np.float64) for argument in arguments]
    expected = getattr(textbook, operation)(*exact, window, 1)
    assert result.dtype == dtype
    # One product alone may be 0 or cancel; so may a few. Errors are measured by what was added.
    scale = max(1.0, 1 / max(np.abs(expected).max(), 1e-30))
    bound = winograd.ERROR[algorithm.m] if dtype == "float32" else EXACT
    assert error(result, expected) <= bound * scale


@BOTH
@OPERATIONS
@pytest.mark.parametrize("channels", [1, 33, 512])
def test_rounding_in_float32_stays_below_the_bound(algorithm, operation, channels):
    for seed in range(3):
        fill = Fill(seed, values="sparse" if seed == 2 else "normal")
        N, window, F = 2, slide((13 + seed, 12), (3, 3), (1, 1), "same"), 64
        arguments = [fill(shape, "float32") for shape in shapes(N, window, channels, F)[operation]]
        exact = [argument.astype(np.float64) for argument in arguments]
        expected = getattr(textbook, operation)(*exact, window, 1)
        assert (
            error(run(algorithm, operation, *arguments, window), expected)
            <= (winograd.ERROR[algorithm.m])
        )


# ---- what follows it -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    problem=problems(),
    seed=st.integers(0, 2**16),
    with_bias=st.booleans(),
    relu=st.booleans(),
    how=st.sampled_from(["", "pool", "codes"]),
)
def test_epilogue_with_many_ties(dtype, problem, seed, with_bias, relu, how):
    """F(2x2) of small integers is exact, so that maxima tie where they should."""
    N, window, C, F = problem
    fill = Fill(seed, values="ties")
    x, kernel = fill((N, *window.input, C), dtype), fill((3, 3, C, F), dtype)
    bias = fill((F,), dtype) if with_bias else None
    epilogue = Epilogue(bias, relu, how != "", how == "codes")
    y, codes = F2.forward(x, kernel, window, 1, epilogue)
    expected, expected_codes = textbook_epilogue(x, kernel, window, epilogue)
    np.testing.assert_array_equal(y, expected)
    if how == "codes":
        np.testing.assert_array_equal(codes, expected_codes)
    else:
        assert codes is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(problem=problems(), seed=st.integers(0, 2**16), relu=st.booleans())
def test_epilogue_of_large_tiles(dtype, problem, seed, relu):
    N, window, C, F = problem
    fill = Fill(seed)
    x, kernel, bias = (fill(s, dtype) for s in ((N, *window.input, C), (3, 3, C, F), (F,)))
    exact = x.astype(np.float64), kernel.astype(np.float64)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for pool, codes in ((False, False), (True, False), (True, True)):
        epilogue = Epilogue(bias, relu, pool, codes)
        y, taps = F4.forward(x, kernel, window, 1, epilogue)
        expected, _ = textbook_epilogue(*exact, window, epilogue)
        np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
        assert (taps is None) is not codes
    if relu:
        np.testing.assert_array_equal(taps == SHUT, y <= 0)
    # Where several are equal, which one is taken is up to rounding.
    values = four(textbook.conv2d(*exact, window, 1) + bias)
    taken = np.take_along_axis(values, np.minimum(taps, 3)[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(taken[taps < SHUT], y[taps < SHUT], rtol=0, atol=tolerance)


def textbook_epilogue(x, kernel, window: Window, epilogue: Epilogue):
    """y and codes as case.py defines them, from the textbook's convolution."""
    a = textbook.conv2d(x, kernel, window, 1)
    a = a if epilogue.bias is None else a + epilogue.bias
    a = np.maximum(a, 0) if epilogue.relu else a
    if not epilogue.pool:
        return a, None
    y, codes = four(a).max(axis=-1), four(a).argmax(axis=-1)
    return y, np.where(~(y > 0), SHUT, codes) if epilogue.relu else codes


def four(a: np.ndarray) -> np.ndarray:
    """The four pixels of each 2x2 window: (N, H, W, C) -> (N, H // 2, W // 2, C, 4)."""
    N, H, W, C = a.shape
    a = a[:, : H // 2 * 2, : W // 2 * 2].reshape(N, H // 2, 2, W // 2, 2, C)
    return a.transpose(0, 1, 3, 5, 2, 4).reshape(N, H // 2, W // 2, C, 4)


# ---- NaN and infinity ----------------------------------------------------------


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pool", [False, True])
def test_a_bad_pixel_spoils_its_outputs_and_no_tile_beyond(algorithm, value, pool):
    window, fill = slide((15, 14), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((2, 15, 14, 5), "float32"), fill((3, 3, 5, 37), "float32")
    epilogue = Epilogue(None, True, pool, pool)
    good, good_codes = algorithm.forward(x, kernel, window, 1, epilogue)
    h, w = 6, 9
    x[1, h, w, 3] = value
    bad, codes = algorithm.forward(x, kernel, window, 1, epilogue)
    with np.errstate(invalid="ignore"):
        expected, _ = textbook_epilogue(x, kernel, window, epilogue)
    assert np.isnan(bad[np.isnan(expected)]).all()
    assert not np.isfinite(bad[~np.isfinite(expected)]).any()
    if np.isnan(value) and pool:  # shut, as in the textbook
        assert (codes[np.isnan(bad)] == SHUT).all()
    size, m = (2 if pool else 1), algorithm.m
    reach = np.zeros(good.shape, bool)  # the tiles with an output next to the pixel
    first = (h - 1) // m * m // size, (w - 1) // m * m // size
    last = ((h + 1) // m + 1) * m // size, ((w + 1) // m + 1) * m // size
    reach[1, first[0] : last[0], first[1] : last[1]] = True
    np.testing.assert_array_equal(bad[~reach], good[~reach])
    if pool:
        np.testing.assert_array_equal(codes[~reach], good_codes[~reach])


@BOTH
def test_a_bad_weight_spoils_its_filter_and_no_other(algorithm):
    window, fill = slide((9, 7), (3, 3), (1, 1), "valid"), Fill(0)
    x, kernel = fill((1, 9, 7, 5), "float32"), fill((3, 3, 5, 35), "float32")
    kernel[1, 2, 3, 33] = np.nan
    y, _ = algorithm.forward(x, kernel, window, 1, Epilogue(None, True))
    assert np.isnan(y[..., 33]).all()
    assert np.isfinite(np.delete(y, 33, axis=3)).all()
    dx = algorithm.input_gradient(fill((1, 7, 5, 35), "float32"), kernel, window, 1)
    assert np.isnan(dx[:, 1:8, 2:7, 3]).all()
    assert np.isfinite(np.delete(dx, 3, axis=3)).all()


@BOTH
def test_a_bad_gradient_spoils_its_filter_and_no_other(algorithm):
    window, fill = slide((9, 7), (3, 3), (1, 1), "valid"), Fill(0)
    x, dz = fill((2, 9, 7, 5), "float32"), fill((2, 7, 5, 35), "float32")
    dz[1, 4, 4, 33] = np.nan
    dkernel = algorithm.kernel_gradient(x, dz, window, 1)
    assert np.isnan(dkernel[..., 33]).all()
    assert np.isfinite(np.delete(dkernel, 33, axis=3)).all()


# ---- threads ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("image", [(5, 6), (21, 30)])
def test_any_number_of_threads(algorithm, image, monkeypatch):
    """Threads take tiles, and slices of the filters where there are few tiles."""
    window, fill = slide(image, (3, 3), (1, 1), "same"), Fill(0)
    x, kernel, dz = (
        fill(s, "float32") for s in ((2, *image, 18), (3, 3, 18, 150), (2, *image, 150))
    )
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(winograd, "thread_count", lambda threads=threads: threads)
        results.append(
            (
                algorithm.forward(x, kernel, window, 1, PLAIN)[0],
                algorithm.input_gradient(dz, kernel, window, 1),
                algorithm.kernel_gradient(x, dz, window, 1),
            )
        )
        again = algorithm.kernel_gradient(x, dz, window, 1)
        np.testing.assert_array_equal(again, results[-1][2])  # to the last bit
    for y, dx, dkernel in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(dx, results[0][1])
        assert error(dkernel, results[0][2]) <= winograd.ERROR[algorithm.m]


@BOTH
def test_sums_of_a_large_kernel_are_bounded(algorithm, monkeypatch):
    """With little memory for sums over the tiles, threads share the filters instead."""
    window, fill = slide((30, 30), (3, 3), (1, 1), "same"), Fill(0)
    x, dz = fill((1, 30, 30, 18), "float64"), fill((1, 30, 30, 150), "float64")
    expected = textbook.conv2d_kernel_gradient(x, dz, window, 1)
    monkeypatch.setattr(winograd, "thread_count", lambda: 4)
    monkeypatch.setattr(winograd, "SUM_BYTES", 1)
    monkeypatch.setattr(winograd, "GRADIENT_BYTES", 1)  # and short blocks
    assert error(algorithm.kernel_gradient(x, dz, window, 1), expected) <= EXACT


@BOTH
def test_no_images(algorithm):
    window = slide((9, 7), (3, 3), (1, 1), "same")
    x, kernel = np.ones((0, 9, 7, 5), "float32"), np.ones((3, 3, 5, 35), "float32")
    y, codes = algorithm.forward(x, kernel, window, 1, Epilogue(None, True, True, True))
    assert y.shape == codes.shape == (0, 4, 3, 35)
    dz = np.ones((0, 9, 7, 35), "float32")
    assert algorithm.input_gradient(dz, kernel, window, 1).shape == x.shape
    assert not algorithm.kernel_gradient(x, dz, window, 1).any()


# ---- other CPUs ------------------------------------------------------------------

ELSEWHERE = """
from tests.backends.test_winograd import *
print(microkernel.VECTOR.name)
window, fill = slide((7, 9), (3, 3), (1, 1), "same"), Fill(0)
for algorithm in (F2, F4):
    for operation, (first, second) in shapes(2, window, 19, 37).items():
        arguments = fill(first, "float32"), fill(second, "float32")
        exact = [argument.astype("float64") for argument in arguments]
        expected = getattr(textbook, operation)(*exact, window, 1)
        result = run(algorithm, operation, *arguments, window)
        assert error(result, expected) <= winograd.ERROR[algorithm.m]
""".replace("import *", "import *\nfrom tinyconv.backends.numba import microkernel", 1)


@pytest.mark.parametrize(
    ("variable", "value", "vector"),
    [("NUMBA_CPU_NAME", "haswell", "avx2"), ("TINYCONV_VECTOR", "portable", "portable")],
)
def test_other_vectors(variable, value, vector, tmp_path):
    environment = {**os.environ, variable: value, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [vector]


# ---- kernels kept ----------------------------------------------------------------


@pytest.fixture
def transforms(monkeypatch):
    """How often a kernel was transformed, as a list that grows; nothing is kept before."""
    calls, transform = [], winograd_kernels.transform

    def counted(*arguments, **named):
        calls.append(arguments)
        return transform(*arguments, **named)

    monkeypatch.setattr(winograd_kernels, "transform", counted)
    winograd_kernels._kept.clear()
    return calls


def test_a_kernel_that_stays_is_transformed_twice(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    results = []
    for _ in range(4):
        results.append(F4.forward(x, kernel, window, 1, PLAIN)[0])
    assert len(transforms) == 2  # kept from the second time on
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert winograd_kernels.kept_bytes() >= 36 * 20 * 40 * 4


def test_a_changed_kernel_is_noticed(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    for _ in range(3):
        before = F4.forward(x, kernel, window, 1, PLAIN)[0]
    kernel *= -1  # in place, as an optimizer does
    after = F4.forward(x, kernel, window, 1, PLAIN)[0]
    np.testing.assert_array_equal(after, -before)
    assert winograd_kernels.kept_bytes() == 0  # what changes is not kept


def test_sizes_are_kept_apart_and_nothing_is_for_gradients(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 24), "float64"), fill((3, 3, 24, 24), "float64")
    for _ in range(3):
        for algorithm in (F2, F4):
            y = algorithm.forward(x, kernel, window, 1, PLAIN)[0]
            dx = algorithm.input_gradient(x, kernel, window, 1)
            assert error(y, textbook.conv2d(x, kernel, window, 1)) <= EXACT
            assert error(dx, textbook.conv2d_input_gradient(x, kernel, window, 1)) <= EXACT
    assert len(transforms) == 2 * (2 + 3)


def test_nothing_is_kept_of_a_kernel_in_training(transforms, monkeypatch):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    function, backend = Activation("relu"), NumbaBackend(conv="winograd_4x4")

    def block(keep):
        return backend.conv_block(x, kernel, None, window, 1, function, None, keep)[0]

    predicted = [block(keep=False) for _ in range(3)]
    assert len(transforms) == 2
    assert winograd_kernels.kept_bytes() > 0
    monkeypatch.setattr(winograd_kernels, "fingerprint", None)  # not needed either
    np.testing.assert_array_equal(block(keep=True), predicted[0])
    assert len(transforms) == 3
    assert not winograd_kernels._kept, "memory for what the optimizer is about to change"


def test_what_is_kept_goes_with_its_kernel(transforms):
    kernel = Fill(0)((3, 3, 20, 40), "float32")
    for _ in range(2):
        winograd_kernels.transformed(kernel, 4, keep=True)
    assert winograd_kernels.kept_bytes() > 0
    del kernel
    transforms.clear()  # it holds the arguments
    gc.collect()
    assert winograd_kernels.kept_bytes() == 0
    assert not winograd_kernels._kept


def test_no_more_is_kept_than_allowed(transforms, monkeypatch):
    kernels = [Fill(seed)((3, 3, 20, 40), "float32") for seed in range(4)]
    size = winograd_kernels.transform(kernels[0], 2, exchanged=False).nbytes
    monkeypatch.setattr(winograd_kernels, "KEPT_BYTES", 2 * size)
    for kernel in kernels:
        for _ in range(2):
            winograd_kernels.transformed(kernel, 2, keep=True)
    assert winograd_kernels.kept_bytes() == 2 * size
    transforms.clear()
    for kernel in kernels[:1:-1]:  # those used last
        winograd_kernels.transformed(kernel, 2, keep=True)
    assert not transforms


@settings(max_examples=20)
@given(size=st.integers(2, 600), seed=st.integers(0, 2**16), dtype=st.sampled_from(["f4", "f8"]))
def test_fingerprints_differ(size, seed, dtype):
    fill = Fill(seed)
    array = fill((size,), dtype)
    seen = {winograd_kernels.fingerprint(array)}
    assert winograd_kernels.fingerprint(array.copy()) in seen
    i, j = fill.generator.choice(size, 2, replace=False)
    array[i], array[j] = array[j].copy(), array[i].copy()
    seen.add(winograd_kernels.fingerprint(array))
    array[i] = np.nextafter(array[i], np.inf, dtype=dtype)
    seen.add(winograd_kernels.fingerprint(array))
    array *= -1  # changes every highest bit
    seen.add(winograd_kernels.fingerprint(array))
    array[:] = np.roll(array, 1)
    seen.add(winograd_kernels.fingerprint(array))
    assert len(seen) == 5


# ---- when ------------------------------------------------------------------------


def case(batch=1, image=(8, 8), channels=64, filters=64, groups=1, operation="forward", **window):
    size, strides = window.get("size", (3, 3)), window.get("strides", (1, 1))
    slid = slide(image, size, strides, "same", window.get("dilation", (1, 1)))
    return ConvCase(batch, slid, channels, filters, groups, np.dtype("float32"), operation)


@BOTH
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"image": (1, 1)}, None),
        ({"size": (5, 5)}, "5x5 window"),
        ({"size": (3, 1)}, "3x1 window"),
        ({"strides": (1, 2)}, "stride"),
        ({"dilation": (2, 1)}, "dilated"),
        ({"groups": 2}, "groups"),
    ],
)
def test_reasons_against(algorithm, changes, reason):
    answer = algorithm.reason_against(case(**changes))
    assert answer is None if reason is None else reason in answer


def test_small_images_get_small_tiles():
    assert winograd.best(case(32, (14, 14))) is F4
    assert winograd.best(case(1, (40, 40))) is F4
    assert winograd.best(case(1, (10, 10))) is F2
    assert winograd.best(case(64, (2, 2))) is F2
    assert winograd.best(case(64, (2, 2), operation="dx")) is F2
