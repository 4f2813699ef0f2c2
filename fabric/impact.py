"""Whom a change of a product would hit: the products that rest on it, and who asked for which of its columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from fabric.errors import FabricError
from fabric.parse import parse
from fabric.product_graph import Find, above
from fabric.products import names_in
from fabric.types import Parsed, Product

Key = tuple[str, str, str]

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
    product: Product,
    readers: Sequence[Product],
    columns: Collection[str],
    queries: Iterable[Sequence[object]],
    find: Find,
) -> list[Use]:
    """Who asked a product, or one that rests on it, by what the texts of their queries name.

    Args:
        product: what would change.
        readers: the products over it whose users count too, whatever columns they ask those for.
        columns: of the product, those that would change; a star names every one. Empty for the product as a whole.
        queries: rows of ``system.queries``, the newest last.
        find: the catalog's objects by name.
    """
    counted: dict[str, _Counted] = {}
    judged: dict[str, tuple[str, ...] | None] = {}
    affected = {each.name.key: each.bare.lower() for each in (product, *readers)}
    for row in reversed(list(queries)):
        user, text = str(row[1]), str(row[2])
        if text not in judged:
            if len(judged) >= MOST_QUERIES:
                break
            lower = text.lower()
            mentions = any(bare in lower for bare in affected.values())
            judged[text] = _named(product, affected, columns, text, find) if mentions else None
        named = judged[text]
        if named is not None:
            mine = counted.setdefault(user, _Counted())
            mine.queries += 1
            mine.columns |= dict.fromkeys(named)
    return [Use(user, mine.queries, tuple(mine.columns)) for user, mine in sorted(counted.items())]


def _named(
    product: Product, affected: Mapping[Key, str], columns: Collection[str], text: str, find: Find
) -> tuple[str, ...] | None:
    """The columns that a query names; None where the change would not hit it."""
    try:
        parsed = parse(text)
    except FabricError:
        return None
    if parsed.kind not in ("query", "explain analyze"):
        return None
    read = set(_read(parsed, affected, find))
    if not read:
        return None
    through_others = read != {product.name.key}
    tree = parsed.tree
    if any(isinstance(star.parent, exp.Select | exp.Column) for star in tree.find_all(exp.Star)):
        return tuple(columns)
    names = {column.name.lower() for column in tree.find_all(exp.Column)}
    named = tuple(column for column in columns if column.lower() in names)
    return named if named or not columns or through_others else None


def _read(parsed: Parsed, affected: Mapping[Key, str], find: Find) -> Iterator[Key]:
    """Which of the affected products a query names."""
    for name in names_in(parsed):
        found = find(name)
        if isinstance(found, Product) and found.name.key in affected:
            yield found.name.key
    # With a session's schema the name stands alone.
    for table in parsed.tree.find_all(exp.Table):
        if not table.args.get("db"):
            yield from (key for key, bare in affected.items() if bare == table.name.lower())


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
