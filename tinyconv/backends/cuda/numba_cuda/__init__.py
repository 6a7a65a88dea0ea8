"""The im2col family once more, as GPU kernels in Python.

The same operations on the same device arrays as kernels/im2col.cu and kernels/pooling.cu,
one thread an element and no other thought of speed: to be read first, stepped through in
Numba's simulator (NUMBA_ENABLE_CUDASIM=1, any NumPy arrays), and measured against the others.

    from tinyconv.backends.cuda import numba_cuda

    columns = numba_cuda.im2col(x, window)     # x: a CuPy array, in the simulator a NumPy one

Importing this needs the package numba-cuda, or a Numba that still brings numba.cuda.
"""

from tinyconv.backends.cuda.numba_cuda.columns import col2im, im2col
from tinyconv.backends.cuda.numba_cuda.pooling import max_pool, max_pool_backward

__all__ = ["col2im", "im2col", "max_pool", "max_pool_backward"]
