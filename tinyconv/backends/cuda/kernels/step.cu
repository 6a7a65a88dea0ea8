// What keeps a training step from going on after a loss that is not a number, without anybody
// waiting for that loss.
//
//     state   0: whether a loss was not finite   1: steps before that   2: that loss   3 ...: metrics
//
// Once state[0] is set it stays, and nothing below (nor the optimizers) changes a weight any more.
#include "common.cuh"

// count = 1
KERNEL(watch, (index_t count, const T* loss, double* state)) {
    GRID_STRIDE(i, count) {
        if (state[0] == 0) {
            if (loss[i] - loss[i] == 0) {
                state[1] += 1;
            } else {
                state[0] = 1;
                state[2] = (double)loss[i];
            }
        }
    }
}

// value = before, if the loss was not finite: moving averages have followed it already
KERNEL(put_back, (index_t count, T* value, const T* before, const double* state)) {
    GRID_STRIDE(i, count) {
        if (state[0] != 0) value[i] = before[i];
    }
}

// values *= factor, or *factor_at where that is not null
KERNEL(shrink, (index_t count, T* values, double factor, const double* factor_at,
                const double* state)) {
    const double by = factor_at ? *factor_at : factor;
    GRID_STRIDE(i, count) {
        if (!state || state[0] == 0) values[i] = (T)(values[i] * (T)by);
    }
}
