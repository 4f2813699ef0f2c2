"""The fabric's own tables under ordinary policy: rows, masks, hidden columns and denials hold on them too."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabric.errors import FabricError, InvalidValue, NotFound
from fabric.pipeline import Session
from fabric.types import Principal
from tests.policies.governed import ANA, BO, EVE, App, ask, company, lines, rows

SPELLINGS = ["system.queries", "acme.system.queries", '"SYSTEM"."Queries"', "ACME.system.QUERIES"]
AUDITOR = Principal("aud", frozenset({"role:auditor"}))


def asked(app: App) -> None:
    """Some queries of ana's and bo's, one of which fails."""
    rows(app, "SELECT 11", ANA)
    rows(app, "SELECT 22", BO)
    with pytest.raises(InvalidValue):
        rows(app, "SELECT CAST('zqsecret' || claim_id AS INTEGER) FROM claims.claim", BO)


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_row_rule_holds_on_a_system_table(tmp_path: Path, written: str) -> None:
    rules = {"federation": "p3, role:lead, system.queries, state = 'succeeded'\n"}
    with company(tmp_path, rules) as app:
        asked(app)
        assert rows(app, f"SELECT sql FROM {written}", BO) == [("SELECT 22",)]
        assert rows(app, f"SELECT count(*) FROM {written} WHERE state = 'failed'", BO) == [(0,)]


def test_a_row_rule_narrows_those_who_see_everyones_rows(tmp_path: Path) -> None:
    rules = {
        "federation": 'p, role:auditor, system.*, read, allow\np3, role:auditor, system.*, """user"" <> \'bo\'"\n'
    }
    with company(tmp_path, rules) as app:
        asked(app)
        assert rows(app, "SELECT DISTINCT user FROM system.queries", AUDITOR) == [("ana",), ("aud",)]
        with pytest.raises(FabricError, match="does not fit"):  # scans have no column user
            rows(app, "SELECT * FROM system.scans", AUDITOR)


def test_a_hidden_row_of_a_system_table_meets_no_expression_that_raises(tmp_path: Path) -> None:
    rules = {
        "federation": 'p, role:auditor, system.queries, read, allow\np3, role:auditor, system.queries, """user"" = \'ana\'"\n'
    }
    with company(tmp_path, rules) as app:
        asked(app)
        for test in (
            "CAST(replace(sql, 'SELECT ', '') AS INTEGER) IN (0, 1, 2, 3, 4, 11)",
            "CAST(replace(sql, 'SELECT ', '') AS INTEGER) NOT IN (0, 1, 2, 3, 4)",
            "CAST(replace(sql, 'SELECT ', '') AS INTEGER) = 11",
        ):
            query = f"SELECT sql FROM system.queries WHERE sql LIKE 'SELECT %' AND user = 'ana' AND {test}"
            assert rows(app, query, AUDITOR) == [("SELECT 11",)]


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_hidden_column_of_a_system_table_is_nowhere(tmp_path: Path, written: str) -> None:
    rules = {"federation": "p2, role:analyst, system.queries, sql, hide\n"}
    with company(tmp_path, rules) as app:
        asked(app)
        assert "sql" not in ask(app, f"SELECT * FROM {written}", ANA).column_names
        for query in (
            f"SELECT sql FROM {written}",
            f"SELECT 1 FROM {written} WHERE sql LIKE '%1%'",
            f"SELECT COLUMNS('sql') FROM {written}",
            f"SELECT count(*) FROM {written} GROUP BY sql",
            f"SELECT q.sql FROM {written} q",
        ):
            with pytest.raises(FabricError) as refused:
                ask(app, query, ANA)
            assert "SELECT 11" not in str(refused.value)
        columns = (
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_schema = 'system' AND table_name = 'queries'"
        )
        assert ("sql",) not in rows(app, columns, ANA)
        assert ("sql",) in rows(app, columns, EVE)
        described = ask(app, f"DESCRIBE {written}", ANA)["column_name"].to_pylist()
        assert "sql" not in described
        assert "state" in described
        (entry,) = [each for each in app.visible(ANA) if str(each.name) == "acme.system.queries"]
        assert "sql" not in entry.schema.names


def test_a_mask_holds_on_a_system_table_in_every_clause(tmp_path: Path) -> None:
    rules = {"federation": "p2, role:*, system.queries, sql, first(3)\np2, role:*, system.*, state, null\n"}
    with company(tmp_path, rules) as app:
        asked(app)
        assert rows(app, "SELECT DISTINCT sql, state FROM system.queries", ANA) == [("SEL***", None)]
        assert rows(app, "SELECT 1 FROM system.queries WHERE sql = 'SELECT 11'", ANA) == []


def test_the_restriction_of_a_system_table_is_in_the_receipt(tmp_path: Path) -> None:
    rules = {"federation": "p2, role:*, system.queries, sql, null\np3, role:*, system.queries, rows >= 0\n"}
    with company(tmp_path, rules) as app:
        told = app.line.describe("SELECT * FROM system.queries", ANA, Session()).receipt["restricted"]
        assert told == {"system.queries": "both"}
        assert "restricted for you: system.queries" in lines(app, "EXPLAIN SELECT * FROM system.queries", ANA)


def test_a_denied_system_table_is_not_there(tmp_path: Path) -> None:
    rules = {"federation": "p, role:analyst, system.queries, *, deny\n"}
    with company(tmp_path, rules) as app:
        for written in SPELLINGS:
            with pytest.raises(FabricError):
                ask(app, f"SELECT * FROM {written}", ANA)
        assert rows(app, "SELECT DISTINCT user, state FROM system.queries", EVE) == [("eve", "running")]


# ── information_schema ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "written",
    ["information_schema.tables", "acme.information_schema.tables", '"Information_Schema"."TABLES"'],
)
def test_rules_on_information_schema_hold_however_it_is_written(tmp_path: Path, written: str) -> None:
    rules = {
        "federation": "p3, role:analyst, information_schema.tables, table_schema <> 'crm'\n"
        "p2, role:analyst, information_schema.tables, table_comment, null\n"
    }
    with company(tmp_path, rules) as app:
        query = f"SELECT DISTINCT table_schema, table_comment FROM {written} WHERE table_type = 'PRODUCT'"
        assert rows(app, query, ANA) == [("claims", None), ("fraud", None)]
        shown = ask(app, "SHOW TABLES", ANA)["schema"].to_pylist()
        assert set(shown) == {"claims", "fraud"}
        assert "crm" not in ask(app, "SHOW ALL TABLES", ANA)["schema"].to_pylist()


def test_no_product_carries_a_system_table_past_its_rules(tmp_path: Path) -> None:
    rules = {
        "federation": "p, domain:claims, system.queries, read, allow\np3, role:analyst, system.queries, state = 'x'\n"
        "p2, role:analyst, system.queries, sql, hide\n"
    }
    products = {"claims/asked": "SELECT user, sql, state FROM system.queries"}
    with company(tmp_path, rules, products) as app:
        asked(app)
        assert rows(app, "SELECT * FROM claims.asked", ANA) == []
    other = tmp_path / "other"
    other.mkdir()
    rules["federation"] = rules["federation"].replace("state = 'x'", "true")
    with company(other, rules, products) as app:
        asked(app)
        assert set(rows(app, "SELECT user, sql FROM claims.asked", ANA)) == {("ana", None)}


def test_a_product_reads_no_system_table_unless_its_domain_may(tmp_path: Path) -> None:
    products = {"claims/asked": "SELECT user, sql FROM system.queries"}
    with company(tmp_path, {}, products) as app, pytest.raises(FabricError):
        rows(app, "SELECT * FROM claims.asked", ANA)


def test_policies_and_requests_are_tables_under_policy_too(tmp_path: Path) -> None:
    owner = Principal("cora", frozenset({"role:crm-owner"}))
    rules = {
        "federation": "p2, role:*, system.policies, rule, null\np3, role:*, system.policies, kind = 'p2'\n"
        "p2, role:*, system.requests, reason, hide\n",
        "crm": "p2, role:*, crm.customer, email, email\n",
    }
    with company(tmp_path, rules) as app:
        assert rows(app, "SELECT kind, object, rule FROM system.policies", owner) == [
            ("p2", "crm.customer", None)
        ]
        ask(app, "CALL system.request('crm.customer', 'x')", ANA)
        assert "reason" not in ask(app, "SELECT * FROM system.requests", owner).column_names
        with pytest.raises(NotFound):
            ask(app, "SELECT reason FROM system.requests", owner)
