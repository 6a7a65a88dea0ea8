"""The backend on the host: what these tests of kernels run on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tinyconv.backends
from tests.backends.cuda import compilers
from tests.backends.cuda import host as on_host
from tests.backends.cuda.host import HostDevice
from tinyconv.backends.cuda import CudaBackend

_HERE = Path(__file__).parent
_WITHOUT_HOST = (
    "test_compile.py", "test_cupy_device.py", "test_deferred.py", "test_numba_cuda.py",
)  # fmt: skip

# What needs a compiler that is not here is not collected; the last lines of the run say so,
# see tests/conftest.py.
collect_ignore = [] if compilers.compiler() else ["test_compile.py"]
if on_host.compiler() is None:
    collect_ignore += [p.name for p in _HERE.glob("test_*.py") if p.name not in _WITHOUT_HOST]


@pytest.fixture(scope="session", params=[False, True], ids=["forward", "reverse"])
def host(request: pytest.FixtureRequest) -> CudaBackend:
    """The kernels as C++; in reverse the last thread and block come first, and change nothing."""
    return CudaBackend(HostDevice(reverse=request.param))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Compute on a new device (or another backend) until the end of the test."""

    def choose(device: Any) -> Any:
        backend = tinyconv.backends.load(device) if isinstance(device, str) else CudaBackend(device)
        monkeypatch.setattr(tinyconv.backends, "_current", backend)
        return backend

    return choose
