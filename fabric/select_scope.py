"""The FROM of a SELECT: what each name in it stands for, over the tables' own columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sqlglot import exp

from fabric.block_types import Block, Leaf, LeftJoin, NotRead
from fabric.expressions import AGGREGATES, SCALARS, conjuncts_of
from fabric.types import Product, Relation, Table

_IN_AGGREGATES = (*AGGREGATES, exp.Filter, exp.Where, exp.Distinct, exp.Star)

_KINDS = {"kind": ("", "INNER", "CROSS"), "side": ("",), "method": ("",)}
_LEFT = {"kind": ("", "OUTER"), "side": ("LEFT",), "method": ("",)}
_OTHER_JOIN = "it has a join of another kind than inner or left"

Shaped = Callable[[Product], Product]
Visible = Callable[[Relation], tuple[str, ...]]
Nested = Callable[[exp.Expr], exp.Expr]
Entries = Mapping[str, exp.Expr]
"""WITH entries in sight, by id."""


class Reads(Protocol):
    """Reads the SELECTs of a statement; see ``fabric.select_blocks.Reading``."""

    @property
    def visible(self) -> Visible:
        """The lower-cased columns of a table's occurrence."""
        ...

    @property
    def shaped(self) -> Shaped:
        """Gives a product its columns."""
        ...

    @property
    def open(self) -> Callable[[Relation], bool]:
        """Whether a product's body may stand in its place."""
        ...

    @property
    def nested(self) -> Nested:
        """What stands for a subquery in an expression."""
        ...

    @property
    def count(self) -> list[int]:
        """How many leaves there are."""
        ...

    def block(self, select: exp.Select, relations: Mapping[str, Relation], entries: Entries) -> Block:
        """One SELECT as a block."""
        ...


def entries_of(query: exp.Expr, seen: Entries) -> Entries:
    """The WITH entries in sight of a query, those around it included.

    Raises:
        NotRead: they are recursive, or materialized on demand.
    """
    clause = query.args.get("with_")
    if not isinstance(clause, exp.With):
        return seen
    if clause.args.get("recursive"):
        raise NotRead("it is recursive")
    return {**seen, **{cte.alias: cte for cte in clause.expressions}}


class Scope:
    """The FROM of a SELECT: what each name in it stands for."""

    def __init__(self, reading: Reads, relations: Mapping[str, Relation], entries: Entries) -> None:
        self.reading = reading
        self._relations = relations
        self._entries = entries
        self.leaves: list[Leaf] = []
        self.conjuncts: list[exp.Expr] = []
        self.left_joins: list[LeftJoin] = []
        self.sources: dict[str, dict[str, exp.Expr]] = {}
        self._joined: dict[str, exp.Expr] = {}

    def add(self, node: exp.Expr) -> str:
        """One table of the FROM; the lower-cased name under which it stands there."""
        alias, columns = node.alias.lower(), self._columns(node)
        named = node.args.get("alias")
        renamed = named.args.get("columns") if isinstance(named, exp.TableAlias) else None
        if renamed:
            if len(renamed) != len(columns):
                raise NotRead("a table of it has other columns than named")
            columns = dict(zip((each.name.lower() for each in renamed), columns.values(), strict=True))
        if not alias or alias in self.sources:
            raise NotRead("two tables of it have one name")
        self.sources[alias] = columns
        return alias

    def join(self, join: exp.Join) -> None:
        """One more, joined to those before."""
        for name, value in join.args.items():
            if value and name not in ("this", "on", "using", *_KINDS):
                raise NotRead(_OTHER_JOIN)
        left = join.text("side").upper() == "LEFT"
        for name, kinds in (_LEFT if left else _KINDS).items():
            if join.text(name).upper() not in kinds:
                raise NotRead(_OTHER_JOIN)
        before, known, said = list(self.sources), len(self.leaves), len(self.conjuncts)
        joined = len(self.left_joins)
        alias = self.add(join.this)
        on = [self._equal(column.name.lower(), before, alias) for column in join.args.get("using") or ()]
        if join.args.get("on") is not None:
            on.append(self.bound(join.args["on"]))
        if not left:
            self.conjuncts += on
            return
        # What is computed of a row that is not there is NULL, only if it is a column.
        bare = all(isinstance(each, exp.Column) for each in self.sources[alias].values())
        if len(self.leaves) != known + 1 or len(self.left_joins) != joined or not bare:
            raise NotRead("it left joins something else than one table")
        own, self.conjuncts = self.conjuncts[said:], self.conjuncts[:said]
        parts = tuple(part for each in (*own, *on) for part in conjuncts_of(each))
        self.left_joins.append(LeftJoin(self.leaves[-1].key, parts))

    def _equal(self, name: str, before: list[str], alias: str) -> exp.Expr:
        """What a column of USING says."""
        left, right = self._joined.get(name) or self._one(name, before), self.sources[alias].get(name)
        if right is None:
            raise NotRead(f"'{name}' is not known")
        self._joined[name] = left
        return exp.EQ(this=left.copy(), expression=right.copy())

    def _columns(self, node: exp.Expr) -> dict[str, exp.Expr]:
        if isinstance(node, exp.Subquery):
            if any(value for name, value in node.args.items() if name not in ("this", "alias")):
                raise NotRead("it has a derived table of another form")
            return self._unfolded(node.this, self._relations, self._entries, None)
        if not isinstance(node, exp.Table) or any(
            value for name, value in node.args.items() if name not in ("this", "alias")
        ):
            raise NotRead("it reads something else than tables")
        relation = self._relations.get(node.name)
        if relation is None:
            entry = self._entries.get(node.name)
            if entry is None:
                raise NotRead("it reads something else than tables")
            names = entry.args["alias"].args.get("columns")
            said = [each.name for each in names] if names else None
            return self._unfolded(entry.this, self._relations, self._entries, said)
        if isinstance(relation.object, Table):
            return self._leaf(relation)
        if relation.body is None or not self.reading.open(relation):
            raise NotRead(f"'{relation.written}' has rules of its own")
        body = relation.body
        own = {each.id: each for each in body.relations}
        shown = [column.name for column in self.reading.shaped(relation.object).columns]
        return self._unfolded(body.tree, own, {}, shown)

    def _leaf(self, relation: Relation) -> dict[str, exp.Expr]:
        key = f"t{self.reading.count[0]}"
        self.reading.count[0] += 1
        self.leaves.append(Leaf(key, relation))
        return {name: exp.column(name, key, quoted=True) for name in self.reading.visible(relation)}

    def _unfolded(
        self, query: exp.Expr, relations: Mapping[str, Relation], entries: Entries, names: list[str] | None
    ) -> dict[str, exp.Expr]:
        """The columns of a query that is a block of plain rows, whose tables become this one's."""
        if not isinstance(query, exp.Select):
            raise NotRead("a table of it is not one SELECT")
        made = self.reading.block(query, relations, entries_of(query, entries))
        if not made.is_plain:
            raise NotRead("a table of it is aggregated")
        self.leaves += made.leaves
        self.conjuncts += made.conjuncts
        self.left_joins += made.left_joins
        said = names if names is not None else [output.name for output in made.outputs]
        found = {name.lower(): output.expression for name, output in zip(said, made.outputs, strict=False)}
        if len(said) != len(made.outputs) or len(found) != len(said) or "" in found:
            raise NotRead("a table of it has columns without a name of their own")
        return found

    # ── names ───────────────────────────────────────────────────────────────────────────────

    def _one(self, name: str, among: list[str]) -> exp.Expr:
        found = [self.sources[each][name] for each in among if name in self.sources[each]]
        if len(found) != 1:
            raise NotRead(f"'{name}' is not known")
        return found[0]

    def has(self, name: str) -> bool:
        """Whether a name without a table is that of a column."""
        return any(name in columns for columns in self.sources.values())

    def column(self, node: exp.Column) -> exp.Expr:
        """What a column of the statement stands for."""
        name, table = node.name.lower(), node.table.lower()
        if node.args.get("db"):
            raise NotRead(f"'{node.name}' is not known")
        if not table:
            found = self._joined.get(name) or self._one(name, list(self.sources))
        elif table in self.sources and name in self.sources[table]:
            found = self.sources[table][name]
        else:
            raise NotRead(f"'{node.name}' is not known")
        return found.copy() if isinstance(found, exp.Column) else exp.paren(found.copy())

    def bound(self, node: exp.Expr, *, aggregates: bool = False) -> exp.Expr:
        """An expression of the statement over the tables' own columns."""
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Query):
            return self.reading.nested(node)
        if type(node) not in SCALARS and not (aggregates and isinstance(node, _IN_AGGREGATES)):
            raise NotRead(f"'{node.sql(dialect='duckdb')}' is of no form that is compared")

        def each(value: object) -> object:
            if isinstance(value, list):
                return [each(one) for one in value]
            return self.bound(value, aggregates=aggregates) if isinstance(value, exp.Expr) else value

        return type(node)(**{name: each(value) for name, value in node.args.items()})
