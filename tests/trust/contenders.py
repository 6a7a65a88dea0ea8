"""Who computes a configuration: the backends, their algorithms, and how a layer is made of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import tinyconv
from parity.case import Results
from parity.data import draw as draw_values
from parity.sides import Side, Tinyconv
from parity.sides.base import fill_weights
from tests.backends.cuda import host
from tests.strategies import lay_out
from tests.trust.drawing import Config
from tinyconv import backends
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.numba.convolution.case import ConvCase
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS


class Contender(NamedTuple):
    """A backend, and the algorithm it is asked for; "host" is the GPU's on the processor."""

    backend: str
    conv: str | None = None

    @property
    def name(self) -> str:
        return self.backend + (f" {self.conv}" if self.conv else "")

    def applies(self, config: Config) -> bool:
        """Whether the algorithm can do one of the operations of the configuration."""
        if self.conv is None:
            return True
        cls, arguments = config.layers[0]
        if cls != "Conv2D" or config.empty:
            return False
        layer = tinyconv.layers.Conv2D(**arguments)
        case = ConvCase(
            config.shape[0], layer.window(config.shape), config.shape[3], layer.filters,
            layer.groups, np.dtype(config.dtype),
        )  # fmt: skip
        algorithm = ALGORITHMS[self.conv]
        return any(
            algorithm.reason_against(case._replace(operation=operation)) is None
            for operation in ("forward", "dx", "dkernel")
        )


CONTENDERS = (
    Contender("numpy"), Contender("numba"), *(Contender("numba", name) for name in ALGORITHMS),
)  # fmt: skip
HOST = Contender("host")


def contend(config: Config, contender: Contender) -> Results:
    """What the contender computes."""
    name = contender.backend
    if name == "host":  # `use_backend("cupy")` takes the host's device
        name = "cupy"
        if (key := ("cupy", None, False)) not in backends._loaded:
            backends._loaded[key] = CudaBackend(host.HostDevice())
    side = Tinyconv(name if contender.conv is None else "numpy")
    with side.precision(config.dtype), tinyconv.use_backend(name, contender.conv):
        results = compute(side, config)
    for value in results.values():
        if np.issubdtype(value.dtype, np.floating) and value.dtype != config.dtype:
            raise TypeError(f"{value.dtype} where the layer is of {config.dtype}")
    return results


def inputs_of(config: Config) -> Any:
    """The array, or the list of arrays."""
    shapes = config.shape if isinstance(config.shape, list) else [config.shape]
    xs = [
        lay_out(draw_values(config.values, shape, config.index, place).astype(config.dtype),
                config.layout)
        for place, shape in enumerate(shapes)
    ]  # fmt: skip
    return xs if isinstance(config.shape, list) else xs[0]


def made(side: Side, config: Config) -> Any:
    """The layer, or a model of the chain, with weights drawn by name."""
    library = side.library
    chain = [
        getattr(library.layers, cls)(**{"name": f"l{place}", **arguments})
        for place, (cls, arguments) in enumerate(config.layers)
    ]
    if len(chain) > 1:
        layer = library.Sequential([library.Input(config.shape[1:]), *chain])
    else:
        layer = chain[0]
        side.build(layer, config.shape)
    fill_weights(layer, config.dtype)
    return layer


def compute(side: Side, config: Config) -> Results:
    """Forward and backward on that side, whose precision is that of the configuration."""
    return side.layer(made(side, config), [inputs_of(config)], config.training)
