"""A scan as one SELECT that every SQL database answers alike. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from sqlglot import exp

from connectors.adbc.catalog import AdbcTable
from connectors.adbc.conduct import AdbcRequest
from connectors.adbc.sqlite import sampled
from connectors.adbc.types import INTEGER_WORDS, INTEGERS, OTHER_WORDS
from fabric.predicates import AllOf, AnyOf, ColumnComparison, Leaf, Membership, NullTest, Pattern, Predicate
from fabric.pushdown import describe, divide, leaves, takes_limit, to_expression
from fabric.types import Capabilities, Offer, Refusal, Scan, Split, Table

_INT64 = range(-(2**63), 2**63)


def capabilities(table: Table) -> Capabilities:
    """Integer comparisons, IS NULL and LIMIT: the rest differs from database to database."""
    return Capabilities(
        predicates={
            column.name.lower(): INTEGER_WORDS if column.type in INTEGERS else OTHER_WORDS
            for column in table.columns
        },
        limit=True,
    )


def offer(scan: Scan, dialect: str) -> Offer:
    """The scan as SQL of ``dialect``; what is left out is named with the reason."""
    table = scan.table
    if not isinstance(table, AdbcTable):
        raise TypeError("an ADBC source scans its own tables")
    able = capabilities(table)
    taken, refused = divide(scan.predicates, able)
    misfits = tuple(each for each in taken if not all(map(_fits, leaves(each))))
    taken = tuple(each for each in taken if each not in misfits)
    refused += tuple(Refusal(describe(each), "the value is no 64-bit integer") for each in misfits)
    limited = takes_limit(scan, taken, able)
    if scan.limit is not None and not limited:
        refused += (Refusal(f"LIMIT {scan.limit}", "an order or a predicate stays with Ripstop"),)
    request = _request(scan, table, taken, scan.limit if limited else None, dialect)
    return Offer(
        scan=scan,
        taken=taken,
        splits=(Split("all", request),),
        request=request.sql,
        order_taken=limited and bool(scan.order),
        limit_taken=limited,
        refused=refused,
    )


def _fits(leaf: Leaf) -> bool:
    if isinstance(leaf, NullTest):
        return True
    if isinstance(leaf, Pattern | ColumnComparison):
        return False
    values = leaf.values if isinstance(leaf, Membership) else (leaf.value,)
    return all(type(value) is int and value in _INT64 for value in values)


def _request(
    scan: Scan, table: AdbcTable, taken: tuple[Predicate, ...], limit: int | None, dialect: str
) -> AdbcRequest:
    kinds = {
        column.name.lower(): (column.name, kind)
        for column, kind in zip(table.columns, table.arrow, strict=True)
    }
    wanted = [kinds[name.lower()] for name in scan.columns]
    query = exp.select(*(exp.column(exp.to_identifier(name, quoted=True)) for name, _ in wanted))
    query = query.from_(_qualified(table))
    if taken:
        query = query.where(*(_condition(each, table) for each in taken))
    if limit is not None:
        query = query.limit(limit)
    types = tuple(kind for _, kind in wanted)
    whole = sampled(query, types) if dialect == "sqlite" else query
    return AdbcRequest(table.name, scan.columns, types, whole.sql(dialect=dialect), dialect == "sqlite")


def _qualified(table: AdbcTable) -> exp.Table:
    # A database without schemas (SQLite, MySQL) has the catalog in front of the name.
    catalog, schema, name = table.path
    parts = [part for part in (catalog, schema) if part]
    outer = parts[0] if len(parts) == 2 else None
    return exp.table_(name, db=parts[-1] if parts else None, catalog=outer, quoted=True)


def _condition(predicate: Predicate, table: AdbcTable) -> exp.Expr:
    if isinstance(predicate, AllOf | AnyOf):
        join = exp.and_ if isinstance(predicate, AllOf) else exp.or_
        return exp.paren(
            reduce(lambda a, b: join(a, b), (_condition(part, table) for part in predicate.parts))
        )
    column = table.column(predicate.column)
    if column is None:
        raise KeyError(f"{table.name} has no column {predicate.column}")
    return to_expression(replace(predicate, column=column.name))  # quoted names have case elsewhere
