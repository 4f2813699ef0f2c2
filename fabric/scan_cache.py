"""Rows of live scans, kept for as long as their source's ``max_age`` says, for who asked for them (ADR 24).

Kept is what a source sent, as it was asked for it: rules and masks are applied above, each time anew.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from fabric.reads import LiveRead
from fabric.spi import ScanConnector, ScanContext, ScanSession
from fabric.types import Offer, Split

_SHARE = 4  # a single scan takes at most this part of the budget
_OWN_BYTES = 1000  # what a scan takes beside its rows and the text of what was asked

Key = tuple[object, ...]
"""Who asked, the source, and all that the source was asked."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """When a query began to read a source: ``as_of`` for people, ``at`` on the monotonic clock."""

    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since."""
        return time.monotonic() - self.at


@dataclass(frozen=True, slots=True)
class KeptScan:
    """All that a source sent for one scan, and the moment that the query which asked for it saw."""

    moment: Moment
    batches: tuple[pa.RecordBatch, ...]
    bytes: int


class ScanCache:
    """The newest scans, as many as fit into ``most`` bytes with those that are being read; any thread may ask.

    Args:
        most: bytes.
        max_ages: seconds, by the lower-cased name of a source; of any other nothing is kept.
    """

    def __init__(self, most: int = 0, max_ages: Mapping[str, float] | None = None) -> None:
        self._most = most
        self._max_ages = {} if most == 0 else dict(max_ages or {})
        self._held = 0
        self._scans: OrderedDict[Key, KeptScan] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, who: str, max_staleness: float | None = None) -> QueryScans:
        """The cache for one query of somebody who takes nothing older than ``max_staleness`` seconds."""
        return QueryScans(self, who, max_staleness)

    def max_age(self, source: str, max_staleness: float | None = None) -> float | None:
        """How old a scan may be that a query uses; None where nothing is kept."""
        declared = self._max_ages.get(source.lower())
        return declared if declared is None or max_staleness is None else min(declared, max_staleness)

    def of_one_moment(self, keys: Sequence[Key], max_age: float) -> Mapping[Key, KeptScan]:
        """The scans of all keys, if they are kept, young enough, and were read by one query; else none."""
        with self._lock:
            found = {key: self._scans[key] for key in keys if key in self._scans}
            moments = {scan.moment for scan in found.values()}
            if len(found) < len(set(keys)) or len(moments) > 1 or any(m.age >= max_age for m in moments):
                return {}
            for key in found:
                self._scans.move_to_end(key)
            return found

    def reserve(self, size: int, already: int) -> bool:
        """Room for ``size`` more bytes of a scan of ``already`` so many, in the place of the oldest ones."""
        with self._lock:
            if size + already > self._most // _SHARE:
                return False
            while self._held + size > self._most and self._scans:
                self._held -= self._scans.popitem(last=False)[1].bytes
            if self._held + size > self._most:
                return False
            self._held += size
            return True

    def release(self, size: int) -> None:
        """Give back what was reserved."""
        with self._lock:
            self._held -= size

    def put(self, scans: Mapping[Key, KeptScan]) -> None:
        """Keep scans whose bytes are reserved."""
        with self._lock:
            for key, scan in scans.items():
                replaced = self._scans.pop(key, None)
                self._held -= replaced.bytes if replaced else 0
                self._scans[key] = scan


class QueryScans:
    """The scan cache as one query uses it: of a source, all its scans are kept ones of one moment, or none is."""

    def __init__(self, cache: ScanCache, who: str, max_staleness: float | None) -> None:
        self._cache = cache
        self._who = who
        self._max_staleness = max_staleness
        self._sessions: list[_KeepingSession] = []

    def open(self, connector: ScanConnector, reads: Sequence[LiveRead]) -> ScanSession:
        """The query's session with a source, of which these are all the reads."""
        max_age = self._cache.max_age(connector.name, self._max_staleness)
        if max_age is None:
            return connector.open(_scans(reads))
        session = _KeepingSession(self._cache, self._who, connector, reads, max_age)
        self._sessions.append(session)
        return session

    def keep(self) -> None:
        """Keep what the query read; called once it has succeeded."""
        for session in self._sessions:
            session.keep()


def _scans(reads: Sequence[LiveRead]) -> int:
    return sum(len(read.offer.splits) or 1 for read in reads)


class _Recording:
    """What came so far of one scan; ``left`` are the splits that have not been read to their end."""

    def __init__(self, offer: Offer) -> None:
        self.left = {split.label for split in offer.splits}
        self.batches: list[pa.RecordBatch] = []
        self.bytes = 0
        self.fits = True


class _KeepingSession:
    """A ``ScanSession`` that answers what is kept, and records what it has to read."""

    def __init__(
        self,
        cache: ScanCache,
        who: str,
        connector: ScanConnector,
        reads: Sequence[LiveRead],
        max_age: float,
    ) -> None:
        self._cache = cache
        self._prefix = (who, connector.name)
        self._max_age = max_age
        self._session = connector.open(_scans(reads))
        self._moment = Moment()
        self._lock = threading.Lock()
        self._recordings: dict[tuple[int, Key], _Recording] = {}
        # What waits for keys is not known yet: then only a scan that is alone cannot mix two moments.
        known = not any(read.awaits for read in reads)
        self._alone = len(reads) == 1
        self._kept = dict(cache.of_one_moment([self._key(r.offer) for r in reads], max_age)) if known else {}
        self._fresh = set[Key]()

    def _key(self, offer: Offer) -> Key:
        table = offer.scan.table
        types = tuple(column.type for name in offer.scan.columns if (column := table.column(name)))
        payloads = tuple(split.payload for split in offer.splits)
        return (*self._prefix, table.name, offer.scan.columns, types, payloads)

    def read(self, offer: Offer, split: Split, context: ScanContext) -> Iterator[pa.RecordBatch]:
        """The rows of one split; of a kept scan, the first split has all.

        Raises:
            SourceError: as of the source's own session.
        """
        key = self._key(offer)
        kept = self._found(key)
        if kept is None:
            yield from self._recorded(key, offer, split, context)
            return
        context.as_of = kept.moment.as_of
        for batch in kept.batches if split is offer.splits[0] else ():
            context.rows += batch.num_rows
            yield batch

    def _found(self, key: Key) -> KeptScan | None:
        with self._lock:
            if self._alone and key not in self._kept and key not in self._fresh:
                self._kept |= self._cache.of_one_moment([key], self._max_age)
            if key not in self._kept:
                self._fresh.add(key)  # its other splits are read too, whatever is kept meanwhile
            return self._kept.get(key)

    def _recorded(
        self, key: Key, offer: Offer, split: Split, context: ScanContext
    ) -> Iterator[pa.RecordBatch]:
        with self._lock:  # two occurrences of a table may ask the same: each has a context of its own
            recording = self._recordings.setdefault((id(context), key), _Recording(offer))
            if not recording.bytes:
                self._take(recording, _OWN_BYTES + len(offer.request))
        batches = self._session.read(offer, split, context)
        try:
            for batch in batches:
                self._record(recording, batch)
                yield batch
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()
        if not context.cancelled:
            with self._lock:
                recording.left.discard(split.label)

    def _record(self, recording: _Recording, batch: pa.RecordBatch) -> None:
        with self._lock:
            if self._take(recording, int(batch.get_total_buffer_size())):
                recording.batches.append(batch)

    def _take(self, recording: _Recording, size: int) -> bool:
        """Whether there is room for so much more of a scan; where there is none, all of it is forgotten."""
        if recording.fits and self._cache.reserve(size, recording.bytes):
            recording.bytes += size
        else:
            recording.fits = False
            self._forget(recording)
        return recording.fits

    def _forget(self, recording: _Recording) -> None:
        recording.batches.clear()
        self._cache.release(recording.bytes)
        recording.bytes = 0

    def keep(self) -> None:
        """Keep every scan that was read to its end."""
        with self._lock:
            whole: dict[Key, KeptScan] = {}
            for (context, key), recording in list(self._recordings.items()):
                if recording.fits and not recording.left and key not in whole:
                    whole[key] = KeptScan(self._moment, tuple(recording.batches), recording.bytes)
                    del self._recordings[context, key]
            self._cache.put(whole)

    def close(self) -> None:
        """Give back the session, and the room of what is not kept."""
        self._session.close()
        with self._lock:
            for recording in self._recordings.values():
                self._forget(recording)
            self._recordings.clear()
