"""Optimizer updates of flat buffers, in place, the textbook version.

The order of operations is Keras', down to where epsilon stands.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array, Backend


class Optimizers(Backend):
    def sgd_update(
        self,
        param: Array,
        grad: Array,
        velocity: Array | None,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        """v = momentum v - lr g;  w += v, or with Nesterov w += momentum v - lr g.

        Source: Sutskever et al. 2013, equations 1 to 4.
        """
        step = learning_rate * grad
        if velocity is None:
            param -= step
            return
        velocity *= momentum
        velocity -= step
        param += momentum * velocity - step if nesterov else velocity

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
        """s = rho s + (1-rho) g^2;  w -= lr g / sqrt(s + epsilon): epsilon inside the root.

        Centered: s - (mean of g)^2 in place of s. Source: Tieleman & Hinton 2012;
        Graves 2013, equations 38 to 45.
        """
        square *= rho
        square += (1 - rho) * np.square(grad)
        denominator = square + epsilon
        if mean is not None:
            mean *= rho
            mean += (1 - rho) * grad
            denominator -= np.square(mean)
        step = learning_rate * grad / np.sqrt(denominator)
        if velocity is not None:
            velocity *= momentum
            velocity += step
            step = velocity
        param -= step

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
        """m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  w -= step m / (sqrt(v) + epsilon).

        epsilon stands outside the root. step = lr sqrt(1 - b2^t) / (1 - b1^t).
        Source: Kingma & Ba 2015, the rewritten order at the end of section 2.
        """
        m += (1 - beta_1) * (grad - m)
        v += (1 - beta_2) * (np.square(grad) - v)
        if v_max is not None:
            np.maximum(v_max, v, out=v_max)
            v = v_max
        param -= step_size * m / (np.sqrt(v) + epsilon)
