// What follows a convolution: y = max_pool(relu(z + bias)), and where the maximum was.
//
// The pool is 2x2 pixels, stride 2. The code of a pooled value is the tap of its first
// maximum, or SHUT where ReLU let nothing through:
//
//     0 1
//     2 3      SHUT = 4
//
// NaN is greater than anything, passes ReLU and leaves it shut.
#pragma once

#include "common.cuh"

const unsigned char SHUT = 4;

__device__ __forceinline__ T activated(T z, int relu) { return relu && z <= 0 ? (T)0 : z; }

__device__ __forceinline__ T pooled(const T (&z)[4], int relu, unsigned char& code) {
    T best = z[0];
    code = 0;
#pragma unroll
    for (int tap = 1; tap < 4; ++tap) {
        if (z[tap] > best || (z[tap] != z[tap] && best == best)) {
            best = z[tap];
            code = tap;
        }
    }
    if (relu && !(best > 0)) code = SHUT;
    return activated(best, relu);
}
