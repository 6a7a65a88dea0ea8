"""Installs wheel and source package into clean environments, and looks at what works there.

    python -m tests.trust.packaging                        each extra, with the newest releases
    python -m tests.trust.packaging --lowest --python 3.10 with the oldest that setup.cfg allows

Needs `uv` (pip install uv) and a package index. Every environment is made in a new folder
outside of the tree, is looked through by `pip check`, and runs installed.py: import, the command,
a training on each CPU backend, and what the extra is for. With the extras `test` and `all` it
also runs a part of the test suite against the installed package.
"""

from __future__ import annotations

import argparse
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.trust import building

PARTS = (
    "numpy", "numba", "command", "train", "files", "images", "plots", "data", "tensorboard", "tf",
    "gpu",
)  # fmt: skip

# What installed.py must find working with an extra; more may work, by what comes along.
PROMISED = {
    "": {"numpy", "numba"},
    "data": {"data"},
    "files": {"files"},
    "images": {"images"},
    "plots": {"plots"},
    "tensorboard": {"tensorboard"},
    "cli": {"command", "train", "data", "files", "images", "plots"},
    "tf": {"tf"},
    "notebooks": {"command", "train", "data", "files", "images", "plots"},
    "docs": set(),
    "gpu": {"gpu"},
    "test": {"command", "train", "data", "files", "images", "plots", "tensorboard", "tf"},
    "all": {"command", "train", "data", "files", "images", "plots", "tensorboard", "tf", "gpu"},
}
# Here the kernels of Numba are compiled too, which takes a minute and is the same everywhere.
WITH_KERNELS = ("", "test", "all")

# Tests of what calls a dependency; the whole suite takes minutes. They run with the extra `test`.
SAMPLE = (
    "tests/backends/test_threads.py",
    "tests/backends/numba/test_kernel_cache.py",
    "tests/backends/numba/test_linking.py",
    "tests/losses/test_losses.py",
    "tests/models/test_summary.py",
    "tests/training/test_streams.py",
    "tests/callbacks/test_progress.py",
    "tests/callbacks/test_tensorboard.py",
    "tests/data/test_download.py",
    "tests/data/test_images.py",
    "tests/saving/test_models.py",
    "tests/saving/test_weights_h5.py",
    "tests/explain/test_curves.py",
    "tests/cli/test_train.py",
    "tests/docs/test_site.py",
)


def requirements() -> dict[str, list[str]]:
    """What setup.cfg asks for, by extra; "" holds what is always installed."""
    setup = configparser.ConfigParser()
    setup.read(building.ROOT / "setup.cfg")
    found = {"": setup["options"]["install_requires"].split("\n")[1:]}
    for extra, lines in setup["options.extras_require"].items():
        found[extra] = [line for line in lines.split("\n")[1:] if not line.startswith("#")]
    return found


def flattened(extra: str) -> list[str]:
    """All that an extra asks for, and what is always installed, without extras of our own."""
    table, found = requirements(), []
    waiting = [extra, ""]
    while waiting:
        for requirement in table[waiting.pop()]:
            own = re.fullmatch(r"tinyconv\[(.*)\]", requirement)
            if own:
                waiting += own[1].split(",")
            elif requirement not in found:
                found.append(requirement)
    return found


class CleanEnvironment:
    """A new virtual environment in `folder` with one package in it.

    Args:
        package: a wheel or a source package.
        lowest: take the oldest releases that setup.cfg allows.
    """

    def __init__(
        self, folder: Path, package: Path, extra: str = "", python: str = "", lowest: bool = False
    ) -> None:
        self.folder = folder
        self.python = str(folder / "env/bin/python")
        uv("venv", "-q", "--python", python or sys.executable, folder / "env")
        # uv takes the lowest of what it is asked for directly; of a package's own it is not.
        which = ["--resolution", "lowest-direct", *flattened(extra)] if lowest else []
        wanted = f"{package}[{extra}]" if extra else str(package)
        uv("pip", "install", "-q", "--python", self.python, wanted, *which)

    def check(self) -> None:
        """`pip check`: every installed package has what it asks for."""
        uv("pip", "check", "-q", "--python", self.python)

    def releases(self) -> dict[str, str]:
        """What is installed, in which version."""
        listed = uv("pip", "list", "-q", "--format", "json", "--python", self.python)
        return {each["name"]: each["version"] for each in json.loads(listed)}

    def look_into(self, parts: Iterable[str] = ()) -> dict[str, Any]:
        """The report of installed.py."""
        return look_into(self.python, self.folder, clean_variables(), parts=parts)

    def run_tests(self, sdist: Path, tests: Iterable[str]) -> str:
        """Run tests of the source package on what is installed; the last line of pytest."""
        tree = building.unpacked(sdist, self.folder / "unpacked")
        shutil.rmtree(tree / "tinyconv")  # so that they can only find the installed one
        command = [self.python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
        return ran(command, tree, clean_variables()).strip().splitlines()[-1]


def uv(*arguments: Any) -> str:
    """What it prints."""
    if shutil.which("uv") is None:
        raise SystemExit("clean environments are made by uv: pip install uv")
    return ran(["uv", *map(str, arguments)], None, clean_variables())


def clean_variables() -> dict[str, str]:
    """The variables of this process, without those that lead to the tree."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


def ran(command: list[str], folder: Path | None, variables: Mapping[str, str]) -> str:
    """What a program prints; RuntimeError with all of it where it fails."""
    run = subprocess.run(command, cwd=folder, env=dict(variables), capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{run.stdout}\n{run.stderr}")
    return run.stdout


def look_into(
    python: str,
    folder: Path,
    variables: Mapping[str, str],
    parts: Iterable[str] = (),
    isolated: bool = True,
) -> dict[str, Any]:
    """Run installed.py in a new folder inside `folder`; no parts: all of them."""
    empty = Path(tempfile.mkdtemp(dir=folder))
    program = Path(__file__).with_name("installed.py")
    command = [python, *(["-I"] if isolated else []), str(program), *parts]
    return dict(json.loads(ran(command, empty, variables).splitlines()[-1]))


def survey(
    built: building.Built, folder: Path, extra: str, source: bool, python: str, lowest: bool
) -> str:
    """Make one environment and look at everything; a line that says what was seen."""
    folder.mkdir()
    package = built.sdist if source else built.wheel
    environment = CleanEnvironment(folder, package, extra, python, lowest)
    environment.check()
    kernels = extra in WITH_KERNELS
    report = environment.look_into([part for part in PARTS if part != "numba" or kernels])
    inside = Path(report["folder"])
    assert inside.is_relative_to(folder), f"tinyconv came from {inside}"
    assert set(report["files"]) == building.in_wheel(built.wheel)
    missing = ({"numpy"} | PROMISED[extra]) - set(report["did"])
    assert not missing, f"[{extra}] promises {missing}"
    said = f"works: {' '.join(report['did'])}; refused: {' '.join(report['refused']) or '-'}"
    if extra == "docs":
        tree = building.unpacked(built.sdist, folder / "site")
        ran([environment.python, "-m", "mkdocs", "build", "-q", "-s"], tree, clean_variables())
        said += "; the site was built"
    if extra == "test":
        said += f"; tests: {environment.run_tests(built.sdist, SAMPLE)}"
    return f"{said}; {len(environment.releases())} packages"


def campaign(options: argparse.Namespace) -> int:
    """Every extra; the number of environments that were not as promised."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tinyconv-packaging-") as name:
        folder = Path(name)
        (folder / "build").mkdir()
        built = building.build(folder / "build")
        cases = [(extra, False) for extra in options.extras] + [("", True)] * options.sdist
        for number, (extra, source) in enumerate(cases[: options.count]):
            title = f"{'sdist' if source else 'wheel'}[{extra}]"
            where = folder / str(number)
            try:
                seen = survey(built, where, extra, source, options.python, options.lowest)
            except (AssertionError, RuntimeError) as error:
                seen, failed = f"FAILED: {error}", failed + 1
            print(f"{title:20} {seen}", flush=True)
            shutil.rmtree(where)
    print(f"{len(cases[: options.count])} environments, {failed} not as promised")
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, help="only so many environments")
    parser.add_argument("--extras", nargs="*", default=list(PROMISED), help="'' is the core")
    parser.add_argument("--python", default="", help="as uv names it: 3.10, a path")
    parser.add_argument("--lowest", action="store_true", help="the oldest allowed releases")
    parser.add_argument("--no-sdist", dest="sdist", action="store_false")
    sys.exit(min(campaign(parser.parse_args()), 1))


if __name__ == "__main__":
    main()
