"""``ripstop why``: which rule of which file and line decides what a user sees of an object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Directory

Roles = Annotated[
    list[str] | None, typer.Option("--role", help="Ask as if the user held this role; repeatable.")
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME=VALUE", help="… and this attribute; repeatable."),
]


def why(
    user: Annotated[str, typer.Argument(help="A user, who need not exist, or role:<name>.")],
    found: Annotated[str, typer.Argument(metavar="OBJECT[.COLUMN]", help="A product or a table.")],
    directory: Directory = Path("."),
    role: Roles = None,
    attribute: Attributes = None,
) -> None:
    """Say which rules allow, deny, filter and mask an object for a user, in the project's files as they are."""
    from server.why import explain_access

    for line in explain_access(directory, user, found, role or (), attribute or ()):
        print(line)
