"""``ripstop serve``: the server of one project."""

from __future__ import annotations

from pathlib import Path

import typer

from server.cli.failure import show
from server.cli.options import Directory

_FAILED = "the server cannot start: "


def serve(directory: Directory = Path(".")) -> None:
    """Serve the project over Arrow Flight SQL until Ctrl-C or SIGTERM."""
    from server.cli.neighbours import refuse_strangers
    from server.supervisor import Supervisor

    refuse_strangers()
    raise typer.Exit(Supervisor(directory, say=_say).run())


def _say(line: str) -> None:
    from server.client import spoken

    # A worker that cannot start tells why in the words of its error.
    error = spoken(line.removeprefix(_FAILED)) if line.startswith(_FAILED) else None
    if error is None:
        print(line, flush=True)
    else:
        show(error.code, error.message, error.hint)
