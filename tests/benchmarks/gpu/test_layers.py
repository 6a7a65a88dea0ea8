"""Layers: what they need, what is asked of each library, and what is made of the times."""

from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.conv import layers as layers_of
from benchmarks.convolution import Case
from benchmarks.gpu import algorithms, layers
from benchmarks.gpu.measuring import Ceilings
from tests.reference import convolution as plain
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import slide

SAME = slide((6, 5), (3, 3), (1, 1), "same")
HALVES = slide((9, 7), (3, 3), (2, 2), "valid")
ROOFS = Ceilings(copy=1e9, gemm=1e12, gemm_tf32=4e12)


def test_bytes_and_operations_of_the_first_layer():
    """2 images of 28 x 28 x 1, 32 filters of 3 x 3: 1,568 and 50,176 numbers, and 288."""
    for operation in OPERATIONS:
        case = Case(2, slide((28, 28), (3, 3), (1, 1), "same"), 1, 32, 1, operation)
        assert layers.cost(case).bytes == 4 * (1568 + 50176 + 288)
        assert layers.cost(case).flops == 2 * (2 * 28 * 28) * 9 * 32


def test_batches_are_not_cut():
    found = layers_of("vgg16", 32, most=float("inf"))
    assert {case.batch for _, case in found} == {32}
    assert len(found) == 27


def test_all_layers_of_all_networks_can_be_asked_of_pytorch():
    for network, batch in layers.NETWORKS.items():
        for _, case in layers_of(network, batch, most=float("inf")):
            assert min(layers.symmetric(case)) >= 0
    with pytest.raises(ValueError, match="both sides alike"):
        layers.symmetric(Case(1, slide((8, 8), (3, 3), (2, 2), "same"), 1, 1, 1, "dx"))


@pytest.mark.parametrize("window", [SAME, HALVES])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("who", ["tinyconv", *(["torch"] if find_spec("torch") else [])])
def test_what_is_measured_is_the_operation(monkeypatch, who, operation, window):
    """With operands that are noted, the result is that of the naive loops."""
    calls, operands = [], []
    monkeypatch.setattr(layers, "_turn", lambda _card, _case, make: calls.append(make()))
    case = Case(2, window, 3, 4, 1, operation)
    fakes = "tests.benchmarks.gpu.fakes:"

    def note(array):
        operands.append(array.copy() if type(array) is np.ndarray else array.numpy().copy())
        return array

    if who == "torch":
        import torch

        randn = torch.randn
        monkeypatch.setattr(torch, "randn", lambda *a, **k: note(randn(*a, **k)))
        layers.by_torch(fakes + "FakeTorchCard", False, case)
    else:

        class Generator:
            def standard_normal(self, shape, dtype):
                return note(np.random.standard_normal(shape).astype(dtype))

        monkeypatch.setattr(np.random, "default_rng", lambda seed: Generator())
        layers.by_tinyconv(fakes + "FakeCard", False, case)
    (call,), (x, kernel, dz) = calls, operands
    found = call()
    if who == "torch":
        axes = (2, 3, 1, 0) if operation == "dkernel" else (0, 2, 3, 1)
        found = next(each for each in found if each is not None) if type(found) is tuple else found
        found = found.permute(axes).numpy()
    expected = {
        "forward": lambda: plain.conv2d(x, kernel, window),
        "dx": lambda: plain.conv2d_input_gradient(dz, kernel, window),
        "dkernel": lambda: plain.conv2d_kernel_gradient(x, dz, window),
    }[operation]()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_numbers_and_line_of_a_layer():
    case = Case(2, SAME, 3, 4, 1, "forward")
    own = {layers.OURS: [2e-3, 4e-3, 6e-3], layers.CUDNN: [1e-3, 4e-3, 3e-3]}
    found = layers.numbers("cnn", case, own, ROOFS, tf32=False)
    assert found["medians"] == {layers.OURS: 4e-3, layers.CUDNN: 3e-3}
    assert found["ratio_to_cudnn"] == 2.0  # of 2, 1, 2: round by round
    assert found["flops_per_second"][layers.OURS] == pytest.approx(2 * case.products / 4e-3)
    line = layers.row("a layer", found).split()
    assert line[:8] == ["a", "layer", "4000.0", "0.00", "3000.0", "0.00", "2.00", "0%"]
    alone = layers.numbers("cnn", case, {layers.OURS: [1.0]}, ROOFS, tf32=True)
    assert "ratio_to_cudnn" not in alone
    assert layers.slowest({"a": alone}) == ""


def test_the_slowest_of_the_forward_passes_is_named():
    case = Case(2, SAME, 3, 4, 1, "forward")

    def found(ratio, tf32, operation="forward"):
        own = {layers.OURS: [ratio], layers.CUDNN: [1.0]}
        return layers.numbers("cnn", case._replace(operation=operation), own, ROOFS, tf32)

    told = layers.slowest({
        "a": found(1.1, False), "b": found(1.2, False), "c": found(9.0, False, "dx"),
        "d": found(0.9, True),
    })  # fmt: skip
    assert told.endswith("float32: at most 1.20 (b); TF32: at most 0.90 (d)")


def test_a_choice_that_was_not_the_fastest_is_told():
    found = {
        "a": {"chosen": "im2col", "medians": {"im2col": 3e-6, "direct": 2e-6}},
        "b": {"chosen": "direct", "medians": {"im2col": 3e-6, "direct": 2e-6}},
    }
    assert algorithms.missed(found).endswith("for 1 of 2; at worst 1.50 times (a)")
    assert algorithms.row("a", found["a"]).split() == ["a", "im2col", "3.0*", "direct", "2.0"]
