"""A resolved statement as one text for DuckDB, and what DuckDB makes of it over empty relations."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
from sqlglot import exp

from fabric.engine import Engine, Probe
from fabric.errors import NotSupported
from fabric.file_shapes import name
from fabric.resolve import relations
from fabric.types import Column, Product, Relation, Resolved, Table

# DuckDB 2.0 hands these to Arrow, and takes them back, as DECIMAL, BLOB, TIME and VARCHAR.
_NOT_IN_ARROW = re.compile(r"\b(U?HUGEINT|BIT|TIME WITH TIME ZONE|ENUM|UUID|JSON)\b")


def compose(resolved: Resolved, body: Callable[[Relation, Table], str]) -> str:
    """The whole statement as text: each relation is a WITH entry under its id, inlined by DuckDB.

    ``body`` gives the SELECT of a table's relation. A product's is its own statement, whose parts stand
    in front of it.
    """
    entries = []
    for relation in relations(resolved):
        if isinstance(relation.object, Product):
            if relation.body is None:
                raise broken(resolved, relation)
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
    fields = [(f"{relation.id}_{n}", engine.input_type(column.type)) for n, column in enumerate(columns)]
    return pa.schema([pa.field(name, kind) for name, kind in fields])


def select(relation: Relation, table: Table, fetched: tuple[int, ...]) -> str:
    """A relation's columns by their own names; one at a position that is not fetched is a NULL of its type."""
    parts = [
        f"{_own_type(name(f'{relation.id}_{n}'), column.type) if n in fetched else f'NULL::{column.type}'}"
        f" AS {name(column.name)}"
        for n, column in enumerate(table.columns)
    ]
    source = f" FROM {name(raw_name(relation))}" if fetched else " WHERE false"
    return f"SELECT {', '.join(parts)}{source}"


def _own_type(column: str, kind: str) -> str:
    """A column as the type that it was declared with, where Arrow carries it as another."""
    carried_as_another = kind not in ("UUID", "JSON") and _NOT_IN_ARROW.search(kind)
    return f"CAST({column} AS {kind})" if carried_as_another else column


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


def broken(resolved: Resolved, relation: Relation) -> NotSupported:
    """The error for a product that cannot serve: it names what the statement names, never a part of it."""
    named = next((top for top in resolved.relations if top is relation or _within(top, relation)), relation)
    owner = named.object.owner if isinstance(named.object, Product) else ""
    return NotSupported(
        f"product '{named.written}' is broken", hint=f"tell its owner, {owner or 'the domain'}"
    )


def _within(top: Relation, part: Relation) -> bool:
    return top.body is not None and any(inner is part for inner in relations(top.body))
