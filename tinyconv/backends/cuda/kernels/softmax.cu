// Softmax over the last axis, and back: one block a row, its threads side by side in the row.
//
//     row r:   x[r, 0] x[r, 1] ...  x[r, K-1]
//     thread:    0       1     ...              then again from 0
//
// A narrow row, of ten classes say, has no work for a block: there a thread has a row.
//
//     y_k  = e^(z_k + b_k - max) / sum of these over the row
//     dz_k = y_k (dy_k - sum over j of dy_j y_j)
#include "common.cuh"

// bias may be null; y may be the memory of z. blockDim.x is a power of two.
KERNEL(softmax, (const T* z, const T* bias, int K, T* y)) {
    DYNAMIC_SHARED(T, scratch);  // blockDim.x numbers
    const index_t row = (index_t)blockIdx.x * K;
    const int step = blockDim.x, first = threadIdx.x;
    T most = -INFINITE;
    for (int k = first; k < K; k += step) {
        const T value = bias ? z[row + k] + bias[k] : z[row + k];
        y[row + k] = value;
        if (value > most || value != value) most = value;
    }
    most = block_max(most, scratch);
    T sum = 0;
    for (int k = first; k < K; k += step) {
        const T e = exp(y[row + k] - most);
        y[row + k] = e;
        sum += e;
    }
    sum = block_sum(sum, scratch);
    for (int k = first; k < K; k += step) y[row + k] /= sum;
}

KERNEL(softmax_backward, (const T* dy, const T* y, int K, T* dz)) {
    DYNAMIC_SHARED(T, scratch);
    const index_t row = (index_t)blockIdx.x * K;
    const int step = blockDim.x, first = threadIdx.x;
    T sum = 0;
    for (int k = first; k < K; k += step) sum += dy[row + k] * y[row + k];
    sum = block_sum(sum, scratch);
    for (int k = first; k < K; k += step) dz[row + k] = y[row + k] * (dy[row + k] - sum);
}

KERNEL(softmax_narrow, (index_t rows, const T* z, const T* bias, int K, T* y)) {
    GRID_STRIDE(row, rows) {
        const T* from = z + row * K;
        T* to = y + row * K;
        T most = -INFINITE, sum = 0;
        for (int k = 0; k < K; k++) {
            const T value = bias ? from[k] + bias[k] : from[k];
            to[k] = value;
            if (value > most || value != value) most = value;
        }
        for (int k = 0; k < K; k++) {
            to[k] = exp(to[k] - most);
            sum += to[k];
        }
        for (int k = 0; k < K; k++) to[k] /= sum;
    }
}

KERNEL(softmax_backward_narrow, (index_t rows, const T* dy, const T* y, int K, T* dz)) {
    GRID_STRIDE(row, rows) {
        const index_t first = row * K;
        T sum = 0;
        for (int k = 0; k < K; k++) sum += dy[first + k] * y[first + k];
        for (int k = 0; k < K; k++) dz[first + k] = y[first + k] * (dy[first + k] - sum);
    }
}
