"""TensorBoard's own reader finds in our event files what it finds in Keras'."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
pytest.importorskip("tensorboard")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.util.tensor_util import make_ndarray  # noqa: E402

import tinyconv  # noqa: E402
from tests.training.models import classifier, problem  # noqa: E402
from tinyconv.callbacks import TensorBoard  # noqa: E402

X, Y = problem()
ROOT = Path(tinyconv.__file__).resolve().parents[1]


def read(folder):
    """{tag: [(step, value)]} as TensorBoard sees it."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    tags = events.Tags()
    assert not tags["scalars"]
    found = {}
    for tag in tags["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        values = [(e.step, make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
        found[tag] = (plugin, values)
    return found


def twin(seed=7):
    """The same model in Keras."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh", name="hidden"),
            keras.layers.Dense(3, activation="softmax", name="output"),
        ],
        name="classifier",
    )
    rng = np.random.default_rng(seed)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"update_freq": "batch"},
        {"update_freq": 5, "histogram_freq": 2},
        {"histogram_freq": 1, "write_graph": False},
        {"write_steps_per_second": True, "update_freq": 1},
    ],
    ids=str,
)
def test_the_files_hold_what_those_of_keras_hold(arguments, tmp_path):
    # Keras drops the values of an epoch that does not end with a step to be written: 5 steps.
    fit = {"batch_size": 5, "epochs": 3, "validation_data": (X, Y), "verbose": 0}
    fit["shuffle"] = False
    model, expected_model = classifier(), twin()
    history = model.fit(X, Y, **fit, callbacks=TensorBoard(tmp_path / "ours", **arguments)).history
    callback = keras.callbacks.TensorBoard(str(tmp_path / "theirs"), **arguments)
    expected_model.fit(X, Y, **fit, callbacks=[callback])
    for part in ("train", "validation"):
        found, expected = read(tmp_path / "ours" / part), read(tmp_path / "theirs" / part)
        assert found.keys() == expected.keys()
        for tag, (plugin, values) in expected.items():
            assert found[tag][0] == plugin
            assert [step for step, _ in found[tag][1]] == [step for step, _ in values]
            if tag == "keras" or "per_second" in tag:
                continue
            for (_, ours), (_, theirs) in zip(found[tag][1], values, strict=True):
                assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
                if "histogram" not in tag:
                    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
                else:
                    assert ours[:, 2].sum() == theirs[:, 2].sum()
    losses = [float(value) for _, value in read(tmp_path / "ours" / "train")["epoch_loss"][1]]
    np.testing.assert_allclose(losses, history["loss"], rtol=1e-6)


def test_histograms_count_every_weight(tmp_path):
    model = classifier()
    model.fit(X, Y, verbose=0, callbacks=TensorBoard(tmp_path, histogram_freq=1))
    found = read(tmp_path / "train")
    for weight in model.weights:
        ((step, bins),) = found[f"classifier/{weight.path}/histogram"][1]
        assert step == 0
        assert bins[:, 2].sum() == weight.value.size
        np.testing.assert_allclose(bins[[0, -1], [0, 1]], [weight.value.min(), weight.value.max()])


def test_the_layers_are_described_for_the_graph(tmp_path):
    from tensorboard.plugins.graph.keras_util import keras_model_to_graph_def

    classifier().fit(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    plugin, ((_, text),) = read(tmp_path / "train")["keras"]
    assert plugin == "graph_keras_model"
    graph = keras_model_to_graph_def(json.loads(text.item()))
    assert {"classifier/hidden", "classifier/output"} <= {node.name for node in graph.node}


def test_what_is_written_is_there_at_once(tmp_path):
    seen = []

    def look(epoch, logs):
        seen.append(len(read(tmp_path / "train")["epoch_loss"][1]))

    looker = tinyconv.callbacks.LambdaCallback(on_epoch_end=look)
    classifier().fit(X, Y, epochs=3, verbose=0, callbacks=[TensorBoard(tmp_path), looker])
    assert seen == [1, 2, 3]


def test_evaluate_writes_by_the_steps_trained(tmp_path):
    model = classifier()
    model.fit(X, Y, 11, epochs=2, verbose=0)
    model.evaluate(X, Y, verbose=0, callbacks=TensorBoard(tmp_path))
    found = read(tmp_path / "validation")
    assert set(found) == {"evaluation_loss_vs_iterations", "evaluation_accuracy_vs_iterations"}
    assert [step for step, _ in found["evaluation_loss_vs_iterations"][1]] == [4]


def test_after_a_resume_there_is_every_step_once(tmp_path):
    def callbacks(*more):
        return [
            TensorBoard(tmp_path / "logs", update_freq=1, histogram_freq=1),
            tinyconv.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=3), *more,
        ]  # fmt: skip

    def fit(*more):
        tinyconv.utils.set_random_seed(1)
        classifier().fit(
            X, Y, 5, 4, validation_data=(X, Y), verbose=0, callbacks=callbacks(*more)
        )  # 5 steps an epoch

    class Fails(tinyconv.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 14:
                raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        fit(Fails())
    fit()
    train, validation = read(tmp_path / "logs" / "train"), read(tmp_path / "logs" / "validation")
    assert [step for step, _ in train["batch_loss"][1]] == list(range(1, 21))
    assert [step for step, _ in train["epoch_loss"][1]] == [0, 1, 2, 3]
    assert [step for step, _ in train["classifier/hidden/kernel/histogram"][1]] == [0, 1, 2, 3]
    steps = [step for step, _ in validation["evaluation_loss_vs_iterations"][1]]
    assert steps == [5, 10, 15, 20]


@pytest.mark.parametrize(
    "argument",
    [{"write_images": True}, {"profile_batch": 2}, {"embeddings_freq": 1},
     {"embeddings_metadata": "file"}],
)  # fmt: skip
def test_arguments_that_are_not_supported_are_named(argument):
    (name,) = argument
    with pytest.raises(TypeError, match=f"TensorBoard: argument '{name}' is supported as"):
        TensorBoard("logs", **argument)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="update_freq must be"):
        TensorBoard("logs", update_freq="never")
    with pytest.raises(ValueError, match="histogram_freq must be"):
        TensorBoard("logs", histogram_freq=-1)
    TensorBoard("logs", 0, True, False, False, "epoch", 0, 0, None)  # Keras' defaults


def test_tensorflow_is_not_needed(tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import numpy as np, tinyconv as tc\n"
        "model = tc.Sequential([tc.layers.Dense(1, input_shape=(2,))])\n"
        "model.compile('sgd', 'mse')\n"
        "callback = tc.callbacks.TensorBoard('logs', histogram_freq=1)\n"
        "model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=callback)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert "epoch_loss" in read(tmp_path / "logs" / "train")


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(ImportError, match=r'pip install "tinyconv\[tensorboard\]"'):
        TensorBoard("logs")


def test_a_path_that_is_no_folder_is_told_before_training(tmp_path):
    (tmp_path / "a_file").touch()
    model = classifier()
    with pytest.raises(OSError, match=r"TensorBoard: .*a_file"):
        model.fit(*problem(), verbose=0, callbacks=TensorBoard(tmp_path / "a_file"))
    assert model.optimizer.iterations == 0
