// Cross-entropy with the activation below it. One block a row (a sample): its threads go over
// the K logits side by side, and sums over the row are sums over the block.
#include "common.cuh"

// p_k = e^(z_k - max) / sum e^(z - max)
// loss = -sum_k t_k log p_k,   log p_k = z_k - max - log sum e^(z - max)
// dz_k = w (p_k sum t - t_k)
//
// t_k are the targets, or without them [k = class] of the sample's class.
KERNEL(softmax_cross_entropy,
       (int N, int K, const T* logits, const int* classes, const T* targets,
        const T* weights, T* losses, T* p, T* dlogits)) {
    DYNAMIC_SHARED(T, scratch);
    for (index_t n = blockIdx.x; n < N; n += gridDim.x) {
        const index_t row = n * K;
        T greatest = -INFINITE, total = 0, mass = 0, loss = 0;
        for (int k = threadIdx.x; k < K; k += blockDim.x) {
            const T z = logits[row + k];
            if (z > greatest) greatest = z;
            if (z != z) loss = z;  // NaN must show even where the target is 0
        }
        greatest = block_max(greatest, scratch);
        for (int k = threadIdx.x; k < K; k += blockDim.x) {
            p[row + k] = exp(logits[row + k] - greatest);
            total += p[row + k];
            mass += targets ? targets[row + k] : 0;
        }
        total = block_sum(total, scratch);
        mass = targets ? block_sum(mass, scratch) : 1;
        const T log_total = log(total);
        for (int k = threadIdx.x; k < K; k += blockDim.x) {
            const T t = targets ? targets[row + k] : (T)(k == classes[n]);
            p[row + k] /= total;
            dlogits[row + k] = weights[n] * (p[row + k] * mass - t);
            // 0 * -inf is NaN, but t = 0 adds nothing. So subtracted, a large logit that is
            // the greatest leaves the digits of the logarithm alone.
            if (t != 0) loss -= t * (logits[row + k] - greatest - log_total);
        }
        loss = block_sum(loss, scratch);
        if (threadIdx.x == 0) losses[n] = loss;
    }
}

// p = 1 / (1 + e^-z), written with e^-|z| so that nothing overflows
// loss = mean over k of max(z, 0) - z t + log(1 + e^-|z|)
// dz = w (p - t) / K
KERNEL(sigmoid_cross_entropy,
       (int N, int K, const T* logits, const T* targets, const T* weights, T* losses, T* p,
        T* dlogits)) {
    DYNAMIC_SHARED(T, scratch);
    for (index_t n = blockIdx.x; n < N; n += gridDim.x) {
        const index_t row = n * K;
        T loss = 0;
        for (int k = threadIdx.x; k < K; k += blockDim.x) {
            const T z = logits[row + k], t = targets[row + k];
            const T e = exp(-fabs(z));
            const T probability = (z >= 0 ? 1 : e) / (1 + e);
            p[row + k] = probability;
            loss += (z > 0 ? z : 0) - z * t + log1p(e);
            dlogits[row + k] = weights[n] * (probability - t) / K;
        }
        loss = block_sum(loss, scratch);
        if (threadIdx.x == 0) losses[n] = loss / K;
    }
}
