"""Wrong calls and layers: what people do, (deed, exception, what its message must hold)."""

from tests.training.trained import NET, X, Y, fit, network
from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import Callback

NAN = float("nan")


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


def set_rate(value):
    def change(model):
        model.optimizer.learning_rate = value

    return change


def compiled_with(*arguments, **keywords):
    return lambda model: model.compile(*arguments, **keywords)


CALLS = {
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
