"""Products found by words."""

from __future__ import annotations

import pytest

from fabric.search import Found, ranked

DOCUMENTS = [
    Found("claims.open_claims", {"name": ["claims.open_claims"], "description": ["Claims not yet settled"], "columns": ["claim_id", "amount"], "tags": ["claims"]}),
    Found("claims.late", {"name": ["claims.late"], "description": ["What is settled late, by claim"], "columns": ["claim_id", "days"], "tags": []}),
    Found("crm.customer", {"name": ["crm.customer"], "description": ["Everyone who holds a policy"], "columns": ["email"], "tags": ["pii"]}),
    Found("crm.quiet", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("open claims", ["claims.open_claims", "claims.late"]),
        ("late", ["claims.late"]),
        ("LATE, claims!", ["claims.late", "claims.open_claims"]),
        ("settled", ["claims.late", "claims.open_claims"]),
        ("email", ["crm.customer"]),
        ("pii", ["crm.customer"]),
        ("cust", ["crm.customer"]),
        ("stomer", []),
        ("", []),
        ("?!", []),
        ("claim_id", ["claims.open_claims", "claims.late"]),
    ],
)
def test_the_best_is_first(asked: str, found: list[str]) -> None:
    assert [document.key for document, _ in ranked(asked, DOCUMENTS)] == found


def test_there_may_be_none() -> None:
    assert ranked("x", []) == []
