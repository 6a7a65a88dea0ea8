"""`tinyconv doctor`: what is installed, what of it really runs, and what to install otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from tinyconv.cli import doctor_checks
from tinyconv.cli.doctor_checks import Finding

_SIGNS = {
    doctor_checks.GOOD: ("ok", "green"),
    doctor_checks.MISSING: ("--", "yellow"),
    doctor_checks.BROKEN: ("FAIL", "bold red"),
}


def doctor(
    backend: Annotated[
        str, typer.Option(help="The backend that has to work: numpy, numba or cupy.")
    ] = "",
) -> None:
    """Check the installation: packages, CPU, GPU, and whether a kernel runs on each.

    The exit status is 0 if the backend works that you name, else the one that tinyconv uses.
    """
    from tinyconv import backends

    wanted = backend or backends._DEFAULT
    if wanted not in doctor_checks.BACKENDS:
        raise typer.BadParameter(f"must be one of {', '.join(doctor_checks.BACKENDS)}: {wanted}")
    findings = doctor_checks.examine()
    _show(findings)
    decisive = [each for each in findings if each.backend == wanted]
    works = bool(decisive) and all(each.state == doctor_checks.GOOD for each in decisive)
    print(f"\nThe backend {wanted!r} {'works' if works else 'does not work'} here.")
    if not works:
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    """A table, and below it what to do about what is missing or broken."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    section = ""
    for each in findings:
        if each.section != section:
            if section:
                table.add_row("", "", "")
            section = each.section
            table.add_row(Text(section, "bold"), "", "")
        sign, style = _SIGNS[each.state]
        table.add_row(Text(f"  {each.what}"), Text(sign, style), Text(each.found))
    console.print(table)
    advice = list(dict.fromkeys(each.advice for each in findings if each.advice))
    if advice:
        console.print()
        console.print(Text("What to do", "bold"))
        for line in advice:
            console.print(Text(f"  - {line}"), soft_wrap=True)
