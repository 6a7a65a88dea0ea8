// What every kernel file includes: the number type, the loop over elements, 16-byte
// accesses, and sums over a block.
//
// The same text is compiled for a GPU (NVRTC or nvcc) and, with tests/backends/cuda/
// host.hpp before it, as C++ for the host. So no inline PTX, no warp intrinsics, no libraries.
//
// A file is compiled once for each number type: T is float or double, and offsets are
// index_t, which is int unless an array has more than about 2^31 elements.
//
//     KERNEL(scale, (index_t count, const T* x, T factor, T* y)) {
//         GRID_STRIDE(i, count) y[i] = factor * x[i];
//     }
//
// is run by     device.launch("file:scale", x.dtype, x.size, x, 2.0, y)
#pragma once

typedef REAL T;
typedef INDEX index_t;

#ifndef ON_HOST
#define KERNEL(name, parameters) extern "C" __global__ void name parameters
#define DYNAMIC_SHARED(type, name)                                    \
    extern __shared__ unsigned long long dynamic_shared[];            \
    type* name = reinterpret_cast<type*>(dynamic_shared)
#define INFINITE ((T)__longlong_as_double(0x7ff0000000000000LL))
#endif

// for i in range(count), shared out among all threads of the grid
#define GRID_STRIDE(i, count)                                                       \
    for (index_t i = (index_t)blockIdx.x * (index_t)blockDim.x + (index_t)threadIdx.x; \
         i < (count); i += (index_t)gridDim.x * (index_t)blockDim.x)

// 16 bytes that are read or written at once. Only where the address is a multiple of 16:
// the launching side asks device.aligned(...) and that the row length divides by LANES.
#define LANES ((int)(16 / sizeof(T)))

struct alignas(16) Vector {
    T lane[16 / sizeof(T)];
};

__device__ __forceinline__ Vector load(const T* address) {
    return *reinterpret_cast<const Vector*>(address);
}

__device__ __forceinline__ void store(T* address, Vector value) {
    *reinterpret_cast<Vector*>(address) = value;
}

// The sum of `value` over all threads of the block (blockDim.x a power of two, one
// dimension), the same in every thread. `scratch` is shared memory for blockDim.x numbers.
// The order is fixed, so equal calls give equal bits.
template <typename A>
__device__ A block_sum(A value, A* scratch) {
    const int t = threadIdx.x;
    __syncthreads();  // scratch may still be read from the call before
    scratch[t] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) scratch[t] += scratch[t + half];
    }
    __syncthreads();
    return scratch[0];
}

// As block_sum, the largest value; NaN wins.
template <typename A>
__device__ A block_max(A value, A* scratch) {
    const int t = threadIdx.x;
    __syncthreads();
    scratch[t] = value;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) {
            const A other = scratch[t + half];
            if (other > scratch[t] || other != other) scratch[t] = other;
        }
    }
    __syncthreads();
    return scratch[0];
}
