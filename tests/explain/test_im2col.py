"""One pixel of a convolution, forward and backward: the numbers are those of the naive loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests import reference
from tests.reference.windows import pixels, positions
from tinyconv import layers, use_backend
from tinyconv.explain import col2im, im2col, patch_product, pixel_gradient
from tinyconv.explain.cells import shown

RNG = np.random.default_rng(5)
GEOMETRIES: list[dict[str, Any]] = [
    {"kernel_size": 3},
    {"kernel_size": 3, "padding": "same", "activation": "relu"},
    {"kernel_size": (3, 2), "padding": "same", "strides": (2, 3), "use_bias": False},
    {"kernel_size": (2, 3), "dilation_rate": 2, "padding": "same", "activation": "tanh"},
    {"kernel_size": 3, "groups": 2, "activation": "sigmoid"},
    {"kernel_size": 1, "strides": 2, "activation": "softmax"},
]
geometries = pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)


def convolution(geometry: dict[str, Any], channels: int = 4) -> tuple[layers.Conv2D, np.ndarray]:
    """A layer in float64 with weights that are not zero, and two images for it."""
    layer = layers.Conv2D(6, bias_initializer="random_normal", dtype="float64", **geometry)
    x = RNG.normal(size=(2, 7, 8, channels))
    layer(x)
    return layer, x


def texts(figure: Figure) -> str:
    """All that is written in a figure, but for the numbers in cells."""
    found = [figure.get_suptitle(), *(part.get_supxlabel() for part in figure.subfigs)]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), *(t.get_text() for t in axes.texts)]
        found += [tick.get_text() for tick in axes.get_yticklabels()]
    return "\n".join(found)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@geometries
def test_every_output_is_the_product_of_a_row_and_a_column(
    geometry: dict[str, Any], backend: str
) -> None:
    layer, x = convolution(geometry)
    window = layer.window(x.shape)
    kernel, *bias = (weight.numpy() for weight in layer.weights)
    matrix = reference.im2col(x[:1], window)
    z = reference.conv2d(x[:1], kernel, window, layer.groups) + (bias[0] if bias else 0)
    y = reference.activate(z, layer.activation)
    own = 4 // layer.groups
    with use_backend(backend):
        for i, j, f in np.ndindex(*z.shape[1:]):
            told = patch_product(layer, x, (i, j), f)
            seen = slice(f // (6 // layer.groups) * own, (f // (6 // layer.groups) + 1) * own)
            patch = matrix[told.row].reshape(*window.size, 4)[..., seen]
            np.testing.assert_array_equal(told.patch, patch)
            np.testing.assert_array_equal(told.kernel, kernel[..., f])
            np.testing.assert_allclose(told.products, patch * kernel[..., f])
            np.testing.assert_allclose(told.total + told.bias, told.z)
            np.testing.assert_allclose([told.z, told.y], [z[0, i, j, f], y[0, i, j, f]], atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@geometries
def test_every_gradient_is_the_sum_over_the_windows_that_saw_the_pixel(
    geometry: dict[str, Any], backend: str
) -> None:
    layer, x = convolution(geometry)
    window = layer.window(x.shape)
    dy = RNG.normal(size=(1, *window.output, 6))
    kernel = layer.kernel.numpy()
    bias = layer.bias.numpy() if layer.use_bias else 0
    z = reference.conv2d(x[:1], kernel, window, layer.groups) + bias
    dz = reference.activate_backward(dy, z, layer.activation)
    dx = reference.conv2d_input_gradient(dz, kernel, window, layer.groups)
    with use_backend(backend):
        for row, col, channel in [(0, 0, 0), (3, 4, 1), (6, 7, 3), (2, 7, 2), (5, 0, 3)]:
            parts = []
            group = channel // (4 // layer.groups)
            for f in range(group * 6 // layer.groups, (group + 1) * 6 // layer.groups):
                told = pixel_gradient(layer, x, (row, col), channel, f, dy)
                parts.append(told.part)
                for k, l in np.ndindex(window.size):
                    i, j = told.windows[k, l]
                    if i >= 0:
                        assert told.slopes[k, l] == pytest.approx(dz[0, i, j, f])
                one = np.zeros_like(dz)
                one[..., f] = dz[..., f]
                back = reference.conv2d_input_gradient(one, kernel, window, layer.groups)
                np.testing.assert_allclose(told.part, back[0, row, col, channel], atol=1e-12)
            np.testing.assert_allclose(told.dx, dx[0, row, col, channel], atol=1e-12)
            np.testing.assert_allclose(sum(parts), told.dx, atol=1e-12)


def test_the_windows_of_a_pixel_are_those_that_have_it_under_the_tap() -> None:
    layer, x = convolution({"kernel_size": 3, "strides": 2, "padding": "same"})
    told = pixel_gradient(layer, x, (3, 4))
    seen = {(k, l): tuple(told.windows[k, l]) for k, l in np.argwhere(told.windows[..., 0] >= 0)}
    window = layer.window(x.shape)
    naive = {
        (k, l): (i, j)
        for i, j in positions(window)
        for k, l, row, col in pixels(window, i, j)
        if (row, col) == (3, 4)
    }
    assert seen == naive


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_figures_tell_the_numbers(channels: int) -> None:
    layer, x = convolution({"kernel_size": 3, "padding": "same", "activation": "relu"}, channels)
    told = patch_product(layer, x[0], (0, 2), 4)
    figure = im2col(layer, x[0], (0, 2), 4)
    written = texts(figure)
    assert f"{layer.name}: the output at row 0, column 2, filter 4" in written
    assert f"columns: 56 rows of {9 * channels}" in written
    assert shown(told.y) in written
    assert "row 2 of columns" in written
    back = pixel_gradient(layer, x[0], (0, 2), channels - 1, 4)
    written = texts(col2im(layer, x[0], (0, 2), channels - 1, 4))
    assert shown(back.dx) in written
    assert shown(back.part) in written
    assert "empty: no window" in written


def test_gray_images_and_the_pixel_from_the_end() -> None:
    layer, x = convolution({"kernel_size": 3}, 1)
    gray = patch_product(layer, x[0, ..., 0], (-1, -1), 2)
    assert gray.at == (4, 5)
    assert gray.y == patch_product(layer, x, (4, 5), 2).y


def cells(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_small_image_is_drawn_in_numbers() -> None:
    layer = layers.Conv2D(1, 2, use_bias=False, kernel_initializer="ones", dtype="float64")
    x = np.arange(9.0).reshape(3, 3, 1)
    picture, _, _, output, *_ = im2col(layer, x).axes
    assert cells(picture) == [str(n) for n in range(9)]
    assert cells(output) == ["8", "12", "20", "24"]
    figure = col2im(layer, x, at=(1, 1), dy=np.arange(1.0, 5).reshape(1, 2, 2, 1))
    picture, slopes, gradient, *_ = figure.axes
    assert cells(slopes) == ["1", "2", "3", "4"]
    assert cells(gradient) == ["1", "3", "2", "4", "10", "6", "3", "7", "4"]
    assert "their sum: dx = 10" in texts(figure)  # there is no other filter
    larger, *_ = im2col(layer, np.ones((7, 7, 1))).axes
    assert cells(larger) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": (5, 0)}, r"at must be a pixel \(row, col\) of the output, which has 5 x 6"),
        ({"at": 3}, "at must be a pixel"),
        ({"at": (1.5, 2)}, "at must be a pixel"),
        ({"filter": 6}, "filter must be less than 6"),
        ({"filter": -1}, "filter must be an integer >= 0"),
        ({"x": np.zeros((7, 8, 3))}, "expected 4 values along the last axis"),
        ({"x": np.zeros(3)}, "expected 4-D input"),
    ],
)
def test_mistakes_are_told(arguments: dict[str, Any], message: str) -> None:
    layer, x = convolution({"kernel_size": 3})
    with pytest.raises(ValueError, match=message) as told:
        im2col(**{"layer": layer, "x": x, **arguments})
    assert str(told.value).startswith(f"Conv2D {layer.name!r}")


def test_mistakes_backward_are_told() -> None:
    layer, x = convolution({"kernel_size": 3, "groups": 2})
    with pytest.raises(ValueError, match="channel 3 is seen by the filters 3 to 5 of its group"):
        col2im(layer, x, (0, 0), 3, 2)
    with pytest.raises(ValueError, match="channel must be less than 4"):
        col2im(layer, x, (0, 0), 4)
    with pytest.raises(ValueError, match="expected dy of the output's shape"):
        col2im(layer, x, dy=np.ones((1, 2, 2, 6)))
    for function in (im2col, col2im):
        with pytest.raises(TypeError, match=r"needs a Conv2D layer\. Received: Dense 'd'"):
            function(layers.Dense(3, name="d"), x)  # type: ignore[arg-type]
