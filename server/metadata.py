"""What the Flight SQL metadata commands answer, from what the asking principal may know.

Columns, their order and their nullability are those of the reference servers (Arrow C++, Go and Java
26): a client may check them, and ROAPI's get_objects fails for one that it got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from fabric.catalog import Entry
from fabric.errors import NotSupported
from fabric.types import ForeignKey, Table, TableName
from server.flightsql import sent
from server.sql_info import SQL_INFO_SCHEMA, XDBC_SCHEMA, sql_info, xdbc_type_info

_NO_ACTION = 3


def _schema(text: str) -> pa.Schema:
    """Fields as ``name:type``, a ``!`` behind one that is never null."""
    types = {"utf8": pa.utf8(), "int32": pa.int32(), "uint8": pa.uint8(), "binary": pa.binary()}
    return pa.schema(
        pa.field(name, types[kind.rstrip("!")], nullable=not kind.endswith("!"))
        for name, _, kind in (field.partition(":") for field in text.split())
    )


_TABLES = "catalog_name:utf8 db_schema_name:utf8 table_name:utf8! table_type:utf8!"
_FOREIGN_KEYS = _schema(
    "pk_catalog_name:utf8 pk_db_schema_name:utf8 pk_table_name:utf8! pk_column_name:utf8!"
    " fk_catalog_name:utf8 fk_db_schema_name:utf8 fk_table_name:utf8! fk_column_name:utf8!"
    " key_sequence:int32! fk_key_name:utf8 pk_key_name:utf8 update_rule:uint8! delete_rule:uint8!"
)
SCHEMAS: dict[str, pa.Schema] = {
    "CommandGetSqlInfo": SQL_INFO_SCHEMA,
    "CommandGetXdbcTypeInfo": XDBC_SCHEMA,
    "CommandGetCatalogs": _schema("catalog_name:utf8!"),
    "CommandGetDbSchemas": _schema("catalog_name:utf8 db_schema_name:utf8!"),
    "CommandGetTables": _schema(_TABLES),
    "CommandGetTableTypes": _schema("table_type:utf8!"),
    "CommandGetPrimaryKeys": _schema(
        "catalog_name:utf8 db_schema_name:utf8 table_name:utf8! column_name:utf8! key_sequence:int32! key_name:utf8"
    ),
    "CommandGetExportedKeys": _FOREIGN_KEYS,
    "CommandGetImportedKeys": _FOREIGN_KEYS,
    "CommandGetCrossReference": _FOREIGN_KEYS,
}
"""The schema that each metadata command is answered with (GetTables: without table_schema)."""

_TABLES_WITH_SCHEMA = _schema(_TABLES + " table_schema:binary!")


def schema_of(name: str, command: Any) -> pa.Schema:
    """The schema of the answer to a metadata command.

    Raises:
        NotSupported: not a metadata command.
    """
    if name not in SCHEMAS:
        raise NotSupported(f"{name} is not offered", hint="send a SQL statement")
    with_schema = name == "CommandGetTables" and command.include_schema
    return _TABLES_WITH_SCHEMA if with_schema else SCHEMAS[name]


def answer(name: str, command: Any, entries: Callable[[], Sequence[Entry]], fabric: str) -> pa.Table:
    """The rows that answer a metadata command.

    Args:
        name: the command's name, one of ``SCHEMAS``.
        command: the message.
        entries: asks for what the principal may know; not called where it is not needed.
        fabric: the default catalog, which exists for everyone.
    """
    if name == "CommandGetSqlInfo":
        return sql_info(command.info)
    if name == "CommandGetXdbcTypeInfo":
        return xdbc_type_info(sent(command, "data_type"))
    rows = sorted(_ROWS[name](command, entries(), fabric), key=lambda row: [c or "" for c in row[0]])
    schema = schema_of(name, command)
    return pa.Table.from_pylist([dict(zip(schema.names, row[1], strict=True)) for row in rows], schema=schema)


Row = tuple[tuple[Any, ...], tuple[Any, ...]]
"""A sort key and the values in the order of the schema."""


def _catalogs(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    for name in {fabric} | {entry.name.catalog for entry in entries}:
        yield (name,), (name,)


def _schemas(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    catalog, pattern = sent(command, "catalog"), sent(command, "db_schema_filter_pattern")
    for pair in {(entry.name.catalog, entry.name.schema) for entry in entries}:
        if _same(catalog, pair[0]) and _like(pattern, pair[1]):
            yield pair, pair


def _tables(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    catalog, schema = sent(command, "catalog"), sent(command, "db_schema_filter_pattern")
    table, types = sent(command, "table_name_filter_pattern"), set(command.table_types)
    for entry in entries:
        name = entry.name
        if not (_same(catalog, name.catalog) and _like(schema, name.schema) and _like(table, name.name)):
            continue
        if types and _type(entry) not in types:
            continue
        row: tuple[Any, ...] = (name.catalog, name.schema, name.name, _type(entry))
        if command.include_schema:
            yield row, (*row, described(entry).serialize().to_pybytes())
        else:
            yield row, row


def _table_types(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    for kind in ("TABLE", "VIEW", "SYSTEM TABLE"):
        yield (kind,), (kind,)


def _type(entry: Entry) -> str:
    # BI tools ask for tables and views by name, and would show no product of another type.
    return "VIEW" if entry.type == "PRODUCT" else entry.type


def _primary_keys(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    for entry in _named(entries, sent(command, "catalog"), sent(command, "db_schema"), command.table):
        key = entry.object.primary_key if isinstance(entry.object, Table) else ()
        if _visible(entry, key):
            name = (entry.name.catalog, entry.name.schema, entry.name.name)
            for number, column in enumerate(key, start=1):
                yield (*name, f"{number:9}"), (*name, column, number, None)


def _imported_keys(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    tables = _named(entries, sent(command, "catalog"), sent(command, "db_schema"), command.table)
    for key, table, target in _foreign_keys(tables, entries):
        yield from _key_rows(key, table, target, sorted_by=target.name)


def _exported_keys(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    targets = _named(entries, sent(command, "catalog"), sent(command, "db_schema"), command.table)
    for key, table, target in _foreign_keys(entries, targets):
        yield from _key_rows(key, table, target, sorted_by=table.name)


def _cross_reference(command: Any, entries: Sequence[Entry], fabric: str) -> Iterator[Row]:
    targets = _named(entries, sent(command, "pk_catalog"), sent(command, "pk_db_schema"), command.pk_table)
    tables = _named(entries, sent(command, "fk_catalog"), sent(command, "fk_db_schema"), command.fk_table)
    for key, table, target in _foreign_keys(tables, targets):
        yield from _key_rows(key, table, target, sorted_by=target.name)


_ROWS: dict[str, Callable[[Any, Sequence[Entry], str], Iterator[Row]]] = {
    "CommandGetCatalogs": _catalogs,
    "CommandGetDbSchemas": _schemas,
    "CommandGetTables": _tables,
    "CommandGetTableTypes": _table_types,
    "CommandGetPrimaryKeys": _primary_keys,
    "CommandGetExportedKeys": _exported_keys,
    "CommandGetImportedKeys": _imported_keys,
    "CommandGetCrossReference": _cross_reference,
}


# ── keys: only where both ends and every column of them may be known ─────────────────────────


def _foreign_keys(
    tables: Iterable[Entry], targets: Iterable[Entry]
) -> Iterator[tuple[ForeignKey, Entry, Entry]]:
    known = {entry.name.key: entry for entry in targets}
    for table in tables:
        if isinstance(table.object, Table):
            for key in table.object.foreign_keys:
                target = known.get(key.target.key)
                if target and _visible(table, key.columns) and _visible(target, key.target_columns):
                    yield key, table, target


def _key_rows(key: ForeignKey, table: Entry, target: Entry, sorted_by: TableName) -> Iterator[Row]:
    for number, (column, target_column) in enumerate(
        zip(key.columns, key.target_columns, strict=True), start=1
    ):
        end, start = table.name, target.name
        yield (
            (sorted_by.catalog, sorted_by.schema, sorted_by.name, key.name, f"{number:9}"),
            (
                *(start.catalog, start.schema, start.name, target_column),
                *(end.catalog, end.schema, end.name, column),
                *(number, key.name or None, None, _NO_ACTION, _NO_ACTION),
            ),
        )


def _visible(entry: Entry, columns: Sequence[str]) -> bool:
    known = {name.lower() for name in entry.schema.names}
    return all(column.lower() in known for column in columns)


# ── names and patterns: without case, `_` and `%` with `\\` before a literal one ──────────────


def _same(wanted: str | None, name: str) -> bool:
    return wanted is None or wanted.lower() == name.lower()


def _like(pattern: str | None, name: str) -> bool:
    """Each part between two ``%`` where it first fits: tried in all their places, many would take for ever."""
    if pattern is None:
        return True
    name, (first, *others) = name.lower(), _parts(pattern.lower())
    if not others:
        return len(first) == len(name) and _fits(first, name, 0)
    at = len(first)
    if not _fits(first, name, 0):
        return False
    for part in others[:-1]:
        found = next((start for start in range(at, len(name)) if _fits(part, name, start)), None)
        if found is None:
            return False
        at = found + len(part)
    end = len(name) - len(others[-1])
    return at <= end and _fits(others[-1], name, end)


@lru_cache(maxsize=16)
def _parts(pattern: str) -> tuple[tuple[str, ...], ...]:
    """What stands before, between and behind ``%``, character by character; an empty one is ``_``."""
    parts: list[list[str]] = [[]]
    for escaped, wild, one, other in re.findall(r"\\(.)|(%)|(_)|(.)", pattern, re.DOTALL):
        if not wild:
            parts[-1].append("" if one else escaped or other)
        elif len(parts) == 1 or parts[-1]:
            parts.append([])
    return tuple(map(tuple, parts))


def _fits(part: tuple[str, ...], name: str, start: int) -> bool:
    return len(part) <= len(name) - start and all(
        not wanted or wanted == there for wanted, there in zip(part, name[start:], strict=False)
    )


def _named(entries: Sequence[Entry], catalog: str | None, schema: str | None, table: str) -> list[Entry]:
    return [
        entry
        for entry in entries
        if _same(catalog, entry.name.catalog)
        and _same(schema, entry.name.schema)
        and _same(table, entry.name.name)
    ]


def described(entry: Entry) -> pa.Schema:
    """The object's schema with what JDBC and ODBC read of columns in its fields' metadata."""
    fields = []
    columns = {column.name: column for column in reversed(entry.columns)}
    for field in entry.schema:
        column = columns.get(field.name)
        facts = {
            "CATALOG_NAME": entry.name.catalog,
            "DB_SCHEMA_NAME": entry.name.schema,
            "SCHEMA_NAME": entry.name.schema,
            "TABLE_NAME": entry.name.name,
            "TYPE_NAME": (column and column.type) or str(field.type),
            "IS_AUTO_INCREMENT": "0",
            "IS_CASE_SENSITIVE": "1" if pa.types.is_string(field.type) else "0",
            "IS_READ_ONLY": "1",
            "IS_SEARCHABLE": "1",
        }
        if pa.types.is_decimal(field.type):
            facts |= {"PRECISION": str(field.type.precision), "SCALE": str(field.type.scale)}
        if column and column.comment:
            facts["REMARKS"] = column.comment
        fields.append(field.with_metadata({f"ARROW:FLIGHT:SQL:{k}": v for k, v in facts.items()}))
    return pa.schema(fields)
