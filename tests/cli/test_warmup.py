"""`tinyconv warmup`: what it has compiled, the next process need not compile."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from tinyconv.backends.numba import kernel_cache
from tinyconv.cli import warmup
from tinyconv.cli.app import app

DENSE = "Fashion-MNIST, dense"

PROGRAM = f"""
import sys
from tinyconv.cli import main, warmup
warmup.NETWORKS = {{name: warmup.NETWORKS[name] for name in [{DENSE!r}]}}
sys.argv = ["tinyconv", "warmup"]
main()
"""


def run(folder: Path) -> str:
    """The command in a process of its own, with one network only."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "NUMBA_CACHE_DIR": str(folder),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the command keeps kernels: those of the tests before are there, but for Adam's."""
    kept = kernel_cache.folder()
    monkeypatch.setattr(kernel_cache.numba.config, "CACHE_DIR", str(tmp_path))
    (folder,) = kernel_cache._places()
    folder.mkdir()
    for file in kept.glob("*.kernel"):
        if not file.name.startswith("optimizers."):
            (folder / file.name).symlink_to(file)
    return folder


def test_the_second_time_there_is_nothing_to_compile(folder, tmp_path):
    before = warmup.count(folder)
    first, second = run(tmp_path), run(tmp_path)
    (compiled,) = re.findall(r"^(\d+) kernels compiled in \d+ s, kept in ", first, re.MULTILINE)
    assert int(compiled) == warmup.count(folder) - before > 0
    assert re.search(rf"{DENSE} +[\d.]+ s +{compiled} new kernels", first)
    assert re.search(rf"^0 kernels compiled in \d+ s, kept in {folder}$", second, re.MULTILINE)


def test_it_says_when_kernels_cannot_be_kept(monkeypatch):
    monkeypatch.setattr(kernel_cache, "folder", lambda: Path(os.devnull))
    monkeypatch.setattr(warmup, "NETWORKS", {"nothing": lambda: None})
    result = CliRunner().invoke(app, ["warmup"])
    assert result.exit_code == 0
    assert "for this process only" in result.output
    assert "NUMBA_CACHE_DIR" in result.output


def test_the_networks_are_the_book_s():
    assert len(warmup.NETWORKS) == 5
    assert warmup.cats_vs_dogs().output_shape == (None, 1)
    trained = [w.path for w in warmup.vgg16_fine_tuning().trainable_weights]
    assert len(trained) == 2 * (6 + 2)
