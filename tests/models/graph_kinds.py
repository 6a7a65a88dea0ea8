"""One small model of each kind of graph: layers, inputs and models that come twice or nowhere."""

from tests.models.graphs import add, dense, join, siamese, two_by_two, value
from tinyconv import Input, Model, Sequential, layers


def diamond():
    x = value(3)
    first = dense(4)(x)
    return Model(x, dense(2)(add(dense(3)(first), dense(3, activation="sigmoid")(first))))


def one_value_twice():
    x = value(3)
    y = dense(3)(x)
    return Model(x, add(y, y, x, y))


def in_a_row():
    x = value(3)
    layer = dense(3)
    return Model(x, join(layer(layer(layer(x))), x))


def inner_outputs():
    x = value(3)
    h = dense(4, "h")(x)
    y = dense(2, "y")(h)
    return Model(x, [y, h, y])


def an_input_as_output():
    x = value(3)
    return Model(x, [dense(2)(x), x])


def a_model_twice():
    inner, x, other = siamese(), value(3), value(3)
    return Model([x, other], add(inner([x, other]), inner([other, other])))


def two_outputs_inside():
    x = value(3)
    inner = Model(x, [dense(3, "left")(x), dense(3, "right")(x)], name="inner")
    z = value(3)
    left, right = inner(z)
    again, _ = inner(right)
    return Model(z, join(left, again))


def one_output_unused():
    x, z = value(3), value(3)
    inner = Model(x, [dense(3, "left")(x), dense(3, "right")(x)], name="inner")
    return Model(z, dense(2)(inner(z)[1]))


def in_sequential():
    x = value(3)
    inner = Model(x, add(dense(3)(x), x))
    return Sequential([value(3), dense(3), inner, dense(2)])


def sequential_inside():
    chain = Sequential([dense(4), layers.BatchNormalization(dtype="float64"), dense(3)])
    x = value(3)
    return Model(x, add(chain(x), x, chain(x)))


def a_layer_in_two_models():
    """And outside of them: its gradients are added, its weights counted once."""
    shared, x, y, z = dense(3, "shared"), value(3), value(3), value(3)
    one = Model(x, dense(3, "d1")(shared(x)), name="one")
    other = Model(y, dense(3, "d2")(shared(y)), name="other")
    return Model(z, add(one(z), other(z), shared(z)))


def images():
    x = Input((5, 4, 2), dtype="float64")
    conv = layers.Conv2D(2, 3, padding="same", activation="elu", dtype="float64")
    norm = layers.BatchNormalization(dtype="float64")
    y = add(norm(conv(x)), x, norm(conv(conv(x))))
    pooled = layers.GlobalAveragePooling2D(dtype="float64")(y)
    return Model(x, [layers.Dropout(0.3, dtype="float64")(pooled), y])


GRAPHS = [
    siamese, two_by_two, diamond, one_value_twice, in_a_row, inner_outputs, an_input_as_output,
    a_model_twice, two_outputs_inside, one_output_unused, in_sequential, sequential_inside, images,
    a_layer_in_two_models,
]  # fmt: skip
