"""A page of JSON → records → one Arrow batch, exactly typed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from connectors.http.types import JsonType, TimeFormat, json_type
from fabric.errors import BadData

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]")
_MISSING = object()


def parse_path(text: str) -> tuple[str, ...]:
    """The keys of a path such as ``$.a.b`` or ``$['a b']``; a trailing ``[*]`` says nothing new.

    Raises:
        ValueError: anything else that JSONPath knows (indexes, filters, ``..``).
    """
    rest = text.removesuffix("[*]").removeprefix("$")
    keys = _STEP.findall(rest)
    if not text.startswith("$") or _STEP.sub("", rest):
        raise ValueError(f"'{text}' is not a path such as $, $.items, $.data.items[*] or $['a b']")
    return tuple(dotted or quoted for dotted, quoted in keys)


def find(document: object, keys: Sequence[str], default: object = None) -> object:
    """What lies under the keys; ``default`` when a key is missing on the way."""
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return default
        document = document[key]
    return document


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """One column: where it lies in a record, and how it is read."""

    name: str
    keys: tuple[str, ...]
    text: str
    type: JsonType


@dataclass(frozen=True, slots=True)
class RecordShape:
    """How a table's answers are read: where the records are, and the columns of each."""

    source: str
    table: str
    records: tuple[str, ...]
    columns: tuple[RecordColumn, ...]

    def column(self, name: str) -> RecordColumn:
        """The column of that name, compared without case."""
        return next(column for column in self.columns if column.name.lower() == name.lower())

    def bad(self, message: str, hint: str) -> BadData:
        """A BadData error that names the source and the table."""
        return BadData(self.source, f"table '{self.table}': {message}", hint=hint)


def shape_column(name: str, text: str, source: str | None, time_format: TimeFormat | None) -> RecordColumn:
    """A column from its declaration; without ``source`` it is the record's key of the same name.

    Raises:
        ValueError: the type or the path is none that can be read.
    """
    made = json_type(text, time_format)
    return RecordColumn(name, parse_path(source) if source else (name,), text, made)


def parse_body(shape: RecordShape, body: bytes, page: int) -> object:
    """The JSON document of a page, its numbers with all their digits where a column needs them.

    Raises:
        BadData: not JSON.
    """
    if not body:
        return []
    digits = any(column.type.digits or column.type.family == "integer" for column in shape.columns)
    try:
        return json.loads(body, parse_float=Decimal if digits else None, parse_constant=str)
    except (ValueError, RecursionError):
        raise shape.bad(
            f"page {page} is not JSON",
            "the source answered with something else, or the answer was cut; ask its owner",
        ) from None


def find_records(shape: RecordShape, document: object, page: int) -> list[object]:
    """The records of a document; null is none, and a single object is one.

    Raises:
        BadData: nothing lies where the table's ``records`` points, or it is no record.
    """
    found = find(document, shape.records, _MISSING)
    if found is None:
        return []
    if isinstance(found, list):
        return found
    wanted = [column.keys for column in shape.columns]
    if isinstance(found, dict) and any(find(found, keys, _MISSING) is not _MISSING for keys in wanted):
        return [found]
    raise shape.bad(
        f"page {page} has no records where 'records' points",
        "set the table's records to the path of the list, such as $.items",
    )


def to_batch(
    shape: RecordShape,
    records: Sequence[object],
    columns: Sequence[str],
    page: int,
    fill: Mapping[str, object],
) -> pa.RecordBatch:
    """The records as a batch of ``columns``, in that order; a missing key is NULL.

    ``fill`` holds values, as Arrow takes them, for columns (lower-cased names) that a record does not
    carry.

    Raises:
        BadData: a value does not fit its column; names the column, the page and the record, not the value.
    """
    made = [shape.column(name) for name in columns]
    arrays = [_array(shape, column, records, page, fill.get(column.name.lower())) for column in made]
    return pa.RecordBatch.from_arrays(
        arrays,
        schema=pa.schema([(name, column.type.arrow) for name, column in zip(columns, made, strict=True)]),
    )


def _array(
    shape: RecordShape, column: RecordColumn, records: Sequence[object], page: int, fill: object
) -> pa.Array:
    values = [_value(shape, column, record, page, n, fill) for n, record in enumerate(records, 1)]
    made = column.type
    if set(map(type, values)) <= made.plain:
        # What Arrow refuses here, decode refuses too, and it knows the record.
        with suppress(pa.ArrowInvalid, ValueError, OverflowError):
            return pa.array(values, made.arrow)
    decoded = [
        value if value is None or value is fill else _decoded(shape, column, value, page, n)
        for n, value in enumerate(values, 1)
    ]
    return pa.array(decoded, made.arrow)


def _value(
    shape: RecordShape, column: RecordColumn, record: object, page: int, number: int, fill: object
) -> object:
    keys = column.keys
    if len(keys) == 1 and type(record) is dict:
        return record.get(keys[0], fill)
    if keys and not isinstance(record, dict):
        raise shape.bad(
            f"record {number} of page {page} is no object",
            "set the table's records to the path of a list of objects, or a column's from to $",
        )
    found = record
    for key in keys:
        if found is None:
            return fill
        if not isinstance(found, dict):
            raise _misfit(shape, column, page, number)
        found = found.get(key, fill)
    return found


def _decoded(shape: RecordShape, column: RecordColumn, value: object, page: int, number: int) -> object:
    try:
        return column.type.decode(value)
    except (ValueError, ArithmeticError, RecursionError):
        raise _misfit(shape, column, page, number) from None


def _misfit(shape: RecordShape, column: RecordColumn, page: int, number: int) -> BadData:
    return shape.bad(
        f"column '{column.name}', record {number} of page {page}: the value does not fit {column.text}",
        "correct the column's type (JSON takes any value), its from or its format",
    )
