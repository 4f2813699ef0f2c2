"""diff, publish and the tests of contracts over a project's files, as the command line calls them."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, ContractBroken, FabricError, InvalidConfig, InvalidValue, NotFound
from fabric.product_marks import read_marks
from fabric.types import Principal
from server.app import build
from server.product_tests import run_product_tests
from server.products import diff, publish
from tests.policies.governed import ANA, ask, company
from tests.server.cli.test_policy_commands import ripstop

FRONT = """/*---
owner: claims-team@acme.example
version: {version}
status: {status}   # for now
columns:
  claim_id: {{type: BIGINT, required: true, unique: true}}
  customer_id: {{unique: {unique}}}
quality:
  - {{name: amount is positive, sql: "amount > 0"}}
  - {{name: opened is in 2024, sql: "opened < DATE '2025-01-01'"}}
on_violation: {on}
---*/
{sql}
"""
SQL = "SELECT claim_id, customer_id, amount, opened FROM lake.claim"
RULES = {"claims": "p3, role:*, lake.claim, region = 'EU'\n"}


def text(
    version: str = "1.0.0", status: str = "draft", unique: str = "false", on: str = "mark", sql: str = SQL
) -> str:
    return FRONT.format(version=version, status=status, unique=unique, on=on, sql=sql)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, RULES, {"claims/late": text()}) as app:
        ask(app, "SELECT amount, claim_id FROM claims.claim", ANA)
    return directory


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "acme"))


def write(project: Path, name: str = "claims/late", **said: str) -> None:
    (project / f"products/{name}.sql").write_text(text(**said))


def written(project: Path, name: str) -> str:
    return (project / "products" / name).read_text()


# ── publish, diff ────────────────────────────────────────────────────────────────────────────


def test_publishing_makes_a_draft_active_and_writes_its_promise_down(project: Path) -> None:
    status, out, err = ripstop(project, "product", "publish", "claims.late")
    assert (status, err) == (0, "")
    assert (
        out
        == "published claims.late 1.0.0\ncommit products/claims/late.sql and products/claims/late@1.contract.yaml\n"
    )
    assert written(project, "claims/late.sql") == text(status="active")
    assert "claim_id: {type: BIGINT, required: true, unique: true}" in written(
        project, "claims/late@1.contract.yaml"
    )
    with closing(build(project)) as app:
        assert ask(app, "FROM claims.late", ANA).num_rows
        assert ask(app, "SELECT customer_id FROM claims.late", ANA).num_rows


def test_a_breaking_change_is_refused_and_names_whom_it_hits(project: Path) -> None:
    publish(project, "claims.late")
    (project / "products/claims/over.sql").write_text("SELECT amount FROM claims.late")
    with closing(build(project)) as app:
        ask(app, "SELECT amount FROM claims.late WHERE claim_id = 1", ANA)
    (project / "products/claims/late.sql").write_text(
        text(status="active", sql="SELECT claim_id, customer_id, opened FROM lake.claim")
    )
    status, out, _err = ripstop(project, "product", "diff", "claims.late")
    assert status == 1
    assert "  breaking  column 'amount' is gone\n" in out
    assert "products that read it: claims.over; users whose queries name it: ana (1 query: amount)" in out
    before = written(project, "claims/late@1.contract.yaml")
    with pytest.raises(
        ContractBroken, match=r"column 'amount' is gone \(products that read it: claims.over; users"
    ):
        publish(project, "claims.late")
    assert written(project, "claims/late@1.contract.yaml") == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sql": "SELECT claim_id, customer_id, amount::SMALLINT AS amount, opened FROM lake.claim"}, "column 'amount' has another type: BIGINT → SMALLINT"),
        ({"sql": SQL.replace("amount", "amount::VARCHAR AS amount")}, "another type: BIGINT → VARCHAR"),
    ],
)  # fmt: skip
def test_what_breaks(project: Path, change: dict[str, str], told: str) -> None:
    publish(project, "claims.late")
    write(project, status="active", **change)
    with pytest.raises(ContractBroken, match=told):
        publish(project, "claims.late")
    write(project, version="2.0.0", status="active", **change)
    said = publish(project, "claims.late")
    assert said[0] == "published claims.late 2.0.0"
    assert said[2] == "version 1.0.0 is served no more: those who read it get version 2.0.0"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "required: true, unique: true",
            "unique: true",
            "column 'claim_id' may be NULL: it is required no more",
        ),
        ("required: true, unique: true", "required: true", "nothing says any more what one row is"),
    ],
)
def test_what_is_promised_no_more_breaks_too(project: Path, old: str, new: str, told: str) -> None:
    publish(project, "claims.late")
    file = project / "products/claims/late.sql"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ContractBroken, match=told):
        publish(project, "claims.late")


def test_what_widens_or_is_new_breaks_nothing(project: Path) -> None:
    publish(project, "claims.late")
    write(
        project,
        version="1.1.0",
        status="active",
        sql=SQL.replace("amount", "amount::HUGEINT AS amount, note"),
    )
    found = diff(project, "claims.late")
    assert [(c.column, c.breaking) for c in found.changes] == [("amount", False), ("note", False)]
    publish(project, "claims.late")
    assert "version: 1.1.0" in written(project, "claims/late@1.contract.yaml")
    assert diff(project, "claims.late").changes == ()
    write(
        project,
        version="1.0.0",
        status="active",
        sql=SQL.replace("amount", "amount::HUGEINT AS amount, note"),
    )
    with pytest.raises(ContractBroken, match=r"says version 1\.0\.0, and 1\.1\.0 is published"):
        publish(project, "claims.late")


def test_a_second_version_is_compared_with_the_first_and_stands_beside_it(project: Path) -> None:
    publish(project, "claims.late")
    write(
        project,
        "claims/late@2",
        version="2.0.0",
        sql="SELECT claim_id, customer_id, amount, opened, note FROM lake.claim",
    )
    found = diff(project, "claims.late@2")
    assert (found.refused, [c.column for c in found.changes]) == (False, ["note"])
    assert publish(project, "claims.late@2")[2:] == []
    with closing(build(project)) as app:
        assert "note" in ask(app, "FROM claims.late", ANA).column_names
        assert "note" not in ask(app, 'FROM claims."late@1"', ANA).column_names


def test_what_cannot_be_published(project: Path) -> None:
    with pytest.raises(NotFound) as told:
        publish(project, "claims.lat")
    assert told.value.hint == "did you mean 'claims.late'?"
    write(project, sql="SELECT nope FROM lake.claim")
    with pytest.raises(InvalidValue, match="nope"):
        publish(project, "claims.late")
    with pytest.raises(InvalidConfig, match="nope"):
        diff(project, "claims.late")
    write(project, sql="SELECT claim_id, customer_id, 1 AS amount, opened FROM lake.claim, crm_db.customer")
    with pytest.raises((AccessDenied, NotFound)):
        publish(project, "claims.late")
    write(project, status="retired")
    with pytest.raises(InvalidValue, match="is retired"):
        publish(project, "claims.late")
    write(project, status="lively")
    with pytest.raises(InvalidConfig, match="status"):
        publish(project, "claims.late")
    assert not (project / "products/claims/late@1.contract.yaml").exists()


# ── the contract as queries ──────────────────────────────────────────────────────────────────


def verdicts(project: Path) -> dict[str, str]:
    return {verdict.test: verdict.problem for verdict in run_product_tests(project)}


def test_the_contract_is_asked_of_every_row_whatever_people_may_see(project: Path) -> None:
    write(project, status="active", unique="true")
    assert verdicts(project) == {
        "claims.late: claim_id is required": "",
        "claims.late: claim_id is unique": "",
        "claims.late: customer_id is unique": "1 row breaks it",
        "claims.late: amount is positive": "",
        "claims.late: opened is in 2024": "1 row breaks it",  # of another region than people may see
    }
    (mark,) = read_marks(project / ".ripstop/quality.json").values()
    assert mark.failed == ("customer_id is unique", "opened is in 2024")


def test_a_violation_is_served_as_its_file_says_and_mended_by_the_next_test(project: Path) -> None:
    write(project, status="active", on="refuse")
    status, out, _ = ripstop(project, "test")
    assert status == 1
    assert "FAILED  claims.late: opened is in 2024\n    1 row breaks it\n" in out
    with closing(build(project)) as app:
        with pytest.raises(FabricError) as told:
            ask(app, "FROM claims.late", ANA)
        assert told.value.code == "PRODUCT_VIOLATED"
        (row,) = ask(
            app,
            "SELECT state, reason FROM system.products WHERE name = 'late'",
            Principal("carl", frozenset({"role:claims-owner"})),
        ).to_pylist()
        assert row == {"state": "violated", "reason": "its data breaks 'opened is in 2024'"}
    lake = project / "lake/claim.csv"
    lake.write_text(lake.read_text().replace("2025-06-01", "2024-06-01"))
    assert set(verdicts(project).values()) == {""}
    with closing(build(project)) as app:
        assert ask(app, "FROM claims.late", ANA).num_rows


def test_a_rule_that_is_none_fails_and_a_source_that_is_away_judges_nothing(project: Path) -> None:
    write(project, status="active")
    file = project / "products/claims/late.sql"
    file.write_text(file.read_text().replace("amount > 0", "nope > 0"))
    found = verdicts(project)
    assert found["claims.late: amount is positive"].startswith("the query failed: ")
    assert found["claims.late: opened is in 2024"] == "1 row breaks it"
    (before,) = read_marks(project / ".ripstop/quality.json").values()
    assert before.failed == ("amount is positive", "opened is in 2024")
    (project / "lake/claim.csv").rename(project / "lake/gone")
    assert all(problem for problem in verdicts(project).values())
    (after,) = read_marks(project / ".ripstop/quality.json").values()
    assert after.failed == before.failed


def test_a_rule_reads_no_more_than_its_domain_may(project: Path) -> None:
    write(project, status="active")
    file = project / "products/claims/late.sql"
    file.write_text(file.read_text().replace("amount > 0", "(SELECT count(*) FROM crm_db.customer) > 99"))
    assert "crm_db.customer" in verdicts(project)["claims.late: amount is positive"]


def aged(project: Path, name: str, hours: float) -> None:
    at = time.time() - hours * 3600
    os.utime(project / name, (at, at))


def test_freshness_is_that_of_the_newest_file_beneath(project: Path) -> None:
    text = "/*---\nfreshness: 2h\n---*/\nSELECT claim_id FROM {}"
    (project / "products/claims/late.sql").write_text(text.format("lake.claim"))
    (project / "products/claims/scored.sql").write_text(text.format("claims.risk"))
    (project / "products/claims/mixed.sql").write_text(text.format("claims.open"))  # of a database too
    aged(project, "lake/claim.csv", 1)
    aged(project, "fraud/score.csv", 5)
    assert verdicts(project) == {"claims.late: freshness": "", "claims.scored: freshness": ""}
    aged(project, "lake/claim.csv", 3)
    found = verdicts(project)
    assert re.fullmatch(
        r"the newest of its files is 10,8\d\d s old, and 7,200 s are promised",
        found["claims.late: freshness"],
    )
    assert found["claims.scored: freshness"]
    with closing(build(project)) as app:
        (row,) = ask(app, "SELECT state, freshness FROM system.products WHERE name = 'late'", ANA).to_pylist()
        assert row == {"state": "violated", "freshness": 7200.0}
    aged(project, "lake/claim.csv", 0)
    assert set(verdicts(project).values()) == {""}


def test_of_files_that_a_domain_may_not_read_it_learns_no_age(project: Path) -> None:
    (project / "products/claims/late.sql").write_text("SELECT claim_id FROM lake.claim")
    (project / "products/crm").mkdir(exist_ok=True)
    (project / "products/crm/spied.sql").write_text(
        "/*---\nfreshness: 2h\n---*/\nSELECT score FROM scores.score"
    )
    aged(project, "fraud/score.csv", 5)
    told = verdicts(project)["crm.spied: freshness"]
    assert told.startswith("the query failed: ")
    assert " s old" not in told
    (project / "fraud/score.csv").rename(project / "fraud/gone")
    assert verdicts(project)["crm.spied: freshness"] == told
