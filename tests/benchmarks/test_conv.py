"""`python -m benchmarks conv`."""

import json

from benchmarks.__main__ import main
from benchmarks.conv import flops, layers
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS


def test_every_layer_by_every_algorithm_that_can(tmp_path, capsys):
    numbers = tmp_path / "conv.json"
    main(["conv", "--quick", "--rounds", "1", "--json", str(numbers)])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ALGORITHMS)
    found = json.loads(numbers.read_text())["results"]
    assert found.pop("peak GFLOP/s") > 1
    assert next(iter(found)) == "cnn: 2x28x28x1 3x3 32 forward"
    assert len(found) == 6
    for case in found.values():
        assert case["chosen"] in case["GFLOP/s"]
        assert set(case["GFLOP/s"]) >= {"im2col", "implicit_gemm"}
        assert "pointwise" not in case["GFLOP/s"]
        assert min(case["GFLOP/s"].values()) > 0


def test_shapes_of_a_network_come_once():
    cases = [case for _, case in layers("vgg16", 32)]
    assert len(cases) == len(set(cases)) == 27  # 13 layers, of which 9 shapes, 3 operations
    first = cases[0]
    assert flops(first) == 2 * first.batch * 160 * 160 * 9 * 3 * 64
