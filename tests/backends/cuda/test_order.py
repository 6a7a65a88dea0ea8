"""No result depends on which thread or block comes first: a GPU promises no order.

The host runs them in order, and once more in reverse. What it cannot show: two threads in the
same moment.
"""

import numpy as np
import pytest

from tests.backends.calling import call
from tests.backends.cases import CASES, Case
from tests.backends.cuda.host import HostDevice
from tinyconv.backends.cuda import CudaBackend

FORWARD, BACKWARD = CudaBackend(HostDevice()), CudaBackend(HostDevice(reverse=True))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_order_gives_the_same_bits(case: Case, dtype: str):
    results = []
    for backend in (FORWARD, BACKWARD):
        found = call(backend, case.operation, *case.arguments(dtype))
        results.append(found if isinstance(found, tuple) else (found,))
    for result, value in zip(*results, strict=True):
        assert (result is None) == (value is None)
        if result is not None:
            np.testing.assert_array_equal(result, value)
