"""``ripstop init``: a project directory to start from."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from server.cli.options import Directory

USER = "admin"
_TAKEN = frozenset({"sales", "files", "system", "results", "information_schema", "pg_catalog"})


def init(directory: Directory = Path(".")) -> None:
    """Write a small project that `ripstop check` accepts: one source, one product, one user."""
    from argon2 import PasswordHasher

    from server.scaffold import write_project

    password = secrets.token_urlsafe(9)
    values = {"name": _name(directory), "user": USER, "hash": PasswordHasher().hash(password)}
    files = write_project(Path(__file__).with_name("start"), directory, values)
    for file in files:
        print(directory / file)
    where = "" if directory == Path(".") else f" -C {directory}"
    print(f"\nuser {USER}, password {password} (kept nowhere else but as a hash in users.yaml)\n")
    print(f"next: ripstop check{where}\n      ripstop serve{where}")
    print(f"      ripstop sql{where} --user {USER} -c 'FROM sales.open_orders'")


def _name(directory: Path) -> str:
    """The folder's name as a name of SQL that no part of the project has."""
    name = re.sub(r"[^a-z0-9]+", "_", directory.resolve().name.lower()).strip("_")
    return name if name[:1].isalpha() and name not in _TAKEN else f"fabric_{name}".rstrip("_")
