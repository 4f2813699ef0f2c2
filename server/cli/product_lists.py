"""``ripstop product list|show|search``: asked of a running server, which tells each asker what they may know."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabric.errors import NotFound
from server.cli.logins import Authorities, Uri, User, client_of
from server.cli.options import Directory, Format

if TYPE_CHECKING:
    from server.client import Client

Shape = Annotated[Format, typer.Option("--format", help="How the answer is written.")]

_LISTED = ("product", "version", "status", "state", "owner", "description")


def list_products(
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
    form: Shape = Format.table,
) -> None:
    """List the products that you may know of."""
    with client_of(directory, uri, user, ca) as client:
        _write([_listed(row) for row in _products(client)], form)


def search_products(
    words: Annotated[list[str], typer.Argument(help="What to look for.")],
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
    form: Shape = Format.table,
) -> None:
    """Find products by words in their names, descriptions, columns and tags, the best first."""
    from fabric.search import Found, ranked

    with client_of(directory, uri, user, ca) as client:
        products = {f"{row['domain']}.{row['name']}": row for row in _products(client)}
        columns = _rows(client, "SELECT domain, product, name, description, tags FROM system.columns")
    texts = {
        key: {"name": [key], "tags": [*row["tags"]], "columns": [], "description": [row["description"] or ""]}
        for key, row in products.items()
    }
    for column in columns:
        said = texts.get(f"{column['domain']}.{column['product']}")
        if said is not None:
            said["columns"].append(column["name"])
            said["tags"] += column["tags"]
            said["description"].append(column["description"] or "")
    found = ranked(
        " ".join(words), [Found(key, each, products[key]["queries"]) for key, each in texts.items()]
    )
    _write([_listed(products[each.key]) for each, _ in found], form)
    if not found:
        print("nothing that you may know of has these words", file=sys.stderr)


def show_product(
    name: Annotated[str, typer.Argument(metavar="DOMAIN.NAME", help="A product, or one version of it.")],
    sample: Annotated[bool, typer.Option("--sample", help="Also show rows, as you may see them.")] = False,
    most: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many rows --sample shows.")] = 5,
    directory: Directory = Path("."),
    uri: Uri = "",
    user: User = "",
    ca: Authorities = None,
) -> None:
    """Show what a product promises: its columns, owner, versions and state; with --sample some rows."""
    from fabric.file_shapes import name as quoted

    with client_of(directory, uri, user, ca) as client:
        wanted = name.replace('"', "").lower()
        found = [row for row in _products(client) if f"{row['domain']}.{row['name']}".lower() == wanted]
        if not found:
            raise NotFound(f"there is no '{name}' that you may see", hint="ripstop product list")
        product = found[0]
        _show(product)
        columns = _rows(
            client,
            "SELECT name, type, required, is_unique, masked, tags, description FROM system.columns "
            f"WHERE domain = {_text(product['domain'])} AND product = {_text(product['name'])}",
        )
        print()
        _write(columns, Format.table)
        if sample:
            print()
            relation = f"{quoted(product['domain'])}.{quoted(product['name'])}"
            _write(_rows(client, f"SELECT * FROM {relation} LIMIT {most}"), Format.table)


def _show(product: dict[str, Any]) -> None:
    from server.cli.formats import visible

    title = f"{product['domain']}.{product['name']} {product['version']}"
    print(visible(f"{title}  {product['status']}, {product['state']}"))
    shown = {
        "reason": product["reason"],
        "description": product["description"],
        "owner": product["owner"],
        "tags": ", ".join(product["tags"]),
        "quality": ", ".join(product["quality"]),
        "sunset": product["sunset"],
        "read instead": product["replaced_by"],
    }
    for label, value in shown.items():
        if value:
            print(visible(f"  {label}: {value}"))


def _products(client: Client) -> list[dict[str, Any]]:
    return _rows(client, "SELECT * EXCLUDE (as_of) FROM system.products ORDER BY domain, name")


def _rows(client: Client, sql: str) -> list[dict[str, Any]]:
    with client.query(sql) as answer:
        rows: list[dict[str, Any]] = answer.read_all().to_pylist()
    return rows


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    return {"product": f"{row['domain']}.{row['name']}", **{key: row[key] for key in _LISTED[1:]}}


def _write(rows: list[dict[str, Any]], form: Format) -> None:
    import pyarrow as pa

    from server.cli.formats import write

    table = (
        pa.Table.from_pylist(rows) if rows else pa.table({key: pa.array([], pa.string()) for key in _LISTED})
    )
    write(table.to_reader(), form, sys.stdout)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
