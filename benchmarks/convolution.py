"""Turns of one operation of one convolution: by an algorithm of ours, tf.keras' and PyTorch's.

    forward   z = convolution of x and the kernel; with `epilogue` relu(z + bias)
    dx        the gradient of x by that of z
    dkernel   the gradient of the kernel by that of z

All have the same numbers, laid out as each likes them. A case comes as plain numbers: what
imports Numba in the process of a peer might change the threads of that peer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contender import Turn
from tinyconv.geometry import Window, slide


class Case(NamedTuple):
    """A convolution of images.

    Attributes:
        batch: images at a time.
        window: how the kernel slides over an image.
        channels, filters: of all groups together.
        groups: slices of channels and filters that see only each other.
        operation: "forward", "dx" or "dkernel".
    """

    batch: int
    window: Window
    channels: int
    filters: int
    groups: int
    operation: str

    @property
    def products(self) -> int:
        """Multiply-adds of the plain sum, those on the zeros around an image included."""
        (OH, OW), (KH, KW) = self.window.output, self.window.size
        return self.batch * OH * OW * KH * KW * self.channels // self.groups * self.filters


class Numbers(NamedTuple):
    """The same random ones for everybody: images, a kernel, slopes of the result, a bias."""

    x: np.ndarray
    kernel: np.ndarray
    dz: np.ndarray
    bias: np.ndarray


def numbers(case: Case) -> Numbers:
    """float32, from -1/2 to 1/2."""
    generator, window = np.random.default_rng(0), case.window
    shapes = (
        (case.batch, *window.input, case.channels),
        (*window.size, case.channels // case.groups, case.filters),
        (case.batch, *window.output, case.filters),
        (case.filters,),
    )
    return Numbers(*(generator.random(shape, np.float32) - np.float32(0.5) for shape in shapes))


def repeated(call: Callable[[], Any], least: float, parts: int = 1) -> Turn:
    """A turn of so many calls that they take `least` seconds; it returns the seconds of one.

    Args:
        parts: of the work, of which a call does one only.
    """
    repeats = 0

    def turn() -> float:
        nonlocal repeats
        if not repeats:
            call()  # compiles
            started = time.perf_counter()
            call()
            repeats = max(1, min(1000, round(least / (time.perf_counter() - started))))
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - started) / repeats * parts

    return turn


def _cannot() -> float:
    """A turn of who can't do a case."""
    return math.nan


# ---- ours ---------------------------------------------------------------------------------


def by_tinyconv(algorithm: str, case: Case, least: float, epilogue: bool) -> Turn:
    """By one of the algorithms of the backend "numba", or by "textbook", the backend "numpy"."""
    from tinyconv import backends
    from tinyconv.backends.base import Activation

    if algorithm == "textbook":
        backend = backends.load("numpy")
    else:
        from tinyconv.backends.numba.convolution.case import ConvCase
        from tinyconv.backends.numba.convolution.chooser import ALGORITHMS

        if ALGORITHMS[algorithm].reason_against(ConvCase(*case[:5], np.dtype("f4"), case[5])):
            return _cannot
        backend = backends.load("numba", algorithm)
    (x, kernel, dz, bias), window, groups = numbers(case), case.window, case.groups
    relu = Activation("relu")

    # A new kernel each time, as in training: else Winograd would keep the transformed one.
    def forward() -> Any:
        if epilogue:
            return backend.conv_block(x, kernel.copy(), bias, window, groups, relu, None, False)
        return backend.conv2d(x, kernel.copy(), window, groups)

    calls: dict[str, Callable[[], Any]] = {
        "forward": forward,
        "dx": lambda: backend.conv2d_input_gradient(dz, kernel.copy(), window, groups),
        "dkernel": lambda: backend.conv2d_kernel_gradient(x, dz, window, groups),
    }
    return repeated(calls[case.operation], least)


def by_loops(compiled: bool, case: Case, least: float) -> Turn:
    """By the six loops of naive.py, stride 1 and no dilation; `compiled` by Numba for one thread.

    Python itself does one image and one filter, and the time is multiplied by what is left out.
    """
    from benchmarks import naive

    parts = 1
    if not compiled:
        parts, case = case.batch * case.filters, case._replace(batch=1, filters=1)
    x, kernel, dz, _ = numbers(case)
    padded = np.pad(x, ((0, 0), *case.window.padding, (0, 0)))
    arguments = {
        "forward": (padded, kernel, np.empty_like(dz)),
        "dx": (dz, kernel, np.zeros_like(padded)),
        "dkernel": (padded, dz, np.zeros_like(kernel)),
    }[case.operation]
    function = getattr(naive, case.operation)
    if compiled:
        from numba import njit

        function = njit(function)
    return repeated(lambda: function(*arguments), least, parts)


# ---- the peers ------------------------------------------------------------------------------


def by_torch(case: Case, least: float, epilogue: bool) -> Turn:
    """By PyTorch, images and kernel in channels_last."""
    import torch
    from torch.nn.functional import conv2d

    from benchmarks.torch_networks import channels_last

    window, groups = case.window, case.groups
    if any(before != after for before, after in window.padding):
        return _cannot
    made = numbers(case)
    x, dz, bias = channels_last(made.x), channels_last(made.dz), torch.from_numpy(made.bias)
    kernel = torch.from_numpy(made.kernel).permute(3, 2, 0, 1)
    kernel = kernel.contiguous(memory_format=torch.channels_last)
    steps = list(window.strides), [before for before, _ in window.padding], list(window.dilation)

    def forward() -> Any:
        if epilogue:
            return conv2d(x, kernel, bias, *steps, groups).relu_()
        return conv2d(x, kernel, None, *steps, groups)

    def backward(*wanted: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            dz, x, kernel, None, *steps, False, [0, 0], groups, [*wanted, False]
        )

    calls = {
        "forward": forward,
        "dx": lambda: backward(True, False),
        "dkernel": lambda: backward(False, True),
    }

    def call() -> Any:
        with torch.inference_mode():
            return calls[case.operation]()

    return repeated(call, least)


def by_keras(case: Case, least: float, epilogue: bool, jit_compile: bool = False) -> Turn:
    """By the operations of TensorFlow that tf.keras calls, in a `tf.function`."""
    import tensorflow as tf

    made, window = numbers(case), case.window
    if case.groups > 1 or window.dilation != (1, 1):
        return _cannot  # TensorFlow has no gradients of these on a CPU
    how = {
        "strides": [1, *window.strides, 1],
        "dilations": [1, *window.dilation, 1],
        **_keras_padding(window),
    }

    def forward(x: Any, kernel: Any, bias: Any) -> Any:
        z = tf.raw_ops.Conv2D(input=x, filter=kernel, **how)
        return tf.nn.relu(tf.nn.bias_add(z, bias)) if epilogue else z

    def dx(x: Any, kernel: Any, dz: Any) -> Any:
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=made.x.shape, filter=kernel, out_backprop=dz, **how
        )

    def dkernel(x: Any, kernel: Any, dz: Any) -> Any:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=made.kernel.shape, out_backprop=dz, **how
        )

    # As arguments: what a function finds around it would be a constant, computed with once.
    last = made.bias if case.operation == "forward" else made.dz
    arguments = [tf.constant(each) for each in (made.x, made.kernel, last)]
    functions = {"forward": forward, "dx": dx, "dkernel": dkernel}
    function = tf.function(functions[case.operation], jit_compile=jit_compile)
    return repeated(lambda: function(*arguments), least)


def _keras_padding(window: Window) -> dict[str, Any]:
    """By name where it has one: its kernels for these are the usual ones."""
    for name in ("valid", "same"):
        try:
            named = slide(window.input, window.size, window.strides, name, window.dilation)
        except ValueError:
            continue
        if named == window:
            return {"padding": name.upper()}
    (top, bottom), (left, right) = window.padding
    return {"padding": "EXPLICIT", "explicit_paddings": [0, 0, top, bottom, left, right, 0, 0]}
