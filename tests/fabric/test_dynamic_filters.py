"""A scan that waits for keys: what it asks then, and that nobody waits in vain."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import fabric.ahead as ahead
import fabric.arrow_source as arrow_source
import fabric.dynamic_filter_run as dynamic_filter_run
import fabric.dynamic_filters as dynamic_filters
from fabric.errors import Cancelled, FabricError, InvalidValue
from fabric.guarded import GuardedSource
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.demo.http import EmbeddedHttp, Filter

_FABRIC = """
name: acme
domains: {{claims: {{owner: "role:claims"}}, risk: {{owner: "role:risk"}}}}
sources:
  desk: {{type: local, domain: claims, uri: desk/, tables: {{claim: {{path: claim.csv, format: csv}}}}}}
  book: {{type: adbc, domain: claims, driver: adbc_driver_sqlite, dialect: sqlite, options: {{uri: book.db}}}}
  fraud:
    type: http
    domain: risk
    uri: {uri}
    auth: {{bearer: hush}}
    tables:
      score:
        path: /scores
        records: $.items
        columns: {{claim_id: BIGINT, score: BIGINT}}
        params: {{claim_id: {{name: claim_id, op: in, max_values: 10}}}}
        pagination: {{type: cursor, param: cursor, next: $.next}}
      score_of:
        path: /scores
        records: $.items
        columns: {{claim_id: BIGINT, score: BIGINT}}
        params: {{claim_id: {{name: claim_id, op: in, max_values: 10, required: true}}}}
        pagination: {{type: cursor, param: cursor, next: $.next}}
"""
_POLICIES = """p, role:all, *, read, allow
p, role:north, book.main.booking, read, allow
p, role:north, fraud.*, read, allow
p, role:north, desk.*, read, allow
p3, role:north, book.main.booking, region = 'north'
"""
ALL = Principal("ana", frozenset({"role:all"}))
NORTH = Principal("nora", frozenset({"role:north"}))
CLAIMS = 400


@pytest.fixture(scope="module")
def http() -> Iterator[EmbeddedHttp]:
    with EmbeddedHttp("hush") as running:
        rows = [{"claim_id": n, "score": n % 10} for n in range(CLAIMS)]
        running.table("/scores", rows, size=50, filters={"claim_id": Filter("claim_id", "in")})
        yield running


@contextmanager
def _company(directory: Path, http: EmbeddedHttp, claims: int = CLAIMS) -> Iterator[App]:
    (directory / "fabric.yaml").write_text(_FABRIC.format(uri=http.uri), "utf-8")
    (directory / "users.yaml").write_text("users: {}\n", "utf-8")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(_POLICIES, "utf-8")
    (directory / "desk").mkdir()
    lines = "".join(f"{n},{'north' if n % 2 else 'south'}\n" for n in range(claims))
    (directory / "desk" / "claim.csv").write_text("claim_id,region\n" + lines, "utf-8")
    with closing(sqlite3.connect(directory / "book.db")) as database, database:
        database.execute("CREATE TABLE booking (booking_id INTEGER, claim_id INTEGER, region TEXT)")
        rows = [(n, n * 3 % CLAIMS, "north" if n % 2 else "south") for n in range(20)]
        database.executemany("INSERT INTO booking VALUES (?, ?, ?)", rows)
    with closing(build(directory)) as app:
        yield app


@pytest.fixture
def app(tmp_path: Path, http: EmbeddedHttp) -> Iterator[App]:
    with _company(tmp_path, http) as made:
        http.seen.clear()
        yield made


def _ask(app: App, sql: str, who: Principal = ALL) -> list[dict[str, object]]:
    with app.line.run(sql, who, Session()) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema).to_pylist()


def _asked(http: EmbeddedHttp) -> set[int]:
    """The claims that the API was asked for by their numbers."""
    parameters = [part for path in http.seen for part in path.partition("?")[2].split("&")]
    return {int(part.removeprefix("claim_id=")) for part in parameters if part.startswith("claim_id=")}


_FEW = "b.booking_id IN (1, 3)"
_BOOKED = "SELECT b.claim_id, s.score FROM book.main.booking b JOIN fraud.{table} s USING (claim_id)"


@pytest.mark.parametrize("table", ["score", "score_of"])
def test_an_api_is_asked_for_the_keys_of_a_table(app: App, http: EmbeddedHttp, table: str) -> None:
    rows = _ask(app, f"{_BOOKED.format(table=table)} WHERE {_FEW}")
    assert sorted((row["claim_id"], row["score"]) for row in rows) == [(3, 3), (9, 9)]
    assert _asked(http) == {3, 9}
    assert len(http.seen) == 1  # ten keys a request


def test_without_keys_nobody_is_asked(app: App, http: EmbeddedHttp) -> None:
    assert _ask(app, f"{_BOOKED.format(table='score_of')} WHERE b.booking_id < 0") == []
    assert not http.seen


def test_the_key_of_a_hidden_row_is_sent_nowhere(app: App, http: EmbeddedHttp) -> None:
    """Who reads the API's log would else learn of rows that the one who asks may not see."""
    rows = _ask(app, _BOOKED.format(table="score_of"), NORTH)
    visible = {n * 3 % CLAIMS for n in range(20) if n % 2}
    assert {row["claim_id"] for row in rows} == visible
    assert _asked(http) == visible


def test_what_hidden_rows_would_tell_is_not_told(app: App) -> None:
    for explain in ("EXPLAIN", "EXPLAIN ANALYZE"):
        text = str(_ask(app, f"{explain} {_BOOKED.format(table='score_of')}", NORTH))
        assert "requests" not in text
        assert "fraud.score_of: live scan', '  asked, pushed: not shown" in text.replace(
            "'}, {'plan': '", "', '"
        )


def test_too_many_keys_for_requests_are_not_sent_one_by_one(tmp_path: Path, http: EmbeddedHttp) -> None:
    with _company(tmp_path, http) as app:
        http.seen.clear()
        sql = "SELECT count(*) AS n FROM desk.claim c JOIN fraud.score s USING (claim_id)"
        assert _ask(app, sql) == [{"n": CLAIMS}]
        assert not _asked(http)


def test_more_keys_than_an_api_takes_are_an_error_of_the_one_who_asks(
    tmp_path: Path, http: EmbeddedHttp
) -> None:
    with _company(tmp_path, http, claims=12_000) as app, pytest.raises(InvalidValue, match="score_of"):
        _ask(app, "SELECT count(*) AS n FROM desk.claim c JOIN fraud.score_of s USING (claim_id)")


def test_rows_that_do_not_fit_in_memory_are_streamed_and_give_no_keys(
    app: App, http: EmbeddedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_source, "MOST_COLLECTED", 10)
    rows = _ask(app, f"{_BOOKED.format(table='score')} WHERE {_FEW}")
    assert len(rows) == 2
    assert not _asked(http)


def test_keys_beyond_the_bound_become_a_range(
    tmp_path: Path, http: EmbeddedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_filter_run, "MOST_KEYS", 3)
    monkeypatch.setattr(dynamic_filters, "_wins", lambda *known: True)
    monkeypatch.setattr(dynamic_filters, "_LARGEST_PART", 1.0)
    monkeypatch.setattr(dynamic_filters, "_LARGEST_SLOW_PART", 1.0)
    sql = (
        "SELECT count(*) AS n FROM desk.claim c JOIN book.main.booking b USING (claim_id) "
        "WHERE c.claim_id BETWEEN 4 AND 31"
    )
    with _company(tmp_path, http) as app, app.line.run(sql, ALL, Session()) as answer:
        table = pa.Table.from_batches(list(answer.batches()), schema=answer.schema)
        assert table.to_pylist() == [{"n": 9}]
        told = {scan.object: scan for scan in answer.receipts()}["book.booking"]
        assert "claim_id in the range of 28 keys" in told.pushed
        assert told.rows == 9


def test_the_receipt_tells_of_keys_by_their_number(app: App) -> None:
    with app.line.run(f"{_BOOKED.format(table='score')} WHERE {_FEW}", ALL, Session()) as answer:
        list(answer.batches())
        (told,) = (scan.pushed for scan in answer.receipts() if scan.source == "fraud")
    assert told == "claim_id among 2 keys"


def test_where_the_keys_source_fails_its_error_is_told(app: App, http: EmbeddedHttp) -> None:
    sql = _BOOKED.format(table="score_of")
    _ask(app, f"{sql} WHERE b.booking_id < 1")
    with closing(sqlite3.connect(app.config.directory / "book.db")) as database, database:
        database.execute("ALTER TABLE booking RENAME TO gone")
    began = time.monotonic()
    with pytest.raises(FabricError) as caught:
        _ask(app, sql)
    assert getattr(caught.value, "source", "") == "book"
    assert time.monotonic() - began < 20


def test_a_query_is_cancelled_while_a_scan_waits(app: App, http: EmbeddedHttp) -> None:
    http.delay = 3.0
    try:
        sql = "SELECT count(*) FROM fraud.score a JOIN fraud.score_of b USING (claim_id)"
        with app.line.run(sql, ALL, Session()) as answer:
            answer.cancel()
            began = time.monotonic()
            with pytest.raises(Cancelled):
                list(answer.batches())
            assert time.monotonic() - began < 2
    finally:
        http.delay = 0.0


@pytest.mark.parametrize(
    ("who", "claims", "read"), [(ALL, [3, 6, 9], {1, 2, 3, 6, 9}), (NORTH, [3, 9], {1, 3, 9})]
)
def test_a_file_that_is_read_first_is_reduced_by_the_keys_of_a_live_scan(
    tmp_path: Path,
    http: EmbeddedHttp,
    monkeypatch: pytest.MonkeyPatch,
    who: Principal,
    claims: list[int],
    read: set[int],
) -> None:
    """By no key of a hidden row."""
    seen = set[int]()
    batches = GuardedSource.batches

    def noted(self: GuardedSource) -> Iterator[pa.RecordBatch]:
        for batch in batches(self):
            if batch.num_columns == 1:  # of a claim its number, of a booking two
                seen.update(batch.column(0).to_pylist())
            yield batch

    monkeypatch.setattr(GuardedSource, "batches", noted)
    monkeypatch.setattr(ahead, "_MANY_TIMES", 0.0)
    sql = """SELECT c.claim_id FROM desk.claim c JOIN book.main.booking b USING (claim_id)
             JOIN desk.claim d ON d.claim_id = b.booking_id WHERE b.booking_id IN (1, 2, 3) ORDER BY 1"""
    with _company(tmp_path, http, 20_000) as app:
        assert [row["claim_id"] for row in _ask(app, sql, who)] == claims
    assert seen == read
