"""The kernels in Numba CUDA: their tests run in the simulator, in a process of its own.

What only a GPU can show, that the compiled kernels give the same, is in tests/gpu.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

SIMULATED = Path(__file__).with_name("simulated.py")


def test_in_the_simulator():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(SIMULATED)]
    done = subprocess.run(
        command,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    count = len(re.findall(r"^def test_", SIMULATED.read_text(), re.MULTILINE))
    assert re.search(rf"\b{count} passed", done.stdout), done.stdout
