"""``ripstop serve``: the server of one project."""

from __future__ import annotations

from pathlib import Path

import typer

from server.cli.options import Directory


def serve(directory: Directory = Path(".")) -> None:
    """Serve the project over Arrow Flight SQL until Ctrl-C or SIGTERM."""
    from server.cli.neighbours import refuse_strangers
    from server.supervisor import Supervisor

    refuse_strangers()
    raise typer.Exit(Supervisor(directory, say=_say).run())


def _say(line: str) -> None:
    print(line, flush=True)
