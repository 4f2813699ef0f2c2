"""A product of which only changed rows are asked: whether its SELECT allows that, what is asked, and how it is put together.

A row of the product must be one of its one table, found again by its key, and must not depend on anything else. Then the rows whose
watermark is at or above the last one seen take the places of those with their keys, and all others are what they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlglot import exp

from fabric.errors import InvalidValue
from fabric.file_shapes import name, text
from fabric.parse import parse
from fabric.product_types import Lineage, Materialization
from fabric.remembered import depends_on_the_moment
from fabric.types import Column, Product, Relation, Resolved

SERVES = "__ripstop_serves"
"""Of a changed row: whether it is one of the product, and not only one that may have been."""

_ROW_BY_ROW = {"PROJECTION", "FILTER", "PYTHON_ARROW_SCAN"}
_ORDERED = re.compile(
    r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*\)|DATE|TIMESTAMP(_\w+| WITH TIME ZONE)?"
)


def unfit(
    product: Product,
    resolved: Resolved,
    made_of: Lineage,
    plan: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
) -> str:
    """Why a product cannot be stored as it says; empty when it can.

    Args:
        product: says how.
        resolved: its SELECT.
        made_of: what its columns are made of.
        plan: DuckDB's, of its SELECT.
        columns: what it gives.
    """
    stored = product.stored or Materialization("")
    types = {column.name.lower(): column.type for column in columns}
    for column in (stored.watermark, *stored.key):
        if column and column.lower() not in types:
            return f"materialize: it has no column '{column}'"
    if stored.watermark and not _ORDERED.fullmatch(types[stored.watermark.lower()]):
        return f"materialize: watermark: '{stored.watermark}' is no integer, decimal, date or timestamp"
    if not stored.key:
        return ""
    if not set(_operators(plan)) <= _ROW_BY_ROW or not isinstance(resolved.tree, exp.Select):
        return "materialize: key: its SELECT must choose rows and columns of one table, and nothing more"
    (table,) = resolved.relations
    if table.name.catalog.lower() == product.name.catalog.lower():
        return "materialize: key: it must read a table of a source, not a product"
    if any(
        depends_on_the_moment(call.sql("duckdb").partition("(")[0])
        for call in resolved.tree.find_all(exp.Func)
    ):
        return "materialize: key: a row must be the same at any time, and its SELECT depends on the time or on chance"
    (unnamed, strange) = _unwritable(resolved.tree, table)
    if unnamed or strange:
        return f"materialize: key: {unnamed or strange}"
    places = {column.name.lower(): position for position, column in enumerate(columns)}
    for column in (stored.watermark, *stored.key):
        origins = made_of.origins[places[column.lower()]] if made_of.known else ()
        if [origin.direct for origin in origins] != [True]:
            return f"materialize: key: '{column}' must be a column of the table as it is"
    return ""


def _unwritable(tree: exp.Select, table: Relation) -> tuple[str, str]:
    """What keeps the question for changed rows from being written: an expression without a name, a name that is no column."""
    where = tree.args.get("where")
    if where is None:
        return "", ""
    plain = (exp.Column, exp.Star, exp.Alias, exp.Literal)
    unnamed = next((item.sql("duckdb") for item in tree.expressions if not isinstance(item, plain)), "")
    known = {column.name.lower() for column in table.object.columns}
    strange = next((each.name for each in where.find_all(exp.Column) if each.name.lower() not in known), "")
    return (
        unnamed and f"give {unnamed} a name with AS",
        strange and f"its WHERE must be about columns of the table, and '{strange}' is none",
    )


def _operators(plan: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for operator in plan:
        yield str(operator["name"]).strip()
        yield from _operators(operator.get("children", ()))


# ── what is asked ────────────────────────────────────────────────────────────────────────────


def said(stored: Materialization, value: str | None) -> str:
    """The last watermark seen, with what it is of: as the state keeps it."""
    return json.dumps({"watermark": stored.watermark, "key": stored.key, "value": value})


def mark_of(stored: Materialization, kept: str | None) -> str | None:
    """The last watermark seen, if it was of this watermark and key."""
    value = json.loads(kept or "{}").get("value")
    return str(value) if value is not None and kept == said(stored, value) else None


def has_more(shape: Product, value: str | None) -> str:
    """The question whether a row has come or changed since; rows with no watermark tell nothing.

    With a key the table is asked, where a row moves too that the product's WHERE leaves out from then on.
    """
    stored = _stored(shape)
    column = _column(shape, stored.watermark)
    asked, source = column.name, f"{name(shape.domain)}.{name(shape.name.name)}"
    if stored.key:
        asked, source = _origin(shape, column), _select(shape).args["from_"].this.sql("duckdb")
    above = (
        f"{name(asked)} > {_literal(value, column)}" if value is not None else f"{name(asked)} IS NOT NULL"
    )
    return f"SELECT 1 AS more FROM {source} WHERE {above} LIMIT 1"


def changed(shape: Product, value: str) -> str:
    """The question for every row that may have changed, in one scan; its columns are ``SERVES`` and the product's.

    A row that the product's WHERE leaves out now may have been in it before. Of such a row what the product makes of it is not
    reckoned: it may raise.
    """
    tree = _select(shape)
    where = tree.args.get("where")
    serves = (
        exp.Coalesce(this=where.this.copy(), expressions=[exp.false()]) if where is not None else exp.true()
    )
    items = [_where_it_serves(item, where) for item in tree.expressions]
    watermark = _column(shape, _stored(shape).watermark)
    origin = name(_origin(shape, watermark))
    since = exp.condition(f"{origin} >= {_literal(value, watermark)} OR {origin} IS NULL", dialect="duckdb")
    asked = tree.select(exp.alias_(serves, SERVES), *items, append=False).where(since, append=False)
    return asked.sql(dialect="duckdb")


def _where_it_serves(item: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    made = item.unalias()
    if where is None or isinstance(made, exp.Column | exp.Star | exp.Literal):
        return item
    return exp.alias_(exp.Case().when(where.this.copy(), made.copy()), item.alias, quoted=True)


def _stored(shape: Product) -> Materialization:
    assert shape.stored is not None  # noqa: S101 - only stored products are asked for changes
    return shape.stored


def _column(shape: Product, wanted: str) -> Column:
    column = shape.column(wanted)
    assert column is not None  # noqa: S101 - ``unfit`` has seen it
    return column


def _literal(value: str | None, column: Column) -> str:
    return f"CAST({text(str(value))} AS {column.type})"


def _select(shape: Product) -> exp.Select:
    tree = parse(shape.sql).tree
    assert isinstance(tree, exp.Select)  # noqa: S101 - ``unfit`` has seen it
    return tree


def _origin(shape: Product, column: Column) -> str:
    """The column of the table that is handed on as one of the product."""
    return shape.origins[shape.columns.index(column)][0].column


# ── how it is put together ───────────────────────────────────────────────────────────────────


def newest(stored: Materialization, rows: str) -> str:
    """The question for the last watermark of rows."""
    return f"SELECT CAST(max({name(stored.watermark)}) AS VARCHAR) FROM {rows}"


def merged(shape: Product, before: str, delta: str) -> str:
    """The rows of before whose keys are not among those that may have changed, and those that serve now."""
    columns = ", ".join(name(column.name) for column in shape.columns)
    keys = ", ".join(map(name, _stored(shape).key))
    return (
        f"SELECT {columns} FROM {before} ANTI JOIN {delta} USING ({keys}) "
        f"UNION ALL SELECT {columns} FROM {delta} WHERE {SERVES}"
    )


def require_keys(stored: Materialization, found: Sequence[tuple[Any, ...]]) -> None:
    """Refuse what ``key_faults`` found.

    Raises:
        InvalidValue: a key is NULL, or there twice.
    """
    if not found:
        return
    keys = ", ".join(map(repr, stored.key))
    what = "is NULL in a row" if found[0][0] else "is the same in several rows"
    raise InvalidValue(
        f"materialize: key: {keys} {what}", hint="choose columns that tell every row from all others"
    )


def key_faults(stored: Materialization, rows: str) -> str:
    """The question for a key that tells no row from all others: one row, true where it is NULL."""
    keys = ", ".join(map(name, stored.key))
    missing = " OR ".join(f"{name(key)} IS NULL" for key in stored.key)
    return (
        f"(SELECT true FROM {rows} WHERE {missing} LIMIT 1) UNION ALL "
        f"(SELECT false FROM {rows} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1)"
    )
