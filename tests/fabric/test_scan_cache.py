"""Rows of live scans are kept for as long as their source says, for who asked, and are never of two moments."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tests.policies.governed as governed
from fabric.errors import InvalidValue, LimitError
from fabric.pipeline import Session
from fabric.replies import Answer
from fabric.types import Principal, ScanReceipt
from tests.patience import PATIENCE
from tests.policies.governed import ANA, BO, App, ask, company

KEPT = "{type: adbc, max_age: 1h,"
NO_RESULTS = "cache: {results: 0MB}\n"
COUNT = "SELECT count(name) AS n, max(name) AS last FROM crm_db.customer"
OWNER = Principal("eve", frozenset({"role:crm-owner", "role:claims-owner", "role:fraud-owner"}))
OTHER = replace(OWNER, user="zoe")


def declared(monkeypatch: pytest.MonkeyPatch, keys: str = KEPT, more: str = NO_RESULTS) -> None:
    monkeypatch.setattr(governed, "_FABRIC", governed._FABRIC.replace("{type: adbc,", keys) + more)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    declared(monkeypatch)
    with company(tmp_path, {}) as made:
        yield made


def write(directory: Path, sql: str) -> None:
    with closing(sqlite3.connect(directory / "crm.db")) as database:
        database.executescript(sql)


def add(directory: Path, number: int = 13) -> None:
    write(directory, f"INSERT INTO customer VALUES ({number}, 'Di', 'di@corp.example', 'EU', '1')")


def run(
    app: App, sql: str, who: Principal = OWNER, session: Session | None = None
) -> tuple[list[tuple[object, ...]], tuple[ScanReceipt, ...]]:
    with app.line.run(sql, who, session or Session()) as answer:
        found = [tuple(row.values()) for batch in answer.batches() for row in batch.to_pylist()]
        assert isinstance(answer, Answer)
        return found, answer.receipts()


def staleness(value: str) -> Session:
    return Session(options={"max_staleness": value})


def test_a_scan_is_read_once_and_its_receipt_tells_when(app: App, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    first, (read,) = run(app, COUNT)
    after = datetime.now(UTC)
    add(tmp_path)
    second, (kept,) = run(app, COUNT)
    assert first == second == [(3, "Cy")]
    assert (read.cache, read.requests, read.rows) == ("", 1, 3)
    assert (kept.requests, kept.bytes, kept.rows) == (0, 0, 3)
    assert kept.cache.startswith("rows of ")
    assert kept.as_of is not None
    assert before <= kept.as_of <= after


def test_another_statement_that_asks_the_source_the_same_is_answered_too(app: App, tmp_path: Path) -> None:
    run(app, "SELECT name FROM crm_db.customer WHERE length(name) > 100")
    add(tmp_path)
    assert run(app, "SELECT count(name) AS n FROM crm_db.customer")[0] == [(3,)]
    assert run(app, "SELECT count(name) AS n FROM crm_db.customer WHERE customer_id > 0")[0] == [(4,)]


def test_explain_analyze_and_system_scans_tell_of_it(app: App) -> None:
    run(app, COUNT)
    text = "\n".join(ask(app, f"EXPLAIN ANALYZE {COUNT}", OWNER)["plan"].to_pylist())
    assert "rows of 0 s ago in the cache" in text
    found = ask(
        app, "SELECT cache, bytes, requests, as_of FROM system.scans ORDER BY query_id", OWNER
    ).to_pylist()
    kept = [row for row in found if row["cache"]]
    assert [(row["cache"], row["bytes"], row["requests"]) for row in kept] == [("rows of 0 s ago", 0, 0)]
    assert len({row["as_of"].replace(microsecond=0) for row in found}) <= 2


def test_without_max_age_nothing_is_kept(tmp_path: Path) -> None:
    with company(tmp_path, {}) as app:
        run(app, COUNT)
        add(tmp_path)
        assert run(app, COUNT)[0] == [(4, "Di")]


@pytest.mark.parametrize(
    "more", ["cache: off\n", "cache: {scans: 0MB, results: 0MB}\n", "cache: {scans: 4KB, results: 0MB}\n"]
)
def test_what_has_no_room_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    declared(monkeypatch, more=more)
    with company(tmp_path, {}) as app:
        for number in range(2):
            assert run(app, COUNT)[0][0][0] == 3 + number
            add(tmp_path, 100 + number)
        assert app.line._results.scans._held == 0


def test_what_is_too_old_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch, "{type: adbc, max_age: 50ms,")
    with company(tmp_path, {}) as app:
        run(app, COUNT)
        add(tmp_path)
        time.sleep(0.06)
        assert run(app, COUNT)[0] == [(4, "Di")]


def test_a_query_may_want_it_fresher(app: App, tmp_path: Path) -> None:
    run(app, COUNT)
    add(tmp_path)
    assert run(app, COUNT, session=staleness("30m"))[0] == [(3, "Cy")]
    assert run(app, COUNT, session=staleness("0"))[0] == [(4, "Di")]
    assert run(app, COUNT)[0] == [(4, "Di")]  # what was read for the one is kept for the next
    add(tmp_path, 14)
    assert run(app, COUNT, session=staleness("7d"))[0] == [(4, "Di")]  # it only tightens
    with pytest.raises(InvalidValue, match="max_staleness"):
        run(app, COUNT, session=staleness("yesterday"))


def test_two_scans_of_a_query_are_of_one_moment(app: App, tmp_path: Path) -> None:
    territory = "SELECT count(*) AS n FROM crm_db.territory"
    both = f"SELECT (SELECT count(name) FROM crm_db.customer) AS c, (SELECT n FROM ({territory})) AS t"
    run(app, COUNT)
    add(tmp_path)
    write(tmp_path, "INSERT INTO territory VALUES ('UK', 'eve')")
    # One is at hand, but the other would be of now.
    found, receipts = run(app, both)
    assert found == [(4, 3)]
    assert [receipt.cache for receipt in receipts] == ["", ""]
    add(tmp_path, 14)
    write(tmp_path, "INSERT INTO territory VALUES ('FR', 'eve')")
    found, receipts = run(app, both)
    assert found == [(4, 3)]
    assert len({receipt.as_of for receipt in receipts}) == 1
    run(app, COUNT, session=staleness("0"))  # both are at hand still, and of two moments
    found, receipts = run(app, both)
    assert found == [(5, 4)]
    assert [receipt.cache for receipt in receipts] == ["", ""]


def test_a_table_that_a_query_names_twice_is_one(app: App, tmp_path: Path) -> None:
    twice = "SELECT count(*) AS n FROM crm_db.territory a, crm_db.territory b"
    assert run(app, twice)[0] == [(4,)]
    write(tmp_path, "INSERT INTO territory VALUES ('UK', 'eve')")
    found, receipts = run(app, twice)
    assert found == [(4,)]
    assert all(receipt.requests == 0 for receipt in receipts)
    assert app.line._results.scans._held == sum(
        scan.bytes for scan in app.line._results.scans._scans.values()
    )


# ── what fails, or is cut, is not kept ────────────────────────────────────────────────────────


def test_a_query_that_fails_keeps_nothing(app: App, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue):
        run(app, "SELECT CAST(name AS BIGINT) AS n FROM crm_db.customer")
    add(tmp_path)
    assert run(app, "SELECT count(name) AS n FROM crm_db.customer")[0] == [(4,)]


def test_an_answer_that_is_not_read_to_its_end_keeps_nothing(app: App, tmp_path: Path) -> None:
    with app.line.run(COUNT, OWNER, Session()) as answer:
        assert answer.schema.names == ["n", "last"]
    add(tmp_path)
    assert run(app, COUNT)[0] == [(4, "Di")]
    assert len(app.line._results.scans._scans) == 1


def test_a_cut_scan_is_not_taken_for_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch)
    with company(tmp_path, {}) as app:
        rows = ", ".join(f"({n}, 'n{n}', '', 'EU', '')" for n in range(100, 60_100))
        write(tmp_path, f"INSERT INTO customer VALUES {rows}")
        # DuckDB stops reading, since the limit cannot go down with this condition.
        cut = "SELECT name FROM crm_db.customer WHERE length(name) > 2 LIMIT 5"
        assert len(run(app, cut)[0]) == 5
        assert run(app, "SELECT count(name) AS n FROM crm_db.customer")[0] == [(60_003,)]


def test_a_limit_on_what_is_read_is_none_the_looser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch, more="limits: {default: {source_bytes: 10B}}\n")
    with company(tmp_path, {}) as app:
        for _ in range(3):  # what was read in vain is not there the next time
            with pytest.raises(LimitError):
                run(app, COUNT)
        assert app.line._results.scans._held == 0


# ── nobody learns what others asked ───────────────────────────────────────────────────────────


def test_what_one_asked_tells_another_nothing(app: App, tmp_path: Path) -> None:
    sql = "SELECT count(*) AS n FROM crm_db.customer WHERE customer_id = 10"
    for _ in range(2):
        run(app, sql)
    write(tmp_path, "UPDATE customer SET customer_id = 99 WHERE customer_id = 10")
    before = datetime.now(UTC)
    for other in (
        OTHER,
        replace(OWNER, roles=OWNER.roles | {"role:more"}),
        replace(OWNER, attributes={"a": 1}),
    ):
        found, (receipt,) = run(app, sql, other)
        assert found == [(0,)]
        assert (receipt.cache, receipt.requests) == ("", 1)
        assert receipt.as_of is not None
        assert receipt.as_of >= before


def test_rules_hold_over_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(monkeypatch)
    rules = (
        "p, role:analyst, crm_db.*, read, allow\np3, role:analyst, crm_db.customer, region = attr('region')\n"
    )
    sql = "SELECT count(name) AS n, max(name) AS name FROM crm_db.customer"
    with company(tmp_path, {"crm": rules}) as app:
        assert [run(app, sql, who)[0] for who in (ANA, BO) * 2] == [[(1, "Ana")], [(1, "Bo")]] * 2
        file = tmp_path / "policies" / "crm.csv"
        version = app.governor.version
        file.write_text(rules.replace("region = attr('region')", "region = 'US'"), "utf-8")
        until = time.monotonic() + 5 * PATIENCE
        while app.governor.version == version and time.monotonic() < until:
            time.sleep(0.01)
        assert run(app, sql, ANA)[0] == [(1, "Bo")]


def test_the_oldest_gives_way(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    run(app, COUNT)
    (size,) = (scan.bytes for scan in app.line._results.scans._scans.values())
    monkeypatch.setattr(app.line._results.scans, "_most", 8 * size)
    wanted = [f"SELECT name FROM crm_db.customer WHERE customer_id <> {n}" for n in range(20)]
    for sql in wanted:
        run(app, sql)
    assert 0 < app.line._results.scans._held <= 8 * size
    assert run(app, wanted[-1])[1][0].requests == 0
    assert run(app, wanted[0])[1][0].requests == 1
