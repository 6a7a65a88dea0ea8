"""model.summary() of graphs: the "connected to" column, nested rows, what is trained."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from keras.src.utils import naming  # noqa: E402

import tinyconv  # noqa: E402


@pytest.fixture(autouse=True)
def names_start_anew(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # Keras cuts off what the terminal can't show
    tinyconv.utils.clear_session()
    naming.reset_uids()


def shared(lib):
    """Two inputs through one layer, two outputs."""
    layers = lib.layers
    a, b = lib.Input((4,), name="a"), lib.Input((4,), name="b")
    dense = layers.Dense(3, name="shared")
    x = layers.Add()([dense(a), dense(b)])
    y = layers.Concatenate()([x, a])
    outputs = [layers.Dense(2, activation="softmax", name="kind")(y), layers.Dense(1)(x)]
    return lib.Model([a, b], outputs)


def model_in_model(lib):
    """A model of two outputs, called twice."""
    inner, x = shared(lib), lib.Input((4,))
    first, second = inner([x, x]), inner([x, x])
    return lib.Model(x, [*first, second[0]], name="outer")


def residual(lib):
    """A frozen body, and a sum that skips a convolution."""
    layers = lib.layers
    parts = [lib.Input((6, 6, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()]
    body = lib.Sequential(parts, name="body")
    body.trainable = False
    x = lib.Input((6, 6, 3))
    y = body(x)
    z = layers.Conv2D(4, 3, padding="same")(y)
    z = layers.Activation("relu")(layers.Add()([y, z]))
    return lib.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(z)), name="residual")


def chain(lib):
    """A graph that is no more than a chain has no such column."""
    x = lib.Input((4,))
    return lib.Model(x, lib.layers.Dense(2)(lib.layers.Dense(3)(x)))


def cut_out(lib):
    """The part of a graph up to an inner layer; one input leads nowhere."""
    whole = shared(lib)
    return lib.Model(whole.inputs, whole.get_layer("shared").output, name="part")


def printed(model, capsys, **how):
    capsys.readouterr()
    model.summary(**how)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "how",
    [{}, {"line_length": 76}, {"expand_nested": True}, {"show_trainable": True}],
    ids=["plain", "narrow", "expanded", "trainable"],
)
@pytest.mark.parametrize("make", [shared, model_in_model, residual, chain, cut_out])
def test_summary_is_keras_own(make, how, capsys):
    expected = printed(make(keras), capsys, **how)
    assert printed(make(tinyconv), capsys, **how) == expected
    assert ("Connected to" in expected) == (make is not chain)


def test_the_shapes_are_those_of_this_model(capsys):
    # Keras shows the shape of the layer's last call anywhere.
    layer = tinyconv.layers.Conv2D(2, 3)
    small, large = tinyconv.Input((32, 32, 3)), tinyconv.Input((64, 64, 3))
    model, other = tinyconv.Model(small, layer(small)), tinyconv.Model(large, layer(large))
    assert "(None, 30, 30, 2)" in printed(model, capsys)
    assert "(None, 62, 62, 2)" in printed(other, capsys)
