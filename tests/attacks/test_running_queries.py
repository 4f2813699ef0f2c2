"""A running query is in the system tables for the one who asked it, and tells them nothing more than when it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fabric.pipeline import Session
from fabric.secrets import SECRETS
from fabric.types import Principal
from server.cli.vocabulary import _SQL
from tests.policies.governed import ANA, BO, EVE, App, company, rows

_RULES = {
    "federation": "p, role:full, *, read, allow\np, role:auditor, system.queries, read, allow\n"
    "p, role:auditor, system.scans, read, allow\n",
    "crm": "p3, role:eu, crm_db.customer, region = 'EU'\n"
    "p3, role:sub, crm.customer, region IN (SELECT region FROM crm_db.territory)\n",
}
FULL = Principal("full", frozenset({"role:full"}))
HALF = Principal("half", frozenset({"role:full", "role:eu"}))
AUDITOR = Principal("aud", frozenset({"role:auditor"}))
_MANY = " CROSS JOIN range(1000000) AS r(i)"
_SCANS = "SELECT source, object, pushed, rows, bytes, requests, cache FROM system.scans"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("company"), _RULES) as app:
        yield app


@contextmanager
def running(app: App, sql: str, who: Principal) -> Iterator[str]:
    """The query while it has delivered a part of its rows; its id."""
    with app.line.run(sql, who, Session()) as answer:
        batches = answer.batches()
        assert next(batches).num_rows
        yield answer.query_id
        batches.close()  # type: ignore[attr-defined]


def scans(app: App, id: str, who: Principal) -> list[tuple[object, ...]]:
    return rows(app, f"{_SCANS} WHERE query_id = '{id}'", who)


def test_a_running_query_is_seen_by_who_asked_it_and_by_auditors(app: App) -> None:
    sql = "SELECT * FROM crm_db.customer" + _MANY
    with running(app, sql, FULL) as id:
        asked = (
            f"SELECT user, sql, state, rows > 0, ended_at, error FROM system.queries WHERE query_id = '{id}'"
        )
        shown = [("full", sql, "running", True, None, None)]
        assert rows(app, asked, FULL) == shown
        assert rows(app, asked, AUDITOR) == shown
        assert scans(app, id, FULL)[0][:4] == ("crm_db", "crm_db.customer", "", 3)
        for other in (ANA, BO, EVE, HALF):
            assert rows(app, asked, other) == []
            assert scans(app, id, other) == []
    assert rows(app, asked, FULL)[0][2] == "cancelled"
    assert len(scans(app, id, FULL)) == 1


def test_of_a_running_restricted_scan_nothing_is_counted(app: App) -> None:
    with running(app, "SELECT * FROM crm_db.customer" + _MANY, HALF) as id:
        assert scans(app, id, HALF) == [("crm_db", "crm_db.customer", None, None, None, None, None)]
        assert scans(app, id, AUDITOR)[0][3] == 1
    # When it is over, what its reader may see is counted, and nothing else, as EXPLAIN ANALYZE does.
    assert scans(app, id, HALF) == [("crm_db", "crm_db.customer", None, 1, None, None, None)]


def test_a_running_query_does_not_name_what_its_reader_may_not_know(app: App) -> None:
    person = Principal("nobody", frozenset({"role:analyst", "role:sub"}))
    with running(app, "SELECT * FROM crm.customer" + _MANY, person) as id:
        found = scans(app, id, person)
        assert found
        assert all(row == (None,) * 7 for row in found)
        assert "territory" in str(scans(app, id, AUDITOR))


def test_a_secret_in_a_running_query_is_not_shown(app: App) -> None:
    SECRETS.remember("zq-secret-zq")
    with running(app, "SELECT 'zq-secret-zq' AS s FROM crm_db.customer" + _MANY, FULL) as id:
        found = str(rows(app, f"SELECT sql FROM system.queries WHERE query_id = '{id}'", AUDITOR))
        assert "AS s FROM crm_db" in found
        assert "zq-secret" not in found


def test_a_shell_completes_nothing_that_its_user_may_not_know_of(app: App) -> None:
    known = {row[:3] for row in rows(app, _SQL, HALF)}
    assert ("crm_db", "main", "customer") in known
    assert {row[1] for row in rows(app, _SQL, EVE)} == {"system", "information_schema"}
    assert ("acme", "claims", "open") in {row[:3] for row in rows(app, _SQL, ANA)}
    assert not [row for row in rows(app, _SQL, ANA) if row[0] != "acme"]
