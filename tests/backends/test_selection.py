"""Choosing a backend, and what importing tinyconv does not do."""

import os
import subprocess
import sys

import pytest

from tinyconv import backends
from tinyconv.backends import available_backends, get_backend, load, use_backend
from tinyconv.backends.base import Backend


@pytest.fixture(autouse=True)
def _nothing_chosen_yet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backends, "_current", None)


def test_the_names():
    assert available_backends()[:2] == ["numpy", "numba"]


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_load_gives_one_instance_and_does_not_choose_it(name: str):
    backend = load(name)
    assert isinstance(backend, Backend)
    assert load(name) is backend
    use_backend("numpy")
    load("numba")
    assert get_backend().name == "numpy"


def test_as_a_function():
    use_backend("numba")
    assert get_backend() is load("numba")
    use_backend("numpy")
    assert get_backend() is load("numpy")


def test_as_a_context_manager():
    use_backend("numpy")
    with use_backend("numba") as outer:
        assert get_backend() is outer is load("numba")
        with use_backend("numpy") as inner:
            assert get_backend() is inner is load("numpy")
        assert get_backend() is outer
    assert get_backend().name == "numpy"


def test_an_exception_restores_and_passes():
    use_backend("numpy")
    with pytest.raises(ZeroDivisionError), use_backend("numba"):
        1 / 0  # noqa: B018
    assert get_backend().name == "numpy"


def test_choosing_inside_a_block_ends_with_it():
    use_backend("numpy")
    with use_backend("numba"):
        use_backend("numba")
    assert get_backend().name == "numpy"


def test_a_block_before_any_choice_leaves_the_default():
    with use_backend("numpy"):
        assert get_backend().name == "numpy"
    assert get_backend().name == backends._DEFAULT


@pytest.mark.parametrize("choose", [use_backend, load])
@pytest.mark.parametrize("name", ["tensorflow", "", "NumPy"])
def test_an_unknown_name_changes_nothing(choose, name: str):
    use_backend("numpy")
    with pytest.raises(ValueError, match=r"backend must be one of .*'numpy'.*Received: ") as error:
        choose(name)
    assert repr(name) in str(error.value)
    assert get_backend().name == "numpy"


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_only_a_gpu_computes_in_tf32(name: str):
    use_backend("numpy")
    with pytest.raises(ValueError, match="tf32: only the backend 'cupy' computes in TF32"):
        use_backend(name, tf32=True)
    assert get_backend().name == "numpy"


def test_an_algorithm_that_the_gpu_does_not_have():
    """Told also where there is no GPU."""
    with pytest.raises(
        ValueError, match=r"conv must be one of .*implicit_gemm.*Received: conv='x'"
    ):
        use_backend("cupy", conv="x")


def python(code: str, **environment: str) -> str:
    """What a fresh Python prints, on either stream."""
    variables = {k: v for k, v in os.environ.items() if k != "TINYCONV_BACKEND"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


HEAVY = ("numba", "cupy", "tensorflow", "keras", "matplotlib", "h5py", "PIL", "scipy")


@pytest.mark.parametrize("then", ["pass", "tinyconv.use_backend('numpy')"])
def test_import_is_light_and_silent(then: str):
    code = f"import sys, tinyconv; {then}; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(code) == "[]\n"


def test_the_default_backend():
    code = "from tinyconv.backends import get_backend; print(get_backend().name)"
    assert python(code) == "numba\n"
    assert python(code, TINYCONV_BACKEND="numpy") == "numpy\n"


def test_a_wrong_default_is_named_when_it_is_first_used():
    code = """
import tinyconv.backends
try:
    tinyconv.backends.get_backend()
except ValueError as error:
    print(error)
"""
    assert "Received: 'torch'" in python(code, TINYCONV_BACKEND="torch")
