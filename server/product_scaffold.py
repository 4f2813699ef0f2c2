"""``ripstop product new``: a draft to start from, with the columns and types that its SELECT has now."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from fabric.errors import FabricError, InvalidConfig, InvalidValue, NotFound
from fabric.file_shapes import name as quoted
from fabric.front_matter import file_text, scalar
from fabric.naming import suggest
from fabric.parse import parse
from fabric.product_shape import shaped
from fabric.products import name_parts, product_of
from fabric.types import Column, Product
from server.app import App
from server.products import opened

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
EXAMPLE = "SELECT 1 AS example_id"


def new_product(directory: Path, name: str, source: str) -> Path:
    """Write the draft of a product; its file.

    Args:
        directory: the project.
        name: ``domain.name``, or ``domain.name@2`` for a second major version.
        source: the table or product that it reads; empty for an example.

    Raises:
        NotFound: there is no such domain, or no such source.
        InvalidValue: the product is there already, or its name is none.
    """
    with opened(directory) as app:
        domain_name, _, rest = name.replace('"', "").partition(".")
        domain = app.catalog.products.domains.get(domain_name.lower())
        if domain is None:
            told = suggest(domain_name, app.catalog.products.domains.values(), "domains")
            raise NotFound(f"there is no domain '{domain_name}'", hint=f"a product is domain.name; {told}")
        try:
            _, major = name_parts(rest)
        except InvalidConfig as error:
            raise InvalidValue(error.message, hint=error.hint) from None
        if app.catalog.products.find(domain.lower(), rest.lower()) is not None:
            raise InvalidValue(f"'{domain}.{rest}' is there already", hint=f"products/{domain}/{rest}.sql")
        sql = _select(app, source) if source else EXAMPLE
        text = _draft(app, domain, rest, sql, major or 1)
        files = app.catalog.products
        with files.changing():
            files.write(Path(domain) / f"{rest}.sql", text)
        return files.folder / domain / f"{rest}.sql"


def _select(app: App, source: str) -> str:
    parts = tuple(source.replace('"', "").split("."))
    found = app.catalog.find(parts)
    if found is None:
        known = [str(table.name) for table in app.catalog.tables()]
        known += [f"{p.domain}.{p.name.name}" for p in app.catalog.products.current().values()]
        raise NotFound(f"there is no '{source}'", hint=suggest(source, known, "there are"))
    shape = app.catalog.shaped(found) if isinstance(found, Product) else found
    if not shape.columns:
        raise InvalidConfig(f"the columns of '{source}' are not known", hint="ripstop check says why")
    names = [column.name for column in shape.columns]
    plain = _written(names, parts, lambda name: name)
    try:
        if all(_PLAIN.fullmatch(name) for name in (*names, *parts)) and parse(plain):
            return plain
    except FabricError:  # one of them is a word of SQL
        pass
    return _written(names, parts, quoted)


def _written(names: Sequence[str], parts: Sequence[str], spelled: Callable[[str], str]) -> str:
    columns = ",\n  ".join(map(spelled, names))
    return f"SELECT\n  {columns}\nFROM {'.'.join(map(spelled, parts))}"


def _draft(app: App, domain: str, stem: str, sql: str, major: int) -> str:
    bare = product_of(app.config.name, domain, stem, file_text(f"version: {major}.0.0", sql), "")
    shape = shaped(bare, app.catalog.within(domain), app.engine)
    lines = [
        'owner: ""                      # who answers questions: a team, an address',
        'description: ""                # what one row is, and for whom',
        f"version: {major}.0.0",
        f"status: draft                  # ripstop product publish {domain}.{stem} makes it active",
        "tags: []",
        "columns:",
        *(_column(column) for column in shape.columns),
        "quality: []                    # such as {name: amounts are positive, sql: amount > 0}",
    ]
    return file_text("\n".join(lines), sql)


def _column(column: Column) -> str:
    tags = f", tags: [{', '.join(map(scalar, column.tags))}]" if column.tags else ""
    comment = scalar(column.comment) if column.comment else '""'
    return f"  {scalar(column.name)}: {{type: {scalar(column.type)}, description: {comment}{tags}}}"
