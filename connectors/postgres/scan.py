"""A scan as one SELECT of Postgres: what may go down, and the text. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pyarrow as pa
from sqlglot import exp

from connectors.postgres.catalog import NEVER_NULL, proof_of_shape
from connectors.postgres.predicates import column_of, condition, fits, named, order_key, words
from connectors.postgres.types import WHOLE, Reading, reading
from fabric.predicates import Predicate, columns_of
from fabric.pushdown import describe, divide, leaves, takes_limit
from fabric.types import Capabilities, Column, Offer, Refusal, Scan, SemiJoin, Split, Table, TableName

# Types whose equality is that of their values, without rounding and whatever their precision.
_KEYS = frozenset({"integer", "text", "date", "uuid"})


# Types of which equal values are the same value, with nothing of their own to tell them apart.
_THEMSELVES = _KEYS | {"decimal", "boolean", "timestamp", "timestamptz"}


@dataclass(frozen=True, slots=True)
class Request:
    """What one split asks: the query, how its columns land, and the query that proves their shape.

    ``sql`` selects ``columns`` and behind them, for each array, its number of dimensions, or, where it ``counts``, how
    many rows are equal in all of them that are not ``summed``. Of such a column it selects the sum divided by the number of
    values that are not NULL, and behind all columns the remainder and that number. ``proof`` is the statement that fails unless every
    column that the query touches is of the Postgres type that the catalog knew. ``at_once``, where it is not empty, asks for
    the same rows, if they are few.
    """

    table: TableName
    columns: tuple[str, ...]
    readings: tuple[Reading, ...] = field(compare=False)
    sql: str
    proof: str
    counts: bool = False
    at_once: str = ""
    summed: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[int, ...]:
        """Where in ``columns`` the summed ones stand."""
        return tuple(map(self.columns.index, self.summed))


def capabilities(table: Table) -> Capabilities:
    """What Postgres answers as DuckDB does: by type, and for text by code point (``COLLATE "C"``)."""
    readings = {column.name.lower(): reading(column) for column in table.columns}
    families = {name: how.family for name, how in readings.items()}
    return Capabilities(
        predicates={name: words(family) for name, family in families.items()},
        order=frozenset(name for name, family in families.items() if family != "opaque"),
        summed=frozenset(name for name, how in readings.items() if how.is_whole),
        truncated=frozenset(name for name, family in families.items() if family in ("date", "timestamp")),
        limit=True,
        proven=True,
    )


def offer(scan: Scan) -> Offer:
    """The scan as SQL; what is left out is named with the reason."""
    able = capabilities(scan.table)
    taken, refused = _take(scan, able)
    limited = takes_limit(scan, taken, able)
    ordered = limited and bool(scan.order)
    joined = _semi_joins(scan.semi_joins, scan.table)
    alike = (named(scan.table, name) for name in scan.columns if name not in scan.summed)
    once = not limited and all(map(_is_itself, alike))
    counts, distinct = once and scan.counts, once and scan.distinct
    scan = replace(
        scan, summed=scan.summed if counts else (), truncated=scan.truncated if counts or distinct else ()
    )
    request = _request(scan, taken, joined, ordered, limited, counts, distinct)
    if not limited and (scan.limit is not None or scan.order):
        what = "ORDER BY" if scan.limit is None else f"LIMIT {scan.limit}"
        refused = (*refused, Refusal(what, _why_unlimited(scan, able)))
    return Offer(
        scan=scan,
        taken=taken,
        splits=(Split("all", request),),
        request=request.sql,
        order_taken=ordered,
        limit_taken=limited,
        semi_joins=joined,
        counts=counts,
        distinct=distinct,
        refused=refused,
        rows=_rows(scan, taken, limited) if not joined and not distinct else None,
    )


def _is_itself(column: Column) -> bool:
    how = reading(column)
    return how.family in _THEMSELVES and not how.is_array


def _why_unlimited(scan: Scan, able: Capabilities) -> str:
    if scan.limit is None:
        return "sorting at the source saves nothing without a limit"
    unsorted = next((key.column for key in scan.order if key.column.lower() not in able.order), None)
    return (
        f"{unsorted} is not sorted there as DuckDB sorts it" if unsorted else "a predicate stays with Ripstop"
    )


def _rows(scan: Scan, taken: tuple[Predicate, ...], limited: bool) -> float | None:
    if taken:
        return None
    return min(
        (float(n) for n in (scan.table.rows, scan.limit if limited else None) if n is not None), default=None
    )


def _take(scan: Scan, able: Capabilities) -> tuple[tuple[Predicate, ...], tuple[Refusal, ...]]:
    taken, refused = divide(scan.predicates, able)
    kept = []
    for predicate in taken:
        misfit = next((leaf.column for leaf in leaves(predicate) if not fits(leaf, scan.table)), None)
        if misfit is None:
            kept.append(predicate)
        else:
            refused = (*refused, Refusal(describe(predicate), f"the value is not of {misfit}'s type"))
    return tuple(kept), refused


def _semi_joins(wanted: tuple[SemiJoin, ...], table: Table) -> tuple[SemiJoin, ...]:
    """What Postgres takes of semi-joins: fewer conditions leave more rows."""
    return tuple(
        replace(
            each,
            predicates=_take(Scan(each.table, (each.key,), each.predicates), capabilities(each.table))[0],
            semi_joins=_semi_joins(each.semi_joins, each.table),
        )
        for each in wanted
        if _compares_alike(each, table)
    )


def _compares_alike(semi_join: SemiJoin, table: Table) -> bool:
    """Whether Postgres compares both columns as DuckDB would."""
    family = reading(named(table, semi_join.column)).family
    return family in _KEYS and family == reading(named(semi_join.table, semi_join.key)).family


def _among_keys(semi_join: SemiJoin, table: Table) -> exp.In:
    source = semi_join.table
    key = reading(named(source, semi_join.key)).subject(column_of(named(source, semi_join.key)))
    keys = exp.select(key).from_(exp.table_(source.name.name, db=source.name.schema, quoted=True))
    conditions = [condition(predicate, source) for predicate in semi_join.predicates]
    conditions += [_among_keys(each, source) for each in semi_join.semi_joins]
    if conditions:
        keys = keys.where(*conditions)
    column = named(table, semi_join.column)
    return exp.In(this=reading(column).subject(column_of(column)), query=exp.Subquery(this=keys))


def _request(
    scan: Scan,
    taken: tuple[Predicate, ...],
    joined: tuple[SemiJoin, ...],
    ordered: bool,
    limited: bool,
    counts: bool,
    distinct: bool,
) -> Request:
    table = scan.table
    columns = [named(table, name) for name in scan.columns]
    readings = tuple(reading(column) for column in columns)
    units = dict(scan.truncated)
    selected = [
        _quotient(column, how)
        if column.name in scan.summed
        else _beginning(column, units[column.name])
        if column.name in units
        else _selected(column, how)
        for column, how in zip(columns, readings, strict=True)
    ]
    selected += [
        exp.Anonymous(this="array_ndims", expressions=[column_of(column)])
        for column, how in zip(columns, readings, strict=True)
        if how.is_array
    ]
    for name in scan.summed:
        selected += _remainder(named(table, name))
    if counts:
        selected.append(exp.Count(this=exp.Star()))
    query = exp.select(*selected).from_(exp.table_(table.name.name, db=table.name.schema, quoted=True))
    conditions = [condition(predicate, table) for predicate in taken]
    conditions += [_among_keys(each, table) for each in joined]
    if conditions:
        query = query.where(*conditions)
    if counts:
        alike = (n for n, column in enumerate(columns, 1) if column.name not in scan.summed)
        query = query.group_by(*map(exp.Literal.number, alike))
    if distinct:
        query = query.distinct()
    if ordered:
        query = query.order_by(*(order_key(key, table) for key in scan.order))
    if limited and scan.limit is not None:
        query = query.limit(scan.limit)
    leaf_columns = (columns_of(leaf) for predicate in taken for leaf in leaves(predicate))
    tested = [named(table, column) for columns in leaf_columns for column in columns]
    tested += [named(table, each.column) for each in joined]
    sorting = [named(table, key.column) for key in scan.order if ordered]
    never_null = [named(table, name).name for name in scan.never_null]
    shape = {column.name: column.native for column in (*columns, *tested, *sorting)}
    shape |= {name: named(table, name).native + NEVER_NULL for name in never_null}
    return Request(
        table=table.name,
        columns=scan.columns,
        readings=readings,
        counts=counts,
        summed=scan.summed,
        sql=query.sql(dialect="postgres"),
        proof=proof_of_shape(table.name, tuple(shape.items())),
    )


def _selected(column: Column, how: Reading) -> exp.Expr:
    expression = how.select(column_of(column))
    if isinstance(expression, exp.Column):
        return expression
    return exp.alias_(expression, column.name, quoted=True)


def _quotient(column: Column, how: Reading) -> exp.Expr:
    """The sum of what would be sent of a column, by how many are not NULL, rounded towards zero: within the column's bounds."""
    divided = exp.Anonymous(this="div", expressions=[_sum(column, how), _number(column)])
    return exp.alias_(exp.cast(divided, WHOLE[how.wire]), column.name, quoted=True)


def _remainder(column: Column) -> list[exp.Expr]:
    """What is left of the sum, and how many values are not NULL."""
    left = exp.Anonymous(this="mod", expressions=[_sum(column, reading(column)), _number(column)])
    return [exp.cast(left, "BIGINT"), exp.Count(this=column_of(column))]


def _sum(column: Column, how: Reading) -> exp.Expr:
    # That of int8 is a numeric, and cannot overflow.
    value = how.select(column_of(column))
    return exp.Sum(this=value if how.wire == pa.int64() else exp.cast(value, "BIGINT"))


def _number(column: Column) -> exp.Expr:
    """How many values are not NULL, of the type of their sum; NULL where none is, since nothing is divided by zero."""
    # Functions of exactly these types are Postgres' own; one of others could be somebody's who may create some.
    number = exp.cast(exp.Count(this=column_of(column)), "DECIMAL")
    return exp.Nullif(this=number, expression=exp.Literal.number(0))


def _beginning(column: Column, unit: str) -> exp.Expr:
    """The first moment of a date's month, quarter or year; itself beyond the years that both calendars count alike."""
    own, kind = column_of(column), reading(column).type
    moment = exp.cast(own, "TIMESTAMP") if kind == "DATE" else own
    begun: exp.Expr = exp.Anonymous(
        this="date_trunc", expressions=[exp.cast(exp.Literal.string(unit), "TEXT"), moment]
    )
    first, end = (exp.cast(exp.Literal.string(f"{year}-01-01"), kind) for year in ("0001", "9999"))
    certain = exp.and_(exp.GTE(this=own, expression=first), exp.LT(this=own, expression=end))
    case = exp.case().when(certain, exp.cast(begun, kind) if kind == "DATE" else begun).else_(own)
    return exp.alias_(case, column.name, quoted=True)
