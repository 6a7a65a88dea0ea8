"""The functional models that are compared, and inputs for them."""

from __future__ import annotations

from typing import Any

from parity.cases.graph import Call, Graph
from parity.cases.network import Described
from parity.data import draw

N = 4  # samples


def _dense(units: int, activation: str | None = "tanh") -> Described:
    return "Dense", {"units": units, "activation": activation}


def _conv(filters: int, **arguments: Any) -> Described:
    return "Conv2D", {"filters": filters, "kernel_size": 3, "padding": "same", **arguments}


_NORM: Described = ("BatchNormalization", {"momentum": 0.5})
_RELU: Described = ("ReLU", {})
_ADD: Described = ("Add", {})
_JOIN: Described = ("Concatenate", {})

DIAMOND = Graph(
    ((5,),),
    (_dense(6), _dense(4), _dense(4, "sigmoid"), _ADD, _dense(3, None)),
    (Call(0, (0,)), Call(1, (1,)), Call(2, (1,)), Call(3, (2, 3)), Call(4, (4,))),
    (5,),
)
SHARED = Graph(
    ((5,), (5,)),
    (_dense(4), _JOIN, _dense(3, None)),
    (Call(0, (0,)), Call(0, (1,)), Call(1, (2, 3)), Call(2, (4,))),
    (5,),
)
DEEP_SHARED = Graph(  # one layer three times, twice in a row
    ((4,),),
    (_dense(4), _ADD),
    (Call(0, (0,)), Call(0, (1,)), Call(0, (2,)), Call(1, (1, 3, 0))),
    (4,),
)
TWICE = Graph(((4,),), (_dense(4), _ADD), (Call(0, (0,)), Call(1, (1, 1, 0))), (2,))
RESIDUAL = Graph(
    ((5, 4, 2),),
    (
        _conv(4), _NORM, _RELU, _conv(4, use_bias=False), _NORM, _ADD, _RELU,
        ("GlobalAveragePooling2D", {}), _dense(3, "softmax"),
    ),
    (
        Call(0, (0,)), Call(1, (1,)), Call(2, (2,)), Call(3, (3,)), Call(4, (4,)),
        Call(5, (5, 3)), Call(6, (6,)), Call(7, (7,)), Call(8, (8,)),
    ),
    (9,),
)  # fmt: skip
SHARED_CONV = Graph(
    ((5, 4, 2), (5, 4, 2)),
    (_conv(3, activation="relu"), _NORM, _JOIN, ("Flatten", {}), _dense(2, None)),
    (
        Call(0, (0,)), Call(0, (1,)), Call(1, (2,)), Call(1, (3,)), Call(2, (4, 5)), Call(3, (6,)),
        Call(4, (7,)),
    ),
    (8,),
)  # fmt: skip
TWO_BY_TWO = Graph(
    ((6, 5, 2), (3,)),
    (
        _conv(4, activation="relu"), ("GlobalMaxPooling2D", {}), _dense(4), _JOIN,
        _dense(3, "softmax"), _dense(1, "sigmoid"),
    ),
    (
        Call(0, (0,)), Call(1, (2,)), Call(2, (1,)), Call(3, (3, 4)), Call(4, (5,)), Call(5, (4,)),
    ),
    (6, 7),
)  # fmt: skip
INNER = DIAMOND._replace(outputs=(5, 1, 4))
INNER_SOFTMAX = Graph(
    ((5,),),
    (_dense(4), _dense(3, "softmax"), _dense(2, None)),
    (Call(0, (0,)), Call(1, (1,)), Call(2, (2,))),
    (2, 3),
)
_BLOCK = Graph(
    ((5,), (5,)), (_dense(4), _ADD), (Call(0, (0,)), Call(0, (1,)), Call(1, (2, 3))), (4, 2)
)
NESTED = Graph(
    ((5,), (5,)),
    (_BLOCK, _dense(5), _JOIN, _dense(3, None)),
    # the block gives two values a call, and is called again on what became of them
    (Call(0, (0, 1)), Call(1, (2,)), Call(0, (4, 1)), Call(2, (3, 5, 6)), Call(3, (7,))),
    (8,),
)
_TOWER = Graph(((5,),), (_dense(5), _NORM, _ADD), (Call(0, (0,)), Call(1, (1,)), Call(2, (2, 0))),
               (3,))  # fmt: skip
DEEP = Graph(
    ((5,),),
    (Graph(((5,),), (_TOWER, _dense(5)), (Call(0, (0,)), Call(1, (1,)), Call(0, (2,))), (3,)),
     _dense(2, None)),
    (Call(0, (0,)), Call(1, (1,))),
    (2,),
)  # fmt: skip

GRAPHS: dict[str, Graph] = {
    "a diamond": DIAMOND,
    "a shared layer": SHARED,
    "a layer three times in a row": DEEP_SHARED,
    "one value twice": TWICE,
    "a residual block": RESIDUAL,
    "a shared convolution": SHARED_CONV,
    "two inputs, two outputs": TWO_BY_TWO,
    "inner outputs": INNER,
    "a model called twice": NESTED,
    "models in models": DEEP,
}


def inputs(graph: Graph, dtype: str) -> Any:
    """One array, or a list where the graph has several inputs."""
    xs = [draw("normal", (N, *shape), place).astype(dtype)
          for place, shape in enumerate(graph.inputs)]  # fmt: skip
    return xs if len(xs) > 1 else xs[0]
