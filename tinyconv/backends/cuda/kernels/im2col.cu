// The columns of a convolution, and their adjoint: the plain way, to learn from and to
// compare with.
//
//     columns[(n, i, j), (k, l, c)] = x[n, i*SH + k*DH - top, j*SW + l*DW - left, c]
//
//            l=0    l=1    l=2            a row of columns: the KH * KW pixels
//     k=0  [  c  ][  c  ][  c  ]          that a window sees, C numbers each,
//     k=1  [  c  ][  c  ][  c  ]          zeros for those outside of the image
//
// A thread does V neighbouring channels.
#include "lanes.cuh"

// The windows first, first + 1, ... of the batch; columns holds these alone.
template <int V>
__device__ void im2col_lanes(
    index_t count, const T* x, T* columns, int first, int H, int W, int C, int KH, int KW, int SH,
    int SW, int DH, int DW, int top, int left, int OH, int OW) {
    const int packs = C / V;
    GRID_STRIDE(e, count) {
        const index_t window = e / (KH * KW * packs), place = window + first;
        const int rest = e % (KH * KW * packs), c = rest % packs * V;
        const int l = rest / packs % KW, k = rest / packs / KW;
        const int h = (int)(place / OW % OH) * SH + k * DH - top;
        const int w = (int)(place % OW) * SW + l * DW - left;
        const index_t n = place / OW / OH;
        Pack<T, V> value = {};
        if (h >= 0 && h < H && w >= 0 && w < W)
            value = load_lanes<V>(x + ((n * H + h) * W + w) * C + c);
        store_lanes<V>(columns + e * V, value);
    }
}

LANED(im2col,
      (index_t count, const T* x, T* columns, int first, int H, int W, int C, int KH, int KW,
       int SH, int SW, int DH, int DW, int top, int left, int OH, int OW),
      (count, x, columns, first, H, W, C, KH, KW, SH, SW, DH, DW, top, left, OH, OW))

// dx[n,h,w,c] = sum of columns[(n,i,j), (k,l,c)] over i*SH + k*DH - top = h, same for w
//
// Gather form: each pixel collects its own copies, so that no two threads write the same.
template <int V>
__device__ void col2im_lanes(
    index_t count, const T* columns, T* dx, int H, int W, int C, int KH, int KW, int SH, int SW,
    int DH, int DW, int top, int left, int OH, int OW) {
    const int packs = C / V;
    GRID_STRIDE(e, count) {
        const int c = e % packs * V;
        const index_t pixel = e / packs, n = pixel / W / H;
        const int h = (int)(pixel / W % H) + top, w = (int)(pixel % W) + left;
        Pack<T, V> sum = {};
        for (int k = 0; k < KH; ++k) {
            const int i = (h - k * DH) / SH;
            if (h < k * DH || i * SH != h - k * DH || i >= OH) continue;
            for (int l = 0; l < KW; ++l) {
                const int j = (w - l * DW) / SW;
                if (w < l * DW || j * SW != w - l * DW || j >= OW) continue;
                const index_t window = (n * OH + i) * OW + j;
                const Pack<T, V> copy =
                    load_lanes<V>(columns + (window * KH * KW + k * KW + l) * C + c);
#pragma unroll
                for (int v = 0; v < V; ++v) sum.lane[v] += copy.lane[v];
            }
        }
        store_lanes<V>(dx + e * V, sum);
    }
}

LANED(col2im,
      (index_t count, const T* columns, T* dx, int H, int W, int C, int KH, int KW, int SH, int SW,
       int DH, int DW, int top, int left, int OH, int OW),
      (count, columns, dx, H, W, C, KH, KW, SH, SW, DH, DW, top, left, OH, OW))
