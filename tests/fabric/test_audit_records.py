"""What stands in a record of the audit, and what never does."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlglot import exp

from fabric.audit import Audit
from fabric.audit_records import AuditDecision, Intent, Reading, judged, readings
from fabric.errors import (
    AccessDenied,
    FabricError,
    InternalError,
    NotFound,
    NotSupported,
    PolicyChanged,
    SyntaxProblem,
    Timeout,
    Unreachable,
)
from fabric.secrets import Secrets
from fabric.types import (
    Column,
    Decision,
    Governed,
    Mask,
    Principal,
    Product,
    Relation,
    Resolved,
    RowFilter,
    ScanReceipt,
    Table,
    TableName,
)
from tests.fabric.audits import ANA, KEY, Ended, bodies, found, intent
from tests.policies import governed as acme

SECRET = "s3cret'\"\\ü"


def written(
    folder: Path, *intents: Intent, ended: Ended | None = None, secrets: Secrets | None = None
) -> list[dict]:
    """The records of intents and an outcome, start and stop left out."""
    audit = Audit(folder, KEY, redact=(secrets or Secrets()).redact)
    for each in intents:
        audit.intent(each)
    if ended is not None:
        audit.outcome(ended, "ana", executed="SELECT 1 FROM r_0", seconds={"parse": 0.0012345678})
    audit.close()
    assert not found(folder)
    return [dict(each) for each in bodies(folder)[1:-1]]


def without_chain(body: dict) -> dict:
    return {
        name: value for name, value in body.items() if name not in ("n", "prev", "by", "key", "mac", "at")
    }


def test_an_intent_says_who_asks_what_and_what_the_policies_take_away(tmp_path: Path) -> None:
    asked = Intent(
        Principal(
            "ana", frozenset({"role:b", "role:a"}), {"region": "EU", "since": date(2026, 1, 2), "ids": (1, 2)}
        ),
        "SELECT * FROM claims.claim WHERE id = ?",
        "q1",
        session={"schema": "claims"},
        parameters=(7, "x", None, Decimal("1.50")),
        caller={"method": "bearer", "address": "10.0.0.7", "application": "ADBC 1.13", "user": "root"},
        reads=(
            Reading(
                "claims.claim",
                "ana",
                "claims.claim",
                rows=(("region = 'EU'", "true"),),
                masks={"email": "hash"},
                hidden=("ssn",),
                rules=("policies/claims.csv:3",),
            ),
            Reading("lake.claim", "domain:claims"),
        ),
        policy_version="v7",
    )
    (body,) = written(tmp_path / "audit", asked)
    assert without_chain(body) == {
        "event": "intent",
        "id": "q1",
        "call": "query",
        "user": "ana",
        "roles": ["role:a", "role:b"],
        "attributes": {"region": "EU", "since": "2026-01-02", "ids": [1, 2]},
        "method": "bearer",
        "address": "10.0.0.7",
        "application": "ADBC 1.13",
        "session": {"schema": "claims"},
        "sql": "SELECT * FROM claims.claim WHERE id = ?",
        "parameters": ["7", "x", "None", "1.50"],
        "decision": "allowed",
        "policy": "v7",
        "reads": [
            {
                "object": "claims.claim",
                "reader": "ana",
                "written": "claims.claim",
                "rows": [["region = 'EU'", "true"]],
                "masks": {"email": "hash"},
                "hidden": ["ssn"],
                "rules": ["policies/claims.csv:3"],
            },
            {"object": "lake.claim", "reader": "domain:claims"},
        ],
    }
    assert datetime.fromisoformat(body["at"]).tzinfo == UTC


def test_an_outcome_says_how_it_ended_and_of_the_executed_text_only_the_hash(tmp_path: Path) -> None:
    scan = ScanReceipt("lake", "lake.claim", "3 of 4 files", rows=10, bytes=900, requests=2, seconds=0.25)
    ended = Ended(
        "q1", state="failed", error="TIMEOUT: the query ran longer than 60 seconds", scans=(scan,), rows=0
    )
    (body,) = written(tmp_path / "audit", ended=ended)
    assert without_chain(body) == {
        "event": "outcome",
        "id": "q1",
        "user": "ana",
        "started": "2026-09-21T14:13:20.000000Z",
        "state": "failed",
        "reason": "TIMEOUT",
        "error": "TIMEOUT: the query ran longer than 60 seconds",
        "rows": 0,
        "bytes": 24,
        "executed_sha256": hashlib.sha256(b"SELECT 1 FROM r_0").hexdigest(),
        "seconds": {"parse": 0.001235},
        "policy": "v1",
        "scans": [
            {
                "source": "lake",
                "object": "lake.claim",
                "pushed": "3 of 4 files",
                "rows": 10,
                "bytes": 900,
                "requests": 2,
                "seconds": 0.25,
            }
        ],
    }
    assert "r_0" not in json.dumps(body)


def test_no_secret_is_written(tmp_path: Path) -> None:
    secrets = Secrets()
    secrets.remember(SECRET)
    asked = Intent(
        Principal("ana", frozenset(), {"token": SECRET, "list": [SECRET]}),
        f"SELECT '{SECRET}'",
        "q1",
        decision="error",
        error=f"INTERNAL: {SECRET}",
        session={"option": SECRET},
        parameters=(SECRET,),
        caller={"application": SECRET},
        reads=(Reading("a.b", "ana", rows=((f"x = '{SECRET}'",),)),),
    )
    ended = Ended(error=f"X: {SECRET}", scans=(ScanReceipt("lake", "lake.claim", f"pushed {SECRET}"),))
    written(tmp_path / "audit", asked, ended=ended, secrets=secrets)
    text = "".join(file.read_text() for file in (tmp_path / "audit").iterdir())
    assert text.count("***") == 10
    for form in (SECRET, json.dumps(SECRET)[1:-1], "s3cret"):
        assert form not in text


@pytest.mark.parametrize("secret", ["event", "intent", "true", "null", '":"', "allowed", "0000"])
def test_a_secret_that_looks_like_the_audits_own_words_spoils_nothing(tmp_path: Path, secret: str) -> None:
    secrets = Secrets()
    secrets.remember(secret)
    (body,) = written(tmp_path / "audit", intent("q1"), secrets=secrets)
    assert (body["event"], body["decision"]) == ("intent", "allowed")


@pytest.mark.parametrize(
    "sql",
    ["SELECT\n1;\r\n\0", "\ud800 alone", "ü漢🎉\u2028\u2029\x85", '","mac":"' + "0" * 64 + '"}', "{" * 5_000],
)
def test_any_text_is_kept_as_it_came(tmp_path: Path, sql: str) -> None:
    (body,) = written(tmp_path / "audit", intent(sql=sql))
    assert body["sql"] == sql


def test_what_could_have_run_is_kept_whole_and_what_is_longer_by_its_hash(tmp_path: Path) -> None:
    longest, longer = "x" * 1_000_000, "y" * 1_000_001
    one, other = written(
        tmp_path / "audit", intent(sql=longest), intent(sql=longer, parameters=["z" * 5_000] * 200)
    )
    assert one["sql"] == longest
    assert len(other["sql"]) < 1_200
    assert "1000001 characters, SHA-256" in other["sql"]
    assert len(other["parameters"]) == 100
    assert other["parameters_left_out"] == 100
    assert len(json.dumps(other)) < 130_000


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (SyntaxProblem("x"), "unparsable"),
        (NotSupported("x"), "unparsable"),
        (AccessDenied("x"), "denied"),
        (NotFound("x"), "denied"),
        (PolicyChanged("x"), "denied"),
        (Unreachable("s", "x"), "error"),
        (Timeout("x"), "error"),
        (InternalError(), "error"),
    ],
)
def test_an_error_before_the_run_is_judged(error: FabricError, decision: AuditDecision) -> None:
    assert judged(error) == decision


# ── readings of a governed statement ─────────────────────────────────────────────────────────


def relation(id: str, name: TableName, reader: str, written: str, body: Resolved | None = None) -> Relation:
    columns = (Column("id", "BIGINT"), Column("email", "VARCHAR"))
    found = Product(name, "claims", "", columns=columns) if body else Table(name, columns)
    return Relation(id, name, found, reader, written, body)


def filtered(text: str, *parts: Relation) -> RowFilter:
    return RowFilter(text, Resolved(exp.select(exp.true()), parts), total=True)


def governed() -> Governed:
    """ana reads a product over one table; a rule there reads another table, as its domain."""
    mapping = relation("r_3", TableName("lake", "main", "mapping"), "domain:claims", "lake.mapping")
    table = relation("r_2", TableName("lake", "main", "claim"), "domain:claims", "lake.claim")
    product = relation(
        "r_1", TableName("acme", "claims", "open"), "ana", "claims.open", Resolved(exp.select("1"), (table,))
    )
    twice = relation(
        "r_4", TableName("acme", "claims", "open"), "ana", "claims.open", Resolved(exp.select("1"), ())
    )
    decisions = {
        "r_1": Decision(True, rules=("policies/federation.csv:1",)),
        "r_2": Decision(
            True,
            rows=((filtered("region = 'EU'"), filtered("id IN (SELECT id FROM lake.mapping)", mapping)),),
            masks=(Mask("email", "hash", "hmac('very secret')"),),
            hidden=frozenset({"ssn"}),
            rules=("policies/claims.csv:2", "policies/claims.csv:3"),
        ),
        "r_3": Decision(True),
        "r_4": Decision(True, rules=("policies/federation.csv:1",)),
    }
    return Governed(Resolved(exp.select("1"), (product, twice)), ANA, decisions, "v1")


def test_everything_beneath_a_statement_is_read() -> None:
    found = {reading.object: reading for reading in readings(governed())}
    assert set(found) == {"lake.mapping", "lake.claim", "acme.claims.open"}
    assert len(readings(governed())) == 3
    assert found["acme.claims.open"].written == "claims.open"
    assert found["lake.claim"] == Reading(
        "lake.claim",
        "domain:claims",
        rows=(("region = 'EU'", "id IN (SELECT id FROM lake.mapping)"),),
        masks={"email": "hash"},
        hidden=("ssn",),
        rules=("policies/claims.csv:2", "policies/claims.csv:3"),
    )


def test_users_see_of_their_own_records_only_what_they_wrote(tmp_path: Path) -> None:
    """Objects beneath a product, and the rules that decide, are not theirs to know."""
    audit = Audit(tmp_path / "audit", KEY)
    audit.intent(intent("q1", reads=readings(governed()), policy_version="v1"))
    audit.outcome(Ended("q1"), "ana")
    ended, asked = audit.records("ana", 9)
    everyones = audit.records(None, 9)[1]
    audit.close()
    assert asked[1:] == (
        "q1",
        "ana",
        "intent",
        "allowed",
        None,
        "SELECT 1",
        ["claims.open"],
        [],
        "v1",
        None,
        None,
    )
    assert ended[1:] == ("q1", "ana", "outcome", "succeeded", None, None, [], [], "v1", 3, None)
    assert set(everyones[7]) == {"lake.mapping", "lake.claim", "acme.claims.open"}
    assert set(everyones[8]) == {
        "policies/claims.csv:2",
        "policies/claims.csv:3",
        "policies/federation.csv:1",
    }
    text = "".join(file.read_text() for file in (tmp_path / "audit").iterdir())
    assert "very secret" not in text


def test_every_field_is_documented(tmp_path: Path) -> None:
    many = ["x"] * 101
    asked = Intent(ANA, "SELECT 1", "q1", "query", "error", "X", "X: y", {"a": 1}, many, {"method": "basic"})
    scan = ScanReceipt("lake", "lake.claim", "")
    found = written(tmp_path / "audit", asked, intent(reads=readings(governed())), ended=Ended(scans=(scan,)))
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    names = {name for body in found for name in body} | {name for each in found[1]["reads"] for name in each}
    assert not {name for name in names if f"`{name}`" not in page}


@pytest.mark.parametrize(
    ("sql", "touched"),
    [
        ("SELECT claim_id FROM claims.claim WHERE region = 'EU'", {"lake.claim": ["claim_id", "region"]}),
        ("SELECT count(*) FROM claims.claim ORDER BY max(amount)", {"lake.claim": ["amount"]}),
        ("SELECT name FROM crm.customer WHERE email LIKE 'a%'", {"crm_db.customer": ["name", "email"]}),
        (
            "SELECT sum(amount) FROM claims.open WHERE name <> 'Bo'",
            {"lake.claim": ["customer_id", "amount"], "crm_db.customer": ["customer_id", "name"]},
        ),
    ],
)
def test_an_outcome_says_which_columns_the_answer_depended_on(
    tmp_path: Path, sql: str, touched: dict[str, list[str]]
) -> None:
    with acme.company(
        tmp_path, {"claims": "p3, role:ruled, claims.claim, opened > DATE '2000-01-01'\n"}
    ) as app:
        acme.ask(app, sql, acme.ANA)
        app.audit.close()  # type: ignore[union-attr]
    lines = (tmp_path / ".ripstop" / "audit" / "000000000001.jsonl").read_text().splitlines()
    scans = [scan for body in map(json.loads, lines) if body["event"] == "outcome" for scan in body["scans"]]
    assert {scan["object"]: sorted(scan["columns"]) for scan in scans} == {
        k: sorted(v) for k, v in touched.items()
    }
