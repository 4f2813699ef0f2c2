"""``ripstop product``: make, compare and publish the products of a project."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from server.cli import product_lists
from server.cli.options import Directory

app = typer.Typer(help="Data products.", no_args_is_help=True, rich_markup_mode=None)

app.command("list")(product_lists.list_products)
app.command("show")(product_lists.show_product)
app.command("search")(product_lists.search_products)

Name = Annotated[str, typer.Argument(metavar="DOMAIN.NAME", help="A product, or one version: domain.name@2.")]


class Standard(StrEnum):
    """The standards by the name that ``--format`` takes."""

    odcs = "odcs"
    odps = "odps"


@app.command("export")
def export(
    name: Name,
    standard: Annotated[
        Standard,
        typer.Option("--format", help="odcs: the contract of one version; odps: the product with its ports."),
    ] = Standard.odcs,
    directory: Directory = Path("."),
) -> None:
    """Write a product as YAML of the Open Data Contract Standard 3.2, or of the Open Data Product Standard 1.1."""
    from server.product_export import export as exported

    print(exported(directory, name, standard.value), end="")


@app.command("import")
def import_products(
    file: Annotated[
        Path, typer.Argument(help="An ODCS contract (YAML), or the manifest.json of a dbt project.")
    ],
    domain: Annotated[str, typer.Option(help="Whose they shall be; by default what the file says.")] = "",
    directory: Directory = Path("."),
) -> None:
    """Write drafts of products from a data contract, or from the models of a dbt project."""
    from server.product_import import import_products as imported

    for line in imported(directory, file, domain):
        print(line)


@app.command("diff")
def diff(name: Name, directory: Directory = Path(".")) -> None:
    """Compare a product's file with what was published; 1 when it breaks that under the same major version."""
    from fabric.contract import told
    from server.products import diff as compared

    found = compared(directory, name)
    product, before = found.product, found.before
    title = f"{product.domain}.{product.bare} {product.version} ({product.status})"
    print(
        f"{title}: {f'against {before.version}, published {before.published}' if before else 'never published'}"
    )
    for change in found.changes:
        print(f"  {'breaking' if change.breaking else 'ok      '}  {told(change)}")
    if not found.changes and before is not None:
        print("  nothing that readers were promised is changed")
    if found.hits:
        print(f"  {found.hits}")
    if found.refused:
        print(f"a breaking change needs a new major version: version: {product.major + 1}.0.0")
    raise typer.Exit(1 if found.refused else 0)


@app.command("publish")
def publish(name: Name, directory: Directory = Path(".")) -> None:
    """Have readers see a product (draft to active), and write down what it promises them."""
    from server.products import publish as published

    for line in published(directory, name):
        print(line)


@app.command("new")
def new(
    name: Name,
    source: Annotated[
        str, typer.Option("--from", metavar="TABLE", help="A source's table, or a product, that it reads.")
    ] = "",
    directory: Directory = Path("."),
) -> None:
    """Write the draft of a product, with the columns and types of what it reads."""
    from server.product_scaffold import new_product

    file = new_product(directory, name, source)
    where = "" if directory == Path(".") else f" -C {directory}"
    print(
        f"{file}\n\nnext: fill in what it says, then ripstop check{where}, ripstop product publish {name}{where}"
    )
