"""What products read of one another: which a product rests on, which rest on it, and circles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fabric.types import Product, Table

Find = Callable[[tuple[str, ...]], Table | Product | None]


def parts(product: Product, find: Find) -> Iterator[Product]:
    """The products that a product's own SELECT names."""
    for name in product.reads:
        found = find(name)
        if isinstance(found, Product):
            yield found


def beneath(product: Product, find: Find) -> tuple[list[Product], tuple[Product, ...]]:
    """Every product that this one rests on, each behind those that it rests on itself, and a circle if there is one.

    A circle begins and ends with the same product. It need not hold the one that was asked about.
    """
    ordered: list[Product] = []
    done: set[tuple[str, str, str]] = set()
    path: list[Product] = [product]
    within = {product.name.key}
    waiting = [parts(product, find)]
    while waiting:
        part = next(waiting[-1], None)
        if part is None:
            waiting.pop()
            left = path.pop()
            within.discard(left.name.key)
            if left is not product and left.name.key not in done:
                done.add(left.name.key)
                ordered.append(left)
        elif part.name.key in within:
            first = next(n for n, each in enumerate(path) if each.name.key == part.name.key)
            return ordered, (*path[first:], part)
        elif part.name.key not in done:
            path.append(part)
            within.add(part.name.key)
            waiting.append(parts(part, find))
    return ordered, ()


def above(product: Product, products: Iterable[Product], find: Find) -> list[Product]:
    """Every product that rests on this one, the nearest first."""
    readers: dict[tuple[str, str, str], list[Product]] = {}
    for each in products:
        for part in parts(each, find):
            readers.setdefault(part.name.key, []).append(each)
    found: dict[tuple[str, str, str], Product] = {}
    waiting = [product]
    while waiting:
        for reader in readers.get(waiting.pop(0).name.key, ()):
            if reader.name.key not in found and reader.name.key != product.name.key:
                found[reader.name.key] = reader
                waiting.append(reader)
    return list(found.values())


def told(circle: Sequence[Product], domain: str) -> str:
    """A circle as text, for who owns a domain: others' products beneath others' stay unnamed.

    A domain knows its own products, and those that stand in their SELECTs.
    """
    names = []
    for n, each in enumerate(circle):
        own = each.domain.lower() == domain.lower()
        after = n > 0 and circle[n - 1].domain.lower() == domain.lower()
        names.append(each.written if own or after else "…")
    return " → ".join(names)
