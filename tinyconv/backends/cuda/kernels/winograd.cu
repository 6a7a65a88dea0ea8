// Winograd's convolution F(M x M, 3 x 3): between the image and the tiles that BLAS multiplies.
//
//     image --input--->  V[tap] (tiles, C)  \ .
//                                            M[tap] = V[tap] @ U[tap] (tiles, F)  --output--> y
//     kernel --expand--> U[tap] (C, F)      /
//
// A tap is a place of the transformed tile, (M + 2)^2 of them. The tile with corner (M*row,
// M*col) of an image of the output looks at (M + 2)^2 pixels of the input, of which it shares
// two rows and columns with its neighbours:
//
//          +-----------+                 rows * cols tiles an image, counted through the batch
//          |  . . . .  |  M = 4          from `first` on; pixels outside of the image are zero
//          |  . . . .  |
//          |  . . . .  |
//          |  . . . .  |
//          +-----------+
//
// And for the gradient of the kernel, the formula read backwards:
//
//     dU[tap] (C, F) = V[tap]^T @ Z[tap],   Z = spread(dz),   dkernel = reduce(dU)
//
// A thread transforms the tile of one channel (or filter), and its neighbours' threads the
// neighbouring channels, so that all accesses of a warp are one piece of memory.
#include "epilogue.cuh"
#include "winograd.cuh"

struct Corner {
    index_t n;
    int h, w;  // of the output

    __device__ __forceinline__ Corner(int tile, int rows, int cols, int M)
        : n(tile / cols / rows), h(tile / cols % rows * M), w(tile % cols * M) {}
};

// x's pixel (h, w) of image n, channel c; zero outside.
__device__ __forceinline__ T pixel_of(const T* x, index_t n, int h, int w, int c, int H, int W,
                                      int C) {
    return h >= 0 && h < H && w >= 0 && w < W ? x[((n * H + h) * W + w) * C + c] : (T)0;
}

// V[tap, tile, c], or V[tile, tap, c] if `together`.
template <int M>
__device__ __forceinline__ void input(index_t count, const T* x, T* V, int first, int H, int W,
                                      int C, int top, int left, int rows, int cols, int together) {
    const int S = M + 2;
    GRID_STRIDE(e, count) {
        const int c = e % C, tile = e / C;
        const Corner corner(first + tile, rows, cols, M);
        T d[S][S], t[S][S];
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j)
                d[i][j] =
                    pixel_of(x, corner.n, corner.h + i - top, corner.w + j - left, c, H, W, C);
        both<Axis<M>::input>(d, t);
        T* place = together ? V + (index_t)tile * S * S * C + c : V + e;
        const index_t step = together ? C : count;
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j) place[(i * S + j) * step] = t[i][j];
    }
}

// Z[tile, tap, f] of dz (N, OH, OW, F).
template <int M>
__device__ __forceinline__ void spread(index_t count, const T* dz, T* Z, int first, int OH, int OW,
                                       int F, int rows, int cols) {
    const int S = M + 2;
    GRID_STRIDE(e, count) {
        const int f = e % F, tile = e / F;
        const Corner corner(first + tile, rows, cols, M);
        T y[M][M], t[S][S];
#pragma unroll
        for (int i = 0; i < M; ++i)
#pragma unroll
            for (int j = 0; j < M; ++j)
                y[i][j] = pixel_of(dz, corner.n, corner.h + i, corner.w + j, f, OH, OW, F);
        both<Axis<M>::spread>(y, t);
        T* place = Z + (index_t)tile * S * S * F + f;
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j) place[(index_t)(i * S + j) * F] = t[i][j];
    }
}

// y = max_pool(relu(A^T m A + bias)) of the products m[tap, tile, f]; each of the three may be
// missing. OH, OW: before the pool.
template <int M>
__device__ __forceinline__ void output(index_t count, const T* products, const T* bias, T* y,
                                       unsigned char* codes, int first, int OH, int OW, int F,
                                       int rows, int cols, int relu, int pool) {
    const int S = M + 2;
    GRID_STRIDE(e, count) {
        const int f = e % F, tile = e / F;
        const Corner corner(first + tile, rows, cols, M);
        const T shift = bias ? bias[f] : (T)0;
        T t[S][S], z[M][M];
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j) t[i][j] = products[(i * S + j) * count + e];
        both<Axis<M>::output>(t, z);
        if (pool) {
            const int PH = OH / 2, PW = OW / 2;
#pragma unroll
            for (int i = 0; i < M; i += 2)
#pragma unroll
                for (int j = 0; j < M; j += 2) {
                    const int h = (corner.h + i) / 2, w = (corner.w + j) / 2;
                    const T four[4] = {z[i][j] + shift, z[i][j + 1] + shift, z[i + 1][j] + shift,
                                       z[i + 1][j + 1] + shift};
                    unsigned char code;
                    const T best = pooled(four, relu, code);
                    if (h < PH && w < PW) {
                        const index_t place = ((corner.n * PH + h) * PW + w) * F + f;
                        y[place] = best;
                        if (codes) codes[place] = code;
                    }
                }
        } else {
#pragma unroll
            for (int i = 0; i < M; ++i)
#pragma unroll
                for (int j = 0; j < M; ++j) {
                    const int h = corner.h + i, w = corner.w + j;
                    if (h < OH && w < OW)
                        y[((corner.n * OH + h) * OW + w) * F + f] =
                            activated(z[i][j] + shift, relu);
                }
        }
    }
}

// U[tap, c, f] of kernel (3, 3, C, F); `exchanged`: of the flipped kernel[2 - k, 2 - l, f, c]
// (3, 3, F, C), with which dz is convolved for the gradient of the input.
template <int M>
__device__ __forceinline__ void expand(index_t count, const T* kernel, T* U, int C, int F,
                                       int exchanged) {
    const int S = M + 2;
    GRID_STRIDE(e, count) {
        const int f = e % F, c = e / F;
        T g[3][3], t[S][S];
#pragma unroll
        for (int k = 0; k < 3; ++k)
#pragma unroll
            for (int l = 0; l < 3; ++l)
                g[k][l] = exchanged ? kernel[((index_t)(8 - 3 * k - l) * F + f) * C + c]
                                    : kernel[(3 * k + l) * count + e];
        both<Axis<M>::expand>(g, t);
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j) U[(i * S + j) * count + e] = t[i][j];
    }
}

// dkernel (3, 3, C, F) of dU[c, tap, f].
template <int M>
__device__ __forceinline__ void reduce(index_t count, const T* dU, T* dkernel, int F) {
    const int S = M + 2;
    GRID_STRIDE(e, count) {
        const T* place = dU + e / F * S * S * F + e % F;
        T t[S][S], g[3][3];
#pragma unroll
        for (int i = 0; i < S; ++i)
#pragma unroll
            for (int j = 0; j < S; ++j) t[i][j] = place[(index_t)(i * S + j) * F];
        both<Axis<M>::reduce>(t, g);
#pragma unroll
        for (int k = 0; k < 3; ++k)
#pragma unroll
            for (int l = 0; l < 3; ++l) dkernel[(3 * k + l) * count + e] = g[k][l];
    }
}

#define WINOGRAD(M)                                                                              \
    KERNEL(input_##M, (index_t count, const T* x, T* V, int first, int H, int W, int C, int top, \
                       int left, int rows, int cols, int together)) {                            \
        input<M>(count, x, V, first, H, W, C, top, left, rows, cols, together);                  \
    }                                                                                            \
    KERNEL(spread_##M, (index_t count, const T* dz, T* Z, int first, int OH, int OW, int F,      \
                        int rows, int cols)) {                                                   \
        spread<M>(count, dz, Z, first, OH, OW, F, rows, cols);                                   \
    }                                                                                            \
    KERNEL(output_##M, (index_t count, const T* products, const T* bias, T* y,                   \
                        unsigned char* codes, int first, int OH, int OW, int F, int rows,        \
                        int cols, int relu, int pool)) {                                         \
        output<M>(count, products, bias, y, codes, first, OH, OW, F, rows, cols, relu, pool);    \
    }                                                                                            \
    KERNEL(expand_##M, (index_t count, const T* kernel, T* U, int C, int F, int exchanged)) {    \
        expand<M>(count, kernel, U, C, F, exchanged);                                            \
    }                                                                                            \
    KERNEL(reduce_##M, (index_t count, const T* dU, T* dkernel, int F)) {                        \
        reduce<M>(count, dU, dkernel, F);                                                        \
    }

WINOGRAD(2)
WINOGRAD(4)
