"""The picture: how near the kernels come to the copy, and the layers to both roofs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, clear_spines, new_figure

TARGET = 0.8  # of the copy, that memory-bound kernels are to reach
CUDNN_COLOUR = "#ef8a3c"
MARKERS = {"cnn": "o", "vgg16": "s", "resnet50": "^"}
_TITLE: dict[str, Any] = {"fontsize": 10, "color": INK, "loc": "left", "fontweight": "bold"}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Bars of the memory-bound kernels, and a roofline of layers for each precision."""
    kernels = {n: each for n, each in found["kernels"].items() if each["bound"] == "copy"}
    figure = new_figure(15, max(4.6, 1.2 + 0.24 * len(kernels)))
    bars, exact, rounded = figure.subplots(1, 3, gridspec_kw={"width_ratios": [4, 5, 5]})
    _bars(bars, kernels)
    for axes, tf32 in ((exact, False), (rounded, True)):
        rows = [each for each in found["layers"].values() if each["tf32"] == tf32]
        _roofline(axes, found["ceilings"], rows, tf32)
    exact.legend(
        handles=_legend(found["layers"].values()), loc="lower right", fontsize=8, frameon=False
    )
    figure.supxlabel(
        f"{found['card']['name']}, driver {found['card']['driver']}; roofs: a copy and a matrix "
        "product measured on the same card; operations of the plain sum",
        fontsize=8, color=FAINT,
    )  # fmt: skip
    figure.savefig(path, dpi=150)


def _bars(axes: Any, kernels: Mapping[str, Any]) -> None:
    for row, each in enumerate(kernels.values()):
        share = each["of_copy"]
        reached = share >= TARGET
        axes.barh(row, 100 * share, color=RIGHT if reached else "#9db4d6", height=0.7)
        text = f"{each['bytes_per_second'] / 1e9:,.0f} GB/s"
        axes.text(1.5, row, text, va="center", fontsize=8, color="white" if reached else INK)
        axes.text(100 * share + 1, row, f"{share:.0%}", va="center", fontsize=8, color=INK)
    axes.axvline(100 * TARGET, color=INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(kernels)), list(kernels), fontsize=8.5, color=INK)
    axes.set_ylim(len(kernels) - 0.5, -0.5)
    axes.set_xlim(0, 118)
    axes.set_xticks([0, 50, 100 * TARGET, 100])
    axes.tick_params(length=0, labelsize=8.5, colors=INK)
    axes.set_title("kernels: % of the copy's bandwidth", **_TITLE)
    clear_spines(axes, "left")


def _roofline(
    axes: Any, roofs: Mapping[str, float], rows: list[Mapping[str, Any]], tf32: bool
) -> None:
    top = roofs["gemm_tf32" if tf32 else "gemm"]
    intensities = [each["flops"] / each["bytes"] for each in rows] or [1.0]
    ridge = top / roofs["copy"]
    low, high = min([0.5 * ridge, *intensities]) / 2, max([2 * ridge, *intensities]) * 2
    axes.plot(
        [low, ridge, high], [low * roofs["copy"] / 1e12, top / 1e12, top / 1e12],
        color=INK, linewidth=1.4,
    )  # fmt: skip
    axes.text(
        high / 1.05, top / 1e12 * 1.06, f"matrix product: {top / 1e12:,.1f} TFLOP/s", ha="right",
        fontsize=8, color=INK,
    )  # fmt: skip
    axes.text(ridge / 1.3, top / 1.3 / 1e12 * 1.06, "copy", ha="right", fontsize=8, color=INK)
    reached = []
    for each in rows:
        for name, rate in each["flops_per_second"].items():
            ours = name.startswith("tinyconv")
            axes.plot(
                each["flops"] / each["bytes"], rate / 1e12, MARKERS.get(each["network"], "o"),
                markersize=5, color=RIGHT if ours else CUDNN_COLOUR,
                markerfacecolor=RIGHT if ours else "none", alpha=0.75,
            )  # fmt: skip
            reached.append(rate / 1e12)
    for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
        scale("log")
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(low, high)
    axes.set_ylim(min([low * roofs["copy"] / 1e12, *reached]) / 1.5, top / 1e12 * 2.5)
    axes.set_title("layers, " + ("TF32" if tf32 else "float32") + ": TFLOP/s", **_TITLE)
    axes.set_xlabel("operations a byte", fontsize=9, color=FAINT)
    axes.grid(color=QUIET, linewidth=0.4, alpha=0.6)
    axes.tick_params(labelsize=8.5, colors=INK, which="both", length=0)
    clear_spines(axes, "left", "bottom")


def _legend(rows: Any) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    networks = dict.fromkeys(each["network"] for each in rows)
    for network in networks:
        handles.append(Line2D(
            [], [], linestyle="none", marker=MARKERS.get(network, "o"), color=INK,
            markerfacecolor="none", markersize=5, label=network,
        ))  # fmt: skip
    for name, colour in (("tinyconv", RIGHT), ("cuDNN", CUDNN_COLOUR)):
        handles.append(Line2D([], [], color=colour, linewidth=4, label=name))
    return handles
