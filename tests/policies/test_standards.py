"""The federation's standards: how they are read, what they demand, and where they are enforced."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabric.errors import ContractBroken, InvalidConfig
from fabric.pipeline import Session
from fabric.types import Principal
from policies.standards import StandardsFile, read_standards
from server.products import publish
from tests.policies.governed import App, company

CARL = Principal("carl", frozenset({"role:claims-owner"}))
EVERYTHING = """# what we agreed on
require: [owner, description]
names: snake_case
tag pii: must be masked for role:*
shared keys: {claim_id: BIGINT}
"""


def read(tmp_path: Path, text: str) -> list[tuple[str, str, str, str]]:
    file = tmp_path / "standards.yaml"
    file.write_text(text)
    return [(s.at, s.kind, s.what, s.value) for s in read_standards(file, "policies/standards.yaml")]


def test_every_standard_has_its_line(tmp_path: Path) -> None:
    at = "policies/standards.yaml:"
    assert read(tmp_path, EVERYTHING) == [
        (f"{at}2", "require", "owner", ""),
        (f"{at}2", "require", "description", ""),
        (f"{at}3", "names", "", ""),
        (f"{at}4", "tag", "pii", "role:*"),
        (f"{at}5", "shared", "claim_id", "BIGINT"),
    ]
    assert read(tmp_path, "") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("requires: [owner]", "policies/standards.yaml:1: requires: unknown key; did you mean 'require'?"),
        ("\nrequire: [owner, ownr]", "policies/standards.yaml:2: require[1]: 'ownr' cannot be required; did you mean 'owner'?"),
        ("require: owner", "policies/standards.yaml:1: require: it is a list, such as [owner, description]"),
        ("names: camelCase", "policies/standards.yaml:1: names: it is snake_case"),
        ("tag pii: must be hidden", "policies/standards.yaml:1: tag pii: it is 'must be masked for role:*', or for another role"),
        ("shared keys: {claim_id: BIGIN(}", "policies/standards.yaml:1: shared keys.claim_id: 'BIGIN(' is no type"),
        ("[owner]", "policies/standards.yaml:1: it is a mapping, such as require: [owner]"),
    ],
)  # fmt: skip
def test_what_is_no_standard_is_an_error_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidConfig) as error:
        read(tmp_path, text)
    assert error.value.message == told


def test_the_last_good_ones_stay_and_without_any_nothing_is_published(tmp_path: Path) -> None:
    file = tmp_path / "standards.yaml"
    file.write_text("nope: 1")
    first = StandardsFile(file, "policies/standards.yaml")
    first.refresh()
    assert first.standards is None
    file.write_text("require: [owner]")
    first.refresh()
    assert first.standards is not None
    assert len(first.standards) == 1
    file.write_text("nope: 12")
    first.refresh()
    assert len(first.standards) == 1
    assert "unknown key" in first.error
    file.unlink()
    first.refresh()
    assert (len(first.standards), first.error) == (1, "policies/standards.yaml: the file has vanished")


# ── enforced ─────────────────────────────────────────────────────────────────────────────────


def create(app: App, sql: str, name: str = "claims.late", comment: str = "x") -> None:
    statement = f"CREATE VIEW {name} COMMENT '{comment}' AS {sql}"
    with app.line.run(statement, CARL, Session()) as answer:
        list(answer.batches())


PRODUCTS = {
    "crm/contact": "/*---\nowner: c\ncolumns: {email: {tags: [pii]}, name: {tags: [pii]}}\n---*/\nSELECT email, name FROM crm_db.customer",
    "claims/aggregate": "/*---\nstatus: draft\nowner: o\ndescription: d\nreads_as: domain\n---*/\nSELECT name FROM crm.contact",
}
RULES = {
    "federation": "p2, role:*, *, tag:email, email\np2, role:*, crm_db.customer, name, first(1)\n",
}


@pytest.mark.parametrize(
    ("sql", "comment", "told"),
    [
        ("SELECT claim_id FROM lake.claim", "", "policies/standards.yaml:2: require: [owner, description]: claims.late has no description"),
        ("SELECT claim_id AS ClaimID FROM lake.claim", "x", "policies/standards.yaml:3: names: snake_case: 'ClaimID' of claims.late is not"),
        ("SELECT claim_id::VARCHAR AS claim_id FROM lake.claim", "x", "policies/standards.yaml:5: shared keys: claim_id is BIGINT: column 'claim_id' of claims.late is VARCHAR"),
        ("SELECT email AS mail FROM crm.contact", "x", "policies/standards.yaml:4: tag pii: must be masked for role:*: column 'mail' of claims.late is not"),
        ("SELECT claim_id FROM lake.claim", "x", ""),
        ("SELECT upper(name) AS loud FROM crm.contact", "x", ""),  # it is masked beneath
        ("SELECT count(email) AS mails FROM crm.contact", "x", ""),
    ],
)  # fmt: skip
def test_what_does_not_meet_them_is_not_published(tmp_path: Path, sql: str, comment: str, told: str) -> None:
    with company(tmp_path, RULES, PRODUCTS) as app:
        (tmp_path / "policies" / "standards.yaml").write_text(EVERYTHING)
        if not told:
            create(app, sql, comment=comment)
            return
        with pytest.raises(ContractBroken) as error:
            create(app, sql, comment=comment)
        assert error.value.message == told
        (tmp_path / "policies" / "standards.yaml").unlink()


def test_what_reads_as_its_domain_is_masked_itself_or_not_at_all(tmp_path: Path) -> None:
    with company(tmp_path, RULES, PRODUCTS):
        pass
    (tmp_path / "policies" / "standards.yaml").write_text(EVERYTHING)
    with pytest.raises(ContractBroken, match=r"column 'name' of claims\.aggregate is not"):
        publish(tmp_path, "claims.aggregate")
    rules = tmp_path / "policies" / "claims.csv"
    rules.write_text("p2, role:*, claims.aggregate, name, null\n")
    assert publish(tmp_path, "claims.aggregate")[0] == "published claims.aggregate 1.0.0"


def test_while_they_do_not_load_nothing_is_published(tmp_path: Path) -> None:
    with company(tmp_path, {}):
        pass
    (tmp_path / "policies" / "standards.yaml").write_text("nope: 1\n")
    (tmp_path / "products/claims/d.sql").write_text("/*---\nstatus: draft\n---*/ SELECT 1 AS x")
    with pytest.raises(ContractBroken, match="does not load: nothing is published"):
        publish(tmp_path, "claims.d")
