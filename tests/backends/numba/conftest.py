"""What several of these tests need."""

from pathlib import Path

import pytest

from tests.backends.numba.small_backend import KERNEL, STEP
from tinyconv.backends.numba import kernel_cache


@pytest.fixture
def package(tmp_path) -> Path:
    """A small backend under the package's own name: _jit, what it needs, and a kernel."""
    backend = tmp_path / "tinyconv" / "backends" / "numba"
    backend.mkdir(parents=True)
    for folder in (backend, backend.parent, backend.parent.parent):
        (folder / "__init__.py").touch()
    for path in kernel_cache.sources(str(kernel_cache.PACKAGE / "_jit.py")):
        (backend / Path(path).name).write_bytes(Path(path).read_bytes())
    (backend / "kernel.py").write_text(KERNEL)
    (backend / "step.py").write_text(STEP)
    (backend / "constants.py").write_text("STEP = 1.0\n")
    return backend
