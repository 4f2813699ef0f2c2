"""Results in Arrow types that every client reads.

DuckDB hands ENUM over as a dictionary. The Go driver wants dictionaries before the first batch, where pyarrow does
not send them, and the JDBC driver shows their indices: so a client gets the values.
"""

from __future__ import annotations

import pyarrow as pa


def plain(schema: pa.Schema) -> pa.Schema:
    """The schema with the values' types in the places of dictionaries, in nested types too."""
    return pa.schema([_field(field) for field in schema], schema.metadata)


def plainly(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in its ``plain`` schema."""
    return batch if batch.schema == schema else batch.cast(schema)


def _field(field: pa.Field) -> pa.Field:
    return field.with_type(_type(field.type))


def _type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([_field(kind.field(i)) for i in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_field(kind.key_field), _field(kind.item_field), kind.keys_sorted)
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_field(kind.value_field))
    if pa.types.is_list(kind):
        return pa.list_(_field(kind.value_field))
    return kind
