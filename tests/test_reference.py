"""The judges judged: oracles against pencil and paper, and against difference quotients."""

import numpy as np
import pytest
from hypothesis import given

from tests import reference
from tests.strategies import Convolution, Fill, convolutions, fills, windows
from tinyconv.backends.base import Activation
from tinyconv.geometry import Window, slide


def difference_quotient(function, x: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
    """d sum(cotangent * function(x)) / d x, by moving one element of x at a time."""
    x = x.copy()
    gradient, step = np.zeros(x.shape), 1e-5
    for index in np.ndindex(x.shape):
        original = x[index]
        x[index] = original + step
        above = np.sum(cotangent * function(x))
        x[index] = original - step
        below = np.sum(cotangent * function(x))
        x[index] = original
        gradient[index] = (above - below) / (2 * step)
    return gradient


def assert_gradient(actual: np.ndarray, function, x: np.ndarray, cotangent: np.ndarray) -> None:
    expected = difference_quotient(function, x, cotangent)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


COUNTING = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)  # 1 2 3 / 4 5 6 / 7 8 9


def test_conv2d_on_paper():
    kernel = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    z = reference.conv2d(COUNTING, kernel, slide((3, 3), (2, 2), (1, 1), "valid"))
    assert z.ravel().tolist() == [5421, 6532, 8754, 9865]


def test_same_padding_comes_last_on_paper():
    kernel = np.array([[1.0, 10.0], [100.0, 1000.0]]).reshape(2, 2, 1, 1)
    z = reference.conv2d(COUNTING, kernel, slide((3, 3), (2, 2), (2, 2), "same"))
    assert z.ravel().tolist() == [5421, 603, 87, 9]


def test_im2col_on_paper():
    columns = reference.im2col(COUNTING, slide((3, 3), (2, 2), (1, 1), "valid"))
    assert columns.tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]


def test_explicit_padding_on_paper():
    window = Window((2, 2), (2, 1), (1, 1), ((1, 0), (0, 0)), (3, 3), (2, 2))
    columns = reference.im2col(COUNTING, window)
    assert columns.tolist() == [[0, 0, 1, 2], [0, 0, 2, 3], [4, 5, 7, 8], [5, 6, 8, 9]]


def test_pooling_on_paper():
    window = slide((3, 3), (2, 2), (2, 2), "same")
    y, argmax = reference.max_pool(-COUNTING, window)
    assert y.ravel().tolist() == [-1, -3, -7, -9]
    assert argmax.ravel().tolist() == [0, 0, 0, 0]
    assert reference.average_pool(COUNTING, window).ravel().tolist() == [3, 4.5, 7.5, 9]


@given(convolutions(), fills())
def test_conv2d_gradients(problem: Convolution, fill: Fill):
    x, kernel, dz = (fill(problem.shapes[name], np.float64) for name in ("x", "kernel", "dz"))
    window, groups = problem.window, problem.groups
    # The convolution is linear in each argument: the quotient is exact with any step,
    # so <dz, conv(x)> = <dx, x> = <dkernel, kernel> says all that a quotient would.
    total = np.sum(dz * reference.conv2d(x, kernel, window, groups))
    dx = reference.conv2d_input_gradient(dz, kernel, window, groups)
    dkernel = reference.conv2d_kernel_gradient(x, dz, window, groups)
    assert np.sum(dx * x) == pytest.approx(total, abs=1e-9)
    assert np.sum(dkernel * kernel) == pytest.approx(total, abs=1e-9)


@given(windows(), fills())
def test_pooling_gradients(window: Window, fill: Fill):
    x = fill((1, *window.input, 2), np.float64)
    dy = fill((1, *window.output, 2), np.float64)
    _, argmax = reference.max_pool(x, window)
    dx = reference.max_pool_backward(dy, argmax, window)
    assert_gradient(dx, lambda x: reference.max_pool(x, window)[0], x, dy)
    dx = reference.average_pool_backward(dy, window)
    assert_gradient(dx, lambda x: reference.average_pool(x, window), x, dy)


@pytest.mark.parametrize("shape", [(5, 2), (2, 2, 3, 2)])
def test_batch_norm_gradients(shape: tuple[int, ...]):
    fill = Fill(0)
    x, dy = fill(shape, np.float64), fill(shape, np.float64)
    gamma, beta = fill(shape[-1:], np.float64), fill(shape[-1:], np.float64)
    dx, dgamma, dbeta = reference.batch_norm_backward(dy, x, gamma, 0.1)
    assert_gradient(dx, lambda x: reference.batch_norm(x, gamma, beta, 0.1)[0], x, dy)
    assert_gradient(dgamma, lambda g: reference.batch_norm(x, g, beta, 0.1)[0], gamma, dy)
    assert_gradient(dbeta, lambda b: reference.batch_norm(x, gamma, b, 0.1)[0], beta, dy)


@pytest.mark.parametrize(
    "activation",
    [
        Activation("linear"),
        Activation("relu"),
        Activation("leaky_relu", 0.3),
        Activation("clipped_relu", 0.3, 0.5, 1.0),
        Activation("sigmoid"),
        Activation("tanh"),
        Activation("softmax"),
        Activation("elu", 1.5),
        Activation("gelu"),
        Activation("gelu_tanh"),
    ],
    ids=lambda activation: activation.name,
)
def test_activation_gradients(activation: Activation):
    fill = Fill(1)
    z, dy = fill((8, 5), np.float64), fill((8, 5), np.float64)
    dz = reference.activate_backward(dy, z, activation)
    assert_gradient(dz, lambda z: reference.activate(z, activation), z, dy)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_loss_gradients(name: str):
    fill, loss = Fill(2), getattr(reference, name)
    logits, weights = fill((3, 4), np.float64), fill((3,), np.float64)
    targets = fill.generator.random((3, 4))
    _, _, dlogits = loss(logits, targets, weights)
    assert_gradient(dlogits, lambda z: loss(z, targets, weights)[0], logits, weights)


def test_losses_on_paper():
    logits, weights = np.array([[0.0, np.log(3.0)]]), np.ones(1)
    losses, p, _ = reference.softmax_cross_entropy(logits, np.array([1]), weights)
    np.testing.assert_allclose(losses, [np.log(4 / 3)])
    np.testing.assert_allclose(p, [[0.25, 0.75]])
    losses, p, _ = reference.sigmoid_cross_entropy(logits, np.array([[0.0, 1.0]]), weights)
    np.testing.assert_allclose(losses, [(np.log(2) + np.log(4 / 3)) / 2])
    np.testing.assert_allclose(p, [[0.5, 0.75]])


def test_optimizers_on_paper():
    assert reference.sgd(1.0, 2.0, 8.0, 0.5, 0.25, False) == (2.0, 1.0)
    assert reference.sgd(1.0, 2.0, 8.0, 0.5, 0.25, True) == (0.25, 1.0)
    # s = 7/2 + 4/2 = 5.5; centered: mean = 1/2 + 2/2 = 1.5, 5.5 - 2.25 + 0.75 = 4.
    assert reference.rmsprop(1.0, 2.0, 7.0, None, None, 1.5, 0.5, 0.0, 3.5) == (
        0.0,
        5.5,
        None,
        None,
    )
    centered = reference.rmsprop(1.0, 2.0, 7.0, 1.0, 3.0, 1.5, 0.5, 2.0, 0.75)
    assert centered == (1 - 7.5, 5.5, 1.5, 7.5)
    # m = 3/2 + 2/2 = 2.5, v = 4/2 + 4/2 = 4, step 2 * 2.5 / (2 + 3) = 1; AMSGrad: / (7 + 3).
    assert reference.adam(1.0, 2.0, 3.0, 4.0, None, 2.0, 0.5, 0.5, 3.0) == (0.0, 2.5, 4.0, None)
    assert reference.adam(1.0, 2.0, 3.0, 4.0, 49.0, 2.0, 0.5, 0.5, 3.0) == (0.5, 2.5, 4.0, 49.0)


def test_merges_on_paper():
    row, column = np.array([[1.0, 2.0, 3.0]]), np.array([[10.0], [20.0]])
    assert reference.add([row, column, row]).tolist() == [[12, 14, 16], [22, 24, 26]]
    assert reference.concatenate([row, 2 * row], 0).tolist() == [[1, 2, 3], [2, 4, 6]]
    assert reference.concatenate([column, 2 * column], -1).tolist() == [[10, 20], [20, 40]]
