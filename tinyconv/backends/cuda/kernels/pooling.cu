// Max and average pooling. A thread owns V channels c, c+1, .. of one pixel that it writes.
//
//            left   j*SW       W            Window (i, j) lies over the pixels
//          . . . . . . . . . . . .
//      top . +---------------+ . .              h = i*SH + k - top,    k = 0 .. KH-1
//          . |   +-------+   | . .              w = j*SW + l - left,   l = 0 .. KW-1
//     i*SH . | k | l ->  |   | . .
//          . | | |       |   | . .          of its image, and k*KW + l is the number of a tap.
//          . | v +-------+   | . .          Dots are padding: it never wins and never counts.
//        H . +---------------+ . .
//
// Backward gathers: a pixel of dx asks the windows that have seen it,
//
//     (h + top - KH) / SH < i <= (h + top) / SH      (and so for j),
//
// and nobody else writes there: no atomics, and equal calls give equal bits.
#include "lanes.cuh"

#define POOL_PARAMETERS                                                                       \
    int H, int W, int C, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left
#define POOL (Pool{H, W, C, OH, OW, KH, KW, SH, SW, top, left})

struct Pool {
    int H, W, C, OH, OW, KH, KW, SH, SW, top, left;
};

// The channels and the pixel (n, row, column) of an element of an array (N, .., columns, C / V).
struct Place {
    int c, column, row;
    index_t pixel, n;
};

template <int V>
__device__ __forceinline__ Place place_of(index_t element, int rows, int columns, int C) {
    const int groups = C / V;
    const index_t pixel = element / groups, line = pixel / columns;
    return {(int)(element - pixel * groups) * V, (int)(pixel - line * columns),
            (int)(line % rows), pixel, line / rows};
}

struct Range {
    int first, end;
};

// The taps of a window that begins at `start`, less than 0 in the padding, that lie in the image.
__device__ __forceinline__ Range taps_inside(int start, int size, int length) {
    return {start < 0 ? -start : 0, start + size > length ? length - start : size};
}

// The windows of `size` taps that see the pixel at `place` of the padded image. Where windows
// do not overlap it is one at most, and takes one division.
__device__ __forceinline__ Range windows_over(int place, int size, int stride, int count) {
    const int last = place / stride, end = last < count ? last + 1 : count;
    if (stride >= size) return {place - last * stride < size ? last : last + 1, end};
    return {place < size ? 0 : (place - size) / stride + 1, end};
}

// ---- max ------------------------------------------------------------------------------

// y[n,i,j,c] = max over k, l of x[n,h,w,c]. Taps come in reading order and only a greater one
// wins, so a tie belongs to the first; NaN wins against any number, and then stays.
template <int V, typename Tap>
__device__ void max_of_windows(index_t count, const T* x, T* y, Tap* argmax, Pool p) {
    GRID_STRIDE(element, count) {
        const Place at = place_of<V>(element, p.OH, p.OW, p.C);
        const int h = at.row * p.SH - p.top, w = at.column * p.SW - p.left;
        const Range rows = taps_inside(h, p.KH, p.H), columns = taps_inside(w, p.KW, p.W);
        Pack<T, V> best;
        Pack<Tap, V> taps;
        for (int v = 0; v < V; v++) {
            best.lane[v] = -INFINITE;
            taps.lane[v] = (Tap)(rows.first * p.KW + columns.first);
        }
        for (int k = rows.first; k < rows.end; k++) {
            for (int l = columns.first; l < columns.end; l++) {
                const index_t pixel = (at.n * p.H + h + k) * p.W + w + l;
                const Pack<T, V> values = load_lanes<V>(x + pixel * p.C + at.c);
                for (int v = 0; v < V; v++) {
                    const T value = values.lane[v], most = best.lane[v];
                    if (value > most || (value != value && most == most)) {
                        best.lane[v] = value;
                        taps.lane[v] = (Tap)(k * p.KW + l);
                    }
                }
            }
        }
        store_lanes<V>(y + at.pixel * p.C + at.c, best);
        store_lanes<V>(argmax + at.pixel * p.C + at.c, taps);
    }
}

// The number of a tap takes one byte; of an uncommonly large window four, which go to `wide`.
template <int V>
__device__ void max_pool_lanes(
    index_t count, const T* x, T* y, unsigned char* argmax, int* wide, Pool pool) {
    if (wide) max_of_windows<V>(count, x, y, wide, pool);
    else max_of_windows<V>(count, x, y, argmax, pool);
}

LANED(max_pool,
      (index_t count, const T* x, T* y, unsigned char* argmax, int* wide, POOL_PARAMETERS),
      (count, x, y, argmax, wide, POOL))

// ---- mean -----------------------------------------------------------------------------

// How many pixels of window (i, j) are real.
__device__ __forceinline__ T real_pixels(Range rows, Range columns) {
    return (T)((rows.end - rows.first) * (columns.end - columns.first));
}

// y[n,i,j,c] = sum of x[n,h,w,c] over the real pixels (h, w) of window (i, j), / their number
template <int V>
__device__ void average_pool_lanes(index_t count, const T* x, T* y, Pool p) {
    GRID_STRIDE(element, count) {
        const Place at = place_of<V>(element, p.OH, p.OW, p.C);
        const int h = at.row * p.SH - p.top, w = at.column * p.SW - p.left;
        const Range rows = taps_inside(h, p.KH, p.H), columns = taps_inside(w, p.KW, p.W);
        const T real = real_pixels(rows, columns);
        Pack<T, V> mean = {};
        for (int k = rows.first; k < rows.end; k++) {
            for (int l = columns.first; l < columns.end; l++) {
                const index_t pixel = (at.n * p.H + h + k) * p.W + w + l;
                const Pack<T, V> values = load_lanes<V>(x + pixel * p.C + at.c);
                for (int v = 0; v < V; v++) mean.lane[v] += values.lane[v];
            }
        }
        for (int v = 0; v < V; v++) mean.lane[v] /= real;
        store_lanes<V>(y + at.pixel * p.C + at.c, mean);
    }
}

LANED(average_pool, (index_t count, const T* x, T* y, POOL_PARAMETERS), (count, x, y, POOL))

// ---- the way back: rows of dx ---------------------------------------------------------

// What all pixels of a row of dx share: divisions are slow, so it is computed once for them.
struct Row {
    index_t n;
    int h;  // in the padded image
    Range windows;
};

__device__ __forceinline__ Row row_of(index_t line, const Pool& p) {
    const index_t n = line / p.H;
    const int h = (int)(line - n * p.H) + p.top;
    return {n, h, windows_over(h, p.KH, p.SH, p.OH)};
}

// A block has blockDim.z rows at a time, of which blockDim.y threads share the pixels, and
// blockDim.x the channels, V of them each.
#define EACH_ROW(line, lines)                                                            \
    for (index_t line = (index_t)blockIdx.x * (index_t)blockDim.z + (index_t)threadIdx.z; \
         line < (lines); line += (index_t)gridDim.x * (index_t)blockDim.z)
#define EACH_PIXEL(w, W) for (int w = (int)threadIdx.y; w < (W); w += (int)blockDim.y)
#define EACH_PACK(c, C) for (int c = (int)threadIdx.x * V; c < (C); c += (int)blockDim.x * V)

// dx[n,h,w,c] = sum of dy[n,i,j,c] over the windows (i, j) whose maximum was there
template <int V, typename Tap>
__device__ void gradient_of_max(int N, const T* dy, const Tap* argmax, T* dx, Pool p) {
    EACH_ROW(line, (index_t)N * p.H) {
        const Row row = row_of(line, p);
        EACH_PIXEL(column, p.W) {
            const int w = column + p.left;
            const Range columns = windows_over(w, p.KW, p.SW, p.OW);
            EACH_PACK(c, p.C) {
                Pack<T, V> sum = {};
                for (int i = row.windows.first; i < row.windows.end; i++) {
                    for (int j = columns.first; j < columns.end; j++) {
                        const index_t place = ((row.n * p.OH + i) * p.OW + j) * p.C + c;
                        const int tap = (row.h - i * p.SH) * p.KW + w - j * p.SW;
                        const Pack<Tap, V> taps = load_lanes<V>(argmax + place);
                        const Pack<T, V> slopes = load_lanes<V>(dy + place);
                        for (int v = 0; v < V; v++)
                            if (taps.lane[v] == tap) sum.lane[v] += slopes.lane[v];
                    }
                }
                store_lanes<V>(dx + (line * p.W + column) * p.C + c, sum);
            }
        }
    }
}

template <int V>
__device__ void max_pool_backward_lanes(
    int N, const T* dy, const unsigned char* argmax, const int* wide, T* dx, Pool pool) {
    if (wide) gradient_of_max<V>(N, dy, wide, dx, pool);
    else gradient_of_max<V>(N, dy, argmax, dx, pool);
}

LANED(max_pool_backward,
      (int N, const T* dy, const unsigned char* argmax, const int* wide, T* dx, POOL_PARAMETERS),
      (N, dy, argmax, wide, dx, POOL))

// dx[n,h,w,c] = sum of dy[n,i,j,c] / (real pixels) over the windows (i, j) that see it
template <int V>
__device__ void average_pool_backward_lanes(int N, const T* dy, T* dx, Pool p) {
    EACH_ROW(line, (index_t)N * p.H) {
        const Row row = row_of(line, p);
        EACH_PIXEL(column, p.W) {
            const Range columns = windows_over(column + p.left, p.KW, p.SW, p.OW);
            EACH_PACK(c, p.C) {
                Pack<T, V> sum = {};
                for (int i = row.windows.first; i < row.windows.end; i++) {
                    const Range real_rows = taps_inside(i * p.SH - p.top, p.KH, p.H);
                    for (int j = columns.first; j < columns.end; j++) {
                        const Range real_columns = taps_inside(j * p.SW - p.left, p.KW, p.W);
                        const T real = real_pixels(real_rows, real_columns);
                        const index_t place = ((row.n * p.OH + i) * p.OW + j) * p.C + c;
                        const Pack<T, V> slopes = load_lanes<V>(dy + place);
                        for (int v = 0; v < V; v++) sum.lane[v] += slopes.lane[v] / real;
                    }
                }
                store_lanes<V>(dx + (line * p.W + column) * p.C + c, sum);
            }
        }
    }
}

LANED(average_pool_backward, (int N, const T* dy, T* dx, POOL_PARAMETERS), (N, dy, dx, POOL))
