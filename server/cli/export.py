"""``ripstop export``: an answer as a file for training and analysis, streamed, and there only when it is whole."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fabric.errors import InvalidValue
from server.cli.logins import (
    Authorities,
    Certificate,
    CertificateKey,
    Dialect,
    Purpose,
    SessionOptions,
    Uri,
    User,
    login_of,
)
from server.cli.options import Directory

_PART = r'(?:"(?:[^"]|"")+"|[^\s".;()\'/]+)'
_NAME = re.compile(rf"{_PART}(?:\.{_PART}){{0,2}}")


class Kind(StrEnum):
    """What ``--format`` takes."""

    parquet = "parquet"
    arrow = "arrow"
    csv = "csv"


def export(
    asked: Annotated[
        str,
        typer.Argument(metavar="PRODUCT|QUERY", help="A product or table by its name, or one query."),
    ],
    form: Annotated[
        Kind | None,
        typer.Option("--format", help="By default what the suffix of FILE says, else parquet."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Where to; by default stdout.")
    ] = None,
    snapshot: Annotated[
        str,
        typer.Option(metavar="ID", help="Of a stored product, as it was then: an id of system.snapshots."),
    ] = "",
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
    cert: Certificate = None,
    key: CertificateKey = None,
    dialect: Dialect = "",
    purpose: Purpose = "",
    option: SessionOptions = None,
) -> None:
    """Write a product, or the answer to a query, to a file: as you may see it, in constant memory."""
    from server.cli.formats import write
    from server.cli.options import Format
    from server.cli.output import whole
    from server.cli.progress import Progress, size

    statement = _statement(asked, snapshot)
    wanted = Format(form.value if form else _by_suffix(to))
    login = login_of(directory, uri, user, ca, cert, key, dialect, purpose, option)

    from server.client import Client

    with Client(login) as client:
        progress = Progress(client.again, statement, shown=to is not None and sys.stderr.isatty())
        with progress, client.query(statement) as answer:
            if to is None:
                write(answer, wanted, sys.stdout)
                sys.stdout.flush()
                return
            with whole(to) as file:
                count = write(progress.watched(answer), wanted, file)
    said = "1 row" if count == 1 else f"{count:,} rows"
    print(f"{said}, {size(to.stat().st_size)} in {to}, {progress.seconds:.1f} s")


def _statement(asked: str, snapshot: str = "") -> str:
    """The one query that is meant; a name alone is all of what it names, or was at a snapshot.

    Raises:
        InvalidValue: it is none, or several.
    """
    if _NAME.fullmatch(asked):
        from server.cli.words import quoted, unquoted

        named = ".".join(quoted(unquoted(part)) for part in re.findall(_PART, asked))
        at = " AT (VERSION => '{}')".format(snapshot.replace("'", "''")) if snapshot else ""
        return f"SELECT * FROM {named}{at}"
    if snapshot:
        raise InvalidValue(
            "--snapshot goes with the name of a product",
            hint="in a query: FROM product AT (VERSION => '<snapshot id>')",
        )

    from server.cli.statements import statements

    complete, rest = statements(asked)
    found = complete + ([rest] if rest else [])
    if len(found) != 1:
        raise InvalidValue(f"a file holds one answer, and there are {len(found)} statements")
    return found[0]


def _by_suffix(to: Path | None) -> str:
    """The format that a file's name says.

    Raises:
        InvalidValue: it says another one than there are.
    """
    from server.cli.output import BY_SUFFIX

    if to is None or not to.suffix:
        return Kind.parquet
    said = BY_SUFFIX.get(to.suffix.lower())
    if said is None or said.value not in list(Kind):
        raise InvalidValue(
            f"'{to.name}' says no format that can be exported",
            hint=f"say --format {'|'.join(Kind)}; ripstop sql writes the others",
        )
    return said.value
