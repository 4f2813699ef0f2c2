"""``ripstop advise``: an auditor's advice rests on everyone's queries, an owner's on the use of what is theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fabric.types import Principal
from server.app import build
from server.flight import FlightServer
from tests.policies.governed import ANA, BO, company, rows
from tests.server.cli.test_product_commands import HASH, asked
from tests.server.tiny import until

RULES = {
    "federation": "p, role:auditor, *, read, allow\np, role:auditor, system.queries, read, allow\n"
    "p, role:auditor, system.scans, read, allow\n",
    "claims": "p3, role:analyst, claims.claim, region = 'EU'\n",
}
STORED = "/*---\nmaterialize: {refresh: '0 0 1 1 *'}\n---*/\nSELECT claim_id, score FROM fraud.score"
USERS = {"ana": "role:analyst", "eve": "role:nobody", "carl": "role:claims-owner", "aud": "role:auditor"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, RULES, {"claims/stored": STORED}):
        pass
    users = "".join(f"  {name}: {{password: '{HASH}', roles: ['{role}']}}\n" for name, role in USERS.items())
    (directory / "users.yaml").write_text(f"users:\n{users}")
    with closing(build(directory)) as app:
        for n in range(4):
            rows(app, f"SELECT * FROM claims.open WHERE amount > {n}", ANA)
            rows(app, f"SELECT * FROM claims.claim WHERE amount > {n}", BO)
        auditor = Principal("aud", frozenset({"role:auditor"}))
        rows(app, "SELECT * FROM lake.claim", auditor)
        until(lambda: bool(app.catalog.snapshots), 30.0)
        for n in range(3):
            rows(app, f"SELECT * FROM claims.stored WHERE claim_id > {n}", auditor)
        server = FlightServer(lambda: app, fabric="acme")
        try:
            yield directory, f"grpc://127.0.0.1:{server.port}"
        finally:
            server.close()


def advised(project: tuple[Path, str], user: str, *arguments: str) -> dict[str, Any]:
    status, out, err = asked(project, user, "--format", "json", *arguments, command=("advise",))
    assert (status, err) == (0, "")
    return json.loads(out)  # type: ignore[no-any-return]


def found(advice: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {proposal["object"]: proposal for proposal in advice["proposals"]}


def test_an_auditor_s_advice_rests_on_everyone_s_queries(project: tuple[Path, str]) -> None:
    advice = advised(project, "aud")
    assert advice["rests_on"]["users"] == 3
    proposals = found(advice)
    product = proposals["claims.claim"]
    assert (product["kind"], product["rests_on"], product["reads"], product["users"]) == (
        "product",
        "history",
        4,
        1,
    )
    assert product["reads_restricted"] == 4
    assert product["refreshes"] == 1
    assert 0 < product["saved_seconds"] < product["seconds"]
    assert proposals["claims.open"]["reads"] == 4
    assert not {"claims.stored", "fraud.score", "scores.score"} & set(proposals)
    assert not any(name.startswith("results") for name in proposals)
    table = proposals["lake.claim"]
    assert (table["kind"], table["reads"], table["users"]) == ("table", 9, 3)


def test_an_owner_s_advice_rests_on_the_use_of_what_is_theirs(project: tuple[Path, str]) -> None:
    advice = advised(project, "carl")
    proposals = found(advice)
    assert proposals["claims.open"]["rests_on"] == "usage"
    assert proposals["claims.open"]["reads"] == 4
    assert not [name for name in proposals if name.startswith(("crm", "fraud"))]


def test_who_asked_nothing_is_told_nothing_of_others(project: tuple[Path, str]) -> None:
    assert advised(project, "eve")["proposals"] == []
    assert advised(project, "ana")["rests_on"]["users"] == 1
    ana = found(advised(project, "ana"))
    assert set(ana) <= {
        "claims.open",
        "claims.claim",
        "crm.customer",
        "lake.claim",
        "crm_db.customer",
    }
    assert ana["claims.open"]["reads"] == 4
    assert "lake.claim" not in ana  # she may not know what the product rests on


def test_it_says_in_words_what_it_rests_on(project: tuple[Path, str]) -> None:
    status, out, _ = asked(project, "aud", "-n", "1", "--every", "1d", command=("advise",))
    assert status == 0
    assert out.startswith("rests on ")
    assert "that system.queries shows you" in out
    assert "1 refresh (1d apart)" in out
    assert "It is a bound" in out
    assert "2. " not in out
    _, out, _ = asked(project, "eve", command=("advise",))
    assert "nothing was read live often enough" in out


def test_a_wrong_duration_is_wrong_usage(project: tuple[Path, str]) -> None:
    status, _, err = asked(project, "aud", "--every", "often", command=("advise",))
    assert status == 2
    assert "--every is a duration" in err
