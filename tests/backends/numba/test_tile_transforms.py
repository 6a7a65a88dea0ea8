"""The transforms of tiles: against Winograd's identity, matrices, and NumPy's maximum."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest
from numba import njit

from tinyconv.backends.numba import microkernel, tile_matrices
from tinyconv.backends.numba import tile_transforms as transforms

M = (2, 4)


def matrix(transform, size: int) -> np.ndarray:
    """The matrix that the transform of a column multiplies by."""
    return np.array(transform(list(np.eye(size))))


def matrices(m: int) -> SimpleNamespace:
    along = {name: getattr(tile_matrices, f"{name}_{m}") for name in ("input", "output", "spread")}
    return SimpleNamespace(
        BT=matrix(along["input"], m + 2),
        AT=matrix(along["output"], m + 2),
        A=matrix(along["spread"], m),
        G=tile_matrices.KERNEL[m],
    )


@pytest.mark.parametrize("m", M)
def test_one_axis_is_a_convolution(m):
    """A^T [ (G k) * (B^T d) ] = sum over j of d[i + j] k[j]; and A is A^T transposed."""
    rng, f = np.random.default_rng(1), matrices(m)
    d, k = rng.normal(size=m + 2), rng.normal(size=3)
    convolution = [d[i : i + 3] @ k for i in range(m)]
    np.testing.assert_allclose(f.AT @ ((f.G @ k) * (f.BT @ d)), convolution, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(f.A, f.AT.T)


@functools.cache
def compiled(name: str):
    """The transform, of tiles whose pixels are one row of a taller array apart."""
    transform = getattr(transforms, name)
    if name.startswith(("input", "output", "spread")):

        @njit
        def call(S, D):
            transform(S, 0, S[0].size, S[0, 0].size, D, 0, D[0].size, D[0, 0].size)

    else:

        @njit
        def call(S, D, bias, relu, codes):
            S_row, S_col, D_row, D_col = S[0].size, S[0, 0].size, D[0].size, D[0, 0].size
            transform(S, 0, S_row, S_col, D, 0, D_row, D_col, bias, 0, relu, codes)

    return call


def tile(seed: int, size: int, dtype: str) -> np.ndarray:
    """A square tile with channels to spare, which no transform may touch."""
    shape = (size, size, microkernel.lanes(dtype) + 3)
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def assert_close(result, expected, dtype):
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("name", ["input", "output", "spread"])
def test_both_axes(m, name, dtype):
    f, lanes = matrices(m), microkernel.lanes(dtype)
    factor = {"input": f.BT, "output": f.AT, "spread": f.A}[name]
    S, D = tile(1, factor.shape[1], dtype), tile(2, factor.shape[0], dtype)
    expected = D.astype("float64")
    expected[..., :lanes] = np.einsum("ai,ijc,bj->abc", factor, S, factor)[..., :lanes]
    compiled(f"{name}{m}")(S, D)
    assert_close(D, expected, dtype)


def output(S: np.ndarray, m: int) -> np.ndarray:
    D = np.zeros((m, m, S.shape[2]), S.dtype)
    compiled(f"output{m}")(S, D)
    return D[..., : microkernel.lanes(S.dtype)]


def special(m: int, dtype: str) -> np.ndarray:
    """A tile of m + 2 some of whose channels give ties, zeros, NaN and infinity."""
    S = tile(3, m + 2, dtype)
    S[..., 0] = 0  # every window: four ties
    S[0, 0, 1] = np.nan  # reaches one output only: no other row of A^T has a first column
    S[-1, -1, 2] = np.inf
    return S


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("m", M)
def test_finish_adds_the_bias_and_lets_nan_through(m, relu, dtype):
    S, lanes = special(m, dtype), microkernel.lanes(dtype)
    bias = tile(4, 1, dtype)[0, 0]
    D, codes = tile(2, m, dtype), np.zeros(1, np.uint8)
    expected = D.copy()
    z = output(S, m) + bias[:lanes]
    expected[..., :lanes] = np.maximum(z, 0) if relu else z
    compiled(f"finish{m}")(S, D, bias, relu, codes)
    assert np.isnan(D[0, 0, 1])
    assert_close(D, expected, dtype)


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("m", M)
def test_pool_and_codes_find_the_first_maximum(m, relu, dtype):
    S, lanes = special(m, dtype), microkernel.lanes(dtype)
    bias = tile(4, 1, dtype)[0, 0]
    bias[0] = abs(bias[0])
    half, windows = m // 2, []
    z = output(S, m) + bias[:lanes]
    for i in range(0, m, 2):
        windows += [np.array([*z[i, j : j + 2], *z[i + 1, j : j + 2]]) for j in range(0, m, 2)]
    taps = np.array([window.argmax(axis=0) for window in windows])  # NaN is NumPy's maximum
    largest = np.array([window.max(axis=0) for window in windows])
    expected = np.maximum(largest, 0) if relu else largest
    expected_codes = np.where(relu & ~(largest > 0), 4, taps)
    for name in ("pool", "codes"):
        D = tile(2, half, dtype)
        before, codes = D.copy(), np.full(D.shape, 9, np.uint8)
        compiled(f"{name}{m}")(S, D, bias, relu, codes)
        assert_close(D[..., :lanes].reshape(-1, lanes), expected, dtype)
        np.testing.assert_array_equal(D[..., lanes:], before[..., lanes:])
        if name == "codes":
            np.testing.assert_array_equal(codes[..., :lanes].reshape(-1, lanes), expected_codes)
        assert (codes[..., lanes if name == "codes" else 0 :] == 9).all()


def test_unpool_is_the_way_back(dtype):
    lanes = microkernel.lanes(dtype)
    unpool = transforms.unpool

    @njit
    def call(G, g0, codes, D, d0, dbias, b0):
        unpool(G, g0, codes, D, d0, D[0].size, D[0, 0].size, dbias, b0)

    G = np.random.default_rng(1).normal(size=lanes + 3).astype(dtype)
    codes = (np.arange(lanes + 3) % 5).astype(np.uint8)
    G[1] = np.nan  # code 0 in the second lane below
    D, dbias = tile(2, 2, dtype), np.ones(lanes + 2, dtype)
    codes[1], codes[2] = 0, 4
    expected, expected_bias = D.copy(), dbias.copy()
    for lane in range(lanes):
        code, g = codes[lane + 1], G[lane + 1]
        expected[..., lane] = 0
        if code < 4:
            expected[code // 2, code % 2, lane] = g
            expected_bias[lane + 1] += g
    call(G, 1, codes, D, 0, dbias, 1)
    np.testing.assert_array_equal(D, expected)
    np.testing.assert_array_equal(dbias, expected_bias)


def test_unpool_of_nan_where_relu_is_shut(dtype):
    """0 * NaN is NaN: a broken gradient does not look like none."""
    lanes = microkernel.lanes(dtype)
    unpool = transforms.unpool

    @njit
    def call(G, codes, D, dbias):
        unpool(G, 0, codes, D, 0, D[0].size, D[0, 0].size, dbias, 0)

    G, codes = np.full(lanes, np.nan, dtype), np.full(lanes, 4, np.uint8)
    D, dbias = np.zeros((2, 2, lanes), dtype), np.zeros(lanes, dtype)
    call(G, codes, D, dbias)
    assert np.isnan(D[0, 0]).all()
    assert np.isnan(dbias).all()


@pytest.mark.parametrize(("m", "bound"), [(2, 4e-7), (4, 1.5e-6)])
def test_the_points_keep_float32_accurate(m, bound):
    """Sums over 256 channels, relative to the largest output; the plain sum's error is 2e-7."""
    rng, f = np.random.default_rng(1), matrices(m)
    d = np.maximum(rng.normal(size=(50, m + 2, m + 2, 256)), 0).astype("float32")
    k = rng.normal(size=(3, 3, 256)).astype("float32")
    exact = [
        [np.einsum("tijc,ijc->t", d[:, i : i + 3, j : j + 3], k, dtype="float64") for j in range(m)]
        for i in range(m)
    ]
    BT, AT = f.BT.astype("float32"), f.AT.astype("float32")
    U = np.einsum("ai,ijc,bj->abc", f.G, k, f.G).astype("float32")
    V = np.einsum("bj,tajc->tabc", BT, np.einsum("ai,tijc->tajc", BT, d))
    y = np.einsum("bj,taj->abt", AT, np.einsum("ai,tij->taj", AT, (U * V).sum(-1)))
    assert np.abs(y - exact).max() / np.abs(exact).max() < bound
