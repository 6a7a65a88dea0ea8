// Dropout with random numbers that are a function of the element's place (Philox): no state,
// and the same whatever the grid is.
//
//     element   0 1 2 3 | 4 5 6 7 | ...        counter 0 gives four random numbers, counter 1
//     counter      0    |    1    |            the next four; the key is new for each call
//
//     kept = (random of 32 bits >= rate * 2^32),   y = kept ? x / (1 - rate) : 0
//
// Source: Salmon et al. 2011, Philox4x32-10 ("Parallel random numbers: as easy as 1, 2, 3").
#include "lanes.cuh"

struct Four {
    unsigned lane[4];
};

__device__ __forceinline__ Four philox(unsigned long long counter, unsigned long long key) {
    unsigned a = (unsigned)counter, b = (unsigned)(counter >> 32), c = 0, d = 0;
    unsigned key_0 = (unsigned)key, key_1 = (unsigned)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const unsigned long long p = 0xD2511F53ULL * a, q = 0xCD9E8D57ULL * c;
        const unsigned next_a = (unsigned)(q >> 32) ^ b ^ key_0;
        const unsigned next_c = (unsigned)(p >> 32) ^ d ^ key_1;
        b = (unsigned)q;
        d = (unsigned)p;
        a = next_a;
        c = next_c;
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
    return {{a, b, c, d}};
}

// count = size / 4, rounded up. The key is read from key_at where that is not null, as a
// captured graph does, which replays with another key each time.
template <int V>
__device__ void dropout_lanes(index_t count, index_t size, const T* x, unsigned long long threshold,
                              T scale, unsigned long long key, const unsigned long long* key_at,
                              T* y, bool* kept) {
    if (key_at) key = *key_at;
    GRID_STRIDE(i, count) {
        const Four random = philox((unsigned long long)i, key);
        for (int k = 0; k < 4 && 4 * i + k < size; k += V) {
            Pack<T, V> values = load_until<V>(size, x, 4 * i + k);
            Pack<bool, V> keep;
            for (int v = 0; v < V; v++) {
                keep.lane[v] = random.lane[k + v] >= threshold;
                values.lane[v] = keep.lane[v] ? values.lane[v] * scale : (T)0;
            }
            store_until(size, y, 4 * i + k, values);
            store_until(size, kept, 4 * i + k, keep);
        }
    }
}

LANED(dropout,
      (index_t count, long long size, const T* x, unsigned long long threshold, T scale,
       unsigned long long key, const unsigned long long* key_at, T* y, bool* kept),
      (count, size, x, threshold, scale, key, key_at, y, kept))

// dx = kept ? dy / (1 - rate) : 0
template <int V>
__device__ void dropout_backward_lanes(index_t count, const T* dy, const bool* kept, T scale,
                                       T* dx) {
    GRID_STRIDE(i, count) {
        Pack<T, V> values = load_lanes<V>(dy + i * V);
        const Pack<bool, V> keep = load_lanes<V>(kept + i * V);
        for (int v = 0; v < V; v++) values.lane[v] = keep.lane[v] ? values.lane[v] * scale : (T)0;
        store_lanes<V>(dx + i * V, values);
    }
}

LANED(dropout_backward, (index_t count, const T* dy, const bool* kept, T scale, T* dx),
      (count, dy, kept, scale, dx))
