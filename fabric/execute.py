"""Run a plan: every source starts, DuckDB joins, batches stream, and everything is given back."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from fabric.arrow_source import collected
from fabric.asides import KEY
from fabric.compose import guarded_name, raw_name
from fabric.discretion import Discretion
from fabric.dynamic_filter_run import DynamicFiltering, Keys
from fabric.engine import Engine, register, stream
from fabric.engine_errors import translate
from fabric.errors import Cancelled, FabricError, LimitError, SchemaChanged
from fabric.feed import Feed, FeedSource
from fabric.file_errors import blame
from fabric.filesystem import FileSystem
from fabric.guarded import GuardedSource
from fabric.outcome import Outcome
from fabric.plan import Plan
from fabric.quotas import Quotas, Used
from fabric.reads import FileRead, LiveRead, SystemRead
from fabric.scan_cache import QueryScans, ScanCache
from fabric.scan_run import ScanRun
from fabric.spi import ScanSession
from fabric.types import Governed, Relation, ScanReceipt
from fabric.watchdog import WATCHDOG

log = logging.getLogger("ripstop.execute")

SystemRows = Callable[[Relation], pa.Table]

_UNLIMITED = Quotas()


class Answer:
    """A running query: a stream of batches in the promised schema.

    Args:
        plan: what runs.
        engine: where.
        filesystem: through which DuckDB reads files.
        system: the rows of the fabric's own tables, for the one who asks.
        discretion: what may be said of each part to the one who asks.
        query_id: under which it is written down; made when absent.
        quotas: how much it may use.
        streams: called when rows are there, before they are handed out.
        ended: called once, when all is given back.
        keep_bytes: how large a result may be to be ``kept``.
        scans: the scan cache, as it is for the one who asks.
    """

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        filesystem: FileSystem,
        system: SystemRows,
        discretion: Discretion,
        *,
        query_id: str = "",
        quotas: Quotas = _UNLIMITED,
        streams: Callable[[], None] = lambda: None,
        ended: Callable[[Outcome], None] = lambda outcome: None,
        keep_bytes: int = 0,
        scans: QueryScans | None = None,
    ) -> None:
        self.query_id = query_id or uuid.uuid4().hex
        self.executed = ""
        self.plan = plan
        self.schema = plan.schema
        self._discretion = discretion
        self._quotas = quotas
        self._streams = streams
        self._ended = ended
        self._scans = scans or ScanCache().of("")
        self._since = time.monotonic()
        self._began = datetime.now(UTC)
        self._resources = ExitStack()
        self._lives: list[ScanRun] = []
        self._asides: dict[str, GuardedSource] = {}
        self._registered: dict[str, tuple[object, float | None]] = {}
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._engine = engine
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._stop: FabricError | None = None
        self._error: FabricError | None = None
        self._rows = self._bytes = 0
        self._keep_bytes = keep_bytes
        self._keeping: list[pa.RecordBatch] = []
        self._finished = False
        self._watched: object | None = None
        try:
            self._start(filesystem, system)
            self._cursor = self._open_cursor()
            self.executed = plan.sql(self._paths)
        except Exception as error:  # noqa: BLE001 - as in ``batches``
            failure = self._fail(error)
            self.close()
            raise failure from None
        self._watched = WATCHDOG.watch(self._look)

    def _start(self, filesystem: FileSystem, system: SystemRows) -> None:
        self._paths: dict[str, dict[str, str]] = {}
        sessions: dict[str, ScanSession] = {}
        for read in self.plan.reads:
            live = ScanRun(read)
            self._lives.append(live)
            if isinstance(read, FileRead):
                live.mount = filesystem.mount(read.connector, read.scan.files, live.context)
                self._resources.callback(filesystem.unmount, live.mount)
                files = (file.path for file in read.scan.files)
                self._paths[read.relation.id] = dict(zip(files, live.mount.paths, strict=True))
                self._guard(live, read)
            elif isinstance(read, LiveRead):
                self._feed(live, read, sessions)
            elif isinstance(read, SystemRead):
                self._registered[raw_name(read.relation)] = system(read.relation), None
        for key, aside in self.plan.asides.items():
            sql = functools.partial(self.plan.aside_sql, aside, self._paths)
            schema = pa.schema([pa.field(KEY, self._engine.arrow_type(aside.kind))])
            rows = GuardedSource(self._open_cursor, sql, schema, repeated=False, ahead=True)
            self._asides[key], self._registered[aside.name] = rows, (rows, None)
        runs = {live.read.relation.id: live for live in self._lives}
        for live in self._lives:
            live.filtering = self._filtering(live, runs)
            live.follow(runs, self.plan)
        for live in self._lives:
            live.start(self._engine)

    def _feed(self, live: ScanRun, read: LiveRead, sessions: dict[str, ScanSession]) -> None:
        source, relation = read.connector.name, read.relation
        if source not in sessions:
            reads = [
                each
                for each in self.plan.reads
                if isinstance(each, LiveRead) and each.connector is read.connector
            ]
            sessions[source] = self._scans.open(read.connector, reads)
            self._resources.callback(sessions[source].close)
        columns = [(f"{relation.id}_{n}", relation.object.columns[n].type) for n in read.positions]
        schema = pa.schema([pa.field(name, self._engine.input_type(kind)) for name, kind in columns])
        live.feed = Feed(sessions[source], read.offer, live.context, schema)
        ahead = relation.id in self.plan.key_givers and not self.plan.is_guarded(read)
        repeated = self.plan.is_repeated(read) and not self.plan.is_guarded(read)
        live.rows_of = FeedSource(live.feed, schema, repeated=repeated, ahead=ahead)
        self._registered[raw_name(relation)] = live.rows_of, read.shown_rows
        self._guard(live, read)

    def _guard(self, live: ScanRun, read: LiveRead | FileRead) -> None:
        """Where a read has a statement of its own, have DuckDB read that."""
        if not self.plan.is_guarded(read):
            return
        relation = read.relation
        kinds = [column.type for column in self.plan.guarded_columns(read)] or ["BOOLEAN"]
        fields = [pa.field(f"{relation.id}_{n}", self._engine.arrow_type(k)) for n, k in enumerate(kinds)]
        live.guarded = live.rows_of = GuardedSource(
            self._open_cursor,
            lambda: self.plan.guarded_sql(read, self._paths),
            pa.schema(fields),
            repeated=self.plan.is_repeated(read),
            ahead=read.ahead if isinstance(read, FileRead) else relation.id in self.plan.key_givers,
        )
        self._registered[guarded_name(relation)] = live.guarded, read.shown_rows

    def _filtering(self, live: ScanRun, runs: Mapping[str, ScanRun]) -> DynamicFiltering | None:
        read = live.read
        if not isinstance(read, LiveRead) or live.feed is None or not read.awaits:
            return None
        keys: list[Keys] = []
        for edge in read.awaits:
            giver = runs[edge.source.relation]
            if edge.source.relation in self._asides:
                keys.append((edge, self._asides[edge.source.relation], 0))
            elif isinstance(giver.read, LiveRead | FileRead) and giver.rows_of is not None:
                keys.append((edge, giver.rows_of, self.plan.key_position(giver.read, edge.source.column)))
        return DynamicFiltering(read, live.feed, keys, live.context)

    def _open_cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor on which every relation of the plan is registered; an interrupt reaches it too."""
        if self._closed.is_set():
            raise Cancelled("the query was cancelled")
        cursor = self._resources.enter_context(self._engine.cursor())
        for name, (relation, rows) in self._registered.items():
            register(cursor, name, relation, rows)
        with self._lock:
            self._cursors.append(cursor)
        return cursor

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, once; all is given back when the iterator ends or is closed.

        Raises:
            FabricError: whatever ended the query before its last row.
        """
        try:
            if self._stop is not None:
                raise self._stop
            self._read_ahead()
            with stream(self._cursor, self.executed) as reader:
                for batch in reader:
                    self._count(batch)
                    self._streams()
                    promised = self._promised(batch)
                    if self._bytes <= self._keep_bytes:
                        self._keeping.append(promised)
                    else:
                        self._keeping.clear()
                    yield promised
            self._quotas.require(self._using())
            self._finished = True
            self._scans.keep()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the client gets an error of ours
            raise self._fail(error) from None
        finally:
            self.close()

    def _read_ahead(self) -> None:
        """Read what comes before the statement, and tell DuckDB how many rows that has."""
        first = {aside.name: self._asides[key] for key, aside in self.plan.asides.items()}
        for live in self._lives:
            if isinstance(live.read, FileRead) and live.read.ahead and live.guarded is not None:
                first[guarded_name(live.read.relation)] = live.guarded
        for name, rows in collected(first).items():
            register(self._cursor, name, first[name], rows.num_rows)

    @property
    def kept(self) -> Sequence[pa.RecordBatch] | None:
        """The whole result, when it was read to its end and is no larger than ``keep_bytes``."""
        return self._keeping if self._finished and self._bytes <= self._keep_bytes else None

    def _count(self, batch: pa.RecordBatch) -> None:
        self._quotas.require(self._using(batch.num_rows, batch.nbytes))
        self._rows += batch.num_rows
        self._bytes += batch.nbytes

    def _promised(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if batch.schema == self.schema:
            return batch
        if batch.schema.types == self.schema.types:
            return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)
        raise SchemaChanged("fabric", "the result has other types than were promised", hint="ask again")

    @property
    def governed(self) -> Governed:
        """What was decided on it."""
        return self.plan.governed

    def cancel(self, reason: FabricError | None = None) -> None:
        """Stop DuckDB and the sources, from any thread, within half a second."""
        with self._lock:
            if self._stop is not None or self._closed.is_set():
                return
            self._stop = reason or Cancelled("the query was cancelled")
        for live in self._lives:
            live.context.cancel()

    def _look(self) -> None:
        """For the watchdog, again and again until the query has ended."""
        if self._stop is not None or self._closed.is_set():
            self._interrupt()
        else:
            try:
                self._quotas.require(self._using())
            except LimitError as error:
                self.cancel(error)

    def _interrupt(self) -> None:
        """Interrupt DuckDB; that counts only while it runs, so it is done at every look."""
        with self._lock:
            cursors = list(self._cursors)
        for cursor in cursors:
            with contextlib.suppress(duckdb.Error):
                cursor.interrupt()

    def _fail(self, error: BaseException) -> FabricError:
        """The one error of this query: why it was stopped, else the source's, else DuckDB's own."""
        self._error = self._stop or self._of_source() or self._translated(error)
        return self._error

    def _of_source(self) -> FabricError | None:
        for live in self._lives:
            part = live.feed or live.mount
            if part and part.error is not None and not isinstance(part.error, Cancelled):
                return self._discretion.told(live.read.relation, part.error)
        return None

    def _translated(self, error: BaseException) -> FabricError:
        """DuckDB's error; one that it met in a guarded scan came through Arrow as a text only."""
        apart = [live.guarded for live in self._lives if live.guarded] + list(self._asides.values())
        error = next((each.error for each in apart if each.error), error)
        if isinstance(error, FabricError):
            return error
        mounts = [(live.read.relation, live.mount) for live in self._lives if live.mount is not None]
        for relation, mount in mounts:
            found = blame(str(error), mount, alone=len(mounts) == 1)
            if found is not None:
                return self._discretion.told(relation, found)
        return translate(error)

    # ── ending ──────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Give everything back; the journal hears how it ended. Calling again does nothing."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
        for live in self._lives:
            live.context.cancel()
        for live in self._lives:
            live.join()
        self._resources.close()
        for live in self._lives:
            if live.prefetch is not None:
                live.prefetch.join()
        if self._watched is not None:
            WATCHDOG.forget(self._watched)
        self._ended(self._outcome())

    def _outcome(self) -> Outcome:
        error = self._error or self._stop
        if self._finished:
            state = "succeeded"
        elif error is None or isinstance(error, Cancelled):
            state = "cancelled"
        else:
            state = "failed"
        started, version = self._began.timestamp(), self.plan.governed.policy_version
        said, receipts = str(error) if error else "", self.receipts()
        counted = {
            live.read.relation.name: n for live in self._lives if (n := live.rows_of_table) is not None
        }
        return Outcome(
            self.query_id,
            started,
            version,
            state,
            self._rows,
            self._bytes,
            said,
            receipts,
            table_rows=counted,
        )

    def _using(self, rows: int = 0, size: int = 0) -> Used:
        """What it has used so far, with as many rows and bytes more."""
        sources: dict[str, tuple[int, int]] = {}
        for live in self._lives:
            name = live.read.relation.name.catalog.lower()
            size, requests = sources.get(name, (0, 0))
            sources[name] = (size + live.context.bytes, requests + live.context.requests)
        return Used(time.monotonic() - self._since, self._rows + rows, self._bytes + size, sources)

    def used(self, *, whole: bool) -> dict[str, float]:
        """What it has used so far, by the key of its limit; ``whole`` for those who may see everyone's."""
        return self._quotas.told(self._using(), whole=whole)

    @property
    def delivered(self) -> tuple[int, int]:
        """Rows and bytes so far."""
        return self._rows, self._bytes

    def receipts(self) -> tuple[ScanReceipt, ...]:
        """What each scan did so far."""
        scans = [live for live in self._lives if isinstance(live.read, LiveRead | FileRead)]
        return tuple(live.receipt(self._discretion) for live in scans)

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
