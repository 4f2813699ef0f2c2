"""``ripstop lineage``: what something is made of, and what is made of it, as far as the one who asks may know."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import NotFound
from server.cli.logins import Authorities, Uri, User, client_of
from server.cli.options import Directory

if TYPE_CHECKING:
    from fabric.lineage_graph import Direction


_ID_LENGTH = 32


class Drawing(StrEnum):
    """How lineage is written."""

    text = "text"
    json = "json"
    mermaid = "mermaid"


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="OBJECT[.COLUMN]|QUERY",
            help="A product, a source's table, a column, or the id of a query.",
        ),
    ],
    up: Annotated[bool, typer.Option("--up", help="Only what it is made of.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what is made of it.")] = False,
    form: Annotated[Drawing, typer.Option("--format", help="How it is written.")] = Drawing.text,
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """Say what a product or column is made of, and what a change of it would hit."""
    from fabric.lineage_graph import Graph, as_json, as_mermaid, as_text
    from fabric.naming import suggest
    from server.cli.formats import visible

    # A query's id is no name of an object, and other queries are not asked for.
    asked = f"query_id = '{name}'" if len(name) == _ID_LENGTH and name.isalnum() else "false"
    with client_of(directory, uri, user, ca) as client:
        with client.query(f"FROM system.lineage WHERE query_id IS NULL OR {asked}") as answer:
            graph = Graph(answer.read_all().to_pylist())
        starts = graph.nodes(name)
        if not starts:
            known = sorted({link.node.object for link in graph.links})
            hint = (
                suggest(name, known, "products") if known else "ripstop product list shows what you may see"
            )
            raise NotFound(f"nothing is known of the lineage of '{name}'", hint=hint)
    wanted: list[Direction] = ["up"] * (up or not down) + ["down"] * (down or not up)  # type: ignore[assignment]
    if form is Drawing.json:
        print(as_json(graph, starts, wanted))
        return
    for line in (as_text if form is Drawing.text else as_mermaid)(graph, starts, wanted):
        print(visible(line))
