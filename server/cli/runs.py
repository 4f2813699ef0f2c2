"""``ripstop submit`` and ``ripstop result``: a query that runs by itself, and what came of it."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import InvalidValue, NotFound
from server.cli.logins import Authorities, Uri, User, client_of
from server.cli.options import Directory, Format

if TYPE_CHECKING:
    from server.client import Client

_ID = re.compile(r"[0-9a-f]{32}")
_NAP_SECONDS = 0.5


def submit(
    query: Annotated[str, typer.Argument(help="The query, or - for stdin.")],
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """Have a query run by itself; its run id, at once."""
    text = sys.stdin.read() if query == "-" else query
    doubled = text.replace("'", "''")
    with (
        client_of(directory, uri, user, ca) as client,
        client.query(f"CALL system.submit('{doubled}')") as answer,
    ):
        print(answer.read_all()["run_id"][0].as_py())


def result(
    run_id: Annotated[str, typer.Argument(help="What submit printed.")],
    wait: Annotated[bool, typer.Option(help="Wait until the run is over.")] = True,
    form: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.table,
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """Write the result of a run, when it is there."""
    from server.cli.formats import write

    if not _ID.fullmatch(run_id):
        raise InvalidValue("a run id is 32 hexadecimal digits", hint="ripstop submit prints it")
    with client_of(directory, uri, user, ca) as client:
        _require_result(client, run_id, wait)
        with client.query(f'SELECT * FROM results."{run_id}"') as answer:
            write(answer, form, sys.stdout)


def _require_result(client: Client, run_id: str, wait: bool) -> None:
    """Wait for a run of one's own; of another's only its result can be asked for."""
    while True:
        with client.query(f"SELECT state, error FROM system.runs WHERE run_id = '{run_id}'") as answer:
            rows = answer.read_all().to_pylist()
        state = rows[0]["state"] if rows else "succeeded"
        if state == "succeeded":
            return
        if state in ("failed", "cancelled", "expired"):
            how = "was cancelled" if state == "cancelled" else f"has {state}"
            raise NotFound(f"the run {how}", hint=rows[0]["error"] or "submit it again")
        if not wait:
            raise NotFound(f"the run is {state}", hint="ask again in a while, or without --no-wait")
        time.sleep(_NAP_SECONDS)
