"""How a Postgres is talked to: transactions on one snapshot, proof of a table's shape, batches landed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from connectors.postgres.at_once import MOST_ROWS
from connectors.postgres.catalog import REWRITTEN, UNLIKE
from connectors.postgres.errors import changed, failed, silent, unfit
from connectors.postgres.scan import Request
from connectors.postgres.types import OutOfRange
from connectors.relational.counted import COUNT, next_to, repeated
from connectors.relational.pool import Link
from fabric.errors import FabricError, SourceChanged

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SAVEPOINT = "ripstop"
# A round trip tells what a statement of several answers by a setting only.
_EXPORT = "SELECT set_config('ripstop.snapshot', pg_export_snapshot(), true)"
_EXPORTED = "SELECT current_setting('ripstop.snapshot') AS snapshot"


class PostgresConduct:
    """The ``Conduct`` of one Postgres.

    Args:
        source: the source's name, for errors.
        timeout: seconds of silence that the watch allows, for its message.
        statement_timeout: seconds after which the server ends a statement of its own accord.
    """

    def __init__(self, source: str, timeout: float, statement_timeout: float) -> None:
        self.source = source
        self.stateful = True
        self._timeout = timeout
        # Outputs as text must not depend on the role's own settings, and sqlglot writes standard strings.
        settings = {
            "statement_timeout": str(int(statement_timeout * 1000)),
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "IntervalStyle": "postgres",
            "bytea_output": "hex",
            "extra_float_digits": "1",
            "standard_conforming_strings": "on",
        }
        made = [f"set_config('{name}', '{value}', true)" for name, value in settings.items()]
        self._settings = f"SELECT {', '.join(f'{call} AS s{i}' for i, call in enumerate(made))}"

    def lead(self, link: Link, request: Request | None, *, alone: bool) -> str:
        """Begin a read-only transaction, prove the table's shape, and export the snapshot where others follow.

        Raises:
            FabricError: as ``prove``.
        """
        steps = [_BEGIN, self._settings, *(() if alone else (_EXPORT,)), f"SAVEPOINT {_SAVEPOINT}"]
        self._execute(link, steps, request)
        return "" if alone else str(link.rows(_EXPORTED, at_once=True)[0]["snapshot"])

    def follow(self, link: Link, state: str, request: Request) -> None:
        """Begin a read-only transaction on the leader's snapshot, and prove the table's shape.

        Raises:
            SourceChanged: the snapshot is gone.
            FabricError: as ``prove``.
        """
        snapshot = exp.Literal.string(state).sql("postgres")
        try:
            self._execute(link, [_BEGIN, f"SET TRANSACTION SNAPSHOT {snapshot}", self._settings], request)
        except Exception as error:
            if getattr(error, "sqlstate", None) in ("22023", "42704", "55000"):
                raise SourceChanged(
                    self.source, "the snapshot of this query is gone", hint="run the query again"
                ) from None
            raise

    def rewind(self, link: Link) -> None:
        """Undo what a cancelled statement did to the leader's transaction; the snapshot stays."""
        link.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def end(self, link: Link) -> None:
        """End the transaction; nothing was written."""
        link.execute("ROLLBACK")

    def prove(self, link: Link, request: Request) -> None:
        """Prove that the table is as the catalog knew it; from then on a lock keeps it so.

        Raises:
            SchemaChanged: a column is gone or of another type.
            SourceChanged: the table was truncated or rewritten after the query's snapshot.
        """
        self._execute(link, [], request)

    def _execute(self, link: Link, steps: Sequence[str], request: Request | None) -> None:
        """Some statements and the proof of a request behind them, in one round trip."""
        proof = () if request is None else (request.proof,)
        try:
            link.execute("; ".join((*steps, *proof)))
        except Exception as error:
            state = getattr(error, "sqlstate", None)
            if request is not None and state == UNLIKE:
                raise changed(self.source, str(request.table)) from None
            if request is not None and state == REWRITTEN:
                raise SourceChanged(
                    self.source,
                    f"{request.table} was rewritten while the query ran",
                    hint="run the query again",
                ) from None
            raise

    @contextmanager
    def stream(self, link: Link, request: Request) -> Iterator[pa.RecordBatchReader]:
        """The rows of a request, those at once that are as few as was expected."""
        if (rows := self._at_once(link, request)) is not None:
            yield rows.to_reader()
            return
        with link.stream(request.sql) as reader:
            yield reader

    def _at_once(self, link: Link, request: Request) -> pa.Table | None:
        if not request.at_once:
            return None
        try:
            with link.stream(request.at_once, at_once=True) as reader:
                rows = reader.read_all()
        except pa.ArrowInvalid:
            return None  # a value that does not fit: the stream tells so by an error of the driver's
        return rows if rows.num_rows <= MOST_ROWS else None

    def land(self, request: Request, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Turn the driver's arrays into those of the declared types.

        Raises:
            BadData: a value has no place in its type; names the column.
            SchemaChanged: the driver delivers another type than the catalog foretold.
        """
        width = len(request.columns)
        behind = batch.columns[width:]
        dimensions = iter(() if request.counts else behind)
        arrays = []
        for name, how, values in zip(request.columns, request.readings, batch.columns, strict=False):
            if isinstance(values.type, pa.OpaqueType) or values.type != how.wire:
                raise changed(self.source, str(request.table))
            if how.is_array and (pc.max(next(dimensions)).as_py() or 0) > 1:
                raise unfit(self.source, str(request.table), (name,))
            try:
                arrays.append(how.land(values))
            except (OutOfRange, pa.ArrowInvalid):
                raise unfit(self.source, str(request.table), (name,)) from None
        landed = pa.RecordBatch.from_arrays(arrays, names=list(request.columns))
        if not request.counts:
            return landed
        for n, place in enumerate(request.places):
            left, filled = behind[2 * n : 2 * n + 2]
            beside = request.readings[place].land(next_to(batch.column(place), left))
            for name, values in (("next", beside), ("left", left), ("filled", filled)):
                landed = landed.append_column(name, values)
        return landed.append_column(COUNT, behind[-1])

    def spread(self, request: Request, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows that a landed batch stands for."""
        return repeated(batch, request.places) if request.counts else iter((batch,))

    def failed(self, error: Exception, request: Request | None) -> FabricError:
        """The error of ours for one of the driver's."""
        if request is None:
            return failed(self.source, error)
        suspects = tuple(
            name for name, how in zip(request.columns, request.readings, strict=True) if how.may_raise
        )
        return failed(self.source, error, str(request.table), suspects)

    def silent(self) -> FabricError:
        """The error for a server that sent nothing for longer than the source's ``timeout``."""
        return silent(self.source, self._timeout)
