"""``ripstop sql``: ask a running Ripstop, from a script or by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import InvalidValue, NotFound
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
from server.cli.options import Directory, Format

if TYPE_CHECKING:
    from server.client import Client


def sql(
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
    cert: Certificate = None,
    key: CertificateKey = None,
    command: Annotated[str, typer.Option("-c", "--command", help="Run these statements and exit.")] = "",
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Run the statements of a file and exit.")
    ] = None,
    dialect: Dialect = "",
    purpose: Purpose = "",
    option: SessionOptions = None,
    form: Annotated[Format, typer.Option("--format", help="How answers are written.")] = Format.table,
) -> None:
    """Ask in SQL: -c, -f, or stdin; at a terminal, a shell with history."""
    if command and file:
        raise typer.BadParameter("-c and -f exclude each other")
    script = _script(command, file)
    asking = login_of(directory, uri, user, ca, cert, key, dialect, purpose, option)

    from server.client import Client

    with Client(asking) as client:
        if script is None:
            from server.cli.shell import Shell

            whose = asking.user or ("token" if asking.token else "certificate")
            Shell(client, form, f"{whose}@{asking.uri.split('://')[-1]}").run()
        else:
            _run(client, script, form)


def _run(client: Client, script: str, form: Format) -> None:
    from server.cli.formats import write
    from server.cli.statements import statements

    whole, rest = statements(script)
    asked = whole + ([rest] if rest else [])
    if form.binary and len(asked) != 1:
        raise InvalidValue(f"{form.value} holds one answer, and there are {len(asked)} statements")
    for statement in asked:
        with client.query(statement) as reader:
            write(reader, form, sys.stdout)
    sys.stdout.flush()


def _script(command: str, file: Path | None) -> str | None:
    """What to run; None at a terminal, where a person is to say it."""
    if command:
        return command
    if file is None:
        return None if sys.stdin.isatty() else sys.stdin.read()
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise NotFound(f"the file '{file}' is not there, or not UTF-8 text") from None
