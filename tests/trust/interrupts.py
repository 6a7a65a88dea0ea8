"""Ctrl-C and exceptions in the middle of `fit`: `python -m tests.trust.interrupts --count N`.

After each the model must be what it was after some whole step of the undisturbed training,
weights, statistics and optimizer alike, and be trained on as if nothing had happened; the
terminal must show its cursor and no half of a bar. Interrupts come

    at a line        the signal arrives at the n-th line of this package that is executed
    at a moment      it comes from outside, also in the middle of a kernel
    as an exception  of a callback, of the data or of a layer
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import tinyconv
from tests.trust.programs import ROOT, environment, fresh_seed

PACKAGE = str(Path(tinyconv.__file__).parent)
MARK = "\n@@ "  # begins what is said about an interrupt; before it stands what a person saw
HIDE, SHOW, RESET = "\x1b[?25l", "\x1b[?25h", "\x1b[0m"
X = np.random.default_rng(1).standard_normal((24, 12, 12, 3)).astype("float32")
Y = np.random.default_rng(2).integers(0, 4, 24)
State = dict[str, Any]


def network() -> tinyconv.Model:
    """Always with the same weights."""
    layers = tinyconv.layers
    model = tinyconv.Sequential([
        tinyconv.Input((12, 12, 3)), layers.Conv2D(16, 3, padding="same"),
        layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(16, activation="relu"), layers.Dense(4, activation="softmax"),
    ])  # fmt: skip
    rng = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(0.3 + 0.1 * rng.standard_normal(weight.shape))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: tinyconv.Model, epochs: int = 2, verbose: int = 0, **more: Any) -> None:
    """Three steps an epoch, always in the same order."""
    model.fit(X, Y, 8, epochs, verbose=verbose, shuffle=False, **more)


# ---- what a model is ------------------------------------------------------------


def state(model: Any) -> State:
    """All that the next step depends on."""
    kept = {f"weight {number}": w for number, w in enumerate(model.get_weights())}
    slots = model.optimizer.slots
    for name in model.optimizer.slot_names():
        kept[f"slot {name}"] = np.array(slots.get(name, 0.0))  # not made yet is all zero
    return kept | {"iterations": model.optimizer.iterations}


def states(epochs: int = 2) -> list[State]:
    """Before the first step of the undisturbed training and after each."""
    model = network()
    found = [state(model)]

    class Notes(tinyconv.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            found.append(state(model))

    fit(model, epochs, callbacks=[Notes()])
    return found


def assert_whole(model: Any, undisturbed: list[State], told: str) -> None:
    """It is as after some step; it predicts, and is trained on like one that never stopped."""
    now = state(model)
    for name, expected in undisturbed[now["iterations"]].items():
        assert np.isfinite(now[name]).all(), f"{name} ({told})"
        np.testing.assert_array_equal(now[name], expected, f"{name} ({told})")
    assert np.isfinite(model.predict(X, verbose=0)).all()
    twin: Any = network()
    twin.set_weights(model.get_weights())
    twin.optimizer.iterations = model.optimizer.iterations
    if model.optimizer.slots:
        twin.optimizer.build(twin._parameters())
        for name, slot in model.optimizer.slots.items():
            twin.optimizer.slots[name][...] = slot
    fit(model, 1)
    fit(twin, 1)
    for name, expected in state(twin).items():
        np.testing.assert_array_equal(state(model)[name], expected, f"afterwards {name} ({told})")
    assert [t.name for t in threading.enumerate() if t.name == "tinyconv-prefetch"] == []


# ---- one interrupt ----------------------------------------------------------------


class Watch:
    """A handler of Ctrl-C that knows whether it was called inside of `fit`."""

    def __enter__(self) -> Watch:
        self.inside, self.called = False, False
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, *_: Any) -> None:
        if self.inside:
            self.called = True
            raise KeyboardInterrupt

    def fit(self, model: Any, arm: Callable[[], None], **more: Any) -> str:
        """What became of a `fit` that an interrupt may end: "interrupted", "whole", "lost"."""
        try:
            try:
                self.inside = True
                arm()
                fit(model, **more)
            finally:
                self.inside = False
        except KeyboardInterrupt:
            return "interrupted"
        return "lost" if self.called else "whole"


class AtLine:
    """Raises the signal at the n-th line of tinyconv that is executed from `arm` on."""

    def __init__(self, number: int) -> None:
        self.left = number

    def arm(self) -> None:
        sys.settrace(self._call)

    def _call(self, frame: Any, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self._line


def lines_of_fit(verbose: int) -> int:
    """How many lines of tinyconv a `fit` executes."""
    counter = AtLine(10**9)
    model = network()
    try:
        counter.arm()
        fit(model, verbose=verbose)
    finally:
        sys.settrace(None)
    return 10**9 - counter.left


def at_line(number: int, undisturbed: list[State], verbose: int = 0) -> str:
    """Interrupt at that line, and see what is left."""
    model, line = network(), AtLine(number)
    with Watch() as watch:
        try:
            outcome = watch.fit(model, line.arm, verbose=verbose)
        finally:
            sys.settrace(None)
    told = f"line {number}, {getattr(line, 'where', 'never reached')}, {outcome}"
    assert outcome != "lost", told
    assert_whole(model, undisturbed, told)
    return outcome


def at_moment(delay: float, undisturbed: list[State], verbose: int = 0) -> str:
    """Interrupt after so many seconds, and see what is left."""
    model = network()
    timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
    with Watch() as watch:
        outcome = watch.fit(model, timer.start, verbose=verbose)
        timer.cancel()
        timer.join()
    told = f"after {1000 * delay:.2f} ms, {outcome}"
    assert outcome != "lost", told
    assert_whole(model, undisturbed, told)
    return outcome


# ---- an exception ---------------------------------------------------------------------

PLACES = (
    "conv_block", "batch_norm_block", "dense_block", "conv_block_backward", "adam_update",
    "batch_norm_block_backward", "dense_block_backward",
)  # fmt: skip


def at_call(place: str, number: int, error: BaseException, undisturbed: list[State]) -> None:
    """Let the n-th call of an operation of the backend fail, and see what is left."""
    model, backend, left = network(), tinyconv.get_backend(), [number]
    right = getattr(backend, place)

    def fails(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise error
        return right(*arguments)

    with patch.object(backend, place, fails):
        try:
            fit(model)
        except type(error):
            left[0] = -1
    told = f"{error!r} in call {number} of {place}"
    assert left[0] == -1, told
    assert_whole(model, undisturbed, told)


# ---- many, on a terminal ------------------------------------------------------------


def seconds_of_fit() -> float:
    """How long a `fit` takes."""
    model = network()
    began = time.perf_counter()
    fit(model, verbose=1)
    return time.perf_counter() - began


def rounds(kind: str, count: int, seed: int, backend: str) -> None:
    """So many interrupts in this process, which has a terminal; says what became of each."""
    tinyconv.use_backend(backend)
    undisturbed, rng, ignored = states(), np.random.default_rng(seed), []
    sys.unraisablehook = lambda what: ignored.append(f"{what.exc_type} in {what.object}")
    lines, longest = lines_of_fit(1), 1.2 * min(seconds_of_fit() for _ in range(5))
    if kind == "all":
        kind, numbers = "line", range(1, lines + 1)
    else:
        numbers = rng.integers(1, lines + 1, count)  # type: ignore[assignment]
    for number in numbers:
        try:
            if kind == "line":
                outcome = at_line(int(number), undisturbed, verbose=1)
            else:
                outcome = at_moment(float(rng.uniform(0, longest)), undisturbed, verbose=1)
        except AssertionError as error:
            outcome = f"wrong: {' '.join(str(error).split())}"
        print(f"{MARK}{outcome} {' '.join(ignored)}".rstrip(), flush=True)
        ignored.clear()


def on_terminal(*arguments: Any) -> str:
    """All that a Python program shows on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, stdin=theirs, stdout=theirs,
        stderr=theirs, env=environment(TERM="xterm-256color", COLUMNS="80"),
    )  # fmt: skip
    os.close(theirs)
    shown = b"".join(_read(ours))
    os.close(ours)
    assert process.wait(60) == 0, shown[-3000:].decode(errors="replace")
    return shown.decode(errors="replace").replace("\r\n", "\n")


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(terminal, 1 << 16)
        except OSError:  # nobody has it open any more
            return
        if not part:
            return
        yield part


def untidy(shown: str) -> str | None:
    """What is wrong with a terminal on which this was shown."""
    if shown.rfind(HIDE) > shown.rfind(SHOW):
        return "the cursor is hidden"
    colours = re.findall(r"\x1b\[[\d;]*m", shown)
    if colours and colours[-1] not in (RESET, "\x1b[m"):
        return f"the colour {colours[-1]!r} is left on"
    if "\x1b" in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown):
        return "half of an escape sequence"
    last = re.split(r"\x1b\[2K", shown)[-1].rpartition("\n")[2]
    if re.search("[━╸╺]", last):
        return "a bar was left on the last line"
    if "Traceback" in shown or "Exception ignored" in shown:
        return f"a traceback: {shown[-600:]}"
    return None


def campaign(kind: str, count: int, seed: int, backend: str) -> Counter[str]:
    """Interrupts of one kind in a process of their own; raises AssertionError with all faults."""
    code = (
        f"from tests.trust import interrupts as i; i.rounds({kind!r}, {count}, {seed}, {backend!r})"
    )
    outcomes: Counter[str] = Counter()
    faults = []
    shown, *rest = on_terminal("-c", code).split(MARK)
    for said in rest:
        outcome, _, following = said.partition("\n")
        outcomes[outcome.split()[0]] += 1
        if outcome not in ("interrupted", "whole"):
            faults.append(outcome)
        if (fault := untidy(shown)) is not None:
            faults.append(f"{fault} ({outcome})")
        shown = following
    assert not faults, f"{len(faults)} of {sum(outcomes.values())}\n" + "\n".join(faults[:40])
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="interrupts at random moments")
    parser.add_argument("--backend", choices=("numpy", "numba"), nargs="*")
    arguments = parser.parse_args()
    seed = fresh_seed()
    for backend in arguments.backend or ("numpy", "numba"):
        for kind in ("all", "moment"):
            found = campaign(kind, arguments.count, seed, backend)
            print(json.dumps({"seed": seed, "backend": backend, "kind": kind, **found}))


if __name__ == "__main__":
    main()
