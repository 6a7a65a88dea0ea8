"""What does an example cost? Seconds from its command to its end, on each backend.

Each runs in a process of its own, as a person would start it; what takes long is run in a smaller
form, and the row says which: nothing is extrapolated. Kernels are compiled beforehand, by a run
in the smallest form of all. Where an example wants downloaded weights, it gets random ones of the
same shapes, for the time does not depend on them; so downloads are in no time either.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import marks
from benchmarks.lineup import OURS

_ROOT = Path(__file__).parents[1]
PAGE, EXAMPLES = _ROOT / "README.md", _ROOT / "examples"
PHOTOGRAPH, WEIGHTS = "photograph.jpg", "{}.weights.h5"
NOT_MEASURED = (
    "*Not measured yet: `python -m benchmarks expected --rounds 1 --json "
    "benchmarks/results/expected.json --docs` writes its table here.*"
)
_LINES = 12  # of what an example has said, where it fails


class Form(NamedTuple):
    """How an example is run.

    Attributes:
        size: in words; empty for the whole of it.
        options: its command line.
        images: of Fashion-MNIST to train on, at most; -1 for all.
        backends: those that run this form.
    """

    size: str
    options: tuple[str, ...] = ()
    images: int = -1
    backends: tuple[str, ...] = OURS


class Example(NamedTuple):
    """An example and what it costs beside time.

    Attributes:
        script: its file.
        needs: what has to be there, in words.
        smallest: the form that compiles its kernels.
        forms: those that are measured.
        network: whose weights it gets; empty for none.
    """

    script: str
    needs: str
    smallest: Form
    forms: tuple[Form, ...]
    network: str = ""


class Run(NamedTuple):
    """One measurement."""

    example: Example
    form: Form
    backend: str

    @property
    def title(self) -> str:
        """What is measured, in a line."""
        return f"{self.example.script}, {self.backend}: {self.form.size or 'all of it'}"


_CLOTHES = "Fashion-MNIST (31 MB)"
_FEW = Form("64 images", images=64)
_TO_LOOK_AT = ("--image", PHOTOGRAPH, "--weights")
_TRANSFER = ("--weights", WEIGHTS.format("vgg16"), "--images")

EXAMPLE_LIST = (
    Example("01_fashion_mnist_dense.py", _CLOTHES, _FEW, (Form(""),)),
    Example(
        "02_fashion_mnist_cnn.py", _CLOTHES, _FEW,
        (
            Form("", backends=("numba",)),
            Form("3,000 of the 60,000 images to train on", images=3000),
        ),
    ),
    Example("03_callbacks.py", _CLOTHES, _FEW, (Form(""),)),
    Example(
        "04_global_average_pooling.py", "the photographs (800 MB), TensorFlow Datasets",
        Form("64 photographs", ("--epochs", "1", "--images", "64")),
        (
            Form(
                "1 epoch of 7, at most 320 photographs a split",
                ("--epochs", "1", "--images", "320"),
            ),
        ),
    ),
    Example(
        "05_pretrained_resnet50.py", "weights (98 MB), a photograph",
        Form("", (*_TO_LOOK_AT, WEIGHTS.format("resnet50"))),
        (Form("", (*_TO_LOOK_AT, WEIGHTS.format("resnet50"))),), "resnet50",
    ),
    Example(
        "06_vgg16_features.py", "weights (56 MB), a photograph",
        Form("", (*_TO_LOOK_AT, WEIGHTS.format("vgg16"))),
        (Form("", (*_TO_LOOK_AT, WEIGHTS.format("vgg16"))),), "vgg16",
    ),
    Example(
        "07_transfer_learning.py",
        "weights (56 MB), the photographs (800 MB), TensorFlow Datasets",
        Form(
            "8 photographs",
            (*_TRANSFER, "8", "--epochs", "1", "--fine-tune-epochs", "1", "--scratch-epochs", "1"),
        ),
        (
            Form(
                "32 photographs a split at most, 1 epoch from scratch, 2 frozen, 1 fine-tuning",
                (*_TRANSFER, "32", "--epochs", "2", "--fine-tune-epochs", "1",
                 "--scratch-epochs", "1"),
            ),
        ),
        "vgg16",
    ),
)  # fmt: skip


def runs(options: Any) -> list[Run]:
    """All measurements; the quick ones are of the smallest forms."""
    return [
        Run(example, form, backend)
        for example in EXAMPLE_LIST
        for form in ((example.smallest,) if options.quick else example.forms)
        for backend in form.backends
    ]


def run(options: Any) -> dict[str, Any]:
    """The seconds of each round and the peak memory, by title."""
    chosen, numbers = options.chosen(runs(options)), {}
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, {each.example.network for each in chosen})
        if not options.quick:
            for example in dict.fromkeys(each.example for each in chosen):
                measure(Run(example, example.smallest, "numba"), folder)
        print("seconds from the command to the end of an example")
        for each in chosen:
            turns = [measure(each, folder) for _ in range(rounds)]
            seconds, peaks = [turn[0] for turn in turns], [turn[1] for turn in turns]
            print(f"{statistics.median(seconds):7.1f} s  {each.title}", flush=True)
            numbers[each.title] = {
                "example": each.example.script, "needs": each.example.needs,
                "size": each.form.size, "backend": each.backend, "seconds": seconds,
                "peak_memory": max(peaks),
            }  # fmt: skip
    return numbers


def prepare(folder: Path, networks: set[str]) -> None:
    """A photograph of noise, and weights that nobody has trained."""
    import numpy as np

    import tinyconv

    pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), "uint8")
    tinyconv.utils.save_img(folder / PHOTOGRAPH, pixels, scale=False)
    if "resnet50" in networks:
        whole = tinyconv.applications.ResNet50(weights=None)
        whole.save_weights(folder / WEIGHTS.format("resnet50"))
    if "vgg16" in networks:
        base = tinyconv.applications.VGG16(weights=None, include_top=False)
        base.save_weights(folder / WEIGHTS.format("vgg16"))


def measure(each: Run, folder: Path) -> tuple[float, int]:
    """(seconds, peak memory in bytes) of one run, in a folder of its own.

    Raises:
        RuntimeError: with the last lines of what it said, if the example fails.
    """
    environment = {
        **os.environ, "TINYCONV_BACKEND": each.backend, "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        for file in folder.iterdir():
            if file.is_file():
                (place / file.name).symlink_to(file)
        told, peak = place / "told.txt", place / "peak.txt"
        command = [
            sys.executable, "-m", "benchmarks.one_example", str(peak), str(each.form.images),
            str(EXAMPLES / each.example.script), *each.form.options,
        ]  # fmt: skip
        with told.open("wb") as screen:
            started = time.perf_counter()
            ended = subprocess.run(
                command, cwd=place, env=environment, stdout=screen, stderr=subprocess.STDOUT
            )
            seconds = time.perf_counter() - started
        if ended.returncode:
            lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
            raise RuntimeError("\n".join([f"{each.title} failed:", *lines[-_LINES:]]))
        return seconds, int(peak.read_text(encoding="ascii"))


# ---- the table of the README ---------------------------------------------------------

_NOTE = (
    "{date}, {cpu}, {cores} cores, Python {python}; `{command}`. From the start of Python to the "
    "end, downloads left out. Kernels were compiled before: the first time, numba takes up to half "
    "a minute more."
)


def write(numbers: Path, page: Path = PAGE) -> None:
    """Put the table of a file between the two marks of the page."""
    marks.put(page, "expected", tables(json.loads(numbers.read_text(encoding="utf-8"))))


def tables(content: Mapping[str, Any]) -> str:
    """A row a form, a column a backend."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for found in content["results"].values():
        rows.setdefault((found["example"], found["size"]), {})[found["backend"]] = found
    lines = [
        "| example | what was run | needs | numba | numpy | memory (numba) |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for (script, size), found in rows.items():
        any_of_them = next(iter(found.values()))
        times = [_seconds(found.get(backend)) for backend in OURS]
        memory = f"{found['numba']['peak_memory'] / 2**20:,.0f} MiB" if "numba" in found else ""
        cells = [
            f"[`{script[:2]}`](examples/{script})", size or "all of it", any_of_them["needs"],
            *times, memory,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    note = _NOTE.format(date=content["date"], command=content["command"], **content["machine"])
    return "\n".join([*lines, "", note])


def _seconds(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not run"
    value = statistics.median(found["seconds"])
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
