"""Whether an audit still stands as it was written: every line, every file, and its end."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fabric.audit_chain import Link, Record, Seal, file_names, head_file, read_head, read_line, seals
from fabric.audit_trail import locked
from fabric.errors import AuditUnavailable, NotFound

_LONGEST_LINE = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a line, from 1; at line 0, of the file as a whole."""

    line: int
    what: str


@dataclass(slots=True)
class FileReport:
    """One file: its records, the times of the first and the last, what was tampered with, and what is only told."""

    name: str
    records: int = 0
    first: str = ""
    last: str = ""
    writers: set[str] = field(default_factory=set)
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The whole audit.

    ``problems`` are those of no single file, ``unfinished`` counts allowed queries that have no outcome, and
    ``last`` is the newest record.
    """

    files: list[FileReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unfinished: int = 0
    last: Link = field(default_factory=Link)

    @property
    def failures(self) -> int:
        """How many problems there are; none in an audit that stands."""
        return len(self.problems) + sum(len(file.problems) for file in self.files)


def verify(
    folder: Path, key: bytes, *, old_keys: Sequence[bytes] = (), first: int = 1, anchors: Sequence[str] = ()
) -> Report:
    """Read an audit from end to end; servers may go on writing it meanwhile.

    Args:
        folder: where its files are.
        key: the fabric's key.
        old_keys: keys that the fabric had before.
        first: the record with which it begins, where older files were taken away.
        anchors: hashes of records, kept elsewhere, that must be in it.

    Raises:
        NotFound: there is no audit.
        AuditUnavailable: it cannot be read.
    """
    report = Report()
    try:
        files, head = _snapshot(folder, seals(key, *old_keys, purpose="head"), report)
        walk = _Walk(seals(key, *old_keys), first, {head.number: head.hash}, set(anchors), report)
        for name, size in files:
            walk.begin(name)
            for line in _lines(folder / name, size):
                walk.take(line)
    except OSError as error:
        raise AuditUnavailable(f"the audit cannot be read: {error.strerror or error}") from None
    walk.finish(head)
    return report


def _snapshot(folder: Path, heads: Mapping[str, Seal], report: Report) -> tuple[list[tuple[str, int]], Link]:
    """The files with their sizes, and the head, at one moment."""
    if not folder.is_dir():
        if head_file(folder).exists():
            report.problems.append("the folder of the audit is missing")
            return [], Link()
        raise NotFound("there is no audit here", hint="the server begins it when it first starts")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with locked(descriptor, fcntl.LOCK_SH):
            files = [(name, (folder / name).stat().st_size) for name in file_names(folder)]
            try:
                head = read_head(folder, heads)
                if head is None:
                    report.problems.append("the head is missing: whether the end was cut cannot be told")
            except ValueError as error:
                head = None
                report.problems.append(f"the head is {error}: whether the end was cut cannot be told")
    finally:
        os.close(descriptor)
    return files, head or Link()


def _lines(file: Path, size: int) -> Iterator[bytes]:
    """The lines of the first ``size`` bytes, each with its newline; the last one may lack it."""
    with file.open("rb") as content:
        while size and (line := content.readline(min(size, _LONGEST_LINE))):
            size -= len(line)
            yield line


class _Walk:
    """Goes through the lines of all files, oldest first, and fills the report.

    Args:
        known: the seals that lines may have.
        first: the number of the first record.
        wanted: hashes by the number of the record that must have them.
        anchors: hashes that some record must have; found ones are taken out.
        report: what is filled.
    """

    def __init__(
        self,
        known: Mapping[str, Seal],
        first: int,
        wanted: Mapping[int, str],
        anchors: set[str],
        report: Report,
    ) -> None:
        self._known = known
        self._first = first
        self._wanted = wanted
        self._anchors = anchors
        self._report = report
        self._file = FileReport("")
        self._line = 0
        self._last: Record | None = None
        self._bad: list[tuple[FileReport, int, bytes, str]] = []
        self._foreign: set[str] = set()
        self._running: set[str] = set()

    def begin(self, name: str) -> None:
        """Go on in the next file."""
        self._file, self._line = FileReport(name), 0
        self._report.files.append(self._file)

    def take(self, line: bytes) -> None:
        """The next line of the file."""
        self._line += 1
        try:
            if not line.endswith(b"\n"):
                raise ValueError("torn")
            record = read_line(line[:-1], self._known)
        except ValueError as error:
            self._bad.append((self._file, self._line, line, str(error)))
            return
        self._chain(record, self._settle(record))
        self._count(record)

    def finish(self, head: Link) -> None:
        """The last line was read."""
        if self._bad and self._is_torn(b"".join(line for _, _, line, _ in self._bad)):
            file, number, _, _ = self._bad.pop()
            file.notes.append(Finding(number, "torn: its writer was stopped; the next one goes on behind it"))
        self._condemn()
        last = self._last.link if self._last else Link()
        if head.number > last.number:
            lost = _span(last.number + 1, head.number)
            self._report.problems.append(f"the end was cut: {lost} missing, of which the head knows")
        elif self._last is not None and self._last.event == "turn":
            following = self._last.fields["file"]
            if following not in {file.name for file in self._report.files}:
                self._report.problems.append(f"the file {following}, which comes next, is missing")
        for anchor in sorted(self._anchors):
            self._report.problems.append(f"no record has the hash {anchor}")
        self._report.last = last
        self._report.unfinished = len(self._running)

    # ── lines that are no records ────────────────────────────────────────────────────────────

    def _settle(self, record: Record) -> int:
        """Judge the lines that are no records before this one; how many of them may have been records."""
        bad = b"".join(line for _, _, line, _ in self._bad)
        told = record.event == "recovered" and record.genuine
        if told and self._speaks_of(record, bad):
            torn = bad[: record.fields["bytes"]]
            if self._is_torn(torn):
                file, number, _, _ = self._bad.pop()
                file.notes.append(Finding(number, "torn: its writer was stopped; the next line says so"))
        elif told:
            self._problem("the torn line that it speaks of is not before it")
        return self._condemn()

    @staticmethod
    def _speaks_of(record: Record, bad: bytes) -> bool:
        torn = bad[: record.fields["bytes"]]
        return (
            len(bad) - len(torn) <= 1  # the newline that ended it
            and hashlib.sha256(torn).hexdigest() == record.fields["sha256"]
        )

    @staticmethod
    def _is_torn(bad: bytes) -> bool:
        """Whether it is a line that was not finished, and nothing else."""
        return bool(bad) and b"\n" not in bad

    def _condemn(self) -> int:
        condemned = len(self._bad)
        for file, number, _, what in self._bad:
            file.problems.append(Finding(number, what))
        self._bad.clear()
        return condemned

    # ── records ──────────────────────────────────────────────────────────────────────────────

    def _chain(self, record: Record, between: int) -> None:
        """Judge the record's place, where ``between`` lines before it are no records."""
        number, last = record.link.number, self._last
        if last is not None and number <= last.link.number:
            self._problem(f"record {number} stands behind record {last.link.number}")
            return
        before = last.link.number if last else self._first - 1
        missing = number - before - 1
        if missing > between:
            self._problem(f"{_span(before + 1, number - 1)} missing before it")
        elif not missing and last is not None and record.before != last.link.hash:
            self._problem("it does not follow from the line before it")
        elif last is None and number == 1 and record.before != Link().hash:
            self._problem("the first record follows from another")
        if record.event == "headless":
            # A new key cannot read the old one's head; otherwise somebody has taken it away.
            told = self._file.notes if last is not None and last.key != record.key else self._file.problems
            told.append(Finding(self._line, f"opened when the head was {record.fields.get('head')}"))
        wanted = self._wanted.get(number, record.link.hash)
        if wanted != record.link.hash:
            self._problem(f"record {number} is not the one that the head knows")
        self._last = record

    def _count(self, record: Record) -> None:
        file, at = self._file, str(record.fields.get("at", ""))
        file.records += 1
        file.first, file.last = file.first or at, at
        file.writers.add(str(record.fields.get("by", "")))
        self._anchors.discard(record.link.hash)
        if record.genuine is None and record.key not in self._foreign:
            self._foreign.add(record.key)
            self._problem(f"written under another key, {record.key}, as are others: give it with --old-key")
        query = str(record.fields.get("id", ""))
        if record.event == "outcome":
            self._running.discard(query)
        elif (record.fields.get("call"), record.fields.get("decision")) == ("query", "allowed"):
            self._running.add(query)

    def _problem(self, what: str) -> None:
        self._file.problems.append(Finding(self._line, what))


def _span(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
