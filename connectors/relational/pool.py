"""Connections to one database by ADBC, at most as many as its limit, taken and given back whole."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from fabric.errors import Cancelled, SourceTimeout
from fabric.spi import ScanContext

_POLL_SECONDS = 0.05


class Link:
    """One connection. Every method but ``cancel`` belongs to the thread that holds the link.

    Args:
        connection: an ``adbc_driver_manager.AdbcConnection``.
        options: set on each statement that answers rows.
        at_once: set beside these where all rows are wanted at once, and are few.
    """

    def __init__(
        self, connection: Any, options: Mapping[str, str], at_once: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.connection = connection
        self._options = dict(options)
        self._at_once = self._options | dict(at_once)
        self._running: Any = None
        self._lock = threading.Lock()
        self.used = False

    def execute(self, sql: str) -> None:
        """Run a statement that answers no rows, such as BEGIN."""
        import adbc_driver_manager as driver

        with contextlib.closing(driver.AdbcStatement(self.connection)) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    @contextlib.contextmanager
    def stream(self, sql: str, *, at_once: bool = False) -> Iterator[pa.RecordBatchReader]:
        """The rows of a query as they come, or ``at_once``; leaving early does not stop the server, ``cancel`` does.

        Raises:
            adbc_driver_manager.Error: from here and from every read, with its ``sqlstate``.
        """
        import adbc_driver_manager as driver
        from adbc_driver_manager._reader import AdbcRecordBatchReader  # pyarrow's own loses the SQLSTATE

        with contextlib.closing(driver.AdbcStatement(self.connection)) as statement:
            if options := self._at_once if at_once else self._options:
                statement.set_options(**options)
            statement.set_sql_query(sql)
            with self._lock:
                self._running = statement
            try:
                handle, _ = statement.execute_query()
                with contextlib.closing(AdbcRecordBatchReader._import_from_c(handle.address)) as reader:
                    yield reader
            finally:
                with self._lock:
                    self._running = None

    def rows(self, sql: str, *, at_once: bool = False) -> list[dict[str, Any]]:
        """All rows of a small query."""
        with self.stream(sql, at_once=at_once) as reader:
            rows: list[dict[str, Any]] = reader.read_all().to_pylist()
            return rows

    def cancel(self) -> bool:
        """Ask the server to end the running statement; may be called from any thread.

        False when the driver cannot (SQLite), or the connection is gone already.
        """
        with self._lock:
            for target in (self.connection, self._running):  # a driver may know only one of the two ways
                with contextlib.suppress(Exception):
                    if target is not None:
                        target.cancel()
                        return True
        return False

    def close(self) -> None:
        """End the connection; the server notices and rolls back."""
        with contextlib.suppress(Exception):
            self.connection.close()


class Pool:
    """The connections of one source, opened when first needed.

    Args:
        source: the source's name, for errors.
        cap: the most connections at once.
        connect: opens one; raises errors of ours.
        close: frees what the connections share, when the last one is closed.
    """

    def __init__(self, source: str, cap: int, connect: Callable[[], Link], close: Callable[[], None]) -> None:
        self._source = source
        self._cap = cap
        self._connect = connect
        self._close = close
        self._idle: list[Link] = []
        self._open = 0
        self._ending = 0
        self._waiting = 0
        self._closed = False
        self._free = threading.Condition()

    def take(self, context: ScanContext | None = None, seconds: float | None = None) -> Link:
        """A connection, waited for as long as the query lives, or ``seconds``.

        Raises:
            Cancelled: the query, or the project, ended while it waited.
            SourceTimeout: ``seconds`` went by.
            SourceError: no connection could be made.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._free:
            self._waiting += 1
            try:
                self._await_ending()
                while not self._idle and self._open >= self._cap:
                    self._check_patience(context, deadline)
                    self._free.wait(_POLL_SECONDS)
                self._check_patience(context, None)
                if self._idle:
                    return self._idle.pop()
                self._open += 1
            finally:
                self._waiting -= 1
        return self._new()

    def _check_patience(self, context: ScanContext | None, deadline: float | None) -> None:
        if self._closed or (context is not None and context.cancelled):
            raise Cancelled("the query was cancelled while it waited for a connection")
        if deadline is not None and time.monotonic() > deadline:
            raise SourceTimeout(
                self._source,
                f"all {self._cap} connections stayed busy",
                hint="raise the source's limits.connections, or its timeout",
            )

    def take_free(self) -> Link | None:
        """A connection if one can be had now, and no other query waits for its first one."""
        with self._free:
            if self._waiting or self._closed:
                return None
            self._await_ending()
            if self._idle:
                return self._idle.pop()
            if self._open >= self._cap:
                return None
            self._open += 1
        return self._new()

    def give(self, link: Link, *, whole: bool) -> None:
        """Take a connection back: to be used again when ``whole``, else to be closed."""
        with self._free:
            if whole and not self._closed:
                link.used = True
                self._idle.append(link)
                self._free.notify()
                return
        link.close()
        self._one_less()

    def give_ended(self, link: Link, end: Callable[[Link], None]) -> None:
        """Take a connection back once ``end`` is through with it; nobody waits for that.

        A connection that cannot be ended is closed.
        """

        def run() -> None:
            whole = False
            try:
                with contextlib.suppress(Exception):
                    end(link)
                    whole = True
            finally:
                with self._free:
                    self._ending -= 1
                self.give(link, whole=whole)

        with self._free:
            self._ending += 1
        threading.Thread(target=run, name=f"ending-{self._source}", daemon=True).start()

    def _await_ending(self) -> None:
        """Rather wait for a connection that is being given back than open another one."""
        if self._ending and not self._idle:
            self._free.wait(_POLL_SECONDS)

    def forget_idle(self) -> None:
        """Close every idle connection: one was found broken, so the others may be too."""
        with self._free:
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()
            self._one_less()

    def close(self) -> None:
        """Close what is idle; connections in use are closed as they are given back."""
        with self._free:
            self._closed = True
            unused = self._open == 0
            self._free.notify_all()
        self.forget_idle()
        if unused:
            self._close()

    def _one_less(self) -> None:
        with self._free:
            self._open -= 1
            last = self._closed and self._open == 0
            self._free.notify()
        if last:
            self._close()

    def _new(self) -> Link:
        try:
            return self._connect()
        except BaseException:
            self._one_less()
            raise


class Alarm:
    """A deadline for one call on a link; ``rang`` tells whether it passed."""

    def __init__(self, link: Link, deadline: float) -> None:
        self._link = link
        self.deadline = deadline
        self.rang = False
        self._over = False
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Cancel what the link does, unless the call has returned meanwhile."""
        with self._lock:
            if not self._over:
                self.rang = True
                self._link.cancel()

    def end(self) -> None:
        """The call returned; the link is not cancelled from now on."""
        with self._lock:
            self._over = True


class Watch:
    """One thread that cancels calls which stay silent for longer than the source's ``timeout``."""

    _TICK_SECONDS = 0.1

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._alarms: set[Alarm] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextlib.contextmanager
    def over(self, link: Link) -> Iterator[Alarm]:
        """Watch the calls made on ``link`` within the block."""
        alarm = Alarm(link, time.monotonic() + self.seconds)
        with self._changed:
            self._alarms.add(alarm)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="silence-watch", daemon=True)
                self._thread.start()
            elif len(self._alarms) == 1:
                self._changed.notify()
        try:
            yield alarm
        finally:
            with self._changed:
                self._alarms.discard(alarm)
            alarm.end()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                self._changed.wait(self._TICK_SECONDS if self._alarms else None)
                now = time.monotonic()
                late = [alarm for alarm in self._alarms if alarm.deadline < now]
            for alarm in late:
                alarm.ring()
