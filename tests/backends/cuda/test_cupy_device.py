"""A machine without a usable GPU: what is said, and that a CPU user notices nothing of it."""

import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

from tinyconv.backends.cuda.cupy_device import CupyDevice

# Stand-ins for CuPy: what it looks like where it is installed and does not work.
BROKEN = {
    "without its libraries": "raise ImportError('libcudart.so.13: cannot open shared object file')",
    "without a driver": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version ...")
    """,
    "without a GPU": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    return 0
    """,
    "without a compiler": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    return 1
        def zeros(*a):
            return [0]
        def RawKernel(*a):
            raise RuntimeError("NVRTC_ERROR: libnvrtc not found")
    """,
    "with a kernel that does nothing": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    return 1
        def zeros(*a):
            return [0]
        def RawKernel(*a):
            return lambda *a: None
    """,
    "without CUDA's headers": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    return 1
        class zeros(list):
            def __init__(self, *a):
                super().__init__([42])
            def __add__(self, one):
                raise RuntimeError('cannot open source file "cuda_fp16.h"')
        def RawKernel(*a):
            return lambda *a: None
    """,
    "that cannot add": """
        class cuda:
            class runtime:
                def getDeviceCount():
                    return 1
        class zeros(list):
            def __init__(self, *a):
                super().__init__([42])
            def __add__(self, one):
                return [41]
        def RawKernel(*a):
            return lambda *a: None
    """,
}
SAYS = {
    "without its libraries": "libcudart.so.13",
    "without a driver": "cudaErrorInsufficientDriver",
    "without a GPU": "CuPy finds no GPU",
    "without a compiler": "libnvrtc not found",
    "with a kernel that does nothing": "a test kernel wrote 0 instead of 42",
    "without CUDA's headers": 'cannot open source file "cuda_fp16.h"',
    "that cannot add": "CuPy computes 42 + 1 = 41",
}


def run(code: str, folder: Path) -> str:
    """What a new Python prints that finds modules in `folder` first; no warnings, no noise."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a CuPy that is broken in the way that is asked for."""
    (tmp_path / "cupy.py").write_text(textwrap.dedent(BROKEN[request.param]))
    return tmp_path


EVERY = pytest.mark.parametrize("folder", BROKEN, indirect=True)


@EVERY
def test_the_reason_is_told(folder: Path, request: pytest.FixtureRequest):
    told = run(
        """
        import tinyconv
        tinyconv.use_backend("numpy")
        try:
            tinyconv.use_backend("cupy")
        except RuntimeError as error:
            print(error)
        print(tinyconv.get_backend().name, tinyconv.available_backends())
        """,
        folder,
    )
    assert SAYS[request.node.callspec.params["folder"]] in told
    assert "the backend 'cupy' needs an NVIDIA GPU, its driver and CuPy" in told
    assert 'pip install "tinyconv[gpu]"' in told
    assert "tinyconv doctor" in told
    assert told.endswith("numpy ['numpy', 'numba']\n")


@EVERY
def test_a_cpu_user_never_imports_cupy(folder: Path):
    """Not to compute, and not to load a model: what is broken there does not matter."""
    told = run(
        """
        import sys
        import numpy as np
        import tinyconv
        with tinyconv.use_backend("numpy"):
            layer = tinyconv.layers.Dense(2)
            print(layer(np.ones((1, 3), "float32")).shape, "cupy" in sys.modules)
        """,
        folder,
    )
    assert told == "(1, 2) False\n"


def test_without_cupy(tmp_path: Path):
    told = run(
        """
        import importlib.util as util
        find_spec = util.find_spec
        util.find_spec = lambda name, *a: None if name == "cupy" else find_spec(name, *a)
        import tinyconv
        print(tinyconv.available_backends())
        try:
            tinyconv.use_backend("cupy")
        except RuntimeError as error:
            print(error)
        """,
        tmp_path,
    )
    assert told.startswith("['numpy', 'numba']\n")
    assert "CuPy is not installed" in told


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("before", [4, 7])  # 7: as CUPY_TF32=1 has it
def test_how_exact_products_are_is_the_device_s_choice(monkeypatch, tf32, before):
    now = {"float32": before, "float64": 1}
    linalg = types.SimpleNamespace(
        COMPUTE_TYPE_FP32=4, COMPUTE_TYPE_TF32=7,
        get_compute_type=lambda dtype: now[dtype.name],
        set_compute_type=lambda dtype, asked: now.update({dtype.name: asked}),
    )  # fmt: skip
    core = types.ModuleType("cupy._core")
    core._routines_linalg = linalg
    monkeypatch.setitem(sys.modules, "cupy", types.ModuleType("cupy"))
    monkeypatch.setitem(sys.modules, "cupy._core", core)
    device = object.__new__(CupyDevice)
    device.tf32, seen = tf32, []
    device.xp = types.SimpleNamespace(matmul=lambda a, b, out: seen.append(dict(now)))
    device.matmul(np.ones((2, 2), "float32"), np.ones((2, 2), "float32"))
    device.matmul(np.ones((2, 2)), np.ones((2, 2)))
    assert seen == [{"float32": 7 if tf32 else 4, "float64": 1}, {"float32": before, "float64": 1}]
    assert now["float32"] == before
