"""CALL system.request: a wish for the owner, and who sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabric.calls import MOST_CHARACTERS
from fabric.errors import FabricError, InvalidValue, LimitError, NotFound, NotSupported, SyntaxProblem
from fabric.pipeline import Session
from fabric.types import PROCEDURES, Principal
from fabric.wishes import MOST_WISHES
from policies.scope import ScopedPrincipal
from tests.policies.governed import ANA, BO, EVE, App, ask, company

CRM_OWNER = Principal("cora", frozenset({"role:crm-owner"}))
CLAIMS_OWNER = Principal("carl", frozenset({"role:claims-owner"}))
DISCOVER = {"crm": "p, eve, crm.customer, discover, allow\np, eve, crm_db.customer, discover, allow\n"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A company in which eve may know of crm's customers; its tests record nothing."""
    with company(tmp_path_factory.mktemp("company"), DISCOVER) as app:
        yield app


def wish(app: App, text: str, who: Principal = EVE, parameters: tuple[object, ...] = ()) -> dict[str, Any]:
    (row,) = ask(app, text, who, parameters).to_pylist()
    return dict(row)


def request(app: App, found: str, why: str = "to reconcile invoices", who: Principal = EVE) -> dict[str, Any]:
    return wish(app, f"CALL system.request('{found}', '{why}')", who)


def seen(app: App, who: Principal) -> list[tuple[object, ...]]:
    found = ask(app, "SELECT user, object, reason, owner FROM system.requests ORDER BY at", who).to_pylist()
    return [tuple(row.values()) for row in found]


# ── the call ─────────────────────────────────────────────────────────────────────────────────


def test_a_wish_is_recorded_and_names_its_owner(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        told = request(app, "crm.customer")
        assert told["owner"] == "crm-team@acme.example"
        (row,) = ask(app, "FROM system.requests", EVE).to_pylist()
        assert row["request_id"] == told["request_id"]
        assert (row["user"], row["object"], row["reason"]) == ("eve", "crm.customer", "to reconcile invoices")
        assert row["at"].tzinfo is not None
        assert request(app, "crm_db.customer")["owner"] == "role:crm-owner"


def test_parameters_may_be_bound(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        described = app.line.describe("CALL system.request(?, ?)", EVE, Session())
        assert (described.parameters, described.schema.names) == (2, ["request_id", "owner"])
        wish(app, "CALL system.request($why, $what)", EVE, ("crm.customer", "it's; for '--' me"))
        assert seen(app, EVE) == [("eve", "crm.customer", "it's; for '--' me", "crm-team@acme.example")]


def test_describing_a_call_does_nothing(app: App) -> None:
    app.line.describe("CALL system.request('crm.customer', 'x')", EVE, Session())
    assert seen(app, EVE) == []


@pytest.mark.parametrize("found", ["claims.claim", "lake.claim", "fraud.score", "crm_db.territory"])
@pytest.mark.parametrize("spelled", ["{}", "acme.{}", '"{}"'])
def test_what_may_not_be_known_answers_as_what_is_not_there(app: App, found: str, spelled: str) -> None:
    domain, name = found.split(".")
    written = spelled.format(found) if '"' not in spelled else f'"{domain}"."{name}"'
    absent = written.replace(name, "zq")
    errors = []
    for each in (written, absent):
        with pytest.raises(NotFound) as refused:
            request(app, each)
        errors.append(str(refused.value).replace("zq", name))
    assert errors[0] == errors[1]
    with pytest.raises(NotFound):
        app.line.describe(f"CALL system.request('{written}', 'x')", EVE, Session())
    assert seen(app, EVE) == []


@pytest.mark.parametrize(
    "written",
    [
        "",
        ".",
        "crm.",
        ".customer",
        "crm..customer",
        "crm.customer; DROP",
        "a.b.c.d",
        '"crm.customer',
        "crm customer",
    ],
)
def test_what_is_no_name_is_not_there(app: App, written: str) -> None:
    with pytest.raises(NotFound):
        wish(app, "CALL system.request(?, ?)", EVE, (written, "x"))


def test_names_compare_as_in_a_query(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        for written in ("CRM.Customer", "acme.crm.customer", '"crm"."customer"'):
            request(app, written, written.replace('"', ""))
        assert {row[1] for row in seen(app, EVE)} == {"crm.customer"}
        call = "CALL system.request('customer', 'short')"
        with app.line.run(call, EVE, Session(schema="crm")) as answer:
            list(answer.batches())
        assert seen(app, EVE)[-1][1:3] == ("crm.customer", "short")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("CALL system.request('crm.customer')", SyntaxProblem),
        ("CALL system.request()", SyntaxProblem),
        ("CALL system.request('crm.customer', 'x', 'y')", SyntaxProblem),
        ("CALL system.request('crm.customer', 'x') FROM crm.customer", SyntaxProblem),
        ("CALL system.request('crm.customer', 'x') UNION SELECT 1, 2", SyntaxProblem),
        ("CALL system.request('crm.customer', 'x'); SELECT 1", SyntaxProblem),
        ("CALL system.request('crm.customer', (SELECT name FROM crm_db.customer))", InvalidValue),
        ("CALL system.request('crm.customer', 1)", InvalidValue),
        ("CALL system.request('crm.customer', NULL)", InvalidValue),
        ("CALL system.request('crm.customer', ' ')", InvalidValue),
        ("CALL system.request('crm.customer', 'a' || 'b')", InvalidValue),
        (f"CALL system.request('crm.customer', '{'x' * (MOST_CHARACTERS + 1)}')", InvalidValue),
        ("EXPLAIN CALL system.request('crm.customer', 'x')", NotSupported),
        ("EXPLAIN POLICY FOR eve CALL system.request('crm.customer', 'x')", FabricError),
        ("SELECT * FROM system.request('crm.customer', 'x')", FabricError),
        ("CALL system.cancel('1')", NotFound),
        ("CALL system.cancel('1', '2')", SyntaxProblem),
        ("CALL system.cancel()", SyntaxProblem),
        ("CALL system.cancel((SELECT '1'))", SyntaxProblem),
        ("CALL system.cancel(1)", InvalidValue),
        ("CALL system.lend('1', 'role:x')", NotSupported),
        ("CALL pragma_version()", NotSupported),
    ],
)
def test_a_call_that_is_not_one_does_nothing(app: App, call: str, error: type[FabricError]) -> None:
    with pytest.raises(error):
        ask(app, call, EVE)
    assert seen(app, EVE) == []


def test_the_longest_reason_is_taken(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        request(app, "crm.customer", "x" * MOST_CHARACTERS)
        assert len(str(seen(app, EVE)[0][2])) == MOST_CHARACTERS


def test_an_unknown_procedure_is_told_which_there_are(app: App) -> None:
    with pytest.raises(NotSupported) as refused:
        ask(app, "CALL system.lend('1', 'role:x')", EVE)
    assert refused.value.hint == "; ".join(sorted(PROCEDURES.values()))


def test_the_same_wish_again_is_the_same_request(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        assert request(app, "crm.customer") == request(app, "crm.customer")
        assert request(app, "crm.customer") != request(app, "crm.customer", "for another reason")
        assert len(seen(app, EVE)) == 2


def test_a_users_wishes_are_bounded_and_nobody_elses_suffer(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        for number in range(MOST_WISHES):
            request(app, "crm.customer", f"reason {number}")
        with pytest.raises(LimitError, match=str(MOST_WISHES)):
            request(app, "crm.customer", "one more")
        request(app, "crm.customer", "reason 7")  # which is there
        request(app, "crm.customer", who=ANA)
        assert len(seen(app, EVE)) == MOST_WISHES


# ── system.requests ──────────────────────────────────────────────────────────────────────────


def test_a_wish_is_seen_by_who_made_it_and_by_whose_it_is(tmp_path: Path) -> None:
    with company(tmp_path, DISCOVER) as app:
        request(app, "crm.customer")
        request(app, "crm_db.customer")
        request(app, "claims.open", who=ANA)
        assert [row[1] for row in seen(app, EVE)] == ["crm.customer", "crm_db.customer"]
        assert [row[1] for row in seen(app, ANA)] == ["claims.open"]
        assert [row[1] for row in seen(app, CRM_OWNER)] == ["crm.customer", "crm_db.customer"]
        assert [row[1] for row in seen(app, CLAIMS_OWNER)] == ["claims.open"]
        assert seen(app, BO) == []


def test_admin_on_the_object_shows_its_wishes(tmp_path: Path) -> None:
    rules = {"crm": DISCOVER["crm"] + "p, bo, crm.customer, admin, allow\n"}
    with company(tmp_path, rules) as app:
        request(app, "crm.customer")
        request(app, "crm_db.customer")
        assert [row[1] for row in seen(app, BO)] == ["crm.customer"]


def test_who_may_read_the_table_sees_everyones_wishes(tmp_path: Path) -> None:
    rules = {**DISCOVER, "federation": "p, role:lead, system.requests, read, allow\n"}
    with company(tmp_path, rules) as app:
        request(app, "crm.customer")
        assert [row[0] for row in seen(app, BO)] == ["eve"]
        assert seen(app, ANA) == []


def test_a_token_shows_the_wishes_only_where_its_roles_would(tmp_path: Path) -> None:
    roles = frozenset({"role:crm-owner", "role:analyst"})
    with company(tmp_path, DISCOVER) as app:
        request(app, "crm.customer")
        assert len(seen(app, ScopedPrincipal("cora", roles, {}, frozenset({"role:crm-owner"})))) == 1
        assert seen(app, ScopedPrincipal("cora", roles, {}, frozenset({"role:analyst"}))) == []


def test_a_token_wishes_for_what_its_roles_may_know_of(tmp_path: Path) -> None:
    narrow = ScopedPrincipal("ana", ANA.roles, ANA.attributes, frozenset({"role:other"}))
    with company(tmp_path, {}) as app:
        with pytest.raises(NotFound):
            request(app, "claims.open", who=narrow)
        request(app, "claims.open", who=ANA)
