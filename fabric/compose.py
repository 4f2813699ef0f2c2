"""A resolved statement as one text for DuckDB, and what DuckDB makes of it over empty relations."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from sqlglot import exp

from fabric.engine import Engine, Probe
from fabric.errors import NotSupported
from fabric.file_shapes import name
from fabric.resolve import relations
from fabric.types import Column, Product, Relation, Resolved, Table


def compose(resolved: Resolved, body: Callable[[Relation, Table], str]) -> str:
    """The whole statement as text: each relation is a WITH entry under its id, inlined by DuckDB.

    ``body`` gives the SELECT of a table's relation. A product's is its own statement, whose parts stand
    in front of it.
    """
    entries = []
    for relation in relations(resolved):
        if isinstance(relation.object, Product):
            if relation.body is None:
                raise _broken(resolved, relation)
            text = relation.body.tree.sql(dialect="duckdb")
        else:
            text = body(relation, relation.object)
        entries.append(f"{name(relation.id)} AS NOT MATERIALIZED ({text})")
    tree = resolved.tree
    if not entries:
        return tree.sql(dialect="duckdb")
    keyword = "WITH"
    clause = tree.args.get("with_")
    if isinstance(clause, exp.With):
        tree = tree.copy()
        tree.set("with_", None)
        keyword = "WITH RECURSIVE" if clause.args.get("recursive") else "WITH"
        entries += [cte.sql(dialect="duckdb") for cte in clause.expressions]
    return f"{keyword} {', '.join(entries)} {tree.sql(dialect='duckdb')}"


def raw_name(relation: Relation) -> str:
    """The name under which a relation's own columns are registered with DuckDB."""
    return f"{relation.id}_t"


def raw_schema(relation: Relation, columns: tuple[Column, ...], engine: Engine) -> pa.Schema:
    """The columns under names that belong to this occurrence alone."""
    types = engine.arrow_schema(columns).types
    return pa.schema([pa.field(f"{relation.id}_{n}", kind) for n, kind in enumerate(types)])


def select(relation: Relation, table: Table, fetched: tuple[int, ...]) -> str:
    """A relation's columns by their own names; one at a position that is not fetched is a NULL of its type."""
    parts = [
        f"{name(f'{relation.id}_{n}')} AS {name(column.name)}"
        if n in fetched
        else f"NULL::{column.type} AS {name(column.name)}"
        for n, column in enumerate(table.columns)
    ]
    source = f" FROM {name(raw_name(relation))}" if fetched else " WHERE false"
    return f"SELECT {', '.join(parts)}{source}"


def table_relations(resolved: Resolved) -> list[tuple[Relation, Table]]:
    """Every relation that is a table, those beneath products included."""
    return [
        (relation, relation.object) for relation in relations(resolved) if isinstance(relation.object, Table)
    ]


def probe(resolved: Resolved, engine: Engine) -> Probe:
    """Bind the statement over empty relations; every table must have its columns.

    Raises:
        FabricError: it does not bind, or a product in it is broken.
    """
    sql = compose(resolved, lambda r, t: select(r, t, tuple(range(len(t.columns)))))
    schemas = {raw_name(r): raw_schema(r, t.columns, engine) for r, t in table_relations(resolved)}
    return engine.probe(sql, schemas)


def _broken(resolved: Resolved, relation: Relation) -> NotSupported:
    """The error names the product that the statement names, never a part of it."""
    named = next((top for top in resolved.relations if top is relation or _within(top, relation)), relation)
    owner = named.object.owner if isinstance(named.object, Product) else ""
    return NotSupported(
        f"product '{named.written}' is broken", hint=f"tell its owner, {owner or 'the domain'}"
    )


def _within(top: Relation, part: Relation) -> bool:
    return top.body is not None and any(inner is part for inner in relations(top.body))
