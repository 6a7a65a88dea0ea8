"""Bytes and operations of each kernel, against those counted by hand."""

import pytest

from benchmarks.gpu import kernels
from benchmarks.gpu.kernel_list import Draw, numba_cuda_kernels
from benchmarks.gpu.kernel_list import kernels as kernel_list
from benchmarks.gpu.measuring import Ceilings
from tests.benchmarks.gpu.fakes import FakeCard
from tinyconv.backends import load

KERNELS = {kernel.name: kernel for kernel in kernel_list(2, 4)}

# 2 images of 4 x 4 x 128 are 4,096 numbers, 16,384 bytes; pooled 1,024; 128 channels, 512 bytes.
# By hand: what is read + what is written; operations.
COUNTED = {
    "gather a batch": (1024 * 784 * 4 + 1024 * 8 + 1024 * 784 * 4, 0),
    "bias + ReLU": (16384 + 512 + 16384, 4096 + 4096),
    "gradient of bias + ReLU": (16384 + 16384 + 16384 + 512, 4096 + 4096),
    "dropout": (16384 + 16384 + 4096, 4096),
    "gradient of dropout": (16384 + 4096 + 16384, 4096),
    "max-pool 2x2": (16384 + 4096 + 1024, 1024 * 3),
    "gradient of max-pool 2x2": (4096 + 1024 + 16384, 0),
    "average-pool 2x2": (16384 + 4096, 1024 * (3 + 1)),
    "gradient of average-pool 2x2": (4096 + 16384, 1024),
    # x twice, gamma, beta; y, mean, variance.
    "batch norm": (2 * 16384 + 2 * 512 + 16384 + 2 * 512, 4096 * (1 + 3 + 2)),
    # dy and x twice, gamma, mean, variance; dx, dgamma, dbeta.
    "gradient of batch norm": (4 * 16384 + 3 * 512 + 16384 + 2 * 512, 4096 * (1 + 3 + 4)),
    "batch norm, inference": (16384 + 4 * 512 + 16384, 4096 * 2),
    # logits, classes, weights; losses, p, dlogits of 1,024 samples in 1,000 classes.
    "softmax + cross-entropy": (4096000 + 8192 + 4096 + 4096 + 4096000 + 4096000, 6 * 1024000),
    "sigmoid + cross-entropy": (2 * 4096000 + 4096 + 4096 + 2 * 4096000, 12 * 1024000),
    # 524,288 parameters: parameter, gradient, slots; the parameter and the slots again.
    "SGD with momentum": (3 * 2097152 + 2 * 2097152, 4 * 524288),
    "RMSprop": (3 * 2097152 + 2 * 2097152, 9 * 524288),
    "Adam": (4 * 2097152 + 3 * 2097152, 12 * 524288),
    # 2 images of 4 x 4 x 64: 8,192 bytes, as columns nine times that.
    "im2col 3x3": (8192 + 9 * 8192, 0),
    "col2im 3x3": (9 * 8192 + 8192, 9 * 2048),
    "matrix product": (3 * 64 * 64 * 4, 2 * 64 * 64 * 64),
}


def test_every_kernel_is_counted_by_hand():
    assert list(KERNELS) == list(COUNTED)


@pytest.mark.parametrize("name", COUNTED)
def test_bytes_and_operations(name):
    assert tuple(KERNELS[name].cost) == COUNTED[name]


def test_numba_cudas_kernels_are_counted_as_the_others():
    """By what they compute; the pool has half as many channels here."""
    columns, image, pool = (kernel.cost for kernel in numba_cuda_kernels(2, 4))
    assert (columns, image) == (KERNELS["im2col 3x3"].cost, KERNELS["col2im 3x3"].cost)
    assert [2 * each for each in pool] == list(KERNELS["max-pool 2x2"].cost)


@pytest.mark.parametrize("name", KERNELS)
def test_what_is_moved_is_what_is_counted(name):
    """By the arrays that the textbook takes and returns, places and second looks aside."""
    kernel, backend = KERNELS[name], load("numpy")
    inputs = kernel.inputs(Draw(backend))
    results = kernel.call(backend, *inputs)
    written = (
        {id(each): each for each in results if each is not None}
        if type(results) is tuple
        else {0: results}
    )
    places = inputs[1:] if name == "gradient of max-pool 2x2" else ()
    moved = 0
    for each in [*inputs, *written.values()]:
        if each is None:
            continue
        in_places = any(each is place for place in places)
        integers = each.dtype.kind in "iu" and name.endswith("max-pool 2x2")
        moved += each.size if in_places or integers else each.nbytes
    if results is None:  # in place: all but the gradient are written
        moved += sum(each.nbytes for n, each in enumerate(inputs) if n != 1)
    again = {"batch norm": 16384, "gradient of batch norm": 2 * 16384}.get(name, 0)
    assert moved + again == kernel.cost.bytes


@pytest.mark.parametrize("name", KERNELS)
def test_sets_of_inputs_are_different_ones(name):
    draw = Draw(load("numpy"))
    first, second = KERNELS[name].inputs(draw), KERNELS[name].inputs(draw)
    assert all(a is not b and a.shape == b.shape for a, b in zip(first, second, strict=True))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_numbers_and_line_of_a_kernel(capsys):
    roofs = Ceilings(copy=1e9, gemm=1e12, gemm_tf32=1e12)
    kernel = KERNELS["bias + ReLU"]  # 33,280 bytes
    found = kernels.numbers(kernel, [66.56e-6, 66.56e-6, 1.0], roofs)
    assert found["median"] == 66.56e-6
    assert found["bytes_per_second"] == pytest.approx(5e8)
    assert found["of_copy"] == found["of_roof"] == pytest.approx(0.5)
    assert found["bound"] == "copy"
    line = kernels.row(kernel.name, found)
    assert line.split() == [
        "bias",
        "+",
        "ReLU",
        "2x4x4x128",
        "66.6",
        "0",
        "0.00",
        "50%",
        "of",
        "copy",
    ]
    measured = kernels.measure(FakeCard(), kernel, roofs, 3)
    assert len(measured["bias + ReLU"]["seconds"]) == 3
    assert "bias + ReLU" in capsys.readouterr().out
