"""What a product is made of, as of now: enough to tell whether anything beneath it has changed.

Files tell it by their validators. A live table tells nothing but by a watermark, a column that moves with every change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fabric.product_graph import beneath
from fabric.remembered import depends_on_the_moment
from fabric.spi import Connector, FileConnector
from fabric.types import Product, Ruled, Table

Find = Callable[[tuple[str, ...]], Table | Product | None]


@dataclass(frozen=True, slots=True)
class Inputs:
    """A digest of all that tells, and whether that is all there is: ``whole`` when no live table is beneath."""

    digest: str
    whole: bool


def inputs(
    product: Product, find: Find, connectors: Mapping[str, Connector], policy_version: str
) -> Inputs | None:
    """What the product is made of now; None when it may be another at any time, whatever it is made of.

    Raises:
        FabricError: a source cannot be listed.
    """
    bodies, tables = _beneath(product, find)
    if any(depends_on_the_moment(each.sql) for each in bodies):
        return None
    said: list[object] = [policy_version]
    said += [(each.name.key, each.sql, each.reads_as_domain) for each in bodies]
    whole = True
    for table in tables:
        connector = connectors.get(table.name.catalog.lower())
        if table.layout is None or not isinstance(connector, FileConnector):
            whole = False
            continue
        said.append((table.name.key, table.layout, table.columns))
        said += [(file.path, file.validator) for file in connector.files(table.layout, 0.0)]
    return Inputs(hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest(), whole)


def silent(product: Product, find: Find) -> str:
    """Why nobody can tell whether something beneath a product has changed; empty when somebody can."""
    own = {found.name.key for name in product.reads if isinstance(found := find(name), Table)}
    for table in _beneath(product, find)[1]:
        if table.layout is None:
            # What stands in the SELECT of another domain is not the owner's to know.
            named = str(table.name) if table.name.key in own else "something beneath what it reads"
            return f"nothing tells whether {named} has changed"
    return ""


def steady(made_under: Sequence[Ruled]) -> bool:
    """Whether the row rules that something was made under look at nothing but the rows themselves."""
    texts = [text for ruled in made_under for group in ruled["rows"] for text in group]
    return not any(depends_on_the_moment(text) or "SELECT" in text.upper() for text in texts)


def _beneath(product: Product, find: Find) -> tuple[tuple[Product, ...], list[Table]]:
    bodies = (*beneath(product, find)[0], product)
    tables = {table.name.key: table for each in bodies for table in _tables(each, find)}
    return bodies, [tables[key] for key in sorted(tables)]


def _tables(product: Product, find: Find) -> Iterator[Table]:
    for name in product.reads:
        found = find(name)
        if isinstance(found, Table):
            yield found
