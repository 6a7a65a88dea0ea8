"""A receptive field is the set of pixels that change the output when they are changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.explain.models import nested, siamese
from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain import receptive_field, receptive_field_of
from tinyconv.layers.base import Cache, Layer


def positive(model: Model) -> Model:
    """The same with weights that let every change through."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.weights])
    return model


def chain(*some: Layer, size: tuple[int, int] = (13, 12)) -> Model:
    return positive(Sequential([Input((*size, 2), dtype="float64"), *some]))


def conv(size: Any, name: str | None = None, **more: Any) -> layers.Conv2D:
    return layers.Conv2D(2, size, dtype="float64", name=name, **more)


def branches() -> Model:
    x = Input((13, 12, 2), dtype="float64")
    wide = conv((1, 5), padding="same")(x)
    high = conv((7, 1), padding="same")(x)
    y = layers.Add(dtype="float64")([wide, high])
    y = layers.Concatenate(dtype="float64")(
        [y, layers.MaxPooling2D(3, 1, "same", dtype="float64")(y)]
    )
    return positive(Model(x, conv(1, "last")(y)))


def squeeze() -> Model:
    """A sum in which one addend is repeated over the whole image."""
    x = Input((13, 12, 2), dtype="float64")
    pooled = layers.GlobalAveragePooling2D(keepdims=True, dtype="float64")(x)
    return positive(Model(x, layers.Add(name="last", dtype="float64")([x, pooled])))


MODELS = {
    "one": lambda: chain(conv(3, "last")),
    "same": lambda: chain(conv(3, padding="same"), conv((2, 3), "last", padding="same")),
    "strides": lambda: chain(
        conv(3, strides=2, padding="same"), conv(3, "last", strides=(1, 2), padding="same")
    ),
    "holes": lambda: chain(conv(3, "last", dilation_rate=(2, 3))),
    "gaps": lambda: chain(conv(1, strides=3), conv(2, "last")),
    "pooling": lambda: chain(
        conv(3, activation="relu"), layers.MaxPooling2D(dtype="float64"),
        conv(2, "last", activation="relu"),
    ),
    "average": lambda: chain(
        layers.ZeroPadding2D(((1, 0), (1, 0)), dtype="float64"),
        layers.AveragePooling2D(3, 2, "same", dtype="float64"),
        layers.BatchNormalization(dtype="float64"), layers.ReLU(dtype="float64", name="last"),
    ),
    "pointwise": lambda: chain(
        layers.Rescaling(0.5, dtype="float64"), layers.Dense(3, dtype="float64"),
        layers.Dropout(0.5, dtype="float64"), conv(2, "last"),
    ),
    "rows": lambda: chain(conv(2), layers.Softmax(1, dtype="float64", name="last")),
    "branches": branches,
    "squeeze": squeeze,
}  # fmt: skip


def changed(model: Model, name: str, at: tuple[int, int] | None) -> np.ndarray:
    """The pixels that change the output there, tried one by one."""
    part = Model(model.input, model.get_layer(name).output)
    x = np.random.default_rng(1).uniform(0.4, 0.6, (1, 13, 12, 2))
    rows, cols = np.divmod(np.arange(13 * 12), 12)
    images = np.repeat(x, 13 * 12, axis=0)
    images[np.arange(13 * 12), rows, cols] += 50.0  # enough to win any pooling
    before, after = part(x), part(images)
    difference = np.abs(after - before).reshape(13 * 12, *before.shape[1:])
    if at is not None:
        difference = difference[:, at[0], at[1]]
    return (difference.reshape(13 * 12, -1).max(axis=1) > 1e-9).reshape(13, 12)


@pytest.mark.parametrize("name", MODELS)
def test_the_pixels_that_change_the_output(name: str) -> None:
    model = MODELS[name]()
    high, wide = model.get_layer("last").output.shape[1:3]
    for at in [(0, 0), (high // 2, wide // 2), (high - 1, wide - 1)]:
        told = receptive_field_of(model, np.zeros((13, 12, 2)), "last", at)
        seen = changed(model, "last", at)
        if name == "rows":  # the softmax runs along a column; the field may be larger, not smaller
            assert np.all(told.paths[seen] > 0)
            continue
        np.testing.assert_array_equal(told.paths > 0, seen)
        rows, cols = np.nonzero(seen)
        assert told.rows == (rows.min(), rows.max() + 1)
        assert told.cols == (cols.min(), cols.max() + 1)


def test_the_number_of_ways_is_the_gradient_where_all_weights_are_one() -> None:
    model = chain(conv(3), conv(3, padding="same"), conv(2, "last", strides=2))
    ones = [np.full(w.shape, 0.5 if w.name == "kernel" else 0.0) for w in model.weights]
    model.set_weights(ones)  # 2 channels times 0.5: a sum over the channels is their mean
    y, cache = model.forward(np.zeros((1, 13, 12, 2)))
    dy = np.zeros(y.shape)
    dy[0, 2, 1, 0] = 1
    dx, _ = model.backward(dy, cache)
    told = receptive_field_of(model, np.zeros((13, 12, 2)), "last", (2, 1))
    np.testing.assert_allclose(told.paths, dx[0].sum(axis=-1), rtol=1e-9)


@pytest.mark.parametrize("name", ["one", "same", "holes", "gaps", "pooling", "branches"])
def test_the_formula_agrees_in_the_middle(name: str) -> None:
    model = MODELS[name]()
    told = receptive_field_of(model, np.zeros((13, 12, 2)), "last")
    reach = told.reaches[-1]
    assert reach.layer == "last"
    assert reach.size == (told.rows[1] - told.rows[0], told.cols[1] - told.cols[0])
    high, wide = told.at or (0, 0)
    before = receptive_field_of(model, np.zeros((13, 12, 2)), "last", (high - 1, wide - 1))
    assert told.rows[0] - before.rows[0] == reach.strides[0]
    assert told.cols[0] - before.cols[0] == reach.strides[1]


def test_a_layer_without_places_sees_everything() -> None:
    model = chain(
        conv(3), layers.Flatten(dtype="float64"), layers.Dense(2, dtype="float64", name="d")
    )
    told = receptive_field_of(model, np.zeros((13, 12, 2)), "d")
    assert (told.at, told.rows, told.cols) == (None, (0, 13), (0, 12))
    assert told.reaches[-1].size is None
    assert told.paths[0, 0] == 1
    assert told.paths[6, 6] == 9


def test_the_book_s_figures_for_vgg() -> None:
    """Two 3 x 3 see 5 x 5, three see 7 x 7 (Simonyan & Zisserman 2014, section 2.3)."""
    model = Sequential([Input((20, 20, 1)), *(layers.Conv2D(1, 3, name=f"c{n}") for n in range(3))])
    told = receptive_field_of(model, np.zeros((20, 20)), "c2")
    assert [reach.size for reach in told.reaches] == [(3, 3), (5, 5), (7, 7)]


def test_the_figure() -> None:
    model = MODELS["pooling"]()
    figure = receptive_field(
        model, np.random.default_rng(0).normal(size=(13, 12, 2)), "last", (1, 1)
    )
    told = receptive_field_of(model, np.zeros((13, 12, 2)), "last", (1, 1))
    assert figure.get_suptitle() == "last at row 1, column 1 sees 6 x 6 of 13 x 12 pixels"
    _, paths, growth = figure.axes
    np.testing.assert_array_equal(paths.images[0].get_array(), told.paths)
    assert [text.get_text() for text in growth.texts] == [" 3 x 3", " 4 x 4", " 6 x 6"]
    inside = receptive_field(nested(), np.zeros((8, 8, 2)), "block/conv")
    assert inside.get_suptitle() == "block/conv at row 4, column 4 sees 3 x 3 of 8 x 8 pixels"


def test_mistakes_are_told() -> None:
    model, x = MODELS["one"](), np.zeros((13, 12, 2))
    with pytest.raises(
        ValueError, match=r"'last': at must be a pixel .* output, which has 11 x 10"
    ):
        receptive_field(model, x, "last", (11, 0))
    with pytest.raises(ValueError, match="no layer 'first'"):
        receptive_field(model, x, "first")
    flat = chain(layers.Flatten(dtype="float64", name="flat"))
    with pytest.raises(ValueError, match=r"Flatten 'flat': its output is no image .* must be None"):
        receptive_field(flat, x, "flat", (0, 0))
    with pytest.raises(ValueError, match="needs one input"):
        receptive_field(siamese(), [np.zeros((1, 4))] * 2, "same")

    class Mirror(Layer):
        def forward(self, x: Any, training: bool = False) -> Any:
            return x[:, ::-1], Cache(self, x.shape)

    with pytest.raises(TypeError, match="not known which pixels a Mirror sees"):
        receptive_field(chain(Mirror(name="m", dtype="float64")), x, "m")
