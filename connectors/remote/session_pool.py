"""The connections to one server: at most so many, kept for the next read, replaced when they break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from fabric.errors import Cancelled, SourceError, Unreachable
from fabric.spi import ScanContext

RETRIES = 3
_PAUSE = 0.2
_POLL = 0.1


class Session(Protocol):
    """A connection with a login; used by one thread at a time."""

    def connect(self) -> None:
        """Connect and log in, unless that was done.

        Raises:
            SourceError: no connection, or no login.
        """
        ...

    def alive(self) -> bool:
        """Whether an idle session can be used again, as far as can be told without asking."""
        ...

    def abort(self) -> None:
        """Make whatever the session waits for, or ever will, fail at once.

        Called from any thread, also while ``connect`` runs; must not block.
        """
        ...

    def close(self) -> None:
        """Give back the connection."""
        ...


S = TypeVar("S", bound=Session)
T = TypeVar("T")


class Pool(Generic[S]):
    """The sessions of one source.

    Args:
        source: the source's name.
        make: a session that is not connected yet.
        limit: how many may be open at once.
    """

    def __init__(self, source: str, make: Callable[[], S], limit: int) -> None:
        self._source = source
        self._make = make
        self._limit = limit
        self._changed = threading.Condition()
        self._idle: list[S] = []
        self._busy: list[S] = []
        self._closed = False
        self._second_login = True

    @property
    def open_sessions(self) -> int:
        """How many sessions are open or being opened, idle ones included."""
        with self._changed:
            return len(self._idle) + len(self._busy)

    def run(
        self, context: ScanContext, work: Callable[[S], T], cost: Callable[[S], int] = lambda session: 1
    ) -> T:
        """Do ``work`` with a session; when the connection breaks, again with a new one.

        ``work`` must be fit to be called again. A first connection that fails is not tried again.

        Args:
            context: the query's; its cancellation ends the wait, the login and the work.
            work: what to do.
            cost: which idle session suits: 0 best, 1 well, 2 only when no new one may be opened.

        Raises:
            Unreachable: no connection, or it broke ``RETRIES`` times more.
            Cancelled: the query was cancelled.
        """
        for attempt in range(RETRIES + 1):
            began = attempt > 0
            try:
                with self._lend(self._take(context, cost, fresh=began), context) as session:
                    began = True
                    return work(session)
            except Unreachable:
                if attempt == RETRIES or not began:
                    raise
            context.wait(_PAUSE * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def spare(self, context: ScanContext, cost: Callable[[S], int]) -> Iterator[S | None]:
        """A second session for a thread that has one, or None when all are busy or of cost 2.

        A server that refuses a second login is not asked for one again.
        """
        session, dead = self._pick(cost, fresh=False, evict=False) if self._second_login else (None, [])
        _close_all(dead)
        if session is None:
            yield None
            return
        began = False
        try:
            with self._lend(session, context):
                began = True
                yield session
        except SourceError:
            self._second_login = self._second_login and began
            raise

    def close(self) -> None:
        """Close the idle sessions, and end those in use."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            for session in self._busy:
                session.abort()
            self._changed.notify_all()
        _close_all(idle)

    def _take(self, context: ScanContext, cost: Callable[[S], int], *, fresh: bool) -> S:
        while True:
            if context.cancelled:
                raise Cancelled("the query was cancelled")
            session, dead = self._pick(cost, fresh=fresh)
            _close_all(dead)
            if session is not None:
                return session
            with self._changed:
                self._changed.wait(_POLL)

    def _pick(self, cost: Callable[[S], int], *, fresh: bool, evict: bool = True) -> tuple[S | None, list[S]]:
        """A session that now counts as busy, or None when all are; and those that it replaces."""
        with self._changed:
            if self._closed:
                raise Unreachable(self._source, "its connections are closed", hint="run the query again")
            dead = [session for session in self._idle if not session.alive()]
            self._idle = [session for session in self._idle if session not in dead]
            best = min(reversed(self._idle), key=cost, default=None)
            room = len(self._idle) + len(self._busy) < self._limit
            if best is not None and not fresh and cost(best) < 2:
                session = best
            elif room:
                session = self._make()
            elif best is not None and evict:
                session = self._make() if fresh else best
                dead += [best] if fresh else []
            else:
                return None, dead
            if best in (session, *dead):
                self._idle.remove(best)
            self._busy.append(session)
            return session, dead

    @contextmanager
    def _lend(self, session: S, context: ScanContext) -> Iterator[S]:
        leash = _Leash(session)
        context.on_cancel(leash.pull)
        try:
            session.connect()
            yield session
        except BaseException:
            self._return(session, leash, usable=False)
            if context.cancelled:
                raise Cancelled("the query was cancelled") from None
            raise
        self._return(session, leash, usable=True)

    def _return(self, session: S, leash: _Leash, *, usable: bool) -> None:
        usable = not leash.release() and usable and not self._closed
        if not usable:
            session.close()
        with self._changed:
            self._busy.remove(session)
            late = usable and self._closed
            if usable and not late:
                self._idle.append(session)
            self._changed.notify()
        if late:
            session.close()


class _Leash:
    """Aborts a session on cancellation, but only while the query still holds it."""

    def __init__(self, session: Session) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = session
        self._pulled = False

    def pull(self) -> None:
        with self._lock:
            if self._session is not None:
                self._pulled = True
                self._session.abort()

    def release(self) -> bool:
        """Let go; true when the session was aborted."""
        with self._lock:
            self._session = None
            return self._pulled


def _close_all(sessions: list[S]) -> None:
    for session in sessions:
        session.close()
