"""Names to relations: a lexical resolver that leaves nothing in the tree but unguessable ids.

Every table in the statement is a name of an enclosing WITH, or an object of the catalog; there is no
third case. WITH names get ids too: should DuckDB see one in another scope than we do (it does where a WITH
RECURSIVE entry names itself in its first part), it finds nothing, and not a table of its own catalog. A
product's body and a row rule are resolved in their own right, and never see the statement around them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Protocol

from sqlglot import exp

from fabric.bounds import bounded
from fabric.errors import FabricError, NotFound, NotSupported, ResultOutdated, StateUnavailable
from fabric.naming import unknown_object
from fabric.parse import parse
from fabric.types import Decision, Parsed, Product, Relation, Resolved, Table

MOST_RELATIONS = 2_000
"""How many relations a statement may read, those beneath products counted each time that they are read."""

_BODIES = 2_000
"""How many bodies of products are kept parsed; one of fifty columns takes 50 kB."""

Find = Callable[[tuple[str, ...]], Table | Product | None]
At = Callable[[Product, str], Product]


class Names(Protocol):
    """The look-aside into the catalog."""

    def body(self, domain: str) -> Find:
        """What finds the object of a two- or three-part name (DESIGN 1.3), compared without case, in bodies of a domain's products."""
        ...

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        """The same among what the asking principal may know of; anything else is not there."""
        ...

    def candidates(self, name: str) -> list[str]:
        """Full names, visible to the asking principal, that a one-part name could mean."""
        ...


class QueryNames(Names, Protocol):
    """The same for a statement that somebody asks."""

    def at(self, product: Product, snapshot_id: str) -> Product:
        """A product as it was when one of its snapshots was made."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole catalog as names: for what is asked of nobody's behalf, such as a product's body.

    Args:
        find: finds what stands in the statement.
        body: as of ``Names``.
    """

    find: Find
    body: Callable[[str], Find]

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        """As ``find``."""
        return self.find(parts)

    def candidates(self, name: str) -> list[str]:
        """None: one-part names are not completed."""
        return []

    def at(self, product: Product, snapshot_id: str) -> Product:
        """Of nobody's behalf only what there is now is read."""
        return only_now(product, snapshot_id)


def only_now(product: Product, snapshot_id: str) -> Product:
    """Refuse to read a product as it was.

    Raises:
        NotSupported: always.
    """
    raise NotSupported("products and rules read what there is now: AT stands in a query only")


def resolve(parsed: Parsed, names: QueryNames, schema: str | None, reader: str) -> Resolved:
    """Replace every object that the statement names by a relation.

    Args:
        parsed: the statement, parameters bound.
        names: the catalog.
        schema: the session's schema (``domain``, ``source`` or ``source.schema``) for one-part names.
        reader: the subject that reads: the principal's user.

    Raises:
        NotFound: a name that is neither a WITH name nor in the catalog.
        NotSupported: more than ``MOST_RELATIONS``, or nested too deeply.
    """
    return _resolve(
        bounded(parsed.tree), _Scope(names.known, names.candidates, names.body, schema, reader, names.at)
    )


def resolve_body(sql: str, names: Names, reader: str) -> Resolved:
    """A product's SELECT as a statement of its own; arguments and errors as for ``resolve``."""
    return _resolve(_body_tree(sql), _Scope(names.known, names.candidates, names.body, None, reader))


def resolve_rule(condition: exp.Expr, names: Names, reader: str) -> Resolved:
    """``SELECT <condition>`` with the tables of its subqueries as relations.

    Args:
        condition: a row rule's expression.
        names: the whole catalog.
        reader: the subject with whose rights the subqueries read.

    Raises:
        NotFound: a subquery names what is not there.
        NotSupported: nested too deeply.
    """
    scope = _Scope(names.known, names.candidates, names.body, None, reader)
    return _resolve(bounded(exp.select(condition)), scope)


def relations(resolved: Resolved, decisions: Mapping[str, Decision] | None = None) -> Iterator[Relation]:
    """Every relation, those that it is made of before itself: a product's parts, and what row rules read.

    Args:
        resolved: a statement.
        decisions: by relation id, those whose row rules count; absent, none.
    """
    for relation in resolved.relations:
        yield from beneath(relation, decisions)
        yield relation


def beneath(relation: Relation, decisions: Mapping[str, Decision] | None = None) -> Iterator[Relation]:
    """Every relation that this one is made of, as in ``relations``."""
    if relation.body is not None:
        yield from relations(relation.body, decisions)
    decision = (decisions or {}).get(relation.id)
    for group in decision.rows if decision else ():
        for row_filter in group:
            yield from relations(row_filter.condition, decisions)


@dataclass
class _Scope:
    """What one statement's walk carries along: ``look`` finds the names that stand in it, ``body`` those in products."""

    look: Find
    candidates: Callable[[str], list[str]]
    body: Callable[[str], Find]
    schema: str | None
    reader: str
    at: At = only_now
    path: tuple[Product, ...] = ()
    count: list[int] = field(default_factory=lambda: [0])
    found: list[Relation] = field(default_factory=list)
    written: set[tuple[str, str]] = field(default_factory=set)


def _resolve(tree: exp.Expr, scope: _Scope) -> Resolved:
    """Resolve a bounded tree, which is not changed."""
    tree = tree.copy()
    try:
        _name_subqueries(tree)
        _walk(tree, {}, scope)
    except RecursionError:
        raise NotSupported("the statement is nested too deeply") from None
    for column in tree.find_all(exp.Column):
        # schema.table.column: the relation now stands under its bare name.
        if (column.text("db").lower(), column.text("table").lower()) in scope.written:
            column.set("db", None)
            column.set("catalog", None)
    return Resolved(tree, tuple(scope.found))


def _name_subqueries(tree: exp.Expr) -> None:
    """Give unnamed results over subqueries their own text as name: DuckDB's would hold our ids."""
    for select in list(tree.find_all(exp.Select)):
        for item in select.expressions:
            if not item.alias and item.find(exp.Table):
                item.replace(exp.alias_(item.copy(), item.sql(dialect="duckdb"), quoted=True))


def _walk(node: exp.Expr, ctes: Mapping[str, str], scope: _Scope) -> None:
    """Visit a node with the WITH names that are in sight of it, lower-cased, and their ids."""
    clause = node.args.get("with_")
    if isinstance(clause, exp.With):
        ctes = _walk_with(clause, ctes, scope)
    if isinstance(node, exp.Table):
        _replace(node, ctes, scope)
    for child in node.iter_expressions():
        if child is not clause:
            _walk(child, ctes, scope)


def _walk_with(clause: exp.With, ctes: Mapping[str, str], scope: _Scope) -> Mapping[str, str]:
    """A WITH name is seen by those after it, and by itself only in WITH RECURSIVE, as in DuckDB."""
    recursive = bool(clause.args.get("recursive"))
    for cte in clause.expressions:
        seen = {**ctes, cte.alias.lower(): f"c_{secrets.token_hex(8)}"}
        _walk(cte, seen if recursive else ctes, scope)
        cte.args["alias"].set("this", exp.to_identifier(seen[cte.alias.lower()], quoted=True))
        ctes = seen
    return ctes


def _replace(node: exp.Table, ctes: Mapping[str, str], scope: _Scope) -> None:
    if isinstance(node.this, exp.Func):
        return  # a table function: confirm judges it by name
    if not isinstance(node.this, exp.Identifier):
        raise unknown_object(node.sql(dialect="duckdb"))
    parts = tuple(part.name for part in node.parts)
    when = node.args.get("when")
    stands_for = ctes.get(parts[0].lower()) if len(parts) == 1 else None
    if stands_for is None:
        found = _find(parts, scope)
        if when is not None:
            found = scope.at(_stored(found, ".".join(parts)), _snapshot_id(when))
        relation = _relation(found, ".".join(parts), scope)
        scope.found.append(relation)
        stands_for = relation.id
        if len(parts) > 1 and not node.alias:
            scope.written.add((parts[-2].lower(), parts[-1].lower()))
    elif when is not None:
        raise NotSupported(f"'{parts[0]}' is a name of this query, and has no snapshots")
    node.set("when", None)
    if not node.alias:
        alias = exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True))
        columns = node.args.get("alias")
        if isinstance(columns, exp.TableAlias):
            alias.set("columns", columns.args.get("columns"))
        node.set("alias", alias)
    node.set("this", exp.to_identifier(stands_for, quoted=True))
    node.set("db", None)
    node.set("catalog", None)


def _stored(found: Table | Product, written: str) -> Product:
    if not isinstance(found, Product):
        raise NotSupported(f"'{written}' has no snapshots", hint="products with `materialize:` have")
    return found


def _snapshot_id(when: exp.Expr) -> str:
    wanted = when.args.get("expression")
    if str(when.args.get("kind")).upper() != "VERSION" or not isinstance(wanted, exp.Literal):
        raise NotSupported(
            "a snapshot is named by its id", hint="FROM product AT (VERSION => '<snapshot id>')"
        )
    return str(wanted.this)


def _find(parts: tuple[str, ...], scope: _Scope) -> Table | Product:
    """Names in the statement are the principal's to know; those in a product's body are its domain's."""
    written = ".".join(parts)
    look = scope.look
    if len(parts) > 3:
        raise unknown_object(written)
    if len(parts) == 1:
        if scope.schema:
            found = look((*scope.schema.split("."), parts[0]))
            if found is not None:
                return found
        candidates = scope.candidates(parts[0])
        if candidates:
            raise NotFound(
                f"'{written}' needs a schema in front", hint="it could be " + " or ".join(candidates)
            )
        raise unknown_object(written)
    found = look(parts)
    if found is None:
        raise unknown_object(written)
    return found


def _relation(found: Table | Product, written: str, scope: _Scope) -> Relation:
    scope.count[0] += 1
    if scope.count[0] > MOST_RELATIONS:
        raise NotSupported(f"the statement reads more than {MOST_RELATIONS:,} relations")
    body = None
    if isinstance(found, Product):
        found, body = _body(found, scope)
    return Relation(
        id=f"r_{secrets.token_hex(8)}",
        name=found.name,
        object=found,
        reader=scope.reader,
        written=written,
        body=body,
    )


@lru_cache(maxsize=_BODIES)
def _body_tree(sql: str) -> exp.Expr:
    return bounded(parse(sql).tree)


def _body(product: Product, scope: _Scope) -> tuple[Product, Resolved | None]:
    """A product's own tree; one that does not resolve is marked broken, and refused once it is governed.

    Refusing here would tell someone without rights that the product exists.
    """
    if product.broken or product.stopped:
        return product, None
    if any(product.name.key == seen.name.key for seen in scope.path):
        circle = " → ".join(str(seen.name) for seen in (*scope.path, product))
        return replace(product, broken=f"it reads itself: {circle}"), None
    try:
        reader, path = f"domain:{product.domain}", (*scope.path, product)
        look, others = scope.body(product.domain), scope.body
        within = _Scope(look, scope.candidates, others, None, reader, path=path, count=scope.count)
        body = _resolve(_body_tree(product.sql), within)
    except StateUnavailable:
        raise
    except ResultOutdated as error:
        return replace(product, broken=error.message, outdated=True), None
    except FabricError as error:
        return replace(product, broken=error.message), None
    return product, body
