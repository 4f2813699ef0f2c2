"""DESIGN 1.5 sentence by sentence: which test holds which, and the tests of those that no other file holds.

Who is asked. "of the object that the query names", "as domain:<its domain>", "role:* means every person", "explicitly
denied": ``test_govern``, ``test_governed``. "Both are asked", over several levels: here. "Hidden … does not exist …
NULL", the receipt: ``test_governed``. ``reads_as``: ``test_governed``; whose declassify lifts what: here.
How rules combine. Pure in ``test_combine``, of subjects in ``test_enforcer``; end to end: here.
What a rule sees. Raw columns, subqueries, its own object, raising, a missing attribute: ``test_governed``,
``test_trino_row_filters``. Parts already restricted, each function, an attribute that cannot be cast: here.
Objects and actions. ``test_govern``, ``test_objects``, ``test_load``; what ``*`` and ``prefix.*`` cover of rows: here.
What a user may know. ``test_govern``, ``test_governed``, ``tests/fabric/test_discretion.py``; what discover shows: here.
Masks. Each mask in ``test_masks``, ``test_masks_never_raise``; in queries ``test_trino_column_masks``; hashes that join,
and tags that come from a source and travel: here. Stored data is not in this version.
Loading. Files in ``test_files``, lines in ``test_load``; end to end: here.
Corners. All above; the owner who is named: ``test_govern``. What was left: ``test_further_sentences``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, NotFound, PolicyChanged
from fabric.pipeline import Session
from fabric.types import Principal
from tests.patience import PATIENCE
from tests.policies import governed
from tests.policies.governed import ANA, OPEN, App, ask, company, rows

_FEDERATION = """
p, domain:fraud, claims.*, read, allow
p, domain:crm, fraud.*, read, allow
p, role:finder, crm.customer, discover, allow
p, domain:claims, crm.second, declassify, allow
g, role:senior, role:one
p3, role:tight, claims.all, claim_id <> 2
p3, role:loose, claims.all, true
p2, role:fed, claims.regions, region, sql:'F'
p3, role:fed, crm.second, customer_id = 11
p3, role:nothing, *, false
p4, role:apart, crm.scored, fraud.score, never, "two of a kind"
"""
_CLAIMS = """
p3, role:*,     claims.all, claim_id > 1
p3, role:*,     claims.all, claim_id < 4
p3, role:one,   claims.all, claim_id = 2
p3, role:two,   claims.all, claim_id = 3
p3, role:every, claims.all, true
p3, zoe,        claims.all, claim_id = 3
p2, role:*,     claims.regions, region, null
p2, role:open,  claims.regions, region, clear
p2, role:other, claims.regions, region, first(1)
p3, domain:fraud, claims.open, amount > 100
p3, role:attr,  claims.claim, "amount = attr('amount', 'BIGINT')"
p3, role:attrs, claims.claim, region IN attrs('regions')
p3, role:user,  claims.claim, note = user()
p3, role:lead,  claims.claim, has_role('lead') AND NOT has_role('role:boss')
p3, role:date,  claims.claim, opened < current_date AND now() > today()
p3, role:own,   claims.totals, region = 'EU'
p3, role:under, lake.claim, region = 'EU'
p2, role:under, lake.claim, amount, null
p3, role:star,  *, claim_id = 1
"""
_CRM = """
p, domain:claims, crm.scored, declassify, allow
p3, role:deep,    crm_db.customer, region = 'EU'
p3, domain:fraud, crm.customer, false
p2, role:blind,   crm_db.customer, region, null
p3, role:blind,   crm.customer, region = 'EU'
p3, role:half,    crm_db.customer, customer_id > 10
p3, role:half,    crm.second, customer_id > 10
p3, role:prefix,  crm_db.*, customer_id = 10
p3, role:schema,  crm_db.main.*, customer_id = 11
p2, role:finder,  crm.customer, email, hide
p2, role:hash,    crm.customer, name, hash
p2, role:hash,    crm_db.customer, name, hash
"""
_FRAUD = "p3, role:score, fraud.score, score > 0.5\n"
_AS_DOMAIN = "/*---\nreads_as: domain\n---*/\n"
_PRODUCTS = {
    "claims/all": "SELECT * FROM lake.claim",
    "claims/regions": "SELECT claim_id, region FROM lake.claim",
    "fraud/over": "SELECT claim_id, name FROM claims.open",
    "crm/scored": "SELECT customer_id, score FROM crm_db.customer JOIN fraud.score ON claim_id = customer_id - 9",
    "crm/second": "SELECT customer_id, name FROM crm_db.customer",
    "claims/scored": f"{_AS_DOMAIN}SELECT count(*) AS n FROM crm.scored",
    "claims/second": f"{_AS_DOMAIN}SELECT count(*) AS n FROM crm.second",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    rules = {"federation": _FEDERATION, "claims": _CLAIMS, "crm": _CRM, "fraud": _FRAUD}
    with company(tmp_path_factory.mktemp("acme"), rules, _PRODUCTS) as made:
        assert made.governor.errors() == ()
        yield made


def who(*roles: str, user: str = "ana", **attributes: object) -> Principal:
    return Principal(user, frozenset({"role:analyst", *(f"role:{role}" for role in roles)}), attributes)


def first(app: App, sql: str, person: Principal) -> list[object]:
    return [row[0] for row in rows(app, sql, person)]


# ── who is asked ─────────────────────────────────────────────────────────────────────────────


def test_each_level_is_asked_of_its_own_domain_and_every_level_of_the_user(app: App) -> None:
    """``fraud.over`` reads ``claims.open`` as fraud, and that crm.customer as claims: fraud's rule there is not asked."""
    assert first(app, "SELECT claim_id FROM fraud.over", who()) == [2, 3, 4]
    assert first(app, "SELECT claim_id FROM fraud.over", who("deep")) == [3]
    assert first(app, "SELECT claim_id FROM claims.open", who("deep")) == [1, 3]


def test_a_declassify_lifts_the_file_of_its_owner_and_no_other(app: App) -> None:
    sql = "SELECT n FROM claims.scored"
    assert first(app, sql, who()) == [2]
    assert first(app, sql, who("half")) == [2]  # crm granted it, to the leaves
    assert first(app, sql, who("score")) == [1]  # fraud did not
    assert len(rows(app, "FROM crm.scored", who("half"))) == 1


def test_a_declassify_of_the_federation_lifts_the_federations_rules_alone(app: App) -> None:
    sql = "SELECT n FROM claims.second"
    assert first(app, sql, who("fed")) == [3]
    assert first(app, sql, who("half")) == [2]


def test_reads_as_domain_lifts_nothing_of_what_the_query_names(app: App) -> None:
    sql = "SELECT sum(amount), sum(claims) FROM claims.totals"
    assert rows(app, sql, who("under")) == [(1000, 4)]
    assert rows(app, sql, who("own")) == [(400, 2)]


def test_reads_as_domain_lifts_no_combination(app: App) -> None:
    with pytest.raises(AccessDenied, match="combine"):
        ask(app, "FROM claims.scored", who("apart"))
    assert len(rows(app, "FROM claims.second", who("apart"))) == 1


# ── how rules combine ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("roles", "user", "expected"),
    [
        ((), "ana", [2, 3]),  # the rules for everyone are ANDed
        (("one",), "ana", [2]),
        (("one", "two"), "ana", [2, 3]),  # those of roles are ORed
        (("senior",), "ana", [2]),  # inherited too
        (("one",), "zoe", [2, 3]),  # those of a name with them
        (("one", "plain"), "ana", [2]),  # a role without a rule does not widen
        (("one", "every"), "ana", [2, 3]),  # true does
        (("one", "tight"), "ana", []),  # files are ANDed
        (("two", "tight"), "ana", [3]),
        (("one", "loose"), "ana", [2]),  # and none loosens another
    ],
)
def test_row_rules_combine(app: App, roles: tuple[str, ...], user: str, expected: list[int]) -> None:
    assert first(app, "SELECT claim_id FROM claims.all", who(*roles, user=user)) == expected


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((), None),
        (("open",), "EU"),  # clear lifts that file's masks
        (("other",), "E***"),  # a role beats everyone
        (("open", "other"), "E***"),  # clear is for its subject only
        (("fed",), None),  # across files the stricter
        (("open", "fed"), "F"),  # clear lifts no other file's
        (("other", "fed"), "F"),  # of two others the federation's
    ],
)
def test_masks_combine(app: App, roles: tuple[str, ...], expected: str | None) -> None:
    assert first(app, "SELECT region FROM claims.regions WHERE claim_id = 1", who(*roles)) == [expected]


# ── what a rule sees ─────────────────────────────────────────────────────────────────────────


def test_a_rule_on_a_product_sees_its_parts_already_restricted(app: App) -> None:
    assert rows(app, "SELECT name FROM crm.customer", who("blind")) == []


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (who("attr", amount="300"), [3]),
        (who("attr", amount=300), [3]),
        (who("attrs", regions=["US", "UK"]), [2]),
        (who("attrs", regions=[]), []),
        (who("user", user="x"), [2]),
        (who("lead"), [1, 2, 3, 4]),
        (who("lead", "boss"), []),
        (who("date"), [1, 2, 3, 4]),
    ],
)
def test_a_rule_may_ask_who_asks_and_when(app: App, person: Principal, expected: list[int]) -> None:
    assert first(app, "SELECT claim_id FROM claims.claim", person) == expected


@pytest.mark.parametrize("amount", ["many", "1; DROP", [1, 2], None, 10**30])
def test_an_attribute_that_cannot_be_cast_is_a_refusal_that_names_it(app: App, amount: object) -> None:
    with pytest.raises(AccessDenied, match="'amount'") as refused:
        ask(app, "FROM claims.claim", who("attr", amount=amount))
    assert "many" not in str(refused.value)
    assert "DROP" not in str(refused.value)


# ── objects ──────────────────────────────────────────────────────────────────────────────────


def test_a_rule_on_everything_covers_products_and_sources_and_not_system(app: App) -> None:
    for name in ("claims.claim", "crm.customer", "fraud.score"):
        assert rows(app, f"FROM {name}", who("nothing")) == []
    for name in ("system.products", "information_schema.tables"):
        assert len(rows(app, f"FROM {name}", who("nothing"))) > 3


def test_a_prefix_covers_at_any_depth(app: App) -> None:
    assert rows(app, "SELECT name FROM crm.customer", who("prefix")) == [("Ana",)]
    assert rows(app, "SELECT name FROM crm.customer", who("schema")) == [("Bo",)]


def test_a_star_in_a_domains_file_covers_what_it_owns(app: App) -> None:
    assert first(app, "SELECT claim_id FROM claims.claim", who("star")) == [1]
    assert len(rows(app, "FROM fraud.score", who("star"))) == 2
    with pytest.raises(AccessDenied, match="does not fit"):  # it has no claim_id
        ask(app, "FROM claims.totals", who("star"))


# ── what a user may know ─────────────────────────────────────────────────────────────────────


def test_discover_shows_an_object_and_its_visible_columns_and_no_row(app: App) -> None:
    finder = Principal("fin", frozenset({"role:finder"}))
    products = "SELECT domain, name, owner FROM system.products"
    assert rows(app, products, finder) == [("crm", "customer", "crm-team@acme.example")]
    columns = "SELECT column_name FROM information_schema.columns WHERE table_schema NOT IN ('system', 'information_schema')"
    assert first(app, columns, finder) == ["customer_id", "name", "region"]
    for asked in ("FROM", "SELECT email FROM", "DESCRIBE", "EXPLAIN FROM"):
        with pytest.raises(AccessDenied, match=r"ask crm-team@acme\.example") as refused:
            ask(app, f"{asked} crm.customer", finder)
        assert "email" not in str(refused.value)


# ── masks ────────────────────────────────────────────────────────────────────────────────────


def test_hashes_of_equal_values_join_wherever_they_stand(app: App) -> None:
    sql = "SELECT count(*) FROM crm.customer c JOIN crm.second s ON c.name = s.name AND c.name <> 'Ana'"
    assert first(app, sql, who("hash")) == [3]
    (value,) = first(app, "SELECT name FROM crm.second WHERE customer_id = 10", who("hash"))
    assert len(str(value)) == 16


def test_tags_of_a_source_travel_along_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagged = "{path: claim.csv, format: csv, columns: {ssn: {tags: [pii]}}}"
    fabric = governed._FABRIC.replace("{path: claim.csv, format: csv}", tagged)
    assert tagged in fabric
    monkeypatch.setattr(governed, "_FABRIC", fabric)
    products = {
        "claims/shown": "SELECT claim_id, ssn AS s, upper(ssn) || '!' AS t FROM lake.claim",
        "claims/again": "SELECT region, count(*) AS n FROM claims.claim GROUP BY region",
        "claims/top": "SELECT max(s) AS u, min(CASE WHEN t LIKE '1%' THEN 1 END) AS v, count(s) AS n FROM claims.shown",
    }
    with company(tmp_path, {"federation": "p2, role:analyst, claims.*, tag:pii, null\n"}, products) as app:
        assert rows(app, "SELECT DISTINCT s, t FROM claims.shown") == [(None, None)]
        assert rows(app, "SELECT u, v FROM claims.top") == [(None, None)]
        assert rows(app, "SELECT sum(n) FROM claims.again") == [(4,)]  # no tag comes to what counts
        assert rows(app, "SELECT DISTINCT ssn FROM claims.claim") == [(None,)]


# ── loading ──────────────────────────────────────────────────────────────────────────────────


def wait_for(app: App, done: Callable[[], bool]) -> None:
    """A change counts within the second that the design promises; a file is looked at when rules are asked for."""
    until = time.monotonic() + 1.0 * PATIENCE
    while app.governor.version and not done() and time.monotonic() < until:
        time.sleep(0.02)
    assert done()


def now(app: App, sql: str) -> list[object]:
    """What a statement answers that was not described before."""
    with app.line.run(sql, ANA, Session()) as answer:
        return [value for batch in answer.batches() for value in batch.column(0).to_pylist()]


def policies(directory: Path, file: str, text: str) -> None:
    (directory / "policies" / f"{file}.csv").write_text(text)


def refuses(app: App, name: str) -> bool:
    try:
        now(app, f"FROM {name}")
    except (AccessDenied, NotFound):
        return True
    return False


def test_without_a_federation_file_that_ever_loaded_everything_refuses(tmp_path: Path) -> None:
    rules = {"federation": "p3, role:*, claims.claim\n", "claims": "p, ana, *, read, allow\n"}
    with company(tmp_path, rules) as app:
        for name in ("claims.claim", "crm.customer", "lake.claim", "system.products"):
            assert refuses(app, name)
        assert app.governor.errors()[0].startswith("policies/federation.csv:")
        policies(tmp_path, "federation", OPEN)
        wait_for(app, lambda: not refuses(app, "claims.claim"))


def test_a_domains_file_that_never_loaded_refuses_its_domain_alone(tmp_path: Path) -> None:
    with company(tmp_path, {"crm": "p2, role:*, crm.customer, email, hush\n"}) as app:
        assert refuses(app, "crm.customer")
        assert refuses(app, "claims.open")  # it rests on crm.customer
        assert len(rows(app, "FROM claims.claim")) == 4
        assert "policies/crm.csv:1" in app.governor.errors()[0]
        policies(tmp_path, "crm", "p2, role:*, crm.customer, email, hash\n")
        wait_for(app, lambda: not refuses(app, "crm.customer"))
        assert len(rows(app, "FROM claims.open")) == 4


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "p3, role:analyst, claims.claim, claim_id > 1\n"),
        ("p3, role:analyst, claims.claim, claim_id > 1\n", "p3, role:analyst, claims.claim, claim_id > 2\n"),
        ("p3, role:analyst, lake.claim, claim_id > 1\n", "p3, role:analyst, lake.claim, claim_id >= 3\n"),
        ("", "p2, role:analyst, lake.claim, claim_id, null\n"),
        ("p2, role:*, claims.claim, claim_id, bucket(2)\n", "p2, role:*, claims.claim, claim_id, bucket(3)\n"),
        ("p2, role:*, claims.claim, claim_id, sql:1\n", ""),
    ],
)  # fmt: skip
def test_a_changed_file_counts_within_a_second_and_what_was_described_is_refused(
    tmp_path: Path, before: str, after: str
) -> None:
    sql = "SELECT claim_id FROM claims.claim"
    with company(tmp_path, {"claims": before}) as app:
        shown, described = now(app, sql), app.line.describe(sql, ANA, Session())
        policies(tmp_path, "claims", after)
        wait_for(app, lambda: now(app, sql) != shown)
        with pytest.raises(PolicyChanged) as refused:
            app.line.run(sql, ANA, Session(), policy_version=described.policy_version)
        assert refused.value.retryable


def test_a_change_that_does_not_concern_a_statement_leaves_its_description_good(tmp_path: Path) -> None:
    sql = "SELECT claim_id FROM claims.claim"
    with company(tmp_path, {"claims": "p3, role:*, claims.claim, claim_id > 1\n"}) as app:
        described = app.line.describe(sql, ANA, Session())
        version = app.governor.version
        policies(tmp_path, "crm", "p3, role:*, crm.customer, false\n")
        wait_for(app, lambda: app.governor.version != version)
        app.line.run(sql, ANA, Session(), policy_version=described.policy_version).close()


@pytest.mark.parametrize("change", ["broken", "vanished"])
def test_the_last_good_version_serves(tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str) -> None:
    with company(tmp_path, {"claims": "p3, role:*, claims.claim, claim_id > 1\n"}) as app:
        assert len(rows(app, "FROM claims.claim")) == 3
        with caplog.at_level(logging.ERROR):
            if change == "vanished":
                (tmp_path / "policies" / "claims.csv").unlink()
            else:
                policies(tmp_path, "claims", "p3, role:*, claims.claim, true\ng, ana, role:boss\n")
            wait_for(app, lambda: bool(app.governor.errors()))
        assert "policies/claims.csv" in caplog.text
        assert len(rows(app, "FROM claims.claim")) == 3
        assert len(rows(app, "FROM crm.customer")) == 3
        policies(tmp_path, "claims", "")
        wait_for(app, lambda: len(now(app, "FROM claims.claim")) == 4)


def test_what_needs_a_schema_touches_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A column that goes, a table that is not there: both are reported."""
    rules = (
        "p3, role:ssn, lake.claim, ssn <> ''\n"
        "p2, role:mask, lake.claim, ssn, hash\n"
        "p3, role:lost, claims.claim, claim_id IN (SELECT id FROM lake.nothing)\n"
    )
    sql = "SELECT claim_id FROM claims.claim"
    with company(tmp_path, {"claims": rules}) as app:
        assert len(rows(app, sql, who("ssn"))) == 4
        with pytest.raises(AccessDenied, match="does not fit"):
            ask(app, sql, who("lost"))
        (tmp_path / "lake" / "claim.csv").write_text("claim_id,region\n1,EU\n2,US\n")
        app.catalog.refresh("lake").result()
        for role, at in (("ssn", 1), ("mask", 2)):
            caplog.clear()
            with pytest.raises(AccessDenied, match="does not fit"):
                ask(app, sql, who(role))
            assert f"policies/claims.csv:{at}" in caplog.text
        assert first(app, sql, who()) == [1, 2]
