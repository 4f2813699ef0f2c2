"""Where a command asks, and as whom: the server of the project, a user, and a password that is never on the command line."""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import LoginRefused

if TYPE_CHECKING:
    from server.client import Client, Login

URI = "grpc://127.0.0.1:31337"

Uri = Annotated[str, typer.Option(help=f"Where it answers; by default fabric.yaml's server, else {URI}.")]
User = Annotated[
    str,
    typer.Option(
        envvar="RIPSTOP_USER",
        help="Who asks; the password is in RIPSTOP_PASSWORD. Instead, a token may be in RIPSTOP_TOKEN.",
    ),
]
Authorities = Annotated[
    Path | None,
    typer.Option("--ca", exists=True, dir_okay=False, help="Certificates (PEM) to trust behind grpc+tls://."),
]


Certificate = Annotated[
    Path | None,
    typer.Option("--cert", exists=True, dir_okay=False, help="A certificate (PEM) to log in with."),
]
CertificateKey = Annotated[
    Path | None,
    typer.Option("--key", exists=True, dir_okay=False, help="Its key (PEM); by default in the same file."),
]
Dialect = Annotated[
    str, typer.Option(help="What the statements are written in, such as postgres or tsql; else DuckDB's.")
]
Purpose = Annotated[str, typer.Option(help="What you ask for; rules may depend on it, and the audit has it.")]
SessionOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        help="A session option, such as timezone=Europe/Berlin or pushdown=off; may be said again.",
    ),
]


def client_of(directory: Path, uri: str, user: str, ca: Path | None) -> Client:
    """A connection as a user, or with a token."""
    from server.client import Client

    return Client(login_of(directory, uri, user, ca))


def login_of(
    directory: Path,
    uri: str,
    user: str,
    ca: Path | None,
    cert: Path | None = None,
    key: Path | None = None,
    dialect: str = "",
    purpose: str = "",
    option: list[str] | None = None,
) -> Login:
    """Where and as whom a command asks: by password, by the token in RIPSTOP_TOKEN, by certificate.

    Raises:
        LoginRefused: there is no password, and nobody to ask for it.
    """
    if key and not cert:
        raise typer.BadParameter("--key belongs to a --cert")
    options = _session_options(option or [])
    # Password before the driver: a person at a prompt does not wait for imports.
    token = "" if user else os.environ.get("RIPSTOP_TOKEN", "")
    name, password = ("", "") if not user and (token or cert) else login(user)

    from server.client import Login

    trusted, shown, signing = (str(each) if each else "" for each in (ca, cert, key or cert))
    return Login(
        uri or served_at(directory), name, password, trusted, shown, signing, token, dialect, purpose, options
    )


def _session_options(said: list[str]) -> dict[str, str]:
    """Session options written NAME=VALUE; the server passes over names that it does not know."""
    if not said:
        return {}
    from server.sessions import OPTIONS

    options = {name: value for name, _, value in (each.partition("=") for each in said)}
    for name, value in options.items():
        if name not in OPTIONS or not value:
            raise typer.BadParameter(f"--option is NAME=VALUE, of one of {', '.join(OPTIONS)}")
    return options


def login(user: str) -> tuple[str, str]:
    """The user and their password.

    Raises:
        LoginRefused: there is no password, and nobody to ask for it.
    """
    if not user:
        raise typer.BadParameter("who asks? say --user NAME, or set RIPSTOP_USER or RIPSTOP_TOKEN")
    password = os.environ.get("RIPSTOP_PASSWORD")
    if password is None and sys.stdin.isatty():
        password = getpass(f"password of {user}: ")
    if password is None:
        raise LoginRefused("there is no password", hint="set RIPSTOP_PASSWORD")
    return user, password


def served_at(directory: Path) -> str:
    """The address in the project's own fabric.yaml, read without its secrets."""
    import yaml

    try:
        project = yaml.safe_load((directory / "fabric.yaml").read_text("utf-8"))
        server = project["server"]
        scheme = "grpc+tls" if server.get("tls") not in (None, False, "off") else "grpc"
        return f"{scheme}://{server.get('host', '127.0.0.1')}:{int(server.get('port', 31337))}"
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return URI
