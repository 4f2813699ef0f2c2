"""How an ADBC database is talked to: no transactions, batches brought to the promised types, errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pyarrow as pa

from connectors.adbc.sqlite import without_sample
from connectors.adbc.types import landed
from connectors.relational.pool import Link
from fabric.errors import (
    BadData,
    FabricError,
    SchemaChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Unreachable,
)
from fabric.types import TableName


@dataclass(frozen=True, slots=True)
class AdbcRequest:
    """What one split asks: the SQL, and the names and promised types of its columns."""

    table: TableName
    columns: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    sql: str
    sampled: bool


class AdbcConduct:
    """The ``Conduct`` of an ADBC source; scans of one query see one state only if the database says so."""

    def __init__(self, source: str, timeout: float) -> None:
        self.source = source
        self.stateful = False
        self._timeout = timeout

    def lead(self, link: Link, request: AdbcRequest | None, *, alone: bool) -> str:
        """Nothing to begin."""
        return ""

    def follow(self, link: Link, state: str, request: AdbcRequest) -> None:
        """Nothing to join."""

    def rewind(self, link: Link) -> None:
        """Nothing to undo."""

    def end(self, link: Link) -> None:
        """Nothing to end."""

    def prove(self, link: Link, request: AdbcRequest) -> None:
        """Nothing: ``land`` sees what came."""

    def stream(self, link: Link, request: AdbcRequest) -> AbstractContextManager[pa.RecordBatchReader]:
        """The rows of a request as they come."""
        return link.stream(request.sql)

    def land(self, request: AdbcRequest, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Bring the driver's arrays to the types that the catalog promised.

        Raises:
            SchemaChanged: the query answers with other columns.
            BadData: a value does not fit; names the column.
        """
        if request.sampled:
            batch = without_sample(batch)
        if batch.num_columns != len(request.columns):
            raise self._changed(request)
        arrays = []
        for name, kind, values in zip(request.columns, request.types, batch.columns, strict=True):
            final = landed(kind)
            if values.type != kind and values.null_count == len(values):
                values = pa.nulls(len(values), final)
            if values.type != kind and not _widens(values.type, kind):
                raise self._changed(request)
            try:
                arrays.append(values if values.type == final else _brought(values, final))
            except pa.ArrowInvalid:
                raise self._unfit(request, f"a value of column '{name}'") from None
        return pa.RecordBatch.from_arrays(arrays, names=list(request.columns))

    def spread(self, request: AdbcRequest, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The batch itself."""
        yield batch

    def failed(self, error: Exception, request: AdbcRequest | None) -> FabricError:
        """The error of ours for one of the driver's: by ADBC's status, never by its text."""
        status = getattr(getattr(error, "status_code", None), "name", "")
        where = f"reading {request.table}" if request else "asking the driver"
        if status in ("UNAUTHENTICATED", "UNAUTHORIZED"):
            return SourceLoginRefused(
                self.source,
                f"{where}: the database refused our login or right",
                hint="check the source's options",
            )
        if status == "TIMEOUT":
            return self.silent()
        if status == "IO" or (status == "NOT_FOUND" and request is None):
            return Unreachable(
                self.source, f"{where}: the database cannot be reached", hint="check driver and options.uri"
            )
        if request is not None and status in ("NOT_FOUND", "INVALID_ARGUMENT", "INVALID_STATE", "INTERNAL"):
            return self._changed(request)
        if request is not None and (status in ("INVALID_DATA", "INTEGRITY") or not status):
            return self._unfit(request, "a value")
        return SourceError(
            self.source,
            f"{where}: the driver failed ({status or 'no status'})",
            hint="the database's log says why",
        )

    def silent(self) -> FabricError:
        """The error for a database that sent nothing for longer than the source's ``timeout``."""
        return SourceTimeout(
            self.source,
            f"the database sent nothing for {self._timeout:g} s",
            hint="raise the source's timeout, or ask for fewer rows",
        )

    def _changed(self, request: AdbcRequest) -> SchemaChanged:
        return SchemaChanged(
            self.source, f"{request.table} is gone or has changed its columns", hint="run the query again"
        )

    def _unfit(self, request: AdbcRequest, what: str) -> BadData:
        return BadData(
            self.source,
            f"{request.table}: {what} does not fit the column's type",
            hint="correct the value there, or read the column through a view that casts it",
        )


def _widens(given: pa.DataType, promised: pa.DataType) -> bool:
    """Whether values of one type may be checked into the other: numbers among themselves."""
    number = (pa.types.is_integer, pa.types.is_floating)
    return any(test(given) for test in number) and any(test(promised) for test in number)


def _brought(values: pa.Array, final: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    return values if values.type == final else values.cast(final)
