"""The `tinyconv` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit status 2 if a package of the `cli` extra is missing."""
    try:
        import typer
    except ImportError:
        print('The tinyconv command needs: pip install "tinyconv[cli]"', file=sys.stderr)
        sys.exit(2)
    from tinyconv.cli.train import train

    app = typer.Typer(
        help="tinyconv: a convolutional-network engine written from scratch.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_callback)
    app.command()(train)
    app()


def _callback() -> None:
    """A callback makes typer keep the sub-command's name even while there is only one."""
