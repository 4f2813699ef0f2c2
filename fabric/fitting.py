"""An Arrow array as the Arrow type under which DuckDB takes the column; every value is kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pyarrow as pa


def fitted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as ``kind``.

    Arrow itself casts neither text to UUIDs nor UUIDs within lists and structs, which DuckDB takes as text.

    Raises:
        pyarrow.ArrowException: a value has no place in ``kind``, or a text is not UTF-8, on which DuckDB ends.
    """
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        array.validate(full=True)
    if array.type == kind:
        return array
    if kind == pa.uuid() and pa.types.is_string(array.type):
        return pa.array([None if text is None else UUID(text).bytes for text in array.to_pylist()], kind)
    if pa.types.is_nested(array.type) and "arrow.uuid" in str(array.type):
        return pa.array(_spelled(array.to_pylist()), kind)
    return array.cast(kind)


def _spelled(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, dict):
        return {key: _spelled(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_spelled, value))
    return value
