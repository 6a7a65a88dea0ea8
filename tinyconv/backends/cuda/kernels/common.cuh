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
extern __shared__ __align__(16) unsigned long long dynamic_shared[];
#define DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(dynamic_shared)
#define INFINITE ((T)__longlong_as_double(0x7ff0000000000000LL))
#endif

// for i in range(count), shared out among all threads of the grid
#define GRID_STRIDE(i, count)                                                       \
    for (index_t i = (index_t)blockIdx.x * (index_t)blockDim.x + (index_t)threadIdx.x; \
         i < (count); i += (index_t)gridDim.x * (index_t)blockDim.x)

// V numbers of type E that are read or written at once: 16 bytes for LANES of T, which needs
// addresses that are multiples of 16 (the launching side asks device.lanes(...)), or one,
// which always works. A kernel is written once, for V, and compiled for both.
constexpr int LANES = 16 / (int)sizeof(T);

template <typename E, int V>
struct alignas(V * sizeof(E)) Pack {
    E lane[V];
};
typedef Pack<T, LANES> Vector;

template <int V, typename E>
__device__ __forceinline__ Pack<E, V> load_lanes(const E* address) {
    return *reinterpret_cast<const Pack<E, V>*>(address);
}

template <int V, typename E>
__device__ __forceinline__ void store_lanes(E* address, const Pack<E, V>& values) {
    *reinterpret_cast<Pack<E, V>*>(address) = values;
}

__device__ __forceinline__ Vector load(const T* address) { return load_lanes<LANES>(address); }
__device__ __forceinline__ void store(T* address, const Vector& values) {
    store_lanes<LANES>(address, values);
}

// The same at x[start], of an array of `size` numbers that may end within the pack: what is
// not there is zero.
template <int V, typename E>
__device__ __forceinline__ Pack<E, V> load_until(index_t size, const E* x, index_t start) {
    if (start + V <= size) return load_lanes<V>(x + start);
    Pack<E, V> values = {};
    for (int v = 0; start + v < size; v++) values.lane[v] = x[start + v];
    return values;
}

template <int V, typename E>
__device__ __forceinline__ void store_until(index_t size, E* x, index_t start,
                                            const Pack<E, V>& values) {
    if (start + V <= size) return store_lanes<V>(x + start, values);
    for (int v = 0; start + v < size; v++) x[start + v] = values.lane[v];
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
