"""The scans of one query over one database: one state, few connections, no deadlock.

The first scan opens the leader, whose transaction is the state that all see; further scans join it on
connections of their own while the pool has any to spare. When it has none, the scan that waits sets
aside what another one has still to send (in memory, then in a file) and takes over its connection:
DuckDB may want the second source whole before it takes another row of the first. A split of a scan only
waits for the other splits of the same scan.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from connectors.relational.pool import Link, Pool, Watch
from connectors.relational.stream import Conduct, Stream
from fabric.errors import Cancelled, FabricError, SourceChanged, SourceError, Unreachable
from fabric.spi import ScanContext
from fabric.types import Offer, Split

_WAIT_SECONDS = 0.05


class Session:
    """The ``ScanSession`` of a database; see the module.

    ``alone`` foretells a single scan. If there are more after all, each has to wait for the one before.
    """

    def __init__(self, conduct: Conduct, pool: Pool, watch: Watch, *, alone: bool = False) -> None:
        self.conduct = conduct
        self.watch = watch
        self._pool = pool
        self._alone = alone
        self._changed = threading.Condition()
        self._leader: Link | None = None
        self._leading = False
        self._state = ""
        self._leader_idle = False
        self._lost = False
        self._closed = False
        self._delivered = False
        self._streams: list[Stream] = []

    def read(self, offer: Offer, split: Split, context: ScanContext) -> Iterator[pa.RecordBatch]:
        """The rows of one split, whose payload is the ``Conduct``'s own request.

        Raises:
            FabricError: a failed read is never a short answer.
        """
        stream, batch = self._first(split.payload, context)
        try:
            while batch is not None:
                self._delivered = True
                context.rows += batch.num_rows
                context.bytes += batch.nbytes
                yield from self.conduct.spread(split.payload, batch)
                batch = stream.next()
        finally:
            self._end(stream)

    @property
    def closed(self) -> bool:
        """Whether no further scan may start."""
        return self._closed

    def close(self) -> None:
        """Stop every scan and give the leader back."""
        self._closed = True
        for stream in list(self._streams):
            stream.abort()
        with self._changed:
            leader = self._leader if self._leader_idle else None
            self._leader, self._leader_idle, self._lost = None, False, True
        if leader is not None:
            self._part(leader, quiet=True)

    def give_back(self, link: Link, *, quiet: bool, clean: bool, keep: bool) -> None:
        """Take a link from a stream: the leader stays with its state if it can, others go home."""
        stays = keep and link is self._leader and (clean or self._rewound(link))
        with self._changed:
            mine = link is self._leader
            self._leader_idle = self._leader_idle or (mine and stays)
            if mine and not stays:
                self._leader, self._lost = None, self.conduct.stateful
            self._changed.notify_all()
        if not (mine and stays):
            self._part(link, quiet=quiet)

    def _rewound(self, link: Link) -> bool:
        try:
            self.conduct.rewind(link)
        except Exception:  # noqa: BLE001  (whatever it was, the state is lost)
            return False
        return True

    def _part(self, link: Link, *, quiet: bool) -> None:
        if quiet:
            self._pool.give_ended(link, self.conduct.end)
        else:
            self._pool.give(link, whole=False)

    def _first(self, request: Any, context: ScanContext) -> tuple[Stream, pa.RecordBatch | None]:
        """The stream and its first batch; once more when the connection was lost before any row."""
        for last in (False, True):
            stream = Stream(self, request, context)
            try:
                self._begin(stream, context)
                return stream, stream.next()
            except Unreachable:
                self._end(stream)
                if last or not self._start_over():
                    raise
            except BaseException:
                self._end(stream)
                raise
        raise AssertionError

    def _begin(self, stream: Stream, context: ScanContext) -> None:
        link, proven = self._link(stream, context)
        self._streams.append(stream)
        context.on_cancel(lambda: threading.Thread(target=stream.abort, daemon=True).start())
        stream.start(link, proven=proven)

    def _end(self, stream: Stream) -> None:
        stream.close()
        with contextlib.suppress(ValueError):
            self._streams.remove(stream)

    def _start_over(self) -> bool:
        """Forget a lost leader, if nobody has seen anything of its state."""
        with self._changed:
            if self._delivered or self._streams:
                return False
            self._lost = False
        self._pool.forget_idle()
        return True

    def _link(self, stream: Stream, context: ScanContext) -> tuple[Link, bool]:
        """A link for a stream, and whether its table was proven when the link's transaction began."""
        while True:
            if context.cancelled:
                raise Cancelled("the query was cancelled")
            with self._changed:
                if self._lost:
                    raise SourceChanged(
                        self.conduct.source,
                        "the state that this query reads is gone",
                        hint="run the query again",
                    )
                if self._leader is not None and self._leader_idle:
                    self._leader_idle = False
                    return self._leader, False
                first = self._leader is None and not self._leading
                self._leading = self._leading or first
            if first:
                return self._lead(stream.request, context), True
            if self._leader is not None:
                if not self._alone and (link := self._spare()) is not None:
                    if self._joined(link, stream.request):
                        return link, True
                    continue
                busy = [each for each in list(self._streams) if each.holds and each is not stream]
                # A split of the same scan is read before this one anyway, and not for its sake set aside.
                if busy and not any(each.serves(context) for each in busy):
                    busy[0].set_aside(context)
                    continue
            with self._changed:
                self._changed.wait(_WAIT_SECONDS)

    def _spare(self) -> Link | None:
        try:
            return self._pool.take_free()
        except SourceError:
            return None  # the server takes fewer connections than our cap: make do with those we have

    def _lead(self, request: Any, context: ScanContext) -> Link:
        def lead(link: Link) -> str:
            return self.conduct.lead(link, request, alone=self._alone)

        try:
            while True:
                link = self._pool.take(context)
                state = self._tried(link, lead, request)
                if state is not None:
                    with self._changed:
                        self._leader, self._leader_idle, self._state = link, False, state
                    return link
        finally:
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def _joined(self, link: Link, request: Any) -> bool:
        def follow(link: Link) -> str:
            self.conduct.follow(link, self._state, request)
            return self._state

        return self._tried(link, follow, request) is not None

    def _tried(self, link: Link, step: Callable[[Link], str], request: Any) -> str | None:
        """What ``step`` answers, or None when a pooled link turned out to be broken and is gone."""
        with self.watch.over(link) as alarm:
            try:
                return step(link)
            except Exception as error:  # noqa: BLE001  (drivers raise what they like; all is translated)
                failure = error
        self._pool.give(link, whole=False)
        if alarm.rang:
            raise self.conduct.silent()
        known = failure if isinstance(failure, FabricError) else self.conduct.failed(failure, request)
        if link.used and isinstance(known, Unreachable):
            self._pool.forget_idle()
            return None
        raise known from None
