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
    from server.client import Client

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


def client_of(directory: Path, uri: str, user: str, ca: Path | None) -> Client:
    """A connection as a user, or with a token."""
    token = "" if user else os.environ.get("RIPSTOP_TOKEN", "")
    name, password = ("", "") if token else login(user)

    from server.client import Client, Login

    return Client(Login(uri or served_at(directory), name, password, ca_file=str(ca or ""), token=token))


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
