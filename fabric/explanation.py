"""What EXPLAIN tells: a plan, and what it did, as far as the one who asks may know.

``python -m fabric.explanation`` writes the JSON Schema of ``EXPLAIN (FORMAT JSON)`` to standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field, TypeAdapter

from fabric.discretion import Discretion
from fabric.estimates import row_bytes
from fabric.plan import Plan
from fabric.pushdown import describe
from fabric.reads import FileRead, LiveRead, Read, SystemRead, Unread
from fabric.stored import asked
from fabric.types import ScanReceipt, TableName

_OFF = "pushdown is off"
_NO_FORM = "it has no form that a source could take"
_FOLLOWS = "only what follows from it has a form that a source could take"
_PATHS = 100


@dataclass(frozen=True, slots=True)
class Left:
    """A part of the statement that a source was not asked for."""

    what: Annotated[str, Field(description="the condition, LIMIT or ORDER BY")]
    why: Annotated[str, Field(description="why DuckDB does it instead")]


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a table that lies in files."""

    read: Annotated[int, Field(description="files that are opened")]
    listed: Annotated[int, Field(description="files that there are")]
    bytes: Annotated[int, Field(description="bytes of those that are opened")]
    paths: Annotated[tuple[str, ...], Field(description="the first 100 of those that are opened")]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a live scan is expected to send; from statistics of the whole table."""

    rows: int
    of: Annotated[int | None, Field(description="rows of the whole table")]
    selectivity: Annotated[float | None, Field(description="rows / of, from 0 to 1")]
    bytes: Annotated[int, Field(description="of the columns that are asked for, in memory")]


@dataclass(frozen=True, slots=True)
class Actual:
    """What a scan did; null where that is not told."""

    rows: Annotated[
        int | None,
        Field(description="sent by a live source, or those of them that you may see; null of files"),
    ]
    bytes: Annotated[int | None, Field(description="that came from the source")]
    requests: int | None
    milliseconds: float
    cache: Annotated[
        str | None, Field(description="what was at hand: 3 of 4 blocks of files, or rows of 41 s ago")
    ]


@dataclass(frozen=True, slots=True)
class ScanExplained:
    """One occurrence of a table. What is not told of it is null."""

    object: Annotated[str | None, Field(description="its name; null for one that you may not know of")]
    part_of: Annotated[str, Field(description="what the statement names, of which it is a part, or itself")]
    kind: Annotated[str, Field(description="live scan, csv files, …, or why nothing is read")]
    told: Annotated[bool, Field(description="false where it is restricted for you: then it says no more")]
    asked: Annotated[str | None, Field(description="the SQL or URL of a live scan")] = None
    files: Files | None = None
    pushed: Annotated[tuple[str, ...], Field(description="what the source does")] = ()
    dynamic_filters: Annotated[
        tuple[str, ...], Field(description="keys that it waits for, and asks for the rows of these only")
    ] = ()
    not_pushed: tuple[Left, ...] = ()
    prunes_by: Annotated[
        tuple[str, ...], Field(description="by which DuckDB's reader skips parts of files")
    ] = ()
    estimate: Estimate | None = None
    actual: Annotated[Actual | None, Field(description="of EXPLAIN ANALYZE")] = None

    @property
    def title(self) -> str:
        """Its name, or whose part it is."""
        return self.object or f"a part of {self.part_of}"


@dataclass(frozen=True, slots=True)
class SnapshotExplained:
    """The snapshot of a product that was considered instead of the live parts."""

    product: str
    as_of: Annotated[datetime | None, Field(description="the moment that it shows")]
    chosen: Annotated[bool, Field(description="whether the answer comes from it")]
    why: Annotated[str, Field(description="chosen, or why not")]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan as it may be told to the one who asks."""

    scans: tuple[ScanExplained, ...]
    restricted: Annotated[
        dict[str, str],
        Field(
            description="of relations that the statement names: rows, columns or both, where they are restricted"
        ),
    ]
    duckdb: Annotated[str, Field(description="what is left to DuckDB")]
    snapshots: Annotated[
        tuple[SnapshotExplained, ...],
        Field(
            description="of products that you may read: those which might answer this, and whether they do"
        ),
    ] = ()


def explanation(plan: Plan, discretion: Discretion, receipts: Sequence[ScanReceipt] = ()) -> Explanation:
    """A plan as it may be told.

    Args:
        plan: what would run, or ran.
        discretion: what may be said of each part to the one who asks.
        receipts: what each scan did, in the order of the plan's live and file reads; for ANALYZE.
    """
    did = iter(receipts)
    names = {read.relation.id: read.relation.name for read in plan.reads}
    scans = []
    for read in plan.reads:
        receipt = next(did, None) if isinstance(read, LiveRead | FileRead) else None
        scans.append(_scan(read, names, discretion, receipt))
    restricted = {
        named.written: how
        for named in asked(plan.governed).relations
        if (how := discretion.restricted(named)) != "none"
    }
    joined = len([read for read in plan.reads if not isinstance(read, Unread)])
    left = f"{'joins ' if joined > 1 else 'computes over '}{joined} relations, and every filter again"
    considered = plan.governed.considered
    snapshots = tuple(SnapshotExplained(s.product, s.as_of, s.chosen, s.why) for s in considered)
    return Explanation(tuple(scans), restricted, left, snapshots)


def _scan(
    read: Read, names: Mapping[str, TableName], discretion: Discretion, receipt: ScanReceipt | None
) -> ScanExplained:
    relation = read.relation
    known, part_of = discretion.shows(relation), discretion.named(relation).written
    name = str(relation.name) if known else None
    actual = _actual(read, receipt) if receipt is not None else None
    if isinstance(read, SystemRead | Unread) or not discretion.shows_read(relation, read.reduced_by):
        told = known and isinstance(read, SystemRead | Unread)
        return ScanExplained(name, part_of, _kind(read), told, actual=actual)
    if isinstance(read, FileRead):
        return _of_files(read, part_of, actual)
    left = _OFF if read.unpushed else _FOLLOWS if read.follows else _NO_FORM
    return ScanExplained(
        name,
        part_of,
        _kind(read),
        True,
        asked=read.offer.request,
        pushed=tuple(_pushed(read)),
        dynamic_filters=tuple(
            f"{relation.object.columns[edge.target.column].name} among the keys of {names[edge.source.relation]}"
            for edge in read.awaits
        ),
        not_pushed=(
            *(Left(refusal.what, refusal.why) for refusal in read.offer.refused),
            *(Left(text, left) for text in read.kept),
        ),
        estimate=_estimate(read),
        actual=actual,
    )


def _of_files(read: FileRead, part_of: str, actual: Actual | None) -> ScanExplained:
    scan, wanted = read.scan, read.demand
    files = scan.files
    paths, size = tuple(file.path for file in files[:_PATHS]), sum(file.size for file in files)
    return ScanExplained(
        str(read.relation.name),
        part_of,
        _kind(read),
        True,
        files=Files(len(files), scan.listed, size, paths),
        pushed=tuple(f"{describe(predicate)} (partitions)" for predicate in scan.pruned_by),
        not_pushed=tuple(Left(text, _OFF) for text in (wanted.kept if read.unpushed else ())),
        prunes_by=tuple(describe(each) for each in wanted.predicates if each not in scan.pruned_by),
        actual=actual,
    )


def _kind(read: Read) -> str:
    if isinstance(read, LiveRead):
        return "live scan"
    if isinstance(read, FileRead):
        return f"{read.scan.layout.format} files"
    return (
        "the fabric's own" if isinstance(read, SystemRead) else "not read, the answer does not depend on it"
    )


def _pushed(read: LiveRead) -> Iterator[str]:
    yield from map(describe, read.offer.taken)
    for each in read.offer.semi_joins:
        yield f"{each.column} among the keys of {each.table.name}"
    if read.offer.counts and read.offer.scan.summed:
        yield f"rows that are equal but for {', '.join(read.offer.scan.summed)} once, with sums and numbers"
    elif read.offer.counts:
        yield "equal rows once, with their number"
    if read.offer.distinct:
        yield "equal rows once"
    yield from (f"{column} as the beginning of its {unit}" for column, unit in read.offer.scan.truncated)
    if read.offer.order_taken and read.offer.scan.order:
        yield "ORDER BY"
    if read.offer.limit_taken:
        yield "LIMIT"


def _estimate(read: LiveRead) -> Estimate | None:
    if read.rows is None:
        return None
    table, rows = read.offer.scan.table, round(read.rows)
    part = round(min(1.0, read.rows / table.rows), 6) if table.rows else None
    return Estimate(rows, table.rows, part, round(rows * row_bytes(table, read.offer.scan.columns)))


def _actual(read: Read, receipt: ScanReceipt) -> Actual:
    milliseconds = round(receipt.seconds * 1000, 3)
    if receipt.veiled:
        return Actual(receipt.rows if receipt.guarded else None, None, None, milliseconds, None)
    rows = receipt.rows if isinstance(read, LiveRead) else None
    return Actual(rows, receipt.bytes, receipt.requests, milliseconds, receipt.cache or None)


def schema_text() -> str:
    """The JSON Schema (2020-12) of what ``EXPLAIN (FORMAT JSON)`` answers with."""
    schema = TypeAdapter(Explanation).json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
