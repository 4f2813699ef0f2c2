"""What the entries share: files put into a folder that a server serves, rows as texts of other databases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from connectors.conformance import FileSubject


class FolderSubject(FileSubject):
    """Files in a folder of this machine, which a server may serve."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_name(f".{file.name}.new")
        written.write_bytes(data)
        written.replace(file)

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def limits(self, connections: int = 4, timeout: float = 20.0, **_: object) -> dict[str, Any]:
        return limits(connections, timeout)


def limits(connections: int = 4, timeout: float = 20.0) -> dict[str, Any]:
    """The keys that every source shares."""
    return {"limits": {"connections": connections}, "timeout": timeout, "connect_timeout": timeout}


def as_copy(rows: pa.Table, kinds: Mapping[str, str]) -> str:
    """The rows as the text that Postgres's COPY reads (its text format)."""
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("here", rows)
        columns = ", ".join(_spelled(quoted(name), kind) for name, kind in kinds.items())
        found = engine.execute(f"SELECT {columns} FROM here").fetchall()
    return "".join("\t".join(map(_escaped, row)) + "\n" for row in found)


def _spelled(column: str, kind: str) -> str:
    """DuckDB's text in Postgres's spelling."""
    if kind == "BLOB":
        return f"'\\x' || lower(hex({column}))"
    if kind.endswith("[]"):
        return f"translate(CAST({column} AS VARCHAR), '[] ', '{{}}')"
    text = f"CAST({column} AS VARCHAR)"
    if kind.startswith(("DATE", "TIMESTAMP")):
        # DuckDB writes the era before the time, Postgres wants it last.
        return (
            f"CASE WHEN contains({text}, '(BC)') THEN replace({text}, ' (BC)', '') || ' BC' ELSE {text} END"
        )
    return text


def _escaped(text: str | None) -> str:
    if text is None:
        return "\\N"
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def as_json_rows(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows as JSON holds them: floats that are not finite as text, UUIDs and times as text."""
    return [{name: _json(value) for name, value in row.items()} for row in rows.to_pylist()]


def _json(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    return str(value) if isinstance(value, UUID) else value


def quoted(name: str) -> str:
    """The name as an identifier."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
