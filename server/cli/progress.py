"""What is seen while a query runs: rows and bytes so far, the time, and what each source has done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from server.cli.formats import Batches, visible

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.text import Text

    from server.client import Client

_SHOWN_AFTER = 0.7
_ASKED_AFTER = 1.5
_ASKED_MOST_SECONDS = 10.0
_MOST_SOURCES = 8
# Of a user's own running query the server tells no more than of one that ended: see docs/sql.md.
_SQL = """/* progress in ripstop sql */
SELECT s.object, s.rows, s.bytes, s.seconds, q.started_at
FROM system.queries q JOIN system.scans s USING (query_id) WHERE q.state = 'running' AND q.sql = {}
ORDER BY q.started_at DESC, s.object"""


class Progress:
    """Lines on a terminal that say how far a query is, gone when the block ends or ``hide`` is called.

    Args:
        connect: makes a connection of its own, to ask the server while the other one waits.
        statement: what runs.
        shown: whether there is a terminal to show it on.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[Client]], statement: str, *, shown: bool
    ) -> None:
        self._connect = connect
        self._sql = _SQL.format("'" + statement.replace("'", "''") + "'")
        self._over = threading.Event()
        self._shown = shown
        self._lock = threading.Lock()
        self._live: Any = None
        self._began = time.monotonic()
        self.rows = self.bytes = 0
        self.seconds = 0.0
        self.sources: list[str] = []

    def __enter__(self) -> Progress:
        if self._shown:
            for task in (self._show, self._ask):
                threading.Thread(target=task, name="ripstop-progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()

    def hide(self) -> None:
        """Take the lines away, for good."""
        self._over.set()
        with self._lock:
            if self._live is not None:
                self._live.stop()
                self._live = None

    def done(self) -> None:
        """The last row has come: what a person reads after that is not the query's time."""
        self.seconds = time.monotonic() - self._began

    def _show(self) -> None:
        if self._over.wait(_SHOWN_AFTER):
            return
        from rich.console import Console
        from rich.live import Live

        with self._lock:
            if not self._over.is_set():
                self._live = Live(
                    console=Console(stderr=True),
                    get_renderable=self.text,
                    refresh_per_second=5,
                    transient=True,
                    redirect_stdout=False,
                    redirect_stderr=False,
                )
                self._live.start()

    def text(self) -> Text:
        """The lines as they are now."""
        from rich.text import Text

        seconds = time.monotonic() - self._began
        head = f"{'◐◓◑◒'[int(seconds * 5) % 4]} {self.rows:,} rows · {size(self.bytes)} · {seconds:.1f} s"
        lines = [f"{head} · Ctrl-C ends it", *(f"  {line}" for line in self.sources[:_MOST_SOURCES])]
        return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")

    def _ask(self) -> None:
        """Ask rarely: each time is a query of its own, which the audit keeps."""
        pause = _ASKED_AFTER
        if self._over.wait(pause):
            return
        with suppress(Exception), self._connect() as client:  # the driver's too: it is only a look
            while not self._over.is_set():
                with client.query(self._sql) as answer:
                    self.sources = _told(answer.read_all().to_pylist())
                if self._over.wait(pause):
                    return
                pause = min(pause * 1.5, _ASKED_MOST_SECONDS)

    def watched(self, answer: Batches) -> Watched:
        """The answer, whose batches are counted as they come."""
        return Watched(answer, self)


class Watched:
    """An answer that tells a progress what has come of it."""

    def __init__(self, answer: Batches, progress: Progress) -> None:
        self.schema: pa.Schema = answer.schema
        self._answer = answer
        self._progress = progress

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._answer:
            self._progress.rows += batch.num_rows
            self._progress.bytes += batch.nbytes
            yield batch
        self._progress.done()


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _told(scans: list[dict[str, Any]]) -> list[str]:
    """A line for each source of the newest such query; what it may not tell is left out."""
    newest = [scan for scan in scans if scan["started_at"] == scans[0]["started_at"]]
    lines = []
    for scan in newest:
        parts = [visible(scan["object"] or "a restricted part")]
        parts += [f"{scan['rows']:,} rows"] if scan["rows"] is not None else []
        parts += [size(scan["bytes"])] if scan["bytes"] is not None else []
        parts += [f"{scan['seconds']:.1f} s"] if scan["seconds"] is not None else []
        lines.append(" · ".join(parts))
    return lines
