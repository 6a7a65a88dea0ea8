"""What a person sees: a bar on a terminal, lines elsewhere, nothing if silent."""

import io
import re
import sys

import pytest
from rich.console import Console

from tests.training.models import classifier, problem
from tinyconv.callbacks import Callback, progress
from tinyconv.callbacks.progress import EpochLines, ProgressBar, progress_bar

X, Y = problem()
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
NUMBER = r"\d+\.\d{4}"
TIME = r"\d+\.\d ms/step"
VALUES = f"loss: {NUMBER} - accuracy: {NUMBER}"


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes the bars of fit draw into a terminal of a given width."""

    def make(width):
        console = Console(
            file=io.StringIO(), force_terminal=True, width=width, highlight=False,
            color_system="standard", legacy_windows=False, _environ={"TERM": "xterm"},
        )  # fmt: skip
        monkeypatch.setattr("rich.console.Console", lambda **options: console)
        monkeypatch.setattr(progress, "_REFRESH_SECONDS", 0.0)
        return console.file

    return make


def screen(drawn):
    """The lines that a terminal shows in the end."""
    lines, row = [""], 0
    for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\n|[^\x1b\r\n]+", drawn):
        if token == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif token.startswith("\x1b["):
            if token.endswith("A"):
                row = max(0, row - int(token[2:-1] or 1))
            elif token == "\x1b[2K":
                lines[row] = ""
            else:
                assert token[-1] in "mhl", f"unexpected {token!r}"
        else:
            lines[row] += token
    return [line.rstrip() for line in lines if line.strip()]


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_becomes_one_line_an_epoch(width, terminal):
    file = terminal(width)
    model = classifier()
    model.fit(X, Y, 8, 2, verbose=1, validation_data=(X, Y))
    drawn = file.getvalue()
    shown = screen(drawn)
    value = f"{VALUES} - val_loss: {NUMBER} - val_accuracy: {NUMBER}"
    text = " ".join(" ".join(shown).split())
    pattern = " ".join(f"Epoch {k}/2 0:00 {TIME} - {value}" for k in (1, 2))
    assert re.fullmatch(pattern, text)
    assert max(len(line) for line in shown) <= width
    last = model.history.history
    assert f"val_loss: {last['val_loss'][-1]:.4f}" in text
    assert "1/3" in drawn
    assert "3/3" in drawn
    assert "━" in drawn
    assert drawn.count(HIDE) == drawn.count(SHOW) == 2


def bars(drawn):
    """Every bar that was drawn, without its colours."""
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", drawn))
    return [line for line in lines if re.search("[━╸╺]", line)]


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_fits_the_terminal(width, terminal):
    file = terminal(width)
    classifier().fit(X, Y, 8, 1, verbose=1)
    drawn = bars(file.getvalue())
    assert len(drawn) >= 4
    assert max(len(line) for line in drawn) <= width
    assert all(re.match(r"Epoch 1/1 [━╸╺]+ [0-3]/3", line) for line in drawn)
    assert re.search(VALUES, drawn[-1])


@pytest.mark.parametrize("width", [80, 120])
def test_the_bar_of_a_long_epoch_stays_one_line(width, terminal):
    file = terminal(width)
    bar = ProgressBar()
    bar.set_params({"epochs": 10, "steps": 1875})
    bar.on_epoch_begin(9)
    for step in (0, 900, 1874):
        bar.on_train_batch_end(step, {"loss": 0.39781, "accuracy": 0.85721})
    before_the_end = file.getvalue()
    bar.on_epoch_end(9, {"loss": 0.39781, "accuracy": 0.85721})
    drawn = bars(before_the_end)
    assert max(len(line) for line in drawn) <= width
    assert screen(before_the_end) == [re.sub(r"\s+$", "", drawn[-1])]
    assert "1875/1875" in drawn[-1]
    assert "loss: 0.3978 - accuracy: 0.8572" in " ".join(screen(file.getvalue()))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_broken_within_a_value(width, terminal):
    file = terminal(width)
    logs = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5)
    bar = ProgressBar()
    bar.set_params({"epochs": 10, "steps": 2})
    bar.on_epoch_begin(9)
    bar.on_train_batch_end(0, logs)
    bar.on_epoch_end(9, logs)
    shown = screen(file.getvalue())
    assert max(len(line) for line in shown) <= width
    values = [value for line in shown for value in line.split(" - ")[1:]]
    assert values == [f"{name}: 0.5000" for name in logs]


@pytest.mark.parametrize("steps", [[], [5, 6]])
def test_an_epoch_that_is_resumed_tells_no_time_of_all_of_it(steps, terminal, capsys):
    file = terminal(120)
    for callback in (ProgressBar(), EpochLines()):
        callback.set_params({"epochs": 3, "steps": 7})
        callback.on_epoch_begin(1)
        for step in steps:
            callback.on_train_batch_end(step, {"loss": 0.5})
        callback.on_epoch_end(1, {"loss": 0.5})
    said = r"ms/step \(resumed at step 5\)" if steps else "resumed after its last step"
    for line in (screen(file.getvalue())[-1], capsys.readouterr().out.strip()):
        assert re.fullmatch(rf"Epoch 2/3 .*{said} - loss: 0\.5000", line)


def test_evaluate_and_predict_have_bars_of_their_own(terminal):
    file = terminal(100)
    model = classifier()
    loss, accuracy = model.evaluate(X, Y, 8, verbose=1)
    model.predict(X, 8, verbose=1)
    first, second = screen(file.getvalue())
    wanted = f"loss: {loss:.4f} - accuracy: {accuracy:.4f}"
    assert re.fullmatch(rf"Evaluate 0:00 {TIME} - {re.escape(wanted)}", first)
    assert re.fullmatch(rf"Predict 0:00 {TIME}", second)


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()], ids=repr)
def test_an_exception_leaves_the_terminal_as_it_was(error, terminal):
    class Fails(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise error

    file = terminal(80)
    with pytest.raises(type(error)):
        classifier().fit(X, Y, 8, verbose=1, callbacks=Fails())
    drawn = file.getvalue()
    assert drawn.rindex(SHOW) > drawn.rindex(HIDE)
    assert drawn.count(SHOW) == drawn.count(HIDE) == 1


def test_lines_without_a_terminal(capsys):
    model = classifier()
    model.fit(X, Y, 8, 2, verbose=2, validation_data=(X, Y))
    lines = capsys.readouterr().out.splitlines()
    values = f"{VALUES} - val_loss: {NUMBER} - val_accuracy: {NUMBER}"
    assert len(lines) == 2
    for number, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"Epoch {number}/2 - \d+\.\d s, {TIME} - {values}", line)
    model.evaluate(X, Y, verbose=2)
    assert re.fullmatch(f"Evaluation - {VALUES}\n", capsys.readouterr().out)
    model.predict(X, verbose=2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("verbose", "terminal", "expected"),
    [
        (0, True, None),
        (1, False, ProgressBar),
        (2, True, EpochLines),
        ("auto", True, ProgressBar),
        ("auto", False, EpochLines),
        (False, True, None),
        (True, False, ProgressBar),
    ],
)
def test_verbose_chooses(verbose, terminal, expected, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert type(progress_bar(verbose)) is (type(None) if expected is None else expected)


def test_silent_is_silent(capfd):
    model = classifier()
    model.fit(X, Y, verbose=0, validation_split=0.5)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [3, "loud", None, -1])
def test_other_values_are_refused(verbose):
    model = classifier()
    with pytest.raises(ValueError, match=r"verbose must be 0, 1, 2 or 'auto'\. Received"):
        model.fit(X, Y, verbose=verbose)
    assert model.history is None
    assert model.optimizer.iterations == 0
