"""The networks of `networks` for PyTorch, as fast as it can have them.

Images come as channels_last; scores leave without softmax or sigmoid where the loss has it.
Weights begin as Keras begins them, so that no network meets other numbers than the others do.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks.networks import FINE_TUNED


def build(network: str, shape: tuple[int, int, int]) -> nn.Module:
    """A network of `networks.WORK` for images (height, width, channels)."""
    makers = {
        "dense": _dense, "cnn": _cnn, "cats vs dogs": _cats_vs_dogs, "vgg16": _vgg16,
        "vgg16 fine-tuning": _fine_tuning, "resnet50": _resnet50,
    }  # fmt: skip
    made = makers[network](*shape)
    for module in made.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for weights in made.parameters():
        if weights.ndim == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
    return made


class Rows(nn.Module):
    """Images to rows, in the order in which channels_last has them in memory: no copy."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, H * W * C)."""
        return x.permute(0, 2, 3, 1).flatten(1)


class Mean(nn.Module):
    """Global average pooling."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C)."""
        return x.mean((2, 3))


def _dense(height: int, width: int, channels: int) -> nn.Module:
    pixels = height * width * channels
    return nn.Sequential(Rows(), nn.Linear(pixels, 128), nn.ReLU(), nn.Linear(128, 10))


def _cnn(height: int, width: int, channels: int) -> nn.Module:
    features = (height // 4) * (width // 4) * 64
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        Rows(), nn.Linear(features, 128), nn.ReLU(inplace=True), nn.Linear(128, 10),
    )  # fmt: skip


def _cats_vs_dogs(height: int, width: int, channels: int) -> nn.Module:
    layers: list[nn.Module] = []
    for filters in (32, 32, 64):
        layers += [nn.Conv2d(channels, filters, 3), nn.BatchNorm2d(filters, 1e-3, 0.01)]
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels, height, width = filters, (height - 2) // 2, (width - 2) // 2
    features = (height // 2) * (width // 2) * channels
    return nn.Sequential(*layers, nn.AvgPool2d(2), Rows(), nn.Linear(features, 1))


def _vgg16(height: int, width: int, channels: int) -> nn.Sequential:
    blocks: list[nn.Module] = []
    for convolutions, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
            channels = filters
        blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
    return nn.Sequential(*blocks)


def _fine_tuning(height: int, width: int, channels: int) -> nn.Module:
    base = _vgg16(height, width, channels)
    for number, block in enumerate(base, 1):
        block.requires_grad_(f"block{number}" in FINE_TUNED)
    return nn.Sequential(base, Mean(), nn.Linear(512, 1))


class Bottleneck(nn.Module):
    """relu(x + f(x)), with Keras' strides: in the first convolution."""

    def __init__(self, channels: int, filters: int, strides: int, projected: bool) -> None:
        super().__init__()
        self.f = nn.Sequential(
            *_normed(channels, filters, 1, strides), nn.ReLU(inplace=True),
            *_normed(filters, filters, 3), nn.ReLU(inplace=True),
            *_normed(filters, 4 * filters, 1),
        )  # fmt: skip
        shortcut = _normed(channels, 4 * filters, 1, strides) if projected else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 4 * filters, H / strides, W / strides)."""
        made: torch.Tensor = self.f(x)
        return made.add_(self.shortcut(x)).relu_()


def _normed(channels: int, filters: int, size: int, strides: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, size, strides, padding=size // 2)
    return [convolution, nn.BatchNorm2d(filters, 1.001e-5, 0.01)]


def _resnet50(height: int, width: int, channels: int) -> nn.Module:
    layers: list[nn.Module] = [*_normed(channels, 64, 7, 2), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, 2, padding=1))
    channels = 64
    for stack, (blocks, filters) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512))):
        for block in range(blocks):
            strides = 2 if stack and not block else 1
            layers.append(Bottleneck(channels, filters, strides, projected=not block))
            channels = 4 * filters
    return nn.Sequential(*layers, Mean(), nn.Linear(channels, 1000), nn.Softmax(1))


def channels_last(images: Any) -> torch.Tensor:
    """NumPy's (N, H, W, C) as a view (N, C, H, W), which lies in memory as channels_last."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
