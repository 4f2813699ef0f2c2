"""How one column gets into another, or decides about it: the words of OpenLineage's column lineage (facet 1-2-0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from fabric.product_types import EdgeKind

Source = tuple[int, str]
"""A relation's position in the statement, and the name of a column of it."""


class Way(Enum):
    """One way: the ``kind`` that it is told as, and whether what comes out tells nothing of a single value."""

    IDENTITY = ("identity", False)
    TRANSFORMATION = ("transformation", False)
    HASH = ("transformation", True)
    AGGREGATION = ("aggregation", False)
    COUNT = ("aggregation", True)
    CONDITIONAL = ("conditional", False)
    WINDOW = ("window", False)
    JOIN = ("join", False)
    FILTER = ("filter", False)
    GROUP = ("group_by", False)
    GROUPED = ("group_by", False, "and more than a group")
    SORT = ("sort", False)

    @property
    def kind(self) -> EdgeKind:
        """The kind that it is told as."""
        kind: EdgeKind = self.value[0]
        return kind

    @property
    def masked(self) -> bool:
        """Whether no single value can be told from what comes out."""
        return bool(self.value[1])


Sources = Mapping[Source, frozenset[Way]]

DIRECT = frozenset({Way.IDENTITY, Way.TRANSFORMATION, Way.HASH, Way.AGGREGATION})
"""A value is made of the other; by every way that is not among them it is chosen, or only counted."""
WEAK = frozenset({Way.COUNT, Way.GROUP})
"""These carry no value, and no tag; where a GROUP decides about something it is GROUPED."""


def within(outer: Way, inner: Way) -> Way:
    """The way of what stands in a part of an expression that itself stands in another."""
    if outer not in DIRECT or inner is Way.TRANSFORMATION or (outer is Way.HASH and inner in DIRECT):
        return outer
    return inner


def through(sources: Sources, use: Way) -> Sources:
    """The sources of a column, where it is used as said."""
    return {source: frozenset(_used(way, use) for way in ways) for source, ways in sources.items()}


def _used(way: Way, use: Way) -> Way:
    if way in WEAK:
        return way
    if use not in DIRECT or way in (Way.IDENTITY, Way.TRANSFORMATION) or (use is Way.HASH and way in DIRECT):
        return use
    return way


def by(sources: Iterable[Source], way: Way) -> Sources:
    """Sources that all have one way."""
    return dict.fromkeys(sources, frozenset({way}))


def deciding(sources: Sources, way: Way) -> Sources:
    """The same sources where all that is made of them decides about something; groups stay groups."""
    grouped = frozenset({Way.GROUP})
    return {source: frozenset({Way.GROUPED if ways == grouped else way}) for source, ways in sources.items()}


def joined(parts: Iterable[Sources]) -> Sources:
    """The sources of all, each with all its ways."""
    made: dict[Source, frozenset[Way]] = {}
    for part in parts:
        for source, ways in part.items():
            made[source] = made.get(source, frozenset()) | ways
    return made


def carried(sources: Sources) -> Sources:
    """Those that more than a count or a group is made of, with the ways that carry it."""
    return {source: ways - WEAK for source, ways in sources.items() if ways - WEAK}
