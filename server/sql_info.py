"""What GetSqlInfo and GetXdbcTypeInfo say of Ripstop: facts by code, each in the union child that clients cast to.

Clients cast without looking (the JDBC driver raises ClassCastException, the Go driver panics on another
shape), and take a missing code as "no": a code is here only when its answer is known to be true. Codes,
children and columns are those of FlightSql.proto, Arrow 26; where drivers and text differ, the children
are those that the JDBC driver casts to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from server.statements import HANDLE_SECONDS

_CHILDREN = (
    pa.field("string_value", pa.utf8(), nullable=False),
    pa.field("bool_value", pa.bool_(), nullable=False),
    pa.field("bigint_value", pa.int64(), nullable=False),
    pa.field("int32_bitmask", pa.int32(), nullable=False),
    pa.field("string_list", pa.list_(pa.utf8()), nullable=False),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32())), nullable=False),
)
_VALUE = pa.dense_union(list(_CHILDREN))
_TEXT, _BOOL, _BIGINT, _INT, _LIST, _MAP = range(6)

SQL_INFO_SCHEMA = pa.schema(
    [pa.field("info_name", pa.uint32(), nullable=False), pa.field("value", _VALUE, nullable=False)]
)
"""The answer of GetSqlInfo."""

_NUMERIC = ["abs", "ceil", "exp", "floor", "ln", "log10", "pi", "power", "round", "sign", "sqrt", "trunc"]
_STRINGS = ["concat", "left", "length", "lower", "replace", "right", "substring", "trim", "upper"]
_TIMES = ["current_date", "date_diff", "date_part", "date_trunc", "now", "strftime", "strptime"]

_INFO: dict[int, tuple[int, Any]] = {
    0: (_TEXT, "Ripstop"),
    1: (_TEXT, version("ripstop")),
    2: (_TEXT, pa.__version__),
    3: (_BOOL, True),  # read only
    4: (_BOOL, True),  # SQL
    5: (_BOOL, False),  # Substrait
    8: (_INT, 1),  # Begin and EndTransaction, no savepoints
    9: (_BOOL, True),  # CancelQuery
    10: (_BOOL, True),  # bulk ingestion
    11: (_BOOL, False),  # in transactions
    100: (_INT, HANDLE_SECONDS * 1000),
    101: (_INT, 0),
    500: (_BOOL, False),  # DDL of catalogs
    501: (_BOOL, False),  # DDL of schemas
    502: (_BOOL, False),  # DDL of tables
    503: (_INT, 1),  # identifiers compare without case
    504: (_TEXT, '"'),
    505: (_INT, 1),  # quoted ones too
    506: (_BOOL, False),  # a table that one may discover need not be readable
    507: (_INT, 3),  # nulls are sorted at the end
    509: (_LIST, _NUMERIC),
    510: (_LIST, _STRINGS),
    511: (_LIST, []),
    512: (_LIST, _TIMES),
    513: (_TEXT, "\\"),  # escapes _ and % in the patterns of the metadata calls
    514: (_TEXT, ""),
    515: (_BOOL, True),  # column aliases
    516: (_BOOL, True),  # NULL || x is NULL
    517: (_MAP, []),  # no CONVERT; without an answer the JDBC driver fails on the question
    518: (_BOOL, True),  # table aliases
    519: (_BOOL, False),
    520: (_BOOL, True),  # ORDER BY expressions
    521: (_BOOL, True),
    522: (_INT, 0b11),  # GROUP BY: unrelated, beyond select
    523: (_BOOL, True),  # LIKE … ESCAPE
    524: (_BOOL, True),
    525: (_INT, 0b111),  # grammar: minimum, core, extended
    526: (_INT, 0b001),  # ANSI 92 entry level
    527: (_BOOL, False),
    528: (_INT, 2),  # full outer joins
    529: (_TEXT, "schema"),
    530: (_TEXT, "procedure"),
    531: (_TEXT, "catalog"),
    532: (_BOOL, True),  # the catalog stands first in a name
    533: (_INT, 0),
    534: (_INT, 0),
    535: (_INT, 0),
    536: (_BOOL, False),  # SELECT FOR UPDATE
    537: (_BOOL, False),
    538: (_INT, 0b1111),  # subqueries: comparisons, EXISTS, IN, quantified
    539: (_BOOL, True),
    540: (_INT, 0b11),  # UNION, UNION ALL
    556: (_BOOL, True),  # a row has no greatest size, with its blobs; as 517
    562: (_BIGINT, 2),  # read committed: each statement sees its own newest state
    563: (_BOOL, True),
    564: (_INT, 0b100),
    565: (_BOOL, True),  # DDL takes effect at once
    566: (_BOOL, False),
    567: (_INT, 0b10),  # forward only
    572: (_BOOL, False),
    573: (_BOOL, False),
    574: (_BOOL, False),
    575: (_BOOL, False),
    576: (_BOOL, False),
} | {code: (_BIGINT, 0) for code in (*range(541, 556), *range(557, 562))}  # no limit, or not known


def sql_info(codes: Sequence[int]) -> pa.Table:
    """The known facts among ``codes`` (all, when none are asked for), by code."""
    chosen = sorted(code for code in set(codes) or _INFO if code in _INFO)
    children: list[list[Any]] = [[] for _ in _CHILDREN]
    kinds, offsets = [], []
    for kind, value in (_INFO[code] for code in chosen):
        kinds.append(kind)
        offsets.append(len(children[kind]))
        children[kind].append(value)
    buffers = [None, pa.array(kinds, pa.int8()).buffers()[1], pa.array(offsets, pa.int32()).buffers()[1]]
    arrays = [pa.array(values, field.type) for values, field in zip(children, _CHILDREN, strict=True)]
    value = pa.Array.from_buffers(_VALUE, len(chosen), buffers, children=arrays)
    return pa.Table.from_arrays([pa.array(chosen, pa.uint32()), value], schema=SQL_INFO_SCHEMA)


XDBC_SCHEMA = pa.schema(
    [
        pa.field("type_name", pa.utf8(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.utf8()),
        pa.field("literal_suffix", pa.utf8()),
        pa.field("create_params", pa.list_(pa.field("item", pa.utf8(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.utf8()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)
"""The answer of GetXdbcTypeInfo."""

_DATETIME = 9
# (name, XDBC type, size in characters or digits, quote, scale, datetime subcode)
_TYPES: tuple[tuple[str, int, int | None, str | None, int | None, int | None], ...] = (
    ("BOOLEAN", -7, 1, None, None, None),
    ("TINYINT", -6, 3, None, 0, None),
    ("UTINYINT", 5, 3, None, 0, None),
    ("SMALLINT", 5, 5, None, 0, None),
    ("USMALLINT", 4, 5, None, 0, None),
    ("INTEGER", 4, 10, None, 0, None),
    ("UINTEGER", -5, 10, None, 0, None),
    ("BIGINT", -5, 19, None, 0, None),
    ("UBIGINT", 3, 20, None, 0, None),
    ("HUGEINT", 3, 38, None, 0, None),
    ("DECIMAL", 3, 38, None, 38, None),
    ("FLOAT", 7, 24, None, None, None),
    ("DOUBLE", 8, 53, None, None, None),
    ("VARCHAR", 12, None, "'", None, None),
    ("UUID", 12, 36, "'", None, None),
    ("BLOB", -3, None, "'", None, None),
    ("DATE", 91, 10, "'", None, 1),
    ("TIME", 92, 15, "'", 6, 2),
    ("TIMESTAMP", 93, 26, "'", 6, 3),
    ("TIMESTAMP WITH TIME ZONE", 93, 32, "'", 6, 5),
)


def xdbc_type_info(data_type: int | None) -> pa.Table:
    """DuckDB's types as XDBC describes types, all or those of one XDBC type, by type and name."""
    rows = sorted(_xdbc_rows(), key=lambda row: (row["data_type"], row["type_name"]))
    chosen = [row for row in rows if data_type is None or row["data_type"] == data_type]
    return pa.Table.from_pylist(chosen, schema=XDBC_SCHEMA)


def _xdbc_rows() -> Iterable[dict[str, Any]]:
    for name, code, size, quote, scale, subcode in _TYPES:
        approximate, exact = name in ("FLOAT", "DOUBLE"), scale is not None and quote is None
        yield {
            "type_name": name,
            "data_type": code,
            "column_size": size,
            "literal_prefix": quote,
            "literal_suffix": quote,
            "create_params": ["precision", "scale"] if name == "DECIMAL" else None,
            "nullable": 1,
            "case_sensitive": name == "VARCHAR",
            "searchable": 3,
            "unsigned_attribute": name.startswith("U") if exact else None if quote else False,
            "fixed_prec_scale": False,
            "auto_increment": False if exact or approximate else None,
            "local_type_name": name,
            "minimum_scale": 0 if scale is not None else None,
            "maximum_scale": scale,
            "sql_data_type": code if subcode is None else _DATETIME,
            "datetime_subcode": subcode,
            "num_prec_radix": 2 if approximate else 10 if exact else None,
            "interval_precision": None,
        }
