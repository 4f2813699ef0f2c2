import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from fabric.errors import AccessDenied, InvalidValue, LoginRefused
from fabric.types import Principal, Written
from server.keys import Signer
from server.statements import Bindings, Statement, bindings, bound, fingerprint, seal, unseal

SIGNER = Signer(b"0123456789abcdef")
ANA = Principal("ana")


def values_of(*columns):
    batch = pa.record_batch(list(columns), names=[str(i) for i in range(len(columns))])
    statement = Statement("ana", "SELECT ?", expects=len(columns))
    return bound(statement, bindings(statement, [batch])).parameters


def test_a_sealed_statement_is_unsealed_whole():
    row = bindings(Statement("ana", "", expects=1), [pa.record_batch([pa.array([b"\xff"])], names=["0"])])[0]
    statement = Statement("ana", "SELECT ?", {"timezone": "UTC"}, row, 1, "v7", "abc")
    assert unseal(seal(statement, "ticket", SIGNER), "ticket", SIGNER, ANA) == statement


def test_a_ticket_is_useless_to_another_user():
    sealed = seal(Statement("ana", "SELECT 1"), "ticket", SIGNER)
    with pytest.raises(AccessDenied):
        unseal(sealed, "ticket", SIGNER, Principal("bob"))


def test_a_handle_is_no_ticket():
    with pytest.raises(LoginRefused):
        unseal(seal(Statement("ana", "SELECT 1"), "handle", SIGNER), "ticket", SIGNER, ANA)


@pytest.mark.parametrize(
    "change", [lambda s: s[:-2], lambda s: b"A" + s[1:], lambda s: b"", lambda s: b"\xff"]
)
def test_a_changed_ticket_is_refused(change):
    with pytest.raises(LoginRefused):
        unseal(change(seal(Statement("ana", "SELECT 1"), "ticket", SIGNER)), "ticket", SIGNER, ANA)


def test_each_arrow_type_becomes_its_python_value():
    zone = dt.UTC
    stamp = dt.datetime(2026, 1, 2, 3, 4, 5, 6)
    assert values_of(
        pa.array([-1], pa.int8()),
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([1.5], pa.float32()),
        pa.array([Decimal("-1.20")]),
        pa.array(["ü"]),
        pa.array(["ü"], pa.large_string()),
        pa.array([b"\x00"]),
        pa.array([True]),
        pa.array([None]),
        pa.array([dt.date(2026, 1, 2)]),
        pa.array([stamp]),
        pa.array([stamp.replace(tzinfo=zone)]),
        pa.array([dt.time(1, 2, 3)]),
        pa.array(["x"]).dictionary_encode(),
        pa.array([1_000_000], pa.timestamp("ns")),
    ) == (
        *(-1, 2**64 - 1, 1.5, Decimal("-1.20"), "ü", "ü", b"\x00", True, None),
        *(dt.date(2026, 1, 2), stamp, stamp.replace(tzinfo=zone), dt.time(1, 2, 3), "x"),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1000),
    )


def test_the_union_that_flightsql_dbapi_binds_becomes_its_value():
    children = [pa.array([7, 8]), pa.array(["x"])]
    union = pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), children
    )
    for row, value in enumerate((7, "x", 8)):
        assert values_of(union.slice(row, 1)) == (value,)


def test_nanoseconds_arrive_and_are_not_rounded():
    assert values_of(
        pa.array([1], pa.timestamp("ns")),
        pa.array([1001], pa.time64("ns")),
        pa.array([(1, -2, 3000)], pa.month_day_nano_interval()),
    ) == (
        Written("1970-01-01 00:00:00.000000001", "TIMESTAMP_NS"),
        Written("00:00:00.000001001", "TIME_NS"),
        Written("1 months -2 days 3 microseconds", "INTERVAL"),
    )


def test_nested_values_keep_their_shape():
    assert values_of(
        pa.array([{"a": 1, "b": [1, None]}]),
        pa.array([[{"x": dt.date(2026, 1, 2)}]]),
        pa.array([[]], pa.list_(pa.int8())),
    ) == ({"a": 1, "b": [1, None]}, [{"x": dt.date(2026, 1, 2)}], [])


@pytest.mark.parametrize(
    "column",
    [
        pa.array([(0, 0, 1)], pa.month_day_nano_interval()),
        pa.array([1], pa.duration("ns")),
        pa.array([1], pa.timestamp("ns", "UTC")),
        pa.array([[("k", 1)]], pa.map_(pa.utf8(), pa.int32())),
    ],
)
def test_what_has_no_exact_literal_is_refused_and_not_rounded(column):
    with pytest.raises(InvalidValue, match="parameter 2"):
        values_of(pa.array([1]), column)


def test_another_number_of_columns_than_placeholders_is_refused():
    with pytest.raises(InvalidValue, match="2 parameters and 1 were bound"):
        bindings(Statement("ana", "", expects=2), [pa.record_batch([pa.array([1])], names=["0"])])


@pytest.mark.parametrize("rows", [[], [1, 2]])
def test_a_query_takes_one_row(rows):
    statement = Statement("ana", "", expects=1)
    with pytest.raises(InvalidValue, match="one row"):
        bound(statement, bindings(statement, [pa.record_batch([pa.array(rows)], names=["0"])]))


def test_a_remembered_binding_completes_a_handle_without_one_and_the_oldest_is_forgotten():
    memory = Bindings(most=25)
    first, second = (Statement("ana", "", id=name, binding=b"x" * 20) for name in "ab")
    memory.remember(first)
    assert memory.complete(Statement("ana", "", id="a")).binding == first.binding
    memory.remember(second)
    assert memory.complete(Statement("ana", "", id="a")).binding is None
    memory.forget(second)
    assert memory.complete(Statement("ana", "", id="b")).binding is None


def test_a_fingerprint_tells_types_names_and_nullability_apart():
    schemas = [
        pa.schema([pa.field("a", pa.int64())]),
        pa.schema([pa.field("b", pa.int64())]),
        pa.schema([pa.field("a", pa.int32())]),
        pa.schema([pa.field("a", pa.int64(), nullable=False)]),
    ]
    assert len({fingerprint(schema) for schema in schemas}) == 4
