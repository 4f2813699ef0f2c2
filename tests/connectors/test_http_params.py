from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from connectors.http import HttpConnector
from connectors.http.params import MAX_REQUESTS
from fabric.errors import InvalidValue
from fabric.predicates import AnyOf, Comparison, Membership, NullTest, Pattern
from fabric.pushdown import words
from fabric.types import Offer
from tests.connectors.http_source import offer_of, source

COLUMNS = {
    "id": "BIGINT",
    "score": "DOUBLE",
    "price": "DECIMAL(9,2)",
    "name": "VARCHAR",
    "open": "BOOLEAN",
    "day": "DATE",
    "at": "TIMESTAMP",
    "atz": "TIMESTAMPTZ",
    "uid": "UUID",
    "small": "FLOAT",
}
NOON = datetime(2026, 1, 2, 12)


def offered(
    *predicates: Any, limit: int | None = None, path: str = "/v1/t", base: str = "", **params: Any
) -> Offer:
    declared = {"path": path, "columns": COLUMNS, "params": params}
    with source(f"http://127.0.0.1:9{base}", {"t": declared}) as connector:
        return offer_of(connector, "t", *predicates, limit=limit)


def capabilities(**params: Any) -> Any:
    with source(
        "http://127.0.0.1:9", {"t": {"path": "t", "columns": COLUMNS, "params": params}}
    ) as connector:
        return connector.capabilities(connector.tables()[0])


def test_capabilities_are_the_declared_parameters():
    made = capabilities(id={"op": "in"}, at={"op": ">="}, name={}, day={"op": "<", "exact": False})
    assert made.predicates == {
        "id": frozenset({"=", "in"}),
        "at": frozenset({">="}),
        "name": frozenset({"=", "in"}),
    }
    assert made.limit
    assert not made.order


def test_columns_in_the_path_are_parameters_too():
    declared = {"path": "/c/{id}", "columns": COLUMNS}
    with source("http://127.0.0.1:9", {"t": declared}) as connector:
        assert connector.capabilities(connector.tables()[0]).predicates == {"id": frozenset({"=", "in"})}


def test_in_repeats_the_parameter_by_default():
    made = offered(Membership("id", (1, 2)), id={"op": "in", "name": "claim"})
    assert made.request == "GET /v1/t?claim=1&claim=2"
    assert made.taken == (Membership("id", (1, 2)),)


def test_in_may_be_one_list_with_commas():
    assert offered(Membership("id", (1, 2)), id={"op": "in", "style": "comma"}).request == "GET /v1/t?id=1,2"


def test_the_path_of_the_uri_stands_in_front():
    assert offered(base="/api").request == "GET /api/v1/t"


def test_equality_goes_through_an_in_parameter():
    assert offered(Comparison("id", "=", 7), id={"op": "in"}).request == "GET /v1/t?id=7"


def test_in_goes_through_an_equality_parameter_as_several_requests():
    made = offered(Membership("id", (1, 2, 3)), id={})
    assert made.request == "3 × GET /v1/t?id=1"
    assert len(made.splits) == 3


def test_long_lists_become_several_requests_of_at_most_max_values():
    made = offered(Membership("id", tuple(range(120))), id={"op": "in", "max_values": 50})
    assert [len(split.payload.ask.query) for split in made.splits] == [50, 50, 20]
    assert made.request.startswith("3 × GET /v1/t?id=0&id=1&")


def test_values_that_are_equal_are_sent_once():
    twice = (Decimal("1.5"), Decimal("1.50"), Decimal("2.00"), 2)
    made = offered(Membership("price", twice), price={})
    assert [split.payload.ask.query for split in made.splits] == [(("price", "1.5"),), (("price", "2.00"),)]


def test_conditions_on_several_columns_go_together():
    made = offered(
        Membership("id", (1, 2)),
        Comparison("at", ">=", NOON),
        Comparison("at", "<", NOON + timedelta(days=1)),
        id={"op": "in"},
        at=[{"name": "since", "op": ">="}, {"name": "until", "op": "<"}],
    )
    assert made.request == "GET /v1/t?id=1&id=2&since=2026-01-02T12:00:00Z&until=2026-01-03T12:00:00Z"
    assert len(made.taken) == 3


def test_conditions_on_one_parameter_are_narrowed_to_one():
    made = offered(
        Membership("id", (1, 2, 3)), Membership("id", (2, 3, 4)), Comparison("id", "=", 3), id={"op": "in"}
    )
    assert made.request == "GET /v1/t?id=3"
    later = offered(
        Comparison("day", ">=", date(2026, 1, 1)), Comparison("day", ">=", date(2026, 2, 1)), day={"op": ">="}
    )
    assert later.request == "GET /v1/t?day=2026-02-01"
    assert len(later.taken) == 2


def test_conditions_that_exclude_each_other_need_no_request():
    made = offered(Comparison("id", "=", 1), Comparison("id", "=", 2), id={})
    assert made.splits == ()
    assert made.request.startswith("no request")


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("id", -(2**63), "-9223372036854775808"),
        ("score", 0.1, "0.1"),
        ("score", Decimal("0.5"), "0.5"),
        ("price", Decimal("10.50"), "10.50"),
        ("name", "Žluť & co/ä?", "%C5%BDlu%C5%A5%20%26%20co%2F%C3%A4%3F"),
        ("open", True, "true"),
        ("day", date(2026, 1, 2), "2026-01-02"),
        ("at", NOON, "2026-01-02T12:00:00Z"),
        ("at", NOON.replace(microsecond=1500), "2026-01-02T12:00:00.001500Z"),
        ("at", date(2026, 1, 2), "2026-01-02T00:00:00Z"),
        ("atz", NOON.replace(tzinfo=timezone(timedelta(hours=2))), "2026-01-02T10:00:00Z"),
        ("uid", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("uid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_values_are_written_so_that_nothing_is_lost(column, value, text):
    made = offered(Comparison(column, "=", value), **{column: {"name": "p"}})
    assert made.request == f"GET /v1/t?p={text}"
    assert len(made.taken) == 1


@pytest.mark.parametrize(("form", "text"), [("epoch", "1767355200"), ("epoch_ms", "1767355200000")])
def test_times_may_go_as_epochs(form, text):
    aware = NOON.replace(tzinfo=UTC)
    assert offered(Comparison("at", "=", NOON), at={"format": form}).request.endswith(f"at={text}")
    assert offered(Comparison("atz", "=", aware), atz={"format": form}).request.endswith(f"atz={text}")


@pytest.mark.parametrize(
    ("column", "value", "param"),
    [
        ("id", Decimal("1.5"), {}),
        ("id", 2**63, {}),
        ("id", True, {}),
        ("id", "1", {}),
        ("score", float("nan"), {}),
        ("score", 2**53 + 1, {}),
        ("price", Decimal("1.005"), {}),
        ("price", 1.5, {}),
        ("name", "", {}),
        ("name", "a,b", {"op": "in", "style": "comma"}),
        ("at", NOON.replace(tzinfo=UTC), {}),
        ("atz", NOON, {}),
        ("day", NOON, {}),
        ("at", NOON.replace(microsecond=1), {"format": "epoch_ms"}),
        ("uid", "not a uuid", {}),
        ("small", 0.1, {}),
    ],
)
def test_a_value_that_has_no_exact_form_is_not_sent(column, value, param):
    made = offered(Comparison(column, "=", value), limit=5, **{column: param})
    assert made.request == "GET /v1/t"
    assert made.taken == ()
    assert not made.limit_taken
    assert "cannot be sent exactly" in made.refused[0].why


@pytest.mark.parametrize(
    "predicate",
    [
        Comparison("id", "<>", 1),
        Comparison("id", ">", 1),
        Comparison("score", "=", 1.0),
        Membership("id", (1, 2), negated=True),
        NullTest("id"),
        Pattern("name", "a%"),
        AnyOf((Comparison("id", "=", 1), Comparison("id", "=", 2))),
    ],
)
def test_what_is_not_declared_is_not_sent(predicate):
    made = offered(predicate, Comparison("name", "=", "x"), id={"op": "in"}, name={})
    assert made.request == "GET /v1/t?name=x"
    assert made.taken == (Comparison("name", "=", "x"),)
    assert len(made.refused) == 1
    assert made.refused[0].why


def test_names_of_columns_compare_without_case():
    assert offered(Comparison("ID", "=", 1), id={}).request == "GET /v1/t?id=1"


def test_a_parameter_that_is_not_exact_narrows_but_is_not_taken():
    made = offered(Comparison("name", "=", "x"), limit=3, name={"exact": False})
    assert made.request == "GET /v1/t?name=x"
    assert made.taken == ()
    assert "filtered again" in made.refused[0].why
    assert not made.limit_taken


def test_a_limit_is_taken_only_with_every_condition():
    assert offered(limit=3).limit_taken
    assert offered(Comparison("id", "=", 1), limit=3, id={}).limit_taken
    assert not offered(Comparison("id", "=", 1), NullTest("name"), limit=3, id={}).limit_taken


def test_several_requests_do_not_promise_the_limit():
    assert not offered(Membership("id", (1, 2)), limit=3, id={}).limit_taken


def test_a_path_takes_one_value_a_request_and_crosses_with_other_lists():
    made = offered(
        Membership("id", (1, 2)),
        Membership("name", ("a", "b", "c")),
        path="/c/{id}/n",
        name={"op": "in", "max_values": 2},
    )
    targets = [split.payload.ask.target for split in made.splits]
    assert targets == ["c/1/n?name=a&name=b", "c/1/n?name=c", "c/2/n?name=a&name=b", "c/2/n?name=c"]
    assert made.request == "4 × GET /c/1/n?name=a&name=b"


def test_a_value_in_the_path_cannot_leave_its_place():
    made = offered(Comparison("name", "=", "../x?y#z"), path="/c/{name}/n")
    assert made.request == "GET /c/..%2Fx%3Fy%23z/n"
    for value in ("..", ".", ""):
        with pytest.raises(InvalidValue) as caught:
            offered(Comparison("name", "=", value), path="/c/{name}/n")
        assert "cannot be sent" in str(caught.value)


def test_a_missing_path_value_is_an_error_that_names_it():
    with pytest.raises(InvalidValue) as caught:
        offered(path="/c/{id}/n")
    assert "fraud_api.t needs a value of id" in str(caught.value)
    assert "WHERE id = …" in caught.value.hint


def test_a_missing_required_parameter_is_an_error_that_names_it():
    with pytest.raises(InvalidValue) as caught:
        offered(Comparison("id", ">", 1), id={"name": "claim", "required": True})
    assert "'claim'" in str(caught.value)
    with pytest.raises(InvalidValue) as caught:
        offered(at={"name": "since", "op": ">=", "required": True})
    assert "WHERE at >= …" in caught.value.hint


def test_too_many_requests_are_an_error_where_the_values_are_needed():
    with pytest.raises(InvalidValue, match=f"more than {MAX_REQUESTS} times"):
        offered(Membership("id", tuple(range(MAX_REQUESTS + 1))), path="/c/{id}")


def test_too_many_requests_are_not_pushed_where_they_are_not_needed():
    made = offered(
        Membership("id", tuple(range(MAX_REQUESTS + 1))), Comparison("name", "=", "x"), id={}, name={}
    )
    assert made.request == "GET /v1/t?name=x"
    assert made.taken == (Comparison("name", "=", "x"),)
    assert "more than" in made.refused[0].why


def test_fixed_parameters_of_a_path_stay():
    assert offered(Comparison("id", "=", 1), path="/t?v=2", id={}).request == "GET /t?v=2&id=1"


def test_taken_is_within_the_capabilities():
    with source(
        "http://127.0.0.1:9",
        {"t": {"path": "t", "columns": COLUMNS, "params": {"id": {"op": "in"}, "at": {"op": "<"}}}},
    ) as c:
        assert isinstance(c, HttpConnector)
        declared = c.capabilities(c.tables()[0]).predicates
        offer = offer_of(
            c, "t", Membership("id", (1,)), Comparison("at", "<", NOON), Comparison("at", ">", NOON)
        )
    for predicate in offer.taken:
        assert all(word in declared[column] for column, word in words(predicate))
    assert len(offer.taken) == 2
