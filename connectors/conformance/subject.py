"""What the conformance suite asks of the one who proves a connector: a real source that it may fill and break."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar, Protocol
from uuid import UUID

import pyarrow as pa

from fabric.predicates import Value
from fabric.spi import Connector, ScanConnector, ScanContext
from fabric.types import Column, Offer, Scan, Table

Rows = list[tuple[str | None, ...]]

NAME = "proved"
"""The name of the source under proof; its errors must say it."""


class Bench(Protocol):
    """DuckDB, as the line has it (``fabric.workbench.Workbench``)."""

    def make(self, columns: Sequence[Column], sql: str) -> pa.Table:
        """Rows for a source to hold."""
        ...

    def tables(self, connector: Connector) -> dict[str, Table]:
        """The connector's tables by name, with their columns."""
        ...

    def read(self, connector: Connector, scan: Scan, context: ScanContext | None = None) -> pa.Table:
        """What the source gives for a scan."""
        ...

    def read_offer(self, connector: ScanConnector, offer: Offer, context: ScanContext) -> pa.Table:
        """The rows of all splits of an offer."""
        ...

    def answer(self, rows: pa.Table, scan: Scan) -> Rows:
        """What DuckDB answers to the scan over rows that are here."""
        ...

    def selected(self, rows: pa.Table, sql: str) -> Rows:
        """What DuckDB answers to a SELECT from ``here``, rows that are here."""
        ...

    def texts(self, rows: pa.Table) -> Rows:
        """The rows, comparable."""
        ...


class Subject(ABC):
    """One source under proof, from the start of its server to its end.

    Attributes:
        lacks: columns of ``KINDS`` for whose type the source has none.
        tame: the source holds no infinite dates, and none before the year 1.
        nan: the source holds NaN.
        many: rows of the table that is read at length.
        secret: what no error may show; empty when nothing is secret.
        port: where it listens on 127.0.0.1; 0 when it is no server.
        declared: its columns are the owner's word, not introspected.
        tables: the ``tables:`` of the source, for ``connect``.
    """

    lacks: ClassVar[frozenset[str]] = frozenset()
    tame: ClassVar[bool] = False
    nan: ClassVar[bool] = True
    many: ClassVar[int] = 60_000
    declared: ClassVar[bool] = False
    secret: str = ""
    port: int = 0

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}

    @abstractmethod
    def connect(
        self, *, port: int = 0, secret: str = "", connections: int = 4, timeout: float = 20.0
    ) -> Connector:
        """A connector named ``NAME`` over all tables that were loaded.

        Args:
            port: instead of the source's own.
            secret: instead of the right one.
            connections: its cap.
            timeout: seconds for both of its time limits.
        """

    @abstractmethod
    def load(self, table: str, rows: pa.Table, kinds: Mapping[str, str]) -> None:
        """Make the table with these rows, or put these rows in the place of what it was.

        Args:
            table: its name.
            rows: its rows.
            kinds: the DuckDB type of each column.
        """

    @abstractmethod
    def drop(self, table: str) -> None:
        """Take a loaded table away."""

    def stranger(self) -> Connector | None:
        """A connector that expects another server's identity; None where servers prove none."""
        return None


@dataclass(frozen=True)
class Loaded:
    """A table of the source, and the same rows here."""

    name: str
    columns: tuple[Column, ...]
    rows: pa.Table


# Column: its type, and the value of each row. Rows are the same length; ``id`` tells them apart.
KINDS: dict[str, tuple[str, list[str | None]]] = {
    "id": ("BIGINT", ["1", "2", "3", "4", "5", "6", "7", "8"]),
    "small": ("SMALLINT", ["0", "32767", "-32768", None, "1", "-1", "5", "5"]),
    "whole": ("INTEGER", ["0", "2147483647", "-2147483648", None, "1", "-1", "5", "5"]),
    "big": (
        "BIGINT",
        ["0", "9223372036854775807", "-9223372036854775807", None, "1", "-1", "9007199254740993", "5"],
    ),
    "single": ("FLOAT", ["0", "3.4028235e38", "-3.4028235e38", None, "nan", "inf", "-inf", "0.1"]),
    "number": ("DOUBLE", ["0", "1.7976931348623157e308", "5e-324", None, "nan", "inf", "-inf", "0.1"]),
    "money": (
        "DECIMAL(18,2)",
        ["0", "9999999999999999.99", "-9999999999999999.99", None, "0.01", "-0.01", "5", "1234.50"],
    ),
    "huge": (
        "DECIMAL(38,10)",
        ["0", f"{'9' * 28}.{'9' * 10}", f"-{'9' * 28}.{'9' * 10}", None, "0.0000000001", "-1", "5", "1234.5"],
    ),
    "word": ("VARCHAR", ["", "a_b%c\\d", 'it\'s "quoted"', None, "Z", "a", "É", "☃𝄞 é\n\t"]),
    "flag": ("BOOLEAN", ["false", "true", "true", None, "false", "true", "false", "true"]),
    "day": (
        "DATE",
        [
            "1970-01-01",
            "9999-12-31",
            "0044-03-15 (BC)",
            None,
            "infinity",
            "-infinity",
            "2024-02-29",
            "1582-10-15",
        ],
    ),
    "moment": (
        "TIMESTAMP",
        [
            "1970-01-01",
            "9999-12-31 23:59:59.999999",
            "0044-03-15 (BC) 12:00:00",
            None,
            "infinity",
            "-infinity",
            "1969-12-31 23:59:59.999999",
            "2024-02-29 13:00:00",
        ],
    ),
    "instant": (
        "TIMESTAMP WITH TIME ZONE",
        [
            "1970-01-01 00:00:00+00",
            "9999-12-31 23:59:59.999999+00",
            "0044-03-15 (BC) 12:00:00+00",
            None,
            "infinity",
            "-infinity",
            "2024-03-31 01:30:00+00",
            "2024-10-27 01:30:00+00",
        ],
    ),
    "clock": (
        "TIME",
        [
            "00:00:00",
            "23:59:59.999999",
            "12:34:56.000001",
            None,
            "01:02:03",
            "12:00:00",
            "13:00:00",
            "23:00:00",
        ],
    ),
    "uid": (
        "UUID",
        [
            f"{'0' * 8}-0000-0000-0000-{'0' * 12}",
            f"{'f' * 8}-ffff-ffff-ffff-{'f' * 12}",
            "80000000-0000-0000-0000-000000000000",
            None,
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "7fffffff-ffff-ffff-ffff-ffffffffffff",
            "deadbeef-dead-beef-dead-beefdeadbeef",
            "00000000-0000-0000-0000-000000000001",
        ],
    ),
    "bytes": ("BLOB", ["", "\\xFF\\x00\\x27", "\\x00", None, "abc", "ab", "\\xC3\\xA9", "\\x5C\\x78"]),
    "doc": (
        "JSON",
        ["{}", '{"a": [1, {"b": null}], "ü": "☃"}', "[]", None, "null", '"text"', "1.50", "true"],
    ),
    "list": (
        "BIGINT[]",
        ["[]", "[9223372036854775807, NULL, -1]", "[0]", None, "[NULL]", "[1, 2, 3]", "[5]", "[5, 5]"],
    ),
}

# Values to compare a column of the type with; the first is one that some row has.
VALUES: dict[str, list[Value]] = {
    "SMALLINT": [5, 0, -1, 32767, -32768, 77],
    "INTEGER": [5, 0, -1, 2147483647, -2147483648, 77],
    "BIGINT": [5, 0, -1, 2**63 - 1, -(2**63) + 1, 2**53 + 1, 77],
    "FLOAT": [0.0, 0.5, 1e30, -1e30],
    "DOUBLE": [0.1, 0.0, 1.7976931348623157e308, -2.5, 5e-324],
    "DECIMAL(18,2)": [Decimal(5), Decimal("1234.5"), Decimal("-0.01"), Decimal("9999999999999999.99")],
    "DECIMAL(38,10)": [Decimal(5), Decimal("0.0000000001"), Decimal(f"-{'9' * 28}.{'9' * 10}"), Decimal(-1)],
    "VARCHAR": ["a", "A", "É", "é", "", "Z", "a_b%c\\d", "it's \"quoted\"", "☃𝄞 é\n\t", "NULL", "á"],
    "BOOLEAN": [True, False],
    "DATE": [date(2024, 2, 29), date(1970, 1, 1), date(9999, 12, 31), date(1, 1, 1)],
    "TIMESTAMP": [
        datetime(2024, 2, 29, 13), datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime(1969, 12, 31, 23, 59, 59, 999999),
    ],
    "TIMESTAMP WITH TIME ZONE": [
        datetime(2024, 3, 31, 1, 30, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    "TIME": [time(12), time(0), time(23, 59, 59, 999999), time(12, 34, 56, 1)],
    "UUID": [UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), UUID(int=0), UUID(int=2**128 - 1), UUID(int=1 << 127)],
    "BLOB": [b"abc", b"", b"\x00", b"\xff\x00'", b"\\x"],
}  # fmt: skip

PATTERNS = [
    "a%",
    "%a%",
    "%",
    "_",
    "",
    "a_b%",
    "a\\_%",
    "%\\%",
    "%'%",
    "É",
    "%\U0001d11e%",
    "__b\\%%",
    "%\n%",
    "%c\\d",
]


def columns(made: dict[str, str]) -> tuple[Column, ...]:
    """Columns by name and DuckDB type."""
    return tuple(Column(name, kind) for name, kind in made.items())


def kinds_table(bench: Bench, subject: Subject, name: str = "kinds", rows: int | None = None) -> Loaded:
    """The table of every type that the source has, filled into it."""
    held = {key: value for key, value in KINDS.items() if key not in subject.lacks}
    parts = []
    for key, (kind, values) in held.items():
        kept = [None if _is_beyond(subject, value, kind) else value for value in values][:rows]
        parts.append(f"unnest({_listed(kept)}::VARCHAR[]::{kind}[]) AS {key}")
    return fill(
        bench, subject, name, {key: kind for key, (kind, _) in held.items()}, f"SELECT {', '.join(parts)}"
    )


def fill(bench: Bench, subject: Subject, name: str, made: dict[str, str], sql: str) -> Loaded:
    """A table made of a SELECT of constants, filled into the source."""
    rows = bench.make(columns(made), sql)
    subject.load(name, rows, made)
    return Loaded(name, columns(made), rows)


def _is_beyond(subject: Subject, value: str | None, kind: str) -> bool:
    """Whether the source has no place for the value."""
    if value is None or (value == "nan" and not subject.nan):
        return True
    return subject.tame and kind.startswith(("DATE", "TIMESTAMP")) and ("inf" in value or "BC" in value)


def _listed(values: Sequence[Any]) -> str:
    quoted = ("NULL" if value is None else "'" + value.replace("'", "''") + "'" for value in values)
    return f"[{', '.join(quoted)}]"
