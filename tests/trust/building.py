"""The source package and the wheel, made from what git knows, and what they must hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

# Of use in a clone only.
LEFT_OUT = {".ci/run", ".gitignore"}
# Made while packing, from setup.cfg and the readme.
MADE = {"PKG-INFO", "setup.cfg", "tinyconv.egg-info"}


class Built(NamedTuple):
    """The two files."""

    wheel: Path
    sdist: Path


def tracked() -> list[str]:
    """Every file of the project, by its path from the root, as git lists it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted(name for name in run.stdout.split("\0") if name and (ROOT / name).exists())


def copy_to(folder: Path) -> None:
    """A copy of the project, without what running it has made."""
    for name in tracked():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


def build(folder: Path) -> Built:
    """Both packages, made of a copy in `folder`: nothing is left in the tree.

    The wheel is made of the unpacked source package, as an installation from it is.
    """
    copy_to(folder / "tree")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", "."]
    run = subprocess.run(command, cwd=folder / "tree", capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"python -m build failed:\n{run.stdout}\n{run.stderr}")
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return Built(wheel, sdist)


def in_wheel(wheel: Path) -> set[str]:
    """What it installs, without its own description."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def in_sdist(sdist: Path) -> set[str]:
    """Its files, by their paths from the root of the project, without what packing made."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    return {name for name in names if name.split("/")[0] not in MADE} | {"setup.cfg"}


def unpacked(sdist: Path, folder: Path) -> Path:
    """The root of the project, unpacked into `folder`."""
    with tarfile.open(sdist) as archive:
        if sys.version_info >= (3, 12):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    (root,) = folder.iterdir()
    return root
