"""Results in Arrow types that the client which asks reads rightly.

DuckDB hands ENUM over as a dictionary. The Go driver wants dictionaries before the first batch, where pyarrow does
not send them, and the JDBC driver shows their indices: so every client gets the values. The JDBC driver shows
unsigned numbers as signed ones of their width, 200 as -56: so a client in Java gets them as the next wider type.
"""

from __future__ import annotations

import pyarrow as pa

_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}


def plain(schema: pa.Schema, signed: bool = False) -> pa.Schema:
    """The schema without dictionaries and, if ``signed``, without unsigned numbers; in nested types too."""
    return pa.schema([_field(field, signed) for field in schema], schema.metadata)


def plainly(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in its ``plain`` schema."""
    return batch if batch.schema == schema else batch.cast(schema)


def _field(field: pa.Field, signed: bool) -> pa.Field:
    return field.with_type(_type(field.type, signed))


def _type(kind: pa.DataType, signed: bool) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([_field(kind.field(i), signed) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_field(kind.key_field, signed), _field(kind.item_field, signed), kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field, signed), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_field(kind.value_field, signed))
    if pa.types.is_list(kind):
        return pa.list_(_field(kind.value_field, signed))
    return _SIGNED.get(kind, kind) if signed else kind
