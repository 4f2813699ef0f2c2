"""The audit: what was asked and decided, written down before a query runs, and how it ended.

What cannot be written down does not run. ``audit_records`` says what is recorded, ``audit_trail`` how it gets
into files, ``audit_chain`` how a line hangs on the one before, ``audit_verify`` whether all of it still stands.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fabric.audit_chain import Link, file_names, lines_backwards
from fabric.audit_records import Intent, Row, intent_body, outcome_body, policy_body, table_row
from fabric.audit_trail import NotDurable, Trail, now
from fabric.errors import AuditUnavailable

if TYPE_CHECKING:
    from fabric.outcome import Outcome

log = logging.getLogger("ripstop.audit")

GROUP_SECONDS = 0.1
"""How long a record may be in the kernel only."""

_MOST_READ = 100_000


class Audit:
    """Writes the audit of a project, in one chain with every other process that does; any thread may call.

    While the folder cannot be written every intent is refused; outcomes and policy changes of that time are kept,
    and stand before the first intent that is taken again.

    Args:
        folder: where the files are; made when it is not there. How far they got stands beside it, ``<folder>.head``.
        key: the fabric's key.
        fsync: ``group``, every 100 ms; ``each``, also before an intent returns.
        redact: takes secrets out of a text.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        fsync: Literal["group", "each"] = "group",
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._folder = folder
        self._key = key
        self._each = fsync == "each"
        self._redact = redact
        self._lock = threading.Lock()
        self._trail: Trail | None = None
        self._waiting: list[dict[str, Any]] = [{"event": "start", "at": now(), "pid": os.getpid()}]
        self._fault = ""
        self._refusing = False
        self._lost = False
        self._closed = False
        self._durable = Link()
        self._syncing = threading.Lock()
        self._dirty = threading.Event()
        self._stop = threading.Event()
        self._keep([])
        self._sync_and_publish()
        self._thread = threading.Thread(target=self._sync_groups, name="ripstop-audit", daemon=True)
        self._thread.start()

    def intent(self, intent: Intent) -> None:
        """Write down what is about to run, or was refused; on return it is as durable as ``fsync`` says.

        Raises:
            AuditUnavailable: it could not be written, so the query must not run.
        """
        if self._refusing:
            raise _unavailable()
        link = self._append([intent_body(intent, self._redact)])
        if self._each:
            try:
                self._sync_to(link.number)
            except OSError as error:
                self._not_durable(error)
                raise _unavailable() from None

    def outcome(
        self, outcome: Outcome, user: str, *, executed: str = "", seconds: Mapping[str, float] | None = None
    ) -> None:
        """Write down how a query ended, or keep it until that is possible; never raises.

        Args:
            outcome: of an intent with the same query id.
            user: who asked.
            executed: the SQL that DuckDB ran; only its SHA-256 is kept.
            seconds: per stage of the line, where they were measured.
        """
        try:
            self._keep([outcome_body(outcome, user, executed, seconds or {}, self._redact)])
        except Exception:
            log.exception("the outcome of query %s is not in the audit", outcome.query_id)

    def policy_changed(self, old: str, new: str, files: Mapping[str, str]) -> None:
        """Write down that other rules decide from now on, or keep it until that is possible; never raises.

        Args:
            old: the version before; empty at the start.
            new: the version now.
            files: the digest of each policy file by its name.
        """
        self._keep([policy_body(old, new, files)])

    def records(self, user: str | None, limit: int) -> list[Row]:
        """The newest records as rows of ``system.audit``, newest first; the newest 100,000 are looked at.

        Args:
            user: whose, as they themselves may see them; None, everyone's with all that is known.
            limit: the most rows.

        Raises:
            AuditUnavailable: the files cannot be read.
        """
        try:
            lines = itertools.islice(_newest_lines(self._folder), _MOST_READ)
            return list(itertools.islice(_rows(lines, user), limit))
        except OSError as error:
            log.error("the audit cannot be read: %s", _told(error))
            raise AuditUnavailable("the audit cannot be read") from None

    def close(self) -> None:
        """Write down the end, make everything durable, and close the files."""
        with self._lock:
            if self._closed:
                return
        self._keep([{"event": "stop", "at": now()}])
        with self._lock:
            self._closed = True
        self._stop.set()
        self._dirty.set()
        self._thread.join()
        with self._lock:
            if self._trail is not None:
                self._trail.close()
                self._trail = None
            if self._waiting:
                log.error("%d records are not in the audit", len(self._waiting))

    # ── appending ────────────────────────────────────────────────────────────────────────────

    def _append(self, bodies: list[dict[str, Any]]) -> Link:
        """Append what waits, and these.

        Raises:
            AuditUnavailable: not one of them is written.
        """
        with self._lock:
            if self._closed:
                raise _unavailable()
            try:
                if self._trail is None:
                    self._trail = Trail(self._folder, self._key)
                link = self._trail.append([*self._waiting, *bodies])
            except OSError as error:
                self._broke(_told(error))
                raise _unavailable() from None
            self._waiting.clear()
            if self._fault:
                log.info("the audit is written again")
                self._fault = ""
        self._dirty.set()
        return link

    def _keep(self, bodies: list[dict[str, Any]]) -> None:
        """Append these, now or before the next intent."""
        stamped = [{"at": now(), **body} for body in bodies]
        try:
            self._append(stamped)
        except AuditUnavailable:
            with self._lock:
                self._waiting += stamped

    def _broke(self, told: str) -> None:
        if told != self._fault:
            self._fault = told
            log.error("the audit cannot be written, so that nothing runs: %s", told)

    # ── durability ───────────────────────────────────────────────────────────────────────────

    def _sync_to(self, number: int) -> None:
        """Have the record durable; those who wait at once share an fsync."""
        with self._syncing:
            if self._durable.number < number and self._trail is not None:
                self._durable = self._trail.sync()

    def _sync_groups(self) -> None:
        stopping = False
        while not stopping:
            self._dirty.wait()
            self._stop.wait(GROUP_SECONDS)
            self._dirty.clear()
            # Asked after the clear, which may have taken the last call.
            stopping = self._stop.is_set()
            self._sync_and_publish()

    def _sync_and_publish(self) -> None:
        """Have durable what was appended, and the head say so; nothing runs while that fails."""
        trail = self._trail
        if trail is None or self._lost:
            return
        try:
            self._sync_to(trail.link.number)
            trail.draft_head(self._durable)
            with self._lock:
                trail.publish_head(self._durable)
            self._refusing = False
        except Exception as error:  # noqa: BLE001 - the thread must not end
            self._not_durable(error)
            self._dirty.set()

    def _not_durable(self, error: Exception) -> None:
        if not self._refusing:
            told = _told(error) if isinstance(error, OSError) else repr(error)
            log.error("the audit cannot be made durable, so that nothing runs: %s", told)
        self._refusing = True
        if isinstance(error, NotDurable) and not self._lost:
            self._lost = True
            log.error("records may be lost since an fsync failed: mend the disk, and restart the server")


def _newest_lines(folder: Path) -> Iterator[bytes]:
    for name in reversed(file_names(folder)):
        with (folder / name).open("rb") as file:
            for line, _ in lines_backwards(file.fileno(), os.fstat(file.fileno()).st_size):
                yield line


def _rows(lines: Iterable[bytes], user: str | None) -> Iterator[Row]:
    wanted = b"" if user is None else f'"user":{json.dumps(user)}'.encode()
    for line in lines:
        if wanted in line:
            # Lines are shown as they are; ``ripstop audit verify`` tells which are ours.
            with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
                fields = json.loads(line)
                if user in (None, fields.get("user")):
                    yield table_row(fields, own=user is not None)


def _told(error: OSError) -> str:
    return f"{errno.errorcode.get(error.errno or 0, 'OSError')}, {error.strerror or error}"


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable(
        "the audit cannot be written, so nothing may run",
        hint="try again in a moment; whoever runs this fabric finds the reason in its log",
    )
