"""``ripstop sql``: ask a running Ripstop, from a script or by hand."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import InvalidValue, NotFound
from server.cli.logins import Authorities, Uri, User, login, served_at
from server.cli.options import Directory, Format

if TYPE_CHECKING:
    from server.client import Client


def sql(
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
    cert: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A certificate (PEM) to log in with."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Its key (PEM); by default in the same file."),
    ] = None,
    command: Annotated[str, typer.Option("-c", "--command", help="Run these statements and exit.")] = "",
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Run the statements of a file and exit.")
    ] = None,
    dialect: Annotated[
        str, typer.Option(help="What the statements are written in, such as postgres or tsql; else DuckDB's.")
    ] = "",
    purpose: Annotated[
        str, typer.Option(help="What you ask for; rules may depend on it, and the audit has it.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="A session option, such as timezone=Europe/Berlin or pushdown=off; may be said again."
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How answers are written.")] = Format.table,
) -> None:
    """Ask in SQL: -c, -f, or stdin; at a terminal, a shell with history."""
    if command and file:
        raise typer.BadParameter("-c and -f exclude each other")
    if key and not cert:
        raise typer.BadParameter("--key belongs to a --cert")
    options = _options(option or [])
    script = _script(command, file)
    # Password before the driver: a person at a prompt does not wait for imports.
    token = "" if user else os.environ.get("RIPSTOP_TOKEN", "")
    name, password = ("", "") if not user and (token or cert) else login(user)

    from server.client import Client, Login

    trusted, shown, signing = (str(each) if each else "" for each in (ca, cert, key or cert))
    asking = Login(
        uri or served_at(directory), name, password, trusted, shown, signing, token, dialect, purpose, options
    )
    with Client(asking) as client:
        if script is None:
            from server.cli.shell import Shell

            whose = name or ("token" if token else "certificate")
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


def _options(said: list[str]) -> dict[str, str]:
    """Session options written NAME=VALUE; the server passes over names that it does not know."""
    if not said:
        return {}
    from server.sessions import OPTIONS

    options = {name: value for name, _, value in (each.partition("=") for each in said)}
    for name, value in options.items():
        if name not in OPTIONS or not value:
            raise typer.BadParameter(f"--option is NAME=VALUE, of one of {', '.join(OPTIONS)}")
    return options


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
