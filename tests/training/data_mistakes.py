"""Wrong data: what people do, (deed, exception, what its message must hold)."""

import numpy as np

from tests.training.trained import NET, N, X, Y, fit
from tinyconv import Sequential

NAN, INF = float("nan"), float("inf")
LOSS = "SparseCategoricalCrossentropy: "
HUGE = np.full_like(X, 3e38)


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


def spoilt(value, dtype="float32"):
    x = X.astype(dtype)
    x[7, 2, 3, 1] = value
    return x


def regression(model):
    twin = Sequential(model.layers, name="net")
    twin.compile("sgd", "mse")
    y = np.zeros((N, 3))
    y[4, 1] = INF
    twin.fit(X, y, verbose=0)


DATA = {
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
}
