"""The state store: what outlives a process and is no file of the project's, in SQLite or Postgres.

    with state.transaction() as run:      durable when the block ends: what is reported as done
        run("INSERT …", values)
    state.later(("INSERT …", rows))       soon, in a batch, by one thread: what no query may wait for
    state.read("SELECT …", values)
    state.lease("refresh claims", 60)     whether this process is the one that does it

Each part of the program has tables of its own, which it declares as a ``Part``. SQL is plain, and the same for both
databases: ``$1`` for values, TEXT, BIGINT, ``{real}``, times in seconds since 1970.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from fabric.errors import InvalidConfig, StateUnavailable
from fabric.state_databases import Database, Down, Link, PostgresDatabase, Row, SqliteDatabase, Value

log = logging.getLogger("ripstop.state")

GATHER_SECONDS = 0.05
"""How long what is written later may wait for more of its kind."""

MOST_WAITING_CHARACTERS = 64 * 2**20
"""How much may wait to be written; what comes beyond that is lost, and counted."""

FLUSH_SECONDS = 5.0
_AGAIN_SECONDS = 1.0

Statement = tuple[str, Sequence[Sequence[Value]]]
"""A text, and the rows of values that it is run with."""

Run = Callable[..., list[Row]]
"""Runs a text with a sequence of values, and gives the rows that it returns."""


@dataclass(frozen=True, slots=True)
class Part:
    """The tables of one part of the program; ``scripts`` make them, each once and in order.

    A script never changes when it was released: a later one changes the tables. Its statements end with ``;``.
    ``{number}`` is the type of a column that numbers rows, ``{real}`` that of doubles. Names that are words of SQL stand in
    double quotes.
    """

    name: str
    scripts: tuple[str, ...]


_OWN = Part(
    "state",
    ("CREATE TABLE leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until {real} NOT NULL)",),
)


@dataclass(slots=True)
class _Slot:
    """A link that is opened when it is needed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    link: Link | None = None


class State:
    """The state of one fabric; any thread may ask, and several processes share it.

    Args:
        database: where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = uuid.uuid4().hex
        self._writing, self._reading = _Slot(), _Slot()
        self._parts: list[Part] = []
        self._unprepared: list[Part] = []
        self._waiting: deque[tuple[Statement, ...]] = deque()
        self._characters = self._came = self._written = self._lost = 0
        self._fault = ""
        self._changed = threading.Condition()
        self._hurry = self._closing = False
        self._thread = threading.Thread(target=self._write_waiting, name="ripstop-state", daemon=True)
        self.prepare(_OWN)
        self._thread.start()

    @property
    def fault(self) -> str:
        """Why nothing is written at the moment; empty when all is well."""
        return self._fault

    @property
    def lost(self) -> int:
        """How many writes this process has lost since it started."""
        return self._lost

    def prepare(self, part: Part) -> None:
        """Have the tables of a part there; while the database is down, as soon as it is not.

        Raises:
            InvalidConfig: they are of a later version than this one knows.
        """
        with self._changed:
            self._unprepared.append(part)
        with contextlib.suppress(StateUnavailable), self._link(self._writing):
            pass

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Run]:
        """Run statements that are durable when the block ends, or leave nothing behind.

        Raises:
            StateUnavailable: they are not.
        """
        with self._link(self._writing) as link, link.transaction():
            yield link.run

    def read(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """What a query finds; of what was written later, all that ``flush`` has waited for.

        Raises:
            StateUnavailable: the state cannot be read.
        """
        with self._link(self._reading) as link:
            return link.run(sql, values)

    # ── written later ───────────────────────────────────────────────────────────────────────

    def later(self, *statements: Statement) -> None:
        """Write these soon, all or none; never waits, never raises.

        The statements of a batch are run in the order in which their texts first came. What the database does not take is
        logged and left out.
        """
        size = sum(
            len(each) for _, rows in statements for row in rows for each in row if isinstance(each, str)
        )
        with self._changed:
            if self._closing or self._characters + size > MOST_WAITING_CHARACTERS:
                self._lost += 1
                return
            self._characters += size
            self._came += 1
            self._waiting.append(statements)
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until all is written that this process gave to ``later`` so far.

        Raises:
            StateUnavailable: it is not, after that time.
        """
        until = time.monotonic() + seconds
        with self._changed:
            wanted = self._came
            while self._written < wanted:
                self._hurry = True
                self._changed.notify_all()
                if self._fault or not self._changed.wait(until - time.monotonic()):
                    raise _unavailable()

    def _write_waiting(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._closing and not self._hurry:
                    self._changed.wait_for(lambda: self._hurry or self._closing, GATHER_SECONDS)
                self._hurry = False
                batch, closing = list(self._waiting), self._closing
            if not batch:
                return
            try:
                self._write(batch)
            except (StateUnavailable, InvalidConfig):
                if closing:
                    with self._changed:
                        self._lost += len(batch)
                    log.error("%d writes are not in the state", len(batch))
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, _AGAIN_SECONDS)
                continue
            with self._changed:
                for done in (self._waiting.popleft() for _ in batch):
                    self._characters -= _characters(done)
                self._written += len(batch)
                self._changed.notify_all()

    def _write(self, batch: Sequence[tuple[Statement, ...]]) -> None:
        try:
            self._run_all(batch)
        except StateUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one of them is at fault, and the others are not
            for each in batch:
                try:
                    self._run_all([each])
                except StateUnavailable:
                    raise
                except Exception:
                    log.exception("the state does not take a write")
                    with self._changed:
                        self._lost += 1

    def _run_all(self, batch: Sequence[tuple[Statement, ...]]) -> None:
        texts: dict[str, list[Sequence[Value]]] = {}
        for statements in batch:
            for sql, rows in statements:
                texts.setdefault(sql, []).extend(rows)
        with self._link(self._writing) as link, link.transaction():
            for sql, found in texts.items():
                if found:
                    link.many(sql, found)

    # ── who does it ─────────────────────────────────────────────────────────────────────────

    def lease(self, name: str, seconds: float) -> bool:
        """Whether this process has the lease of that name for so long; who has it may ask for longer.

        The time is the database's own. A process that dies keeps its lease until it ends.

        Raises:
            StateUnavailable: nobody can tell.
        """
        now = self._database.now
        with self.transaction() as run:
            given = run(
                f"INSERT INTO leases (name, owner, until) VALUES ($1, $2, {now} + $3) "
                "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until "
                f"WHERE leases.owner = excluded.owner OR leases.until < {now} RETURNING owner",
                (name, self._owner, float(seconds)),
            )
        return bool(given)

    def release(self, name: str) -> None:
        """Give a lease back before its end; one that is another's stays."""
        with self.transaction() as run:
            run("DELETE FROM leases WHERE name = $1 AND owner = $2", (name, self._owner))

    def close(self) -> None:
        """Write what waits, and close the links."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        for slot in (self._writing, self._reading):
            with slot.lock:
                if slot.link is not None:
                    slot.link.close()
                    slot.link = None

    # ── links and tables ────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _link(self, slot: _Slot) -> Iterator[Link]:
        """The slot's link, for this thread alone; tables are there."""
        with slot.lock:
            try:
                if slot.link is None:
                    slot.link = self._database.open()
                if self._unprepared:
                    self._prepare(slot.link)
                yield slot.link
            except Down as error:
                if slot.link is not None:
                    slot.link.close()
                    slot.link = None
                self._failed(str(error))
                raise _unavailable() from None
            if self._fault:
                log.info("the state is there again; %d writes were lost since the start", self._lost)
                self._fault = ""

    def _failed(self, told: str) -> None:
        if told != self._fault:
            log.error("the state cannot be reached, queries go on without it: %s", told)
        with self._changed:
            self._fault = told
            self._changed.notify_all()

    def _prepare(self, link: Link) -> None:
        with self._changed:
            parts = list(self._unprepared)
        with link.transaction():
            link.run(self._database.alone)
            link.run("CREATE TABLE IF NOT EXISTS versions (part TEXT PRIMARY KEY, version BIGINT NOT NULL)")
            for part in parts:
                self._bring_up_to_date(link, part)
        with self._changed:
            self._unprepared = [part for part in self._unprepared if part not in parts]

    def _bring_up_to_date(self, link: Link, part: Part) -> None:
        found = link.run("SELECT version FROM versions WHERE part = $1", (part.name,))
        version = found[0][0] if found else 0
        if version > len(part.scripts):
            raise InvalidConfig(
                "the state is of a later version of Ripstop",
                hint="run that version, or name another state in fabric.yaml",
            )
        for script in part.scripts[version:]:
            for statement in filter(str.strip, script.split(";")):
                words = {"{number}": self._database.number, "{real}": self._database.real}
                link.run(reduce(lambda text, word: text.replace(word, words[word]), words, statement))
        link.run(
            "INSERT INTO versions (part, version) VALUES ($1, $2) "
            "ON CONFLICT (part) DO UPDATE SET version = excluded.version",
            (part.name, len(part.scripts)),
        )


def open_state(where: str) -> State:
    """The state at a path, or at ``postgresql://…``.

    Raises:
        MissingExtra: the driver for Postgres is not installed.
        InvalidConfig: it is of a later version of Ripstop.
    """
    is_postgres = where.startswith(("postgresql:", "postgres:"))
    return State(PostgresDatabase(where) if is_postgres else SqliteDatabase(Path(where)))


def _unavailable() -> StateUnavailable:
    return StateUnavailable(
        "the fabric's state cannot be reached",
        hint="try again in a moment; whoever runs this fabric finds the reason in its log",
    )


def _characters(statements: Sequence[Statement]) -> int:
    return sum(len(each) for _, rows in statements for row in rows for each in row if isinstance(each, str))
