// The batch of one step: rows of the data set, in any order, cast to T.
//
//     y[r, c] = x[indices[r], c]          i = r * columns + c, one thread an element
//
// The columns of a thread's neighbours are neighbours in memory, in x and in y.
#include "common.cuh"

template <typename S>
__device__ __forceinline__ void gather(index_t count, const S* x, const long long* indices,
                                       index_t columns, T* y) {
    GRID_STRIDE(i, count) {
        const index_t row = i / columns;
        y[i] = (T)x[indices[row] * columns + (i - row * columns)];
    }
}

KERNEL(gather_bytes, (index_t count, const unsigned char* x, const long long* indices,
                      long long columns, T* y)) {
    gather(count, x, indices, (index_t)columns, y);
}

KERNEL(gather_floats, (index_t count, const float* x, const long long* indices,
                       long long columns, T* y)) {
    gather(count, x, indices, (index_t)columns, y);
}

KERNEL(gather_doubles, (index_t count, const double* x, const long long* indices,
                        long long columns, T* y)) {
    gather(count, x, indices, (index_t)columns, y);
}
