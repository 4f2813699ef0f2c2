"""Ingest: batches that a client sends become a table of a domain's uploads, whole or not at all."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from fabric.audit import Audit
from fabric.catalog import Catalog
from fabric.errors import FabricError, InternalError, InvalidValue, LimitError, NotFound, NotSupported
from fabric.journal import Journal
from fabric.naming import UPLOADS, uploads_of
from fabric.outcome import Outcome
from fabric.records import Asked, Records
from fabric.row_groups import write_parquet
from fabric.spi import Governor
from fabric.types import DEFAULT_SCHEMA, Principal, TableName
from fabric.uploads import Upload, Uploads

MOST_CHARACTERS = 128
"""How long the name of a table or column may be."""

IfMissing = Literal["create", "fail"]
IfThere = Literal["fail", "append", "replace"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client wants its rows, as it says it; ``catalog`` and ``schema`` may be empty."""

    table: str
    catalog: str = ""
    schema: str = ""
    missing: IfMissing = "create"
    there: IfThere = "fail"


class Ingest:
    """Lands tables in the uploads of domains.

    Args:
        catalog: has the uploads among its sources, and hears of new tables.
        governor: says who may write: ``publish`` on the table.
        domains: every domain, as its owner spells it.
        most: how many bytes a principal may land at once; None, as many as fit.
        audit: where it is written down before anything is, and how it ended.
        journal: ``system.queries``.
    """

    def __init__(
        self,
        catalog: Catalog,
        governor: Governor,
        domains: Iterable[str],
        *,
        most: Callable[[Principal], int | None] = lambda principal: None,
        audit: Audit | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._catalog = catalog
        self._governor = governor
        self._domains = {domain.lower(): domain for domain in domains}
        self._most = most
        self._records = Records(audit, journal)

    def land(
        self,
        target: Target,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        principal: Principal,
        options: Mapping[str, str],
        caller: Mapping[str, str],
        whole: Callable[[], None] = lambda: None,
    ) -> int:
        """Write the batches as a table; the number of rows.

        Args:
            target: which table, and what to do when it is there, or not.
            schema: of the batches.
            batches: taken one by one.
            principal: who sends them.
            options: of the session; ``schema`` completes the target.
            caller: what is known of the login, for the audit.
            whole: raises when the batches ended because the client went away.

        Raises:
            NotFound: no such place that the principal may write to, or no such table to append to.
            InvalidValue: the table exists, or the data does not fit it.
            LimitError: more bytes than the principal may land.
        """
        mode = {"fail": "create", "append": "append", "replace": "replace"}[target.there]
        written = ".".join(filter(None, (target.catalog, target.schema, target.table)))[:400]
        asked = Asked(f"INGEST INTO {written} ({mode})", principal, uuid.uuid4().hex, dict(options), caller)
        with self._records.refusals(asked):
            uploads = self._place(target, principal, options.get("schema", ""))
            table = TableName(uploads.name, DEFAULT_SCHEMA, target.table)
            before = uploads.find(target.table)
            _judge_mode(target, before)
            fitted = self._fitted(schema, before if target.there == "append" else None, table, principal)
            self._records.allowed(asked, "query")
        counted = _Counted(batches, self._most(principal))
        with self._recorded(asked, counted):
            with uploads.landing(target.table) as landing:
                write_parquet(str(landing.path), fitted.schema, map(fitted.table, counted))
                whole()
                landing.switch(lambda now, file: _changed(target, now, before, fitted.schema, file))
            with suppress(
                RuntimeError
            ):  # a retired catalog lists no more; the one that serves sees the stamp
                self._catalog.refresh(uploads.name).result()
        return counted.rows

    @contextmanager
    def _recorded(self, asked: Asked, counted: _Counted) -> Iterator[None]:
        """Write down how it ended; what Arrow raises becomes an error of ours."""
        began, error = time.time(), ""
        try:
            yield
        except FabricError as told:
            error = str(told)
            raise
        except pa.ArrowException:
            broken = InvalidValue("the data cannot be stored as Parquet, or did not arrive whole")
            error = str(broken)
            raise broken from None
        except BaseException:
            error = InternalError.code
            raise
        finally:
            state = "failed" if error else "succeeded"
            version = self._governor.version
            outcome = Outcome(asked.query_id, began, version, state, counted.rows, counted.bytes, error, ())
            self._records.ended(asked, outcome, "")

    # ── where, and whether ──────────────────────────────────────────────────────────────────

    def _place(self, target: Target, principal: Principal, session: str) -> Uploads:
        """The uploads of the domain that is meant; one without the right to write is not there."""
        name = target.table
        if not name or len(name) > MOST_CHARACTERS or not name.isprintable() or name != name.strip():
            raise InvalidValue(f"a table's name has 1 to {MOST_CHARACTERS} printable characters")
        meant = target.catalog if target.catalog.lower().endswith(UPLOADS) else target.schema or session
        meant = meant.lower().removesuffix(UPLOADS)
        own = target.catalog.lower() in ("", self._catalog.fabric.lower(), f"{meant}{UPLOADS}")
        domain = self._domains.get(meant) if own else None
        if not meant and own:
            may = [one for one in self._domains.values() if self._may(principal, one, name)]
            domain = may[0] if len(may) == 1 else None
        if domain is None or not self._may(principal, domain, name):
            raise NotFound(
                "there is no such place that you may write to", hint="say a domain of yours as schema"
            )
        found = self._catalog.connectors.get(uploads_of(domain).lower())
        if not isinstance(found, Uploads):
            raise NotSupported(
                "this fabric takes no uploads", hint="lake: in fabric.yaml must be a folder for that"
            )
        return found

    def _may(self, principal: Principal, domain: str, name: str) -> bool:
        return self._governor.may(principal, "publish", TableName(uploads_of(domain), DEFAULT_SCHEMA, name))

    def _fitted(
        self, schema: pa.Schema, before: Upload | None, name: TableName, principal: Principal
    ) -> _Fit:
        """How the data becomes the table's: as it is, or column by column where there is a table.

        A column that the principal does not see is not there: it is left NULL, and cannot be named.
        """
        keys = [column.lower() for column in schema.names]
        if not keys or len(set(keys)) < len(keys) or not all(0 < len(k) <= MOST_CHARACTERS for k in keys):
            raise InvalidValue("the data needs columns with names, each of them once (case does not count)")
        if before is None:
            return _Fit(schema.remove_metadata(), tuple(range(len(keys))))
        table = self._catalog.find((name.catalog, name.schema, name.name))
        if table is None or not table.columns:
            # Without its columns nobody can say which of them are hidden.
            raise self._catalog.problem(name)
        hidden = self._governor.view(principal, table).hidden
        visible = {column.lower() for column in before.schema.names} - hidden
        for column, key in zip(schema.names, keys, strict=True):
            if key not in visible:
                raise InvalidValue(
                    f"column '{column}' has no place in the table",
                    hint="DESCRIBE shows the columns that it has",
                )
        places = tuple(keys.index(n.lower()) if n.lower() in keys else None for n in before.schema.names)
        return _Fit(before.schema, places)


@dataclass(frozen=True, slots=True)
class _Fit:
    """The table's schema, and for each of its columns the data's position, None for NULL."""

    schema: pa.Schema
    places: tuple[int | None, ...]

    def table(self, batch: pa.RecordBatch) -> pa.Table:
        """A batch as the table has it.

        Raises:
            InvalidValue: a value has no exact place in the table's type.
        """
        arrays = []
        for kind, place in zip(self.schema, self.places, strict=True):
            if place is None:
                arrays.append(pa.nulls(batch.num_rows, kind.type))
                continue
            column = batch.column(place)
            try:
                arrays.append(column if column.type == kind.type else column.cast(kind.type))
            except pa.ArrowException:
                told = f"values of column '{kind.name}' do not fit its type in the table"
                raise InvalidValue(told, hint="DESCRIBE shows the type") from None
        return pa.Table.from_arrays(arrays, schema=self.schema)


class _Counted:
    """The batches of a client, counted while they are taken.

    Raises:
        LimitError: they are more bytes than ``most``.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch], most: int | None) -> None:
        self._batches = batches
        self._most = most
        self.rows = self.bytes = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            self.bytes += batch.nbytes
            if self._most is not None and self.bytes > self._most:
                raise LimitError(
                    f"more than the {self._most:,} bytes that you may land at once", hint="append it in parts"
                )
            yield batch


def _judge_mode(target: Target, before: Upload | None) -> None:
    if before is None and target.missing == "fail":
        raise NotFound(f"there is no table '{target.table}'", hint="mode create, or create_append")
    if before is not None and target.there == "fail":
        raise InvalidValue(
            f"table '{target.table}' is there already", hint="mode append, replace or create_append"
        )


def _changed(
    target: Target, now: Upload | None, before: Upload | None, schema: pa.Schema, file: tuple[str, int]
) -> Upload:
    """The table once the file counts; ``now`` is what it is under the lock, ``before`` what was judged."""
    _judge_mode(target, now)
    if now is None:
        return Upload(target.table, schema, (file,))
    if target.there == "append":
        if now.schema != schema or before is None:
            raise InvalidValue("the table has changed meanwhile", hint="send it again", retryable=True)
        return Upload(now.name, now.schema, (*now.files, file), now.replaced)
    at = time.time()
    replaced = (*now.replaced, *((name, at) for name, _ in now.files))
    return Upload(target.table, schema, (file,), replaced)
