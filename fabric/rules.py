"""Row rules bound to an object: its columns, the relations of their subqueries, their type, whether they may raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from fabric.catalog import Catalog
from fabric.compose import empty_relations, inline, table_relations
from fabric.confirm import confirm
from fabric.engine import Engine
from fabric.errors import InvalidConfig
from fabric.file_shapes import name
from fabric.parse import parse
from fabric.product_types import key_of
from fabric.questions import Question
from fabric.resolve import relations, resolve, resolve_rule
from fabric.snapshots import has_columns
from fabric.spi import Governor, StandIn
from fabric.stored import StoredTable, is_fresh
from fabric.substitution import Looks, substitution_for
from fabric.types import DEFAULT_SCHEMA, Column, Decision, Parsed, Product, Resolved, RowFilter, Table

# DuckDB takes a bare name of these for a call when no column has it, be it in quotes: a rule that names a column
# which is gone would bind, and often be true (tried on 2.0.0; a test compares).
_CALLED_BARE = frozenset(
    """
    current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
    localtimestamp session_user user
    """.split()  # noqa: SIM905
)


class RuleBinder:
    """Binds row rules to objects of a catalog; implements ``fabric.spi.Binder``.

    Args:
        catalog: what there is.
        engine: binds the text of a rule over empty relations.
    """

    def __init__(self, catalog: Catalog, engine: Engine) -> None:
        self._catalog = catalog
        self._engine = engine
        self._substitution: Looks | None = None
        self._accepted: float | None = None

    def answering(self, question: Question, parsed: Parsed, governor: Governor) -> RuleBinder:
        """The same for one question, for which snapshots may answer."""
        made = RuleBinder(self._catalog, self._engine)
        made._accepted = question.max_staleness
        made._substitution = substitution_for(self._catalog, self._engine, governor, self, question, parsed)
        return made

    def shaped(self, product: Product) -> Product:
        """The product with its columns, their tags and origins."""
        return self._catalog.shaped(product)

    def parts(self, product: Product) -> Sequence[Table | Product]:
        """What its SELECT reads, in the order that its origins count them in."""
        resolved = resolve(
            parse(product.sql), self._catalog.whole(product.domain), None, f"domain:{product.domain}"
        )
        return [relation.object for relation in resolved.relations]

    def snapshots(self) -> Callable[[Product], StoredTable | None]:
        """The snapshot of a product, or the one that it is read at, if its columns are those that its SELECT gives now.

        It is no older than is accepted.
        """
        current, retained = self._catalog.snapshots, self._catalog.retained

        def snapshot(product: Product) -> StoredTable | None:
            if product.at:
                found = retained.at(product) if retained is not None else None
            else:
                found = current.get(f"{key_of(product)}\0{product.sql}") if current else None
                if found is not None and not is_fresh(found, self._accepted):
                    return None
            return (
                found
                if found is not None and has_columns(found.columns, self.shaped(product).columns)
                else None
            )

        return snapshot

    def stand_in(self, resolved: Resolved, decisions: Mapping[str, Decision]) -> StandIn:
        """What answers the statement from a snapshot in its place; see ``fabric.spi.Binder``."""
        return self._substitution(resolved, decisions) if self._substitution else StandIn()

    def bind(self, condition: exp.Expr, found: Table | Product, reader: str) -> RowFilter:
        """A row rule over an object's columns; its subqueries read as ``reader``.

        Raises:
            InvalidConfig: it is not a condition over these columns, or may raise where that cannot be caught.
            FabricError: a subquery names what is not there.
        """
        columns = self._columns(found)
        resolved = resolve_rule(_bare(condition, found), self._catalog.whole(), reader)
        if any(isinstance(r.object, Product) and r.body is None for r in relations(resolved)):
            raise InvalidConfig("a product that it reads is broken")
        self._refuse_calls(resolved, columns)
        kind, total = self._judged(resolved, name(_bare_name(found)), columns)
        if kind != "BOOLEAN":
            raise InvalidConfig(f"it is a {kind}, and must be true or false")
        if resolved.relations and not total:
            raise InvalidConfig("a condition with a subquery must not be able to raise: use TRY_CAST")
        return RowFilter(condition.sql(dialect="duckdb"), resolved, total)

    def type_of(self, expression: str, columns: Sequence[Column]) -> str:
        """The DuckDB type of an expression over columns.

        Raises:
            FabricError: it does not fit them.
        """
        return self._engine.probe(f"SELECT {expression} FROM ({_empty(columns)})", {}).types[0]

    def _refuse_calls(self, resolved: Resolved, columns: Sequence[Column]) -> None:
        """Refuse a name of a column that is not there where DuckDB would call a function instead."""
        named = [column for column in resolved.tree.find_all(exp.Column) if not column.table]
        called = [column for column in named if column.name.lower() in _CALLED_BARE]
        if not called:
            return
        parts = (self._columns(relation.object) for relation in resolved.relations)
        own = {column.name.lower() for column in columns}
        seen_by_subqueries = own | {column.name.lower() for part in parts for column in part}
        for column in called:
            is_own = column.find_ancestor(exp.Query) is resolved.tree
            if column.name.lower() not in (own if is_own else seen_by_subqueries):
                raise InvalidConfig(f"there is no column '{column.name}'")

    def _columns(self, found: Table | Product) -> tuple[Column, ...]:
        return (self.shaped(found) if isinstance(found, Product) else found).columns

    def _judged(self, resolved: Resolved, alias: str, columns: Sequence[Column]) -> tuple[str, bool]:
        """The type of a rule's condition, and whether it can never raise."""
        tree = exp.select(*resolved.tree.copy().expressions).from_(
            f"({_empty(columns)}) AS {alias}", dialect="duckdb"
        )
        sql, over = inline(Resolved(tree, resolved.relations)), empty_relations(table_relations(resolved))
        confirm(
            resolved.tree.sql(dialect="duckdb"), self._engine.serialize, {r.id for r in resolved.relations}
        )
        return self._engine.probe(sql, over).types[0], self._engine.is_total(sql, over)


def _bare(condition: exp.Expr, found: Table | Product) -> exp.Expr:
    """The condition with its object's columns under the object's bare name, as the restriction has it."""
    condition = condition.copy()
    bare, fronts = _bare_name(found).lower(), {found.name.schema.lower()}
    if found.name.schema == DEFAULT_SCHEMA:
        fronts.add(found.name.catalog.lower())  # source.table.column
    for column in condition.find_all(exp.Column):
        if column.text("table").lower() == bare and column.text("db").lower() in fronts:
            column.set("db", None)
            column.set("catalog", None)
    return condition


def _bare_name(found: Table | Product) -> str:
    return found.bare if isinstance(found, Product) else found.name.name


def _empty(columns: Sequence[Column]) -> str:
    """No rows, with these columns."""
    return "SELECT " + ", ".join(f"NULL::{c.type} AS {name(c.name)}" for c in columns) + " WHERE false"
