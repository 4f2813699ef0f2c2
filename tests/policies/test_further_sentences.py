"""Sentences of DESIGN 1.5 that no other file holds to the letter; ``test_sentences`` says where the others are."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fabric.errors import AccessDenied
from fabric.types import Principal
from tests.policies import governed
from tests.policies.governed import ANA, App, ask, company, rows
from tests.policies.test_sentences import who


def column(app: App, sql: str, person: Principal = ANA) -> list[object]:
    return [row[0] for row in rows(app, sql, person)]


# ── what a rule sees ─────────────────────────────────────────────────────────────────────────


def test_a_moment_is_one_moment_throughout_a_query(tmp_path: Path) -> None:
    """In every rule and mask, on every relation, whether DuckDB or a live source's own statement computes it."""
    rules = {
        "claims": "p2, role:*, claims.claim, note, sql:CAST(now() AS VARCHAR)\n"
        "p2, role:*, lake.claim, region, sql:CAST(now() AS VARCHAR)\n"
        "p3, role:*, claims.claim, now() = current_timestamp AND today() = current_date\n",
        "crm": "p2, role:*, crm.customer, name, sql:CAST(get_current_timestamp() AS VARCHAR)\n",
    }
    every = (
        "SELECT note AS t FROM claims.claim UNION ALL SELECT region FROM claims.claim WHERE region IS NOT NULL "
        "UNION ALL SELECT name FROM crm.customer"
    )
    with company(tmp_path, rules) as app:
        assert column(app, f"SELECT count(*) FROM ({every})") == [10]
        assert column(app, f"SELECT count(DISTINCT t) FROM ({every})") == [1]
        once, again = (column(app, "SELECT DISTINCT note FROM claims.claim") for _ in range(2))
        assert once != again  # and no answer of before is given again


@pytest.mark.parametrize(
    "rule",
    [
        "p3, role:analyst, claims.claim, region IN attrs('areas')",
        "p3, role:analyst, lake.claim, \"region = attr('areas')\"",
        "p3, role:analyst, claims.claim, \"claim_id > 0 OR amount = attr('areas', 'BIGINT')\"",
        "p2, role:analyst, claims.claim, region, \"sql:CASE WHEN value = attr('areas') THEN value END\"",
        "p2, role:analyst, lake.claim, region, \"sql:attr('areas')\"",
    ],
)
def test_a_missing_attribute_refuses_wherever_it_is_asked_for(tmp_path: Path, rule: str) -> None:
    """In a list, beneath a product, where the rest decides alone, in a mask: never taken for NULL."""
    with company(tmp_path, {"claims": f"{rule}\n"}) as app:
        for person in (who(), who(areas=None)):
            with pytest.raises(AccessDenied, match="'areas'"):
                ask(app, "SELECT claim_id FROM claims.claim", person)
        assert len(rows(app, "FROM crm.customer", who())) == 3


# ── what a user may know ─────────────────────────────────────────────────────────────────────


def test_discover_shows_what_the_product_says_of_itself(tmp_path: Path) -> None:
    """Name, owner, description and version; of columns what they are described as, but of a hidden one nothing."""
    said = (
        "/*---\nowner: claims-team@acme.example\ndescription: Claims by number\nversion: 2.1.0\n"
        "columns: {claim_id: {description: Claim number}, ssn: {description: Social security}}\n---*/\n"
        "SELECT claim_id, ssn FROM lake.claim"
    )
    rules = {
        "federation": "p, role:finder, claims.numbers, discover, allow\n",
        "claims": "p2, role:finder, claims.numbers, ssn, hide\n",
    }
    finder = Principal("fin", frozenset({"role:finder"}))
    with company(tmp_path, rules, {"claims/numbers": said}) as app:
        shown = rows(app, "SELECT domain, name, owner, description, version FROM system.products", finder)
        assert shown == [("claims", "numbers", "claims-team@acme.example", "Claims by number", "2.1.0")]
        columns = "SELECT name, description FROM system.columns WHERE domain <> 'system'"
        assert rows(app, columns, finder) == [("claim_id", "Claim number")]
        with pytest.raises(AccessDenied, match=r"not allowed; ask claims-team@acme\.example"):
            ask(app, "FROM claims.numbers", finder)


@pytest.mark.parametrize("name", ["fraud.score", "scores.score"])
def test_where_a_product_names_no_owner_and_for_a_table_its_domains_is_named(
    tmp_path: Path, name: str
) -> None:
    rules = {"federation": f"p, role:finder, {name}, discover, allow\n"}
    with company(tmp_path, rules) as app, pytest.raises(AccessDenied, match="ask role:fraud-owner"):
        ask(app, f"FROM {name}", Principal("fin", frozenset({"role:finder"})))


# ── masks ────────────────────────────────────────────────────────────────────────────────────


def test_fabrics_that_share_a_key_hash_alike_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, key in (("one", "k" * 64), ("two", "k" * 64), ("other", "x" * 64)):
        directory = tmp_path / name
        directory.mkdir()
        monkeypatch.setattr(governed, "_FABRIC", f"{_fabric()}\nkey: {key}\n")
        with company(directory, {"crm": "p2, role:*, crm.customer, name, hash\n"}) as app:
            found.append(column(app, "SELECT name FROM crm.customer"))
    one, two, other = found
    assert one == two
    assert not set(one) & set(other)


# ── loading ──────────────────────────────────────────────────────────────────────────────────


def test_a_rule_on_a_source_that_cannot_be_reached_refuses_those_whom_it_covers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(governed, "_FABRIC", _fabric() + _DEAD)
    rules = {
        "claims": "p3, role:covered, claims.claim, claim_id IN (SELECT claim_id FROM far.listed)\n"
        "p3, role:all, far.*, true\n"
    }
    sql = "SELECT claim_id FROM claims.claim"
    with company(tmp_path, rules) as app:
        assert column(app, sql, who()) == [1, 2, 3, 4]
        assert column(app, sql, who("all")) == [1, 2, 3, 4]
        with caplog.at_level(logging.WARNING), pytest.raises(AccessDenied, match="does not fit") as refused:
            ask(app, sql, who("covered"))
        assert "policies/claims.csv:1" in caplog.text
        assert "far" not in str(refused.value)
        assert len(rows(app, "FROM crm.customer", who("covered"))) == 3


def _fabric() -> str:
    return governed._FABRIC.partition("\nkey:")[0]


_DEAD = """
  far: {type: adbc, domain: claims, driver: adbc_driver_sqlite, dialect: sqlite, options: {uri: nowhere/gone.db}}
"""
