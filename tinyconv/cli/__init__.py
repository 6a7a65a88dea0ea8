"""The `tinyconv` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit status 2 if a package of the `cli` extra is missing.

    What stands in a machine's way (files, disks, memory) is told in one line, exit status 1.
    """
    try:
        import typer  # noqa: F401
    except ImportError:
        print('The tinyconv command needs: pip install "tinyconv[cli]"', file=sys.stderr)
        sys.exit(2)
    from tinyconv.cli.app import app
    from tinyconv.saving.errors import FileError

    try:
        app()
    except (OSError, FileError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        print(f"Error: not enough memory. {error}", file=sys.stderr)
        sys.exit(1)
