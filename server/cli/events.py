"""``ripstop events``: what was said to have happened, as far as the one who asks may see, the newest first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.cli.logins import Authorities, Uri, User, client_of
from server.cli.options import Directory, Format


def events(
    words: Annotated[list[str] | None, typer.Argument(help="Texts that an event must hold.")] = None,
    name: Annotated[str, typer.Option("--name", help="Only events of this name.")] = "",
    about: Annotated[
        str, typer.Option("--about", metavar="OBJECT", help="Only those from or to it, or a column of it.")
    ] = "",
    most: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 20,
    form: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.table,
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """List events that you emitted, and those about what you own or administer."""
    from server.cli.formats import write

    conditions = [f"name = {_text(name)}"] if name else []
    if about:
        wanted = _text(about.replace('"', "").lower())
        conditions.append(
            " OR ".join(
                f"lower({each}) = {wanted} OR starts_with(lower({each}), {wanted} || '.')"
                for each in ("source", "target")
            )
        )
    told = "lower(concat_ws(' ', name, user, source, target, meta))"
    conditions += [f"contains({told}, {_text(word.lower())})" for word in words or ()]
    where = "".join(f" AND ({each})" for each in conditions)
    with (
        client_of(directory, uri, user, ca) as client,
        client.query(
            "SELECT at, user, name, source, target, meta, query_id FROM system.events "
            f"WHERE true{where} ORDER BY at DESC LIMIT {most}"
        ) as answer,
    ):
        write(answer.read_all().to_reader(), form, sys.stdout)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
