// Sums over all rows of (rows, C): the gradient of a bias, with that of ReLU in the same pass.
//
//     partial[p, c] = sum of dz[r, c] over the rows r of share p
//
// A block goes over a tile of up to 256 channels with all its threads: neighbours have
// neighbouring channels and, where the tile is narrow, the following rows,
//
//     C = 3 (V = 1):   thread  0 1 2 | 3 4 5 | 6 7 8 | ...
//                      row     0       1       2                 then all go on by 85 rows
//
// and adds up the threads of one channel in shared memory. The sums of the shares are added
// by the same kernel with one share. The order is fixed: equal calls give equal bits.
#include "lanes.cuh"

// grid (tiles of channels, shares), block (256). dz = dy * (y > 0) is written if y is given.
template <int V>
__device__ void sum_of_rows(const T* dy, const T* y, T* dz, int rows, int C, T* partial) {
    __shared__ Pack<T, V> scratch[256];
    const int wide = C / V, first = blockIdx.x * 256;
    const int width = wide - first < 256 ? wide - first : 256;  // of this tile, in packs
    const int together = 256 / width;                           // rows that are added at once
    const int t = threadIdx.x, own = t / width;
    const int c = (first + t % width) * V;
    Pack<T, V> sum = {};
    const long long shares = gridDim.y, share = blockIdx.y;
    const int start = (int)(share * rows / shares), end = (int)((share + 1) * rows / shares);
    if (own < together) {
        for (int r = start + own; r < end; r += together) {
            const index_t place = (index_t)r * C + c;
            Pack<T, V> slopes = load_lanes<V>(dy + place);
            if (y) {
                const Pack<T, V> values = load_lanes<V>(y + place);
                // A product, not a choice: NaN in dy must not vanish where y is 0.
                for (int v = 0; v < V; v++) slopes.lane[v] *= (T)(values.lane[v] > 0);
                store_lanes<V>(dz + place, slopes);
            }
            for (int v = 0; v < V; v++) sum.lane[v] += slopes.lane[v];
        }
    }
    scratch[t] = sum;
    int half = 1;
    while (half < together) half *= 2;
    for (half /= 2; half > 0; half /= 2) {
        __syncthreads();
        if (own < half && own + half < together)
            for (int v = 0; v < V; v++) scratch[t].lane[v] += scratch[t + half * width].lane[v];
    }
    if (own == 0) store_lanes<V>(partial + (index_t)blockIdx.y * C + c, scratch[t]);
}

template <int V>
__device__ void channel_sums_lanes(const T* dy, int rows, int C, T* partial) {
    sum_of_rows<V>(dy, nullptr, nullptr, rows, C, partial);
}

template <int V>
__device__ void relu_backward_sums_lanes(const T* dy, const T* y, T* dz, int rows, int C,
                                         T* partial) {
    sum_of_rows<V>(dy, y, dz, rows, C, partial);
}

LANED(channel_sums, (const T* dy, int rows, int C, T* partial), (dy, rows, C, partial))
LANED(relu_backward_sums, (const T* dy, const T* y, T* dz, int rows, int C, T* partial),
      (dy, y, dz, rows, C, partial))
