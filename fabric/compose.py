"""A resolved statement as one text for DuckDB, its restrictions in it, and what DuckDB makes of it.

Restrictions stand in a relation's own WITH entry: the rows that its filters leave, and over them the visible
columns, masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sqlglot import exp

from fabric.engine import Engine, Probe
from fabric.errors import UserError
from fabric.file_shapes import name
from fabric.naming import broken_product, not_served
from fabric.predicates import Value
from fabric.pushdown import literal
from fabric.remembered import EmptyRelations
from fabric.resolve import beneath, relations
from fabric.types import Column, Decision, Governed, Product, Relation, Resolved, RowFilter, Table
from fabric.veil import Veiled, veil

NO_DECISIONS: Mapping[str, Decision] = {}

BARRIER = " LIMIT 9223372036854775807"
"""No expression is moved below a limit: what stands above it never meets a row that stands below and not above."""

# DuckDB 2.0 hands these to Arrow, and takes them back, as DECIMAL, BLOB, TIME and VARCHAR.
_NOT_IN_ARROW = re.compile(r"\b(U?HUGEINT|BIT|TIME WITH TIME ZONE|ENUM|UUID|JSON)\b")

Body = Callable[[Relation, Table], str]
Guard = Callable[[Relation, str], str]


def compose(resolved: Resolved, body: Body, decisions: Mapping[str, Decision], guard: Guard) -> str:
    """The whole statement as text: each relation is a WITH entry under its id, inlined by DuckDB.

    Args:
        resolved: the statement.
        body: gives the SELECT of a table's relation; a product's is its own statement, whose parts stand in
            front of it.
        decisions: by relation id.
        guard: puts a relation's restrictions around its SELECT.
    """
    entries = [_entry(resolved, relation, body, guard) for relation in relations(resolved, decisions)]
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


def compose_one(
    resolved: Resolved,
    relation: Relation,
    columns: tuple[Column, ...],
    body: Body,
    decisions: Mapping[str, Decision],
    guard: Guard,
    where: str = "",
) -> str:
    """Some columns of one relation, ``where`` a condition holds, as a statement of its own, with all that it is made of."""
    entries = [_entry(resolved, part, body, guard) for part in (*beneath(relation, decisions), relation)]
    wanted = ", ".join(name(column.name) for column in columns) or "true"
    condition = f" WHERE {where}" if where else ""
    return f"WITH {', '.join(entries)} SELECT {wanted} FROM {name(relation.id)}{condition}"


def _entry(resolved: Resolved, relation: Relation, body: Body, guard: Guard) -> str:
    if not isinstance(relation.object, Product):
        text = body(relation, relation.object)
    elif relation.body is None:
        raise broken(resolved, relation)
    else:
        text = relation.body.text
    return f"{name(relation.id)} AS NOT MATERIALIZED ({guard(relation, text)})"


# ── restrictions ─────────────────────────────────────────────────────────────────────────────


def restricted(
    relation: Relation, text: str, decision: Decision, also: str = "", barrier: bool = False
) -> str:
    """A relation's SELECT with its restrictions around it; the same text when there are none.

    Args:
        relation: whose.
        text: its rows, unrestricted, by the object's own column names.
        decision: its restrictions.
        also: a condition over those columns that cannot raise, and that the answer does not depend on.
        barrier: whether what stands above may raise, and must not meet a row that the filters take.
    """
    conditions = [_any_of(group) for group in decision.rows] + ([also] if also else [])
    if conditions:
        limit = BARRIER if barrier and decision.rows else ""
        alias = name(_bare(relation))
        text = f"SELECT * FROM ({text}) AS {alias} WHERE {' AND '.join(conditions)}{limit}"
    if decision.masks or decision.hidden:
        text = f"SELECT {_visible(decision)} FROM ({text}) AS {name(_bare(relation))}"
    return text


def _bare(relation: Relation) -> str:
    """The name by which rules know the object: a product's without its version."""
    found = relation.object
    return found.bare if isinstance(found, Product) else found.name.name


def _any_of(group: tuple[RowFilter, ...]) -> str:
    return f"({' OR '.join(_condition(row_filter) for row_filter in group)})"


def _condition(row_filter: RowFilter) -> str:
    """A filter as text; one that raises is false, row by row."""
    item = row_filter.condition.tree.expressions[0]
    text = (item.this if isinstance(item, exp.Alias) else item).sql(dialect="duckdb")
    return f"({text})" if row_filter.total else f"coalesce(TRY({text}), false)"


def _visible(decision: Decision) -> str:
    masks = {mask.column: mask.expression for mask in decision.masks}
    return ", ".join(
        f"{masks.get(column.name.lower(), name(column.name))} AS {name(column.name)}"
        for column in decision.columns
        if column.name.lower() not in decision.hidden
    )


# ── a table's own columns ────────────────────────────────────────────────────────────────────


def raw_name(relation: Relation) -> str:
    """The name under which a relation's own columns are registered with DuckDB."""
    return f"{relation.id}_t"


def guarded_name(relation: Relation) -> str:
    """The name under which a relation is registered that was restricted in a statement of its own."""
    return f"{relation.id}_g"


def column_id(relation: Relation, position: int) -> str:
    """The name of a relation's own column, which belongs to this occurrence alone."""
    return f"{relation.id}_{position}"


def select(
    relation: Relation,
    table: Table,
    fetched: tuple[int, ...],
    witnesses: Mapping[int, Value] = MappingProxyType({}),
) -> str:
    """A relation's columns by their own names; one at a position that is not fetched is its witness, or NULL."""

    def read(n: int, kind: str) -> str:
        if n in fetched:
            return _own_type(name(f"{relation.id}_{n}"), kind)
        value = literal(witnesses[n]).sql("duckdb") if n in witnesses else "NULL"
        return f"CAST({value} AS {kind})"

    parts = [f"{read(n, column.type)} AS {name(column.name)}" for n, column in enumerate(table.columns)]
    source = f" FROM {name(raw_name(relation))}" if fetched else " WHERE false"
    return f"SELECT {', '.join(parts)}{source}"


def select_guarded(relation: Relation, visible: tuple[Column, ...], handed_over: tuple[Column, ...]) -> str:
    """The visible columns of a relation that was restricted in a statement of its own."""
    own = {column.name: n for n, column in enumerate(handed_over)}
    parts = [
        f"CAST({name(f'{relation.id}_{own[c.name]}') if c.name in own else 'NULL'} AS {c.type}) AS {name(c.name)}"
        for c in visible
    ]
    return f"SELECT {', '.join(parts)} FROM {name(guarded_name(relation))}"


def _own_type(column: str, kind: str) -> str:
    """A column as the type that it was declared with, where Arrow carries it as another."""
    carried_as_another = kind not in ("UUID", "JSON") and _NOT_IN_ARROW.search(kind)
    return f"CAST({column} AS {kind})" if carried_as_another else column


def table_relations(
    resolved: Resolved, decisions: Mapping[str, Decision] = NO_DECISIONS
) -> list[tuple[Relation, Table]]:
    """Every relation that is a table, those beneath products and in row rules included."""
    return [
        (relation, relation.object)
        for relation in relations(resolved, decisions)
        if isinstance(relation.object, Table)
    ]


# ── what DuckDB makes of it ──────────────────────────────────────────────────────────────────


def inline(
    resolved: Resolved, decisions: Mapping[str, Decision] = NO_DECISIONS, tree: exp.Expr | None = None
) -> str:
    """The statement over ``empty_relations``, its restrictions without barriers.

    That is its meaning: what DuckDB makes of it says on what the answer depends. ``tree`` takes the place of its own.
    """

    def guard(relation: Relation, text: str) -> str:
        decision = decisions.get(relation.id)
        return restricted(relation, text, decision) if decision else text

    return compose(replace(resolved, tree=tree or resolved.tree), _whole, decisions, guard)


def meaning(governed: Governed) -> str:
    """``inline`` of a governed statement, composed once."""
    text: str | None = governed.composed.get("meaning")
    if text is None:
        known, veiled = veiled_meaning(governed)
        text = known.restore(veiled) if known else inline(governed.resolved, governed.decisions)
        governed.composed["meaning"] = text
    return text


def veiled_meaning(governed: Governed) -> tuple[Veiled | None, str]:
    """``meaning`` with stand-ins for values that decide about nothing else, composed once; None without any."""
    if "veiled" not in governed.composed:
        known = veil(governed)
        text = inline(governed.resolved, governed.decisions, known.tree) if known else ""
        alone = known is not None and known.stands_in(text) == len(known.values)
        governed.composed["veiled"] = (known if alone else None, text)
    found: tuple[Veiled | None, str] = governed.composed["veiled"]
    return found


def _whole(relation: Relation, table: Table) -> str:
    return f"SELECT * FROM {name(_view_name(relation))}"


def _view_name(relation: Relation) -> str:
    """The name of a view of all columns by their own names: its text is parsed once, and not with every statement."""
    return f"{relation.id}_v"


def empty_relations(tables: Iterable[tuple[Relation, Table]]) -> EmptyRelations:
    """What DuckDB plans a statement's meaning over: each table's own columns, and the view of them that it names."""
    found: dict[str, Sequence[tuple[str, str]] | str] = {}
    for relation, table in tables:
        columns = [(column_id(relation, n), column.type) for n, column in enumerate(table.columns)]
        found[raw_name(relation)] = columns
        found[_view_name(relation)] = select(relation, table, tuple(range(len(columns))))
    return found


def probe(resolved: Resolved, engine: Engine, decisions: Mapping[str, Decision] = NO_DECISIONS) -> Probe:
    """Bind the statement over empty relations; every table must have its columns.

    Raises:
        FabricError: it does not bind, or a product in it is broken.
    """
    return engine.probe(inline(resolved, decisions), empty_relations(table_relations(resolved, decisions)))


def probe_relation(resolved: Resolved, engine: Engine) -> Probe:
    """Bind the statement as a relation, as which a product is read: there its columns have names of their own.

    Raises:
        FabricError: as ``probe``.
    """
    entries = ", ".join(_entry(resolved, part, _whole, lambda _, text: text) for part in relations(resolved))
    front = f"WITH {entries} " if entries else ""
    text = f"{front}SELECT * FROM ({resolved.text}) AS product"
    return engine.probe(text, empty_relations(table_relations(resolved)))


def probe_governed(governed: Governed, engine: Engine) -> Probe:
    """The same of a governed statement."""
    relations = empty_relations(table_relations(governed.resolved, governed.decisions))
    known, text = veiled_meaning(governed)
    found = engine.probe_veiled(known, text, relations) if known else None
    return found or engine.probe(meaning(governed), relations)


def broken(resolved: Resolved, relation: Relation) -> UserError:
    """The error for a product that does not serve: it names what the statement names, never a part of it."""
    named = next((top for top in resolved.relations if top is relation or _within(top, relation)), relation)
    if named is relation and isinstance(named.object, Product):
        return not_served(named.written, named.object)
    owner = named.object.owner if isinstance(named.object, Product) else ""
    return broken_product(named.written, owner)


def _within(top: Relation, part: Relation) -> bool:
    return any(inner is part for inner in beneath(top))
