// The gradient of a convolution's kernel, as a matrix product without columns.
//
//                        pixels                     F
//                     +----------+              +--------+
//     (k,l,c)    K    | windows  |   @  pixels  |   dz   |   =   dkernel (K, F)
//                     |    ^T    |              |        |
//                     +----------+              +--------+
//
//     dkernel[(k,l,c), f] = sum over n,i,j of x[n, i*SH + k*DH - top, j*SW + l*DW - left, c]
//                                             * dz[(n,i,j), f]
//
// The result is small and the sum is long, so its pixels are cut into `splits` shares: a
// block computes BM x BN numbers of the sum over one share, and `total` adds the shares up,
// always in the same order. The blocks work as those of implicit_gemm.cu; here
// neighbouring numbers of the image are neighbours in the tile already. `C` and `F` are
// those of all groups.
//
// With `bias` there is a row more in the result, the sum of dz over the pixels: dbias. The first
// of the blocks along K have each number of dz in their hands once, and add it up.
#include "gemm_tile.cuh"

template <int BM, int BN, int EACH>
__device__ __forceinline__ void gradient(
    const T* x, const T* dz, T* partial, int N, int H, int W, int C, int F, int groups, int KH,
    int KW, int SH, int SW, int DH, int DW, int top, int left, int OH, int OW, int splits,
    int with_bias, int whole_x, int whole_f) {
    typedef Tile<BM, BN, EACH> Product;
    const int THREADS = Product::THREADS;
    const int A_LOADS = BM * BK / LANES / THREADS, A_WIDTH = BM / LANES;
    const int B_LOADS = BN * BK / LANES / THREADS, B_WIDTH = BN / LANES;
    alignas(16) __shared__ T a[2][BK][Product::A_PITCH];
    alignas(16) __shared__ T b[2][BK][BN];

    const int t = threadIdx.x, g = blockIdx.z / splits, split = blockIdx.z % splits;
    const int own_C = C / groups, own_F = F / groups, K = KH * KW * own_C;
    const int first_k = blockIdx.x * BM, first_f = blockIdx.y * BN;
    const index_t pixels = (index_t)N * OH * OW;
    const index_t share = (pixels + splits - 1) / splits, first = split * share;
    const index_t last = first + share < pixels ? first + share : pixels;

    // This thread fetches LANES rows of K, always the same, of A_LOADS pixels a step,
    const int row = first_k + t % A_WIDTH * LANES;
    const Tap tap(row, KW, own_C);
    index_t n[A_LOADS];
    int i[A_LOADS], j[A_LOADS];
#pragma unroll
    for (int p = 0; p < A_LOADS; ++p) {
        const index_t pixel = first + t / A_WIDTH + p * (THREADS / A_WIDTH);
        n[p] = pixel / OW / OH;
        i[p] = pixel / OW % OH;
        j[p] = pixel % OW;
    }
    // and LANES filters, always the same, of B_LOADS pixels.
    const int f = first_f + t % B_WIDTH * LANES;
    Vector a_next[A_LOADS], b_next[B_LOADS], sums = {};
    const bool sums_dz = with_bias && blockIdx.x == 0;

    auto fetch = [&](index_t start) {
#pragma unroll
        for (int p = 0; p < A_LOADS; ++p) {
            const bool real = start + t / A_WIDTH + p * (THREADS / A_WIDTH) < last;
            a_next[p] = {};
            Tap each = tap;
#pragma unroll
            for (int v = 0; v < LANES; ++v) {
                const int h = i[p] * SH - top + each.k * DH, w = j[p] * SW - left + each.l * DW;
                const bool inside = real && row + v < K && h >= 0 && h < H && w >= 0 && w < W;
                const index_t place =
                    inside ? ((n[p] * H + h) * W + w) * C + g * own_C + each.c : 0;
                if (whole_x) {
                    if (inside) a_next[p] = load(x + place);
                    break;
                }
                if (inside) a_next[p].lane[v] = x[place];
                each.advance(1, KW, own_C);
            }
            for (j[p] += BK; j[p] >= OW; j[p] -= OW) {
                if (++i[p] == OH) {
                    i[p] = 0;
                    ++n[p];
                }
            }
        }
#pragma unroll
        for (int p = 0; p < B_LOADS; ++p) {
            const index_t pixel = start + t / B_WIDTH + p * (THREADS / B_WIDTH);
            b_next[p] = load_some(dz + pixel * F + g * own_F + f, pixel < last ? own_F - f : 0,
                                  whole_f);
            if (sums_dz)
#pragma unroll
                for (int v = 0; v < LANES; ++v) sums.lane[v] += b_next[p].lane[v];
        }
    };
    auto put = [&](int stage) {
#pragma unroll
        for (int p = 0; p < A_LOADS; ++p)
            store(&a[stage][t / A_WIDTH + p * (THREADS / A_WIDTH)][t % A_WIDTH * LANES], a_next[p]);
#pragma unroll
        for (int p = 0; p < B_LOADS; ++p)
            store(&b[stage][t / B_WIDTH + p * (THREADS / B_WIDTH)][t % B_WIDTH * LANES], b_next[p]);
    };

    Product product;
    fetch(first);
    put(0);
    __syncthreads();
    int stage = 0;
    for (index_t start = first; start < last; start += BK, stage ^= 1) {
        const bool more = start + BK < last;
        if (more) fetch(start + BK);
        product.multiply(a[stage], b[stage]);
        if (more) put(stage ^ 1);
        __syncthreads();
    }

    T* result = partial + (index_t)split * (K + with_bias) * F + g * own_F;
#pragma unroll
    for (int m = 0; m < EACH; ++m) {
        const int k = first_k + product.row(m / 4) + m % 4;
        if (k >= K) continue;
#pragma unroll
        for (int q = 0; q < EACH; ++q) {
            const int filter = first_f + product.column(q / 4) + q % 4;
            if (filter < own_F) result[(index_t)k * F + filter] = product.sum[m][q];
        }
    }
    if (!sums_dz) return;
    store(&b[0][t / B_WIDTH][t % B_WIDTH * LANES], sums);
    __syncthreads();
    for (int column = t; column < BN && first_f + column < own_F; column += THREADS) {
        T dbias = 0;
        for (int p = 0; p < THREADS / B_WIDTH; ++p) dbias += b[0][p][column];
        result[(index_t)K * F + first_f + column] = dbias;
    }
}

#define GRADIENT(BM, BN, EACH)                                                                    \
    TILE_KERNEL(BM, BN, EACH, gradient_##BM##x##BN,                                               \
           (const T* x, const T* dz, T* partial, int N, int H, int W, int C, int F, int groups,   \
            int KH, int KW, int SH, int SW, int DH, int DW, int top, int left, int OH, int OW,    \
            int splits, int with_bias, int whole_x, int whole_f)) {                               \
        gradient<BM, BN, EACH>(x, dz, partial, N, H, W, C, F, groups, KH, KW, SH, SW, DH, DW,     \
                               top, left, OH, OW, splits, with_bias, whole_x, whole_f);           \
    }

GRADIENT(128, 128, 8)
GRADIENT(64, 64, 8)
GRADIENT(32, 32, 4)

// sum[i] = partial[0, i] + partial[1, i] + ...        partial (rows, size)
//
// Blocks of 32 numbers i times a power of two of threads, up to 32, that share the rows: few
// numbers with many rows still keep the device busy.
KERNEL(total, (const T* partial, T* sum, int rows, int size)) {
    __shared__ T part[32][32];
    const int x = threadIdx.x, y = threadIdx.y, i = blockIdx.x * 32 + x;
    T own = 0;
    if (i < size)
        for (int r = y; r < rows; r += blockDim.y) own += partial[(index_t)r * size + i];
    part[y][x] = own;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (y < half) part[y][x] += part[y + half][x];
    }
    if (y == 0 && i < size) sum[i] = part[0][x];
}
