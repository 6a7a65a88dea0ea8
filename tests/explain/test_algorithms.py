"""Which algorithm convolves: the table."""

import pytest

import tinyconv
from tinyconv import explain, layers


def model() -> tinyconv.Sequential:
    inner = tinyconv.Sequential([tinyconv.Input((14, 14, 8)), layers.Conv2D(16, 3, name="inner")])
    return tinyconv.Sequential(
        [
            tinyconv.Input((28, 28, 1)),
            layers.Conv2D(8, 3, 2, padding="same", name="first"),
            layers.ReLU(),
            inner,
            layers.Conv2D(4, 1, name="last", dtype="float64"),
        ]
    )


def test_every_convolution_and_operation():
    rows = explain.algorithms(model(), batch_size=2)
    layer_names = [row.layer for row in rows]
    assert layer_names == ["first"] * 3 + ["inner"] * 3 + ["last"] * 3
    assert [row.case.operation for row in rows[:3]] == ["forward", "dx", "dkernel"]
    assert [row.name for row in rows[::3]] == ["direct", "winograd_4x4", "pointwise"]
    assert rows[0].case.batch == 2
    assert rows[8].case.dtype == "float64"


def test_inference_only():
    rows = explain.algorithms(model(), training=False)
    assert [row.case.operation for row in rows] == ["forward"] * 3


def test_as_a_table():
    lines = str(explain.algorithms(model(), training=False, conv="im2col")).splitlines()
    assert lines[0].split() == [
        "first", "28x28x1", "->", "8,", "3x3", "stride", "2", "forward", "im2col", "asked", "for",
    ]  # fmt: skip
    assert "stride" not in lines[1]


def test_unknown_sizes():
    net = tinyconv.Sequential([tinyconv.Input((None, None, 3)), layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="the size of its images is not known"):
        explain.algorithms(net)
