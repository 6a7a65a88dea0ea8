"""One step of each optimizer for one weight: numbers in, new numbers out.

w is the weight, g its gradient; the others are what the optimizer remembers, None
where it remembers nothing. Equations and the place of epsilon are those of Keras 3.
"""

import math


def sgd(
    w: float, g: float, velocity: float | None, lr: float, momentum: float, nesterov: bool
) -> tuple[float, float | None]:
    """New (w, velocity). Nesterov looks one step ahead along the new velocity."""
    if velocity is None:
        return w - lr * g, None
    velocity = momentum * velocity - lr * g
    if nesterov:
        return w + momentum * velocity - lr * g, velocity
    return w + velocity, velocity


def rmsprop(
    w: float,
    g: float,
    square: float,
    mean: float | None,
    velocity: float | None,
    lr: float,
    rho: float,
    momentum: float,
    epsilon: float,
) -> tuple[float, float, float | None, float | None]:
    """New (w, square, mean, velocity). epsilon stands inside the root."""
    square = rho * square + (1 - rho) * g**2
    variance = square
    if mean is not None:
        mean = rho * mean + (1 - rho) * g
        variance = square - mean**2
    step = lr * g / math.sqrt(variance + epsilon)
    if velocity is not None:
        velocity = momentum * velocity + step
        step = velocity
    return w - step, square, mean, velocity


def adam(
    w: float,
    g: float,
    m: float,
    v: float,
    v_max: float | None,
    step_size: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> tuple[float, float, float, float | None]:
    """New (w, m, v, v_max). epsilon stands outside the root."""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    largest = v
    if v_max is not None:
        v_max = largest = max(v_max, v)
    return w - step_size * m / (math.sqrt(largest) + epsilon), m, v, v_max
