"""The sub-commands of `tinyconv`."""

from __future__ import annotations

from typing import Annotated

import typer

import tinyconv
from tinyconv.cli.doctor import doctor
from tinyconv.cli.explain import explain
from tinyconv.cli.train import train
from tinyconv.cli.warmup import warmup

app = typer.Typer(
    help="A convolutional-network engine written from scratch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tinyconv {tinyconv.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version)
    ] = False,
) -> None:
    """A convolutional-network engine written from scratch."""


app.command()(train)
app.command()(explain)
app.command()(warmup)
app.command()(doctor)
