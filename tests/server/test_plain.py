import pyarrow as pa

from server.plain import plain, plainly

KIND = pa.dictionary(pa.uint8(), pa.utf8())


def test_dictionaries_become_their_values_at_every_depth():
    batch = pa.record_batch(
        {
            "plain": pa.array(["a", None]).dictionary_encode().cast(KIND),
            "list": pa.array([["a"], []], pa.list_(KIND)),
            "struct": pa.array([{"x": "a"}, None], pa.struct([("x", KIND)])),
            "map": pa.array([[("k", "a")], None], pa.map_(pa.utf8(), KIND)),
            "number": pa.array([1, 2]),
        }
    )
    schema = plain(batch.schema)
    assert "dictionary" not in str(schema)
    assert plainly(batch, schema).to_pylist() == batch.to_pylist()
    assert plainly(batch, schema).schema == schema


def test_what_holds_none_is_handed_on_as_it_is():
    batch = pa.record_batch({"n": pa.array([1])})
    assert plain(batch.schema) == batch.schema
    assert plainly(batch, batch.schema) is batch


def test_unsigned_numbers_become_wider_signed_ones_where_that_is_asked_for():
    kinds = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    batch = pa.record_batch(
        {str(kind): pa.array([2**kind.bit_width - 1, None], kind) for kind in kinds}
        | {"list": pa.array([[200], None], pa.list_(pa.uint8()))}
    )
    assert plain(batch.schema) == batch.schema
    schema = plain(batch.schema, signed=True)
    assert schema.types == [pa.int16(), pa.int32(), pa.int64(), pa.decimal128(20, 0), pa.list_(pa.int16())]
    assert plainly(batch, schema).to_pylist() == batch.to_pylist()
