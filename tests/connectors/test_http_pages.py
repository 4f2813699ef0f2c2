from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fabric.errors import BadData, SourceChanged, SourceError
from fabric.predicates import Comparison, Predicate
from fabric.spi import ScanContext
from tests.connectors.http_source import batches_of, offer_of, rows_of, source
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted

OFFSET = {"type": "offset", "param": "o", "limit_param": "n", "limit": 10, "total": "$.total"}
PAGE = {"type": "page", "param": "p", "size_param": "n", "size": 10, "total": "$.total"}
CURSOR = {"type": "cursor", "param": "c", "next": "$.next"}


def table(pagination: dict[str, Any] | None, **keys: Any) -> dict[str, Any]:
    made = {"path": "/t", "records": "$.items", "columns": {"id": "BIGINT"}, "params": {"id": {}}, **keys}
    return {"t": {**made, **({"pagination": pagination} if pagination else {})}}


def query(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}


def items(start: int, end: int, **more: Any) -> Reply:
    return Reply({"items": [{"id": n} for n in range(start, end)], **more})


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(row["id"] for row in rows)


def numbered(total: int, size: int = 10, first: int = 1, *, tell: bool = True) -> Any:
    def script(asked: Asked) -> Reply:
        found = query(asked)
        start = int(found["o"]) - first if "o" in found else (int(found["p"]) - first) * size
        more = {"total": total} if tell else {}
        return items(start, min(start + size, total), **more)

    return script


@pytest.mark.parametrize("end", [{"next": None}, {}, {"next": ""}])
def test_a_cursor_ends_at_a_null_missing_or_empty_next(end):
    script = in_turn(items(0, 2, next="x y"), items(2, 4, next=7), items(4, 5, **end))
    with scripted(script) as server, source(server.uri, table(CURSOR)) as connector:
        assert ids(rows_of(connector, "t")) == list(range(5))
    assert [asked.target for asked in server.asked] == ["/t", "/t?c=x%20y", "/t?c=7"]


def test_a_cursor_ends_at_an_empty_page():
    with (
        scripted(in_turn(items(0, 2, next="a"), items(0, 0, next="b"))) as server,
        source(server.uri, table(CURSOR)) as connector,
    ):
        assert ids(rows_of(connector, "t")) == [0, 1]
    assert len(server.asked) == 2


def test_a_cursor_keeps_the_parameters_and_may_have_a_start():
    paging = {**CURSOR, "start": "*"}
    replies = in_turn(Reply({"items": [{"id": 3}], "next": "z"}), Reply({"items": [{"id": 3}]}))
    with scripted(replies) as server, source(server.uri, table(paging)) as connector:
        assert ids(rows_of(connector, "t", Comparison("id", "=", 3))) == [3, 3]
    assert [asked.target for asked in server.asked] == ["/t?id=3&c=%2A", "/t?id=3&c=z"]


def test_a_cursor_that_comes_twice_is_an_error():
    with (
        scripted(in_turn(items(0, 1, next="a"), items(1, 2, next="b"), items(2, 3, next="a"))) as server,
        source(server.uri, table(CURSOR)) as connector,
        pytest.raises(SourceError, match="leads back"),
    ):
        rows_of(connector, "t")
    assert len(server.asked) == 3


def test_a_cursor_that_is_no_text_is_bad_data():
    with (
        scripted(in_turn(items(0, 1, next={"a": 1}))) as server,
        source(server.uri, table(CURSOR)) as connector,
        pytest.raises(BadData, match="names its next page"),
    ):
        rows_of(connector, "t")


def test_the_link_header_is_followed():
    first = Reply({"items": [{"id": 1}]}, headers={"Link": '</t?c=2>; rel="next", </t>; rel="first"'})
    with (
        scripted(in_turn(first, items(2, 3))) as server,
        source(server.uri, table({"type": "link"})) as connector,
    ):
        assert ids(rows_of(connector, "t")) == [1, 2]
    assert [asked.target for asked in server.asked] == ["/t", "/t?c=2"]


def test_a_link_in_the_body_is_followed():
    with (
        scripted(in_turn(items(0, 1, next="?c=2"), items(1, 2, next=None))) as server,
        source(server.uri, table({"type": "link", "next": "$.next"})) as connector,
    ):
        assert ids(rows_of(connector, "t")) == [0, 1]
    assert [asked.target for asked in server.asked] == ["/t", "/t?c=2"]


def test_a_link_back_is_an_error():
    def script(asked: Asked) -> Reply:
        return Reply({"items": [{"id": 1}]}, headers={"Link": f"<{server.uri}/t?c=1>; rel=next"})

    with (
        scripted(script) as server,
        source(server.uri, table({"type": "link"})) as connector,
        pytest.raises(SourceError, match="leads back"),
    ):
        rows_of(connector, "t")


def test_credentials_do_not_follow_a_link_to_another_origin():
    with scripted(in_turn(items(5, 6))) as other:
        link = f'<{other.uri}/t?c=2>; rel="next"'
        with (
            scripted(in_turn(Reply({"items": [{"id": 1}]}, headers={"Link": link}))) as server,
            source(server.uri, table({"type": "link"}), auth={"bearer": "hush"}) as connector,
            pytest.raises(SourceError, match="another origin") as caught,
        ):
            rows_of(connector, "t")
    assert other.asked == []
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(
    ("paging", "targets"),
    [
        (PAGE, {"/t?p=1&n=10", "/t?p=2&n=10", "/t?p=3&n=10"}),
        (OFFSET, {"/t?o=0&n=10", "/t?o=10&n=10", "/t?o=20&n=10"}),
    ],
)
def test_pages_and_offsets_end_when_the_total_is_reached(paging, targets):
    script = numbered(25, first=1 if paging is PAGE else 0)
    with scripted(script) as server, source(server.uri, table(paging)) as connector:
        assert ids(rows_of(connector, "t")) == list(range(25))
    assert {asked.target for asked in server.asked} == targets
    assert len(server.asked) == 3


@pytest.mark.parametrize(("paging", "first"), [(PAGE, 0), (OFFSET, 1)])
def test_start_changes_the_first_page(paging, first):
    with (
        scripted(numbered(25, first=first)) as server,
        source(server.uri, table({**paging, "start": first})) as connector,
    ):
        assert ids(rows_of(connector, "t")) == list(range(25))


@pytest.mark.parametrize("paging", [PAGE, OFFSET])
def test_without_a_total_pages_end_at_an_empty_one(paging):
    sequential = {key: value for key, value in paging.items() if key != "total"}
    with (
        scripted(numbered(20, first=1 if paging is PAGE else 0, tell=False)) as server,
        source(server.uri, table(sequential)) as connector,
    ):
        assert ids(rows_of(connector, "t")) == list(range(20))
    assert len(server.asked) == 3


def test_a_server_that_sends_fewer_than_asked_for_is_stepped_through_by_what_it_sends():
    with scripted(numbered(25, size=4, first=0)) as server, source(server.uri, table(OFFSET)) as connector:
        assert ids(rows_of(connector, "t")) == list(range(25))


def test_an_empty_table_is_empty():
    for paging in (CURSOR, PAGE, OFFSET, {"type": "link"}, None):
        with (
            scripted(in_turn(items(0, 0, total=0))) as server,
            source(server.uri, table(paging)) as connector,
        ):
            assert rows_of(connector, "t") == []
            assert len(server.asked) == 1


def test_pages_are_asked_in_parallel_when_the_total_is_known_within_the_cap():
    busy, most, lock = 0, 0, threading.Lock()
    pages = numbered(200, first=1)

    def script(asked: Asked) -> Reply:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.05)
        with lock:
            busy -= 1
        return pages(asked)

    with scripted(script) as server, source(server.uri, table(PAGE), limits={"connections": 3}) as connector:
        assert ids(rows_of(connector, "t")) == list(range(200))
    assert most == 3
    assert server.most <= 3


@pytest.mark.parametrize("paging", [PAGE, OFFSET, CURSOR])
def test_a_limit_stops_the_paging(paging):
    def cursor(asked: Asked) -> Reply:
        start = int(query(asked).get("c", 0))
        return items(start, start + 10, next=start + 10)

    script = cursor if paging is CURSOR else numbered(1000, first=1 if paging is PAGE else 0)
    with scripted(script) as server, source(server.uri, table(paging)) as connector:
        assert len(rows_of(connector, "t", limit=15)) == 15
        assert len(server.asked) == 2
        assert rows_of(connector, "t", limit=0) == []
        assert len(server.asked) == 2


@pytest.mark.parametrize("paging", [PAGE, OFFSET, CURSOR, {"type": "link"}])
def test_more_pages_than_the_cap_are_an_error(paging):
    def endless(asked: Asked) -> Reply:
        start = int(query(asked).get("c", query(asked).get("o", query(asked).get("p", 0))))
        link = {"Link": f'</t?c={start + 1}>; rel="next"'}
        return Reply({"items": [{"id": start}], "next": start + 1, "total": 1000}, headers=link)

    with (
        scripted(endless) as server,
        source(server.uri, table(paging, max_pages=4)) as connector,
        pytest.raises(SourceError, match="more than 4 pages") as caught,
    ):
        rows_of(connector, "t")
    assert "max_pages" in caught.value.hint
    assert len(server.asked) <= 5


@pytest.mark.parametrize("paging", [PAGE, {"type": "page", "param": "p"}])
def test_exactly_as_many_pages_as_the_cap_are_fine(paging):
    with (
        scripted(numbered(30, first=1)) as server,
        source(server.uri, table(paging, max_pages=3)) as connector,
    ):
        assert ids(rows_of(connector, "t")) == list(range(30))


@pytest.mark.parametrize("paging", [PAGE, {"type": "page", "param": "wrong"}])
def test_a_server_that_ignores_the_page_is_an_error_and_not_rows_twice(paging):
    with (
        scripted(in_turn(items(0, 10, total=30))) as server,
        source(server.uri, table(paging)) as connector,
        pytest.raises(SourceError, match="first page again"),
    ):
        rows_of(connector, "t")


def test_fewer_records_than_the_total_promised_are_an_error():
    def script(asked: Asked) -> Reply:
        page = int(query(asked)["p"])
        return items(page * 10, page * 10 + (10 if page != 2 else 9), total=40)

    with (
        scripted(script) as server,
        source(server.uri, table(PAGE)) as connector,
        pytest.raises(SourceChanged, match="page 2"),
    ):
        rows_of(connector, "t")
    with (
        scripted(in_turn(items(0, 0, total=4))) as server,
        source(server.uri, table(PAGE)) as connector,
        pytest.raises(SourceChanged),
    ):
        rows_of(connector, "t")


@pytest.mark.parametrize("total", [None, "12", -1, True])
def test_a_total_that_is_no_number_is_bad_data(total):
    with (
        scripted(in_turn(items(0, 2, total=total))) as server,
        source(server.uri, table(PAGE)) as connector,
        pytest.raises(BadData, match="total"),
    ):
        rows_of(connector, "t")


def told(paging: dict[str, Any], reply: Reply, *predicates: Predicate, **keys: Any) -> int | None:
    context = ScanContext()
    with scripted(in_turn(reply)) as server, source(server.uri, table(paging, **keys)) as connector:
        rows_of(connector, "t", *predicates, limit=1, context=context)
    return context.total


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        ("$.meta.count", {}),
        ("X-Total-Count", {"x-total-count": "31"}),
        ("Content-Range", {"Content-Range": "items 0-1/31"}),
    ],
)
@pytest.mark.parametrize("style", [CURSOR, PAGE, OFFSET, {"type": "link"}])
def test_a_total_stands_in_the_answer_or_in_a_header(style, total, headers):
    reply = Reply({"items": [{"id": 1}, {"id": 2}], "meta": {"count": 31}}, headers=headers)
    assert told({**style, "total": total}, reply) == 31


def test_of_what_a_parameter_leaves_the_total_is_not_the_tables():
    params = {"id": {"op": "in"}}
    reply = items(1, 2, total=1)
    assert told({**CURSOR, "total": "$.total"}, reply, Comparison("id", "=", 1), params=params) is None
    assert told({**CURSOR, "total": "$.total"}, reply, params=params) == 1


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", "items 0-1/*", "1" * 30])
def test_a_header_that_tells_no_total_is_bad_data(text):
    with pytest.raises(BadData, match="does not tell its total at X-Total") as caught:
        told(
            {**CURSOR, "total": "X-Total"},
            Reply({"items": []}, headers={"X-Total": text}),
        )
    assert "pagination.total" in caught.value.hint


def test_every_page_is_a_batch_as_it_arrives():
    gate = threading.Event()

    def script(asked: Asked) -> Reply:
        if "c" in query(asked):
            gate.wait(5)
            return items(1, 2)
        return items(0, 1, next="a")

    with scripted(script) as server, source(server.uri, table(CURSOR)) as connector:
        offer = offer_of(connector, "t")
        reading = connector.open().read(offer, offer.splits[0], ScanContext())
        assert next(reading).num_rows == 1
        gate.set()
        assert next(reading).num_rows == 1


def test_the_counters_tell_rows_bytes_and_requests():
    context = ScanContext()
    with scripted(numbered(25, first=1)) as server, source(server.uri, table(PAGE)) as connector:
        batches_of(connector, offer_of(connector, "t"), context)
    assert (context.rows, context.requests) == (25, 3)
    assert context.bytes > 250
