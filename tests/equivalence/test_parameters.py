"""Parameters mean to the line what they mean to DuckDB."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both

POLICY = "SELECT policy_id, premium FROM policy_db.policy WHERE "
EXTREME = "SELECT id FROM policy_db.extreme WHERE "


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        (POLICY + "policy_id = ?", [1003]),
        (POLICY + "policy_id = ?", [None]),
        (POLICY + "policy_id IN (?, ?, ?)", [1001, None, 1499]),
        (POLICY + "policy_id = ANY(?)", [[1001, 1499]]),
        (POLICY + "policy_id > $2 AND policy_id < $1", [1010, 1005]),
        (POLICY + "policy_id = $1 OR renewals = $1 - 1000", [1003]),
        (POLICY + "premium >= ? AND premium < ?", [Decimal("79.07"), Decimal("1000.005")]),
        (POLICY + "premium > ?", [4900.5]),
        (POLICY + "product_line = ?", ["mo\\or"]),
        (POLICY + "product_line LIKE ?", ["mo_or"]),
        (POLICY + "product_line <> ? AND renewals = 1", ["it's; -- DROP"]),
        (POLICY + "start_date BETWEEN ? AND ?", [date(2019, 3, 1), date(2019, 9, 1)]),
        (POLICY + "issued_at < ?", [datetime(2019, 3, 1, 12, 30, 0, 1)]),
        (POLICY + "start_date = ?", ["2019-02-01"]),
        (EXTREME + "instant > ?", [datetime(2024, 3, 31, 1, 0, tzinfo=UTC)]),
        (EXTREME + "clock <= ?", [time(12, 34, 56, 1)]),
        (EXTREME + "uid = ?", [UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13")]),
        (EXTREME + "uid = ?", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A13"]),
        (EXTREME + "bytes = ?", [b"\xff\x00'"]),
        (EXTREME + "number = ?", [float("nan")]),
        (EXTREME + "number < ?", [float("inf")]),
        (EXTREME + "single = ?", [0.1]),
        (EXTREME + "huge = ?", [Decimal("-0.0000000001")]),
        (EXTREME + "big = ?", [9223372036854775807]),
        (EXTREME + "flag = ?", [True]),
        (EXTREME + "word = ?", ["a\nb\tc"]),
        (EXTREME + "list = ?", [[5, 5]]),
        ("SELECT claim_id FROM fraud_api.score WHERE claim_id = ? AND model = ?", [8, "m2"]),
        ("SELECT claim_id FROM fraud_api.score WHERE scored_at >= ?", [datetime(2025, 1, 14)]),
        (
            "SELECT ? AS a, ?::VARCHAR AS b, claim_id + ? AS c FROM desk.note WHERE note_id < ?",
            ["x", 5, 7, 3],
        ),
        ("SELECT policy_id FROM policy_db.policy ORDER BY policy_id LIMIT ? OFFSET ?", [4, 9]),
        ("SELECT claim_id FROM claims_lake.claim WHERE year = ? AND status = ?", [2024, "open"]),
    ],
)
def test_a_parameter_is_a_value_and_nothing_else(both: Both, sql: str, parameters: list[object]) -> None:
    got, wanted = ask(both.app.line, sql, parameters), expect(both.copies, sql, parameters)
    assert_same(both.copies, got, wanted, ordered=False)
