"""A live scan of which rows are hidden: restricted in a statement of its own before anything else reads it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from fabric.config_model import LimitSettings
from fabric.errors import BadData, Cancelled, FabricError, SchemaChanged, Timeout
from fabric.execute import Answer
from fabric.limits import Allowance
from fabric.pipeline import Session
from fabric.types import Principal
from tests.patience import PATIENCE
from tests.policies import governed
from tests.policies.governed import App, ask, company, rows

_TABLES = """
CREATE TABLE few (n INTEGER, parity TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 2000)
  INSERT INTO few SELECT n, iif(n % 2, 'odd', 'even') FROM c;
CREATE VIEW endless AS SELECT a.n, a.parity FROM few a, few b, few c;
CREATE TABLE worn (n INTEGER, parity TEXT);
INSERT INTO worn SELECT * FROM few;
CREATE TABLE mixed (n INTEGER, region TEXT);
INSERT INTO mixed SELECT n, 'EU' FROM few;
INSERT INTO mixed VALUES ('three', 'US');
CREATE TABLE chain (child BIGINT, parent BIGINT, region TEXT);
INSERT INTO chain VALUES (2, 1, 'EU'), (3, 2, 'EU'), (4, 3, 'US'), (5, 4, 'EU');
"""
_RULES = {
    "federation": "p, role:analyst, crm_db.*, read, allow\n",
    "crm": """
p3, role:eu,     crm_db.customer, region = 'EU'
p3, role:us,     crm_db.customer, region = 'US'
p2, role:blind,  crm_db.customer, region, hide
p3, role:kept,   crm_db.customer, region IN (SELECT region FROM crm_db.territory WHERE keeper = user())
p3, domain:crm,  crm_db.territory, keeper <> 'bo'
p3, role:odd,    crm_db.few,      parity = 'odd'
p3, role:odd,    crm_db.endless,  parity = 'odd'
p3, role:odd,    crm_db.worn,     parity = 'odd'
p3, role:eu,     crm_db.mixed,    region = 'EU'
p3, role:eu,     crm_db.chain,    region = 'EU'
p2, role:eu,     crm_db.chain,    region, hash
p3, role:mapped, crm_db.few,      n IN (SELECT claim_id FROM crm.mapping)
""",
}
_PRODUCTS = {
    "crm/raw": "SELECT * FROM crm_db.customer",
    "crm/odd": "SELECT * FROM crm_db.few",
    "crm/mapping": "SELECT customer_id AS claim_id FROM crm_db.customer WHERE region = 'EU'",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(governed, "_CUSTOMERS", governed._CUSTOMERS + _TABLES)
        with company(tmp_path_factory.mktemp("acme"), _RULES, _PRODUCTS) as made:
            assert made.governor.errors() == ()
            yield made


def who(*roles: str) -> Principal:
    return Principal("ana", frozenset({"role:analyst", *(f"role:{role}" for role in roles)}))


def started(app: App, sql: str, *roles: str) -> Answer:
    answer = app.line.run(sql, who(*roles), Session())
    assert isinstance(answer, Answer)
    return answer


def scans() -> list[str]:
    """The threads that read a source, or stop a query."""
    kinds = ("ripstop-scan", "ripstop-interrupt")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(kinds)]


def given_back(answer: Answer) -> bool:
    """Whether no thread runs and every cursor is closed."""
    until = time.monotonic() + 0.5 * PATIENCE
    while scans() and time.monotonic() < until:
        time.sleep(0.02)
    for cursor in answer._cursors:
        with pytest.raises(duckdb.ConnectionException):
            cursor.execute("SELECT 1")
    return not scans() and len(answer._cursors) >= 1


# ── what is handed over ──────────────────────────────────────────────────────────────────────


def test_only_the_rows_of_the_rule_are_handed_over(app: App) -> None:
    with started(app, "SELECT count(*) FROM crm_db.few WHERE n <= 100", "odd") as answer:
        assert [batch.to_pydict() for batch in answer.batches()] == [{"count_star()": [50]}]
        (live,) = answer._lives
        assert live.guarded is not None
        assert live.guarded.rows <= 1000  # of 2,000, even if the source was asked for them all
        assert {scan.rows for scan in answer.receipts()} == {live.guarded.rows}


def test_count_needs_no_column(app: App) -> None:
    assert rows(app, "SELECT count(*) FROM crm_db.few", who("odd")) == [(1000,)]
    assert rows(app, "SELECT 1 FROM crm_db.customer", who("eu")) == [(1,)]
    assert rows(app, "SELECT count(*) FROM crm_db.few WHERE false", who("odd")) == [(0,)]


def test_all_that_is_fetched_may_be_hidden(app: App) -> None:
    """The rule's column alone is asked for, and handed over is no column of the object's."""
    for sql in ("SELECT count(*) FROM crm_db.customer", "SELECT sum(1) FROM (SELECT 1 FROM crm_db.customer)"):
        assert rows(app, sql, who("eu", "blind")) == [(1,)]
    assert rows(app, "SELECT EXISTS (FROM crm_db.customer)", who("us", "blind")) == [(True,)]
    assert rows(app, "SELECT name FROM crm_db.customer", who("us", "blind")) == [("Bo",)]


@pytest.mark.parametrize(
    "tail", ["LIMIT 1", "ORDER BY customer_id LIMIT 1", "ORDER BY name DESC LIMIT 1 OFFSET 0"]
)
def test_a_limit_counts_visible_rows(app: App, tail: str) -> None:
    """The source's first row is hidden: a limit that went down to it would leave nothing."""
    assert ask(app, f"SELECT name FROM crm_db.customer {tail}", who("us"))["name"].to_pylist() == ["Bo"]


def test_a_recursion_reads_it_again(app: App) -> None:
    walk = (
        "WITH RECURSIVE w AS (SELECT 1::BIGINT AS at UNION ALL SELECT child FROM crm_db.chain JOIN w ON parent = at) "
        "SELECT at FROM w"
    )
    assert rows(app, walk, who()) == [(1,), (2,), (3,), (4,), (5,)]
    assert rows(app, walk, who("eu")) == [(1,), (2,), (3,)]
    with started(app, walk, "eu") as answer:
        (read,) = answer.plan.reads
        assert read.repeated  # type: ignore[union-attr]


def test_a_recursion_reads_masked_values_again(app: App) -> None:
    sql = (
        "WITH RECURSIVE w AS (SELECT 1::BIGINT AS at, '' AS region UNION ALL SELECT child, c.region FROM crm_db.chain c "
        "JOIN w ON parent = at) SELECT DISTINCT length(region) FROM w"
    )
    assert rows(app, sql, who("eu")) == [(0,), (16,)]


def test_each_occurrence_is_read_by_itself(app: App) -> None:
    sql = "SELECT count(*) FROM crm_db.few a JOIN crm_db.few b USING (n) JOIN crm.odd c USING (n)"
    assert rows(app, sql, who("odd")) == [(1000,)]


def test_a_rule_that_reads_a_live_source_that_is_guarded_itself(app: App) -> None:
    """A statement within a statement within a statement: the territory's own rule binds the domain that reads it."""
    assert rows(app, "SELECT name FROM crm_db.customer", who("kept")) == [("Ana",)]
    bo = Principal("bo", frozenset({"role:analyst", "role:kept"}))
    assert rows(app, "SELECT name FROM crm_db.customer", bo) == []
    assert rows(
        app, "SELECT a.name FROM crm_db.customer a JOIN crm.raw b USING (customer_id)", who("kept")
    ) == [("Ana",)]


def test_a_rule_that_reads_a_product_over_the_same_source(app: App) -> None:
    assert rows(app, "SELECT n FROM crm_db.few", who("mapped")) == [(10,)]


# ── ending ───────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_ends_a_guarded_scan_and_gives_everything_back(app: App) -> None:
    answer = started(app, "SELECT sum(n) FROM crm_db.endless", "odd")
    timer = threading.Timer(0.5, answer.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        list(answer.batches())
    assert given_back(answer)
    assert len(answer._cursors) == 2


def test_a_cancel_ends_many_guarded_scans(app: App) -> None:
    joined = " UNION ALL ".join(["SELECT sum(n) FROM crm_db.endless"] * 4)
    answer = started(app, joined, "odd")
    threading.Timer(0.5, answer.cancel).start()
    with pytest.raises(Cancelled):
        list(answer.batches())
    assert given_back(answer)


def test_a_cancel_before_the_first_batch_and_one_after_the_last(app: App) -> None:
    answer = started(app, "SELECT n FROM crm_db.few", "odd")
    answer.cancel()
    with pytest.raises(Cancelled):
        list(answer.batches())
    assert given_back(answer)
    answer = started(app, "SELECT n FROM crm_db.few", "odd")
    assert sum(batch.num_rows for batch in answer.batches()) == 1000
    answer.cancel()
    assert given_back(answer)


def test_a_time_out_ends_it_too(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.line, "_allowed", lambda principal: Allowance(LimitSettings(seconds=0.5)))
    with started(app, "SELECT sum(n) FROM crm_db.endless", "odd") as answer:
        with pytest.raises(Timeout, match=r"longer than 0\.5 seconds"):
            list(answer.batches())
        assert given_back(answer)


@pytest.mark.parametrize("sql", ["SELECT n FROM crm_db.endless", "SELECT n FROM crm_db.endless LIMIT 3"])
def test_a_reader_that_goes_away_ends_it(app: App, sql: str) -> None:
    answer = started(app, sql, "odd")
    batches = answer.batches()
    first = next(batches)
    assert set(first.column(0).to_pylist()[:3]) <= {1, 3, 5}
    batches.close()  # type: ignore[attr-defined]
    assert given_back(answer)


def test_an_answer_that_is_never_read_is_given_back(app: App) -> None:
    answer = started(app, "SELECT n FROM crm_db.endless", "odd")
    answer.close()
    assert given_back(answer)


# ── errors of the source ─────────────────────────────────────────────────────────────────────


def test_an_error_of_the_source_keeps_its_code_and_is_told_without_its_text(app: App) -> None:
    """SQLite holds a text where an INTEGER is declared, in a row that the rule hides."""
    with pytest.raises(BadData) as whole:
        ask(app, "SELECT n FROM crm_db.mixed", who())
    assert "mixed" in whole.value.message
    with pytest.raises(BadData) as refused:
        ask(app, "SELECT n FROM crm_db.mixed", who("eu"))
    assert refused.value.message == "'crm_db.mixed' could not be read"
    assert "three" not in f"{whole.value}{refused.value}"


def test_a_table_that_goes_is_told_as_a_change(app: App, tmp_path: Path) -> None:
    file = app.config.directory / "crm.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("DROP TABLE worn")
    with pytest.raises(FabricError) as refused:
        ask(app, "SELECT n FROM crm_db.worn", who("odd"))
    assert isinstance(refused.value, SchemaChanged | BadData)
    assert refused.value.message == "'crm_db.worn' could not be read"


def test_a_user_error_above_a_guarded_scan_is_the_users(app: App) -> None:
    with pytest.raises(FabricError) as refused:
        ask(app, "SELECT CAST(name AS INTEGER) FROM crm_db.customer", who("eu"))
    assert refused.value.code == "INVALID_VALUE"
    with pytest.raises(FabricError) as refused:
        ask(app, "SELECT nope FROM crm_db.customer", who("eu"))
    assert refused.value.code == "NOT_FOUND"


# ── many at once ─────────────────────────────────────────────────────────────────────────────


def test_many_guarded_scans_in_one_query_do_not_wait_for_one_another(app: App) -> None:
    """More than DuckDB has threads, each a statement within the statement that reads it."""
    names = [f"t{n}" for n in range(16)]
    joined = f"crm_db.few {names[0]} " + " ".join(f"JOIN crm_db.few {name} USING (n)" for name in names[1:])
    assert rows(app, f"SELECT count(*), sum(n) FROM {joined}", who("odd")) == [(1000, 1_000_000)]
    union = " UNION ALL ".join(["SELECT n FROM crm_db.few"] * 16)
    assert rows(app, f"SELECT count(*) FROM ({union})", who("odd")) == [(16_000,)]


def test_many_queries_with_guarded_scans_at_once(app: App) -> None:
    def count(number: int) -> list[tuple[object, ...]]:
        role = ("odd", "eu", "us")[number % 3]
        sql = "SELECT (SELECT count(*) FROM crm_db.few), (SELECT count(*) FROM crm_db.customer), max(n) FROM crm.odd"
        return rows(app, sql, who(role))

    expected = [(1000, 3, 1999)], [(2000, 1, 2000)], [(2000, 1, 2000)]
    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(count, range(24))):
            assert found == expected[number % 3]
    assert not scans()
