"""`tinyconv explain`: how a network is computed, or how it comes to its answer for an image."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import tinyconv
from tinyconv.cli import networks
from tinyconv.explain.report.prepare import SCALES
from tinyconv.saving.errors import FileError

_PAGE = "a page about one image"
_ORDER = "the order of computation"
_PAGES = ("out", "class_index", "names", "scale", "invert", "deep")
_ORDERS = ("algorithms", "batch", "conv")
_PRETRAINED: dict[str, Callable[..., tinyconv.Model]] = {
    "vgg16": tinyconv.applications.vgg16.VGG16,
    "resnet50": tinyconv.applications.resnet50.ResNet50,
}


def explain(
    context: typer.Context,
    network: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="cnn, vgg16, resnet50, or the file of a model."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The same, as an option.")] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="An image file: explain the model's answer for it.", rich_help_panel=_PAGE
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The HTML file to write.", rich_help_panel=_PAGE)
    ] = Path("report.html"),
    class_index: Annotated[
        int | None,
        typer.Option(
            "--class",
            help="The class to explain. Default: the first choice.",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes: cat,dog or a text file with one a line.",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help=f"Of the pixels: {', '.join(SCALES)}. Default: that of the training.",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    invert: Annotated[
        bool,
        typer.Option(
            "--invert", help="First make dark light and light dark.", rich_help_panel=_PAGE
        ),
    ] = False,
    deep: Annotated[
        int,
        typer.Option(min=0, help="Layers whose inside is drawn, at most.", rich_help_panel=_PAGE),
    ] = 12,
    algorithms: Annotated[
        bool,
        typer.Option(
            "--algorithms",
            help="The algorithm of each convolution, and why.",
            rich_help_panel=_ORDER,
        ),
    ] = False,
    batch: Annotated[
        int, typer.Option(min=1, help="Images at a time.", rich_help_panel=_ORDER)
    ] = 32,
    conv: Annotated[
        str | None,
        typer.Option(help="The algorithm to use where it can.", rich_help_panel=_ORDER),
    ] = None,
) -> None:
    """Show the layers of a network; with --algorithms how its convolutions are computed; with
    --image write a page that explains its answer for an image, layer by layer."""
    if (network is None) == (model is None):
        raise typer.BadParameter("give one model, as MODEL or as --model")
    named = network or model or ""
    _refuse(context, _PAGES if image is None else _ORDERS, "needs" if image is None else "excludes")
    if image is not None:
        _write_page(
            named, image, out, class_index=class_index, class_names=_class_names(names),
            scale=scale, invert=invert, deep=deep,
        )  # fmt: skip
        return
    shown = _model(named)
    if not algorithms:
        shown.summary()
        return
    try:
        print(tinyconv.explain.algorithms(shown, batch, conv=conv))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _refuse(context: typer.Context, names: tuple[str, ...], verb: str) -> None:
    """Options of the other form, which would be ignored."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{parameter.opts[0]} {verb} --image")


def _write_page(name: str, image: Path, out: Path, **options: Any) -> None:
    if name == "cnn":
        raise typer.BadParameter(
            "cnn has learnt nothing yet: give the file of a model, such as the model.keras that "
            "`tinyconv train` writes"
        )
    started = time.perf_counter()
    print(f"Explaining {name} on {image} ...")
    try:
        model = _PRETRAINED[name](weights="imagenet") if name in _PRETRAINED else _existing(name)
        tinyconv.explain.report(model, image, out, **options)
    except FileError:
        raise
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    size, spent = out.stat().st_size, time.perf_counter() - started
    print(f"Written to {out} ({size / 1e6:.1f} MB, {spent:.0f} s): open it in a browser")


def _class_names(given: str | None) -> list[str] | None:
    """Names separated by commas, or the lines of a file."""
    if given is None:
        return None
    if Path(given).is_file():
        return Path(given).read_text(encoding="utf-8").splitlines()
    return [name.strip() for name in given.split(",")]


def _model(name: str) -> tinyconv.Model:
    """One of the book's networks without trained weights, or a model from a file."""
    if name == "cnn":
        return networks.cnn((28, 28, 1), 10)
    if name in _PRETRAINED:
        return _PRETRAINED[name](weights=None)
    return tinyconv.models.load_model(_existing(name), compile=False)


def _existing(name: str) -> str:
    if not Path(name).exists():
        raise typer.BadParameter(f"cnn, vgg16, resnet50 or the file of a model. Received: {name}")
    return name
