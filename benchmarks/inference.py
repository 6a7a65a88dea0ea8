"""Turns of inference: what a model makes of images, by whatever call is the fastest.

All take images (N, height, width, channels) as a NumPy array and return one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contender import Turn
from benchmarks.networks import WORK, build, images

# Ways to compute that may be the fastest, by who has them.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "tinyconv": {"predict": {}, "call": {"call": "call"}},
    "tf.keras": {
        "predict": {"jit_compile": False},
        "predict, XLA": {"jit_compile": True},
        "tf.function": {"call": "function", "jit_compile": False},
        "tf.function, XLA": {"call": "function", "jit_compile": True},
    },
    "torch": {
        "inference_mode": {},
        "traced, frozen": {"form": "frozen"},
        **({"torch.compile": {"form": "compiled"}} if shutil.which("c++") else {}),
    },
}


def repeated(
    infer: Callable[[np.ndarray], np.ndarray], x: np.ndarray, repeats: int, network: str
) -> Turn:
    """A turn of `repeats` calls on the same images; it returns the seconds of one."""

    def turn() -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            y = infer(x)
        seconds = (time.perf_counter() - started) / repeats
        if len(y) != len(x) or not np.isfinite(y).all():
            raise FloatingPointError(f"{network}: not a finite result for each image")
        return seconds

    return turn


def predict(
    library: str,
    network: str,
    count: int,
    repeats: int = 1,
    batch: int = 32,
    shape: tuple[int, int, int] | None = None,
    call: str = "predict",
    jit_compile: bool | None = None,
) -> Turn:
    """A turn of `model.predict` on `count` images, or of another way to call the model.

    Args:
        call: "predict"; "call" for `model(x)`, which leaves batches alone; "function" for
            the same inside a `tf.function`.
        jit_compile: whether TensorFlow uses XLA; None for tinyconv.
    """
    model = build(library, network, shape)
    x = images(shape or WORK[network].shape, count)
    if call == "predict":
        if jit_compile is not None:
            model.compile(jit_compile=jit_compile)
        return repeated(
            lambda x: model.predict(x, batch_size=batch, verbose=0), x, repeats, network
        )
    if call == "call":
        return repeated(lambda x: np.asarray(model(x)), x, repeats, network)
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), jit_compile=jit_compile)
    return repeated(lambda x: function(tf.constant(x)).numpy(), x, repeats, network)


def torch_predict(
    network: str,
    count: int,
    repeats: int = 1,
    batch: int = 32,
    shape: tuple[int, int, int] | None = None,
    form: str = "eager",
) -> Turn:
    """The same by PyTorch, in channels_last and inference_mode.

    Args:
        form: "eager"; "frozen" for a traced model whose BatchNormalization is folded;
            "compiled" by `torch.compile`, frozen as well, which needs a C++ compiler.
    """
    import torch

    from benchmarks import torch_networks

    shape = shape or WORK[network].shape
    model: Any = torch_networks.build(network, shape).eval()
    x = images(shape, count)
    if form == "frozen":
        model = frozen(model, torch_networks.channels_last(x[:batch]))
    elif form == "compiled":
        model = compiled(model)

    def infer(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            pixels = torch_networks.channels_last(x)
            parts = [model(pixels[n : n + batch]) for n in range(0, len(x), batch)]
            made: np.ndarray = (torch.cat(parts) if len(parts) > 1 else parts[0]).numpy()
            return made

    return repeated(infer, x, repeats, network)


def frozen(model: Any, pixels: Any) -> Any:
    """The PyTorch model traced for such images, with its weights as constants."""
    import torch

    with torch.inference_mode():
        traced = torch.jit.trace(model, pixels)
        return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def compiled(model: Any) -> Any:
    """The PyTorch model compiled at its first call, with its weights as constants."""
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True
    return torch.compile(model)
