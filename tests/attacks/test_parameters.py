"""Values travel as values: no parameter becomes text of the statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest

from tests.attacks.conftest import Tally
from tests.attacks.judge import Court

CASES: list[tuple[str, Sequence[object], str]] = [
    ("SELECT claim_id FROM lake.claim WHERE region = ?", ["US"], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE region = ?", ["' OR 1=1 --"], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE region = ? OR claim_id = ?", ["US", 3], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE claim_id = ?", [1], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) = ?", [1], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE body = ?", [1], "rows"),
    (
        "SELECT claim_id FROM lake.claim WHERE CAST(body AS INTEGER) IN (?, ?, ?, ?, ?)",
        [0, 1, 2, 3, 4],
        "rows",
    ),
    ("SELECT claim_id FROM lake.claim WHERE list_contains(?, CAST(body AS INTEGER))", [[1, 2]], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE phone LIKE ?", ["+49%"], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE born > ?", [date(1913, 1, 2)], "rows"),
    ("SELECT claim_id FROM lake.claim WHERE amount > ?", [Decimal("50.25")], "rows"),
    ("SELECT count(*) AS n FROM lake.claim WHERE regexp_matches(region, ?)", [".*"], "rows"),
    ("SELECT policy_id FROM policy_db.policy WHERE line = ?", ["motor"], "rows"),
    ("SELECT policy_id FROM policy_db.policy WHERE line = ?", ["motor' OR '1'='1"], "rows"),
    ("SELECT policy_id FROM policy_db.policy WHERE policy_id = ANY(?)", [[1, 2, 3]], "rows"),
    ("SELECT booking_id FROM ledger.booking WHERE account = ?", ["1' OR '1'='1"], "rows"),
    ("SELECT claim_id FROM fraud_api.score WHERE region = ?", ["US"], "rows"),
    ("SELECT claim_id FROM fraud_api.score WHERE model = ?", ["m1&region=US"], "rows"),
    ("SELECT claim_id FROM fraud_api.score WHERE model = ?", ["m1#"], "rows"),
    ("SELECT ? AS x, count(*) AS n FROM lake.claim", ["ssn_zqhid"], "rows"),
    ("SELECT $1 AS x, $1 AS y FROM lake.note LIMIT 1", ["a"], "rows"),
    ("SELECT claim_id FROM claims.open_claim WHERE ssn = ?", ["x"], "rows"),
    ("SELECT COLUMNS(?) FROM lake.claim", [".*zqhid"], "error"),
    ("SELECT claim[?] FROM lake.claim", ["ssn_zqhid"], "error"),
    ("SELECT struct_extract(c, ?) FROM lake.claim c", ["ssn_zqhid"], "error"),
    ("SELECT claim_id FROM lake.claim WHERE CAST(region AS INTEGER) = ?", [1], "error"),
    ("SELECT * FROM query(?)", ["SELECT ssn_zqhid FROM lake.claim"], "denied"),
    ("SELECT * FROM query_table(?)", ["lake.claim"], "denied"),
    ("SELECT * FROM read_text(?)", ["/etc/passwd"], "denied"),
    ("SELECT * FROM read_csv(?)", ["lake/secret.csv"], "denied"),
    ("SELECT getvariable(?)", ["x"], "denied"),
    ("SELECT current_setting(?)", ["temp_directory"], "denied"),
    ("SELECT * FROM ?", ["lake.claim"], "denied"),
    ("SELECT * FROM lake.?", ["claim"], "denied"),
    ("SELECT claim_id FROM lake.claim WHERE region = ?", [], "denied"),
    ("SELECT claim_id FROM lake.claim", ["EU"], "denied"),
    ("SELECT claim_id FROM lake.claim WHERE region = ? AND region = $2", ["EU", "EU"], "denied"),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_parameter_is_a_value(court: Court, tally: Tally, number: int) -> None:
    sql, values, expected = CASES[number]
    tally.add("parameters")
    court.judge("ana", sql, expected, values)
