"""What of conditions over expressions goes down to a source is told, and what does not is not."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from fabric.errors import NotPushed
from fabric.pipeline import Session
from fabric.types import ScanReceipt
from server.app import App
from tests.equivalence.comparison import AUDITOR, assert_same, expect
from tests.equivalence.conftest import Both

POLICY, CUSTOMER = "policy_db.policy", "policy_db.customer"


def asked(app: App, sql: str, session: Session | None = None) -> tuple[pa.Table, tuple[ScanReceipt, ...]]:
    with app.line.run(sql, AUDITOR, session or Session()) as answer:
        table = pa.Table.from_batches(list(answer.batches()), schema=answer.schema)
        return table, getattr(answer, "receipts", tuple)()


def explained(app: App, sql: str) -> str:
    return "\n".join(asked(app, f"EXPLAIN {sql}")[0]["plan"].to_pylist())


PUSHED = [
    (CUSTOMER, "lower(region) = 'eu'", "region\" IN ('EU', 'Eu', 'eU', 'eu')"),
    (CUSTOMER, "substring(email, 1, 2) IN ('c1', 'c2')", "\"email\" LIKE 'c1%'"),
    (CUSTOMER, "coalesce(email, '') = ''", '"email" IS NULL'),
    (CUSTOMER, "name ILIKE 'ana%'", "\"name\" LIKE 'aNa%'"),
    (CUSTOMER, "CAST(created_at AS DATE) = DATE '2020-01-05'", "\"created_at\" < CAST('2020-01-07"),
    (POLICY, "year(start_date) IN (2020, 2021)", "\"start_date\" <= CAST('2021-12-31'"),
    (POLICY, "extract(year FROM issued_at) = 2019 AND renewals < 4", "\"issued_at\" < CAST('2020-01-01"),
    (POLICY, "CAST(issued_at AS DATE) >= DATE '2019-06-01'", "\"issued_at\" >= CAST('2019-06-01"),
    (POLICY, "strftime(start_date, '%Y-%m') = '2020-02'", "\"start_date\" <= CAST('2020-02-29'"),
    (POLICY, "date_trunc('month', start_date) IN (DATE '2020-02-01')", "\"start_date\" >= CAST('2020-02-01'"),
    (POLICY, "premium * 2 > 9000", "\"premium\" >= CAST('4500.01'"),
    (POLICY, "premium > 4900.5::DOUBLE", "\"premium\" >= CAST('4900.50'"),
    (POLICY, "policy_id > 1490.5", '"policy_id" >= 1491'),
    (POLICY, "policy_id // 10 = 121", '"policy_id" >= 1210'),
    (POLICY, "CAST(policy_id AS VARCHAR) = '1007'", '"policy_id" = 1007'),
    (POLICY, "CASE WHEN renewals = 1 THEN premium ELSE 0 END > 100", '"renewals" = 1'),
    ("ledger.booking", "booking_id * 3 < 100", '"booking_id" <= 33'),
]  # fmt: skip
NOT_PUSHED = [
    (POLICY, "month(start_date) = 3"),
    (POLICY, "renewals % 2 = 0"),
    (POLICY, "premium + sum_insured > 100"),
    (POLICY, "lower(product_line) <> 'motor'"),
    (POLICY, "lower(product_line) = 'motor' OR renewals % 2 = 0"),
    (POLICY, "random() < 0.5 OR year(start_date) = 2020"),
    ("policy_db.extreme", "single * 2 > 3"),  # single precision is not compared at the source
    ("policy_db.extreme", "lower(doc::VARCHAR) = 'x'"),
    ("ledger.booking", "lower(account) = 'payment'"),  # a SQLite column may hold anything
]


@pytest.mark.parametrize(("table", "condition", "text"), PUSHED)
def test_what_follows_is_asked_of_the_source(both: Both, table: str, condition: str, text: str) -> None:
    sql = f"SELECT * FROM {table} WHERE {condition}"
    ((whole,),) = expect(both.copies, f"SELECT count(*) AS n FROM {table}").to_pydict().values()
    wanted = expect(both.copies, sql)
    got, (receipt,) = asked(both.app, f"ASSERT PUSHED {sql}")
    assert_same(both.copies, got, wanted, False)
    assert text in receipt.pushed
    # What comes is what is wanted, or a little more.
    assert wanted.num_rows <= receipt.rows < whole
    told = explained(both.app, sql)
    assert text in "".join(re.findall("  pushed: (.*)", told))
    # The condition itself is not the source's: EXPLAIN says that it stays, and that this follows from it.
    assert re.search("not pushed: .* because only what follows from it", told)


def test_assert_pushed_refuses_what_is_not_reduced(both: Both) -> None:
    sql = "ASSERT PUSHED SELECT claim_id FROM fraud_api.score WHERE {}"
    with pytest.raises(NotPushed, match="claim_id"):
        asked(both.app, sql.format("claim_id % 4 = 2"))
    got, _ = asked(both.app, sql.format("coalesce(claim_id, 0) IN (2, 4)"))
    assert got.num_rows == 2


@pytest.mark.parametrize(("table", "condition"), NOT_PUSHED)
def test_what_does_not_follow_is_not_asked(both: Both, table: str, condition: str) -> None:
    sql = f"SELECT * FROM {table} WHERE {condition}"
    got, (receipt,) = asked(both.app, sql)
    if "random" not in sql:
        assert_same(both.copies, got, expect(both.copies, sql), False)
    ((whole,),) = expect(both.copies, f"SELECT count(*) AS n FROM {table}").to_pydict().values()
    assert (receipt.rows, receipt.pushed) == (whole, "")
    assert re.search("not pushed: .* because", explained(both.app, sql))


def test_partitions_and_row_groups_are_skipped(both: Both) -> None:
    sql = "SELECT claim_id FROM claims_lake.claim WHERE {} AND CAST(reported_at AS DATE) = DATE '2024-02-03'"
    told = explained(both.app, sql.format("year * 2 = 4048"))
    assert re.findall(r"files: (\d+) of (\d+)", told) == [("6", "12")]
    assert "prunes by" in told
    assert '"reported_at" < CAST(\'2024-02-04' in told


def test_nothing_of_it_goes_down_with_pushdown_off(both: Both) -> None:
    sql = f"SELECT * FROM {POLICY} WHERE year(start_date) IN (2020, 2021)"
    got, (receipt,) = asked(both.app, sql, Session(options={"pushdown": "off"}))
    assert_same(both.copies, got, expect(both.copies, sql), False)
    assert (receipt.rows, receipt.pushed) == (500, "")


def test_a_limit_does_not_go_down_with_what_is_wider(both: Both) -> None:
    """Of rows of which some may not count, a limit would take too few."""
    sql = f"SELECT * FROM {CUSTOMER} WHERE lower(email) = 'c17@mail1.example' LIMIT 1"
    got, (receipt,) = asked(both.app, sql)
    assert got.num_rows == 1
    assert "LIMIT" not in receipt.pushed
    assert "LIMIT" not in explained(both.app, sql).split("asked:")[1].split("\n")[0]
