"""Arrays of more than 2^31 elements take kernels whose offsets are long long.

Nobody has the memory for one here, so the same kernels run on small arrays.
"""

import numpy as np
import pytest

from tests.backends.calling import call
from tests.backends.cases import CASES, Case
from tinyconv.backends.cuda import CudaBackend, device


def results(host: CudaBackend, case: Case) -> list[np.ndarray]:
    found = call(host, case.operation, *case.arguments("float32"))
    return [each for each in (found if isinstance(found, tuple) else (found,)) if each is not None]


@pytest.mark.parametrize("host", [False], indirect=True, ids=["forward"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_offsets_of_8_bytes(host: CudaBackend, case: Case, monkeypatch: pytest.MonkeyPatch):
    expected = results(host, case)
    monkeypatch.setattr(device, "_INT_IS_ENOUGH", -1)
    for result, value in zip(results(host, case), expected, strict=True):
        np.testing.assert_array_equal(result, value)
