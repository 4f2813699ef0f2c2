"""``ripstop user``: what users.yaml needs."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path

import typer

from fabric.errors import InvalidValue
from server.cli.options import Directory

app = typer.Typer(help="Local users.", no_args_is_help=True, rich_markup_mode=None)


@app.command("hash")
def hash_password(directory: Directory = Path(".")) -> None:
    """Print the argon2id hash of a password, for users.yaml.

    The password is asked for twice, or read as one line from stdin when that is no terminal.
    """
    del directory  # every command takes -C; this one reads no project
    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise InvalidValue("the password is empty", hint="type one, or send it as one line on stdin")

    from argon2 import PasswordHasher

    print(PasswordHasher().hash(password))


def _asked() -> str:
    password = getpass("password: ")
    if getpass("again: ") != password:
        raise InvalidValue("the two passwords differ", hint="run it again")
    return password
