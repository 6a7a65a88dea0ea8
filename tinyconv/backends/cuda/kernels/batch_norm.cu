// Batch normalisation of x, seen as R rows of C channels.
//
//                       C                     A block takes a tile of channels, V in a thread,
//         +-----------+-----------+--         and one of P shares of the rows: share p is
//         |  tile 0,  |  tile 1,  |
//         |  share 0  |  share 0  |               p * R / P <= r < (p + 1) * R / P.
//     R   +-----------+-----------+--
//         |  tile 0,  |    ...    |           Its threads go down their share side by side,
//         |  share 1  |           |           and add up what they found at the end; what the
//                                             shares found is put together in double precision.
//
// Statistics in one pass: variance = E[x^2] - E[x]^2 subtracts two nearly equal numbers
// where the mean is large beside the deviation. So a block first takes the mean of a few of
// its rows as its `center`, then sums d = x - center and d^2. Of its n rows it knows then
//
//     mean_p = center + sum(d) / n,      q_p = sum(d^2) - sum(d)^2 / n,
//
// which loses no more digits than n / (rows in the center) has, whatever the data: those rows
// are data, so their distance from the mean is part of the variance. Of all shares
//
//     mean = sum of n mean_p / R,   variance = sum of (q_p + n (mean_p - mean)^2) / R.
//
// Source: Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance",
// equations 1.7 (shifted data) and 1.5 (putting shares together).
#include "lanes.cuh"

struct Share {
    index_t first, end;
};

__device__ __forceinline__ Share share_of(int p, int P, index_t R) {
    return {(index_t)((long long)p * R / P), (index_t)((long long)(p + 1) * R / P)};
}

// The first of this thread's channels; beyond C there is nothing to do but to meet at barriers.
template <int V>
__device__ __forceinline__ int first_channel() {
    return (blockIdx.x * blockDim.x + threadIdx.x) * V;
}

// The sum of `values` over the threads of the block that have the same channels, in all of them.
template <int V>
__device__ Pack<T, V> tile_sum(Pack<T, V> values, Pack<T, V>* scratch) {
    const int width = blockDim.x, place = threadIdx.y * width + threadIdx.x;
    __syncthreads();  // scratch may still be read from the call before
    scratch[place] = values;
    for (int half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.y < half)
            for (int v = 0; v < V; v++)
                scratch[place].lane[v] += scratch[place + half * width].lane[v];
    }
    __syncthreads();
    return scratch[threadIdx.x];
}

// centers[c, p], sums[c, p], squares[c, p]: center, sum(d) and sum(d^2) over share p = blockIdx.y
template <int V>
__device__ void statistics_lanes(
    index_t R, int C, const T* x, T* centers, T* sums, T* squares) {
    DYNAMIC_SHARED(T, memory);
    Pack<T, V>* scratch = reinterpret_cast<Pack<T, V>*>(memory);
    const int c = first_channel<V>(), p = blockIdx.y, P = gridDim.y;
    const Share share = share_of(p, P, R);
    const index_t mine = c < C ? share.first + threadIdx.y : share.end;
    const index_t n = share.end - share.first, H = blockDim.y;
    Pack<T, V> center = {}, sum = {}, square = {};
    if (mine < share.end) center = load_lanes<V>(x + mine * C + c);
    center = tile_sum<V>(center, scratch);
    for (int v = 0; v < V; v++) center.lane[v] /= (T)(n < H ? n : H);
    for (index_t r = mine; r < share.end; r += blockDim.y) {
        const Pack<T, V> values = load_lanes<V>(x + r * C + c);
        for (int v = 0; v < V; v++) {
            const T d = values.lane[v] - center.lane[v];
            sum.lane[v] += d;
            square.lane[v] += d * d;
        }
    }
    sum = tile_sum<V>(sum, scratch);
    square = tile_sum<V>(square, scratch);
    if (threadIdx.y == 0 && c < C) {
        for (int v = 0; v < V; v++) {
            const index_t place = (index_t)(c + v) * P + p;
            centers[place] = center.lane[v];
            sums[place] = sum.lane[v];
            squares[place] = square.lane[v];
        }
    }
}

LANED(statistics, (long long R, int C, const T* x, T* centers, T* sums, T* squares),
      (R, C, x, centers, sums, squares))

// A function of its own, as the memory has C's linkage in a KERNEL and C++'s in a template.
__device__ __forceinline__ double* shared_doubles() {
    DYNAMIC_SHARED(double, memory);
    return memory;
}

// mean[c] and variance[c] of all shares; a block a channel
KERNEL(merge_statistics,
       (long long R, int P, const T* centers, const T* sums, const T* squares, T* mean,
        T* variance)) {
    double* scratch = shared_doubles();
    const index_t c = blockIdx.x;
    double sum = 0, square = 0;
    for (int p = threadIdx.x; p < P; p += blockDim.x) {
        const Share share = share_of(p, P, R);
        sum += (double)(share.end - share.first) * centers[c * P + p] + sums[c * P + p];
    }
    const double whole = block_sum(sum, scratch) / R;
    for (int p = threadIdx.x; p < P; p += blockDim.x) {
        const Share share = share_of(p, P, R);
        const double n = share.end - share.first, a = sums[c * P + p] / n;
        const double beside = centers[c * P + p] + a - whole;
        square += squares[c * P + p] - n * a * a + n * beside * beside;
    }
    square = block_sum(square, scratch);
    if (threadIdx.x == 0) {
        mean[c] = (T)whole;
        variance[c] = (T)(square / R);
    }
}

// What is constant of a channel: z = (x - mean) * scale + beta with scale = gamma / s,
// inverse = 1 / s, s = sqrt(variance + epsilon).
struct Channel {
    T mean, inverse, scale, beta;

    // With fma() as the rounding is spelled out, ReLU is shut or open backward as it was
    // forward, though z is computed anew.
    __device__ __forceinline__ T z(T x) const { return fma(x - mean, scale, beta); }
};

__device__ __forceinline__ Channel channel(
    int c, const T* gamma, const T* beta, const T* mean, const T* variance, T epsilon) {
    const T inverse = 1 / sqrt(variance[c] + epsilon);
    return {mean[c], inverse, gamma[c] * inverse, beta ? beta[c] : 0};
}

// y = z, or max(z, 0) if `relu`
template <int V>
__device__ void normalize_lanes(
    index_t R, int C, const T* x, const T* gamma, const T* beta, const T* mean, const T* variance,
    T epsilon, int relu, T* y) {
    const int c = first_channel<V>();
    if (c >= C) return;
    const Share share = share_of(blockIdx.y, gridDim.y, R);
    Channel channels[V];
    for (int v = 0; v < V; v++) channels[v] = channel(c + v, gamma, beta, mean, variance, epsilon);
    for (index_t r = share.first + threadIdx.y; r < share.end; r += blockDim.y) {
        Pack<T, V> values = load_lanes<V>(x + r * C + c);
        for (int v = 0; v < V; v++) {
            const T z = channels[v].z(values.lane[v]);
            values.lane[v] = relu && z < 0 ? 0 : z;  // so written, NaN stays NaN
        }
        store_lanes<V>(y + r * C + c, values);
    }
}

LANED(normalize,
      (long long R, int C, const T* x, const T* gamma, const T* beta, const T* mean,
       const T* variance, T epsilon, int relu, T* y),
      (R, C, x, gamma, beta, mean, variance, epsilon, relu, y))

// dz = dy * (z > 0) through a ReLU, which is there if beta is. A product, not a choice: NaN in
// dy must not vanish.
__device__ __forceinline__ T through_relu(T dy, T x, const Channel& channel, bool relu) {
    return relu ? dy * (channel.z(x) > 0 ? (T)1 : (T)0) : dy;
}

// sums[c, p] = sum of dz, products[c, p] = sum of dz * (x - mean) over share p; and where the
// statistics are constants dx = dz * scale on the way, null else.
template <int V>
__device__ void gradient_sums_lanes(
    index_t R, int C, const T* dy, const T* x, const T* gamma, const T* beta, const T* mean,
    const T* variance, T epsilon, T* sums, T* products, T* dx) {
    DYNAMIC_SHARED(T, memory);
    Pack<T, V>* scratch = reinterpret_cast<Pack<T, V>*>(memory);
    const int c = first_channel<V>(), p = blockIdx.y, P = gridDim.y;
    const Share share = share_of(p, P, R);
    const index_t mine = c < C ? share.first + threadIdx.y : share.end;
    Channel channels[V] = {};
    if (c < C)
        for (int v = 0; v < V; v++)
            channels[v] = channel(c + v, gamma, beta, mean, variance, epsilon);
    Pack<T, V> sum = {}, product = {};
    for (index_t r = mine; r < share.end; r += blockDim.y) {
        const Pack<T, V> values = load_lanes<V>(x + r * C + c);
        Pack<T, V> slopes = load_lanes<V>(dy + r * C + c);
        for (int v = 0; v < V; v++) {
            const T dz = through_relu(slopes.lane[v], values.lane[v], channels[v], beta);
            sum.lane[v] += dz;
            product.lane[v] += dz * (values.lane[v] - channels[v].mean);
            slopes.lane[v] = dz * channels[v].scale;
        }
        if (dx) store_lanes<V>(dx + r * C + c, slopes);
    }
    sum = tile_sum<V>(sum, scratch);
    product = tile_sum<V>(product, scratch);
    if (threadIdx.y == 0 && c < C) {
        for (int v = 0; v < V; v++) {
            sums[(index_t)(c + v) * P + p] = sum.lane[v];
            products[(index_t)(c + v) * P + p] = product.lane[v];
        }
    }
}

LANED(gradient_sums,
      (long long R, int C, const T* dy, const T* x, const T* gamma, const T* beta, const T* mean,
       const T* variance, T epsilon, T* sums, T* products, T* dx),
      (R, C, dy, x, gamma, beta, mean, variance, epsilon, sums, products, dx))

// dbeta[c] = sum of dz, dgamma[c] = sum of dz * x^; a block a channel
KERNEL(merge_sums,
       (int P, const T* sums, const T* products, const T* variance, T epsilon, T* dgamma,
        T* dbeta)) {
    double* scratch = shared_doubles();
    const index_t c = blockIdx.x;
    double sum = 0, product = 0;
    for (int p = threadIdx.x; p < P; p += blockDim.x) {
        sum += sums[c * P + p];
        product += products[c * P + p];
    }
    sum = block_sum(sum, scratch);
    product = block_sum(product, scratch);
    if (threadIdx.x == 0) {
        dbeta[c] = (T)sum;
        dgamma[c] = (T)(product / sqrt((double)(variance[c] + epsilon)));
    }
}

// dx = scale * (dz - dbeta / R - x^ * dgamma / R), where mean and variance are the batch's own
template <int V>
__device__ void input_gradient_lanes(
    index_t R, int C, const T* dy, const T* x, const T* gamma, const T* beta, const T* mean,
    const T* variance, T epsilon, const T* dgamma, const T* dbeta, T* dx) {
    const int c = first_channel<V>();
    if (c >= C) return;
    const Share share = share_of(blockIdx.y, gridDim.y, R);
    Channel channels[V];
    T slope[V], shift[V];
    for (int v = 0; v < V; v++) {
        channels[v] = channel(c + v, gamma, beta, mean, variance, epsilon);
        slope[v] = channels[v].inverse * dgamma[c + v] / R;
        shift[v] = dbeta[c + v] / R;
    }
    for (index_t r = share.first + threadIdx.y; r < share.end; r += blockDim.y) {
        const Pack<T, V> values = load_lanes<V>(x + r * C + c);
        Pack<T, V> slopes = load_lanes<V>(dy + r * C + c);
        for (int v = 0; v < V; v++) {
            const T dz = through_relu(slopes.lane[v], values.lane[v], channels[v], beta);
            const T d = values.lane[v] - channels[v].mean;
            slopes.lane[v] = channels[v].scale * (dz - shift[v] - d * slope[v]);
        }
        store_lanes<V>(dx + r * C + c, slopes);
    }
}

LANED(input_gradient,
      (long long R, int C, const T* dy, const T* x, const T* gamma, const T* beta, const T* mean,
       const T* variance, T epsilon, const T* dgamma, const T* dbeta, T* dx),
      (R, C, dy, x, gamma, beta, mean, variance, epsilon, dgamma, dbeta, dx))
