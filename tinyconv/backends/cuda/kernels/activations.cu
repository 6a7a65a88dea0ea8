// Activations with their bias, and back; a thread owns V neighbouring numbers.
//
//     y = f(z + bias)             bias (C,) over the last axis: number i has channel i % C
//     dz = dy * f'(saved)         saved is y wherever f' can be told from y, else z + bias
//
// Comparisons are written so that NaN fails them and stays NaN.
#include "lanes.cuh"

// What a function may depend on besides z: the members of backends/base.py's Activation.
struct Bend {
    T alpha, threshold, max_value;
};

// ---- the functions and their derivatives ------------------------------------------------

__device__ __forceinline__ T linear_value(T z, const Bend&) { return z; }

__device__ __forceinline__ T relu_value(T z, const Bend&) { return z < 0 ? (T)0 : z; }
__device__ __forceinline__ T relu_slope(T y, const Bend&) { return y > 0; }

__device__ __forceinline__ T leaky_relu_value(T z, const Bend& f) {
    return z > 0 ? z : f.alpha * z;
}
__device__ __forceinline__ T leaky_relu_slope(T y, const Bend& f) { return y > 0 ? (T)1 : f.alpha; }

__device__ __forceinline__ T clipped_relu_value(T z, const Bend& f) {
    // Without a slope what is below is 0 also for -infinity, where 0 * -infinity would be NaN.
    const T below = f.alpha != 0 ? f.alpha * (z - f.threshold) : z != z ? z : (T)0;
    const T value = z > f.threshold ? z : below;
    return value > f.max_value ? f.max_value : value;
}
__device__ __forceinline__ T clipped_relu_slope(T z, const Bend& f) {
    // At the kinks as in Keras: 0 at the threshold, 1 at the ceiling, but TensorFlow's own
    // relu6 is flat there.
    const bool relu6 = f.max_value == 6 && f.threshold == 0;
    if (z > f.threshold) return relu6 ? z < f.max_value : z <= f.max_value;
    return z < f.threshold ? f.alpha : (T)0;
}

// 1 / (1 + e^-z), written with e^-|z| so that nothing overflows
__device__ __forceinline__ T sigmoid_value(T z, const Bend&) {
    const T e = exp(-fabs(z));
    return (z >= 0 ? (T)1 : e) / (1 + e);
}
__device__ __forceinline__ T sigmoid_slope(T y, const Bend&) { return y * (1 - y); }

__device__ __forceinline__ T tanh_value(T z, const Bend&) { return tanh(z); }
__device__ __forceinline__ T tanh_slope(T y, const Bend&) { return 1 - y * y; }

__device__ __forceinline__ T elu_value(T z, const Bend& f) {
    return z > 0 ? z : f.alpha * expm1(z);
}
__device__ __forceinline__ T elu_slope(T y, const Bend& f) { return y > 0 ? (T)1 : y + f.alpha; }

// z Phi(z);  its slope is Phi(z) + z phi(z), phi(z) = exp(-z^2 / 2) / sqrt(2 pi)
__device__ __forceinline__ T normal_cdf(T z) {
    return (T)0.5 * (1 + erf(z * (T)0.70710678118654752440));
}
__device__ __forceinline__ T gelu_value(T z, const Bend&) { return z * normal_cdf(z); }
__device__ __forceinline__ T gelu_slope(T z, const Bend&) {
    return normal_cdf(z) + z * (T)0.39894228040143267794 * exp((T)-0.5 * z * z);
}

// z (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (z + 0.044715 z^3)
__device__ __forceinline__ T gelu_inner(T z) {
    return (T)0.79788456080286535588 * (z + (T)0.044715 * z * z * z);
}
__device__ __forceinline__ T gelu_tanh_value(T z, const Bend&) {
    return (T)0.5 * z * (1 + tanh(gelu_inner(z)));
}
__device__ __forceinline__ T gelu_tanh_slope(T z, const Bend&) {
    const T t = tanh(gelu_inner(z));
    const T inner = (T)0.79788456080286535588 * (1 + (T)(3 * 0.044715) * z * z);
    return (T)0.5 * (1 + t) + (T)0.5 * z * (1 - t * t) * inner;
}

// ---- kernels ----------------------------------------------------------------------------

// y = f(z + bias); z + bias is kept in `shifted`. bias and shifted may be null, y and shifted
// may be the memory of z.
#define FORWARD(name)                                                                            \
    template <int V>                                                                             \
    __device__ void name##_forward_lanes(index_t count, const T* z, const T* bias, int C,        \
                                         T alpha, T threshold, T max_value, T* y,                \
                                         T* shifted) {                                           \
        const Bend f = {alpha, threshold, max_value};                                            \
        GRID_STRIDE(i, count) {                                                                  \
            Pack<T, V> values = load_lanes<V>(z + i * V);                                        \
            if (bias) {                                                                          \
                const Pack<T, V> shift = load_lanes<V>(bias + i % (C / V) * V);                  \
                for (int v = 0; v < V; v++) values.lane[v] += shift.lane[v];                     \
            }                                                                                    \
            if (shifted) store_lanes<V>(shifted + i * V, values);                                \
            for (int v = 0; v < V; v++) values.lane[v] = name##_value(values.lane[v], f);        \
            store_lanes<V>(y + i * V, values);                                                   \
        }                                                                                        \
    }                                                                                            \
    LANED(name##_forward,                                                                        \
          (index_t count, const T* z, const T* bias, int C, T alpha, T threshold, T max_value,   \
           T* y, T* shifted),                                                                    \
          (count, z, bias, C, alpha, threshold, max_value, y, shifted))

// dz = dy * f'(saved): a product, so that NaN in dy does not vanish where the slope is 0.
#define BACKWARD(name)                                                                           \
    template <int V>                                                                             \
    __device__ void name##_backward_lanes(index_t count, const T* dy, const T* saved, T alpha,   \
                                          T threshold, T max_value, T* dz) {                     \
        const Bend f = {alpha, threshold, max_value};                                            \
        GRID_STRIDE(i, count) {                                                                  \
            Pack<T, V> slopes = load_lanes<V>(dy + i * V);                                       \
            const Pack<T, V> values = load_lanes<V>(saved + i * V);                              \
            for (int v = 0; v < V; v++) slopes.lane[v] *= name##_slope(values.lane[v], f);       \
            store_lanes<V>(dz + i * V, slopes);                                                  \
        }                                                                                        \
    }                                                                                            \
    LANED(name##_backward,                                                                       \
          (index_t count, const T* dy, const T* saved, T alpha, T threshold, T max_value, T* dz), \
          (count, dy, saved, alpha, threshold, max_value, dz))

FORWARD(linear)
FORWARD(relu)
BACKWARD(relu)
FORWARD(leaky_relu)
BACKWARD(leaky_relu)
FORWARD(clipped_relu)
BACKWARD(clipped_relu)
FORWARD(sigmoid)
BACKWARD(sigmoid)
FORWARD(tanh)
BACKWARD(tanh)
FORWARD(elu)
BACKWARD(elu)
FORWARD(gelu)
BACKWARD(gelu)
FORWARD(gelu_tanh)
BACKWARD(gelu_tanh)
