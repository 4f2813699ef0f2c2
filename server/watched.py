"""The line as the server asks it: statements run under the watch, and their callers can always be answered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa

from fabric.engine_errors import EngineLost
from fabric.errors import Cancelled, FabricError
from fabric.pipeline import Description, Line, Reply, Session
from fabric.stop import Stop
from fabric.types import Principal
from server.app import App
from server.watch import Watch, Work

T = TypeVar("T")

_ASKER = "\0"  # in front of a user's name, which is then no statement


class WatchedApp:
    """An app whose statements run under the watch; everything else is the app's own."""

    def __init__(self, app: App, watch: Watch) -> None:
        self._app = app
        self.line = WatchedLine(app.line, watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)


class WatchedLine:
    """Describes and runs as the line does, each statement in threads of its own; all else is the line's."""

    def __init__(self, line: Line, watch: Watch) -> None:
        self._line, self._watch = line, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    def describe(
        self, text: str, principal: Principal, session: Session, parameters: Sequence[object] | None = None
    ) -> Description:
        """As ``Line.describe``."""
        known = self._line.described(text, principal, session, parameters)
        if known is not None:
            return known
        work = self._watch.begin(digest(text, parameters or ()), digest(_ASKER + principal.user))

        def describe() -> Description:
            try:
                return self._noted(work, lambda: self._line.describe(text, principal, session, parameters))
            finally:
                work.over()

        return work.call(describe)

    def run(
        self,
        text: str,
        principal: Principal,
        session: Session,
        parameters: Sequence[object] = (),
        policy_version: str | None = None,
    ) -> Reply | WatchedReply:
        """As ``Line.run``; what is in memory needs no watch."""
        kept = self._line.kept(text, principal, session, parameters, policy_version)
        if kept is not None:
            return kept
        work = self._watch.begin(digest(text, parameters), digest(_ASKER + principal.user))
        within = replace(session, stop=Stop(session.stop))
        work.waits_with(within.stop)
        session.stop.by(work.stop)

        def run() -> Reply:
            try:
                return self._noted(
                    work, lambda: self._line.run(text, principal, within, parameters, policy_version)
                )
            except BaseException:
                work.over()
                raise

        def unwanted(reply: Reply) -> None:
            reply.close()
            work.over()

        reply = work.call(run, unwanted)
        return WatchedReply(reply, work, self._watch)

    def _noted(self, work: Work, function: Callable[[], T]) -> T:
        try:
            return function()
        except EngineLost:
            self._watch.lose(work)
            raise


class WatchedReply:
    """A reply that is read in a thread of its own."""

    def __init__(self, reply: Reply, work: Work, watch: Watch) -> None:
        self.query_id, self.schema = reply.query_id, reply.schema
        self._reply, self._work, self._watch = reply, work, watch
        self._reading = False
        work.planning = False
        work.stops_with(reply.cancel)

    def batches(self) -> Generator[pa.RecordBatch]:
        """As the reply's own.

        Raises:
            FabricError: whatever ended the query, also while DuckDB does not heed its end.
        """
        self._reading = True
        yield from self._work.each(self._read, ended=self._give_back)

    def _read(self) -> Generator[pa.RecordBatch]:
        try:
            yield from self._reply.batches()
        except EngineLost:
            self._watch.lose(self._work)
            raise

    def cancel(self, reason: FabricError | None = None) -> None:
        """Whoever reads gets the reason now; DuckDB and the sources stop as soon as they heed."""
        self._work.stop(reason or Cancelled("the query was cancelled"))

    def close(self) -> None:
        """Give everything back; what still runs does so itself when it has stopped."""
        if self._reading:
            self.cancel(Cancelled("the client went away"))
        else:
            self._give_back()

    def _give_back(self) -> None:
        self._reply.close()
        self._work.over()

    def __enter__(self) -> WatchedReply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def digest(text: str, parameters: Sequence[object] = ()) -> str:
    """16 characters that stand for a statement with its parameters."""
    return hashlib.sha256(f"{text.strip()}\n{tuple(parameters)!r}".encode()).hexdigest()[:16]
