"""What a block is: a SELECT over inner-joined tables, in terms of their own columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from fabric.types import Relation


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
class LeftJoin:
    """The leaf that is left joined, and the conjuncts of its ON: where no row meets them, its columns are NULL."""

    key: str
    on: tuple[exp.Expr, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """``SELECT outputs FROM leaves WHERE conjuncts GROUP BY keys HAVING … ORDER BY … LIMIT …``.

    All rows of the leaves are combined, but those in ``left_joins``: these are joined then, and what ``conjuncts`` say is of the rows
    that come out of that.
    ``keys`` are None without aggregation, and empty where all rows are one group. A column of ``order`` that stands for an
    output has no table.
    """

    leaves: tuple[Leaf, ...]
    conjuncts: tuple[exp.Expr, ...]
    outputs: tuple[Output, ...]
    keys: tuple[exp.Expr, ...] | None = None
    left_joins: tuple[LeftJoin, ...] = ()
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
        yield from (each for join in self.left_joins for each in join.on)
        yield from (each.expression for each in self.outputs)
        yield from self.keys or ()
        yield from self.order
        if self.having is not None:
            yield self.having
