import time
from itertools import product

import pyarrow as pa
import pytest

from fabric.errors import NotSupported
from fabric.types import Principal
from server import flightsql, metadata
from server.sql_info import SQL_INFO_SCHEMA, sql_info, xdbc_type_info
from tests.server.tiny import TinyCatalog

ENTRIES = TinyCatalog().visible(Principal("ana"))


def rows(name, entries=ENTRIES, **fields):
    _, message = flightsql.unpack(flightsql.pack(name, **fields))
    table = metadata.answer(name, message, lambda: entries, "acme")
    table.validate(full=True)
    assert table.schema.equals(metadata.schema_of(name, message), check_metadata=True)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_the_fabric_is_a_catalog_even_where_it_is_empty():
    assert rows("CommandGetCatalogs", entries=[]) == [("acme",)]
    assert rows("CommandGetCatalogs") == [("acme",), ("claims_lake",), ("policy_db",)]


def test_schemas_are_filtered_by_catalog_and_pattern_without_case():
    assert rows("CommandGetDbSchemas", catalog="POLICY_DB") == [("policy_db", "public")]
    assert rows("CommandGetDbSchemas", db_schema_filter_pattern="MAI_") == [("claims_lake", "main")]
    assert rows("CommandGetDbSchemas", catalog="") == []


def test_tables_are_filtered_and_sorted():
    assert rows("CommandGetTables", table_name_filter_pattern="%claim%") == [
        ("acme", "claims", "open_claims", "VIEW"),
        ("claims_lake", "main", "claim", "TABLE"),
    ]
    assert rows("CommandGetTables", table_name_filter_pattern="open\\_claims", table_types=["TABLE"]) == []
    assert rows("CommandGetTables", table_name_filter_pattern="open\\%claims") == []
    assert rows("CommandGetTables", table_types=["VIEW"]) == [("acme", "claims", "open_claims", "VIEW")]


def test_a_dot_in_a_pattern_is_a_dot():
    assert rows("CommandGetTables", table_name_filter_pattern="open.claims") == []


def test_a_pattern_of_many_parts_is_judged_at_once():
    began = time.monotonic()
    for pattern in ("%" * 40 + "x", "%_" * 40 + "x", "%c%l%a%i%m" * 9, "%" * 300_000 + "q", "%_" * 300_000):
        assert rows("CommandGetTables", table_name_filter_pattern=pattern) == []
    assert time.monotonic() - began < 5


def like(pattern, name):
    """As SQL has it, tried in every way."""
    if not pattern:
        return not name
    if pattern[0] == "%":
        return like(pattern[1:], name) or (bool(name) and like(pattern, name[1:]))
    return bool(name) and pattern[0] in ("_", name[0]) and like(pattern[1:], name[1:])


@pytest.mark.parametrize("length", range(6))
def test_patterns_mean_what_like_means(length):
    for pattern in map("".join, product("%_ab", repeat=length)):
        for name in ("", "a", "b", "ab", "ba", "aab", "abab", "bbaa"):
            assert metadata._like(pattern, name) == like(pattern, name), (pattern, name)
            assert metadata._like(pattern.upper(), name) == like(pattern, name)


def test_a_table_s_schema_tells_clients_the_column_s_type_place_and_comment():
    [row] = rows("CommandGetTables", table_name_filter_pattern="customer", include_schema=True)
    schema = pa.ipc.read_schema(pa.py_buffer(row[4]))
    facts = schema.field("email").metadata
    assert schema.names == ["id", "email"]
    assert facts[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"VARCHAR"
    assert facts[b"ARROW:FLIGHT:SQL:REMARKS"] == b"where to write"
    assert facts[b"ARROW:FLIGHT:SQL:CATALOG_NAME"] == b"policy_db"
    [row] = rows("CommandGetTables", table_name_filter_pattern="policy", include_schema=True)
    premium = pa.ipc.read_schema(pa.py_buffer(row[4])).field("premium").metadata
    assert (premium[b"ARROW:FLIGHT:SQL:PRECISION"], premium[b"ARROW:FLIGHT:SQL:SCALE"]) == (b"9", b"2")


def test_table_types_do_not_depend_on_what_one_may_see():
    assert rows("CommandGetTableTypes", entries=[]) == [("SYSTEM TABLE",), ("TABLE",), ("VIEW",)]


def test_keys_are_told_from_both_ends():
    assert rows("CommandGetPrimaryKeys", table="policy") == [("policy_db", "public", "policy", "id", 1, None)]
    key = (
        *("policy_db", "public", "customer", "id", "policy_db", "public", "policy", "customer_id"),
        *(1, "policy_customer", None, 3, 3),
    )
    assert rows("CommandGetImportedKeys", table="policy") == [key]
    assert rows("CommandGetExportedKeys", table="customer") == [key]
    assert rows("CommandGetCrossReference", pk_table="customer", fk_table="policy") == [key]
    assert rows("CommandGetCrossReference", pk_table="policy", fk_table="customer") == []


def test_a_key_to_a_table_that_one_may_not_know_of_is_not_told():
    assert rows("CommandGetImportedKeys", table="claim") == []
    without_customer = TinyCatalog().visible(Principal("bob"))
    assert rows("CommandGetImportedKeys", entries=without_customer, table="policy") == []


def test_sql_info_has_the_exact_shape_and_children_that_drivers_cast_to():
    table = sql_info([])
    table.validate(full=True)
    assert table.schema.equals(SQL_INFO_SCHEMA)
    known = dict(zip(table["info_name"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert known[0] == "Ripstop"
    assert {0, 1, 2, 3, 8, 504} <= known.keys()
    # JDBC casts SQL_MAX_* and DEFAULT_TRANSACTION_ISOLATION to Long, the bitmasks to Integer.
    value = table["value"].chunk(0)
    child = dict(zip(known, value.type_codes.to_pylist(), strict=True))
    assert {child[code] for code in (*range(541, 556), *range(557, 563))} == {2}
    assert {child[code] for code in (522, 528, 533, 534, 538, 540, 564, 567)} == {3}


def test_sql_info_leaves_out_codes_that_it_does_not_know():
    assert sql_info([8, 0, 4242, 8]).to_pylist() == [
        {"info_name": 0, "value": "Ripstop"},
        {"info_name": 8, "value": 1},
    ]
    assert sql_info([4242]).num_rows == 0


def test_xdbc_types_are_sorted_and_can_be_asked_by_type():
    table = xdbc_type_info(None)
    table.validate(full=True)
    order = list(zip(table["data_type"].to_pylist(), table["type_name"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert xdbc_type_info(12)["type_name"].to_pylist() == ["UUID", "VARCHAR"]
    assert xdbc_type_info(93)["sql_data_type"].to_pylist() == [9, 9]
    assert xdbc_type_info(12345).num_rows == 0


def test_a_command_that_is_no_metadata_is_not_supported():
    with pytest.raises(NotSupported):
        metadata.schema_of("CommandStatementSubstraitPlan", None)
