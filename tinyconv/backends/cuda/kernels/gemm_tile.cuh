// One block's tile of a matrix product, held in registers.
//
//     sum[m][n] += a[k][m] * b[k][n]        a (BK x BM), b (BK x BN) in shared memory
//
// Each thread keeps 8 x 8 of the sums, for each k it reads 8 + 8 numbers and multiplies 64
// times. Its rows and columns are two groups of four, half a tile apart: neighbouring
// threads then read neighbouring 16 bytes of shared memory.
//
//              tx=0   tx=1  ...  tx=0   tx=1  ...
//     ty=0     4 x 4  4 x 4      4 x 4  4 x 4             thread (0, 0) has the four
//     ty=1     4 x 4  4 x 4      4 x 4  4 x 4             squares of its tx and ty
//      :
//     ty=0     4 x 4  4 x 4      4 x 4  4 x 4
#pragma once

#include "common.cuh"

const int BK = 8;    // steps of the sum between two barriers
const int EACH = 8;  // rows and columns of a thread

// A kernel for blocks of Tile<BM, BN>::THREADS threads. Two blocks of the largest tile run side
// by side if a thread has no more than 128 registers, 64 of them for the sums; in double the
// sums alone are 128.
#ifdef ON_HOST
#define TILE_KERNEL(BM, BN, name, parameters) KERNEL(name, parameters)
#else
#define TILE_KERNEL(BM, BN, name, parameters)                                                \
    extern "C" __global__ void __launch_bounds__(BM * BN / (EACH * EACH),                    \
                                                 BM * BN == 128 * 128 && sizeof(T) == 4 ? 2 : 1) \
        name parameters
#endif

template <int BM, int BN>
struct Tile {
    static const int THREADS = BM / EACH * (BN / EACH);
    // Four numbers more than a row needs: what a warp writes at once, two or four k's of
    // neighbouring m's, falls into different banks.
    static const int A_PITCH = BM + 4;

    int tx, ty;
    T sum[EACH][EACH];

    __device__ __forceinline__ Tile() : tx(threadIdx.x % (BN / EACH)), ty(threadIdx.x / (BN / EACH)) {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < EACH; ++j) sum[i][j] = 0;
    }

    // The first row and column of the thread's group 0 or 1.
    __device__ __forceinline__ int row(int group) const { return group * (BM / 2) + ty * 4; }
    __device__ __forceinline__ int column(int group) const { return group * (BN / 2) + tx * 4; }

    __device__ __forceinline__ void multiply(const T (*a)[A_PITCH], const T (*b)[BN]) {
#pragma unroll
        for (int k = 0; k < BK; ++k) {
            T left[EACH], right[EACH];
#pragma unroll
            for (int i = 0; i < EACH; i += LANES) {
                const Vector rows = load(&a[k][row(i / 4) + i % 4]);
                const Vector columns = load(&b[k][column(i / 4) + i % 4]);
#pragma unroll
                for (int v = 0; v < LANES; ++v) {
                    left[i + v] = rows.lane[v];
                    right[i + v] = columns.lane[v];
                }
            }
#pragma unroll
            for (int i = 0; i < EACH; ++i)
#pragma unroll
                for (int j = 0; j < EACH; ++j) sum[i][j] += left[i] * right[j];
        }
    }
};

// Where a column of im2col's matrix is in the window: kernel row k, kernel column l, channel c.
struct Tap {
    int k, l, c;

    __device__ __forceinline__ Tap(int column, int KW, int C)
        : k(column / (KW * C)), l(column / C % KW), c(column % C) {}

    __device__ __forceinline__ void advance(int step, int KW, int C) {
        c += step;
        while (c >= C) {
            c -= C;
            if (++l == KW) {
                l = 0;
                ++k;
            }
        }
    }
};

// Up to LANES numbers from here on, zeros for those that are not there.
__device__ __forceinline__ Vector load_some(const T* address, int there, bool whole) {
    Vector value = {};
    if (whole && there >= LANES) return load(address);
#pragma unroll
    for (int v = 0; v < LANES; ++v)
        if (v < there) value.lane[v] = address[v];
    return value;
}
