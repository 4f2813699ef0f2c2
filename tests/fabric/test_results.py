"""A result is kept for the same question over the same files, and for nothing else."""

from __future__ import annotations

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import tests.policies.governed as governed
from fabric.errors import Cancelled
from fabric.kept_answer import KeptAnswer
from fabric.pipeline import Session
from fabric.types import Principal
from tests.policies.governed import ANA, BO, App, ask, company, rows
from tests.server.tiny import until

_SQL = "SELECT claim_id, score FROM fraud.score"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, {}) as made:
        yield made


def is_kept(app: App, sql: str, who: Principal = ANA) -> bool:
    with app.line.run(sql, who, Session()) as answer:
        list(answer.batches())
        return isinstance(answer, KeptAnswer)


def test_the_second_answer_comes_from_memory_and_is_written_down(app: App) -> None:
    sql, owner = "FROM scores.score", Principal("eve", frozenset({"role:fraud-owner"}))
    assert [is_kept(app, sql, owner) for _ in range(3)] == [False, True, True]
    assert rows(app, sql, owner) == [(1, 0.9), (2, 0.1)]
    told = (
        "SELECT q.state, q.rows, q.cache, s.cache LIKE 'result of % s ago', s.bytes "
        "FROM system.queries q JOIN system.scans s USING (query_id)"
    )
    found = ask(app, f"{told} WHERE q.sql = $1 ORDER BY q.ended_at", owner, [sql])
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("succeeded", 2, "", False, 27),
        *[("succeeded", 2, "result", True, 0)] * 3,
    ]
    audited = "SELECT count(*) AS n FROM system.audit WHERE sql = $1 AND event = 'intent'"
    assert ask(app, audited, owner, [sql]).to_pylist() == [{"n": 4}]


def test_a_changed_file_is_read(app: App, tmp_path: Path) -> None:
    assert rows(app, _SQL) == rows(app, _SQL) == [(1, 0.9), (2, 0.1)]
    file = tmp_path / "fraud" / "score.csv"
    file.write_text("claim_id,score\n1,0.8\n2,0.1\n")
    os.utime(file, ns=(1, 1))
    assert rows(app, _SQL) == [(1, 0.8), (2, 0.1)]


def test_a_further_file_of_a_pattern_is_read(tmp_path: Path) -> None:
    with company(tmp_path, {}) as app:
        assert rows(app, "SELECT count(*) FROM claims.claim") == [(4,)]
        with (tmp_path / "lake" / "claim.csv").open("a") as file:
            file.write("5,10,EU,500,2025-07-01,444-44,78\n")
        assert rows(app, "SELECT count(*) FROM claims.claim") == [(5,)]


def test_a_result_is_nobody_elses(app: App) -> None:
    assert not is_kept(app, _SQL, ANA)
    assert not is_kept(app, _SQL, BO)
    assert is_kept(app, _SQL, BO)


def test_a_live_source_is_asked_afresh(app: App) -> None:
    sql = "SELECT count(*) FROM crm.customer"
    assert not any(is_kept(app, sql) for _ in range(3))
    assert not any(is_kept(app, "SELECT count(*) FROM system.queries") for _ in range(3))


# ── what is kept of sources without versions, and of snapshots ───────────────────────────────


def customers(app: App, who: Principal = ANA, **options: str) -> tuple[int, str]:
    """How many there are, and where that came from."""
    with app.line.run("SELECT count(*) AS n FROM crm.customer", who, Session(options=options)) as answer:
        (batch,) = answer.batches()
        cached: str = answer.receipts()[0].cache  # type: ignore[union-attr]
        return batch["n"][0].as_py(), cached


def add(directory: Path, number: int) -> None:
    with closing(sqlite3.connect(directory / "crm.db")) as database:
        database.execute(f"INSERT INTO customer VALUES ({number}, 'Di', 'di@corp.example', 'EU', '1')")
        database.commit()


@pytest.fixture
def lasting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The company, whose database says that its rows may be an hour old."""
    monkeypatch.setattr(
        governed, "_FABRIC", governed._FABRIC.replace("{type: adbc,", "{type: adbc, max_age: 1h,")
    )
    with company(tmp_path, {}) as made:
        yield made


def test_a_source_without_versions_lasts_as_long_as_it_says(lasting: App, tmp_path: Path) -> None:
    assert customers(lasting) == (3, "")
    add(tmp_path, 13)
    assert customers(lasting) == (3, "result of 0 s ago")
    assert customers(lasting, max_staleness="1h") == (3, "result of 0 s ago")
    assert customers(lasting, max_staleness="0") == (4, "")
    assert customers(lasting) == (4, "result of 0 s ago")


def test_an_answer_from_kept_rows_is_as_old_as_they_are(
    lasting: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert customers(lasting) == (3, "")
    add(tmp_path, 13)
    results = lasting.line._results
    (aged,) = results.scans._scans.values()
    monkeypatch.setattr(results, "_results", OrderedDict())
    long_ago = replace(
        aged.moment, as_of=aged.moment.as_of - timedelta(minutes=59), at=aged.moment.at - 59 * 60
    )
    key = next(iter(results.scans._scans))
    results.scans._scans[key] = replace(aged, moment=long_ago)
    assert customers(lasting) == (3, "rows of 3540 s ago")
    assert customers(lasting) == (3, "result of 3540 s ago")
    assert customers(lasting, max_staleness="58m") == (4, "")


def test_an_answer_from_a_source_without_versions_ends(
    lasting: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert customers(lasting) == (3, "")
    add(tmp_path, 13)
    monkeypatch.setitem(lasting.line._results.scans._max_ages, "crm_db", 1e-9)
    assert customers(lasting) == (4, "")


def test_no_session_makes_a_source_last_that_does_not_say_so(app: App, tmp_path: Path) -> None:
    assert customers(app, max_staleness="1h") == (3, "")
    add(tmp_path, 13)
    assert customers(app, max_staleness="1h") == (4, "")


def test_a_result_over_a_snapshot_lasts_until_the_next_one(tmp_path: Path) -> None:
    stored = "/*---\nmaterialize: {refresh: '0 0 1 1 *'}\n---*/\nSELECT claim_id, amount FROM lake.claim"
    owner, sql = Principal("olga", frozenset({"role:claims-owner"})), "SELECT count(*) FROM claims.stored"
    with company(tmp_path, {}, {"claims/stored": stored}) as app:
        until(lambda: bool(app.catalog.snapshots), 30.0)
        assert rows(app, sql) == [(4,)]
        assert is_kept(app, sql)
        with (tmp_path / "lake" / "claim.csv").open("a") as file:
            file.write("5,10,EU,500,2025-07-01,444-44,78\n")
        assert rows(app, sql) == [(4,)]
        ask(app, "REFRESH claims.stored", owner)
        assert rows(app, sql) == [(5,)]
        assert is_kept(app, sql)


def test_what_changes_from_one_time_to_the_next_is_not_kept(app: App) -> None:
    for sql in ("SELECT random() AS r FROM fraud.score", "SELECT now() AS t FROM fraud.score"):
        assert not any(is_kept(app, sql) for _ in range(3))


def test_an_answer_that_was_not_read_to_its_end_is_not_kept(app: App) -> None:
    with app.line.run(_SQL, ANA, Session()) as answer:
        assert answer.schema.names == ["claim_id", "score"]
    assert not is_kept(app, _SQL)
    assert is_kept(app, _SQL)


def test_explain_analyze_reads(app: App) -> None:
    assert not is_kept(app, _SQL)
    assert "cache" not in "\n".join(ask(app, f"EXPLAIN ANALYZE {_SQL}", ANA)["plan"].to_pylist())


def test_cache_off_keeps_nothing(tmp_path: Path) -> None:
    with company(tmp_path, {}, settings="cache: off\n") as app:
        assert not any(is_kept(app, _SQL) for _ in range(3))


def test_a_large_result_is_not_kept(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.line._results, "_most", 16 * 1500)
    large = "SELECT repeat('x', 2000) AS x FROM fraud.score"
    assert [is_kept(app, _SQL) for _ in range(2)] == [False, True]
    assert not any(is_kept(app, large) for _ in range(3))


def test_the_oldest_results_make_room(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.line._results, "_most", 30_000)
    texts = [f"SELECT claim_id + {n} AS x FROM fraud.score" for n in range(100)]
    for text in texts:
        assert not is_kept(app, text)
    assert app.line._results._held <= 30_000
    assert not is_kept(app, texts[0])
    assert is_kept(app, texts[-1])


def test_a_kept_answer_can_be_cancelled_and_says_so(app: App) -> None:
    ask(app, _SQL, ANA)
    answer = app.line.run(_SQL, ANA, Session())
    assert isinstance(answer, KeptAnswer)
    answer.cancel()
    with pytest.raises(Cancelled):
        list(answer.batches())
    states: Any = ask(app, "SELECT state FROM system.queries WHERE sql = $1 ORDER BY ended_at", ANA, [_SQL])
    assert states["state"].to_pylist() == ["succeeded", "cancelled"]


def test_a_kept_answer_ends_by_its_session_s_stop(app: App) -> None:
    ask(app, _SQL, ANA)
    session = Session()
    answer = app.line.kept(_SQL, ANA, session)
    assert isinstance(answer, KeptAnswer)
    session.stop(Cancelled("the client went away"))
    with pytest.raises(Cancelled, match="went away"):
        list(answer.batches())


def test_the_schema_is_that_of_the_first_answer(app: App) -> None:
    first, second = (ask(app, "SELECT *, {'a': score} AS s FROM fraud.score", ANA) for _ in range(2))
    assert first.schema == second.schema
    assert isinstance(second, pa.Table)
    assert first.equals(second)
