"""The backend on the host: what these tests of kernels run on."""

import pytest

from tests.backends.cuda.host import HostDevice
from tinyconv.backends.cuda import CudaBackend


@pytest.fixture(scope="session", params=[False, True], ids=["forward", "reverse"])
def host(request: pytest.FixtureRequest) -> CudaBackend:
    """The kernels as C++; in reverse the last thread and block come first, and change nothing."""
    return CudaBackend(HostDevice(reverse=request.param))
