"""Convolution as a matrix product: the textbook version.

    columns = im2col(x)                      (N*OH*OW, KH*KW*C)   one window a row
    z       = columns @ kernel               (N*OH*OW, F)         kernel as (KH*KW*C, F)

and from the product rule of matrices

    dkernel = columns^T @ dz
    dx      = col2im(dz @ kernel^T)

Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural
Networks for Document Processing", section 3.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array, Backend
from tinyconv.geometry import Window


class Convolution(Backend):
    def im2col(self, x: Array, window: Window) -> Array:
        """columns[(n, i, j), (k, l, c)] = xp[n, i*SH + k*DH, j*SW + l*DW, c].

        xp is x with its zero padding. The six-dimensional view costs no memory:
        only its strides say that neighbouring windows overlap. The reshape copies.
        """
        (OH, OW), (KH, KW) = window.output, window.size
        (SH, SW), (DH, DW) = window.strides, window.dilation
        xp = np.pad(x, ((0, 0), *window.padding, (0, 0)))
        N, _, _, C = xp.shape
        n, h, w, c = xp.strides
        patches = np.lib.stride_tricks.as_strided(
            xp,
            shape=(N, OH, OW, KH, KW, C),
            strides=(n, h * SH, w * SW, h * DH, w * DW, c),
        )
        return patches.reshape(N * OH * OW, KH * KW * C)

    def col2im(self, columns: Array, window: Window) -> Array:
        """dxp[n, i*SH + k*DH, j*SW + l*DW, c] += columns[(n, i, j), (k, l, c)].

        One tap (k, l) at a time: within a tap no pixel occurs twice, so each is a
        plain strided addition. The padding is cut off at the end.
        """
        (OH, OW), (KH, KW) = window.output, window.size
        (SH, SW), (DH, DW) = window.strides, window.dilation
        (top, bottom), (left, right) = window.padding
        H, W = window.input
        taps = columns.reshape(-1, OH, OW, KH, KW, columns.shape[1] // (KH * KW))
        N, C = taps.shape[0], taps.shape[-1]
        dxp = np.zeros((N, top + H + bottom, left + W + right, C), columns.dtype)
        for k in range(KH):
            for l in range(KW):
                rows = slice(k * DH, k * DH + (OH - 1) * SH + 1, SH)
                cols = slice(l * DW, l * DW + (OW - 1) * SW + 1, SW)
                dxp[:, rows, cols] += taps[:, :, :, k, l]
        return dxp[:, top : top + H, left : left + W]

    def conv2d(self, x: Array, kernel: Array, window: Window, groups: int) -> Array:
        """z[n,i,j,f] = sum over k,l,c of xp[n, i*SH+k*DH, j*SW+l*DW, c] * kernel[k,l,c,f].

        With groups, the channels and the filters are cut into as many equal
        slices and each slice of filters sees only its own slice of channels.
        """
        N, F = x.shape[0], kernel.shape[3]
        z = np.empty((N, *window.output, F), x.dtype)
        for channels, filters in group_slices(groups, x.shape[3], F):
            columns = self.im2col(x[..., channels], window)
            product = self.matmul(columns, _as_matrix(kernel[..., filters]))
            z[..., filters] = product.reshape(N, *window.output, -1)
        return z

    def conv2d_input_gradient(self, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
        """dx = col2im(dz @ kernel^T)."""
        N, F, C = dz.shape[0], dz.shape[3], kernel.shape[2] * groups
        dx = np.empty((N, *window.input, C), dz.dtype)
        for channels, filters in group_slices(groups, C, F):
            rows = dz[..., filters].reshape(-1, F // groups)
            dcolumns = self.matmul(rows, _as_matrix(kernel[..., filters]).T)
            dx[..., channels] = self.col2im(dcolumns, window)
        return dx

    def conv2d_kernel_gradient(self, x: Array, dz: Array, window: Window, groups: int) -> Array:
        """dkernel = im2col(x)^T @ dz."""
        C, F = x.shape[3], dz.shape[3]
        dkernel = np.empty((*window.size, C // groups, F), x.dtype)
        for channels, filters in group_slices(groups, C, F):
            columns = self.im2col(x[..., channels], window)
            rows = dz[..., filters].reshape(-1, F // groups)
            dkernel[..., filters] = self.matmul(columns.T, rows).reshape(
                *window.size, C // groups, F // groups
            )
        return dkernel


def group_slices(groups: int, channels: int, filters: int) -> list[tuple[slice, slice]]:
    """The (channels, filters) slices of each group."""
    C, F = channels // groups, filters // groups
    return [(slice(g * C, (g + 1) * C), slice(g * F, (g + 1) * F)) for g in range(groups)]


def _as_matrix(kernel: Array) -> Array:
    """(KH, KW, C, F) -> (KH*KW*C, F), in the order of im2col's columns."""
    return kernel.reshape(-1, kernel.shape[3])
