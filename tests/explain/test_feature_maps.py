"""Feature maps and filters: the values are the model's, the pictures tell which they show."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.explain.models import nested
from tinyconv import Input, Model, Sequential, layers, use_backend
from tinyconv.explain import feature_maps, filter_values, filters, layer_values
from tinyconv.explain.feature_maps import different

RNG = np.random.default_rng(2)


def network(channels: int = 3) -> Sequential:
    return Sequential(
        [
            Input((12, 10, channels)),
            layers.Conv2D(5, 3, padding="same", activation="relu", name="one"),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="two"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(7, 3, padding="same", name="three"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="head"),
        ]
    )


def captions(figure: Figure) -> list[str]:
    return [strip.get_suptitle() for strip in figure.subfigs[1:]]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_values_are_those_of_models_that_end_there(backend: str) -> None:
    model, x = network(), RNG.normal(size=(2, 12, 10, 3))
    with use_backend(backend):
        values = layer_values(model, x)
        assert list(values) == ["one", "two", "pool", "three", "flat", "head"]
        for name, (taken, given) in values.items():
            layer = model.get_layer(name)
            for tensor, told in ((layer.input, taken), (layer.output, given)):
                expected = Model(model.input, tensor)(x) if tensor is not model.input else x
                np.testing.assert_allclose(told, expected, rtol=1e-4, atol=1e-5)
    some = layer_values(model, x, ["pool", model.get_layer("one")])
    assert list(some) == ["pool", "one"]


def test_layers_inside_models() -> None:
    model, x = nested(), RNG.normal(size=(1, 8, 8, 2)).astype(np.float32)
    block = model.get_layer("block")
    told = layer_values(model, x, ["block/conv"])["block/conv"]
    np.testing.assert_allclose(told.output, block.get_layer("conv")(x), rtol=1e-5, atol=1e-6)
    assert captions(feature_maps(model, x)) == ["block/conv: 2 maps, 8 x 8"]


def test_by_default_the_last_convolution_of_each_size() -> None:
    figure = feature_maps(network(), RNG.normal(size=(12, 10, 3)), title="a title")
    assert captions(figure) == ["two: 12 of 16 maps, 12 x 10", "three: 7 maps, 6 x 5"]
    assert figure.get_suptitle() == "a title"
    two, three = figure.subfigs[1:]
    assert [len([a for a in strip.axes if a.images]) for strip in (two, three)] == [12, 7]


def test_the_maps_drawn_are_those_of_the_layer() -> None:
    model, x = network(), RNG.normal(size=(12, 10, 3))
    figure = feature_maps(model, x, ["one"], image=np.zeros((12, 10)))
    maps = layer_values(model, x)["one"].output[0]
    drawn = [axes.images[0].get_array() for axes in figure.subfigs[1].axes if axes.images]
    np.testing.assert_array_equal(np.stack(drawn, axis=-1), maps)
    np.testing.assert_array_equal(figure.subfigs[0].axes[0].images[0].get_array(), 0)


def test_an_input_that_is_no_picture_is_left_out() -> None:
    figure = feature_maps(network(2), RNG.normal(size=(12, 10, 2)))
    assert not figure.subfigs[0].axes[0].images


def test_different_maps_are_chosen() -> None:
    """Of three patterns in many copies, one copy each; dead maps come last."""
    patterns = RNG.normal(size=(9, 9, 3))
    maps = np.concatenate([np.zeros((9, 9, 12)), *[patterns * scale for scale in (1, 2, 3, 4)]], 2)
    chosen = different(maps, 3)
    assert sorted((chosen - 12) % 3) == [0, 1, 2]
    assert min(chosen) >= 12
    assert different(maps, 24).tolist() == list(range(24))
    assert len(set(different(maps, 23))) == 23


def test_mistakes_are_told() -> None:
    model, x = network(), np.zeros((12, 10, 3))
    with pytest.raises(ValueError, match=r"Dense 'head': its output is no image .*\(1, 2\)"):
        feature_maps(model, x, ["head"])
    with pytest.raises(ValueError, match=r"no layer 'four'\. Layers:"):
        layer_values(model, x, ["four"])
    with pytest.raises(ValueError, match="count must be a positive integer"):
        feature_maps(model, x, count=0)
    with pytest.raises(ValueError, match="no Conv2D layer; name the layers"):
        feature_maps(Sequential([Input((4, 4, 1)), layers.Flatten()]), np.zeros((4, 4)))


@pytest.mark.parametrize("channels", [1, 3, 4, 20])
def test_filters(channels: int) -> None:
    layer = layers.Conv2D(10, (3, 2), use_bias=channels != 4, name="conv")
    layer(np.zeros((1, 5, 5, channels)))
    kernel = layer.kernel.numpy()
    told = filter_values(layer)
    np.testing.assert_array_equal(told.kernel, kernel)
    norms = [np.linalg.norm(kernel[..., f].ravel()) for f in range(10)]
    np.testing.assert_allclose(told.norms, norms, rtol=1e-6)
    assert told.bias.tolist() == [0] * 10
    figure = filters(layer, 9)
    assert figure.get_suptitle() == f"conv: 9 of 10 filters of 3 x 2 x {channels}"
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 9 * (1 if channels < 4 else min(channels, 12))
    if channels != 3:  # the second panel: the second filter, or the second channel of the first
        second = kernel[:, :, 0, 1] if channels == 1 else kernel[:, :, 1, 0]
        np.testing.assert_array_equal(pictures[1].images[0].get_array(), second)


def test_mistakes_about_filters_are_told() -> None:
    with pytest.raises(TypeError, match="filters needs a Conv2D layer"):
        filters(layers.Dense(2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="it has no kernel yet"):
        filters(layers.Conv2D(2, 3))
