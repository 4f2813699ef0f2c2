"""A statement rewritten so that all it reads comes from one view: each block of it that reads tables is proven by itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.block_types import Block, Leaf, NotRead
from fabric.containment import Found, contained
from fabric.implication import ColumnKey
from fabric.remembered import depends_on_the_moment
from fabric.rollups import Stored, Unmatched
from fabric.select_blocks import Reading
from fabric.select_scope import Entries, entries_of
from fabric.types import Decision, Product, Relation, Resolved, RowFilter, Ruled, StoredTable, Table

Relations = Mapping[str, Relation]


@dataclass(frozen=True, slots=True)
class View:
    """A product, its snapshot, its SELECT as resolved now, and what was decided on each part when it was stored."""

    product: Product
    stored: StoredTable
    body: Resolved
    then: Mapping[str, Ruled]


@dataclass
class Rewriting:
    """Rewrites one statement over one view.

    Args:
        view: what is stored.
        decisions: of the reader, on all of the statement.
        shaped: gives a product its columns.
    """

    view: View
    decisions: Mapping[str, Decision]
    shaped: Callable[[Product], Product]
    _stored: list[tuple[Relation, Decision]] = field(default_factory=list)

    def statement(self, resolved: Resolved, names: Sequence[str]) -> tuple[Resolved, Mapping[str, Decision]]:
        """The statement over the view, and the decisions on it.

        Args:
            resolved: the statement.
            names: of its columns.

        Raises:
            NotRead: a part of it is of no form of which anything is proven.
            Unmatched: it is not proven that the view has all that it needs.
        """
        self._block_of_view = self._read_view()
        own = {each.id: each for each in resolved.relations}
        tree = self._query(resolved.tree, own, {}, names)
        used = {table.name for table in tree.find_all(exp.Table)}
        kept = [(relation, decision) for relation, decision in self._stored if relation.id in used]
        made_of = tuple(relation for relation, _ in kept)
        return Resolved(tree, made_of), {relation.id: decision for relation, decision in kept}

    def _read_view(self) -> Block:
        then = self.view.then

        def opens(relation: Relation) -> bool:
            ruled = then[relation.id]
            return not (ruled["rows"] or ruled["masks"] or ruled["hidden"])

        found = Reading(_every_column, self.shaped, opens).statement(self.view.body)
        if found.limit is not None or found.having is not None:
            raise Unmatched("it is cut off")
        if len(found.outputs) != len(self.view.stored.columns):
            raise Unmatched("it has other columns now")
        return found

    # ── queries ─────────────────────────────────────────────────────────────────────────────

    def _query(
        self, node: exp.Expr, own: Relations, entries: Entries, names: Sequence[str] | None
    ) -> exp.Expr:
        """A query over the view; ``names`` are its columns' where they are not its own to choose."""
        if isinstance(node, exp.Subquery):
            return self._rebuilt(node, own, entries, names)
        entries = entries_of(node, entries)
        if isinstance(node, exp.SetOperation):
            return self._rebuilt(node, own, entries, names)
        if not isinstance(node, exp.Select):
            raise NotRead("it is of another form than SELECT")
        try:
            return self._block(node, own, entries, names)
        except (NotRead, Unmatched) as why:
            try:
                return self._rebuilt(node, own, entries, names)
            except (NotRead, Unmatched):
                raise why from None

    def _block(
        self, node: exp.Select, own: Relations, entries: Entries, names: Sequence[str] | None
    ) -> exp.Select:
        reading = Reading(
            self._visible, self.shaped, self._opens, lambda inner: self._query(inner, own, entries, None)
        )
        block = reading.block(node, own, entries)
        said = names if names is not None else [each.name for each in block.outputs]
        if len(said) != len(block.outputs):
            raise NotRead("its columns are not known")
        if names is None and not all(said):
            if node.parent is None or isinstance(node.parent, exp.CTE) or node.parent.args.get("alias"):
                raise NotRead("it has columns without a name of their own")
            said = [f"c{n}" for n in range(len(said))]
        id = f"r_{secrets.token_hex(8)}"
        found = contained(block, self._block_of_view, self._columns(), id, said, self._accepting(block))
        self._add(id, found)
        table = exp.Table(
            this=exp.to_identifier(id, quoted=True),
            alias=exp.TableAlias(this=exp.to_identifier(id, quoted=True)),
        )
        return found.select.from_(table, copy=False)

    def _rebuilt(
        self, node: exp.Expr, own: Relations, entries: Entries, names: Sequence[str] | None
    ) -> exp.Expr:
        """The same with all queries in it over the view; none of its own reads a table."""

        def each(value: object, name: str) -> object:
            if isinstance(value, list):
                return [each(one, name) for one in value]
            if not isinstance(value, exp.Expr):
                return value
            if isinstance(value, exp.Table):
                return self._table(value, own)
            if isinstance(value, exp.Query):
                passed = (
                    names if isinstance(node, exp.SetOperation | exp.Subquery) and name == "this" else None
                )
                return self._query(value, own, entries, passed)
            return self._rebuilt(value, own, entries, None)

        return type(node)(**{name: each(value, name) for name, value in node.args.items()})

    def _table(self, node: exp.Table, own: Relations) -> exp.Expr:
        """A table in a FROM: a WITH entry stays, a product is replaced by its body."""
        relation = own.get(node.name)
        if relation is None and isinstance(node.this, exp.Identifier):
            return node.copy()
        if relation is None or isinstance(relation.object, Table) or relation.body is None:
            raise Unmatched("it does not have the rows of a table that is read by itself")
        alias = node.args.get("alias")
        if (
            not self._opens(relation)
            or not isinstance(alias, exp.TableAlias)
            or set(name for name, value in node.args.items() if value) != {"this", "alias"}
        ):
            raise NotRead(f"'{relation.written}' has rules of its own")
        names = [column.name for column in self.shaped(relation.object).columns]
        within = {each.id: each for each in relation.body.relations}
        body = self._query(relation.body.tree, within, {}, names)
        columns = alias.args.get("columns") or [exp.to_identifier(name, quoted=True) for name in names]
        return exp.Subquery(
            this=body, alias=exp.TableAlias(this=alias.this.copy(), columns=[each.copy() for each in columns])
        )

    # ── what the reader sees ────────────────────────────────────────────────────────────────

    def _visible(self, relation: Relation) -> tuple[str, ...]:
        hidden = self.decisions[relation.id].hidden
        return tuple(name for name in _every_column(relation) if name not in hidden)

    def _opens(self, relation: Relation) -> bool:
        decision = self.decisions[relation.id]
        return not (decision.rows or decision.masks or decision.hidden)

    def _columns(self) -> list[Stored]:
        return [Stored(each.name, each.type, exp.null()) for each in self.view.stored.columns]

    def _accepting(self, block: Block) -> Callable[[tuple[tuple[Leaf, Leaf], ...]], None]:
        """Refuses leaves of which the reader would see other values or more rows than are stored."""
        read: dict[str, set[str]] = {leaf.key: set() for leaf in block.leaves}
        for each in block.expressions():
            for column in each.find_all(exp.Column):
                if column.table in read:
                    read[column.table].add(column.name.lower())

        def accept(pairs: tuple[tuple[Leaf, Leaf], ...]) -> None:
            for mine, theirs in pairs:
                self._require_same(mine, self.view.then[theirs.relation.id], read[mine.key])

        return accept

    def _require_same(self, mine: Leaf, then: Ruled, read: set[str]) -> None:
        decision, table = self.decisions[mine.relation.id], mine.relation.object
        types, masks = (
            then.get("types") or {},
            {mask.column: [mask.kind, mask.expression] for mask in decision.masks},
        )
        for name in read:
            column = table.column(name)
            if column is None or types.get(name) != column.type:
                raise Unmatched(f"'{name}' had another type when it was stored")
            if masks.get(name) != then["masks"].get(name) or name in then["hidden"]:
                raise Unmatched(f"'{name}' is masked for you in another way than it is stored")
        texts = [sorted(each.text for each in group) for group in decision.rows]
        if any(group not in texts for group in then["rows"]):
            raise Unmatched("it was stored under a rule that you do not have")

    def _add(self, id: str, found: Found) -> None:
        """One more reading of the stored table, with the reader's rules that it was not stored under."""
        rows: list[tuple[RowFilter, ...]] = []
        for mine, theirs in found.pairs:
            then = self.view.then[theirs.relation.id]
            for group in self.decisions[mine.relation.id].rows:
                if sorted(each.text for each in group) not in then["rows"]:
                    if mine.key in found.left_joined:  # it takes rows before they are joined
                        raise Unmatched("a rule takes more from you than from it")
                    rows.append(tuple(_rebound(each, mine, then, found.column) for each in group))
        stored, product = self.view.stored, self.view.product
        relation = Relation(id, stored.name, stored, f"domain:{product.domain}", product.written)
        self._stored.append((relation, Decision(True, rows=tuple(rows))))


def _every_column(relation: Relation) -> tuple[str, ...]:
    return tuple(column.name.lower() for column in relation.object.columns)


def _rebound(
    row_filter: RowFilter, leaf: Leaf, then: Ruled, stored: Callable[[ColumnKey], str | None]
) -> RowFilter:
    """A row rule over the columns of the stored table that hold the raw values which it is about."""
    table, types = leaf.relation.object, then.get("types") or {}
    if row_filter.condition.relations or not row_filter.total or depends_on_the_moment(row_filter.text):
        raise Unmatched("a rule takes more from you than from it")

    def put(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        lower = node.name.lower()
        column, name = table.column(lower), stored((leaf.key, lower))
        masked = lower in then["masks"] or lower in then["hidden"]
        if column is None or name is None or masked or types.get(lower) != column.type:
            raise Unmatched("a rule takes more from you than from it")
        return exp.column(name, quoted=True)

    tree = row_filter.condition.tree.transform(put)
    return RowFilter(row_filter.text, Resolved(tree, ()), True)
