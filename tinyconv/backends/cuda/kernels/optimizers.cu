// Optimizer updates of flat buffers: each number is read and written once.
//
//     param  [w0 w1 w2 w3 | w4 w5 w6 w7 | ... | wn]       a thread owns V neighbours, and the
//     slots  [ .  .  .  . |  .  .  .  . | ... | . ]       last one what is left
//
// Moments that shrink towards zero are set to zero below `tiny`, as the Numba backend does:
// far below what epsilon lets count. The step size is a number, or is read from `step_at`
// where that is not null: what a captured graph replays with other values each time. Nothing
// changes where *failed is not 0: see step.cu.
#include "lanes.cuh"

__device__ __forceinline__ T flushed(T value, T tiny) { return fabs(value) < tiny ? (T)0 : value; }

// v = momentum v - lr g;  w += v, or with Nesterov w += momentum v - lr g. velocity may be null.
template <int V>
__device__ void sgd_lanes(index_t count, index_t size, T* param, const T* grad, T* velocity,
                          int nesterov, T learning_rate, const double* step_at, T momentum, T tiny,
                          const double* failed) {
    if (failed && *failed != 0) return;
    const T rate = step_at ? (T)*step_at : learning_rate;
    GRID_STRIDE(i, count) {
        Pack<T, V> w = load_until<V>(size, param, i * V);
        const Pack<T, V> g = load_until<V>(size, grad, i * V);
        if (velocity) {
            Pack<T, V> speed = load_until<V>(size, velocity, i * V);
            for (int v = 0; v < V; v++) {
                const T step = -rate * g.lane[v];
                const T s = flushed(momentum * speed.lane[v] + step, tiny);
                speed.lane[v] = s;
                w.lane[v] += nesterov ? momentum * s + step : s;
            }
            store_until(size, velocity, i * V, speed);
        } else {
            for (int v = 0; v < V; v++) w.lane[v] -= rate * g.lane[v];
        }
        store_until(size, param, i * V, w);
    }
}

LANED(sgd,
      (index_t count, long long size, T* param, const T* grad, T* velocity, int nesterov,
       T learning_rate, const double* step_at, T momentum, T tiny, const double* failed),
      (count, size, param, grad, velocity, nesterov, learning_rate, step_at, momentum, tiny, failed))

// s = rho s + (1-rho) g^2;  w -= lr g / sqrt(s + epsilon);  centered: s - (mean of g)^2.
// rest = 1 - rho, subtracted in double precision. mean and velocity may be null.
template <int V>
__device__ void rmsprop_lanes(index_t count, index_t size, T* param, const T* grad, T* square,
                              T* mean, T* velocity, T learning_rate, const double* step_at, T rho,
                              T rest, T momentum, T epsilon, T tiny, const double* failed) {
    if (failed && *failed != 0) return;
    const T rate = step_at ? (T)*step_at : learning_rate;
    GRID_STRIDE(i, count) {
        Pack<T, V> w = load_until<V>(size, param, i * V);
        const Pack<T, V> g = load_until<V>(size, grad, i * V);
        Pack<T, V> s = load_until<V>(size, square, i * V), m = {}, speed = {};
        if (mean) m = load_until<V>(size, mean, i * V);
        if (velocity) speed = load_until<V>(size, velocity, i * V);
        for (int v = 0; v < V; v++) {
            const T slope = g.lane[v];
            s.lane[v] = flushed(rho * s.lane[v] + rest * slope * slope, tiny);
            T variance = s.lane[v] + epsilon;
            if (mean) {
                m.lane[v] = flushed(rho * m.lane[v] + rest * slope, tiny);
                variance -= m.lane[v] * m.lane[v];
            }
            T step = rate * slope / sqrt(variance);
            if (velocity) {
                step = flushed(step + momentum * speed.lane[v], tiny);
                speed.lane[v] = step;
            }
            w.lane[v] -= step;
        }
        store_until(size, square, i * V, s);
        if (mean) store_until(size, mean, i * V, m);
        if (velocity) store_until(size, velocity, i * V, speed);
        store_until(size, param, i * V, w);
    }
}

LANED(rmsprop,
      (index_t count, long long size, T* param, const T* grad, T* square, T* mean, T* velocity,
       T learning_rate, const double* step_at, T rho, T rest, T momentum, T epsilon, T tiny, const double* failed),
      (count, size, param, grad, square, mean, velocity, learning_rate, step_at, rho, rest,
       momentum, epsilon, tiny, failed))

// m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  w -= step m / (sqrt(v) + epsilon).
// rest_1 = 1 - b1, rest_2 = 1 - b2, subtracted in double precision. v_max may be null.
template <int V>
__device__ void adam_lanes(index_t count, index_t size, T* param, const T* grad, T* first,
                           T* second, T* second_max, T step_size, const double* step_at, T rest_1,
                           T rest_2, T epsilon, T tiny, const double* failed) {
    if (failed && *failed != 0) return;
    const T step = step_at ? (T)*step_at : step_size;
    GRID_STRIDE(i, count) {
        Pack<T, V> w = load_until<V>(size, param, i * V);
        const Pack<T, V> g = load_until<V>(size, grad, i * V);
        Pack<T, V> m = load_until<V>(size, first, i * V), most = {};
        Pack<T, V> square = load_until<V>(size, second, i * V);
        if (second_max) most = load_until<V>(size, second_max, i * V);
        for (int v = 0; v < V; v++) {
            const T slope = g.lane[v];
            m.lane[v] = flushed(m.lane[v] + rest_1 * (slope - m.lane[v]), tiny);
            T s = square.lane[v] + rest_2 * (slope * slope - square.lane[v]);
            s = s < tiny ? (T)0 : s;
            square.lane[v] = s;
            if (second_max) {
                s = s < most.lane[v] ? most.lane[v] : s;
                most.lane[v] = s;
            }
            w.lane[v] -= step * m.lane[v] / (sqrt(s) + epsilon);
        }
        store_until(size, first, i * V, m);
        store_until(size, second, i * V, square);
        if (second_max) store_until(size, second_max, i * V, most);
        store_until(size, param, i * V, w);
    }
}

LANED(adam,
      (index_t count, long long size, T* param, const T* grad, T* first, T* second, T* second_max,
       T step_size, const double* step_at, T rest_1, T rest_2, T epsilon, T tiny, const double* failed),
      (count, size, param, grad, first, second, second_max, step_size, step_at, rest_1, rest_2,
       epsilon, tiny, failed))
