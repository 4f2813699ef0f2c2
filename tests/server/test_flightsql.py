import subprocess
import sys

import pytest

from fabric.errors import InvalidValue
from server import flightsql


def test_a_packed_command_is_unpacked_with_the_fields_that_were_sent():
    data = flightsql.pack("CommandGetTables", catalog="a", table_types=["TABLE"], include_schema=True)
    name, message = flightsql.unpack(data)
    assert name == "CommandGetTables"
    assert flightsql.sent(message, "catalog") == "a"
    assert flightsql.sent(message, "db_schema_filter_pattern") is None
    assert list(message.table_types) == ["TABLE"]


def test_an_empty_string_that_was_sent_is_not_the_same_as_none():
    _, message = flightsql.unpack(flightsql.pack("CommandGetDbSchemas", catalog=""))
    assert flightsql.sent(message, "catalog") == ""


def test_field_numbers_are_those_of_the_specification():
    # Written out by hand from FlightSql.proto and Flight.proto: tag = number << 3 | wire type.
    result = flightsql.new(
        "ActionCreatePreparedStatementResult", prepared_statement_handle=b"h", is_update=True
    )
    assert result.SerializeToString() == b"\x0a\x01h\x20\x01"
    assert flightsql.new("DoPutUpdateResult", record_count=3).SerializeToString() == b"\x08\x03"
    option = flightsql.new("SessionOptionValue", int64_value=1)
    assert option.SerializeToString() == b"\x19" + (1).to_bytes(8, "little")


def test_packed_and_unpacked_numbers_are_both_read():
    for body in (b"\x0a\x02\x00\x08", b"\x08\x00\x08\x08"):
        assert list(flightsql.read("CommandGetSqlInfo", body).info) == [0, 8]


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"SELECT 1", flightsql.pack("CommandGetCatalogs")[:-4]])
def test_what_is_no_command_is_an_error_of_the_caller(data):
    with pytest.raises(InvalidValue):
        flightsql.unpack(data)


def test_the_messages_stand_beside_another_copy_in_the_default_pool():
    program = """
from google.protobuf import descriptor_pb2, descriptor_pool
file = descriptor_pb2.FileDescriptorProto(name="FlightSql.proto", package="arrow.flight.protocol.sql")
file.message_type.add(name="CommandGetCatalogs")
descriptor_pool.Default().Add(file)
from server import flightsql
flightsql.pack("CommandGetCatalogs")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
