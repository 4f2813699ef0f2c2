"""Which columns a statement's columns are made of, and which decide about its rows.

DuckDB itself says what each name in the statement means: in its bound plan, stars, USING, aliases, PIVOT and
COLUMNS(…) are columns by position. What is not known there, or is not as expected, makes every column of the
statement one that derives from every column of every relation: too much, never too little.

A condition (WHERE, ON, HAVING) is no part of a value: it decides about rows. But in a subquery that stands for a
value it is one, as in CASE: it chooses the value. A count carries no value: neither what it counts nor how a subquery chooses that.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from sqlglot import exp

from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.lineage_columns import Unread
from fabric.lineage_plan import Reader, Rows
from fabric.lineage_ways import Sources, Way, carried
from fabric.product_types import Edge, Lineage
from fabric.types import Column, Origin, Resolved

log = logging.getLogger("ripstop.lineage")


def lineage(
    resolved: Resolved, columns: Mapping[str, Sequence[Column]], width: int, engine: Engine
) -> Lineage:
    """What each column of a statement's result is made of, and what decides which rows it has.

    Args:
        resolved: the statement.
        columns: of each relation by its id; a product's from its shape.
        width: how many columns the result has.
        engine: binds the statement over empty relations; nothing is read.

    Returns:
        Edges to relations' columns by position and name; to all columns of all relations, none handed on, when the
        statement cannot be read.
    """
    parts = tuple(relation.name for relation in resolved.relations)
    try:
        found = _read(resolved, columns, engine)
        if len(found.columns) != width:
            raise Unread(f"{len(found.columns)} columns instead of {width}")
    except (Unread, FabricError, RecursionError) as error:
        log.info("what a statement is made of is not known: %s", error)
    except Exception:
        log.exception("what a statement is made of is not known")
    else:
        rows = _edges(found.decided)
        return Lineage(
            parts,
            tuple(_edges(made.sources, rows) for made in found.columns),
            rows,
            tuple(_origins(made.sources) for made in found.columns),
        )
    every = [
        (part, column.name)
        for part, relation in enumerate(resolved.relations)
        for column in columns[relation.id]
    ]
    edges = tuple(Edge(part, name, "transformation") for part, name in every)
    origins = tuple(Origin(part, name, False) for part, name in every)
    return Lineage(parts, (edges,) * width, (), (origins,) * width, known=False)


def _edges(sources: Sources, known: Sequence[Edge] = ()) -> tuple[Edge, ...]:
    found = (
        Edge(*source, way.kind, way.masked)
        for source in sorted(sources)
        for way in Way
        if way in sources[source]
    )
    return tuple(dict.fromkeys(edge for edge in found if edge not in known))


def _origins(sources: Sources) -> tuple[Origin, ...]:
    found = carried(sources)
    return tuple(Origin(*source, found[source] == {Way.IDENTITY}) for source in sorted(found))


def _read(resolved: Resolved, columns: Mapping[str, Sequence[Column]], engine: Engine) -> Rows:
    typed = {r.id: [(column.name, column.type) for column in columns[r.id]] for r in resolved.relations}
    plan = engine.bound_plan(resolved.text, typed)
    if plan is None:
        raise Unread("DuckDB gives no plan")
    (root,) = json.loads(plan)["plans"]
    parts = {relation.id: part for part, relation in enumerate(resolved.relations)}
    return Reader(parts, _shared(resolved.tree)).rows(root)


def _shared(tree: exp.Expr) -> frozenset[str] | None:
    """The lower-cased names that USING makes one column of two; None, any name, where NATURAL chose them."""
    names: set[str] = set()
    for join in tree.find_all(exp.Join):
        if str(join.args.get("method") or "").upper() == "NATURAL":
            return None
        names |= {column.name.lower() for column in join.args.get("using") or ()}
    return frozenset(names)
