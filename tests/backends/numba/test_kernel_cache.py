"""Compiled kernels on disk: found while nothing has changed, and never otherwise."""

import ast
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.numba.small_backend import finish, start
from tinyconv.backends.numba import kernel_cache
from tinyconv.backends.numba._jit import jit

PACKAGE = Path(kernel_cache.PACKAGE)


# ---- the sources of a kernel ----------------------------------------------------


def imported(path: Path) -> set[Path]:
    """The modules of this backend that a source imports, as Python itself reads it."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("tinyconv.backends.numba") for name in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            parts = (node.module or "").split(".")
            if parts[:3] == ["tinyconv", "backends", "numba"]:
                base = PACKAGE.joinpath(*parts[3:])
                inside = [base / name.name for name in node.names]
                for place in inside if base.is_dir() else [base]:
                    options = (
                        place.with_suffix(".py"),
                        place / "__init__.py",
                        base / "__init__.py",
                    )
                    found.add(next(option for option in options if option.exists()))
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_imports_of_every_source_are_found(path):
    assert {Path(file) for file in kernel_cache._read(str(path))[1]} == imported(path)


def test_sources_are_those_imported_indirectly_too():
    names = {Path(path).name for path in kernel_cache.sources(str(PACKAGE / "tile_transforms.py"))}
    assert {"tile_transforms.py", "microkernel.py", "vector_ir.py", "cpu.py"} <= names
    assert "pooling.py" not in names


# ---- one process ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "folder", lambda: tmp_path)
    return tmp_path


def make(step: float = 1.0):
    """A kernel that nothing has compiled in this process yet."""

    def add_loops(x):
        for i in range(x.size):
            x[i] += step

    return jit(add_loops)


def run(kernel) -> tuple[float, int]:
    """The result for 0, and how many times the kernel came from the disk."""
    x = np.zeros(3)
    kernel(x)
    return float(x[0]), sum(kernel.stats.cache_hits.values())


def test_the_second_time_it_comes_from_the_disk(folder):
    assert run(make()) == (1, 0)
    assert run(make()) == (1, 1)
    (file,) = folder.iterdir()
    assert "make.locals.add_loops-" in file.name


def test_types_options_and_numbers_are_kept_apart(folder):
    run(make())
    assert run(make(2.0)) == (2, 0)
    single = make()
    single(np.zeros(3, "float32"))
    strict = jit(make().py_func, fast=False)
    assert run(strict) == (1, 0)
    assert len(list(folder.iterdir())) == 4


def test_a_damaged_file_is_written_anew(folder):
    run(make())
    (file,) = folder.iterdir()
    content = file.read_bytes()
    for damaged in (b"", content[:-1], content[:50] + b"x" + content[51:]):
        file.write_bytes(damaged)
        assert run(make()) == (1, 0)
        assert run(make()) == (1, 1)


def test_what_was_edited_after_its_import_is_not_kept(folder, monkeypatch):
    kernel = make()
    monkeypatch.setattr(kernel_cache, "_content", lambda path: b"edited")
    assert run(kernel) == (1, 0)
    assert list(folder.iterdir()) == []


def test_code_without_a_file_is_not_kept(folder):
    scope: dict = {}
    exec("def typed_in(x):\n    x[0] += 1", scope)
    assert run(jit(scope["typed_in"])) == (1, 0)
    assert list(folder.iterdir()) == []


def test_kernels_may_not_close_over_arrays(folder):
    table = np.ones(3)

    def add(x):
        x += table

    with pytest.raises(TypeError, match="add may close over numbers and text only"):
        jit(add)(np.zeros(3))


def test_the_files_not_used_for_longest_are_removed(folder, monkeypatch):
    monkeypatch.setattr(kernel_cache, "FILES", 2)
    names = ["old", "older", "new"]
    for name, time in zip(names, (2000, 1000, 3000), strict=True):
        file = folder / f"{name}.kernel"
        file.touch()
        os.utime(file, (time, time))
    (folder / "module.pyc").touch()
    run(make())  # writes the newest of all
    left = {file.name.partition(".")[0] for file in folder.iterdir()}
    assert left == {"tests", "new", "module"}


# ---- places ---------------------------------------------------------------------


def places(monkeypatch, *paths: Path) -> Path:
    monkeypatch.setattr(kernel_cache, "_places", lambda: iter(paths))
    return kernel_cache.folder.__wrapped__()


def test_a_place_that_cannot_be_written_to_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    inside_a_file, good = tmp_path / "file" / "folder", tmp_path / "a" / "b"
    assert places(monkeypatch, inside_a_file, good) == good
    assert list(good.iterdir()) == []


def test_without_any_place_kernels_work_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    nowhere = places(monkeypatch, tmp_path / "file" / "folder")
    monkeypatch.setattr(kernel_cache, "folder", lambda: nowhere)
    assert run(make()) == run(make()) == (1, 0)


def test_the_places_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache.numba.config, "CACHE_DIR", "")
    monkeypatch.setenv(
        "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", str(tmp_path)
    )
    first, second = kernel_cache._places()
    assert first == PACKAGE / "__pycache__"
    assert second.parent == tmp_path
    monkeypatch.setattr(kernel_cache.numba.config, "CACHE_DIR", str(tmp_path / "own"))
    (only,) = kernel_cache._places()
    assert only.parent == tmp_path / "own"


# ---- processes ------------------------------------------------------------------


def test_a_changed_constant_two_modules_away_is_noticed(package):
    assert finish(start(package)) == "1.0 0"
    assert finish(start(package)) == "1.0 1"
    (package / "constants.py").write_text("STEP = 2.0\n")
    assert finish(start(package)) == "2.0 0"
    assert finish(start(package)) == "2.0 1"
    (package / "constants.py").write_text("STEP = 1.0\n")  # as another branch has it
    assert finish(start(package)) == "1.0 1"


def test_other_registers_have_other_kernels(package):
    assert finish(start(package)) == "1.0 0"
    assert finish(start(package, TINYCONV_VECTOR="portable")) == "1.0 0"
    assert finish(start(package)) == "1.0 1"


def test_numba_cache_dir_is_respected_by_processes_that_start_together(package, tmp_path):
    own = tmp_path / "own"
    processes = [start(package, NUMBA_CACHE_DIR=str(own)) for _ in range(3)]
    for process in processes:
        assert finish(process).startswith("1.0 ")
    assert finish(start(package, NUMBA_CACHE_DIR=str(own))) == "1.0 1"
    (folder,) = own.iterdir()
    assert sorted(file.name.partition("-")[0] for file in folder.iterdir()) == [
        "kernel.kernel_loops",
        "step.step_loops",
    ]
    assert not list((package / "__pycache__").glob("*.kernel"))


def test_a_user_without_a_home(tmp_path, monkeypatch):
    """HOME is not set and the system knows nobody of that number, as in some containers."""

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(kernel_cache.numba.config, "CACHE_DIR", "")
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    monkeypatch.delenv(variable, raising=False)
    assert list(kernel_cache._places()) == [PACKAGE / "__pycache__"]
    monkeypatch.setenv(variable, str(tmp_path))
    assert [place.parent for place in kernel_cache._places()] == [PACKAGE, tmp_path]
