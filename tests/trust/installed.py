"""What an installed tinyconv must do; run by the Python of another environment, without the tree.

    python -I installed.py numpy numba files ...

Each part is tried where its packages are; where they are not, the error must name the extra
that brings them. Prints one line of JSON: the folder, its files, and the parts that worked and
that were refused. Uses nothing of the tests.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinyconv
from tinyconv import layers


def small_model() -> Any:
    tinyconv.utils.set_random_seed(0)
    model = tinyconv.Sequential(
        [
            tinyconv.Input((8, 8, 1)),
            layers.Rescaling(1 / 16),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def digits() -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = tinyconv.data.digits.load_data()
    return x[:512, :, :, None].astype("float32"), y[:512]


def training(backend: str) -> None:
    with tinyconv.use_backend(backend):
        x, y = digits()
        model = small_model()
        history = model.fit(x, y, epochs=3, verbose=0).history
        assert history["loss"][-1] < 0.8 * history["loss"][0], history
        assert history["accuracy"][-1] > 0.3, history
        assert model.predict(x[:3], verbose=0).shape == (3, 10)


def command() -> None:
    run = tinyconv_command("--help")
    assert run.returncode == 0, run.stderr
    for name in ("train", "explain", "warmup", "doctor"):
        assert name in run.stdout


def train_command() -> None:
    run = tinyconv_command("train", "--dataset", "digits", "--epochs", "1", "--backend", "numpy")
    assert run.returncode == 0, run.stderr
    made = {path.suffix for path in Path("runs").rglob("*") if path.is_file()}
    assert {".keras", ".png"} <= made, made


def tinyconv_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sysconfig.get_path("scripts")) / "tinyconv"
    start = [str(program)]
    if not program.exists():  # installed by `pip --target`
        start = [sys.executable, "-c", "from tinyconv.cli import main; main()"]
    return subprocess.run([*start, *arguments], capture_output=True, text=True)


def command_told() -> None:
    """Without the packages the command ends with status 2 and says what to install."""
    run = tinyconv_command("--help")
    assert run.returncode == 2, run
    raise ImportError(run.stderr)


def files() -> None:
    model = small_model()
    x, y = digits()
    model.fit(x, y, epochs=1, verbose=0)
    expected = model.predict(x[:5], verbose=0)
    for name in ("model.keras", "model.h5"):
        model.save(name)
        again = tinyconv.models.load_model(name)
        assert np.array_equal(again.predict(x[:5], verbose=0), expected), name
    model.save_weights("model.weights.h5")
    again = small_model()
    again.load_weights("model.weights.h5")
    assert np.array_equal(again.predict(x[:5], verbose=0), expected)


def images() -> None:
    x = np.arange(5 * 7 * 3, dtype="float32").reshape(5, 7, 3)
    tinyconv.utils.save_img("image.png", x, scale=False)
    again = tinyconv.utils.img_to_array(tinyconv.utils.load_img("image.png"))
    assert np.array_equal(x, again)
    smaller = tinyconv.utils.load_img("image.png", target_size=(4, 4), interpolation="bilinear")
    assert smaller.size == (4, 4)


def plots() -> None:
    figure = tinyconv.explain.training_curves({"loss": [2.0, 1.0], "val_loss": [2.5, 1.5]})
    figure.savefig("curves.png")
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")


def data() -> None:
    from tinyconv.data.download import fetch

    content = b"content " * 1000
    checksum = "sha256:" + hashlib.sha256(content).hexdigest()
    with served(content) as url:
        path = fetch([url], Path("fetched").resolve() / "file.bin", checksum)
    assert path.read_bytes() == content


@contextlib.contextmanager
def served(content: bytes) -> Iterator[str]:
    """The address of a file on a server of this machine."""
    folder = Path("served").resolve()
    folder.mkdir()
    (folder / "file.bin").write_bytes(content)
    serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file.bin"
        server.shutdown()


def tensorboard() -> None:
    x, y = digits()
    logs = tinyconv.callbacks.TensorBoard("logs")
    small_model().fit(x, y, epochs=1, verbose=0, callbacks=[logs])
    assert list(Path("logs").rglob("events.out.tfevents.*"))


def tf() -> None:
    """A model that the real Keras wrote predicts the same here, and its data sets are asked."""
    if find_spec("tensorflow") is None:
        tinyconv.data.cats_vs_dogs.load_data()
    import keras

    theirs = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    theirs.save("theirs.keras")
    ours = tinyconv.models.load_model("theirs.keras")
    x = digits()[0][:5] / 16
    expected = theirs.predict(x, verbose=0)
    assert np.allclose(ours.predict(x, verbose=0), expected, atol=1e-5)
    with contextlib.suppress(FileNotFoundError):  # TFDS is there, its data set is not
        tinyconv.data.cats_vs_dogs.load_data(data_dir=Path("empty").resolve(), download=False)


def gpu() -> None:
    """Trains on a GPU; without a card the backend says what is missing, in one error."""
    try:
        tinyconv.use_backend("cupy")
    except RuntimeError as error:
        if find_spec("cupy") is None:
            raise ImportError(str(error)) from error
        from numba import cuda  # noqa: F401  (Numba's own, or that of numba-cuda)
    else:
        training("cupy")


# What is tried, the modules that it needs, and the extra that its error must name.
PARTS: dict[str, tuple[Callable[[], None], tuple[str, ...], str]] = {
    "numpy": (functools.partial(training, "numpy"), ("numpy",), ""),
    "numba": (functools.partial(training, "numba"), ("numba",), ""),
    "command": (command, ("typer",), "cli"),
    "train": (train_command, ("typer", "h5py", "PIL", "matplotlib", "pooch"), "cli"),
    "files": (files, ("h5py",), "files"),
    "images": (images, ("PIL",), "images"),
    "plots": (plots, ("matplotlib",), "plots"),
    "data": (data, ("pooch", "requests"), "data"),
    "tensorboard": (tensorboard, ("tensorboard",), "tensorboard"),
    "tf": (tf, ("tensorflow", "tensorflow_datasets", "keras", "h5py"), "tf"),
    "gpu": (gpu, ("cupy", "numba_cuda"), "gpu"),
}


def try_part(name: str) -> bool:
    """True if it worked, False if it was refused as it should be."""
    work, modules, extra = PARTS[name]
    if all(find_spec(module) for module in modules):
        work()
        return True
    if work in (command, train_command):
        if find_spec("typer"):
            return False
        work = command_told
    try:
        work()
    except ImportError as error:
        if f'pip install "tinyconv[{extra}]"' not in str(error):
            raise
    else:
        raise AssertionError(f"{name} works without {modules}")
    return False


def main(parts: list[str]) -> None:
    os.environ["NO_PROXY"] = "127.0.0.1"
    folder = Path(tinyconv.__file__).parent
    found = [
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    worked = {name: try_part(name) for name in parts or PARTS}
    report = {
        "folder": str(folder),
        "files": sorted(found),
        "did": [name for name, fine in worked.items() if fine],
        "refused": [name for name, fine in worked.items() if not fine],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1:])
