"""What an ADBC driver says of its tables, as tables of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from connectors.adbc.types import landed, type_text
from fabric.settings import ColumnSettings
from fabric.types import DEFAULT_SCHEMA, Column, Table, TableKind, TableName

_KINDS: tuple[TableKind, ...] = ("materialized view", "foreign table", "partitioned table", "view")
_SYSTEM = frozenset({"information_schema", "pg_catalog", "pg_toast"})


@dataclass(frozen=True, slots=True)
class AdbcTable(Table):
    """A table with what its SQL needs: ``path`` is (catalog, schema, name) there, empty parts unused.

    ``arrow`` holds the types that the driver promises for the columns, in their order.
    """

    path: tuple[str, str, str] = ("", "", "")
    arrow: tuple[pa.DataType, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """One table of ``AdbcConnection.get_objects``: its path, kind, columns by name, and primary key."""

    path: tuple[str, str, str]
    kind: str
    natives: Mapping[str, str]
    required: frozenset[str]
    comments: Mapping[str, str]
    primary_key: tuple[str, ...]


def listed_tables(objects: list[dict[str, Any]]) -> list[Listed]:
    """The tables and views among the objects; indexes and system schemas are left out."""
    return [
        _listed((catalog["catalog_name"] or "", schema["db_schema_name"] or "", table["table_name"]), table)
        for catalog in objects
        for schema in catalog["catalog_db_schemas"] or ()
        if (schema["db_schema_name"] or "").lower() not in _SYSTEM
        for table in schema["db_schema_tables"] or ()
        if _kind(table["table_type"]) is not None
    ]


def _listed(path: tuple[str, str, str], table: dict[str, Any]) -> Listed:
    columns = table["table_columns"] or ()
    keys = [
        each["constraint_column_names"]
        for each in table["table_constraints"] or ()
        if each["constraint_type"] == "PRIMARY KEY"
    ]
    return Listed(
        path=path,
        kind=table["table_type"],
        natives={each["column_name"]: each["xdbc_type_name"] or "" for each in columns},
        required=frozenset(each["column_name"] for each in columns if each["xdbc_is_nullable"] == "NO"),
        comments={each["column_name"]: each["remarks"] or "" for each in columns},
        primary_key=tuple(keys[0]) if keys else (),
    )


def _kind(native: str) -> TableKind | None:
    lower = (native or "table").lower()
    if "system" in lower or not ("table" in lower or "view" in lower):
        return None
    return next((kind for kind in _KINDS if kind in lower), "table")


def schema_names(tables: list[Listed], current: str) -> dict[tuple[str, str], str]:
    """What each (catalog, schema) of the remote is called as a schema of the source.

    The remote's current catalog lends its schemas' own names (``main`` for none). Of another catalog
    the only schema takes the catalog's name, several are called ``catalog.schema``.
    """
    places = list(dict.fromkeys(table.path[:2] for table in tables))
    catalogs = [catalog for catalog, _ in places]
    if current not in catalogs and catalogs:
        current = catalogs[0]
    names = {}
    for catalog, schema in places:
        if catalog == current:
            names[catalog, schema] = schema or DEFAULT_SCHEMA
        elif catalogs.count(catalog) == 1:
            names[catalog, schema] = catalog
        else:
            names[catalog, schema] = f"{catalog}.{schema or DEFAULT_SCHEMA}"
    return names


def made_table(
    name: TableName, table: Listed, schema: pa.Schema, declared: Mapping[str, ColumnSettings]
) -> AdbcTable:
    """The table of ours; columns that no type of DuckDB can hold, or whose names repeat, are left out."""
    fields = list(_usable(schema))
    return AdbcTable(
        name=name,
        columns=tuple(_column(field, table, declared.get(field.name.lower())) for field in fields),
        kind=_kind(table.kind) or "table",
        primary_key=table.primary_key,
        path=table.path,
        arrow=tuple(field.type for field in fields),
    )


def _usable(schema: pa.Schema) -> Iterator[pa.Field]:
    seen = set()
    for field in schema:
        try:
            landed(field.type)
        except TypeError:
            continue
        if field.name.lower() not in seen:
            seen.add(field.name.lower())
            yield field


def _column(field: pa.Field, table: Listed, own: ColumnSettings | None) -> Column:
    return Column(
        name=field.name,
        type=type_text(landed(field.type)),
        nullable=field.nullable and field.name not in table.required,
        comment=(own.description if own else "") or table.comments.get(field.name, ""),
        tags=own.tags if own else (),
        native=table.natives.get(field.name) or str(field.type),
    )
