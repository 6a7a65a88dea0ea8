"""The kernels with the vectors of other CPUs, on this machine.

One process for each kind: what it compiles for one test, the others find.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinyconv.backends.numba import cpu

PORTABLE = {"TINYCONV_VECTOR": "portable"}
AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"}
X86_HERE = platform.machine() in ("x86_64", "AMD64")
HERE = Path(__file__).parent
FILES = [HERE / f"{name}.py" for name in ("elsewhere", "test_microkernel", "test_tile_transforms")]


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        cwd=root,
    )


VECTORS = [("portable", PORTABLE), ("avx2", AVX2)]


@pytest.mark.parametrize(("name", "environment"), VECTORS if X86_HERE else VECTORS[:1])
def test_kernels_with_other_vectors(name, environment):
    files = [*map(str, FILES), str(HERE.parent / "test_gemm.py")]
    command = ("-m", "pytest", "-p", "no:cacheprovider", *files)
    done = python(*command, TINYCONV_TEST_VECTOR=name, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout), done.stdout


NAMED = [(PORTABLE, "portable"), (AVX2, "avx2"), ({"NUMBA_CPU_NAME": "haswell"}, "avx2")]


@pytest.mark.parametrize(("environment", "name"), NAMED if X86_HERE else NAMED[:1])
def test_the_environment_may_name_a_cpu(environment, name):
    """Numba alone would keep this machine's features under the other CPU's name."""
    code = "from tinyconv.backends.numba import cpu; print(cpu.vector().name)"
    assert python("-c", code, **environment).stdout == f"{name}\n"


def test_another_kind_of_vector_is_refused(monkeypatch):
    monkeypatch.setenv("TINYCONV_VECTOR", "sse9")
    message = """TINYCONV_VECTOR must be "portable" or unset. Received: 'sse9'"""
    with pytest.raises(ValueError, match=message):
        cpu.vector.__wrapped__()
