"""``ripstop product new|list|show|search``: a team writes a draft; others find what they may know of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from argon2 import PasswordHasher

from fabric.products import split
from server.app import build
from server.flight import FlightServer
from tests.policies.governed import company
from tests.server.cli.test_policy_commands import ripstop

HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")
PRODUCTS = {
    "claims/late": "/*---\nowner: claims@acme.example\ndescription: Settled late.\nstatus: draft\n---*/\nSELECT claim_id FROM lake.claim",
    "claims/secret_claims": "/*---\ndescription: Claims of the board.\n---*/\nSELECT claim_id, ssn FROM lake.claim",
}
RULES = {
    "federation": "p, role:analyst, claims.secret_claims, discover, deny\np, role:analyst, claims.secret_claims, read, deny\n",
    "claims": "p2, role:analyst, claims.claim, ssn, hide\np3, role:analyst, claims.claim, region = 'EU'\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, RULES, PRODUCTS):
        pass
    (directory / "users.yaml").write_text(
        f"users:\n  ana: {{password: '{HASH}', roles: [role:analyst]}}\n  carl: {{password: '{HASH}', roles: [role:claims-owner]}}\n"
    )
    with closing(build(directory)) as app:
        server = FlightServer(lambda: app, fabric="acme")
        try:
            yield directory, f"grpc://127.0.0.1:{server.port}"
        finally:
            server.close()


def asked(
    project: tuple[Path, str], user: str, *arguments: str, command: tuple[str, ...] = ("product",)
) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *command, *arguments, "--uri", project[1], "--user", user],
        capture_output=True, check=False, text=True, env=os.environ | {"RIPSTOP_PASSWORD": "secret"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_each_sees_what_they_may_know_of(project: tuple[Path, str]) -> None:
    status, out, _ = asked(project, "ana", "list", "--format", "csv")
    names = [line.partition(",")[0] for line in out.splitlines()[1:]]
    assert status == 0
    assert names == [
        "claims.claim",
        "claims.contacts",
        "claims.open",
        "claims.risk",
        "claims.totals",
        "crm.customer",
        "fraud.score",
    ]
    _, out, _ = asked(project, "carl", "list", "--format", "csv")
    assert "claims.late,1.0.0,draft,ok,claims@acme.example,Settled late." in out.splitlines()


def test_a_search_ranks_and_tells_of_nothing_else(project: tuple[Path, str]) -> None:
    _, out, _ = asked(project, "carl", "search", "secret", "claims", "--format", "csv")
    assert out.splitlines()[1].startswith("claims.secret_claims,")
    there = asked(project, "ana", "search", "board", "secret", "--format", "csv")
    absent = asked(project, "ana", "search", "zq", "--format", "csv")
    assert there == absent
    assert "nothing that you may know of" in there[2]
    _, out, _ = asked(project, "ana", "search", "ssn", "--format", "csv")  # hidden in claims.claim
    assert len(out.splitlines()) == 1


def test_a_product_shows_its_columns_and_rows_under_policy(project: tuple[Path, str]) -> None:
    status, out, err = asked(project, "ana", "show", "Claims.Claim", "--sample", "-n", "3")
    assert (status, err) == (0, "")
    assert out.startswith("claims.claim 1.0.0  active, ok\n")
    assert "amount" in out
    assert "ssn" not in out
    assert "111-11" not in out
    assert "US" not in out
    there = asked(project, "ana", "show", "claims.late")
    absent = asked(project, "ana", "show", "claims.zq")
    assert (there[0], there[2].replace("late", "zq")) == (1, absent[2])


# ── new ──────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_has_the_columns_of_what_it_reads(project: tuple[Path, str]) -> None:
    directory, _ = project
    status, out, err = ripstop(directory, "product", "new", "claims.fresh", "--from", "lake.claim")
    assert (status, err) == (0, "")
    file = directory / "products/claims/fresh.sql"
    assert str(file) in out
    front, sql = split(file.read_text())
    assert (
        sql
        == "SELECT\n  claim_id,\n  customer_id,\n  region,\n  amount,\n  opened,\n  ssn,\n  note\nFROM lake.claim"
    )
    said = yaml.safe_load(front or "")
    assert (said["status"], said["version"], said["owner"]) == ("draft", "1.0.0", "")
    assert said["columns"]["amount"] == {"type": "BIGINT", "description": ""}
    assert said["columns"]["opened"] == {"type": "DATE", "description": ""}
    status, out, _ = ripstop(directory, "check")
    fresh = out.partition("claims.fresh")[2].partition("\nok")[0]
    assert fresh.splitlines() == [
        "  binds",
        "    missing: owner: who answers questions about it",
        "    missing: description: what a row is, and for whom",
        "    missing: it is draft: readers see it after `ripstop product publish claims.fresh`",
    ]
    ripstop(directory, "product", "new", "claims.fresh@2", "--from", "crm.customer")
    assert "tags: [pii, email]" in (directory / "products/claims/fresh@2.sql").read_text()
    file.unlink()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("claims.claim",), "INVALID_VALUE: 'claims.claim' is there already"),
        (("clams.x",), "NOT_FOUND: there is no domain 'clams'\nhint: a product is domain.name; did you mean 'claims'?"),
        (("claims.../x",), "INVALID_VALUE: a product's name is letters"),
        (("claims.x", "--from", "lake.clam"), "NOT_FOUND: there is no 'lake.clam'\nhint: did you mean 'lake.claim'?"),
    ],
)  # fmt: skip
def test_what_is_no_new_product(project: tuple[Path, str], arguments: tuple[str, ...], told: str) -> None:
    status, out, err = ripstop(project[0], "product", "new", *arguments)
    assert (status, out) == (1, "")
    assert told in err


def test_an_example_without_a_source(project: tuple[Path, str]) -> None:
    assert ripstop(project[0], "product", "new", "claims.example")[0] == 0
    assert ripstop(project[0], "product", "publish", "claims.example")[0] == 0


# ── lineage ──────────────────────────────────────────────────────────────────────────────────


def lineage(project: tuple[Path, str], user: str, *arguments: str) -> tuple[int, str, str]:
    return asked(project, user, *arguments, command=("lineage",))


def test_an_owner_sees_what_a_change_of_a_source_would_hit(project: tuple[Path, str]) -> None:
    status, out, _ = lineage(project, "carl", "lake.claim.amount", "--down")
    assert status == 0
    assert "  -> claims.totals.amount (aggregation)" in out.splitlines()
    status, out, _ = lineage(project, "carl", "claims.open.email", "--up")
    assert out == "claims.open.email\n  <- crm.customer.email (identity)\n"


def test_lineage_is_written_as_json_and_mermaid(project: tuple[Path, str]) -> None:
    _, out, _ = lineage(project, "carl", "claims.totals.amount", "--format", "json")
    assert yaml.safe_load(out) == {
        "up": [
            {"object": "claims.totals", "column": "amount", "source": "lake.claim", "source_column": "amount",
             "kind": "aggregation", "masked": False}
        ],
        "down": [],
    }  # fmt: skip
    _, out, _ = lineage(project, "carl", "claims.totals", "--up", "--format", "mermaid")
    assert out.startswith("flowchart LR\n")
    assert "-.->|group_by|" in out


def test_attack_what_one_may_not_know_of_has_the_lineage_of_what_is_not_there(
    project: tuple[Path, str],
) -> None:
    answers = {
        lineage(project, "ana", name)[2].replace(name, "NAME")
        for name in ("lake.claim", "claims.secret_claims", "claims.nothing_at_all", "claims.claim.ssn")
    }
    (answer,) = {each.partition("\n")[0] for each in answers}
    assert answer == "error: NOT_FOUND: nothing is known of the lineage of 'NAME'"
    status, out, _ = lineage(project, "ana", "claims.totals.amount")
    assert (status, out) == (0, "claims.totals.amount\n  <- what you may not know of\n")
