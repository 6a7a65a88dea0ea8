"""`tinyconv doctor`: it says what is missing and what to do, whatever is absent or broken."""

import sys

import numpy as np
import pytest

pytest.importorskip("typer")

from typer.testing import CliRunner

from tests.cli.machines import EMPTY, H200, NONE, OLD, FakeCupy
from tinyconv import backends
from tinyconv.cli import doctor_checks
from tinyconv.cli.app import app
from tinyconv.cli.cuda_driver import Driver


def run(*arguments: str) -> tuple[int, str]:
    """Exit status and output; a traceback would be an exception here."""
    result = CliRunner().invoke(app, ["doctor", *arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def test_the_cpu_works(machine):
    machine(NONE)
    code, output = run()
    assert code == 0
    assert "backend 'numba' ok a kernel and a matrix product ran in" in output
    assert "bits" in output
    assert "no NVIDIA driver" in output
    assert "CuPy -- not installed" in output
    assert "nvidia.com/drivers" in output
    assert "The backend 'numba' works here." in output


def test_the_backend_that_is_asked_for_decides(machine):
    machine(NONE)
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "The backend 'cupy' does not work here." in output
    assert run("--backend", "numpy")[0] == 0


def test_an_unknown_backend(machine):
    machine(NONE)
    code, output = run("--backend", "torch")
    assert code == 2
    assert "numpy, numba, cupy" in output


@pytest.mark.parametrize(
    ("driver", "advice"),
    [
        (H200, 'pip install "tinyconv[gpu]"'),
        (OLD, "pip install cupy-cuda12x"),
        (EMPTY, "--gpus all"),
        (Driver(11040, ("K80, 11 GiB",)), "update it"),
    ],
)
def test_which_cupy_to_install(machine, driver, advice):
    machine(driver)
    code, output = run()
    assert code == 0  # nothing that is in use is missing
    assert advice in output


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libcublas.so.13: cannot open shared object file"),
        OSError("libnvrtc.so.13: cannot open shared object file"),
        RuntimeError("cupy.cuda.compiler.CompileException: cannot open source file"),
        RuntimeError("a product ran, but its result is wrong"),
        ValueError(""),
    ],
)
def test_a_backend_that_fails(machine, cupy_backend, error):
    machine(H200, FakeCupy(), ["cupy-cuda13x"])
    cupy_backend(error)
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "backend 'cupy' FAIL" in output
    assert type(error).__name__ in output
    assert "What to do" in output
    assert run()[0] == 0  # numba works


def test_a_backend_that_computes_wrongly(machine, cupy_backend):
    class Wrong(type(backends.load("numpy"))):
        def max_pool(self, x, window):
            y, argmax = super().max_pool(x, window)
            return y + 1, argmax

    machine(H200, FakeCupy(), ["cupy-cuda13x"])
    cupy_backend(Wrong())
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "a max-pooling ran, but its result is wrong" in output

    class Odd(np.ndarray):
        def __add__(self, other):
            return np.asarray(self) * 3

    class AddsWrongly(type(backends.load("numpy"))):
        def asarray(self, values, dtype=None):
            return np.asarray(values, dtype).view(Odd)

    cupy_backend(AddsWrongly())
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "a sum of arrays ran, but its result is wrong" in output


def test_headers_that_are_missing(machine, cupy_backend):
    """CuPy's own kernels need them, ours do not."""
    machine(H200, FakeCupy(), ["cupy-cuda13x"])
    cupy_backend(RuntimeError('a kernel: error: cannot open source file "cuda_fp16.h"'))
    code, output = run("--backend", "cupy")
    assert code == 1
    assert 'pip install "cupy-cuda13x[ctk]"' in output


def test_a_card_that_works(machine, cupy_backend):
    machine(H200, FakeCupy(), ["cupy-cuda13x"])
    cupy_backend(backends.load("numpy"))
    code, output = run("--backend", "cupy")
    assert code == 0
    assert "14.0.0, CUDA runtime 13.0" in output
    assert "H200, compute capability 9.0, 132 multiprocessors, 100.0 of 140.0 GiB free" in output
    assert "The backend 'cupy' works here." in output


def test_cupy_without_a_card(machine):
    broken = RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    machine(NONE, FakeCupy(broken), ["cupy-cuda13x"])
    code, output = run()
    assert code == 0
    assert "cudaErrorNoDevice" in output
    assert "nvidia.com/drivers" in output
    broken = RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    machine(NONE, FakeCupy(broken), ["cupy-cuda13x"])
    output = run()[1]
    assert "nvidia.com/drivers" in output
    assert "uninstall" not in output
    machine(EMPTY, FakeCupy(broken), ["cupy-cuda13x"])
    assert "--gpus all" in run()[1]


def test_a_driver_that_is_too_old(machine):
    broken = RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
    machine(OLD, FakeCupy(broken), ["cupy-cuda13x"])
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "newer CUDA than the driver runs (12.4)" in output
    assert "pip install cupy-cuda12x" in output


def test_a_cupy_that_cannot_be_imported(machine, monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise AttributeError("_ARRAY_API not found")

    machine(H200, None, ["cupy-cuda13x"])
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "FAIL" in output
    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "_ARRAY_API not found" in output


def test_two_cupys(machine):
    machine(H200, FakeCupy(), ["cupy-cuda13x", "cupy-cuda12x"])
    code, output = run("--backend", "cupy")
    assert code == 1
    assert "pip uninstall cupy-cuda12x cupy-cuda13x" in output


def test_numba_is_missing_or_broken(machine, monkeypatch):
    machine(NONE)
    load = backends.load

    def loaded(name, *arguments):
        if name == "numba":
            raise ImportError("Numba needs NumPy 2.2 or less")
        return load(name, *arguments)

    monkeypatch.setattr(backends, "load", loaded)
    code, output = run()
    assert code == 1
    assert "ImportError: Numba needs NumPy 2.2 or less" in output
    monkeypatch.setitem(sys.modules, "numba", None)
    code, output = run()
    assert code == 1
    assert "pip install numba" in output
    assert "backend 'numpy' ok" in output


def test_numba_cuda(machine, cupy_backend, monkeypatch):
    cupy_backend(backends.load("numpy"))
    machine(H200, FakeCupy(), ["cupy-cuda13x"], numba_cuda="0.20.1")

    def broken():
        raise RuntimeError("NvvmSupportError: libNVVM cannot be found")

    monkeypatch.setattr(doctor_checks, "_add_with_numba_cuda", broken)
    code, output = run("--backend", "cupy")
    assert code == 0  # no backend needs it
    assert "Numba CUDA FAIL 0.20.1: RuntimeError: NvvmSupportError" in output
    monkeypatch.setattr(doctor_checks, "_add_with_numba_cuda", lambda: None)
    assert "Numba CUDA ok 0.20.1: a kernel ran" in run()[1]
    machine(NONE, numba_cuda="0.20.1")
    assert "0.20.1, not tried without a card" in run()[1]


def test_a_check_that_fails_is_a_finding(machine, monkeypatch):
    machine(NONE)

    def broken():
        raise KeyError("something nobody thought of\nand more of it")

    monkeypatch.setattr(doctor_checks, "cpu", broken)
    code, output = run()
    assert code == 1
    assert "KeyError" in output
    assert "Traceback" not in output
