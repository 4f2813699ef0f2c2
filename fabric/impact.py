"""Whom a change of a product would hit: the products that rest on it, and who asked for which of its columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.errors import FabricError
from fabric.parse import parse
from fabric.product_graph import Find, above
from fabric.products import names_in
from fabric.types import Parsed, Product

MOST_QUERIES = 10_000
"""How many of the newest different queries are looked at."""


@dataclass(frozen=True, slots=True)
class Use:
    """One user's queries that name a product: how many, and which of the columns that were asked about they use."""

    user: str
    queries: int
    columns: tuple[str, ...]


@dataclass
class _Counted:
    queries: int = 0
    columns: dict[str, None] = field(default_factory=dict)


def uses(
    product: Product, columns: Collection[str], queries: Iterable[Sequence[object]], find: Find
) -> list[Use]:
    """Who asked a product for columns, by what the texts of their queries name; a star names every column.

    Args:
        product: it, or a product over it, must be named.
        columns: those that would change; empty for the product as a whole.
        queries: rows of ``system.queries``, the newest last.
        find: the catalog's objects by name.
    """
    counted: dict[str, _Counted] = {}
    judged: dict[str, tuple[str, ...] | None] = {}
    for row in reversed(list(queries)):
        user, text = str(row[1]), str(row[2])
        if product.bare.lower() not in text.lower():
            continue
        if text not in judged:
            if len(judged) >= MOST_QUERIES:
                break
            judged[text] = _named(product, columns, text, find)
        named = judged[text]
        if named is not None:
            mine = counted.setdefault(user, _Counted())
            mine.queries += 1
            mine.columns |= dict.fromkeys(named)
    return [Use(user, mine.queries, tuple(mine.columns)) for user, mine in sorted(counted.items())]


def _named(product: Product, columns: Collection[str], text: str, find: Find) -> tuple[str, ...] | None:
    """The columns that a query names; None where it does not read the product, or none of them."""
    try:
        parsed = parse(text)
    except FabricError:
        return None
    if parsed.kind not in ("query", "explain analyze") or not _reads(product, parsed, find):
        return None
    tree = parsed.tree
    if any(isinstance(star.parent, exp.Select | exp.Column) for star in tree.find_all(exp.Star)):
        return tuple(columns)
    names = {column.name.lower() for column in tree.find_all(exp.Column)}
    named = tuple(column for column in columns if column.lower() in names)
    return named if named or not columns else None


def _reads(product: Product, parsed: Parsed, find: Find) -> bool:
    bare = product.bare.lower()
    for name in names_in(parsed):
        found = find(name)
        if isinstance(found, Product) and found.name.key == product.name.key:
            return True
    # With a session's schema the name stands alone.
    return any(
        table.name.lower() == bare and not table.args.get("db") for table in parsed.tree.find_all(exp.Table)
    )


def downstream(product: Product, products: Iterable[Product], find: Find) -> list[Product]:
    """The products that rest on this one and are served."""
    return [each for each in above(product, products, find) if each.status != "retired"]


def told(readers: Sequence[str], found: Sequence[Use]) -> str:
    """Both as one text; empty for nobody."""
    said = []
    if readers:
        said.append(f"products that read it: {', '.join(readers)}")
    if found:
        users = (
            f"{use.user} ({use.queries} {'query' if use.queries == 1 else 'queries'}"
            + (f": {', '.join(use.columns)})" if use.columns else ")")
            for use in found
        )
        said.append(f"users whose queries name it: {', '.join(users)}")
    return "; ".join(said)
