"""The line, asked in process over local files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.config_model import LimitSettings
from fabric.errors import (
    AccessDenied,
    BadData,
    Cancelled,
    FabricError,
    InvalidValue,
    NotFound,
    NotSupported,
    PolicyChanged,
    SourceChanged,
    Timeout,
)
from fabric.limits import Allowance
from fabric.pipeline import Session
from server.app import App
from tests.fabric.project import ANA, AUD, NOBODY, ask, lines, project, write_claims
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with project(tmp_path_factory.mktemp("acme")) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[App]:
    with project(tmp_path) as made:
        yield made


def test_files_of_every_format_are_joined(app: App) -> None:
    found = ask(
        app,
        "SELECT c.claim_id, n.text, l.c FROM lake.claim c JOIN lake.note n USING (claim_id) "
        "LEFT JOIN lake.log l ON l.a + 1 = c.claim_id ORDER BY 1",
    )
    assert found.to_pylist() == [
        {"claim_id": 1, "text": "hello", "c": None},
        {"claim_id": 3, "text": "wörld, x", "c": [1, 2]},
        {"claim_id": 5, "text": "again", "c": None},
    ]


def test_a_product_is_asked_like_a_table(app: App) -> None:
    assert ask(app, "SELECT count(*) AS n FROM claims.open WHERE year = 2025", ANA).to_pylist() == [{"n": 66}]


def test_hive_partitions_are_pruned(app: App) -> None:
    text = lines(app, "EXPLAIN SELECT * FROM lake.claim WHERE year = 2025 AND amount > 3")
    assert "files: 1 of 2: claim/year=2025/month=1/part.parquet" in text
    assert 'pushed: "year" = 2025 (partitions)' in text


def test_partitions_are_pruned_by_the_keys_of_a_join(fresh: App) -> None:
    def read(*years: int) -> int:
        rows = "".join(f"{year},x\n" for year in years)
        (fresh.config.directory / "lake" / "note" / "a.csv").write_text(f"claim_id,text\n{rows}")
        query = "SELECT c.amount FROM lake.claim c JOIN lake.note n ON n.claim_id = c.year"
        with fresh.line.run(query, AUD, Session()) as answer:
            found = sum(batch.num_rows for batch in answer.batches())
            (claims,) = (scan for scan in answer.receipts() if scan.object.endswith("claim"))
        assert found == 100 * len({*years} & {2024, 2025})
        return claims.bytes

    assert read(2024, 2025) > read(2025) > read(2030)


def test_a_relation_may_stand_twice_and_in_a_recursion(app: App) -> None:
    twice = "WITH c AS (SELECT * FROM lake.claim) SELECT count(*) AS n FROM c a JOIN c b USING (claim_id)"
    assert ask(app, twice)["n"].to_pylist() == [200]
    walk = (
        "WITH RECURSIVE w AS (SELECT claim_id FROM lake.note WHERE claim_id = 1 UNION ALL "
        "SELECT n.claim_id FROM lake.note n JOIN w ON n.claim_id = w.claim_id + 2) SELECT * FROM w ORDER BY 1"
    )
    assert ask(app, walk)["claim_id"].to_pylist() == [1, 3, 5]


def test_parameters_are_bound(app: App) -> None:
    found = ask(app, "SELECT claim_id + ? AS n FROM lake.note WHERE text = ?", parameters=[10, "hello"])
    assert found.to_pylist() == [{"n": 11}]


def test_a_result_without_a_name_is_named_by_the_users_own_text(app: App) -> None:
    found = ask(
        app,
        "WITH c AS (SELECT 1 AS x) SELECT (SELECT count(*) FROM lake.claim), EXISTS(SELECT 1 FROM c), count(*) "
        "FROM lake.note",
    )
    assert found.column_names == [
        "(SELECT COUNT(*) FROM lake.claim)",
        "EXISTS(SELECT 1 FROM c)",
        "count_star()",
    ]
    assert [column.to_pylist() for column in found.columns] == [[200], [True], [3]]


def test_show_and_describe_answer_from_the_catalog(app: App) -> None:
    assert ask(app, "SHOW TABLES", ANA).to_pylist() == [
        {"schema": "claims", "name": "open"},
        {"schema": "claims", "name": "secret"},
        {"schema": "claims", "name": "torn"},
    ]
    described = ask(app, "DESCRIBE claims.open", ANA).to_pylist()
    assert [(row["column_name"], row["column_type"]) for row in described] == [
        ("claim_id", "BIGINT"),
        ("amount", "DECIMAL(10,2)"),
        ("year", "BIGINT"),
    ]


def test_the_information_schema_holds_what_one_may_know(app: App) -> None:
    sql = "SELECT table_catalog, table_name FROM information_schema.tables WHERE table_type <> 'SYSTEM TABLE' ORDER BY ALL"
    assert ask(app, sql, ANA).to_pylist() == [
        {"table_catalog": "acme", "table_name": "open"},
        {"table_catalog": "acme", "table_name": "secret"},
        {"table_catalog": "acme", "table_name": "torn"},
    ]
    assert {row["table_name"] for row in ask(app, sql).to_pylist()} >= {
        "claim",
        "note",
        "log",
        "person",
        "open",
    }
    assert ask(app, sql, NOBODY).num_rows == 0


def test_the_contract_is_in_the_system_tables(app: App) -> None:
    (row,) = ask(app, "SELECT * FROM system.products WHERE name = 'open'", ANA).to_pylist()
    assert (row["version"], row["owner"], row["tags"]) == ("1.2.0", "claims-team@acme.example", ["claims"])
    columns = ask(
        app, "SELECT name, type, description FROM system.columns WHERE product = 'open'", ANA
    ).to_pylist()
    assert columns[0] == {"name": "claim_id", "type": "BIGINT", "description": "Claim number"}


# ── rights ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["lake.claim", "crm.customer", "desk.person", "lake.main.note", "nope.nope"])
@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM {}", "EXPLAIN SELECT * FROM {}", "DESCRIBE {}", "WITH x AS (FROM {}) SELECT 1",
     "SELECT * FROM claims.open, {}", "EXPLAIN ANALYZE SELECT count(*) FROM {}"],
)  # fmt: skip
def test_what_one_may_not_know_answers_as_what_is_not_there(app: App, sql: str, name: str) -> None:
    with pytest.raises(NotFound) as caught:
        ask(app, sql.format(name), ANA)
    assert caught.value.message == f"there is no '{name}' that you may see"


def test_the_order_of_names_does_not_tell_hidden_from_missing(app: App) -> None:
    for first in ("lake.claim", "lake.nope"):
        with pytest.raises(NotFound) as caught:
            ask(app, f"SELECT * FROM {first}, nope.nope", ANA)
        assert caught.value.message == f"there is no '{first}' that you may see"


@pytest.mark.parametrize("name", ["pg_class", "sqlite_master", "duckdb_views", "duckdb_settings"])
@pytest.mark.parametrize(
    "sql",
    ["WITH RECURSIVE {0} AS (SELECT * FROM {0}) SELECT * FROM {0}",
     "WITH RECURSIVE {0} AS (SELECT 1 FROM {0} UNION ALL SELECT 1 FROM {0}) SELECT * FROM {0}",
     "WITH RECURSIVE {0} AS (SELECT * FROM (SELECT 1 AS x FROM {0}) UNION SELECT 1) SELECT * FROM {0}",
     "WITH {0} AS (SELECT * FROM {0}) SELECT * FROM {0}",
     "SELECT * FROM (WITH {0} AS (SELECT 1) SELECT * FROM {0}) x, {0}",
     "(WITH {0} AS (SELECT 1 AS x) SELECT * FROM {0}) UNION ALL SELECT 2 FROM {0}"],
)  # fmt: skip
def test_a_with_name_never_reaches_the_engines_own_catalog(app: App, sql: str, name: str) -> None:
    with pytest.raises(FabricError) as caught:
        ask(app, sql.format(name), ANA)
    assert "c_" not in caught.value.message


def test_discover_without_read_names_the_owner(app: App) -> None:
    with pytest.raises(AccessDenied, match="not allowed; ask claims-team"):
        ask(app, "SELECT * FROM claims.secret", ANA)


def test_explain_shows_no_part_that_one_may_not_know(app: App) -> None:
    text = lines(app, "EXPLAIN ANALYZE SELECT count(*) FROM claims.open WHERE year = 2025", ANA)
    assert "a part of claims.open: parquet files" in text
    for hidden in ("lake", "part.parquet", "status", "2025"):
        assert hidden not in text


def test_a_broken_product_is_unknown_to_those_without_rights(app: App) -> None:
    with pytest.raises(NotFound):
        ask(app, "SELECT * FROM claims.broken", ANA)
    with pytest.raises(FabricError):
        ask(app, "SELECT * FROM claims.broken", AUD)


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM claims.torn", "DESCRIBE claims.torn", "SELECT 1 FROM claims.open, claims.torn"]
)
def test_a_product_that_no_longer_binds_tells_its_readers_nothing_of_its_body(app: App, sql: str) -> None:
    with pytest.raises(NotSupported) as caught:
        ask(app, sql, ANA)
    assert caught.value.message == "product 'claims.torn' is broken"
    assert "hidden_column" not in str(caught.value)


def test_an_error_in_the_users_own_part_is_still_theirs(app: App) -> None:
    with pytest.raises(NotFound, match="no column 'mine'"):
        ask(app, "SELECT mine FROM claims.open", ANA)


def test_a_candidate_list_holds_only_what_one_may_know(app: App) -> None:
    with pytest.raises(NotFound) as caught:
        ask(app, "SELECT * FROM open", ANA)
    assert caught.value.hint == "it could be claims.open"
    with pytest.raises(NotFound) as caught:
        ask(app, "SELECT * FROM claim", ANA)
    assert "lake" not in str(caught.value)


def test_a_changed_decision_refuses_a_run_described_before(fresh: App) -> None:
    described = fresh.line.describe("SELECT * FROM claims.open", ANA, Session())
    with pytest.raises(PolicyChanged) as caught:
        fresh.line.run("SELECT * FROM claims.open", ANA, Session(), policy_version="another")
    assert caught.value.retryable
    fresh.line.run(
        "SELECT * FROM claims.open", ANA, Session(), policy_version=described.policy_version
    ).close()


def test_a_right_taken_away_counts_from_the_next_statement(fresh: App) -> None:
    assert ask(fresh, "SELECT count(*) FROM claims.open", ANA).num_rows == 1
    file = fresh.config.directory / "policies" / "federation.csv"
    file.write_text(file.read_text() + "p, role:analyst, claims.open, read, deny\n")
    time.sleep(1.0)
    with pytest.raises(FabricError):
        ask(fresh, "SELECT count(*) FROM claims.open", ANA)


# ── change, failure, end ────────────────────────────────────────────────────────────────────


def test_a_new_product_serves_within_a_second(fresh: App) -> None:
    file = fresh.config.directory / "products" / "claims" / "fresh.sql"
    file.write_text("SELECT 42 AS answer")
    time.sleep(1.0)
    assert ask(fresh, "SELECT * FROM claims.fresh").to_pylist() == [{"answer": 42}]
    file.write_text("/*---\nversion: nope\n---*/ SELECT 1")
    time.sleep(1.0)
    # The text does not load: the last good one serves.
    assert ask(fresh, "SELECT * FROM claims.fresh").to_pylist() == [{"answer": 42}]
    assert "version" in fresh.catalog.products.current()["claims", "fresh"].stale
    file.write_text("SELECT nope FROM lake.claim")
    time.sleep(1.0)
    with pytest.raises(NotSupported, match=r"product 'claims.fresh' is broken"):
        ask(fresh, "SELECT * FROM claims.fresh")


def test_new_files_are_seen_at_once(fresh: App) -> None:
    assert ask(fresh, "SELECT count(*) AS n FROM lake.claim")["n"].to_pylist() == [200]
    write_claims(fresh.config.directory, 2025, 2, 200)
    assert ask(fresh, "SELECT count(*) AS n FROM lake.claim")["n"].to_pylist() == [300]


def test_a_new_column_is_seen_when_a_scan_meets_it(fresh: App) -> None:
    note = fresh.config.directory / "lake" / "note" / "c.csv"
    note.write_text("claim_id,text,author\n7,more,Cy\n")
    with fresh.line.run("SELECT * FROM lake.note ORDER BY 1", AUD, Session()) as answer:
        rows = [row for batch in answer.batches() for row in batch.to_pylist()]
    assert rows[0]["author"] is None
    assert rows[-1] == {"claim_id": 7, "text": "more", "author": "Cy"}


def test_a_value_that_does_not_fit_names_file_line_and_column_but_not_itself(fresh: App) -> None:
    note = fresh.config.directory / "lake" / "note" / "big.csv"
    note.write_text("claim_id,text\n" + "1,x\n" * 30_000 + "secret-value,x\n")
    with pytest.raises(BadData) as caught:
        ask(fresh, "SELECT sum(claim_id) FROM lake.note")
    text = str(caught.value)
    assert "source 'lake'" in text
    assert "file 'note/big.csv', line 30002" in text
    assert "column 'claim_id' of type BIGINT" in text
    assert "secret-value" not in text


def test_a_file_that_changes_under_a_query_ends_it(fresh: App) -> None:
    answer = fresh.line.run("SELECT * FROM lake.claim", AUD, Session())
    time.sleep(0.01)
    write_claims(fresh.config.directory, 2025, 1, 5000)
    with pytest.raises((SourceChanged, BadData)), answer:
        for _ in answer.batches():
            pass


def test_a_corrupt_file_is_named(fresh: App) -> None:
    file = fresh.config.directory / "lake" / "claim" / "year=2025" / "month=1" / "bad.parquet"
    file.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(BadData, match=r"bad\.parquet"):
        ask(fresh, "SELECT count(*) FROM lake.claim")


def test_errors_of_values_do_not_show_them(app: App) -> None:
    with pytest.raises(InvalidValue) as caught:
        ask(app, "SELECT CAST(text AS INTEGER) FROM lake.note")
    assert "hello" not in str(caught.value)


def slow(app: App, explain: str = "") -> tuple[list[BaseException], threading.Thread, object]:
    answer = app.line.run(f"{explain}SELECT count(*) FROM range(100000000000) a, lake.note", AUD, Session())
    caught: list[BaseException] = []

    def read() -> None:
        try:
            for _ in answer.batches():
                pass
        except FabricError as error:
            caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    return caught, thread, answer


def test_a_cancel_stops_duckdb_within_half_a_second(app: App) -> None:
    caught, thread, answer = slow(app)
    started = time.monotonic()
    answer.cancel()  # type: ignore[attr-defined]
    thread.join(5)
    assert time.monotonic() - started < PATIENCE * 0.5
    assert isinstance(caught[0], Cancelled)


def test_explain_analyze_can_be_cancelled(app: App) -> None:
    caught, thread, answer = slow(app, explain="EXPLAIN ANALYZE ")
    answer.cancel()  # type: ignore[attr-defined]
    thread.join(5)
    assert isinstance(caught[0], Cancelled)


def test_a_query_over_its_time_ends_with_the_limit(fresh: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh.line, "_allowed", lambda principal: Allowance(LimitSettings(seconds=0.4)))
    caught, thread, _ = slow(fresh)
    thread.join(5)
    assert isinstance(caught[0], Timeout)


def test_an_answer_left_unread_gives_everything_back(app: App) -> None:
    before = threading.active_count()
    for _ in range(20):
        answer = app.line.run("SELECT * FROM lake.claim", AUD, Session())
        batches = answer.batches()
        next(batches)
        batches.close()  # type: ignore[attr-defined]
    time.sleep(0.2)
    assert threading.active_count() <= before + 1


def test_a_session_time_zone_that_nobody_knows_is_refused(app: App) -> None:
    with pytest.raises(InvalidValue) as caught:
        app.line.describe("SELECT 1", AUD, Session(timezone="Mars/Base"))
    assert caught.value.hint == "a name such as Europe/Berlin"


def test_what_was_asked_is_in_the_journal_of_the_one_who_asked(fresh: App) -> None:
    ask(fresh, "SELECT count(*) FROM claims.open", ANA)
    ask(fresh, "SELECT count(*) FROM lake.claim", AUD)
    (row,) = ask(fresh, "SELECT * FROM system.queries WHERE state = 'succeeded'", ANA).to_pylist()
    assert (row["user"], row["sql"], row["rows"], row["error"]) == (
        "ana",
        "SELECT count(*) FROM claims.open",
        1,
        "",
    )
    assert row["ended_at"] >= row["started_at"]
    (scan,) = ask(fresh, "SELECT * FROM system.scans WHERE seconds > 0", ANA).to_pylist()
    assert {scan[key] for key in ("source", "object", "pushed", "bytes", "requests")} == {None}
    (scan,) = ask(fresh, "SELECT * FROM system.scans WHERE bytes > 0", AUD).to_pylist()
    assert (scan["object"], scan["pushed"]) == ("lake.claim", "2 of 2 files")


def test_closing_an_app_ends_the_threads_that_it_started(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with project(tmp_path) as app:
        assert ask(app, "SELECT count(*) FROM lake.claim", AUD)
    left = [thread for thread in threading.enumerate() if thread not in before and thread.daemon]
    assert left == []
