"""With pushdown off every source is asked for columns only, and no answer changes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from fabric.errors import InvalidValue
from fabric.pipeline import Session
from fabric.types import ScanReceipt
from server.app import App, build
from tests.equivalence.comparison import AUDITOR, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL, Query

OFF = Session(options={"pushdown": "off"})
# Every third, so that all themes and sources take part.
SOME = ALL[::3]
_NEEDED = """      needed:
        path: /v1/scores
        records: $.items
        columns: {claim_id: BIGINT, score: DOUBLE, model: VARCHAR}
        params: {claim_id: {name: claim_id, op: in, required: true}, model: {name: model, op: "="}}
        pagination: {type: page, param: page, size_param: size, size: 50, total: $.total}
      signal:
"""


def asked(app: App, sql: str, session: Session = OFF) -> tuple[pa.Table, tuple[ScanReceipt, ...]]:
    with app.line.run(sql, AUDITOR, session) as answer:
        table = pa.Table.from_batches(list(answer.batches()), schema=answer.schema)
        return table, getattr(answer, "receipts", tuple)()


def explained(app: App, sql: str, session: Session = OFF) -> str:
    return "\n".join(asked(app, f"EXPLAIN {sql}", session)[0]["plan"].to_pylist())


@pytest.mark.parametrize("query", SOME, ids=lambda query: f"{query.theme}: {query.name}")
def test_a_query_answers_the_same(both: Both, query: Query) -> None:
    got, _ = asked(both.app, query.sql)
    assert_same(both.copies, got, expect(both.copies, query.sql), query.ordered)


@pytest.mark.parametrize(
    ("source", "table", "condition"),
    [
        ("policy_db", "policy_db.policy", "policy_id = 7"),
        ("policy_db", "policy_db.customer", "region = 'EU' ORDER BY customer_id LIMIT 3"),
        ("fraud_api", "fraud_api.score", "claim_id IN (3, 5)"),
        ("ledger", "ledger.booking", "booking_id = 4"),
    ],
)
def test_a_live_source_sends_everything(both: Both, source: str, table: str, condition: str) -> None:
    sql = f"SELECT * FROM {table} WHERE {condition}"
    ((whole,),) = expect(both.copies, f"SELECT count(*) AS n FROM {table}").to_pydict().values()
    got, (receipt,) = asked(both.app, sql)
    assert_same(both.copies, got, expect(both.copies, sql), "ORDER BY" in sql)
    assert (receipt.source, receipt.rows, receipt.pushed) == (source, whole, "")
    text = explained(both.app, sql)
    assert "because pushdown is off" in text
    assert re.findall("  pushed: (.*)", text) == ["nothing"]
    (request,) = re.findall("  asked: (.*)", text)
    assert not re.search(r"WHERE|LIMIT|ORDER BY|claim_id=", request)


def test_partitions_and_row_groups_are_not_skipped(both: Both) -> None:
    sql = "SELECT claim_id FROM claims_lake.claim WHERE year = 2024 AND claim_id = 1"
    on, off = (explained(both.app, sql, session) for session in (Session(), OFF))
    (some, listed), (all_of_them, _) = (
        map(int, re.findall(r"files: (\d+) of (\d+)", text)[0]) for text in (on, off)
    )
    assert some < listed == all_of_them
    assert "prunes by" in on
    assert "prunes by" not in off
    (_, (pruned,)), (_, (whole,)) = (asked(both.app, sql, session) for session in (Session(), OFF))
    assert pruned.bytes <= whole.bytes


def test_semi_joins_are_off_too(both: Both) -> None:
    sql = "SELECT c.name FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) WHERE p.policy_id = 7"
    assert "among the keys" not in explained(both.app, sql)


@pytest.fixture(scope="module")
def unpushed(both: Both, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same project with pushdown off at one source."""
    folder: Path = tmp_path_factory.mktemp("unpushed") / "project"
    shutil.copytree(both.servers.project, folder, ignore=shutil.ignore_patterns(".ripstop"))
    file = folder / "fabric.yaml"
    text = file.read_text("utf-8")
    assert text.count("type: postgres") == 1
    line = re.search(r"^( *)type: postgres.*$", text, re.MULTILINE)
    assert line is not None
    text = text.replace(line[0], f"{line[0]}\n{line[1]}pushdown: off").replace("      signal:\n", _NEEDED, 1)
    file.write_text(text, "utf-8")
    both.servers.postgres.execute("ALTER ROLE reader SET log_statement = 'all'")
    try:
        with closing(build(folder)) as app:
            yield app
    finally:
        both.servers.postgres.execute("ALTER ROLE reader RESET log_statement")


@pytest.mark.parametrize("query", SOME[::3], ids=lambda query: f"{query.theme}: {query.name}")
def test_one_source_may_be_off(both: Both, unpushed: App, query: Query) -> None:
    got, _ = asked(unpushed, query.sql, Session())
    assert_same(both.copies, got, expect(both.copies, query.sql), query.ordered)


def test_only_that_source_is_off(unpushed: App) -> None:
    sql = (
        "SELECT p.premium FROM policy_db.policy p JOIN fraud_api.score s ON s.claim_id = p.policy_id "
        "WHERE p.renewals = 2 AND s.claim_id = 7"
    )
    text = explained(unpushed, sql, Session())
    policy, score = text[text.index("policy_db") :], text[text.index("fraud_api") :]
    assert "because pushdown is off" in policy.split("fraud_api")[0]
    assert "pushdown is off" not in score.split("policy_db")[0]


def test_postgres_is_really_asked_without_a_condition(both: Both, unpushed: App) -> None:
    log = both.servers.postgres.log
    before = len(log.read_bytes())
    got, _ = asked(unpushed, "SELECT premium FROM policy_db.policy WHERE policy_id = 1007", Session())
    assert got.num_rows == 1
    said = log.read_bytes()[before:].decode()
    assert 'SELECT "policy_id"' in said or 'SELECT "premium"' in said
    assert "WHERE" not in "".join(line for line in said.splitlines() if '"premium"' in line)


def test_what_an_api_requires_is_still_sent(both: Both, unpushed: App) -> None:
    ((one,),) = expect(both.copies, "SELECT min(claim_id) AS one FROM fraud_api.score").to_pydict().values()
    sql = f"SELECT score FROM fraud_api.needed WHERE claim_id = {one}"
    assert f"claim_id={one}" in explained(unpushed, sql)
    got, (receipt,) = asked(unpushed, sql)
    assert got.num_rows == receipt.rows > 0
    with pytest.raises(InvalidValue, match="claim_id"):
        asked(unpushed, "SELECT score FROM fraud_api.needed")
