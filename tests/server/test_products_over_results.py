"""Products over the results of runs: they read as their domain, and every read is judged by what the result was made of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, FabricError, InvalidValue, NotFound, ResultOutdated
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import build
from server.project_check import check_rules_and_products
from tests.policies.governed import ANA, BO, EVE, App, ask, company, rows
from tests.server.test_runs import refusal, succeeded, tighten
from tests.server.tiny import until

PUBLISHER = replace(ANA, user="pat")
RULES = {
    "claims": "p, pat, claims.*, publish, allow\n",
    "federation": "p, domain:claims, crm_db.*, read, allow\n",
}
QUERY = "SELECT c.claim_id, c.region, c.amount, c.ssn FROM claims.claim c"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, RULES) as app:
        yield app


def share(app: App, run_id: str, who: Principal = ANA, subject: str = "domain:claims") -> None:
    ask(app, f"CALL system.share('{run_id}', '{subject}')", who)


def define(
    app: App, run_id: str, name: str = "claims.frozen", select: str = "SELECT claim_id, amount, ssn"
) -> None:
    told = ask(app, f'CREATE OR REPLACE VIEW {name} AS {select} FROM results."{run_id}"', PUBLISHER)
    assert told.to_pylist()[0]["state"] in ("created", "replaced")
    until(lambda: tuple(name.split(".")) in app.catalog.products.current())


@pytest.fixture
def run_id(app: App) -> str:
    """A run of ana's that claims has a product over."""
    made = succeeded(app, QUERY)
    share(app, made)
    define(app, made)
    return made


FROZEN = [(1, 100, "111-11"), (2, 200, "222-22"), (3, 300, "111-11"), (4, 400, "333-33")]
ALL = "FROM claims.frozen"


# ── the plain path ───────────────────────────────────────────────────────────────────────────


def test_a_product_over_a_result_is_read_like_any(app: App, run_id: str, tmp_path: Path) -> None:
    assert rows(app, ALL, BO) == FROZEN
    with (tmp_path / "lake" / "claim.csv").open("a") as file:
        file.write("5,10,EU,500,2025-07-01,444-44,78\n")
    assert rows(app, "SELECT count(*) FROM claims.claim", BO) == [(5,)]
    assert rows(app, ALL, BO) == FROZEN
    assert rows(app, "SELECT c.claim_id FROM claims.claim c ANTI JOIN claims.frozen f USING (claim_id)") == [
        (5,)
    ]


def test_who_reads_it_is_told_until_when(app: App, run_id: str) -> None:
    told = app.line.describe(ALL, BO, Session()).receipt
    (until_when,) = ask(app, f"SELECT expires_at FROM system.runs WHERE run_id = '{run_id}'", ANA).to_pylist()
    at = until_when["expires_at"].astimezone(UTC)
    assert told["notices"] == [
        f"claims.frozen: it rests on a stored result, which is there until {at:%Y-%m-%d %H:%M} UTC"
    ]


def test_products_rest_on_it_and_so_do_further_runs(app: App, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "products" / "claims" / "over.sql").write_text("SELECT sum(amount) AS s FROM claims.frozen")
    until(lambda: ("claims", "over") in app.catalog.products.current())
    assert rows(app, "FROM claims.over", BO) == [(1000,)]
    second = succeeded(app, "FROM claims.over", BO)
    assert rows(app, f'FROM results."{second}"', BO) == [(1000,)]
    share(app, second, BO)
    define(app, second, "claims.twice", "SELECT s")
    assert rows(app, "FROM claims.twice") == [(1000,)]


def test_it_outlives_the_server(tmp_path: Path) -> None:
    with company(tmp_path, RULES) as app:
        made = succeeded(app, QUERY)
        share(app, made)
        define(app, made)
    with closing(build(tmp_path)) as again:
        assert rows(again, ALL, BO) == FROZEN
        (row,) = ask(
            again, "SELECT state, reason FROM system.products WHERE name = 'frozen'", PUBLISHER
        ).to_pylist()
        assert row["state"] == "ok"


# ── what it takes to define one ──────────────────────────────────────────────────────────────


def test_a_result_that_is_not_shared_with_the_domain_is_none(app: App) -> None:
    made = succeeded(app, QUERY)
    share(app, made, subject="pat")
    share(app, made, subject="role:analyst")
    share(app, made, subject="domain:crm")
    for wanted in (made, "0" * 32, made.upper()):
        error = refusal(app, f'CREATE VIEW claims.no AS FROM results."{wanted}"', PUBLISHER)
        assert isinstance(error, ResultOutdated)
        assert "there is no result" in error.message
        assert "that is shared with the domain 'claims'" in error.message


def test_a_domain_shares_with_nobody_but_itself(app: App, run_id: str) -> None:
    """That a domain may read it in a product gives none of its people the result itself."""
    for who in (PUBLISHER, BO, Principal("olga", frozenset({"role:claims-owner"}))):
        assert isinstance(refusal(app, f'FROM results."{run_id}"', who), NotFound)


def test_what_the_domain_may_not_read_it_may_not_read_stored(tmp_path: Path) -> None:
    rules = {**RULES, "federation": "p, domain:claims, fraud.*, read, deny\n"}
    with company(tmp_path, rules) as app:
        made = succeeded(app, "SELECT claim_id, score FROM fraud.score")
        share(app, made)
        error = refusal(app, f'CREATE VIEW claims.no AS FROM results."{made}"', PUBLISHER)
        assert isinstance(error, ResultOutdated)
        file = tmp_path / "products" / "claims" / "no.sql"
        file.write_text(f'FROM results."{made}"')
        until(lambda: ("claims", "no") in app.catalog.products.current())
        assert isinstance(refusal(app, "FROM claims.no", BO), AccessDenied)


def test_what_is_taken_from_the_domain_is_taken_from_what_is_stored(tmp_path: Path) -> None:
    rules = {**RULES, "crm": "p2, domain:claims, crm.customer, email, email\n"}
    with company(tmp_path, rules) as app:
        made = succeeded(app, "SELECT customer_id, email FROM crm.customer")
        share(app, made)
        error = refusal(app, f'CREATE VIEW claims.no AS FROM results."{made}"', PUBLISHER)
        assert isinstance(error, ResultOutdated)
        file = tmp_path / "products" / "claims" / "no.sql"
        file.write_text(f'FROM results."{made}"')
        until(lambda: ("claims", "no") in app.catalog.products.current())
        assert isinstance(refusal(app, "FROM claims.no", BO), ResultOutdated)


def test_row_rules_read_no_result(app: App, run_id: str, tmp_path: Path) -> None:
    assert rows(app, "SELECT claim_id FROM claims.open", BO)
    rule = f"""p3, role:analyst, claims.open, "claim_id IN (SELECT claim_id FROM results.""{run_id}"")"\n"""
    tighten(tmp_path, rule)
    until(lambda: _error(app, "FROM claims.open", BO) is None and bool(app.governor.errors()))
    (told,) = app.governor.errors()
    assert "there is no domain or source 'results'" in told


def _error(app: App, sql: str, who: Principal) -> FabricError | None:
    try:
        ask(app, sql, who)
    except FabricError as error:
        return error
    return None


# ── who reads it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("claims", "p3, bo, claims.claim, claim_id > 1\n"),
        ("claims", "p3, bo, lake.claim, claim_id > 1\n"),
        ("claims", "p2, bo, lake.claim, ssn, last(2)\n"),
        ("claims", "p2, bo, claims.claim, ssn, hide\n"),
        ("claims", "p2, role:lead, claims.claim, note, null\n"),
        ("federation", "p3, domain:claims, lake.claim, claim_id > 1\n"),
        ("federation", "p3, role:*, claims.claim, user() <> ''\n"),
    ],
)
def test_a_rule_on_what_it_was_made_of_makes_it_outdated(
    app: App, run_id: str, tmp_path: Path, file: str, line: str
) -> None:
    assert rows(app, ALL, BO) == FROZEN
    tighten(tmp_path, line, file)
    until(lambda: isinstance(_error(app, ALL, BO), ResultOutdated))
    error = refusal(app, ALL, BO)
    assert "claims.frozen" in error.message
    assert run_id not in str(error)
    assert "lake" not in str(error)


def test_who_is_denied_what_it_was_made_of_is_denied(app: App, run_id: str, tmp_path: Path) -> None:
    tighten(tmp_path, "p, bo, lake.claim, read, deny\n")
    until(lambda: isinstance(_error(app, ALL, BO), AccessDenied))
    assert rows(app, ALL, ANA) == FROZEN
    assert isinstance(refusal(app, ALL, EVE), NotFound)


def test_a_combination_counts_what_it_was_made_of(app: App, run_id: str, tmp_path: Path) -> None:
    joined = "SELECT f.claim_id FROM claims.frozen f JOIN fraud.score s USING (claim_id)"
    assert rows(app, joined, BO) == [(1,), (2,)]
    tighten(tmp_path, "p4, bo, claims.claim, fraud.score, never, apart\n")
    until(lambda: isinstance(_error(app, joined, BO), AccessDenied))
    assert rows(app, joined, ANA) == [(1,), (2,)]


def test_a_domain_s_combination_counts_what_its_results_were_made_of(app: App, tmp_path: Path) -> None:
    made = succeeded(app, "SELECT c.claim_id FROM claims.claim c")
    share(app, made)
    (tmp_path / "products" / "claims" / "both.sql").write_text(
        f'SELECT r.claim_id FROM results."{made}" r JOIN fraud.score s USING (claim_id)'
    )
    until(lambda: ("claims", "both") in app.catalog.products.current())
    assert rows(app, "FROM claims.both", BO) == [(1,), (2,)]
    tighten(tmp_path, "p4, domain:claims, claims.claim, fraud.score, never, apart\n")
    until(lambda: isinstance(_error(app, "FROM claims.both", BO), AccessDenied))


def test_what_was_taken_then_may_be_taken_now(tmp_path: Path) -> None:
    """A result made under a rule is readable to all to whom no more than that applies."""
    rules = {**RULES, "claims": RULES["claims"] + "p3, role:analyst, claims.claim, region = attr('region')\n"}
    with company(tmp_path, rules) as app:
        made = succeeded(app, QUERY)
        share(app, made)
        define(app, made)
        here, there = replace(BO, attributes={"region": "EU"}), BO
        assert rows(app, ALL, here) == [(1, 100, "111-11"), (3, 300, "111-11")]
        assert isinstance(refusal(app, ALL, there), ResultOutdated)
        told = app.line.describe(ALL, here, Session()).receipt
        assert told["restricted"] == {"claims.frozen": "rows"}


def test_its_own_rules_hold(app: App, run_id: str, tmp_path: Path) -> None:
    before = app.governor.version
    tighten(tmp_path, "p3, bo, claims.frozen, claim_id > 3\np2, bo, claims.frozen, ssn, last(2)\n")
    until(lambda: app.governor.version != before)
    assert rows(app, ALL, BO) == [(4, 400, "***33")]


def test_an_aggregate_meant_for_all_is_read_by_all(app: App, tmp_path: Path) -> None:
    made = succeeded(app, QUERY)
    share(app, made)
    tighten(tmp_path, "p3, bo, claims.claim, claim_id > 1\n")
    (tmp_path / "products" / "claims" / "sums.sql").write_text(
        f'/*---\nreads_as: domain\n---*/\nSELECT sum(amount) AS s FROM results."{made}"'
    )
    until(lambda: ("claims", "sums") in app.catalog.products.current())
    assert rows(app, "FROM claims.sums", BO) == [(1000,)]


def test_no_reader_is_told_of_the_run(app: App, run_id: str) -> None:
    told = "\n".join(ask(app, f"EXPLAIN {ALL}", BO)["plan"].to_pylist())
    assert run_id not in told
    rows(app, ALL, BO)
    scans = ask(app, "SELECT source, object, asked FROM system.scans", BO).to_pylist()
    assert run_id not in str(scans)
    assert run_id not in str(ask(app, "FROM system.lineage", BO).to_pylist())
    assert run_id not in str(ask(app, "FROM system.products", BO).to_pylist())


# ── when it ends ─────────────────────────────────────────────────────────────────────────────


def test_a_result_that_is_gone_is_said_so(app: App, run_id: str, tmp_path: Path) -> None:
    assert rows(app, ALL, BO) == FROZEN
    ask(app, f"CALL system.cancel('{run_id}')", ANA)
    error = refusal(app, ALL, BO)
    assert isinstance(error, ResultOutdated)
    assert error.message == "product 'claims.frozen' rests on a stored result that is there no more"
    _, products = check_rules_and_products(tmp_path)
    (told,) = (each for each in products if each.product == "claims.frozen")
    assert f"there is no result '{run_id}' that is shared with the domain 'claims'" in told.error


def test_one_that_expires_is_told_by_check_beforehand(app: App, run_id: str, tmp_path: Path) -> None:
    _, products = check_rules_and_products(tmp_path)
    (told,) = (each for each in products if each.product == "claims.frozen")
    assert not told.error
    assert any("it rests on a stored result, which is there until" in each for each in told.missing)
    with app.state.transaction() as run:
        run("UPDATE runs SET expires_at = $1", (time.time() + 0.5,))
    fresh = app.catalog.shaped(app.catalog.products.current()["claims", "frozen"])
    assert fresh.until is not None
    assert fresh.until > datetime.now(UTC)
    until(lambda: isinstance(_error(app, ALL, BO), ResultOutdated))


def test_a_product_cannot_freeze_itself(app: App, tmp_path: Path) -> None:
    """A run over the product, and then the product over the run: what it was made of is not that any more."""
    (tmp_path / "products" / "claims" / "mine.sql").write_text("SELECT claim_id FROM lake.claim")
    until(lambda: ("claims", "mine") in app.catalog.products.current())
    made = succeeded(app, "FROM claims.mine")
    share(app, made)
    error = refusal(app, f'CREATE OR REPLACE VIEW claims.mine AS FROM results."{made}"', PUBLISHER)
    assert isinstance(error, ResultOutdated)
    (tmp_path / "products" / "claims" / "mine.sql").write_text(f'FROM results."{made}"')
    until(lambda: isinstance(_error(app, "FROM claims.mine", BO), ResultOutdated))


def test_a_result_is_shared_with_users_roles_and_domains(app: App, run_id: str) -> None:
    assert isinstance(refusal(app, f"CALL system.share('{run_id}', 'team:x')", ANA), InvalidValue)
