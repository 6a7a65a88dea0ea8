"""Files between tinyconv and the real Keras, in both directions, and on with the training."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from parity import roundtrips  # noqa: E402
from parity.__main__ import main  # noqa: E402
from parity.roundtrips import DIRECTIONS, FORMATS, TRIPS, carry  # noqa: E402

# Keras' own arrays, with NumPy 2; its remark that .h5 is an old format.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*retracing.*"),
]


@pytest.mark.parametrize(("source", "target"), DIRECTIONS, ids=" to ".join)
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("name", TRIPS)
def test_predicts_and_trains_on_alike(name, ending, source, target, tmp_path):
    outcome = carry(TRIPS[name], ending, source, target, tmp_path)
    assert outcome.predictions <= roundtrips.PREDICTIONS
    assert outcome.trajectory is None or outcome.trajectory <= roundtrips.TRAJECTORY


@pytest.mark.parametrize("name", ["dense", "CNN", "cats vs dogs", "float64"])
def test_the_comparison_notices_a_lost_state(name, tmp_path, monkeypatch):
    load = roundtrips.load

    def forgetful(library, trip, file):
        model = load(library, trip, file)
        model.optimizer.iterations, model.optimizer.slots = 0, {}
        return model

    monkeypatch.setattr(roundtrips, "load", forgetful)
    outcome = carry(TRIPS[name], ".keras", "keras", "tinyconv", tmp_path)
    assert outcome.predictions <= roundtrips.PREDICTIONS
    assert outcome.trajectory > roundtrips.TRAJECTORY
    assert not outcome.passed


def test_the_command_prints_the_table(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["parity", "--files"])
    monkeypatch.setattr(roundtrips, "TRIPS", {"dense": TRIPS["dense"]})
    monkeypatch.setattr(roundtrips, "FORMATS", (".keras",))
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["model", "file", "from", "to", "predictions", "training", "on"]
    assert [line.split()[:4] for line in lines[1:3]] == [
        ["dense", ".keras", "tinyconv", "keras"],
        ["dense", ".keras", "keras", "tinyconv"],
    ]
    assert lines[3].startswith("2 trips, 0 failed")


def scaled(lib):
    """A layer of one's own for either library: y = scale * x."""
    if lib is keras:

        class Scale(keras.layers.Layer):
            def build(self, input_shape):
                self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

            def call(self, x):
                return self.scale * x

        return Scale

    class Scale(tinyconv.layers.Layer):  # type: ignore[no-redef]
        def build(self, input_shape):
            self.add_weight("scale", (input_shape[-1],), "ones")

        def forward(self, x, training=False):
            x = self.prepare(x)
            y = self.params["scale"] * x
            return y, tinyconv.layers.Cache(self, y.shape, x=x)

        def backward(self, dy, cache):
            dy = self.check_backward(dy, cache)
            return dy * self.params["scale"], {"scale": (dy * cache.x).sum(axis=0)}

    return Scale


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(("source", "target"), [(tinyconv, keras), (keras, tinyconv)])
def test_layers_of_ones_own_travel_by_name(source, target, ending, tmp_path):
    file = tmp_path / f"model{ending}"
    model = source.Sequential([source.Input((3,)), scaled(source)(), source.layers.Dense(2)])
    model.set_weights([np.random.default_rng(0).random(w.shape) for w in model.get_weights()])
    model.save(file)
    loader = tinyconv.saving if target is tinyconv else keras.models
    with pytest.raises(Exception, match="Scale"):
        loader.load_model(file)
    loaded = loader.load_model(file, custom_objects={"Scale": scaled(target)})
    x = np.random.default_rng(1).random((4, 3)).astype("float32")
    np.testing.assert_allclose(
        np.asarray(loaded.predict_on_batch(x)), np.asarray(model.predict_on_batch(x)), atol=1e-6
    )


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_keras_opens_what_was_compiled_by_name(ending, loss, tmp_path):
    model = tinyconv.Sequential([tinyconv.Input((3,)), tinyconv.layers.Dense(2)])
    model.compile("rmsprop", loss, metrics=["mse", "accuracy"])
    file = tmp_path / f"model{ending}"
    model.save(file)
    loaded = keras.models.load_model(file)
    assert type(loaded.optimizer).__name__ == "RMSprop"
    x, y = np.ones((2, 3), "float32"), np.array([[0, 1], [1, 0]], "float32")
    expected = dict(zip(["loss", "mse", "accuracy"], model.test_on_batch(x, y), strict=True))
    received = loaded.test_on_batch(x, y, return_dict=True)
    for name, value in expected.items():
        assert float(received[name]) == pytest.approx(value, rel=1e-5)


def test_keras_ignores_the_input_record(tmp_path):
    model = tinyconv.Sequential([tinyconv.Input((3,)), tinyconv.layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"), verbose=0)
    assert model.input_record is not None
    for ending in (".keras", ".h5"):
        file = Path(tmp_path / f"model{ending}")
        model.save(file)
        assert keras.models.load_model(file).count_params() == 8
        assert tinyconv.saving.load_model(file).input_record == model.input_record
