"""IN lists of every length: DuckDB plans short ones as filters, long ones as joins."""

from __future__ import annotations

import pytest

from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both

COLUMNS = [
    ("policy_db.policy", "policy_id", "policy_id"),
    ("policy_db.policy", "premium", "policy_id"),
    ("policy_db.policy", "product_line", "policy_id"),
    ("fraud_api.score", "claim_id", "claim_id"),
    ("claims_lake.claim", "month", "claim_id"),
    ("ledger.booking", "claim_id", "booking_id"),
]


@pytest.mark.parametrize("length", [1, 2, 5, 60, 1500])
@pytest.mark.parametrize("negated", ["", "NOT "])
@pytest.mark.parametrize(("table", "column", "key"), COLUMNS)
def test_a_list_of_any_length(
    both: Both, table: str, column: str, key: str, negated: str, length: int
) -> None:
    literal = "'motor{}'" if column == "product_line" else "{}"
    values = [
        "'motor'" if column == "product_line" else "1003",
        *(literal.format(n * 3) for n in range(1, length)),
    ]
    sql = f"SELECT {key}, {column} FROM {table} WHERE {column} {negated}IN ({', '.join(values)})"
    assert_same(both.copies, ask(both.app.line, sql), expect(both.copies, sql), ordered=False)
