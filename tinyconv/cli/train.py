"""`tinyconv train`: learn a data set, and show what came of it."""

from __future__ import annotations

import contextlib
import enum
import time
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

import tinyconv
from tinyconv.callbacks import BackupAndRestore, CSVLogger
from tinyconv.cli import run_folder, run_state
from tinyconv.cli.networks import NETWORKS
from tinyconv.cli.run_state import LEAST, Dataset
from tinyconv.data.cache import CorruptFileError

_EPOCHS = {"fashion_mnist": 3, "mnist": 3, "digits": 20}

_BACKUP_STEPS = 200  # a few seconds of training
_VALIDATED = 0.1  # of the training images; those of the test are for the very end


class Network(str, enum.Enum):
    """Networks to train."""

    cnn = "cnn"
    dense = "dense"


class BackendName(str, enum.Enum):
    """Backends to compute with."""

    numba = "numba"
    numpy = "numpy"
    cupy = "cupy"


def train(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="With --resume: the run's folder. Default: the latest unfinished."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped or killed.")
    ] = False,
    dataset: Annotated[
        Dataset | None,
        typer.Option(help="Default: Fashion-MNIST, or the digits where it can't be had."),
    ] = None,
    model: Annotated[Network, typer.Option(help="Network to train.")] = Network.cnn,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the data. Default: 3, or 20 for the few digits."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images per training step.")] = 32,
    backend: Annotated[
        BackendName | None, typer.Option(help="Backend. Default: numba, or TINYCONV_BACKEND.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
    seed: Annotated[
        int, typer.Option(min=0, help="Of all random numbers; the same seed repeats a run.")
    ] = 0,
    limit: Annotated[
        int | None,
        typer.Option(min=LEAST["limit"], help="Use only so many training and test images."),
    ] = None,
) -> None:
    """Train a network, evaluate it, and write model, history and pictures into a folder."""
    if resume:
        _refuse_options(context)
        folder, options = run_state.unfinished(out, folder)
        print(f"Going on with {folder} {run_state.reached(folder, options)}")
        _run(options, contextlib.nullcontext(folder), *_load(Dataset(options["dataset"])))
        return
    if folder is not None:
        raise typer.BadParameter("a folder is given together with --resume only")
    if backend is not None:
        _use(backend.value)
    name, module, data = _load(dataset)
    options = {
        "dataset": name, "model": model.value, "epochs": epochs or _EPOCHS[name],
        "batch_size": batch_size, "backend": tinyconv.get_backend().name, "seed": seed,
        "limit": limit,
    }  # fmt: skip
    _run(options, run_folder.new_folder(out, f"{name}-{model.value}"), name, module, data)


def _use(backend: str) -> None:
    try:
        tinyconv.use_backend(backend)
    except RuntimeError as error:  # no GPU, say
        raise typer.BadParameter(str(error)) from None


def _run(
    options: dict[str, Any],
    folder_context: contextlib.AbstractContextManager[Path],
    name: str,
    module: ModuleType,
    data: tuple,
) -> None:
    """A run, or the rest of one: the same calls either way, so that the same comes out."""
    _use(options["backend"])
    tinyconv.utils.set_random_seed(options["seed"])
    limit = options["limit"]
    (x_train, y_train), (x_test, y_test) = ((x[:limit], y[:limit]) for x, y in data)
    learnt = int(len(x_train) * (1 - _VALIDATED))
    print(
        f"{name}: {learnt:,} images to learn from, {len(x_train) - learnt:,} to watch the "
        f"learning by, {len(x_test):,} to be tested on at the end"
    )

    network = NETWORKS[options["model"]]((*x_train.shape[1:], 1), len(module.CLASS_NAMES))
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.summary()
    numba = options["backend"] == "numba"
    note = "; the first step compiles its kernels once" if numba else ""
    with folder_context as folder, run_state.locked(folder):
        run_state.write(folder, options)
        print(f"Training with the {options['backend']} backend{note}")
        started = time.perf_counter()
        scaled_train, scaled_test = (
            x.astype("float32")[..., None] / 255 for x in (x_train, x_test)
        )
        backup = BackupAndRestore(folder / run_state.BACKUP, _BACKUP_STEPS, delete_checkpoint=False)
        try:
            history = network.fit(
                scaled_train, y_train, epochs=options["epochs"], batch_size=options["batch_size"],
                validation_split=_VALIDATED,
                callbacks=[CSVLogger(folder / run_folder.LOG), backup],
            ).history  # fmt: skip
        except KeyboardInterrupt:
            at = network.position
            print(f"Stopped in epoch {at.epoch + 1} at step {at.step}.")
            if backup.file.exists():
                print(f"Go on with: tinyconv train --resume {folder}")
            raise typer.Exit(130) from None
        print(f"Trained for {time.perf_counter() - started:.0f} s")

        probabilities = network.predict(scaled_test, verbose=0)
        right = int((probabilities.argmax(axis=1) == y_test).sum())
        names = list(module.CLASS_NAMES)
        files = run_folder.write_all(folder, network, history, x_test, y_test, probabilities, names)
        run_state.write(folder, options, finished=True)
        backup.delete()
        print(f"Test accuracy: {right / len(y_test):.4f} ({right:,} of {len(y_test):,} images)")
        print(f"Written to {folder}/: {', '.join(file.name for file in files)}")


def _refuse_options(context: typer.Context) -> None:
    """A resumed run has the options that it was started with."""
    for name in context.params:
        given = context.get_parameter_source(name)
        if name not in ("resume", "folder", "out") and given and given.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"--{name.replace('_', '-')}: a run is resumed with the options it was started with"
            )


def _load(dataset: Dataset | None) -> tuple[str, ModuleType, tuple]:
    """(name, module, the arrays) of a data set; exit status 1 if it can't be had."""
    wanted = dataset or Dataset.fashion_mnist
    module: ModuleType = getattr(tinyconv.data, wanted.value)
    try:
        return wanted.value, module, module.load_data()
    except (OSError, ImportError, CorruptFileError) as error:
        if dataset is not None:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from None
        offline = isinstance(error, ConnectionError)
        reason = "no server that has it can be reached" if offline else str(error).splitlines()[0]
        print(
            f"Fashion-MNIST can't be had ({reason}), so this run learns the handwritten digits "
            "that come with tinyconv."
        )
    return "digits", tinyconv.data.digits, tinyconv.data.digits.load_data()
