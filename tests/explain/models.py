"""Models to draw."""

from tinyconv import Input, Model, Sequential, layers


def chain() -> Sequential:
    return Sequential(
        [
            Input((8, 8, 1), name="image"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(3, trainable=False, name="head"),
        ],
        name="chain",
    )


def nested() -> Model:
    """A block with two outputs, of which the model uses one, and a chain in a chain."""
    x = Input((8, 8, 2), name="x")
    y = layers.Conv2D(2, 3, padding="same", name="conv")(x)
    added = layers.Add(name="add")([x, y])
    pooled = layers.GlobalAveragePooling2D(name="pool")(y)
    block = Model(x, [added, pooled], name="block")
    inner = Sequential([Input((2,)), layers.Dense(3, name="d1"), layers.ReLU(name="r")], name="in")
    tail = Sequential([Input((2,)), inner, layers.Softmax(name="soft")], name="tail")
    image = Input((8, 8, 2), name="image")
    return Model(image, tail(block(image)[1]), name="outer")


def siamese() -> Model:
    left, right = Input((4,), name="left"), Input((4,), name="right")
    twin = layers.Dense(2, name="twin")
    both = layers.Concatenate(name="both")([twin(left), twin(right)])
    return Model([left, right], layers.Dense(1, name="same")(both))
