"""`tinyconv explain`: how a network is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import tinyconv
from tinyconv.cli import networks


def explain(
    model: Annotated[str, typer.Argument(help="cnn, vgg16, resnet50, or the file of a model.")],
    algorithms: Annotated[
        bool, typer.Option("--algorithms", help="The algorithm of each convolution, and why.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 32,
    conv: Annotated[str | None, typer.Option(help="The algorithm to use where it can.")] = None,
) -> None:
    """Show the layers of a network, or with --algorithms how its convolutions are computed."""
    network = _model(model)
    if not algorithms:
        network.summary()
        return
    try:
        print(tinyconv.explain.algorithms(network, batch, conv=conv))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _model(name: str) -> tinyconv.Model:
    """One of the book's networks without trained weights, or a model from a file."""
    if name == "cnn":
        return networks.cnn((28, 28, 1), 10)
    if name == "vgg16":
        return tinyconv.applications.vgg16.VGG16(weights=None)
    if name == "resnet50":
        return tinyconv.applications.resnet50.ResNet50(weights=None)
    if not Path(name).exists():
        raise typer.BadParameter(f"cnn, vgg16, resnet50 or the file of a model. Received: {name}")
    return tinyconv.models.load_model(name, compile=False)
