"""The short form of `python -m tests.trust.packaging`: one build, one installed wheel."""

import os
import re
import subprocess
import sys

import pytest

import tinyconv
from tests.trust import building, licences, packaging


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return building.build(tmp_path_factory.mktemp("build"))


def test_wheel_holds_the_package_as_git_lists_it_and_nothing_else(built):
    expected = {name for name in building.tracked() if name.startswith("tinyconv/")}
    assert building.in_wheel(built.wheel) == expected
    assert {"tinyconv/py.typed", "tinyconv/data/digits.npz"} <= expected
    assert "tinyconv/backends/cuda/kernels/winograd.cu" in expected


def test_sdist_holds_all_that_git_lists(built):
    assert building.in_sdist(built.sdist) == set(building.tracked()) - building.LEFT_OUT


def test_installed_wheel_runs_outside_of_the_tree(built, tmp_path):
    """In this environment all the extras are there; the campaign makes clean ones."""
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", "site"]
    subprocess.run([*pip, str(built.wheel)], cwd=tmp_path, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    parts = ["numpy", "command", "files", "images"]
    report = packaging.look_into(sys.executable, tmp_path, environment, parts, isolated=False)
    assert report["folder"] == str(tmp_path / "site/tinyconv")
    assert report["files"] == sorted(building.in_wheel(built.wheel))
    assert report["did"] == parts


def test_without_the_packages_of_an_extra_its_name_is_told(tmp_path):
    """Modules that can't be found stand for packages that are not installed."""
    without = tmp_path / "without"
    without.mkdir()
    hidden = "import sys\nfor name in {}: sys.modules[name] = None\n"
    names = ["typer", "h5py", "PIL", "matplotlib", "pooch", "tensorboard", "tensorflow", "cupy"]
    (without / "sitecustomize.py").write_text(hidden.format(names))
    path = os.pathsep.join([str(without), str(building.ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    parts = ["command", "files", "images", "plots", "data", "tensorboard", "tf", "gpu"]
    report = packaging.look_into(sys.executable, tmp_path, environment, parts, isolated=False)
    assert report["refused"] == parts


def test_version_is_the_same_everywhere(built):
    assert f"-{tinyconv.__version__}-" in built.wheel.name
    assert f"-{tinyconv.__version__}.tar.gz" in built.sdist.name


def test_every_extra_is_tried():
    """But that of the benchmarks, which is PyTorch, some gigabytes with its CUDA."""
    assert set(packaging.requirements()) - set(packaging.PROMISED) == {"benchmarks"}


def test_every_requirement_has_a_lower_bound():
    """Without one an old release may be taken that never worked."""
    for extra, requirements in packaging.requirements().items():
        for requirement in requirements:
            if not requirement.startswith("tinyconv["):
                assert re.search(r">=\d", requirement), f"{extra}: {requirement}"


def test_the_page_of_licences_lists_what_setup_cfg_asks_for():
    listed = set(re.findall(r"^\| `([^`]+)` \|", licences.PAGE.read_text(), re.MULTILINE))
    assert listed == set(licences.direct())


def test_a_licence_is_what_the_package_says():
    assert licences.licence("numpy").startswith("BSD")
    assert licences.licence("pytest") == "MIT"


def test_what_comes_along_is_found_through_others_and_extras():
    found = licences.along(["mkdocstrings[python]>=0.26"])
    assert {"mkdocstrings", "mkdocstrings-python", "griffelib", "markupsafe"} <= found
    assert "numpy" not in found
