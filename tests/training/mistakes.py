"""What people do wrong: (deed, exception, what its message must hold)."""

import numpy as np

from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import Callback

RNG = np.random.default_rng(0)
N = 12
X = RNG.random((N, 6, 6, 2)).astype("float32")
Y = RNG.integers(0, 3, N)
NAN, INF = float("nan"), float("inf")


class OfCupy:
    """What tells an array of CuPy from others."""

    shape, dtype, ndim = X.shape, X.dtype, X.ndim

    @property
    def __cuda_array_interface__(self):
        return {"shape": X.shape, "typestr": "<f4", "data": (0, False), "version": 3}

    def __len__(self):
        return N

    def __getitem__(self, rows):
        raise AssertionError("taken for a data set")

    def __array__(self, *arguments, **named):
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def get(self):
        return X


def network():
    """Trained for an epoch, so that weights, statistics, optimizer and history have a past."""
    parts = [
        Input((6, 6, 2)),
        layers.Conv2D(3, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(3, activation="softmax", name="head"),
    ]
    model = Sequential(parts, name="net")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, 5, verbose=0)
    return model


def fit(x=X, y=Y, **arguments):
    return lambda model: model.fit(x, y, **{"verbose": 0, **arguments})


def spoilt(value, dtype="float32"):
    x = X.astype(dtype)
    x[7, 2, 3, 1] = value
    return x


def image_model(*parts):
    return lambda model: Sequential([Input((6, 6, 2)), *(part() for part in parts)], name="new")


def uncompiled(method):
    model = Sequential([Input((6, 6, 2)), layers.Flatten(), layers.Dense(3)], name="fresh")
    return lambda _: getattr(model, method)(X, Y)


def foreign_cache(model):
    other = network()
    y, cache = other.forward(X, training=True)
    model.backward(y, cache)


def frozen(model):
    try:
        model.trainable = False
        model.fit(X, Y, verbose=0)
    finally:
        model.trainable = True


def frozen_after_training(model):
    try:
        model.get_layer("conv").trainable = False
        model.fit(X, Y, verbose=0)
    finally:
        model.get_layer("conv").trainable = True


def regression(model):
    twin = Sequential(model.layers, name="net")
    twin.compile("sgd", "mse")
    y = np.zeros((N, 3))
    y[4, 1] = INF
    twin.fit(X, y, verbose=0)


def set_rate(value):
    def change(model):
        model.optimizer.learning_rate = value

    return change


def compiled_with(*arguments, **keywords):
    return lambda model: model.compile(*arguments, **keywords)


NET = "Sequential 'net': "
LOSS = "SparseCategoricalCrossentropy: "
HUGE = np.full_like(X, 3e38)

TABLE = {
    # ---- shapes of the input
    "rank": (
        fit(X[0], Y[:6]),
        ValueError,
        NET + r"expected input of shape \(None, 6, 6, 2\)\. .*\(6, 6, 2\)",
    ),
    "rank, predict": (
        lambda m: m.predict(X[:, 0]),
        ValueError,
        NET + r".*\(None, 6, 6, 2\).*\(12, 6, 2\)",
    ),
    "channels": (fit(X[..., :1]), ValueError, NET + r".*\(None, 6, 6, 2\).*\(12, 6, 6, 1\)"),
    "image size": (fit(X[:, :5]), ValueError, NET + r".*\(None, 6, 6, 2\).*\(12, 5, 6, 2\)"),
    "channels of a layer": (
        lambda m: m.layers[0](X[..., :1]),
        ValueError,
        r"Conv2D 'conv': expected 2 .*\(12, 6, 6, 1\)",
    ),
    "rank of a layer": (
        lambda m: m.layers[0](X[0]),
        ValueError,
        r"Conv2D 'conv': expected 4-D input .*\(6, 6, 2\)",
    ),
    "no samples": (
        fit(X[:0], Y[:0]),
        ValueError,
        NET + r"x must hold at least one sample.*\(0, 6, 6, 2\)",
    ),
    "no samples, predict": (lambda m: m.predict(X[:0]), ValueError, NET + r"x must hold .*\(0, 6"),
    "no pixels": (fit(X[:, :0]), ValueError, NET + r".*\(12, 0, 6, 2\)"),
    "no batch": (lambda m: m.predict_on_batch(X[:0]), ValueError, r"'(net|conv)'.*\(0, 6, 6, 2\)"),
    "lengths": (fit(X, Y[:-1]), ValueError, NET + "x and y must have the same length.*12 and 11"),
    "weights' length": (
        fit(sample_weight=np.ones(3)),
        ValueError,
        NET + "x and sample_weight .*12 and 3",
    ),
    "no y": (fit(y=None), ValueError, NET + "fit needs targets y"),
    # ---- values
    "NaN": (
        fit(spoilt(NAN)),
        ValueError,
        NET + r"x must hold finite.*nan in sample 7 at \(2, 3, 1\)",
    ),
    "infinity": (
        fit(spoilt(INF, "float64")),
        ValueError,
        NET + r"x .*inf in sample 7 at \(2, 3, 1\)",
    ),
    "NaN, predict": (lambda m: m.predict(spoilt(NAN)), ValueError, NET + "x must hold finite.*nan"),
    "NaN, evaluate": (lambda m: m.evaluate(spoilt(-INF), Y), ValueError, NET + "x must .*-inf"),
    "NaN to validate": (fit(validation_data=(spoilt(NAN), Y)), ValueError, NET + "x must .*nan"),
    "strings": (fit(np.array(["a"] * N)), TypeError, NET + "x must be an array of numbers.*<U1"),
    "names as labels": (
        fit(X, np.array(["cat"] * N)),
        TypeError,
        NET + r"y must be an array of numbers.*<U3. Turn names into numbers 0\.\.n-1",
    ),
    "names of pandas": (fit(X, np.array(["cat"] * N, object)), TypeError, NET + "y .*Turn names"),
    "objects": (fit(X, [object()] * N), TypeError, NET + "y must be an array of numbers.*object"),
    "an iterator": (fit(iter(X)), ValueError, NET + "fit takes no y where x is a data set.*iter"),
    "of a GPU": (
        fit(OfCupy()),
        TypeError,
        NET + r"x must be an array of the host.*pass x\.get\(\)",
    ),
    "labels of a GPU": (fit(X, OfCupy()), TypeError, NET + r"y must be .*OfCupy.*pass y\.get\(\)"),
    "None": (fit(None), TypeError, NET + "x must be an array.*NoneType"),
    "complex": (fit(X * 1j), TypeError, NET + "x must be an array of numbers.*complex64"),
    "a number": (fit(3.0), ValueError, NET + r"x must hold at least one sample.*\(\)"),
    "overflow": (
        fit(HUGE, shuffle=False),
        FloatingPointError,
        NET + "the loss became (nan|inf) after 3 steps.*learning rate .*0.001",
    ),
    "NaN weight": (
        fit(sample_weight=[1] * 11 + [NAN]),
        ValueError,
        NET + "sample_weight must .*nan in sample 11",
    ),
    "NaN target": (regression, ValueError, NET + r"y must hold finite.*inf in sample 4 at \(1,\)"),
    # ---- labels
    "label too large": (fit(y=Y + 1), ValueError, LOSS + r".*\[0, 3\).*3"),
    "label negative": (fit(y=Y - 5), ValueError, LOSS + r".*\[0, 3\).*-"),
    "labels float": (
        fit(y=Y + 0.5),
        ValueError,
        LOSS + ".*integers.*float64.*categorical_crossentropy",
    ),
    "labels one-hot": (
        fit(y=np.eye(3, dtype=int)[Y]),
        ValueError,
        LOSS + r".*\(12, 3\).*categorical_",
    ),
    "labels, evaluate": (lambda m: m.evaluate(X, Y + 9), ValueError, LOSS + r".*\[0, 3\)"),
    "labels to validate": (fit(validation_data=(X, Y + 1)), ValueError, LOSS + r".*\[0, 3\)"),
    # ---- arguments of fit
    "batch_size 0": (fit(batch_size=0), ValueError, NET + "batch_size must be a positive.*0"),
    "batch_size -4": (fit(batch_size=-4), ValueError, NET + "batch_size must be a positive.*-4"),
    "batch_size 2.5": (fit(batch_size=2.5), ValueError, NET + "batch_size must be .*2.5"),
    "validation_batch_size": (
        fit(validation_split=0.5, validation_batch_size=0),
        ValueError,
        NET + "validation_batch_size must be a positive integer.*0",
    ),
    "epochs": (fit(epochs=1.5), ValueError, NET + r"epochs must be an integer >= 0.*1\.5"),
    "initial_epoch": (fit(initial_epoch=-1), ValueError, NET + "initial_epoch must be .*-1"),
    "validation_freq": (
        fit(validation_data=(X, Y), validation_freq=0),
        ValueError,
        NET + "validation_freq .*0",
    ),
    "split 1": (fit(validation_split=1.0), ValueError, NET + r"validation_split must .*1\.0 of 12"),
    "split -0.1": (fit(validation_split=-0.1), ValueError, NET + r"validation_split .*-0\.1"),
    "split text": (fit(validation_split="0.1"), ValueError, NET + r"validation_split .*0\.1"),
    "split NaN": (fit(validation_split=NAN), ValueError, NET + "validation_split .*nan"),
    "split of all": (
        fit(validation_split=0.99),
        ValueError,
        NET + r"validation_split .*0\.99 of 12",
    ),
    "validation_data": (
        fit(validation_data=X),
        ValueError,
        NET + r"validation_data must be \(x, y\).*ndarray",
    ),
    "validation shape": (
        fit(validation_data=(X[:, 1:], Y)),
        ValueError,
        NET + r".*\(12, 5, 6, 2\)",
    ),
    "class_weight": (
        fit(class_weight={"cat": 2}),
        ValueError,
        NET + "class_weight must map integer.*cat",
    ),
    "misspelt argument": (
        fit(epoch=3),
        TypeError,
        NET + r"fit: unsupported argument 'epoch'\. Did you mean 'epochs'\?",
    ),
    "class_weight list": (
        fit(class_weight=[1, 2]),
        ValueError,
        NET + r"class_weight must map integer.*\[1, 2\]",
    ),
    "class_weight factor": (
        fit(class_weight={0: "heavy"}),
        ValueError,
        NET + "class_weight must map integer classes to numbers.*heavy",
    ),
    "callbacks": (fit(callbacks=[print]), TypeError, NET + "callbacks must be .*Callback.*print"),
    "callback class": (fit(callbacks=[Callback]), TypeError, NET + "callbacks must be .*class"),
    "verbose": (fit(verbose=7), ValueError, "verbose must be 0, 1, 2 or 'auto'.*7"),
    # ---- compile
    "fit first": (
        uncompiled("fit"),
        RuntimeError,
        r"'fresh': call compile\(optimizer, loss\) before fit",
    ),
    "evaluate first": (
        uncompiled("evaluate"),
        RuntimeError,
        "'fresh': call compile.*before evaluate",
    ),
    "train first": (uncompiled("train_on_batch"), RuntimeError, "'fresh': .*before train_on_batch"),
    "optimizer": (compiled_with("adma", "mse"), ValueError, "optimizer.*'adma'.*mean 'adam'"),
    "loss": (compiled_with("adam", "msee"), ValueError, "loss.*'msee'.*mean 'mse'"),
    "no loss": (compiled_with("adam"), ValueError, NET + "compile needs a loss"),
    "metric": (
        compiled_with("adam", "mse", metrics=["acuracy"]),
        ValueError,
        "metric.*'acuracy'.*'accuracy'",
    ),
    "loss_weights": (
        compiled_with("adam", "mse", loss_weights=[1, 2]),
        ValueError,
        NET + "loss_weights must have one entry .*Received: 2",
    ),
    "not an optimizer": (compiled_with(0.1, "mse"), TypeError, r"optimizer must be .*0\.1"),
    "not a loss": (compiled_with("sgd", len), TypeError, "loss must be .*len"),
    "rate set negative": (set_rate(-1.0), ValueError, r"learning_rate must be .*>= 0.*-1\.0"),
    "rate set NaN": (set_rate(NAN), ValueError, "learning_rate must be .*nan"),
    # ---- layers
    "large kernel": (
        image_model(lambda: layers.Conv2D(2, 7, name="big")),
        ValueError,
        r"Conv2D 'big'.*7.*6",
    ),
    "large pool": (
        image_model(lambda: layers.MaxPooling2D(9, name="big")),
        ValueError,
        r"MaxPooling2D 'big'.*9.*6",
    ),
    "dense on images": (
        image_model(
            lambda: layers.Dense(2),
            lambda: layers.Dense(2, name="d"),
            lambda: layers.MaxPooling2D(7, name="p"),
        ),
        ValueError,
        "MaxPooling2D 'p'",
    ),
    "zero filters": (lambda m: layers.Conv2D(0, 3, name="c"), ValueError, "Conv2D 'c'.*filters.*0"),
    "negative units": (lambda m: layers.Dense(-3, name="d"), ValueError, "Dense 'd'.*units.*-3"),
    "zero stride": (
        lambda m: layers.Conv2D(2, 3, strides=0, name="c"),
        ValueError,
        "Conv2D 'c'.*strides.*0",
    ),
    "negative shape": (lambda m: Input((6, -6, 2)), ValueError, "positive integers.*-6"),
    "layer argument": (lambda m: layers.Conv2D(2, 3, stride=2), TypeError, "Conv2D.*'stride'"),
    "activation": (
        lambda m: layers.Dense(2, activation="rellu", name="d"),
        ValueError,
        "'rellu'.*'relu'",
    ),
    "foreign cache": (
        foreign_cache,
        ValueError,
        NET + "backward needs the cache that its own forward",
    ),
    "add": (lambda m: m.add("Dense"), TypeError, NET + "expected a layer.*'Dense'"),
    # ---- freezing
    "all frozen": (frozen, ValueError, NET + "no layer is trainable"),
    "frozen since": (
        frozen_after_training,
        ValueError,
        NET + "layers were frozen or unfrozen.*compile again",
    ),
}
