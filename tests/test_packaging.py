import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, sdist), built from a copy, so that no build folder is left in the tree."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tinyconv", folder / "tinyconv", ignore=ignored)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return wheel, sdist


def expected_files():
    """Everything in the package that is not made by running it."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tinyconv").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_holds_every_module_and_the_package_data(built):
    with zipfile.ZipFile(built[0]) as wheel:
        files = {name for name in wheel.namelist() if name.startswith("tinyconv/")}
    assert files == expected_files()
    assert {"tinyconv/py.typed", "tinyconv/data/digits.npz"} <= files


def test_sdist_holds_the_same(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert expected_files() <= names


def test_installed_wheel_runs_outside_of_the_tree(built, tmp_path):
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", "site"]
    subprocess.run([*pip, str(built[0])], cwd=tmp_path, check=True, capture_output=True)
    code = (
        "import tinyconv; print(tinyconv.__file__);"
        "print(tinyconv.data.digits.load_data()[0][0].shape)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    path, shape = run.stdout.splitlines()
    assert Path(path).is_relative_to(tmp_path)
    assert shape == "(1437, 8, 8)"


def test_version_is_the_same_everywhere(built):
    import tinyconv

    assert f"-{tinyconv.__version__}-" in built[0].name
