"""VGG16 and ResNet-50 with weights from files that Keras has written.

The quick rows are of small images; those of the full size take minutes and gigabytes:
`python -m parity -k vgg16`, `-k resnet50`. With the ImageNet weights of VGG16's first blocks
at hand there is a row of real features, too:

    TINYCONV_VGG16_WEIGHTS=blocks.h5 TINYCONV_PHOTOGRAPH=elephant.jpg python -m parity -k vgg16
"""

from __future__ import annotations

import math
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from parity.case import Case, Results
from parity.data import Array, draw, generator
from parity.sides import Keras
from parity.sides.base import Batch, Side, key
from parity.tolerances import FULL_SIZE, PROBABILITIES, STEP

_CLASSES = 7
_PIXEL = 64.0  # about the size of a prepared pixel
# Rounding is what is left of the gradient of a bias before BatchNormalization, which is the
# sum of terms about as large as this.
_FLOOR = 1e-2


class Photographs(NamedTuple):
    """What a network is asked about.

    Attributes:
        side: height and width.
        classes: that the top tells; None for a network without it.
        ending: of the weights' file.
    """

    side: int
    classes: int | None
    ending: str = ".h5"

    def build(self, library: Any, network: str, weights: Path | None) -> Any:
        """The network of that library."""
        top = {"include_top": True, "classes": self.classes} if self.classes else {
            "include_top": False}  # fmt: skip
        make = getattr(library.applications, network)
        return make(weights=weights, input_shape=(self.side, self.side, 3), **top)

    def images(self, count: int, dtype: str) -> Array:
        """Random pixels, prepared as for ImageNet."""
        pixels = 255 * draw("pixels", (count, self.side, self.side, 3))
        return (pixels[..., ::-1] - (103.939, 116.779, 123.68)).astype(dtype)


_TUNED = {"VGG16": ("block4_conv1", 32), "ResNet50": ("conv5_block1_1_conv", 64)}
_INSIDE = {"VGG16": ("block1_conv2", "block3_pool", "block5_conv3"),
           "ResNet50": ("conv1_relu", "conv3_block4_out", "conv5_block3_out")}  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    found = []
    for network, (first, small) in _TUNED.items():
        for ending in (".h5", ".weights.h5", ".keras"):
            quick = ending == ".h5"  # tests/applications reads the others
            found.append(_inference(network, Photographs(small, _CLASSES, ending), quick))
        found.append(_names(network, Photographs(small, _CLASSES)))
        found.append(_whole(network, Photographs(small, None)))
        found.append(_step(network, Photographs(small, None), first, True))
        found.append(_inference(network, Photographs(224, 1000), False))
        found.append(_step(network, Photographs(160, None), first, False))
        found.append(_step(network, Photographs(224, 1000), None, False))
    return [*found, *_real()]


def _inference(network: str, asked: Photographs, quick: bool) -> Case:
    """Probabilities, and feature maps from shallow to deep."""

    def measure(side: Side, dtype: str) -> Results:
        model = asked.build(side.library, network, _saved(network, asked))
        layers = [model.get_layer(name) for name in _INSIDE[network]]
        cut = side.library.Model(model.input, [*(layer.output for layer in layers), model.output])
        values = cut.predict(asked.images(2, dtype), verbose=0)
        return dict(zip([*_INSIDE[network], "probabilities"], values, strict=True))

    words = f"{asked.side} x {asked.side}, probabilities and features, weights in {asked.ending}"
    tolerances = {"probabilities": PROBABILITIES}
    return Case(network, words, measure, quick=quick, tolerance=STEP, tolerances=tolerances)


def _names(network: str, asked: Photographs) -> Case:
    """Names, shapes and order of layers and weights, and how many there are."""

    def measure(side: Side, dtype: str) -> Results:
        results = {}
        for top in (True, False):
            model = asked._replace(classes=_CLASSES if top else None).build(
                side.library, network, None
            )
            weights = [f"{key(w.path)} {tuple(w.shape)} {w.trainable}" for w in model.weights]
            # Without a name of its own, the Input is numbered by how many there were before.
            layers = [f"{layer.name} {type(layer).__name__}" for layer in model.layers[1:]]
            results[f"weights {top}"] = np.asarray(weights)
            results[f"layers {top}"] = np.asarray(layers)
            results[f"parameters {top}"] = np.asarray(model.count_params())
        return results

    # tests/applications compares them too, with summaries, in the time of one building.
    return Case(network, "names of layers and weights", measure, quick=False)


def _whole(network: str, asked: Photographs) -> Case:
    """Inference and its derivatives for a random cotangent, the frozen statistics too."""

    def measure(side: Side, dtype: str) -> Results:
        model = asked.build(side.library, network, _saved(network, asked))
        return side.layer(model, [asked.images(2, dtype)], False)

    words = f"{asked.side} x {asked.side}, inference and all gradients"
    return Case(network, words, measure, quick=False, tolerance=STEP, conditioned=True)


def _step(network: str, asked: Photographs, first: str | None, quick: bool) -> Case:
    """One step of training: with the top all of it, without it from the layer `first` on."""

    def measure(side: Side, dtype: str) -> Results:
        library, model = side.library, asked.build(side.library, network, _saved(network, asked))
        if first is not None:
            frozen = True
            for layer in model.layers:
                frozen = frozen and layer.name != first
                layer.trainable = not frozen
            model = _with_head(library, model, dtype)
        side.compile(model, "sgd", library.losses.SparseCategoricalCrossentropy())
        return side.gradients(model, Batch(asked.images(4, dtype), np.arange(4) % 2))

    part = "all of it" if first is None else f"trained from {first} on"
    words = f"{asked.side} x {asked.side}, a step of training, {part}"
    tolerance = STEP if quick else FULL_SIZE
    return Case(
        network, words, measure, quick=quick, tolerance=tolerance, conditioned=True, floor=_FLOOR
    )


def _with_head(library: Any, base: Any, dtype: str) -> Any:
    """Two classes told by the means of the feature maps."""
    x = library.Input(base.input_shape[1:])
    y = library.layers.GlobalAveragePooling2D()(base(x))
    head = library.layers.Dense(2, activation="softmax", name="head")
    model = library.Model(x, head(y))
    kernel = generator("head").standard_normal((base.output_shape[-1], 2)) / 64
    head.set_weights([kernel.astype(dtype), np.zeros(2, dtype)])
    return model


def _real() -> list[Case]:
    """The features of a photograph by ImageNet's weights, where both are at hand."""
    weights, photograph = (
        os.environ.get(f"TINYCONV_{name}") for name in ("VGG16_WEIGHTS", "PHOTOGRAPH")
    )
    if not weights or not photograph:
        return []

    def measure(side: Side, dtype: str) -> Results:
        library = side.library
        model = library.applications.VGG16(weights=None, include_top=False)
        model.load_weights(weights, by_name=True)
        image = library.utils.load_img(photograph, target_size=(224, 224))
        pixels = library.utils.img_to_array(image)[None]
        x = library.applications.vgg16.preprocess_input(pixels)
        names = ("block1_pool", "block2_pool", "block3_pool")
        cut = library.Model(model.input, [model.get_layer(name).output for name in names])
        return {"x": x, **dict(zip(names, cut.predict(x, verbose=0), strict=True))}

    words = "224 x 224, features of a photograph by the weights of ImageNet"
    return [Case("VGG16", words, measure, tolerance=STEP)]


# ---- files of weights -----------------------------------------------------------


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="parity-")


@cache
def _saved(network: str, asked: Photographs) -> Path:
    """The weights, written by Keras once for both libraries."""
    side, file = Keras(), Path(_folder().name) / f"{network}{'-'.join(map(str, asked))}"
    with side.precision("float32"):
        model = asked.build(side.library, network, None)
        for weight in model.weights:
            weight.assign(_values(key(weight.path), tuple(weight.shape)))
        if asked.ending == ".h5":
            write_legacy(model, file)
        elif asked.ending == ".keras":
            model.save(file)
        else:
            model.save_weights(file)
    return file


def write_legacy(model: Any, file: Path) -> None:
    """A Keras model's weights in the layout of Keras' published files."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(file, "w") as h5:
        legacy_h5_format.save_weights_to_hdf5_group(h5, model)


def _values(path: str, shape: tuple[int, ...]) -> Array:
    """Values that keep the signal of prepared pixels about as large as 1 to the end."""
    layer, name = path.split("/")
    normal = generator("application", path, shape).standard_normal(shape).astype("float32")
    if name == "kernel":
        gain = math.sqrt(2 / math.prod(shape[:-1]))
        if layer in ("block1_conv1", "conv1_conv"):
            gain /= _PIXEL
        if layer == "predictions" and shape[0] == 2048:  # of ResNet, whose features are large
            gain /= 16  # probabilities of 0 and 1 would show no error
        return normal * gain
    if name == "moving_variance":
        return 0.75 + 0.25 * np.tanh(normal)
    if name == "gamma":  # sixteen sums must not let it grow
        return (0.25 if layer.endswith("_3_bn") else 1.0) * (1 + 0.25 * np.tanh(normal))
    return 0.1 * normal
