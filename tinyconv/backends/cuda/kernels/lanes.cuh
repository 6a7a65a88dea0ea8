// A kernel over Packs of V channels, compiled for V = 1 and V = LANES:
//
//     template <int V> __device__ void scale_lanes(index_t count, const T* x, T* y) { ... }
//     LANED(scale, (index_t count, const T* x, T* y), (count, x, y))
//
// defines the kernels scale and scale_vector.
#pragma once
#include "common.cuh"

#define LANED(name, parameters, arguments)                  \
    KERNEL(name, parameters) { name##_lanes<1> arguments; } \
    KERNEL(name##_vector, parameters) { name##_lanes<LANES> arguments; }
