"""Every kernel compiles for the GPUs it is written for, without a warning."""

import numpy as np
import pytest

from tests.backends.cuda.compilers import ARCHITECTURES, compiler
from tinyconv.backends.cuda.device import KERNELS, definitions, source

FILES = sorted(path.stem for path in KERNELS.glob("*.cu"))


def complaints(text: str, options: tuple[str, ...], architecture: str) -> str:
    found = compiler()
    assert found is not None
    return found[1](text, options, architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", FILES)
def test_in_float32(file: str, architecture: str):
    options = definitions(np.dtype("float32"), wide=False)
    assert complaints(source(file), options, architecture) == ""


@pytest.mark.parametrize("file", FILES)
def test_in_float64_with_offsets_of_64_bits(file: str):
    options = definitions(np.dtype("float64"), wide=True)
    assert complaints(source(file), options, "sm_80") == ""


def test_a_mistake_is_told_with_file_and_line():
    own = (KERNELS / "gather.cu").read_text()
    line = own[: own.index("indices[row]")].count("\n") + 1
    text = source("gather").replace("indices[row]", "indices[raw]", 1)
    told = complaints(text, definitions(np.dtype("float32"), wide=False), "sm_80")
    assert f'gather.cu({line}): error: identifier "raw" is undefined' in told
