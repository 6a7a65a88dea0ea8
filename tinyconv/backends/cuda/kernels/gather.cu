// The batch of one step: rows of the data set, in any order, cast to T.
//
//     y[r, c] = x[indices[r], c]          V neighbouring columns c, c+1, .. a thread
//
// The columns of a thread's neighbours are neighbours in memory, in x and in y.
#include "lanes.cuh"

template <int V, typename S>
__device__ __forceinline__ void gather(index_t count, const S* x, const long long* indices,
                                       index_t columns, T* y) {
    const index_t packs = columns / V;
    GRID_STRIDE(i, count) {
        const index_t row = i / packs;
        const index_t place = (index_t)indices[row] * columns + (i - row * packs) * V;
        const Pack<S, V> stored = load_lanes<V>(x + place);
        Pack<T, V> values;
        for (int v = 0; v < V; v++) values.lane[v] = (T)stored.lane[v];
        store_lanes<V>(y + i * V, values);
    }
}

#define GATHER(name, S)                                                                       \
    template <int V>                                                                          \
    __device__ void name##_lanes(index_t count, const S* x, const long long* indices,         \
                                 long long columns, T* y) {                                   \
        gather<V>(count, x, indices, (index_t)columns, y);                                    \
    }                                                                                         \
    LANED(name, (index_t count, const S* x, const long long* indices, long long columns, T* y), \
          (count, x, indices, columns, y))

GATHER(gather_bytes, unsigned char)
GATHER(gather_floats, float)
GATHER(gather_doubles, double)
