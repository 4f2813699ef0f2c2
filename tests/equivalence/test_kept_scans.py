"""With scans kept and large tables read in ranges, no answer changes: neither the first one nor those from the cache."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import connectors.postgres.splits as splits
from fabric.errors import FabricError
from fabric.pipeline import Session
from server.app import App, build
from tests.equivalence.comparison import AUDITOR, ask, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL, Query


@pytest.fixture(scope="module")
def kept(both: Both, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same project, its live sources with a ``max_age``, Postgres in ranges of a page at least."""
    folder: Path = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(both.servers.project, folder, ignore=shutil.ignore_patterns(".ripstop"))
    file = folder / "fabric.yaml"
    text, live = re.subn(
        r"^( *)type: (postgres|http|adbc)$",
        r"\1type: \2\n\1max_age: 1h",
        file.read_text("utf-8"),
        flags=re.MULTILINE,
    )
    assert live == 3
    text = text.replace("type: postgres\n", "type: postgres\n    splits: 4\n")
    file.write_text(text + "\ncache: {results: 0MB}  # scans are what is looked at\n", "utf-8")
    both.servers.postgres.execute("ANALYZE")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(splits, "LEAST_PAGES", 1)
        with closing(build(folder)) as app:
            yield app


@pytest.mark.parametrize("query", ALL, ids=lambda query: f"{query.theme}: {query.name}")
def test_a_query_answers_the_same_again_and_again(both: Both, kept: App, query: Query) -> None:
    wanted = expect(both.copies, query.sql)
    for _ in range(2):
        assert_same(both.copies, ask(kept.line, query.sql), wanted, query.ordered)


def test_whole_tables_come_in_ranges(kept: App) -> None:
    sql = "SELECT count(name) AS n FROM policy_db.customer"
    assert "ranges of ctid */" in "\n".join(ask(kept.line, f"EXPLAIN {sql}")["plan"].to_pylist())


def test_most_live_scans_come_from_the_cache_the_second_time(kept: App) -> None:
    """Else the cases above would prove little."""
    asked = from_cache = 0
    for query in ALL[::4]:
        for _ in range(2):
            with kept.line.run(query.sql, AUDITOR, Session()) as answer:
                list(answer.batches())
                receipts = getattr(answer, "receipts", tuple)()
        live = [each for each in receipts if each.source in ("policy_db", "fraud_api", "ledger")]
        asked += len(live)
        from_cache += sum(each.cache.startswith("rows of") for each in live)
    assert from_cache > asked // 2 > 10, (from_cache, asked)


def test_keys_of_a_join_are_part_of_what_was_asked(both: Both, kept: App) -> None:
    """One statement, asked with other keys: what is kept of the API's table is not that of the first."""
    sql = "SELECT b.booking_id, s.score FROM ledger.booking b JOIN fraud_api.score_of s ON s.claim_id = b.claim_id WHERE b.booking_id "
    for condition in ("< 9", "BETWEEN 9 AND 30", "< 9", "< 9"):
        assert_same(
            both.copies, ask(kept.line, sql + condition), expect(both.copies, sql + condition), ordered=False
        )
    with kept.line.run(sql + "< 9", AUDITOR, Session()) as answer:
        list(answer.batches())
        receipts = answer.receipts()  # type: ignore[union-attr]
    assert all(each.cache.startswith("rows of") for each in receipts), receipts


def test_a_source_that_fails_leaves_nothing_behind(both: Both, kept: App) -> None:
    sql = "SELECT count(premium) AS n FROM policy_db.policy WHERE risk > 0.123456"
    both.servers.postgres.execute("REVOKE SELECT ON policy FROM reader")
    try:
        with pytest.raises(FabricError):
            ask(kept.line, sql)
    finally:
        both.servers.postgres.execute("GRANT SELECT ON policy TO reader")
    assert_same(both.copies, ask(kept.line, sql), expect(both.copies, sql), ordered=False)
