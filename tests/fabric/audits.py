"""Audits to write, tamper with and verify."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabric.audit_records import Intent
from fabric.audit_trail import Trail
from fabric.audit_verify import Report, verify
from fabric.types import Principal, ScanReceipt

KEY = b"the fabric's key, of 32 bytes ..."
ANA = Principal("ana", frozenset({"role:analyst"}), {"region": "EU"})


@dataclass(frozen=True)
class Ended:
    """What ``fabric.execute.Outcome`` holds."""

    query_id: str = "q1"
    started_at: float = 1_790_000_000.0
    policy_version: str = "v1"
    state: str = "succeeded"
    rows: int = 3
    bytes: int = 24
    error: str = ""
    scans: tuple[ScanReceipt, ...] = ()


def intent(query_id: str = "q1", sql: str = "SELECT 1", **more: Any) -> Intent:
    """An intent of ana's."""
    return Intent(**{"principal": ANA, "sql": sql, "query_id": query_id, **more})


def write(folder: Path, records: int, *, each_file: int = 3_000, key: bytes = KEY) -> None:
    """Append so many records, about a dozen a file; the audit is durable and closed then."""
    trail = Trail(folder, key, file_bytes=each_file)
    for number in range(records):
        trail.append([{"event": "intent", "id": f"q{number}", "user": "ana", "sql": f"SELECT {number}"}])
    finish(trail)


def finish(trail: Trail) -> None:
    """Make it durable, say so in the head, and close it."""
    durable = trail.sync()
    trail.draft_head(durable)
    trail.publish_head(durable)
    trail.close()


def files(folder: Path) -> list[Path]:
    """The audit's files, oldest first."""
    return sorted(folder.glob("*.jsonl"))


def found(folder: Path, key: bytes = KEY, **more: Any) -> list[str]:
    """Every problem as ``file:line: what``, the file being numbered from 0."""
    return told(verify(folder, key, **more))


def told(report: Report) -> list[str]:
    """The problems of a report."""
    lines = [f"{n}:{p.line}: {p.what}" for n, file in enumerate(report.files) for p in file.problems]
    return [*lines, *report.problems]


def notes(folder: Path, key: bytes = KEY) -> list[str]:
    """What is told without being a problem."""
    return [f"{n}:{p.line}: {p.what}" for n, file in enumerate(verify(folder, key).files) for p in file.notes]


def lines_of(file: Path) -> list[bytes]:
    """The lines of a file with their newlines."""
    return file.read_bytes().splitlines(keepends=True)


def put(file: Path, lines: Sequence[bytes]) -> None:
    """Write a file's lines over it."""
    file.write_bytes(b"".join(lines))


def until(true: Any, seconds: float = 20.0) -> None:
    """Wait until a callable says true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def bodies(folder: Path) -> list[Mapping[str, Any]]:
    """The records as they stand in the files."""
    import json

    return [json.loads(line) for file in files(folder) for line in lines_of(file)]
