"""DuckDB, locked: the engine that runs what has been governed, and nothing that it could fetch itself."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
from duckdb import _seam
from duckdb._sources.arrow import ArrowScanSource

from fabric.dialect_macros import definitions
from fabric.engine_blueprints import Blueprints
from fabric.engine_errors import translate, translated
from fabric.engine_planning import PlanningConnections
from fabric.errors import FabricError, InvalidConfig, InvalidValue
from fabric.footers import COLUMN_GAP
from fabric.implied import implied
from fabric.join_graph import JoinGraph, join_graph
from fabric.plan_outputs import Key
from fabric.predicates import Predicate
from fabric.pushdown import literal
from fabric.remembered import EmptyRelations, Numbered, Remembered
from fabric.totality import is_total
from fabric.types import Column
from fabric.veil import Veiled

BATCH_ROWS = 122_880  # DuckDB's row group; between 10,000 and 1,000,000 speed is flat (notes/flight.md)

_ZONES = 4  # engines beside the one in UTC

_REMEMBERED = 1_000  # statements; a plan takes some 20 kB

# GLOBAL, where a plain SET would hold for the root alone and for no query's cursor.
_LOCK = (
    # Left alone, it reads what lies between two columns of a file wherever that is: over TPC-H twice the bytes that are needed.
    f"SET GLOBAL parquet_prefetch_column_gap = {COLUMN_GAP}",
    # Reads that wait for a source far away cost no processor.
    "SET GLOBAL async_threads = 16",
    # It reckons parts of a TRY outside of it, where they raise.
    "SET GLOBAL disabled_optimizers = 'common_subexpressions'",
    "SET GLOBAL python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET allowed_directories = ['ripstop://']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


# What DuckDB would hand over as text, and take as text, unless Arrow's own types name it.
_NAMED_IN_ARROW = {"UUID": pa.uuid(), "JSON": pa.json_(pa.string())}


@dataclass(frozen=True, slots=True)
class Probe:
    """What DuckDB makes of a statement over empty relations: its result's schema and its own plan.

    ``types`` are the DuckDB types of the result's columns. ``veiled`` says that it was found with stand-ins.
    """

    schema: pa.Schema
    types: tuple[str, ...]
    plan: list[dict[str, Any]]
    veiled: bool = False


class Engine:
    """One locked DuckDB instance; every query has a cursor of its own.

    Args:
        filesystem: the fsspec filesystem that serves ``ripstop://``, the only paths that can be opened.
        threads: DuckDB's worker threads; absent, one per core.
        memory: bytes that DuckDB aims to stay below; the supervisor enforces the hard limit.
        spill: folder for what does not fit in memory; absent, nothing is spilled.
        zone: the time zone that statements are evaluated in.
    """

    def __init__(
        self,
        filesystem: fsspec.AbstractFileSystem | None = None,
        *,
        threads: int | None = None,
        memory: int | None = None,
        spill: str = "",
        zone: str = "UTC",
    ) -> None:
        self.zone = zone
        self._made_with = (filesystem, threads, memory, spill)
        self._siblings: OrderedDict[str, Engine] = OrderedDict()
        config: dict[str, Any] = {"temp_directory": spill}
        if threads:
            config["threads"] = threads
        if memory:
            config["memory_limit"] = f"{memory}B"
        self._root = _locked(config, zone, filesystem)
        # A statement is planned by the thread that asks, whatever others run.
        self._planning = PlanningConnections(
            lambda: _locked({**config, "threads": 1}, zone), self._register_empty
        )
        self._types: dict[str, pa.DataType] = {}
        self._named: dict[str, str] = {}
        self._probes: Remembered[tuple[tuple[str, ...], tuple[str, ...], str]] = Remembered(_REMEMBERED)
        self._parses: Remembered[str] = Remembered(_REMEMBERED)
        self._graphs: Remembered[JoinGraph] = Remembered(_REMEMBERED)
        self._blueprints = Blueprints(zone)
        self._totals: Remembered[bool] = Remembered(_REMEMBERED)
        self._types_lock = threading.Lock()

    def close(self) -> None:
        """Shut the instance down, and its siblings."""
        with self._types_lock:
            siblings = list(self._siblings.values())
            self._siblings.clear()
        for sibling in siblings:
            sibling.close()
        self._blueprints.close()
        self._planning.close()
        self._root.close()

    def in_zone(self, zone: str) -> Engine:
        """The engine whose statements are evaluated in that time zone.

        A locked DuckDB takes no other zone, so there is one for each zone in use, with a part of the memory. The
        one that was not used for longest goes; what runs on it still ends.

        Raises:
            InvalidValue: DuckDB knows no such zone.
        """
        if zone == self.zone:
            return self
        filesystem, threads, memory, spill = self._made_with
        with self._types_lock:
            found = self._siblings.pop(zone, None)
            if found is None:
                part = memory // 4 if memory else None
                try:
                    found = Engine(filesystem, threads=threads, memory=part, spill=spill, zone=zone)
                except FabricError:
                    raise InvalidValue(
                        f"there is no time zone '{zone[:60]}'", hint="a name such as Europe/Berlin"
                    ) from None
            self._siblings[zone] = found
            if len(self._siblings) > _ZONES:
                # Not closed: whoever has it still runs on it, and with the last of them it is gone.
                self._siblings.popitem(last=False)
        return found

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one query; what is registered on it is seen by it alone."""
        cursor = self._root.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def serialize(self, sql: str) -> str:
        """DuckDB's own parse of a statement, as JSON; nothing is bound or run."""
        numbered = Numbered(sql)
        return numbered.restore(self._parses.get(numbered.text, lambda: self._parse(numbered.text)))

    def _parse(self, sql: str) -> str:
        with self._planning.over({}) as cursor:
            rows = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
        return str(rows[0][0])

    def probe(self, sql: str, over: EmptyRelations) -> Probe:
        """Bind and optimize a statement over empty relations of the given schemas; nothing is read.

        Raises:
            FabricError: the statement does not bind; the message is ours.
        """
        names, types, plan = self._probed(sql, over)
        return self._as_probe(names, types, plan)

    def probe_veiled(self, veiled: Veiled, sql: str, over: EmptyRelations) -> Probe | None:
        """The same of a statement with stand-ins for values; None where DuckDB's answer depends on the values."""
        try:
            names, types, plan = self._probed(sql, over)
        except FabricError:
            return None  # ``probe`` says it in the words of the statement itself
        if veiled.stands_in(plan) < 0:
            return None
        return replace(self._as_probe(names, types, veiled.restore_json(plan)), veiled=True)

    def _as_probe(self, names: Sequence[str], types: tuple[str, ...], plan: str) -> Probe:
        fields = [pa.field(n, self.arrow_type(t)) for n, t in zip(names, types, strict=True)]
        (execute,) = json.loads(plan)
        return Probe(schema=pa.schema(fields), types=types, plan=execute["children"])

    def _probed(self, sql: str, over: EmptyRelations) -> tuple[list[str], tuple[str, ...], str]:
        numbered = Numbered(sql, over)
        tables = numbered.relations(over)
        names, types, plan = self._probes.get(
            f"{numbered.text}\n{tables}", lambda: self._probe(numbered.text, tables)
        )
        return [numbered.restore(each) for each in names], types, numbered.restore(plan)

    def _probe(self, sql: str, over: EmptyRelations) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        with translated(), self._planning.over(over) as cursor:
            # It reads nothing, and is planned once; a relation of DuckDB's would be parsed three times, half of it in Python.
            cursor.execute(f"PREPARE probed AS {sql}")
            described = _seam.bind(cursor, "EXECUTE probed")
            ((_, plan),) = cursor.execute("EXPLAIN (FORMAT JSON) EXECUTE probed").fetchall()
        return tuple(described.names), tuple(map(str, described.types)), str(plan)

    def _register_empty(
        self, cursor: duckdb.DuckDBPyConnection, name: str, columns: Sequence[tuple[str, str]]
    ) -> None:
        schema = pa.schema([pa.field(column, self.input_type(kind)) for column, kind in columns])
        cursor.register(name, ds.dataset(schema.empty_table()))

    def bound_plan(self, sql: str, over: EmptyRelations) -> str | None:
        """DuckDB's own bound plan of a statement over empty relations, not optimized, as JSON; nothing is read.

        None when there is no plan, or it does not serialize.
        """
        numbered = Numbered(sql, over)
        plan = self._blueprints.logical_plan(numbered.text, numbered.relations(over), optimize=False)
        try:
            return None if plan is None or json.loads(plan)["error"] else numbered.restore(plan)
        except ValueError:  # a plan with NaN in it is no JSON
            return None

    def join_graph(self, sql: str, over: EmptyRelations) -> JoinGraph:
        """What the keys of one relation say of the rows of another, and more; arguments as for ``bound_plan``.

        A key's column is the position in what is listed of its relation, whose name it has.
        """
        numbered = Numbered(sql, over)
        tables = numbered.relations(over)

        def read() -> JoinGraph:
            plan = self._blueprints.logical_plan(numbered.text, tables) or '{"plans": []}'
            try:
                return join_graph(plan, lambda table, n: Key(table, n) if table in tables else None)
            except (LookupError, TypeError, ValueError):
                return JoinGraph()  # a plan of another shape says nothing

        found = self._graphs.get(f"{numbered.text}\n{tables}", read)
        restored = {name: numbered.restore(name) for name in tables}
        return found.named(restored)

    def implied(self, sql: str, over: EmptyRelations) -> dict[str, list[Predicate]]:
        """What rows must meet for the conditions over expressions of a relation's columns, by its name; as ``join_graph``."""
        found: dict[str, list[Predicate]] = {}
        for condition in self.join_graph(sql, over).conditions:
            columns = over[condition.relation]
            predicate = None if isinstance(columns, str) else implied(condition, columns)
            if predicate is not None:
                found.setdefault(condition.relation, []).append(predicate)
        return found

    def is_total(self, sql: str, over: EmptyRelations) -> bool:
        """Whether no expression of a statement can raise for any row; arguments as for ``bound_plan``."""
        numbered = Numbered(sql, over)
        tables = numbered.relations(over)
        make = lambda: self._is_total(self.bound_plan(numbered.text, tables))  # noqa: E731
        return self._totals.get(f"{numbered.text}\n{tables}", make)

    def _is_total(self, plan: str | None) -> bool:
        # What is known of casts of moments was measured in UTC.
        return is_total(plan) and (self.zone == "UTC" or "WITH TIME ZONE" not in str(plan))

    def arrow_type(self, type_text: str) -> pa.DataType:
        """The Arrow type in which DuckDB hands over a DuckDB type.

        Raises:
            FabricError: DuckDB knows no such type.
        """
        known = self._types.get(type_text)
        if known is None:
            with self.cursor() as cursor, translated():
                cast = "" if type_text == '"NULL"' else f"::{type_text}"
                reader = cursor.sql(f"SELECT NULL{cast} AS c LIMIT 0").to_arrow_reader(1)
                known = reader.schema.field(0).type
            with self._types_lock:
                self._types[type_text] = known
        return known

    def type_named(self, kind: str) -> str:
        """DuckDB's own spelling of a type, whose text was made by us.

        Raises:
            InvalidConfig: DuckDB knows no such type.
        """
        known = self._named.get(kind)
        if known is None:
            try:
                with self.cursor() as cursor, translated():
                    known = str(cursor.sql(f"SELECT CAST(NULL AS {kind}) AS c").types[0])
            except FabricError:
                raise InvalidConfig(f"there is no type '{kind[:60]}'") from None
            with self._types_lock:
                self._named[kind] = known
        return known

    def input_type(self, type_text: str) -> pa.DataType:
        """The Arrow type in which a source's column of a DuckDB type is given to DuckDB."""
        return _NAMED_IN_ARROW.get(type_text) or self.arrow_type(type_text)

    def arrow_schema(self, columns: tuple[Column, ...]) -> pa.Schema:
        """The Arrow schema of a relation with these columns."""
        return pa.schema([pa.field(c.name, self.arrow_type(c.type)) for c in columns])

    def rows(
        self, sql: str, blame: Callable[[str], FabricError | None] = lambda said: None
    ) -> list[tuple[Any, ...]]:
        """The rows of a small statement of our own (what is inside files).

        Args:
            sql: the statement.
            blame: makes of DuckDB's text the error that names the file at fault, if it can.

        Raises:
            FabricError: the statement failed.
        """
        with self.cursor() as cursor:
            try:
                return cursor.sql(sql).fetchall()
            except (duckdb.Error, OSError) as error:
                raise blame(str(error)) or translate(error) from None


class _Counted(ArrowScanSource):
    """An Arrow stream of which DuckDB is told how many rows it will have."""

    def __init__(self, relation: Any, rows: float) -> None:
        super().__init__(relation)
        self._rows = max(1, round(rows))

    def __arrow_c_schema__(self) -> object:
        return self.obj.__arrow_c_schema__()

    def rows(self) -> int:
        return self._rows


def register(cursor: duckdb.DuckDBPyConnection, name: str, relation: object, rows: float | None) -> None:
    """Let a statement of this cursor read an Arrow stream; ``rows``, an estimate, is what joins are ordered by.

    DuckDB 2.0.0 asks a source of its own how many rows it has, and takes one row for anything else.
    """
    if rows is None:
        cursor.register(name, relation)
    else:
        cursor._register_arrow_source(name, _Counted(relation, rows))


def stream(cursor: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """Run a statement that was made by us, and read what it gives while it runs.

    As ``cursor.sql(sql).to_arrow_reader`` of DuckDB 2.0.0, which binds a statement twice: once more for a relation to
    build upon. That is a fifth of what a small query takes.
    """
    return _seam.submit(cursor, sql, None, "stream", BATCH_ROWS).arrow_reader()


def _locked(
    config: dict[str, Any], zone: str, filesystem: fsspec.AbstractFileSystem | None = None
) -> duckdb.DuckDBPyConnection:
    root = duckdb.connect(":memory:", config=config)
    if filesystem is not None:
        root.register_filesystem(filesystem)
    try:
        for statement in (*definitions(), f"SET GLOBAL TimeZone = {literal(zone).sql()}", *_LOCK):
            root.execute(statement)
    except duckdb.Error as error:
        root.close()
        raise translate(error) from None
    return root
