"""A SELECT as a block: tables joined by inner joins, conjuncts, keys, outputs; all over the tables' own columns.

What a block reads from derived tables, WITH entries and products that are blocks without keys is unfolded into it. The nodes that may
stand in one are listed: anything else is not read, and nothing is proved of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.types import Product, Relation, Resolved, Table

SCALARS: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not, exp.And, exp.Or, exp.EQ, exp.NEQ, exp.GT, exp.GTE,
        exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv,
        exp.Mod, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Var,
        exp.Interval, exp.Extract, exp.Year, exp.Month, exp.Day, exp.TimestampTrunc, exp.DateTrunc, exp.Substring, exp.Upper,
        exp.Lower, exp.Length, exp.Abs, exp.Round, exp.Floor, exp.Ceil, exp.DPipe, exp.Left, exp.Right,
    }
)  # fmt: skip
"""What gives the same value of the same values, at any time."""

AGGREGATES = (exp.Sum, exp.Count, exp.Min, exp.Max, exp.Avg)
_IN_AGGREGATES = (*AGGREGATES, exp.Filter, exp.Where, exp.Distinct, exp.Star)

_SELECT = {
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "order",
    "limit",
    "offset",
    "distinct",
    "with_",
}
_KINDS = {"kind": ("", "INNER", "CROSS"), "side": ("",), "method": ("",)}


class NotRead(Exception):
    """A statement, or a part of it, is no block; ``why`` holds nothing but what stands in it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Leaf:
    """One occurrence of a table; ``key`` stands for it in the block's expressions, its columns in lower case."""

    key: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a block's result; ``name`` is empty where DuckDB makes one up."""

    name: str
    expression: exp.Expr


@dataclass(frozen=True, slots=True)
class Block:
    """``SELECT outputs FROM leaves WHERE conjuncts GROUP BY keys HAVING … ORDER BY … LIMIT …``.

    ``keys`` are None without aggregation, and empty where all rows are one group. A column of ``order`` that stands for an
    output has no table.
    """

    leaves: tuple[Leaf, ...]
    conjuncts: tuple[exp.Expr, ...]
    outputs: tuple[Output, ...]
    keys: tuple[exp.Expr, ...] | None = None
    having: exp.Expr | None = None
    order: tuple[exp.Ordered, ...] = ()
    limit: exp.Expr | None = None
    offset: exp.Expr | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it hands on rows of its tables, each as often as they match."""
        return self.keys is None and not self.order and self.limit is None and self.offset is None

    def expressions(self) -> Iterator[exp.Expr]:
        """All that it computes."""
        yield from self.conjuncts
        yield from (each.expression for each in self.outputs)
        yield from self.keys or ()
        yield from self.order
        if self.having is not None:
            yield self.having


Shaped = Callable[[Product], Product]
Visible = Callable[[Relation], tuple[str, ...]]
Nested = Callable[[exp.Expr], exp.Expr]
Entries = Mapping[str, exp.Expr]
"""WITH entries in sight, by id."""


def _refuse_nested(node: exp.Expr) -> exp.Expr:
    raise NotRead("it has a subquery in an expression")


@dataclass
class Reading:
    """Reads blocks of one statement.

    Args:
        visible: the lower-cased columns of a table's occurrence.
        shaped: gives a product its columns.
        open: whether a product's body may stand in its place.
        nested: what stands for a subquery in an expression.
    """

    visible: Visible
    shaped: Shaped
    open: Callable[[Relation], bool]
    nested: Nested = _refuse_nested
    count: list[int] = field(default_factory=lambda: [0])

    def statement(self, resolved: Resolved) -> Block:
        """The whole of a statement as one block.

        Raises:
            NotRead: it is none.
        """
        tree = resolved.tree
        relations = {each.id: each for each in resolved.relations}
        if not isinstance(tree, exp.Select):
            raise NotRead("it is not one SELECT")
        return self.block(tree, relations, entries_of(tree, {}))

    def block(self, select: exp.Select, relations: Mapping[str, Relation], entries: Entries) -> Block:
        """One SELECT of a statement.

        Args:
            select: the SELECT.
            relations: of the statement, by id.
            entries: the WITH entries in sight, its own included.

        Raises:
            NotRead: it is no block.
        """
        for name, value in select.args.items():
            if value and name not in _SELECT:
                raise NotRead(f"it has {name.strip('_').upper()}")
        source = select.args.get("from_")
        if source is None:
            raise NotRead("it reads no table")
        scope = _Scope(self, relations, entries)
        scope.add(source.this)
        for join in select.args.get("joins") or ():
            scope.join(join)
        return _Built(scope, select).block()


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


class _Scope:
    """The FROM of a SELECT: what each name in it stands for."""

    def __init__(self, reading: Reading, relations: Mapping[str, Relation], entries: Entries) -> None:
        self.reading = reading
        self._relations = relations
        self._entries = entries
        self.leaves: list[Leaf] = []
        self.conjuncts: list[exp.Expr] = []
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
                raise NotRead("it has a join of another kind than inner")
        for name, kinds in _KINDS.items():
            if join.text(name).upper() not in kinds:
                raise NotRead("it has a join of another kind than inner")
        before = list(self.sources)
        alias = self.add(join.this)
        for column in join.args.get("using") or ():
            name = column.name.lower()
            left = self._joined.get(name) or self._one(name, before)
            right = self.sources[alias].get(name)
            if right is None:
                raise NotRead(f"'{name}' is not known")
            self.conjuncts.append(exp.EQ(this=left.copy(), expression=right.copy()))
            self._joined[name] = left
        on = join.args.get("on")
        if on is not None:
            self.conjuncts.append(self.bound(on))

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


class _Built:
    """The clauses of a SELECT over its scope."""

    def __init__(self, scope: _Scope, select: exp.Select) -> None:
        self._scope = scope
        self._select = select
        self._outputs = [output for item in select.expressions for output in self._output(item)]
        self._aliased = {
            item.alias.lower(): output
            for item, output in zip(select.expressions, self._outputs, strict=False)
            if isinstance(item, exp.Alias) and not select.is_star
        }

    def block(self) -> Block:
        select, scope = self._select, self._scope
        where = select.args.get("where")
        if where is not None:
            scope.conjuncts.append(scope.bound(where.this))
        having = select.args.get("having")
        keys = self._keys()
        limit, offset = select.args.get("limit"), select.args.get("offset")
        order = tuple(self._ordered(each) for each in (select.args.get("order") or exp.Order()).expressions)
        if limit is not None and (not order or not isinstance(limit, exp.Limit)):
            raise NotRead("its LIMIT leaves open which rows")
        if offset is not None and limit is None:
            raise NotRead("it has OFFSET without LIMIT")
        return Block(
            tuple(scope.leaves),
            tuple(part for each in scope.conjuncts for part in conjuncts_of(each)),
            tuple(self._outputs),
            keys,
            None if having is None else self._with_aliases(having.this),
            order,
            None if limit is None else _number(limit.expression),
            None if offset is None else _number(offset.expression),
        )

    def _output(self, item: exp.Expr) -> Iterator[Output]:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            star = item if isinstance(item, exp.Star) else item.this
            if any(star.args.values()) or any(
                join.args.get("using") for join in self._select.args.get("joins") or ()
            ):
                raise NotRead("its * is of another form")
            table = item.text("table").lower() if isinstance(item, exp.Column) else ""
            if table and table not in self._scope.sources:
                raise NotRead("its * is of another form")
            for alias, columns in self._scope.sources.items():
                if alias == table or not table:
                    yield from (Output(name, column.copy()) for name, column in columns.items())
            return
        made = self._scope.bound(item.unalias(), aggregates=True)
        plain = item.name if isinstance(item, exp.Column) else ""
        yield Output(item.alias or plain, made)

    def _keys(self) -> tuple[exp.Expr, ...] | None:
        group, distinct = self._select.args.get("group"), self._select.args.get("distinct")
        aggregated = any(has_aggregate(output.expression) for output in self._outputs)
        aggregated = aggregated or self._select.args.get("having") is not None
        if distinct is not None:
            if distinct.args.get("on") or group is not None or aggregated:
                raise NotRead("its DISTINCT is of another form")
            return tuple(output.expression.copy() for output in self._outputs)
        if group is None:
            return () if aggregated else None
        if any(value for name, value in group.args.items() if name not in ("expressions", "all")):
            raise NotRead("it groups in several ways")
        if group.args.get("all"):
            return tuple(o.expression.copy() for o in self._outputs if not has_aggregate(o.expression))
        return tuple(self._key(each) for each in group.expressions)

    def _key(self, node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal):
            made = self._outputs[self._place(node)].expression.copy()
        else:
            made = self._with_aliases(node)
        if has_aggregate(made) or not made.find(exp.Column):
            raise NotRead(f"it groups by '{node.sql(dialect='duckdb')}'")
        return made

    def _place(self, node: exp.Literal) -> int:
        if node.is_string or not node.name.isdigit() or not 1 <= int(node.name) <= len(self._outputs):
            raise NotRead(f"'{node.name}' is no column")
        return int(node.name) - 1

    def _ordered(self, node: exp.Expr) -> exp.Ordered:
        """A key of ORDER BY; a name is that of an output, before it is that of a column."""
        if not isinstance(node, exp.Ordered) or node.args.get("with_fill"):
            raise NotRead("its ORDER BY is of another form")
        key = node.this
        if isinstance(key, exp.Literal):
            self._place(key)
            made: exp.Expr = key.copy()
        elif isinstance(key, exp.Column) and not key.table and key.name.lower() in self._aliased:
            made = exp.column(key.name, quoted=True)
        else:
            made = self._with_aliases(key)
        return exp.Ordered(this=made, desc=node.args.get("desc"), nulls_first=node.args.get("nulls_first"))

    def _with_aliases(self, node: exp.Expr) -> exp.Expr:
        """An expression in which names of outputs may stand; not one that is a column's too, and means something else."""
        known: dict[str, exp.Expr] = {}
        for column in node.find_all(exp.Column):
            name = column.name.lower()
            output = self._aliased.get(name)
            if column.table or output is None or column.find_ancestor(exp.Query) is not self._select:
                continue
            if not self._scope.has(name):
                known[name] = output.expression
            elif shape_of(self._scope.column(column)) != shape_of(output.expression):
                raise NotRead(f"'{column.name}' is a column and an output")
        if not known:
            return self._scope.bound(node, aggregates=True)
        self._scope.sources[" "] = known
        try:
            return self._scope.bound(node, aggregates=True)
        finally:
            del self._scope.sources[" "]


def has_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate stands in it, not in a subquery of it."""
    walked = node.walk(prune=lambda one: isinstance(one, exp.Query))
    return any(isinstance(one, AGGREGATES) for one in walked)


def _number(node: exp.Expr) -> exp.Expr:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        raise NotRead("its LIMIT is no number")
    return node.copy()


def conjuncts_of(node: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that must all be true: of AND and BETWEEN both sides."""
    if isinstance(node, exp.Paren):
        yield from conjuncts_of(node.this)
    elif isinstance(node, exp.And):
        yield from conjuncts_of(node.this)
        yield from conjuncts_of(node.expression)
    elif isinstance(node, exp.Between) and not node.args.get("symmetric"):
        yield exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
        yield exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    else:
        yield node


# ── when two expressions are the same ────────────────────────────────────────────────────────

Shape = tuple[object, ...]
_UNORDERED = (exp.EQ, exp.NEQ, exp.And, exp.Or, exp.Add, exp.Mul)
_TURNED: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE}


def shape_of(node: exp.Expr) -> Shape:
    """Equal for expressions that are the same up to parentheses, and the order of sides that does not matter."""
    if isinstance(node, exp.Paren | exp.Alias):
        return shape_of(node.this)
    if isinstance(node, exp.Column):
        return ("column", node.table, node.name.lower())
    if isinstance(node, exp.Literal):
        return ("literal", node.is_string, node.name)
    turned = _TURNED.get(type(node))
    if turned is not None:
        return (turned.__name__, shape_of(node.expression), shape_of(node.this))
    if isinstance(node, exp.LT | exp.LTE):
        return (type(node).__name__, shape_of(node.this), shape_of(node.expression))
    if isinstance(node, _UNORDERED):
        return (type(node).__name__, *sorted((shape_of(node.this), shape_of(node.expression)), key=repr))
    return (
        type(node).__name__,
        *((name, _part(value)) for name, value in sorted(node.args.items()) if value),
    )


def _part(value: object) -> object:
    if isinstance(value, list):
        return tuple(map(_part, value))
    return shape_of(value) if isinstance(value, exp.Expr) else value
