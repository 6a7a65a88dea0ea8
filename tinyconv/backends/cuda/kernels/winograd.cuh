// Winograd's matrices for a 3-tap filter, along one axis; M outputs at a time from M + 2 inputs.
//
//     y = A^T [ (G g G^T) * (B^T d B) ] A       (Lavin & Gray 2016, equation 8)
//
//     input    B^T d      M + 2 -> M + 2        image to tile
//     output   A^T t      M + 2 -> M            product to image
//     spread   A y        M     -> M + 2        gradient of the image to tile
//     expand   G g        3     -> M + 2        kernel to tile
//     reduce   G^T t      M + 2 -> 3            gradient of a tile to kernel
//
// The matrices follow from M + 1 points at which polynomials are evaluated: 0, 1, -1 for
// M = 2, and 0, +-a, +-b with a = sqrt(1/2), b = sqrt(2) for M = 4. These points round less
// than the paper's 0, +-1, +-2 (Alam et al. 2022, "Winograd convolution for deep neural
// networks: efficient point selection"). Rows of a point and of its negative differ in the
// sign of their odd terms, which are computed once.
#pragma once

#include "common.cuh"

template <int M>
struct Axis;

template <>
struct Axis<2> {
    static __device__ __forceinline__ void input(const T (&d)[4], T (&t)[4]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[3] - d[1];
    }
    static __device__ __forceinline__ void output(const T (&t)[4], T (&y)[2]) {
        y[0] = t[0] + t[1] + t[2];
        y[1] = t[1] - t[2] + t[3];
    }
    static __device__ __forceinline__ void spread(const T (&y)[2], T (&t)[4]) {
        t[0] = y[0];
        t[1] = y[0] + y[1];
        t[2] = y[0] - y[1];
        t[3] = y[1];
    }
    static __device__ __forceinline__ void expand(const T (&g)[3], T (&t)[4]) {
        const T even = (T)0.5 * (g[0] + g[2]), odd = (T)0.5 * g[1];
        t[0] = g[0];
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = g[2];
    }
    static __device__ __forceinline__ void reduce(const T (&t)[4], T (&g)[3]) {
        const T even = (T)0.5 * (t[1] + t[2]);
        g[0] = t[0] + even;
        g[1] = (T)0.5 * (t[1] - t[2]);
        g[2] = even + t[3];
    }
};

#define ROOT_HALF ((T)0.70710678118654752440)
#define ROOT_TWO ((T)1.41421356237309504880)

template <>
struct Axis<4> {
    static __device__ __forceinline__ void input(const T (&d)[6], T (&t)[6]) {
        const T even_a = d[4] - 2 * d[2], odd_a = ROOT_HALF * (d[3] - 2 * d[1]);
        const T even_b = d[4] - (T)0.5 * d[2], odd_b = ROOT_TWO * (d[3] - (T)0.5 * d[1]);
        t[0] = d[0] - (T)2.5 * d[2] + d[4];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = d[1] - (T)2.5 * d[3] + d[5];
    }
    static __device__ __forceinline__ void output(const T (&t)[6], T (&y)[4]) {
        const T even_a = t[1] + t[2], odd_a = ROOT_HALF * (t[1] - t[2]);
        const T even_b = t[3] + t[4], odd_b = ROOT_TWO * (t[3] - t[4]);
        y[0] = t[0] + even_a + even_b;
        y[1] = odd_a + odd_b;
        y[2] = (T)0.5 * even_a + 2 * even_b;
        y[3] = (T)0.5 * odd_a + 2 * odd_b + t[5];
    }
    static __device__ __forceinline__ void spread(const T (&y)[4], T (&t)[6]) {
        const T even_a = y[0] + (T)0.5 * y[2], odd_a = ROOT_HALF * (y[1] + (T)0.5 * y[3]);
        const T even_b = y[0] + 2 * y[2], odd_b = ROOT_TWO * (y[1] + 2 * y[3]);
        t[0] = y[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = y[3];
    }
    static __device__ __forceinline__ void expand(const T (&g)[3], T (&t)[6]) {
        const T third = (T)1 / 3, sixth = (T)1 / 6;
        const T even_a = -2 * third * g[0] - third * g[2], odd_a = -2 * third * ROOT_HALF * g[1];
        const T even_b = sixth * g[0] + third * g[2], odd_b = sixth * ROOT_TWO * g[1];
        t[0] = g[0];
        t[1] = even_a + odd_a;
        t[2] = even_a - odd_a;
        t[3] = even_b + odd_b;
        t[4] = even_b - odd_b;
        t[5] = g[2];
    }
    static __device__ __forceinline__ void reduce(const T (&t)[6], T (&g)[3]) {
        const T third = (T)1 / 3, sixth = (T)1 / 6;
        const T even_a = t[1] + t[2], odd_a = ROOT_HALF * (t[1] - t[2]);
        const T even_b = t[3] + t[4], odd_b = ROOT_TWO * (t[3] - t[4]);
        g[0] = t[0] - 2 * third * even_a + sixth * even_b;
        g[1] = sixth * odd_b - 2 * third * odd_a;
        g[2] = third * (even_b - even_a) + t[5];
    }
};

// both<Axis<M>::input>(tile, result): the same along rows and columns, B^T d B.
template <auto axis, int FROM, int TO>
__device__ __forceinline__ void both(const T (&tile)[FROM][FROM], T (&result)[TO][TO]) {
    T half[TO][FROM];
#pragma unroll
    for (int j = 0; j < FROM; ++j) {
        T column[FROM], changed[TO];
#pragma unroll
        for (int i = 0; i < FROM; ++i) column[i] = tile[i][j];
        axis(column, changed);
#pragma unroll
        for (int i = 0; i < TO; ++i) half[i][j] = changed[i];
    }
#pragma unroll
    for (int i = 0; i < TO; ++i) axis(half[i], result[i]);
}
