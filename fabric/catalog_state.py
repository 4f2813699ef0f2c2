"""What the catalog knows at one moment: listings of sources, shapes of products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fabric.errors import FabricError
from fabric.types import Product, Table


@dataclass(frozen=True, slots=True)
class Listing:
    """One source's tables as last seen; ``problems`` are by table key, ``failure`` is the source's own."""

    tables: Mapping[tuple[str, str], Table] = field(default_factory=dict)
    problems: Mapping[tuple[str, str], FabricError] = field(default_factory=dict)
    failure: FabricError | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """The catalog at one moment."""

    generation: int
    products: Mapping[tuple[str, str], Product]

    def holds(self, now: Stamp) -> bool:
        """Whether nothing has changed until that other moment."""
        return self.generation == now.generation and self.products is now.products


@dataclass(frozen=True, slots=True)
class Shape:
    """A product's shape, as of a moment: ``parts`` are what its SELECT named then, products as their shapes."""

    product: Product
    stamp: Stamp
    parts: Mapping[tuple[str, ...], Table | Product | None]
    shape: Product

    @property
    def is_over(self) -> bool:
        """Whether a stored result that it rests on has expired since."""
        return self.shape.until is not None and datetime.now(UTC) >= self.shape.until
