"""ModelCheckpoint saves when Keras' does, under the same names."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.training.models import assert_same_weights, classifier, problem  # noqa: E402
from tinyconv.callbacks import ModelCheckpoint  # noqa: E402

X, Y = problem()
LOSSES = [5.0, 4.0, 4.5, 3.0, float("nan"), 3.0, 2.5]
ARGUMENTS = [
    {},
    {"save_best_only": True},
    {"save_best_only": True, "mode": "max"},
    {"save_best_only": True, "initial_value_threshold": 3.5},
    {"save_best_only": True, "monitor": "loss"},
    {"save_freq": 3},
    {"save_freq": 7},
    {"save_weights_only": True},
]


class Fake:
    """Writes down what is saved."""

    stop_training = False
    metrics: tuple = ()

    def __init__(self):
        self.saved = []

    def save(self, path, overwrite):
        self.saved.append(("model", path, overwrite))

    def save_weights(self, path, overwrite):
        self.saved.append(("weights", path, overwrite))


def drive(callback):
    model = Fake()
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, loss in enumerate(LOSSES):
        callback.on_epoch_begin(epoch, {})
        for batch in range(5):
            callback.on_train_batch_begin(batch, {})
            callback.on_train_batch_end(batch, {"loss": loss + 0.1 * batch})
        callback.on_epoch_end(epoch, {"loss": loss, "val_loss": loss / 2})
    callback.on_train_end({})
    return model.saved


@pytest.mark.filterwarnings("ignore:ModelCheckpoint")
@pytest.mark.parametrize(
    "name", ["a", "{epoch:02d}", "{epoch}-{loss:.2f}", "{epoch}/b-{batch:03d}"]
)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_saves_when_keras_saves(arguments, name, tmp_path):
    if "{batch" in name and "save_freq" not in arguments:
        name = "{epoch}/c-{val_loss:.1f}"
    ending = ".weights.h5" if "save_weights_only" in arguments else ".keras"
    path = str(tmp_path / f"{name}{ending}")
    saved = drive(ModelCheckpoint(path, **arguments))
    assert saved == drive(keras.callbacks.ModelCheckpoint(path, **arguments))
    assert saved


@pytest.mark.filterwarnings("ignore:ModelCheckpoint")
def test_the_best_of_every_second_step(tmp_path):
    # Keras 3.15 raises a TypeError here: its monitor is not ready before an epoch has ended.
    path = str(tmp_path / "{loss:.1f}.keras")
    saved = drive(ModelCheckpoint(path, "loss", save_best_only=True, save_freq=2))
    names = [path.rpartition("/")[2] for _, path, _ in saved]
    assert names == ["5.1.keras", "4.0.keras", "3.0.keras", "2.6.keras"]


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_what_is_saved_is_the_model(ending, tmp_path):
    model, other = classifier(), classifier()
    weights_only = ending == ".weights.h5"
    path = tmp_path / "new" / ("{epoch}-{val_loss:.2f}" + ending)
    callback = ModelCheckpoint(path, save_weights_only=weights_only)
    history = model.fit(
        X, Y, epochs=2, validation_data=(X, Y), verbose=0, callbacks=callback
    ).history
    names = [f"{i + 1}-{value:.2f}{ending}" for i, value in enumerate(history["val_loss"])]
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(names)
    last = path.parent / names[-1]
    if weights_only:
        other.load_weights(last)
    else:
        other = tinyconv.models.load_model(last)
    assert_same_weights(other, model)


def test_the_best_model_is_kept(tmp_path):
    model = classifier(tinyconv.optimizers.SGD(3.0, momentum=0.95))
    weights = []
    history = model.fit(
        X, Y, epochs=8, verbose=0,
        callbacks=[
            ModelCheckpoint(tmp_path / "best.keras", "loss", save_best_only=True),
            tinyconv.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: weights.append(model.get_weights())
            ),
        ],
    ).history  # fmt: skip
    best = history["loss"].index(min(history["loss"]))
    assert best < 7
    kept = tinyconv.models.load_model(tmp_path / "best.keras")
    for weight, expected in zip(kept.get_weights(), weights[best], strict=True):
        assert (weight == expected).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filepath": "a.txt"}, r"must end in \.keras or \.h5 .*Received: a\.txt"),
        ({"filepath": "a.keras", "save_weights_only": True}, r"must end in \.weights\.h5"),
        ({"filepath": "a.keras", "mode": "best"}, "mode must be"),
        ({"filepath": "a.keras", "save_freq": "batch"}, "save_freq must be"),
        ({"filepath": "a.keras", "save_freq": 0}, "save_freq must be"),
        ({"filepath": "a.keras", "save_freq": True}, "save_freq must be"),
        ({"filepath": "{epoch.keras"}, "filepath"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelCheckpoint(**arguments)


def test_what_would_fail_later_is_told_before_training(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.keras").mkdir()
    for path, error in (("file/a.keras", OSError), ("folder.keras", IsADirectoryError)):
        model = classifier()
        with pytest.raises(error, match=path.split("/")[0]):
            model.fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path / path))
        assert model.optimizer.iterations == 0
    callback = ModelCheckpoint(tmp_path / "{epoch}-{val_acc}.keras", "acc", save_best_only=True)
    callback.set_model(classifier())
    with pytest.warns(UserWarning, match="ModelCheckpoint") as told:
        callback.on_train_begin()
    assert [str(warning.message).partition(" is known")[0] for warning in told] == [
        "ModelCheckpoint: no value called 'acc'", "ModelCheckpoint: no value called 'val_acc'",
    ]  # fmt: skip
    known = "Known: loss, accuracy; with validation data also val_loss, val_accuracy."
    assert known in str(told[0].message)


def test_a_file_where_none_can_be_made_is_told_before_training(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    model = classifier()
    with pytest.raises(PermissionError, match=r"ModelCheckpoint: Permission denied: .*a\.keras"):
        model.fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path / "a.keras"))
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("val_acc", "no value called 'val_acc' is known"),
        ("val_loss", r"'val_loss' is monitored but not there\. Available: loss, accuracy\."),
    ],
)
def test_one_warning_where_no_best_can_be_known(monitor, message, tmp_path):
    callback = ModelCheckpoint(tmp_path / "a.keras", monitor, save_best_only=True)
    with pytest.warns(UserWarning, match=message) as told:
        classifier().fit(X, Y, epochs=2, verbose=0, callbacks=callback)
    assert len(told) == 1
    assert "Without it every model is saved" in str(told[0].message)
    assert (tmp_path / "a.keras").is_file()


def test_a_format_that_does_not_go_with_the_value_is_told(tmp_path):
    for name in ("{epoch:zz}.keras", "{loss:d}.keras"):
        with pytest.raises(ValueError, match=r"ModelCheckpoint: filepath .*keras': Unknown format"):
            classifier().fit(X, Y, verbose=0, callbacks=ModelCheckpoint(tmp_path / name))


def test_a_name_without_a_value_is_told(tmp_path):
    callback = ModelCheckpoint(tmp_path / "{val_loss}.keras")
    with pytest.raises(ValueError, match=r"asks for 'val_loss'\. Available: epoch, loss, accuracy"):
        classifier().fit(X, Y, verbose=0, callbacks=callback)


def test_verbose_says_what_was_done(tmp_path, capsys):
    path = tmp_path / "best.keras"
    callback = ModelCheckpoint(path, save_best_only=True, verbose=1)
    callback.set_model(Fake())
    callback.on_epoch_end(0, {"val_loss": 1.0})
    callback.on_epoch_end(1, {"val_loss": 2.0})
    assert capsys.readouterr().out == (
        f"Epoch 1: saved to {path}\nEpoch 2: val_loss 2 is not better than 1\n"
    )
