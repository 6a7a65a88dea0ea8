"""The launcher on the host runs kernels as a GPU does, and complains where a GPU would not."""

import numpy as np
import pytest

from tests.backends.cuda import host
from tests.backends.cuda.host import HostDevice
from tinyconv.backends.cuda import device as devices

KERNELS = r"""
#include "common.cuh"

// Threads t of block b write who they are.
KERNEL(places, (int* x, int* y, int* z)) {
    const int t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const int b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int i = b * blockDim.x * blockDim.y * blockDim.z + t;
    x[i] = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = blockIdx.y * blockDim.y + threadIdx.y;
    z[i] = blockIdx.z * blockDim.z + threadIdx.z;
}

KERNEL(stride, (index_t count, const T* x, T factor, T* y)) {
    GRID_STRIDE(i, count) y[i] += factor * x[i];
}

// Each block reverses its numbers in shared memory; without the barrier it would not.
KERNEL(reverse, (const T* x, T* y)) {
    DYNAMIC_SHARED(T, tile);
    const int t = threadIdx.x, first = blockIdx.x * blockDim.x;
    tile[t] = x[first + t];
    __syncthreads();
    y[first + t] = tile[blockDim.x - 1 - t];
}

KERNEL(forgot_the_barrier, (const T* x, T* y)) {
    __shared__ T tile[64];
    const int t = threadIdx.x;
    tile[t] = x[t];
    y[t] = tile[63 - t];
}

KERNEL(reductions, (const T* x, T* sum, T* most)) {
    DYNAMIC_SHARED(T, scratch);
    const T value = x[blockIdx.x * blockDim.x + threadIdx.x];
    sum[blockIdx.x * blockDim.x + threadIdx.x] = block_sum(value, scratch);
    most[blockIdx.x * blockDim.x + threadIdx.x] = block_max(value, scratch);
}

KERNEL(some_return, (T* x)) {
    if (threadIdx.x >= 3) return;
    __syncthreads();
    x[threadIdx.x] = 1;
}

KERNEL(of_all_kinds, (const float* a, bool* b, unsigned char* c, long long d, T e, int f,
                      unsigned long long g, double* h)) {
    b[0] = true;
    c[0] = (unsigned char)f;
    h[0] = (double)a[0] + (double)d + (double)e + (double)g;
}

KERNEL(width, (index_t count, int* bytes)) {
    GRID_STRIDE(i, count) bytes[i] = sizeof(index_t);
}

KERNEL(optional, (const T* x, T* y)) { y[0] = x ? x[0] : (T)-1; }
"""


@pytest.fixture(scope="module", autouse=True)
def _kernels(tmp_path_factory: pytest.TempPathFactory):
    """kernels/tried.cu"""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "tried.cu").write_text(KERNELS)
    (folder / "common.cuh").write_text((devices.KERNELS / "common.cuh").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "KERNELS", folder)
        patch.setattr(host, "LIBRARIES", folder)
        host._library.cache_clear()
        yield
    host._library.cache_clear()


@pytest.fixture(params=[False, True], ids=["forward", "reverse"])
def device(request: pytest.FixtureRequest) -> HostDevice:
    return HostDevice(reverse=request.param)


def test_every_thread_of_every_block_runs_once(device: HostDevice):
    grid, block = (2, 3, 2), (4, 2, 3)
    size = np.prod(grid) * np.prod(block)
    found = [np.full(size, -1, np.int32) for _ in range(3)]
    device.launch_blocks("tried:places", "float32", grid, block, *found)
    extent = np.multiply(grid, block)
    assert sorted(zip(*found, strict=True)) == sorted(np.ndindex(*extent))


@pytest.mark.parametrize("count", [1, 255, 256, 257, 40_001])
def test_a_loop_over_the_grid(device: HostDevice, dtype: str, count: int):
    """Also where there are more elements than threads: each is seen once."""
    x, y = np.arange(count, dtype=dtype), np.ones(count, dtype)
    device.launch("tried:stride", dtype, count, x, 2.0, y)
    np.testing.assert_array_equal(y, 1 + 2 * x)


def test_nothing_is_launched_for_nothing(device: HostDevice):
    empty = np.empty(0, "float32")
    device.launch("tried:stride", "float32", 0, empty, 2.0, empty)
    device.launch_blocks("tried:reverse", "float32", (0, 1), 64, empty, empty, shared=256)


def test_barriers_and_shared_memory(device: HostDevice, dtype: str):
    x = np.arange(5 * 64, dtype=dtype)
    y = np.zeros_like(x)
    device.launch_blocks("tried:reverse", dtype, 5, 64, x, y, shared=64 * x.itemsize)
    np.testing.assert_array_equal(y.reshape(5, 64), x.reshape(5, 64)[:, ::-1])


def test_a_missing_barrier_shows():
    """In one of the two orders at least."""
    x = np.arange(1, 65, dtype="float32")
    results = []
    for reverse in (False, True):
        y = np.zeros_like(x)
        HostDevice(reverse).launch_blocks("tried:forgot_the_barrier", "float32", 1, 64, x, y)
        results.append(np.array_equal(y, x[::-1]))
    assert not all(results)


def test_sums_and_maxima_of_blocks(device: HostDevice, dtype: str):
    x = np.random.default_rng(0).standard_normal((3, 128)).astype(dtype)
    x[1, 77] = np.nan
    total, most = np.empty_like(x), np.empty_like(x)
    shared = 128 * x.itemsize
    device.launch_blocks("tried:reductions", dtype, 3, 128, x, total, most, shared=shared)
    for result, expected in ((total, x.sum(axis=1)), (most, x.max(axis=1))):
        same = np.broadcast_to(expected[:, None], x.shape)
        np.testing.assert_allclose(result, same, rtol=1e-4 if dtype == "float32" else 1e-12)


def test_a_barrier_that_not_all_threads_reach(device: HostDevice):
    x = np.zeros(8, "float32")
    with pytest.raises(RuntimeError, match=r"tried:some_return: some threads .* never reach"):
        device.launch_blocks("tried:some_return", "float32", 1, 8, x)
    device.launch("tried:stride", "float32", 8, np.ones(8, "float32"), 1.0, x)  # goes on


def test_arguments_of_all_kinds(device: HostDevice, dtype: str):
    kinds = ("float32", bool, "uint8", "float64")
    a, b, c, h = (np.zeros(1, kind) for kind in kinds)
    a[0] = 0.5
    numbers = np.int64(2**40), 0.25, 7, np.uint64(3)
    device.launch_blocks("tried:of_all_kinds", dtype, 1, 1, a, b, c, *numbers, h)
    assert (b[0], c[0], h[0]) == (True, 7, 2**40 + 3.75)


def test_no_array_is_a_null_pointer(device: HostDevice):
    y = np.zeros(1, "float32")
    device.launch_blocks("tried:optional", "float32", 1, 1, None, y)
    assert y[0] == -1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.zeros(3, "float64"), 1.0, np.zeros(3, "float32")), "got .*'\\*f8'"),
        ((np.zeros(3, "float32"), 1, np.zeros(3, "float32")), "got .*'i4'"),
        ((np.zeros(3, "float32"), 1.0), "takes 4 arguments, got 3"),
        ((np.zeros((3, 2), "float32")[:, 0], 1.0, np.zeros(3, "float32")), "not contiguous"),
        ((np.zeros(3, "float32"), None, np.zeros(3, "float32")), "got .*'None'"),
    ],
)
def test_arguments_that_a_gpu_would_take(device: HostDevice, arguments: tuple, said: str):
    with pytest.raises(AssertionError, match=said):
        device.launch("tried:stride", "float32", 3, *arguments)


def test_what_cuda_does_not_allow(device: HostDevice):
    x = np.zeros(4096, "float32")
    with pytest.raises(AssertionError, match="1024 threads"):
        device.launch_blocks("tried:reverse", "float32", 1, 2048, x, x)
    with pytest.raises(AssertionError, match="65535 blocks"):
        device.launch_blocks("tried:reverse", "float32", (1, 70_000), 1, x, x)
    with pytest.raises(AssertionError, match="shared memory"):
        device.launch_blocks("tried:reverse", "float32", 1, 1, x, x, shared=1 << 20)


def test_offsets_are_wide_where_an_int_is_not_enough(
    device: HostDevice, monkeypatch: pytest.MonkeyPatch
):
    """The kernel is then compiled with another index_t."""
    sizes = np.zeros(5, np.int32)
    device.launch("tried:width", "float32", 5, sizes)
    assert sizes.tolist() == [4] * 5
    monkeypatch.setattr(devices, "_INT_IS_ENOUGH", 4)
    device.launch("tried:width", "float32", 5, sizes)
    assert sizes.tolist() == [8] * 5


def test_lanes(device: HostDevice):
    """16 bytes at once, if every row begins at a multiple of 16 bytes."""
    x, y = np.zeros((6, 8), "float32"), np.zeros((6, 8), "float64")
    assert (device.lanes(8, x), device.lanes(8, y)) == (4, 2)
    assert device.lanes(6, x) == 1
    assert device.lanes(6, y) == 2
    assert device.lanes(8, x, x.reshape(-1)[1:]) == 1


def test_a_header_is_part_of_the_text_once():
    (devices.KERNELS / "twice.cuh").write_text('#pragma once\n#include "common.cuh"\nint a;\n')
    (devices.KERNELS / "twice.cu").write_text('#include "twice.cuh"\n#include "common.cuh"\n')
    text = devices.source("twice")
    assert text.count("typedef REAL T;") == 1
    assert "#include" not in text
    assert "#pragma once" not in text


def test_a_mistake_in_a_kernel_is_told_with_its_line(device: HostDevice):
    (devices.KERNELS / "wrong.cu").write_text('#include "common.cuh"\n\nint a = no_such_thing;\n')
    with pytest.raises(RuntimeError, match=r"wrong-\w+ does not compile[^$]*wrong\.cu:3:"):
        device.launch("wrong:any", "float32", 1)
