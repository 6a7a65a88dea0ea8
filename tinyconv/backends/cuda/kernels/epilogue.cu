// What follows a convolution, in passes of their own, and the way back through it. For
// algorithms whose products are BLAS'; the others do this before they write z (epilogue.cuh).
#include "epilogue.cuh"
#include "lanes.cuh"

// y = relu(z + bias); y may be z. bias and relu may be missing (null, 0).
template <int V>
__device__ void finish_lanes(index_t count, const T* z, const T* bias, T* y, int F, int relu) {
    GRID_STRIDE(e, count) {
        const int f = e % (F / V) * V;
        Pack<T, V> value = load_lanes<V>(z + e * V);
#pragma unroll
        for (int v = 0; v < V; ++v)
            value.lane[v] = activated(value.lane[v] + (bias ? bias[f + v] : (T)0), relu);
        store_lanes<V>(y + e * V, value);
    }
}

LANED(finish, (index_t count, const T* z, const T* bias, T* y, int F, int relu),
      (count, z, bias, y, F, relu))

// y = max_pool(relu(z + bias)) over 2x2 pixels, and the codes of epilogue.cuh unless null.
template <int V>
__device__ void finish_pool_lanes(
    index_t count, const T* z, const T* bias, T* y, unsigned char* codes, int OH, int OW, int F,
    int relu) {
    const int PH = OH / 2, PW = OW / 2, packs = F / V;
    GRID_STRIDE(e, count) {
        const int f = e % packs * V;
        const index_t window = e / packs, row = window / PW, n = row / PH;
        const index_t pixel = (n * OH + row % PH * 2) * OW + window % PW * 2;
        Pack<T, V> four[4], value;
        Pack<unsigned char, V> code;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap)
            four[tap] = load_lanes<V>(z + (pixel + tap / 2 * OW + tap % 2) * F + f);
#pragma unroll
        for (int v = 0; v < V; ++v) {
            const T shift = bias ? bias[f + v] : (T)0;
            const T sums[4] = {four[0].lane[v] + shift, four[1].lane[v] + shift,
                               four[2].lane[v] + shift, four[3].lane[v] + shift};
            value.lane[v] = pooled(sums, relu, code.lane[v]);
        }
        store_lanes<V>(y + e * V, value);
        if (codes) store_lanes<V>(codes + e * V, code);
    }
}

LANED(finish_pool,
      (index_t count, const T* z, const T* bias, T* y, unsigned char* codes, int OH, int OW,
       int F, int relu),
      (count, z, bias, y, codes, OH, OW, F, relu))

// ---- the way back ---------------------------------------------------------------------

// dz[n,i,j,f] = dy[n, i/2, j/2, f] where its code says so, zero elsewhere. Where ReLU is shut
// tap 0 gets 0 * dy, so that NaN is not lost.
//
// A thread writes a window of 2x2 pixels. The windows go on beyond an odd last row or column
// of dz, which no pool has seen.
template <int V>
__device__ void unpool_lanes(index_t count, const T* dy, const unsigned char* codes, T* dz, int OH,
                             int OW, int F) {
    const int PH = OH / 2, PW = OW / 2, rows = (OH + 1) / 2, cols = (OW + 1) / 2, packs = F / V;
    GRID_STRIDE(e, count) {
        const int f = e % packs * V;
        const index_t window = e / packs, n = window / cols / rows;
        const int j = window % cols, i = window / cols % rows;
        Pack<T, V> slope = {}, four[4];
        Pack<unsigned char, V> code = {};
        if (i < PH && j < PW) {
            const index_t place = ((n * PH + i) * PW + j) * F + f;
            slope = load_lanes<V>(dy + place);
            code = load_lanes<V>(codes + place);
        }
#pragma unroll
        for (int v = 0; v < V; ++v) {
            const bool shut = code.lane[v] == SHUT;
            const int place = shut ? 0 : code.lane[v];
            const T value = shut ? 0 * slope.lane[v] : slope.lane[v];
#pragma unroll
            for (int tap = 0; tap < 4; ++tap) four[tap].lane[v] = tap == place ? value : (T)0;
        }
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            const int h = 2 * i + tap / 2, w = 2 * j + tap % 2;
            if (h < OH && w < OW)
                store_lanes<V>(dz + ((n * OH + h) * OW + w) * F + f, four[tap]);
        }
    }
}

LANED(unpool,
      (index_t count, const T* dy, const unsigned char* codes, T* dz, int OH, int OW, int F),
      (count, dy, codes, dz, OH, OW, F))

// partial[block, f], a block's part of dbias[f] = sum of dz: of dy where ReLU is not shut.
//
// Blocks of 32 x 8 threads: 32 filters, and every 8 * gridDim.x-th of the windows.
KERNEL(open_sums, (const T* dy, const unsigned char* codes, T* partial, int windows, int F)) {
    __shared__ T part[8][32];
    const int f = blockIdx.y * 32 + threadIdx.x;
    T own = 0;
    if (f < F)
        for (int r = blockIdx.x * 8 + threadIdx.y; r < windows; r += gridDim.x * 8) {
            const index_t place = (index_t)r * F + f;
            own += codes[place] == SHUT ? 0 * dy[place] : dy[place];
        }
    part[threadIdx.y][threadIdx.x] = own;
    __syncthreads();
    if (threadIdx.y || f >= F) return;
#pragma unroll
    for (int r = 1; r < 8; ++r) own += part[r][threadIdx.x];
    partial[(index_t)blockIdx.x * F + f] = own;
}
