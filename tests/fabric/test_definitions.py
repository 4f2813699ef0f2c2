"""CREATE VIEW, DROP VIEW, COMMENT ON: who may, what is written, what is refused, and what nobody learns from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import (
    AccessDenied,
    ContractBroken,
    FabricError,
    InvalidValue,
    NotFound,
    NotSupported,
    SyntaxProblem,
)
from fabric.pipeline import Session
from fabric.types import Principal
from policies.scope import ScopedPrincipal
from tests.policies.governed import ANA, EVE, App, company, rows

CARL = Principal("carl", frozenset({"role:claims-owner"}))
CORA = Principal("cora", frozenset({"role:crm-owner"}))
WIM = Principal("wim")
RULES = {"federation": "p, wim, claims.late, publish, allow\np, eve, claims.claim, read, allow\n"}

CONTRACTED = """/*---
# who to call
owner: claims-team@acme.example   # day and night
version: 1.2.0
columns:
  claim_id: {type: BIGINT, required: true, unique: true}   # the number on the letter
---*/
SELECT claim_id, region, amount FROM lake.claim
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, RULES, {"claims/contracted": CONTRACTED}) as app:
        yield app


def run(app: App, sql: str, who: Principal = CARL, schema: str | None = None) -> None:
    described = app.line.describe(sql, who, Session(schema))
    with app.line.run(sql, who, Session(schema), (), described.policy_version) as answer:
        assert described.schema == answer.schema
        (batch,) = answer.batches()
        assert batch.schema.names == ["product", "state"]
        assert batch.num_rows == 1


def refused(app: App, sql: str, who: Principal = CARL) -> FabricError:
    before = files(app)
    with pytest.raises(FabricError) as caught:
        run(app, sql, who)
    assert files(app) == before
    return caught.value


def text(app: App, name: str) -> str:
    return (app.config.directory / "products" / name).read_text()


def files(app: App) -> dict[str, str]:
    folder = app.config.directory / "products"
    return {
        str(f.relative_to(folder)): f.read_text()
        for f in sorted(folder.rglob("*"))
        if f.suffix in (".sql", ".yaml")
    }


# ── what is written ──────────────────────────────────────────────────────────────────────────


def test_a_view_serves_at_once_and_is_a_file(app: App) -> None:
    run(
        app,
        "CREATE VIEW claims.big AS SELECT claim_id, amount -- in euro\nFROM lake.claim WHERE amount > 100; -- end",
    )
    assert rows(app, "SELECT claim_id FROM claims.big") == [(2,), (3,), (4,)]
    assert text(app, "claims/big.sql") == (
        '/*---\nowner: carl\ndescription: ""\nversion: 1.0.0\nstatus: active\n---*/\n'
        "SELECT claim_id, amount -- in euro\nFROM lake.claim WHERE amount > 100\n"
    )
    assert "amount: {type: BIGINT}" in text(app, "claims/big@1.contract.yaml")
    run(app, "CREATE OR REPLACE VIEW Claims.BIG COMMENT 'Big ones: it''s */ all' AS FROM lake.claim")
    assert app.catalog.products.find("claims", "big").description == "Big ones: it's */ all"  # type: ignore[union-attr]
    run(app, "DROP VIEW claims.big")
    assert "claims/big.sql" not in files(app)
    assert "claims/big@1.contract.yaml" not in files(app)
    with pytest.raises(NotFound):
        rows(app, "FROM claims.big", CARL)
    run(app, "DROP VIEW IF EXISTS claims.big")


def test_the_metadata_of_a_file_stays_as_it_stands(app: App) -> None:
    run(
        app,
        "CREATE OR REPLACE VIEW claims.contracted AS SELECT claim_id, region, amount, note FROM lake.claim",
    )
    front = CONTRACTED.partition("---*/")[0]
    assert text(app, "claims/contracted.sql") == (
        f"{front}---*/\nSELECT claim_id, region, amount, note FROM lake.claim\n"
    )


def test_comments_go_into_the_metadata(app: App) -> None:
    run(app, "COMMENT ON VIEW claims.contracted IS 'What we know'")
    run(app, "COMMENT ON COLUMN claims.contracted.CLAIM_ID IS 'Its number'")
    run(app, "COMMENT ON COLUMN claims.contracted.region IS 'EU, US'")
    written = text(app, "claims/contracted.sql")
    assert "# who to call\n" in written
    assert "   # the number on the letter\n" in written
    found = rows(app, "SELECT name, description FROM system.columns WHERE product = 'contracted'")
    assert found == [("amount", ""), ("claim_id", "Its number"), ("region", "EU, US")]
    assert rows(app, "SELECT description FROM system.products WHERE name = 'contracted'") == [
        ("What we know",)
    ]
    run(app, "COMMENT ON VIEW claims.contracted IS NULL")
    assert rows(app, "SELECT description FROM system.products WHERE name = 'contracted'") == [("",)]
    run(app, "COMMENT ON VIEW claims.claim IS 'one without metadata'")
    assert text(app, "claims/claim.sql").startswith('/*---\ndescription: "one without metadata"\n---*/\n')


def test_a_session_schema_completes_the_name(app: App) -> None:
    run(app, "CREATE VIEW short AS FROM lake.claim", schema="claims")
    assert "claims/short.sql" in files(app)
    assert isinstance(refused(app, "CREATE VIEW shorter AS FROM lake.claim"), NotFound)
    run(app, "CREATE VIEW acme.claims.longer AS FROM lake.claim")
    assert "claims/longer.sql" in files(app)


def test_a_second_major_version_stands_beside_the_first(app: App) -> None:
    run(app, 'CREATE VIEW claims."contracted@2" AS SELECT claim_id FROM claims."contracted@1"')
    assert rows(app, "FROM claims.contracted") == [(1,), (2,), (3,), (4,)]
    assert len(rows(app, 'FROM claims."contracted@1"')[0]) == 3
    assert rows(app, 'FROM claims."contracted@2"') == rows(app, "FROM claims.contracted")
    found = rows(app, "SELECT name, version FROM system.products WHERE name LIKE 'contracted%'")
    assert found == [("contracted", "2.0.0"), ("contracted@1", "1.2.0")]


def test_what_is_done_is_written_down_before_and_after(app: App) -> None:
    assert app.audit is not None
    run(app, "CREATE VIEW claims.big AS FROM lake.claim")
    refused(app, "CREATE VIEW claims.big AS FROM lake.claim")
    records = app.audit.records("carl", 100)
    told = [(row[3], row[4], row[6] or "") for row in records]
    assert ("intent", "allowed", "CREATE VIEW claims.big AS FROM lake.claim") in told
    assert sum(event == "intent" and decision == "error" for event, decision, _ in told) == 1
    (query,) = [row for row in app.journal.queries("carl") if "CREATE" in row[2]]
    assert query[3] == "succeeded"


def test_what_the_audit_cannot_take_is_not_done(app: App) -> None:
    assert app.audit is not None
    app.audit.close()
    assert refused(app, "CREATE VIEW claims.big AS FROM lake.claim").code == "AUDIT_UNAVAILABLE"


def test_of_two_who_create_the_same_one_is_told(app: App) -> None:
    said: list[str] = []

    def create(number: int) -> None:
        try:
            run(app, f"CREATE VIEW claims.race AS SELECT {number} AS n")
            said.append("done")
        except InvalidValue:
            said.append("there")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == ["done"] + ["there"] * 5


# ── what is refused ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("CREATE VIEW claims.x AS SELECT nope FROM lake.claim", InvalidValue, "nope"),
        ("CREATE VIEW claims.x AS SELECT * FROM lake.nope", NotFound, "lake.nope"),
        ("CREATE VIEW claims.x AS SELECT ? AS a", InvalidValue, "no parameters"),
        ("CREATE VIEW claims.claim AS SELECT 1 AS a", InvalidValue, "there already"),
        ("CREATE VIEW claims.x AS FROM system.products", NotSupported, "no table of the fabric's own"),
        ('CREATE VIEW claims."../x" AS SELECT 1 AS a', InvalidValue, "letters, digits"),
        ('CREATE VIEW claims."x.sql" AS SELECT 1 AS a', InvalidValue, "letters, digits"),
        ('CREATE VIEW claims."x@0" AS SELECT 1 AS a', InvalidValue, "letters, digits"),
        ("CREATE VIEW claims.x(a) AS SELECT 1", NotSupported, "columns' names"),
        ("CREATE TABLE claims.x AS SELECT 1 AS a", NotSupported, "nothing but views"),
        ("CREATE VIEW claims.x AS DROP VIEW claims.y", FabricError, ""),
        ("CREATE VIEW claims.x AS SELECT 1 AS a; SELECT 2", FabricError, ""),
        ("CREATE VIEW claims.x AS FROM read_csv('/etc/passwd')", FabricError, ""),
        ("CREATE VIEW claims.x", SyntaxProblem, "AS and a SELECT"),
        ("DROP TABLE claims.claim", NotSupported, "nothing but views"),
        ("DROP VIEW claims.claim CASCADE", SyntaxProblem, "CASCADE"),
        ("DROP VIEW claims.nope", NotFound, "claims.nope"),
        ("COMMENT ON TABLE claims.claim IS 'x'", NotSupported, "views and their columns"),
        ("COMMENT ON COLUMN claims.claim.nope IS 'x'", NotFound, "nope"),
        ("EXPLAIN CREATE VIEW claims.x AS SELECT 1 AS a", NotSupported, ""),
        ("CREATE OR REPLACE VIEW claims.contracted AS SELECT claim_id::INTEGER AS claim_id, region, amount FROM lake.claim",
         ContractBroken, "is INTEGER, and its contract says BIGINT"),
        ("CREATE OR REPLACE VIEW claims.contracted AS SELECT region, amount FROM lake.claim",
         ContractBroken, "has a column 'claim_id'"),
    ],
)  # fmt: skip
def test_what_is_no_product_is_refused(app: App, sql: str, error: type[FabricError], message: str) -> None:
    told = refused(app, sql)
    assert isinstance(told, error), told
    assert message in told.message
    assert told.hint or isinstance(told, ContractBroken | NotSupported)


def test_a_circle_is_named(app: App) -> None:
    run(app, "CREATE VIEW claims.a AS SELECT 1 AS x")
    run(app, "CREATE VIEW claims.b AS SELECT x FROM claims.a")
    told = refused(app, "CREATE OR REPLACE VIEW claims.a AS SELECT x FROM claims.b")
    assert told.message == "a product cannot rest on itself: claims.a → claims.b → claims.a"
    told = refused(app, "CREATE OR REPLACE VIEW claims.a AS SELECT x FROM claims.a")
    assert told.message == "a product cannot rest on itself: claims.a → claims.a"
    # A second version takes the bare name, and would read itself.
    told = refused(app, 'CREATE VIEW claims."a@2" AS SELECT x FROM claims.a')
    assert told.message == "a product cannot rest on itself: claims.a → claims.a"


def test_a_breaking_change_names_who_it_would_hit(app: App) -> None:
    run(app, "CREATE OR REPLACE VIEW claims.contracted AS SELECT claim_id, region, amount FROM lake.claim")
    run(app, "CREATE VIEW claims.over AS SELECT amount FROM claims.contracted")
    rows(app, "SELECT amount FROM claims.contracted")
    rows(app, "SELECT region FROM claims.contracted")
    told = refused(app, "CREATE OR REPLACE VIEW claims.contracted AS SELECT claim_id, region FROM lake.claim")
    assert isinstance(told, ContractBroken)
    assert told.message == (
        "claims.contracted breaks what version 1.2.0 promised: column 'amount' is gone "
        "(products that read it: claims.over; users whose queries name it: ana (1 query: amount))"
    )
    assert told.hint == 'a breaking change is a new major version: claims."contracted@2"'
    run(
        app,
        "CREATE OR REPLACE VIEW claims.contracted AS SELECT claim_id, region, amount, 1 AS more FROM lake.claim",
    )


def test_what_others_read_is_not_dropped(app: App) -> None:
    run(app, "CREATE VIEW claims.over AS SELECT amount FROM claims.contracted")
    told = refused(app, "DROP VIEW claims.contracted")
    assert told.message == "'claims.contracted' is read by claims.over"


# ── who may, and what nobody learns ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "form",
    [
        "CREATE VIEW {} AS SELECT 1 AS x",
        "CREATE OR REPLACE VIEW {} AS SELECT nope FROM lake.claim",
        "CREATE OR REPLACE VIEW {} AS SELECT * FROM crm_db.customer",
        "DROP VIEW {}",
        "COMMENT ON VIEW {} IS 'x'",
        "COMMENT ON COLUMN {}.amount IS 'x'",
    ],
)
def test_what_is_there_and_what_is_not_answer_alike_without_rights(app: App, form: str) -> None:
    said = set()
    for name in ("claims.totals", "claims.absent", "nowhere.totals", "system.totals", "crm.customer"):
        told = refused(app, form.format(name), EVE)
        assert isinstance(told, NotFound)
        said.add(str(told).replace(name, "…"))
    assert len(said) == 1
    assert isinstance(refused(app, form.format("claims.claim"), EVE), AccessDenied)  # that one she may read


def test_dropping_if_exists_tells_nothing(app: App) -> None:
    for name in ("claims.totals", "claims.absent", "nowhere.x"):
        run(app, f"DROP VIEW IF EXISTS {name}", EVE)
    assert "claims/totals.sql" in files(app)
    assert isinstance(refused(app, "DROP VIEW IF EXISTS claims.claim", EVE), AccessDenied)


def test_reading_is_no_right_to_define(app: App) -> None:
    assert isinstance(refused(app, "CREATE VIEW claims.mine AS SELECT 1 AS x", ANA), NotFound)
    told = refused(app, "CREATE OR REPLACE VIEW claims.contracted AS SELECT 1 AS claim_id", ANA)
    assert (type(told), told.message) == (
        AccessDenied,
        "'claims.contracted': not allowed; ask claims-team@acme.example",
    )


def test_a_right_to_publish_one_product_is_for_that_one(app: App) -> None:
    run(app, "CREATE VIEW claims.late AS SELECT claim_id FROM lake.claim", WIM)
    run(app, 'CREATE VIEW claims."late@2" AS SELECT claim_id, region FROM lake.claim', WIM)
    assert isinstance(refused(app, "CREATE VIEW claims.later AS SELECT 1 AS x", WIM), NotFound)
    assert isinstance(refused(app, "DROP VIEW claims.totals", WIM), NotFound)


def test_a_body_reads_with_the_rights_of_its_domain(app: App) -> None:
    run(app, "CREATE VIEW claims.people AS SELECT name FROM crm.customer")
    there = refused(app, "CREATE VIEW claims.x AS SELECT * FROM crm_db.customer")
    absent = refused(app, "CREATE VIEW claims.x AS SELECT * FROM crm_db.nobody")
    assert str(there).replace("customer", "nobody") == str(absent)
    # A column that it has, or has not, is judged after that.
    assert str(refused(app, "CREATE VIEW claims.x AS SELECT nope FROM crm_db.customer")) == str(there)


def test_what_a_domain_may_know_of_and_not_read_names_its_owner(tmp_path: Path) -> None:
    rules = {"federation": "p, domain:claims, crm_db.*, discover, allow\n"}
    with company(tmp_path, rules) as app:
        told = refused(app, "CREATE VIEW claims.x AS SELECT * FROM crm_db.customer")
        assert (type(told), told.message) == (
            AccessDenied,
            "'crm_db.customer': not allowed; ask role:crm-owner",
        )


def test_what_a_domain_may_not_combine_it_cannot_define(tmp_path: Path) -> None:
    rules = {"federation": 'p4, domain:claims, crm.customer, fraud.score, never, "board 12"\n'}
    with company(tmp_path, rules) as app:
        told = refused(app, "CREATE VIEW claims.x AS SELECT 1 AS x FROM crm.customer, fraud.score")
        assert "may not be combined: board 12" in told.message


def test_a_circle_through_others_names_only_what_its_domain_knows(tmp_path: Path) -> None:
    products = {
        "claims/a": "SELECT 1 AS x",
        "crm/b": "SELECT x FROM fraud.secret",
        "fraud/secret": "SELECT x FROM claims.a",
    }
    rules = {
        "federation": "p, domain:crm, *, read, allow\np, domain:fraud, *, read, allow\np, domain:claims, fraud.secret, read, deny\n"
    }
    with company(tmp_path, rules, products) as app:
        told = refused(app, "CREATE OR REPLACE VIEW claims.a AS SELECT x FROM crm.b")
        assert told.message == "a product cannot rest on itself: claims.a → crm.b → … → claims.a"


def test_whom_it_hits_is_told_as_far_as_one_may_know(app: App) -> None:
    run(app, "CREATE VIEW claims.late AS SELECT claim_id, amount FROM lake.claim", WIM)
    run(app, "CREATE VIEW claims.hidden AS SELECT amount FROM claims.late")
    rows(app, "SELECT amount FROM claims.late")
    told = refused(app, "CREATE OR REPLACE VIEW claims.late AS SELECT claim_id FROM lake.claim", WIM)
    assert told.message.endswith("column 'amount' is gone")  # neither claims.hidden nor ana
    told = refused(app, "DROP VIEW claims.late", WIM)
    assert told.message == "'claims.late' is read by products of other domains"


def test_a_token_defines_what_its_roles_may(app: App) -> None:
    token = ScopedPrincipal("carl", CARL.roles, {}, frozenset({"role:other"}))
    assert isinstance(refused(app, "CREATE VIEW claims.x AS SELECT 1 AS x", token), NotFound)


def test_no_text_ends_the_metadata_early(app: App) -> None:
    for evil in ("x ---*/ SELECT 1 /*---", "---*/", "a\nreads_as: domain", "*/", '"\n---*/\nSELECT 2'):
        sql = evil.replace("'", "''")
        run(app, f"CREATE OR REPLACE VIEW claims.evil COMMENT '{sql}' AS SELECT 42 AS x")
        run(app, f"COMMENT ON COLUMN claims.evil.x IS '{sql}'")
        product = app.catalog.products.find("claims", "evil")
        assert product is not None
        assert (product.description, product.sql, product.reads_as_domain) == (evil, "SELECT 42 AS x", False)
    run(app, "DROP VIEW claims.evil")
    run(app, "CREATE VIEW claims.evil AS /*---\nreads_as: domain\n---*/ SELECT 1 AS x", CARL)
    assert not app.catalog.products.find("claims", "evil").reads_as_domain  # type: ignore[union-attr]


def test_a_column_that_is_hidden_from_one_cannot_be_commented_on(tmp_path: Path) -> None:
    rules = {
        "federation": "p, wim, claims.claim, publish, allow\np, wim, claims.claim, read, allow\np2, wim, claims.claim, ssn, hide\n"
    }
    with company(tmp_path, rules) as app:
        hidden = refused(app, "COMMENT ON COLUMN claims.claim.ssn IS 'x'", WIM)
        absent = refused(app, "COMMENT ON COLUMN claims.claim.nope IS 'x'", WIM)
        assert str(hidden).replace("ssn", "nope") == str(absent)
