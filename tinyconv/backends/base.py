"""The contract: the operations a backend offers, with their shapes and meaning.

A layer calls these and nothing else, so the mathematics is written once per
backend and no layer asks which backend is in use. Several in a row, as one operation,
are in blocks.py; how a step of training is run is in execution.py. Arrays are NHWC
(batch, height, width, channels), convolution kernels HWIO (KH, KW, C // groups, F).

Rules for every operation: arguments may be non-contiguous, are float32 or
float64 and of one dtype, and are never changed unless the docstring says so.
NaN and infinity pass through. A result never shares memory with an argument, but for
the linear activation without bias, which hands on what it is given. Nothing here
checks what a user typed; the layers do.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from tinyconv.backends.blocks import Blocks
from tinyconv.backends.execution import Execution
from tinyconv.backends.values import ACTIVATIONS, LINEAR, NEED_INPUT, Activation, Array
from tinyconv.geometry import Pair, Window

__all__ = ["ACTIVATIONS", "LINEAR", "NEED_INPUT", "Activation", "Array", "Backend"]


class Backend(Blocks, Execution):
    """One way to compute: arrays of one kind, and the operations on them."""

    name: str
    xp: Any  # the array module (numpy, or cupy) for what is not worth an operation

    # ---- arrays -------------------------------------------------------------

    @abstractmethod
    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """This backend's array holding `values`; copied only if it must be."""

    @abstractmethod
    def to_numpy(self, x: Array) -> Array:
        """`x` as a NumPy array."""

    @abstractmethod
    def gather(self, x: Array, indices: Array, dtype: Any) -> Array:
        """Rows of a data set: x[indices] cast to `dtype`, the batch of one step."""

    @abstractmethod
    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """Matrix product (M, K) @ (K, N) -> (M, N), written to `out` where that is given."""

    @abstractmethod
    def zero_pad(self, x: Array, padding: tuple[Pair, Pair]) -> Array:
        """x (N, H, W, C) with ((top, bottom), (left, right)) rows and columns of zeros around."""

    # ---- convolution --------------------------------------------------------

    @abstractmethod
    def im2col(self, x: Array, window: Window) -> Array:
        """Every window of x as a row: (N, H, W, C) -> (N * OH * OW, KH * KW * C)."""

    @abstractmethod
    def col2im(self, columns: Array, window: Window) -> Array:
        """The adjoint of im2col: each pixel sums all its copies in the columns.

        (N * OH * OW, KH * KW * C) -> (N, H, W, C).
        """

    @abstractmethod
    def conv2d(self, x: Array, kernel: Array, window: Window, groups: int) -> Array:
        """Cross-correlation without bias: x (N, H, W, C) -> z (N, OH, OW, F)."""

    @abstractmethod
    def conv2d_input_gradient(self, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
        """dz (N, OH, OW, F) -> dx (N, H, W, C)."""

    @abstractmethod
    def conv2d_kernel_gradient(self, x: Array, dz: Array, window: Window, groups: int) -> Array:
        """x (N, H, W, C), dz (N, OH, OW, F) -> dkernel (KH, KW, C // groups, F)."""

    # ---- activations --------------------------------------------------------

    @abstractmethod
    def activate(
        self, z: Array, bias: Array | None, activation: Activation, overwrite: bool = False
    ) -> tuple[Array, Array]:
        """y = activation(z + bias), bias (C,) over the last axis -> (y, saved).

        `saved` is what the backward pass needs: y, or z + bias for the names in
        NEED_INPUT. With `overwrite` the memory of z may be used for the result.
        """

    @abstractmethod
    def activate_backward(
        self, dy: Array, saved: Array, activation: Activation, with_bias: bool
    ) -> tuple[Array, Array | None]:
        """dy -> (dz, dbias), dz of the shape of dy, dbias (C,) or None without bias."""

    # ---- pooling ------------------------------------------------------------

    @abstractmethod
    def max_pool(self, x: Array, window: Window) -> tuple[Array, Array]:
        """x (N, H, W, C) -> (y, argmax), both (N, OH, OW, C).

        argmax is the tap, row * KW + col, of the first maximum, in an integer type of the
        backend's choice. Padding never wins.
        """

    @abstractmethod
    def max_pool_backward(self, dy: Array, argmax: Array, window: Window) -> Array:
        """dy (N, OH, OW, C) -> dx (N, H, W, C): each gradient goes to its maximum."""

    @abstractmethod
    def average_pool(self, x: Array, window: Window) -> Array:
        """x (N, H, W, C) -> y (N, OH, OW, C), the mean of the pixels, padding left out."""

    @abstractmethod
    def average_pool_backward(self, dy: Array, window: Window) -> Array:
        """dy (N, OH, OW, C) -> dx (N, H, W, C): each gradient spread over its window."""

    # ---- batch normalisation (over all axes but the last) --------------------

    @abstractmethod
    def batch_norm(
        self, x: Array, gamma: Array, beta: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """Normalise by the batch's own statistics -> (y, mean (C,), biased variance (C,))."""

    @abstractmethod
    def batch_norm_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """-> (dx, dgamma (C,), dbeta (C,)); mean and variance depend on x."""

    @abstractmethod
    def normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, statistics given."""

    @abstractmethod
    def normalize_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """-> (dx, dgamma (C,), dbeta (C,)); mean and variance are constants."""

    # ---- dropout ------------------------------------------------------------

    @abstractmethod
    def dropout(self, x: Array, rate: float, generator: np.random.Generator) -> tuple[Array, Array]:
        """Zero each element with probability `rate`, scale the rest -> (y, kept (bool))."""

    @abstractmethod
    def dropout_backward(self, dy: Array, kept: Array, rate: float) -> Array:
        """dy -> dx through the same mask and scale."""

    # ---- losses, fused with the activation that feeds them --------------------

    @abstractmethod
    def softmax_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """Softmax and cross-entropy in one: logits (N, K) -> (losses, p, dlogits).

        targets: (N,) integer classes, or (N, K) probabilities.
        weights: (N,), the factor of each sample's loss in the total (1/N for a mean).
        losses (N,) are unweighted; p (N, K) is softmax(logits); dlogits (N, K) is
        the gradient of sum(weights * losses).
        """

    @abstractmethod
    def sigmoid_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """Sigmoid and binary cross-entropy in one: logits (N, K) -> (losses, p, dlogits).

        targets (N, K) in [0, 1]; weights (N,) as above; losses (N,) is the mean over K.
        """

    # ---- optimizers: one fused update of flat buffers, in place ---------------

    @abstractmethod
    def sgd_update(
        self,
        param: Array,
        grad: Array,
        velocity: Array | None,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        """Stochastic gradient descent; `velocity` is None without momentum."""

    @abstractmethod
    def rmsprop_update(
        self,
        param: Array,
        grad: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        learning_rate: float,
        rho: float,
        momentum: float,
        epsilon: float,
    ) -> None:
        """RMSprop; `mean` is None unless centered, `velocity` None without momentum."""

    @abstractmethod
    def adam_update(
        self,
        param: Array,
        grad: Array,
        m: Array,
        v: Array,
        v_max: Array | None,
        step_size: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        """Adam; `step_size` holds the bias correction, `v_max` is None without AMSGrad."""
