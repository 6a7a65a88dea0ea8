"""`python -m benchmarks conv`, and what it measures."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import convolution, naive
from benchmarks.__main__ import main
from benchmarks.conv import layers, peak
from benchmarks.convolution import Case, repeated
from tests.reference import convolution as plain
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import slide


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The file, the picture and what is shown, of the smallest run."""
    folder = tmp_path_factory.mktemp("conv")
    numbers, picture = folder / "conv.json", folder / "conv.png"
    main(
        ["conv", "--quick", "--rounds", "2", "--contenders", "numba", "tf.keras", "--json",
         str(numbers), "--plot", str(picture)]
    )  # fmt: skip
    return json.loads(numbers.read_text())["results"], picture


def test_every_layer_by_every_algorithm_that_can(measured):
    found, picture = measured
    assert found["peak GFLOP/s"] > 1
    assert len(found["layers"]) == 6
    first = found["layers"]["cnn: 2x28x28x1 3x3 32 forward"]
    assert (first["network"], first["operation"]) == ("cnn", "forward")
    for row in found["layers"].values():
        assert row["chosen"] in row["GFLOP/s"]
        assert set(row["GFLOP/s"]) >= {"im2col", "implicit_gemm", "tf.keras"}
        assert set(row["GFLOP/s"]) <= {*ALGORITHMS, "tf.keras"}
        assert "pointwise" not in row["GFLOP/s"]
        assert min(row["GFLOP/s"].values()) > 0
        assert [len(values) for values in row["seconds"].values()] == [2] * len(row["GFLOP/s"])
        assert row["fastest_peer"] == "tf.keras"
        assert 0 < row["ratio_to_fastest_peer"]["low"] <= row["ratio_to_fastest_peer"]["high"]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_only_a_network_that_there_is():
    with pytest.raises(SystemExit, match="none of these: cnn"):
        main(["conv", "--quick", "--only", "vgg19"])


def test_shapes_of_a_network_come_once():
    cases = [case for _, case in layers("vgg16", 32)]
    assert len(cases) == len(set(cases)) == 27  # 13 layers, of which 9 shapes, 3 operations
    first = cases[0]
    assert first.products == first.batch * 160 * 160 * 9 * 3 * 64


def test_the_peak_is_a_speed():
    assert 1 < peak()() < 1e6


# ---- everybody computes the same -----------------------------------------------------------

STRIDED = slide((9, 8), (3, 3), (2, 2), "valid")
SAME = slide((6, 5), (3, 3), (1, 1), "same")
EXPECTED = {
    "forward": lambda made, window: plain.conv2d(made.x, made.kernel, window),
    "dx": lambda made, window: plain.conv2d_input_gradient(made.dz, made.kernel, window),
    "dkernel": lambda made, window: plain.conv2d_kernel_gradient(made.x, made.dz, window),
}


def results(monkeypatch, factory, *arguments, **options):
    """What the calls of a turn return."""
    found = []
    monkeypatch.setattr(convolution, "repeated", lambda call, *_: found.append(call) or call)
    factory(*arguments, **options)
    return found[0]()


@pytest.mark.parametrize("window", [SAME, STRIDED])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("who", ["textbook", "im2col", "keras", "torch"])
def test_all_compute_the_same(monkeypatch, who, operation, window):
    case = Case(2, window, 3, 4, 1, operation)
    shared = {"case": case, "least": 0.0, "epilogue": False}
    if who == "torch":
        if not find_spec("torch"):
            return  # no requirement of the tests
        found = results(monkeypatch, convolution.by_torch, **shared)
        if operation == "dkernel":
            found = found[1].permute(2, 3, 1, 0)
        else:
            found = (found[0] if operation == "dx" else found).permute(0, 2, 3, 1)
    elif who == "keras":
        found = results(monkeypatch, convolution.by_keras, **shared)
    else:
        found = results(monkeypatch, convolution.by_tinyconv, algorithm=who, **shared)
    expected = EXPECTED[operation](convolution.numbers(case), window)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-4, atol=1e-5)


def test_with_bias_and_relu_all_compute_the_same(monkeypatch):
    case = Case(2, SAME, 3, 4, 1, "forward")
    made, shared = convolution.numbers(case), {"case": case, "least": 0.0, "epilogue": True}
    expected = np.maximum(plain.conv2d(made.x, made.kernel, SAME) + made.bias, 0)
    ours, _ = results(monkeypatch, convolution.by_tinyconv, algorithm="implicit_gemm", **shared)
    keras = results(monkeypatch, convolution.by_keras, **shared)
    for found in (ours, np.asarray(keras)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_six_loops():
    case = Case(2, SAME, 3, 4, 1, "forward")
    made = convolution.numbers(case)
    padded = np.pad(made.x, ((0, 0), *SAME.padding, (0, 0)))
    z, dx, dkernel = (np.zeros_like(each) for each in (made.dz, padded, made.kernel))
    naive.forward(padded, made.kernel, z)
    naive.dx(made.dz, made.kernel, dx)
    naive.dkernel(padded, made.dz, dkernel)
    found = {"forward": z, "dx": dx[:, 1:-1, 1:-1], "dkernel": dkernel}
    for operation, expected in EXPECTED.items():
        np.testing.assert_allclose(found[operation], expected(made, SAME), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_turn_of_loops(compiled, operation):
    assert convolution.by_loops(compiled, Case(2, SAME, 3, 4, 1, operation), 0.0)() > 0


def test_a_part_of_the_work_is_scaled():
    assert repeated(lambda: None, 0.0, parts=10**9)() > 1


def test_who_cannot_do_a_case_says_so():
    case = Case(1, STRIDED, 3, 4, 1, "forward")
    assert np.isnan(convolution.by_tinyconv("winograd_4x4", case, 0.0, True)())
