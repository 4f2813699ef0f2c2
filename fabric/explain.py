"""EXPLAIN: per source what is asked of it, what was pushed and what was not, and why; for one principal.

A part that the principal may not know of appears as a part of the product that they named: without a
name, a text or a predicate. Of one that is restricted for them, only counts of what they may see are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fabric.discretion import Discretion
from fabric.file_scan import FileScan
from fabric.plan import Plan
from fabric.pushdown import describe
from fabric.reads import FileRead, LiveRead, Read, SystemRead, Unread
from fabric.types import ScanReceipt, TableName

_SHOWN_FILES = 5
_OFF = "pushdown is off"


def explain(plan: Plan, discretion: Discretion, receipts: Sequence[ScanReceipt] = ()) -> list[str]:
    """The plan as lines of text.

    Args:
        plan: what would run, or ran.
        discretion: what may be said of each part to the one who asks.
        receipts: what each scan did, in the order of the plan's live and file reads; for ANALYZE.
    """
    lines: list[str] = []
    did = iter(receipts)
    names = {read.relation.id: read.relation.name for read in plan.reads}
    for read in plan.reads:
        receipt = next(did, None) if isinstance(read, LiveRead | FileRead) else None
        lines += _read(read, discretion, names)
        if receipt is not None:
            lines.append(_actual(receipt))
    for named in plan.governed.resolved.relations:
        restricted = discretion.restricted(named)
        if restricted != "none":
            lines.append(f"restricted for you: {named.written} ({restricted})")
    joined = len([read for read in plan.reads if not isinstance(read, Unread)])
    lines.append(
        f"duckdb: {'joins ' if joined > 1 else 'computes over '}{joined} relations, and every filter again"
    )
    return lines


def _read(read: Read, discretion: Discretion, names: Mapping[str, TableName]) -> Iterator[str]:
    relation = read.relation
    if not discretion.shows(relation):
        yield f"a part of {discretion.named(relation).written}: {_kind(read)}"
        return
    yield f"{relation.name}: {_kind(read)}"
    if not discretion.shows_read(relation, read.reduced_by if isinstance(read, LiveRead | FileRead) else ()):
        yield "  asked, pushed: not shown, for the relation is restricted for you"
        return
    if isinstance(read, LiveRead):
        yield f"  asked: {read.offer.request}"
        for edge in read.awaits:
            column = relation.object.columns[edge.target.column].name
            yield f"  dynamic filter: {column} among the keys of {names[edge.source.relation]}"
        if read.offer.scan.predicates or read.offer.limit_taken or read.offer.semi_joins:
            yield from _pushed(read)
        for refusal in read.offer.refused:
            yield f"  not pushed: {refusal.what}, because {refusal.why}"
        for text in read.kept:
            yield f"  not pushed: {text}, because {_OFF if read.unpushed else 'it has no form that a source could take'}"
    elif isinstance(read, FileRead):
        yield from _files(read.scan)
        for text in read.demand.kept if read.unpushed else ():
            yield f"  not pushed: {text}, because {_OFF}"
        for predicate in read.demand.predicates:
            if predicate not in read.scan.pruned_by:
                yield f"  duckdb prunes by: {describe(predicate)}"


def _kind(read: Read) -> str:
    if isinstance(read, LiveRead):
        return "live scan"
    if isinstance(read, FileRead):
        return f"{read.scan.layout.format} files"
    return (
        "the fabric's own" if isinstance(read, SystemRead) else "not read, the answer does not depend on it"
    )


def _pushed(read: LiveRead) -> Iterator[str]:
    taken = [describe(predicate) for predicate in read.offer.taken]
    taken += [f"{each.column} among the keys of {each.table.name}" for each in read.offer.semi_joins]
    if read.offer.order_taken and read.offer.scan.order:
        taken.append("ORDER BY")
    if read.offer.limit_taken:
        taken.append("LIMIT")
    yield f"  pushed: {', '.join(taken) or 'nothing'}"


def _files(scan: FileScan) -> Iterator[str]:
    files = scan.files
    names = ", ".join(file.path for file in files[:_SHOWN_FILES])
    more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    yield f"  files: {len(files)} of {scan.listed}: {names}{more}"
    for predicate in scan.pruned_by:
        yield f"  pushed: {describe(predicate)} (partitions)"


def _actual(receipt: ScanReceipt) -> str:
    rows = f"{receipt.rows:,} rows, " if receipt.rows else ""
    if receipt.veiled:
        return f"  did: {rows if receipt.guarded else ''}{receipt.seconds:.3f} s"
    cache = f", {receipt.cache} in the cache" if receipt.cache else ""
    return (
        f"  did: {rows}{receipt.bytes:,} bytes, {receipt.requests:,} requests, {receipt.seconds:.3f} s{cache}"
    )
