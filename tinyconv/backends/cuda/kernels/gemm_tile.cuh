// One block's tile of a matrix product, held in registers.
//
//     sum[m][n] += a[k][m] * b[k][n]        a (BK x BM), b (BK x BN) in shared memory
//
// Each thread keeps EACH x EACH of the sums, with EACH 8 or 4: for each k it reads 8 + 8
// numbers and multiplies 64 times, or 4 + 4 and 16 times, which is for results so small that
// the device would not be busy with fewer threads. Its rows and columns are one or two groups
// of four, half a tile apart: neighbouring threads then read neighbouring 16 bytes of shared
// memory.
//
//              tx=0   tx=1  ...  tx=0   tx=1  ...
//     ty=0     4 x 4  4 x 4      4 x 4  4 x 4             EACH = 8: thread (0, 0) has the
//     ty=1     4 x 4  4 x 4      4 x 4  4 x 4             four squares of its tx and ty
//      :
//     ty=0     4 x 4  4 x 4      4 x 4  4 x 4
//     ty=1     4 x 4  4 x 4      4 x 4  4 x 4
#pragma once

#include "common.cuh"

const int BK = 8;  // steps of the sum between two barriers

// A kernel for blocks of Tile::THREADS threads. Two blocks of the largest tile run side by side
// if a thread has no more than 128 registers, 64 of them for the sums; in double the sums
// alone are 128.
#ifdef ON_HOST
#define TILE_KERNEL(BM, BN, EACH, name, parameters) KERNEL(name, parameters)
#else
#define TILE_KERNEL(BM, BN, EACH, name, parameters)                                            \
    extern "C" __global__ void __launch_bounds__(                                              \
        BM * BN / (EACH * EACH), BM * BN == 128 * 128 && sizeof(T) == 4 ? 2 : 1)               \
        name parameters
#endif

template <int BM, int BN, int EACH>
struct Tile {
    static const int THREADS = BM / EACH * (BN / EACH), GROUPS = EACH / 4;
    // Four numbers more than a row needs: what a warp writes at once, two or four k's of
    // neighbouring m's, falls into different banks.
    static const int A_PITCH = BM + 4;

    int tx, ty;
    T sum[EACH][EACH];

    __device__ __forceinline__ Tile()
        : tx(threadIdx.x % (BN / EACH)), ty(threadIdx.x / (BN / EACH)) {
#pragma unroll
        for (int i = 0; i < EACH; ++i)
#pragma unroll
            for (int j = 0; j < EACH; ++j) sum[i][j] = 0;
    }

    // The first row and column of one of the thread's groups.
    __device__ __forceinline__ int row(int group) const { return group * (BM / GROUPS) + ty * 4; }
    __device__ __forceinline__ int column(int group) const {
        return group * (BN / GROUPS) + tx * 4;
    }

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
