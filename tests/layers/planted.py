"""Wrong backward passes, at least one for every layer: mistakes that people make.

A mistake takes what the right backward pass returned and spoils it:

    mistake(layer, dy, cache, dx, grads) -> (dx, grads)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.layers.cases import Case
from tinyconv import Input, Model, Sequential, layers
from tinyconv.backends import get_backend
from tinyconv.layers import Cache, Layer

Gradients = dict[str, np.ndarray]
Mistake = Callable[[Layer, np.ndarray, Cache, np.ndarray, Gradients], tuple[np.ndarray, Gradients]]


class Planted(NamedTuple):
    """A mistake, the layer it is made in, and the rows of the report that must fail."""

    name: str
    case: Case
    mistake: Mistake
    fails: set[str]


def plant(layer: Layer, mistake: Mistake) -> Layer:
    """The layer, with the mistake between its backward pass and the caller."""
    right = type(layer)

    def backward(self: Layer, dy: np.ndarray, cache: Cache) -> tuple[np.ndarray, Gradients]:
        return mistake(self, dy, cache, *right.backward(self, dy, cache))

    layer.__class__ = type(f"Wrong{right.__name__}", (right,), {"backward": backward})
    return layer


def of_input(change: Callable[[np.ndarray, np.ndarray, Cache], np.ndarray]) -> Mistake:
    """change(dx, dy, cache) instead of dx."""
    return lambda layer, dy, cache, dx, grads: (change(dx, dy, cache), grads)


def of_parameter(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Mistake:
    """change(gradient) instead of the gradient."""
    return lambda layer, dy, cache, dx, grads: (dx, {**grads, key: change(grads[key])})


def wrong_dx(name: str, case: Case, change: Callable[..., np.ndarray]) -> Planted:
    return Planted(name, case, of_input(change), {"x"})


def wrong_gradient(name: str, case: Case, key: str, change: Callable[..., np.ndarray]) -> Planted:
    return Planted(name, case, of_parameter(key, change), {key})


def spoil_last(gradient: np.ndarray) -> np.ndarray:
    """One element of many is wrong."""
    wrong = gradient.copy()
    wrong.flat[-1] *= 1.1
    return wrong


def mirrored_padding(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The odd zero at the beginning, where `same` has it at the end."""
    backend = get_backend()
    dz, _ = backend.activate_backward(dy, cache.saved, cache.activation, True)
    window = cache.window._replace(padding=tuple(side[::-1] for side in cache.window.padding))
    kernel = layer.params["kernel"]
    return backend.conv2d_input_gradient(dz, kernel, window, layer.groups), grads


def without_activation(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """dy taken for dz."""
    gradients = {"kernel": cache.x.T @ dy, "bias": dy.sum(axis=0)}
    return dy @ layer.params["kernel"].T, gradients


def constant_statistics(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """Mean and variance of the batch taken for constants."""
    arguments = layer.params["gamma"], cache.mean, cache.variance, layer.epsilon
    return get_backend().normalize_backward(dy, cache.x, *arguments)[0], grads


def without_gamma(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The derivative of the normalised input only."""
    return dx / layer.params["gamma"], grads


def gamma_like_beta(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    return dx, {**grads, "gamma": grads["beta"]}


def swapped(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The gradients of two layers of one shape exchanged."""
    return dx, {**grads, "first/kernel": grads["last/kernel"], "last/kernel": grads["first/kernel"]}


def padding_counted(dx: np.ndarray, dy: np.ndarray, cache: Cache) -> np.ndarray:
    """A share of 1/9 for every pixel of a 3 x 3 window, also where the window has fewer."""
    N, H, W, C = dy.shape
    padded = np.zeros((N, H + 2, W + 2, C))
    for i, j in np.ndindex(H, W):
        padded[:, i : i + 3, j : j + 3] += dy[:, i : i + 1, j : j + 1] / 9
    return padded[:, 1:-1, 1:-1]


def not_summed(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """dy for an input that was repeated: its first part alone."""
    narrow = [
        dy[tuple(slice(0, n) for n in shape)] if shape != dy.shape else dy for shape in cache.shapes
    ]
    return narrow, grads


def first_branch_alone(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The gradient of one branch dropped."""
    return [dx[0], *(0 * each for each in dx[1:])], grads


def exchanged(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The parts in the wrong order."""
    return dx[::-1], grads


def one_call_alone(layer: Layer, dy: Any, cache: Cache, dx: Any, grads: Gradients) -> Any:
    """The gradient of the last call of a shared layer for that of all of them."""
    return dx, cache.tape.plan.work[1].block.backward(dy, cache.tape.caches[1], {})[1]


def twice_through_one(dtype: str) -> Model:
    """y = shared(x_1) + shared(x_2)."""
    inputs = [Input((3,), dtype=dtype), Input((3,), dtype=dtype)]
    shared = layers.Dense(3, "tanh", name="shared", dtype=dtype)
    return Model(inputs, layers.Add(dtype=dtype)([shared(x) for x in inputs]))


def chain(dtype: str) -> Sequential:
    first = layers.Dense(3, "tanh", name="first", dtype=dtype)
    return Sequential([first, layers.Dense(3, name="last", dtype=dtype)])


def activation(name: str) -> Case:
    return Case(layers.Activation, {"activation": name}, (3, 4))


def pooling(make: type[Layer], **arguments: Any) -> Case:
    return Case(make, arguments, (2, 6, 6, 3))


def positive(dx: np.ndarray, dy: np.ndarray, cache: Cache) -> np.ndarray:
    """As if the activation were relu."""
    return dy * (cache.saved > 0)


def transposed(dx: np.ndarray, *_: Any) -> np.ndarray:
    return dx.swapaxes(1, 2)


DENSE = Case(layers.Dense, {"units": 3, "activation": "tanh"}, (4, 3))
CONV = pooling(layers.Conv2D, filters=3, kernel_size=3, strides=2, padding="same")
NORM = Case(layers.BatchNormalization, {}, (4, 3, 2, 3))
INFERENCE = NORM._replace(training=False)
CEILING = Case(layers.ReLU, {"max_value": 0.5}, (4, 5))
SOFTMAX = Case(layers.Softmax, {"axis": 1}, (2, 3, 3))
MAX, WHOLE_MAX = pooling(layers.MaxPooling2D), pooling(layers.MaxPooling2D, pool_size=6)
GLOBAL_MAX = pooling(layers.GlobalMaxPooling2D)
AVERAGE = pooling(layers.AveragePooling2D)
GLOBAL_AVERAGE = pooling(layers.GlobalAveragePooling2D)
PADDED_AVERAGE = pooling(layers.AveragePooling2D, pool_size=3, strides=1, padding="same")
DROPOUT = Case(layers.Dropout, {"rate": 0.4}, (5, 4))
RESCALING = Case(layers.Rescaling, {"scale": 2.0}, (3, 4))
FLATTEN = Case(layers.Flatten, {}, (2, 3, 3, 3))
RESHAPE = Case(layers.Reshape, {"target_shape": (9,)}, (2, 3, 3))
PADDING = pooling(layers.ZeroPadding2D, padding=((1, 0), (0, 1)))
INPUT = Case(layers.InputLayer, {"shape": (4,)}, (3, 4))
CHAIN = Case(chain, {}, (4, 3))
ADD = Case(layers.Add, {}, [(4, 3), (4, 3)])
REPEATED = Case(layers.Add, {}, [(4, 3), (4, 1)])
CONCATENATE = Case(layers.Concatenate, {"axis": 1}, [(4, 2, 3), (4, 2, 3)])
SHARED = Case(twice_through_one, {}, [(4, 3), (4, 3)])

MISTAKES = [
    wrong_dx("wrong sign", DENSE, lambda dx, *_: -dx),
    wrong_gradient("missing bias", DENSE, "bias", np.zeros_like),
    wrong_gradient("transposed kernel", DENSE, "kernel", np.transpose),
    wrong_gradient("one weight", DENSE, "kernel", spoil_last),
    wrong_gradient("divided by N", DENSE, "kernel", lambda g: g / 4),
    Planted("no derivative of tanh", DENSE, without_activation, {"x", "kernel", "bias"}),
    wrong_gradient("missing bias", CONV, "bias", np.zeros_like),
    wrong_gradient("transposed kernel", CONV, "kernel", lambda g: g.swapaxes(0, 1)),
    wrong_gradient("channels for filters", CONV, "kernel", lambda g: g.swapaxes(2, 3)),
    wrong_gradient("flipped kernel", CONV, "kernel", lambda g: g[::-1, ::-1]),
    wrong_gradient("one weight", CONV, "kernel", spoil_last),
    wrong_dx("one pixel", CONV, lambda dx, *_: np.where(dx == dx.max(), 1.1 * dx, dx)),
    Planted("mirrored padding", CONV, mirrored_padding, {"x"}),
    Planted("constant statistics", NORM, constant_statistics, {"x"}),
    Planted("dropped gamma", NORM, without_gamma, {"x"}),
    Planted("dropped gamma in inference", INFERENCE, without_gamma, {"x"}),
    Planted("gamma like beta", NORM, gamma_like_beta, {"gamma"}),
    wrong_gradient("mean, not sum", NORM, "beta", lambda g: g / 24),
    wrong_dx("linear doubled", activation("linear"), lambda dx, *_: 2 * dx),
    wrong_dx("relu lets all pass", activation("relu"), lambda dx, dy, _: dy),
    wrong_dx("half of y (1 - y)", activation("sigmoid"), lambda dx, dy, c: dy * c.saved),
    wrong_dx("half of 1 - y^2", activation("tanh"), lambda dx, dy, c: dy * c.saved**2),
    wrong_dx(
        "diagonal only", activation("softmax"), lambda dx, dy, c: dy * c.saved * (1 - c.saved)
    ),
    wrong_dx("elu as relu", activation("elu"), positive),
    wrong_dx("gelu as relu", activation("gelu"), positive),
    wrong_dx("leaky relu as relu", activation("leaky_relu"), positive),
    wrong_dx("ceiling forgotten", CEILING, positive),
    wrong_dx("another axis", SOFTMAX, transposed),
    wrong_dx("off by one tap", MAX, lambda dx, *_: np.roll(dx, 1, axis=2)),
    wrong_dx("shared by the window", WHOLE_MAX, lambda dx, dy, _: 0 * dx + dy / 36),
    wrong_dx("all pixels win", GLOBAL_MAX, lambda dx, dy, _: 0 * dx + dy[:, None, None]),
    wrong_dx("no division", AVERAGE, lambda dx, *_: 4 * dx),
    wrong_dx("padding counted", PADDED_AVERAGE, padding_counted),
    wrong_dx("no division", GLOBAL_AVERAGE, lambda dx, *_: 36 * dx),
    wrong_dx("dropped scale", DROPOUT, lambda dx, dy, c: dy * c.kept),
    wrong_dx("dropped mask", DROPOUT, lambda dx, dy, _: dy / 0.6),
    wrong_dx("dropped scale", RESCALING, lambda dx, dy, _: dy),
    wrong_dx("channels first", FLATTEN, lambda dx, *_: dx.transpose(0, 3, 1, 2)),
    wrong_dx("transposed", RESHAPE, transposed),
    wrong_dx("border of the other side", PADDING, lambda dx, dy, _: dy[:, :-1, 1:]),
    wrong_dx("wrong sign", INPUT, lambda dx, *_: -dx),
    Planted("a branch dropped", ADD, first_branch_alone, {"x[1]"}),
    Planted("not summed where repeated", REPEATED, not_summed, {"x[1]"}),
    Planted("parts exchanged", CONCATENATE, exchanged, {"x[0]", "x[1]"}),
    Planted("shared gradients not added", SHARED, one_call_alone, {"shared/kernel", "shared/bias"}),
    Planted("layers swapped", CHAIN, swapped, {"first/kernel", "last/kernel"}),
]
