// Convolution as a matrix product whose columns are never written (implicit GEMM).
//
//                        K = KH*KW*C              F
//                      +--------------+        +-----+
//     output pixels m  |  window of m |   @  K |     |    =   z (pixels, F)
//     (n, i, j)        +--------------+        +-----+
//
//     z[(n,i,j), f] = sum over k,l,c of x[n, i*SH + k*DH - top, j*SW + l*DW - left, c]
//                                       * matrix[(k,l,c), f]
//
// A block computes BM x BN numbers of z, 8 steps of the sum at a time: it gathers 8 columns
// of BM windows from the image into shared memory, and 8 rows of the matrix, multiplies them
// in registers, and meanwhile fetches the next 8 (two stages of shared memory, so one
// barrier a step). A pixel of the window outside of the image counts as zero.
//
// Where y goes is told apart from what is computed: output row i is row h0 + hs * i of y.
// The gradient of the input uses that: it is a convolution of dz, with strides several, each
// for the rows and columns of dx that the same taps see (convolution/implicit_gemm.py).
//
// With `pool` the pixels are numbered window by window of the pool,
//
//     m = 4 * (pooled pixel) + tap          0 1 | 4 5
//                                           2 3 | 6 7
//
// so that a thread, which has four neighbouring rows of z, has a whole window of the pool
// in its registers, and z is never written. `C` and `F` are those of all groups.
#include "epilogue.cuh"
#include "gemm_tile.cuh"

// Output pixel number m: image n, row i, column j.
struct Pixel {
    index_t n;
    int i, j;

    __device__ __forceinline__ Pixel(index_t m, int OH, int OW, int pool) {
        if (pool) {
            const int tap = m % 4;
            const index_t window = m / 4, row = window / (OW / 2);
            j = 2 * (int)(window % (OW / 2)) + tap % 2;
            i = 2 * (int)(row % (OH / 2)) + tap / 2;
            n = row / (OH / 2);
        } else {
            const index_t row = m / OW;
            j = m % OW;
            i = row % OH;
            n = row / OH;
        }
    }
};

// Bias and ReLU, or bias, ReLU and pool, of four pixels (rows) and one filter.
template <int EACH>
__device__ __forceinline__ void finish_four(const T (*sum)[EACH], int column, T bias, int relu,
                                            int pool, T (&y)[4], unsigned char& code) {
    T z[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) z[i] = sum[i][column] + bias;
    if (pool) {
        y[0] = pooled(z, relu, code);
    } else {
#pragma unroll
        for (int i = 0; i < 4; ++i) y[i] = activated(z[i], relu);
    }
}

template <int BM, int BN, int EACH>
__device__ __forceinline__ void convolve(
    const T* x, const T* matrix, const T* bias, T* y, unsigned char* codes, int N, int H, int W,
    int C, int F, int groups, int KH, int KW, int SH, int SW, int DH, int DW, int top, int left,
    int OH, int OW, int YH, int YW, int h0, int hs, int w0, int ws, int relu, int pool,
    int whole_x, int whole_f) {
    typedef Tile<BM, BN, EACH> Product;
    const int A_LOADS = BM * BK / LANES / Product::THREADS, A_WIDTH = BK / LANES;
    const int B_LOADS = BN * BK / LANES / Product::THREADS, B_WIDTH = BN / LANES;
    alignas(16) __shared__ T a[2][BK][Product::A_PITCH];
    alignas(16) __shared__ T b[2][BK][BN];

    const int own_C = C / groups, own_F = F / groups, K = KH * KW * own_C;
    // Blocks that share a part of the image come one after the other, and find it in the cache.
    const int across = (own_F + BN - 1) / BN;
    const int t = threadIdx.x, g = blockIdx.z, first_f = blockIdx.x % across * BN;
    const index_t M = (index_t)N * (pool ? OH / 2 * (OW / 2) * 4 : OH * OW);
    const index_t first_m = (index_t)(blockIdx.x / across) * BM;

    // What this thread fetches: LANES columns of A_LOADS windows, and of B_LOADS rows.
    Tap tap(t % A_WIDTH * LANES, KW, own_C);
    index_t image[A_LOADS];
    int row[A_LOADS], col[A_LOADS];  // of the window's first pixel
#pragma unroll
    for (int i = 0; i < A_LOADS; ++i) {
        const index_t m = first_m + t / A_WIDTH + i * (Product::THREADS / A_WIDTH);
        const Pixel pixel(m, OH, OW, pool);
        image[i] = pixel.n * H * W * C + g * own_C;
        row[i] = m < M ? pixel.i * SH - top : -(1 << 30);  // beyond the last: never inside
        col[i] = pixel.j * SW - left;
    }
    Vector a_next[A_LOADS], b_next[B_LOADS];

    auto fetch = [&](int start) {
#pragma unroll
        for (int i = 0; i < A_LOADS; ++i) {
            a_next[i] = {};
            Tap each = tap;
#pragma unroll
            for (int v = 0; v < LANES; ++v) {
                const int h = row[i] + each.k * DH, w = col[i] + each.l * DW;
                const bool inside = each.k < KH && h >= 0 && h < H && w >= 0 && w < W;
                const index_t place = inside ? image[i] + (index_t)(h * W + w) * C + each.c : 0;
                if (whole_x) {  // LANES channels of one pixel
                    if (inside) a_next[i] = load(x + place);
                    break;
                }
                if (inside) a_next[i].lane[v] = x[place];
                each.advance(1, KW, own_C);
            }
        }
        tap.advance(BK, KW, own_C);
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i) {
            const int v = t + i * Product::THREADS, k = start + v / B_WIDTH;
            const int f = first_f + v % B_WIDTH * LANES;
            const T* address = matrix + (index_t)k * F + g * own_F + f;
            b_next[i] = load_some(address, k < K ? own_F - f : 0, whole_f);
        }
    };
    auto put = [&](int stage) {
#pragma unroll
        for (int i = 0; i < A_LOADS; ++i)
#pragma unroll
            for (int v = 0; v < LANES; ++v)
                a[stage][t % A_WIDTH * LANES + v][t / A_WIDTH + i * (Product::THREADS / A_WIDTH)] =
                    a_next[i].lane[v];
#pragma unroll
        for (int i = 0; i < B_LOADS; ++i) {
            const int v = t + i * Product::THREADS;
            store(&b[stage][v / B_WIDTH][v % B_WIDTH * LANES], b_next[i]);
        }
    };

    Product product;
    fetch(0);
    put(0);
    __syncthreads();
    for (int start = 0, stage = 0; start < K; start += BK, stage ^= 1) {
        const bool more = start + BK < K;
        if (more) fetch(start + BK);
        product.multiply(a[stage], b[stage]);
        if (more) put(stage ^ 1);
        __syncthreads();
    }

#pragma unroll
    for (int down = 0; down < Product::GROUPS; ++down) {
#pragma unroll
        for (int across = 0; across < Product::GROUPS; ++across) {
            const index_t m = first_m + product.row(down);
            const int f = first_f + product.column(across);
            if (m >= M || f >= own_F) continue;
            T result[4][4];  // filter, pixel
            unsigned char code[4];
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                const T shift = bias && f + j < own_F ? bias[g * own_F + f + j] : (T)0;
                finish_four<EACH>(product.sum + 4 * down, 4 * across + j, shift, relu, pool,
                                  result[j], code[j]);
            }
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                if ((pool && i) || m + i >= M) break;
                index_t place = m / 4;
                if (!pool) {
                    const Pixel pixel(m + i, OH, OW, 0);
                    place = (pixel.n * YH + h0 + hs * pixel.i) * YW + w0 + ws * pixel.j;
                }
                place = place * F + g * own_F + f;
                if (whole_f) {
#pragma unroll
                    for (int j = 0; j < 4; j += LANES) {
                        if (f + j >= own_F) break;
                        Vector value;
#pragma unroll
                        for (int v = 0; v < LANES; ++v) value.lane[v] = result[j + v][i];
                        store(y + place + j, value);
                    }
                }
#pragma unroll
                for (int j = 0; j < 4; ++j) {
                    if (f + j >= own_F) break;
                    if (!whole_f) y[place + j] = result[j][i];
                    if (codes) codes[place + j] = code[j];
                }
            }
        }
    }
}

// One kernel for each tile. whole_x: rows of x can be read LANES channels at a time, whole_f: and
// those of matrix and y LANES filters at a time (groups begin at such places, too).
#define CONVOLVE(BM, BN, EACH)                                                                    \
    TILE_KERNEL(BM, BN, EACH, convolve_##BM##x##BN,                                               \
           (const T* x, const T* matrix, const T* bias, T* y, unsigned char* codes, int N, int H, \
            int W, int C, int F, int groups, int KH, int KW, int SH, int SW, int DH, int DW,      \
            int top, int left, int OH, int OW, int YH, int YW, int h0, int hs, int w0, int ws,    \
            int relu, int pool, int whole_x, int whole_f)) {                                      \
        convolve<BM, BN, EACH>(x, matrix, bias, y, codes, N, H, W, C, F, groups, KH, KW, SH, SW,  \
                               DH, DW, top, left, OH, OW, YH, YW, h0, hs, w0, ws, relu, pool,     \
                               whole_x, whole_f);                                                 \
    }

CONVOLVE(128, 128, 8)
CONVOLVE(128, 64, 8)
CONVOLVE(128, 32, 8)
CONVOLVE(64, 64, 8)
CONVOLVE(32, 32, 4)
