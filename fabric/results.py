"""Results that are kept: what was answered once is answered again from memory, while it would be the same (ADR 31).

What is asked counts as it runs, with every filter and mask in it: principals with other decisions ask something else.
What it was made of counts by its version: files by their validators, and a source without versions for as long as it
says (``max_age``).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from fabric.compose import meaning, table_relations
from fabric.outcome import Outcome
from fabric.plan import Plan
from fabric.plan_cache import is_lasting
from fabric.questions import Question
from fabric.reads import FileRead, LiveRead, Unread
from fabric.remembered import Numbered
from fabric.resolve import relations
from fabric.scan_cache import ScanCache
from fabric.types import FileStat, Governed, ScanReceipt

_SHARE = 16  # a single result takes at most this part of the budget


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer rests on: the ``files`` of each scan, and the ``unversioned`` sources, in lower case.

    ``reduced_by`` are for each scan the places of the relations of which keys or filters stand in what was asked: what may
    be told of it rests on them.
    """

    files: tuple[tuple[FileStat, ...], ...]
    unversioned: frozenset[str]
    reduced_by: tuple[frozenset[int], ...]


def basis_of(plan: Plan) -> Basis | None:
    """What the answer of a plan rests on; None when it reads the fabric's own tables."""
    if not all(isinstance(read, FileRead | LiveRead | Unread) for read in plan.reads):
        return None
    governed, reads = plan.governed, [r for r in plan.reads if isinstance(r, FileRead | LiveRead)]
    places = {each.id: n for n, each in enumerate(relations(governed.resolved, governed.decisions))}
    return Basis(
        files=tuple(read.scan.files for read in reads if isinstance(read, FileRead)),
        unversioned=frozenset(r.connector.name.lower() for r in reads if isinstance(r, LiveRead)),
        reduced_by=tuple(frozenset(places[id] for id in read.reduced_by) for read in reads),
    )


def content_of(governed: Governed) -> str:
    """A digest of all that a statement's answer depends on beside data and session; empty where there is more to it.

    That is its text as it runs, filters and masks with their values included, each table that stands in it with its
    columns, and the version of the policies.
    """
    content: str | None = governed.composed.get("content")
    if content is None:
        content = governed.composed["content"] = _content(governed) if is_lasting(governed) else ""
    return content


def _content(governed: Governed) -> str:
    numbered = Numbered(meaning(governed))
    if not numbered.ids <= _own_ids(governed):
        return ""  # somebody else's name looks like an id, and may stand in the answer
    tables = [
        (table.name.key, table.layout, [(column.name, column.type) for column in table.columns])
        for _, table in table_relations(governed.resolved, governed.decisions)
    ]
    text = repr((governed.policy_version, numbered.text, tables))
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=32).hexdigest()


def _own_ids(governed: Governed) -> set[str]:
    """The ids of every relation and WITH entry of a statement."""
    read = list(relations(governed.resolved, governed.decisions))
    filters = [one for each in read for group in governed.decisions[each.id].rows for one in group]
    trees = [governed.resolved.tree, *(each.body.tree for each in read if each.body is not None)]
    trees += [one.condition.tree for one in filters]
    return {each.id for each in read} | {cte.alias for tree in trees for cte in tree.find_all(exp.CTE)}


@dataclass(frozen=True, slots=True)
class Result:
    """Every batch of a query that succeeded; ``at`` is when its oldest live rows were read, on the monotonic clock."""

    basis: Basis
    schema: pa.Schema
    batches: tuple[pa.RecordBatch, ...]
    scans: tuple[ScanReceipt, ...]
    at: float

    @property
    def age(self) -> float:
        """Seconds since."""
        return time.monotonic() - self.at

    @property
    def bytes(self) -> int:
        """What it takes, a kilobyte for itself included."""
        return 1000 + sum(int(batch.get_total_buffer_size()) for batch in self.batches)


class ResultCache:
    """The newest results, as many as fit into ``most`` bytes; any thread may ask.

    Args:
        most: bytes.
        scans: knows how old the rows of a source without versions may be.
        shared: whether principals under the same decisions have results in common; else each has their own.
    """

    def __init__(self, most: int = 0, scans: ScanCache | None = None, *, shared: bool = False) -> None:
        self._most = most
        self.scans = scans or ScanCache()
        self._shared = shared
        self._held = 0
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def largest(self) -> int:
        """The bytes of the largest result that is kept."""
        return self._most // _SHARE

    def may_have(self, question: Question, plan: Plan) -> bool:
        """Whether there is a result of a question, be it of now or not, and to find out asks nobody over a network."""
        key = self._key(question, plan.governed)
        with self._lock:
            return key in self._results and _is_at_hand(plan)

    def get(self, question: Question, plan: Plan) -> Result | None:
        """The result of a question, if all that its plan reads is still what it was made of, and young enough."""
        now = self._basis(plan)
        if now is None:
            return None
        key = self._key(question, plan.governed)
        with self._lock:
            found = self._results.get(key)
            if found is None:
                return None
            if found.basis != now or found.schema != plan.schema:
                self._drop(key)
                return None
            if not self._is_young(found, question.max_staleness):
                return None
            self._results.move_to_end(key)
            return found

    def put(
        self, question: Question, plan: Plan, batches: Sequence[pa.RecordBatch], outcome: Outcome
    ) -> None:
        """Keep a question's result, if it can be known again and is not too large."""
        basis = self._basis(plan)
        key = self._key(question, plan.governed) if basis is not None else ""
        if basis is None or not key:
            return
        at = time.monotonic() - (time.time() - _oldest(plan, outcome))
        result = Result(basis, plan.schema, tuple(batches), outcome.scans, at)
        if result.bytes > self.largest or not self._is_young(result, None):
            return
        with self._lock:
            self._drop(key)
            self._results[key] = result
            self._held += result.bytes
            while self._held > self._most:
                self._drop(next(iter(self._results)))

    def _key(self, question: Question, governed: Governed) -> str:
        content = content_of(governed)
        who = "" if self._shared else question.who
        return content and repr((content, question.session.zone, question.pushes, who))

    def _basis(self, plan: Plan) -> Basis | None:
        """What the answer of a plan rests on; None where that has no version, and may not be kept either."""
        found = basis_of(plan)
        lasts = found is not None and all(self.scans.max_age(each) is not None for each in found.unversioned)
        return found if lasts else None

    def _is_young(self, result: Result, max_staleness: float | None) -> bool:
        if max_staleness is not None and result.age >= max_staleness:
            return False
        most = (self.scans.max_age(source, max_staleness) for source in result.basis.unversioned)
        return all(age is not None and result.age < age for age in most)

    def _drop(self, key: str) -> None:
        found = self._results.pop(key, None)
        self._held -= found.bytes if found else 0


def _oldest(plan: Plan, outcome: Outcome) -> float:
    """When the oldest live rows of an answer were read, be it in another query; seconds since 1970."""
    reads = [read for read in plan.reads if isinstance(read, FileRead | LiveRead)]
    live = [s for read, s in zip(reads, outcome.scans, strict=True) if isinstance(read, LiveRead)]
    return min([outcome.started_at, *(scan.as_of.timestamp() for scan in live if scan.as_of is not None)])


def _is_at_hand(plan: Plan) -> bool:
    """Whether a plan's files can be looked at here: what is read without a block cache is local."""
    return not any(isinstance(read, FileRead) and read.connector.block_bytes for read in plan.reads)
