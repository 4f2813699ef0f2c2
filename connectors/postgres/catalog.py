"""What Postgres says of its tables: columns, comments, keys and row estimates, in two queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlglot import exp

from connectors.postgres.types import natural, normal_type, reading
from fabric.errors import InvalidConfig
from fabric.settings import ColumnSettings
from fabric.types import Column, ColumnStatistics, ForeignKey, Table, TableKind, TableName

# The type of attribute `a` with domains unfolded: format_type's text for a type of Postgres itself, and
# a leading word for any other, so that no user's type can pass for a built-in one. What stands in braces
# says why text is not compared bytewise.
NATIVE = """
SELECT CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace AND b.typtype = 'b'
            THEN format_type(b.oid, b.typmod) || CASE WHEN a.attndims > 1 THEN '[]' ELSE '' END
            ELSE CASE b.typtype WHEN 'e' THEN 'enum ' WHEN 'c' THEN 'composite ' WHEN 'r' THEN 'range '
                                WHEN 'm' THEN 'range ' ELSE 'type ' END || format_type(b.oid, NULL) END
       || CASE WHEN b.typcollation = 0 THEN ''
               WHEN getdatabaseencoding() <> 'UTF8' THEN ' {encoding ' || getdatabaseencoding() || '}'
               WHEN NOT coalesce((SELECT (to_jsonb(co) ->> 'collisdeterministic')::boolean
                                  FROM pg_collation co WHERE co.oid = a.attcollation), true)
               THEN ' {collation not deterministic}' ELSE '' END
FROM (WITH RECURSIVE base AS (
        SELECT t.*, a.atttypmod AS typmod FROM pg_type t WHERE t.oid = a.atttypid
        UNION ALL
        SELECT t.*, base.typtypmod FROM base JOIN pg_type t ON t.oid = base.typbasetype
        WHERE base.typtype = 'd')
      SELECT * FROM base WHERE typtype <> 'd') b
"""

_PROOFS = 2_000  # statements that are kept; one takes a kB

_COLUMNS = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       coalesce(obj_description(c.oid, 'pg_class'), '') AS comment,
       (CASE WHEN c.relkind = 'p'
             THEN (SELECT sum(l.reltuples) FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid
                   WHERE p.isleaf AND l.relpages > 0)
             WHEN c.relpages > 0 OR c.reltuples > 0 THEN c.reltuples END)::float8 AS rows,
       CASE WHEN c.relkind = 'r' AND NOT c.relhassubclass
                 AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')
                 AND current_setting('server_version_num')::int >= 140000
            THEN c.relpages::bigint END AS pages,
       c.relkind IN ('r', 'm') AND NOT EXISTS
         (SELECT FROM pg_class t WHERE t.oid = c.reltoastrelid AND t.relpages > 0) AS inline,
       a.attname::text AS column, a.attnotnull AS required, {full} AS full,
       coalesce(col_description(c.oid, a.attnum), '') AS column_comment,
       ({native}) AS native
FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = ANY({schemas}) AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT c.relispartition
      AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY 1, 2, a.attnum
"""

_KEYS = """
SELECT n.nspname::text AS schema, c.relname::text AS name, k.contype::text AS kind, k.conname::text AS key,
       (SELECT array_agg(a.attname::text ORDER BY u.i) FROM unnest(k.conkey) WITH ORDINALITY u(n, i)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS columns,
       fn.nspname::text AS target_schema, f.relname::text AS target,
       (SELECT array_agg(a.attname::text ORDER BY u.i) FROM unnest(k.confkey) WITH ORDINALITY u(n, i)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS target_columns
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
WHERE n.nspname = ANY({schemas}) AND k.contype IN ('p', 'f') AND k.conparentid = 0
ORDER BY 1, 2, k.conname
"""

# Of inherited columns, the statistics of the table alone; at most a hundred values of each kind.
_STATISTICS = """
SELECT schemaname::text AS schema, tablename::text AS name, attname::text AS column,
       null_frac::float8 AS nulls, n_distinct::float8 AS distinct,
       (most_common_vals::text::text[])[1:100] AS common, (most_common_freqs::float8[])[1:100] AS parts,
       histogram_bounds::text::text[] AS bounds
FROM pg_stats WHERE schemaname = ANY({schemas}) AND NOT inherited
"""

NEVER_NULL = " NOT NULL"
"""What stands behind a column's type where it is sure that there is no NULL in it."""

# Children, and tables of other servers, may hold some for all that; a constraint may be invalid since Postgres 18.
_NEVER_NULL = """(a.attnotnull
    AND EXISTS (SELECT FROM pg_class t WHERE t.oid = a.attrelid AND t.relkind = 'r' AND NOT t.relhassubclass)
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
                    AND a.attnum = ANY(k.conkey) AND NOT k.convalidated))"""

_KINDS: dict[str, TableKind] = {
    "r": "table",
    "v": "view",
    "m": "materialized view",
    "p": "partitioned table",
    "f": "foreign table",
}

Row = Mapping[str, Any]
Declared = Mapping[str, Mapping[str, ColumnSettings]]
"""Column settings by lower-cased ``table`` or ``schema.table``, then by lower-cased column."""


def columns_query(schemas: Sequence[str]) -> str:
    """The query of every readable column in ``schemas``, by schema, table and position."""
    return (
        _COLUMNS.replace("{schemas}", _names(schemas))
        .replace("{native}", NATIVE)
        .replace("{full}", _NEVER_NULL)
    )


def keys_query(schemas: Sequence[str]) -> str:
    """The query of the primary and foreign keys in ``schemas``."""
    return _KEYS.replace("{schemas}", _names(schemas))


def pages_of(columns: Iterable[Row]) -> dict[TableName, int]:
    """How many pages each table has that can be read by ranges of them, by ``TableName`` without its catalog.

    Plain heaps without children, of PostgreSQL 14 and later: before that, a range of ``ctid`` reads the whole table.
    """
    return {
        TableName("", row["schema"], row["name"]): row["pages"] for row in columns if row["pages"] is not None
    }


def inline_tables(columns: Iterable[Row]) -> frozenset[TableName]:
    """The tables, as ``pages_of`` names them, of which no value lay out of line when they were last vacuumed."""
    return frozenset(TableName("", row["schema"], row["name"]) for row in columns if row["inline"])


def statistics_query(schemas: Sequence[str]) -> str:
    """The query of what Postgres knows of the values in ``schemas``, of columns that our role may read."""
    return _STATISTICS.replace("{schemas}", _names(schemas))


def with_statistics(tables: Iterable[Table], found: Iterable[Row]) -> list[Table]:
    """The tables with what the rows of that query say of their columns."""
    grouped: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in found:
        grouped[row["schema"], row["name"]][row["column"]] = row
    return [
        replace(
            table,
            statistics={
                column.name.lower(): _column_statistics(known, column, table.rows)
                for column in table.columns
                if (known := grouped[table.name.schema, table.name.name].get(column.name)) is not None
            },
        )
        for table in tables
    ]


def _column_statistics(row: Row, column: Column, rows: int | None) -> ColumnStatistics:
    distinct = row["distinct"]
    if distinct < 0:  # a part of the rows
        distinct = -distinct * rows if rows else None
    common = zip(row["common"] or (), row["parts"] or (), strict=False)
    return ColumnStatistics(
        nulls=row["nulls"],
        distinct=distinct or None,
        common=tuple((_text(value, column), float(part)) for value, part in common),
        bounds=tuple(_text(value, column) for value in row["bounds"] or ()),
    )


def _text(value: str, column: Column) -> str:
    return {"t": "true", "f": "false"}.get(value, value) if column.type == "BOOLEAN" else value


def _names(schemas: Sequence[str]) -> str:
    literals = [exp.Literal.string(schema) for schema in schemas]
    return f"{exp.Array(expressions=literals).sql('postgres')}::name[]"


def read_tables(source: str, columns: Iterable[Row], keys: Iterable[Row], declared: Declared) -> list[Table]:
    """The tables that the rows of both queries describe.

    Names that differ only by case cannot be told apart in DuckDB: the first keeps its name, the others
    are left out (``shadowed`` lists them).

    Raises:
        InvalidConfig: a declared type does not fit the column; the message names it.
    """
    grouped: dict[TableName, list[Row]] = defaultdict(list)
    for row in columns:
        grouped[TableName(source, row["schema"], row["name"])].append(row)
    keyed: dict[TableName, list[Row]] = defaultdict(list)
    for row in keys:
        keyed[TableName(source, row["schema"], row["name"])].append(row)
    seen: set[tuple[str, str, str]] = set()
    tables = []
    for name, rows in grouped.items():
        if name.key not in seen:
            seen.add(name.key)
            tables.append(_table(name, rows, keyed[name], set(grouped), declared))
    return tables


def _table(
    name: TableName, rows: list[Row], keys: list[Row], known: set[TableName], declared: Declared
) -> Table:
    settings = declared.get(f"{name.schema}.{name.name}".lower()) or declared.get(name.name.lower()) or {}
    columns = {row["column"].lower(): _column(name, row, settings) for row in reversed(rows)}
    unknown = next((column for column in settings if column not in columns), None)
    if unknown is not None:
        raise InvalidConfig(f"source '{name.catalog}': table {name} has no column '{unknown}'")
    first = rows[0]
    readable = {column.name for column in columns.values()}
    return Table(
        name=name,
        columns=_in_order(rows, columns),
        comment=first["comment"],
        kind=_KINDS[first["kind"]],
        rows=None if first["rows"] is None or first["rows"] < 0 else int(first["rows"]),
        primary_key=next(
            (tuple(k["columns"]) for k in keys if k["kind"] == "p" and readable.issuperset(k["columns"])), ()
        ),
        foreign_keys=tuple(
            key for k in keys if k["kind"] == "f" and (key := _foreign(name, k)).target in known
        ),
    )


def _in_order(rows: list[Row], columns: Mapping[str, Column]) -> tuple[Column, ...]:
    return tuple(
        columns[row["column"].lower()] for row in rows if columns[row["column"].lower()].name == row["column"]
    )


def _column(table: TableName, row: Row, declared: Mapping[str, ColumnSettings]) -> Column:
    own = declared.get(row["column"].lower())
    column = Column(
        name=row["column"],
        type=normal_type(own.type) if own and own.type else natural(row["native"]).type,
        nullable=not row["required"],
        never_null=row["full"],
        comment=(own.description if own else "") or row["column_comment"],
        tags=own.tags if own else (),
        native=row["native"],
    )
    if own and own.type:
        try:
            reading(column)
        except InvalidConfig as error:
            raise InvalidConfig(
                f"source '{table.catalog}', table {table}: {error.message}", hint=error.hint
            ) from None
    return column


def _foreign(name: TableName, key: Row) -> ForeignKey:
    target = TableName(name.catalog, key["target_schema"], key["target"])
    return ForeignKey(tuple(key["columns"]), target, tuple(key["target_columns"]), key["key"])


def shadowed(columns: Iterable[Row]) -> list[str]:
    """The tables and columns that differ from an earlier one only by case, and cannot be asked for."""
    tables: dict[tuple[str, str], str] = {}
    fields: dict[tuple[str, str, str], str] = {}
    found: dict[str, None] = {}
    for row in columns:
        table = f"{row['schema']}.{row['name']}"
        if tables.setdefault((row["schema"].lower(), row["name"].lower()), table) != table:
            found[table] = None
        elif (
            fields.setdefault((row["schema"], row["name"], row["column"].lower()), row["column"])
            != row["column"]
        ):
            found[f"{table}.{row['column']}"] = None
    return list(found)


def approximate(tables: Iterable[Table]) -> list[str]:
    """The numeric columns that are read as DOUBLE since they have no precision that DuckDB can hold."""
    return [
        f"{table.name.schema}.{table.name.name}.{column.name}"
        for table in tables
        for column in table.columns
        if column.native.startswith("numeric") and column.type in ("DOUBLE", "DOUBLE[]")
    ]


UNLIKE, REWRITTEN = "22012", "2201F"
"""The SQLSTATEs with which the proof of a table's shape fails: division by zero, and the root of a negative number."""


@lru_cache(maxsize=_PROOFS)
def proof_of_shape(table: TableName, shape: tuple[tuple[str, str], ...]) -> str:
    """One statement that holds a table's shape until the transaction ends, and fails if that is another one.

    Args:
        table: in Postgres.
        shape: columns, each with its type there, with ``NEVER_NULL`` behind that of one that never is.

    It fails as ``UNLIKE`` where a column is gone or of another type; and as ``REWRITTEN`` where the files of the table and
    its partitions are not those that the snapshot sees: a TRUNCATE or a rewriting ALTER TABLE of another transaction
    makes a table look empty to older snapshots (Postgres manual, 13.6 "Caveats").
    """
    named = exp.table_(table.name, db=table.schema, quoted=True)
    oid = f"{_literal(named.sql('postgres'))}::regclass"
    sure = _names([column for column, native in shape if native.endswith(NEVER_NULL)])
    held = exp.select("1").from_(named).where(exp.false()).sql("postgres")
    never_null = f"CASE WHEN a.attname = ANY({sure}) AND {_NEVER_NULL} THEN '{NEVER_NULL}' ELSE '' END"
    expected = ", ".join(f"({_literal(column)}, {_literal(native)})" for column, native in shape)
    alike = f"(a.attname::text, ({NATIVE}) || {never_null}) IN ({expected})" if shape else "true"
    return f"""
SELECT CASE WHEN count(*) FILTER (WHERE alike) < {len(shape)} THEN 1.0::float8 / (0 * count(*))
            WHEN NOT bool_and(kept) THEN sqrt(-1 - count(*)::float8) END
FROM (SELECT {alike} AS alike,
             (SELECT coalesce(bool_and(f.relfilenode IN (0, pg_relation_filenode(f.oid))), true) FROM pg_class f
              WHERE f.oid = a.attrelid OR f.oid IN (SELECT relid FROM pg_partition_tree(a.attrelid))) AS kept
      FROM pg_attribute a
      WHERE a.attrelid = {oid} AND a.attname = ANY({_names([column for column, _ in shape])}) AND NOT a.attisdropped AND NOT EXISTS ({held})
     ) AS columns
"""


def _literal(value: str) -> str:
    return exp.Literal.string(value).sql("postgres")
