"""Which columns a statement's columns are made of.

DuckDB itself says what each name in the statement means: in its bound plan, stars, USING, aliases, PIVOT and
COLUMNS(…) are columns by position. What is not known there, or is not as expected, makes every column of the
statement one that derives from every column of every relation: too much, never too little.

A condition (WHERE, ON, HAVING) is no part of a value, but in a subquery that stands for a value it is one, as
in CASE: it chooses the value. A count carries no value: neither what it counts nor how a subquery chooses that.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from sqlglot import exp

from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.lineage_columns import Made, Unread
from fabric.lineage_plan import Reader
from fabric.types import Column, Origin, Resolved

log = logging.getLogger("ripstop.lineage")


def origins(
    resolved: Resolved, columns: Mapping[str, Sequence[Column]], width: int, engine: Engine
) -> tuple[tuple[Origin, ...], ...]:
    """For each column of a statement's result, the columns that it is made of.

    Args:
        resolved: the statement.
        columns: of each relation by its id; a product's from its shape.
        width: how many columns the result has.
        engine: binds the statement over empty relations; nothing is read.

    Returns:
        By column, its origins by relation and name; all columns of all relations, none direct, when the
        statement cannot be read.
    """
    try:
        found = _read(resolved, columns, engine)
        if len(found) != width:
            raise Unread(f"{len(found)} columns instead of {width}")
    except (Unread, FabricError, RecursionError) as error:
        log.info("what a statement is made of is not known: %s", error)
    except Exception:
        log.exception("what a statement is made of is not known")
    else:
        return tuple(
            tuple(Origin(part, name, made.sources[part, name]) for part, name in sorted(made.sources))
            for made in found
        )
    every = tuple(
        Origin(part, column.name, False)
        for part, relation in enumerate(resolved.relations)
        for column in columns[relation.id]
    )
    return (every,) * width


def _read(resolved: Resolved, columns: Mapping[str, Sequence[Column]], engine: Engine) -> tuple[Made, ...]:
    typed = {r.id: [(column.name, column.type) for column in columns[r.id]] for r in resolved.relations}
    plan = engine.bound_plan(resolved.text, typed)
    if plan is None:
        raise Unread("DuckDB gives no plan")
    (root,) = json.loads(plan)["plans"]
    parts = {relation.id: part for part, relation in enumerate(resolved.relations)}
    return Reader(parts, _shared(resolved.tree)).rows(root).columns


def _shared(tree: exp.Expr) -> frozenset[str] | None:
    """The lower-cased names that USING makes one column of two; None, any name, where NATURAL chose them."""
    names: set[str] = set()
    for join in tree.find_all(exp.Join):
        if str(join.args.get("method") or "").upper() == "NATURAL":
            return None
        names |= {column.name.lower() for column in join.args.get("using") or ()}
    return frozenset(names)
