"""CALL system.emit, who may, and who sees what of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fabric.errors import AccessDenied, FabricError, InvalidValue, NotFound, SyntaxProblem
from fabric.events import MOST_META_BYTES
from fabric.lineage_graph import Graph, as_text
from fabric.pipeline import Session
from fabric.secrets import remember_secrets
from fabric.types import Principal
from tests.policies.governed import ANA, BO, EVE, App, ask, company

AGENT = Principal("gus", frozenset({"role:agent"}))
OWNER = Principal("olga", frozenset({"role:claims-owner"}))
CRM_OWNER = Principal("cara", frozenset({"role:crm-owner"}))
AUDITOR = Principal("aud", frozenset({"role:auditor"}))

RULES = {
    "federation": "p, role:auditor, system.events, read, allow\np, role:auditor, system.lineage, read, allow\n"
    "p, role:agent, claims.claim, read, allow\np, role:agent, claims.claim, emit, allow\n"
    "p, role:agent, crm.customer, discover, allow\np, role:agent, crm.customer, emit, allow\n"
    "p, role:agent, claims.open, read, allow\n",
    "claims": "p2, role:agent, claims.claim, ssn, hide\n",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("acme"), RULES) as app:
        yield app


def emit(app: App, *arguments: str, who: Principal = AGENT) -> str:
    call = f"CALL system.emit({', '.join('?' * len(arguments))})"
    (row,) = ask(app, call, who, arguments).to_pylist()
    return str(row["event_id"])


def seen(app: App, who: Principal, event_id: str) -> list[dict[str, object]]:
    return ask(app, f"SELECT * FROM system.events WHERE event_id = '{event_id}'", who).to_pylist()


# ── emitting ─────────────────────────────────────────────────────────────────────────────────


def test_an_event_can_be_searched_at_once(app: App) -> None:
    ask(
        app,
        """CALL system.emit('claim_reviewed', 'claims.claim', 'crm.customer', '{"by": "gus", "claim": 7}')""",
        AGENT,
    )
    found = ask(
        app,
        "SELECT user, name, source, target, meta->>'by' AS by, CAST(meta->>'claim' AS INTEGER) AS claim, query_id "
        "FROM system.events WHERE name = 'claim_reviewed' AND now() - at < INTERVAL 1 MINUTE",
        AGENT,
    ).to_pylist()
    assert found == [
        {"user": "gus", "name": "claim_reviewed", "source": "claims.claim", "target": "crm.customer", "by": "gus",
         "claim": 7, "query_id": None}
    ]  # fmt: skip


def test_columns_may_be_named_and_one_side_is_enough(app: App) -> None:
    (row,) = seen(app, AGENT, emit(app, "flagged", "", "claims.claim.AMOUNT", "{}"))
    assert (row["source"], row["target"], row["meta"]) == (None, "claims.claim.amount", "{}")


def test_it_belongs_to_a_query_of_ones_own(app: App) -> None:
    ask(app, "SELECT 4711 AS mine FROM claims.claim", AGENT)
    ask(app, "SELECT 4712 AS theirs FROM claims.claim", ANA)
    ids = {
        row["sql"]: row["query_id"]
        for who in (AGENT, ANA)
        for row in ask(app, "SELECT sql, query_id FROM system.queries", who).to_pylist()
    }
    mine = ids["SELECT 4711 AS mine FROM claims.claim"]
    (row,) = seen(app, AGENT, emit(app, "done", "claims.claim", "", "{}", mine))
    assert row["query_id"] == mine
    told = []
    for other in (ids["SELECT 4712 AS theirs FROM claims.claim"], "0" * 32, "nonsense"):
        with pytest.raises(NotFound) as refused:
            emit(app, "done", "claims.claim", "", "{}", other)
        told.append((refused.value.message, refused.value.hint))
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        ("{", "an event carries JSON: Expecting property name enclosed in double quotes at character 2"),
        ("[1]", "an event carries a JSON object"),
        ("7", "an event carries a JSON object"),
        ('{"a": NaN}', "an event carries JSON, and this is none"),
        ("[" * 20_000, "an event carries JSON"),
        ('{"a": "' + "x" * MOST_META_BYTES + '"}', "has at most 32,768 characters, and this one 32,777"),
        ('{"a": "' + "ä" * 20_000 + '"}', "has at most 32,768 bytes, and this one 40,009"),
    ],
)
def test_bad_json_is_refused(app: App, meta: str, told: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        emit(app, "x", "claims.claim", "", meta)
    assert told in refused.value.message


@pytest.mark.parametrize("name", ["", "1st", "a b", 'a"b', "a|b", "x" * 101, "a\nb"])
def test_a_name_is_a_name(app: App, name: str) -> None:
    with pytest.raises(InvalidValue, match="an event's name begins with a letter"):
        emit(app, name, "claims.claim", "", "{}")


def test_it_is_about_something(app: App) -> None:
    with pytest.raises(InvalidValue, match="is about something"):
        emit(app, "x", "", "", "{}")
    with pytest.raises(SyntaxProblem) as refused:
        ask(app, "CALL system.emit('x', 'claims.claim')", AGENT)
    assert "<event>" in refused.value.hint


def test_describing_emits_nothing(app: App) -> None:
    before = ask(app, "FROM system.events", AUDITOR).num_rows
    described = app.line.describe("CALL system.emit('x', 'claims.claim', '', '{}')", AGENT, Session())
    assert described.schema.names == ["event_id"]
    assert ask(app, "FROM system.events", AUDITOR).num_rows == before


# ── who may ──────────────────────────────────────────────────────────────────────────────────


def test_who_may_only_read_may_not_emit(app: App) -> None:
    with pytest.raises(AccessDenied, match="you may not emit events on it"):
        emit(app, "x", "claims.claim", "claims.open", "{}")
    with pytest.raises(AccessDenied):
        emit(app, "x", "claims.claim", "", "{}", who=ANA)
    assert emit(app, "x", "claims.open", "claims.claim.ssn", "{}", who=OWNER)  # theirs


@pytest.mark.parametrize(
    "hidden", ["lake.claim", "fraud.score", "claims.claim.ssn", "claims.totals", "crm_db.customer.email"]
)
def test_attack_what_may_not_be_known_answers_as_what_is_not_there(app: App, hidden: str) -> None:
    front, _, last = hidden.rpartition(".")
    told = []
    for written in (hidden, f"{front}.zq"):
        with pytest.raises(FabricError) as refused:
            emit(app, "x", written, "", "{}")
        told.append((refused.value.code, refused.value.message.replace(last, "zq"), refused.value.hint))
    assert told[0] == told[1]
    assert told[0][0] == "NOT_FOUND"


# ── who sees ─────────────────────────────────────────────────────────────────────────────────


def test_who_emits_who_owns_and_who_audits_see_it_and_nobody_else(app: App) -> None:
    event = emit(app, "settled", "claims.claim", "crm.customer", '{"sum": 9}')
    assert len(seen(app, AGENT, event)) == len(seen(app, AUDITOR, event)) == 1
    (theirs,) = seen(app, OWNER, event)
    assert (theirs["source"], theirs["meta"]) == ("claims.claim", '{"sum": 9}')
    for who in (ANA, BO, EVE):
        assert seen(app, who, event) == []


def test_attack_an_owner_is_not_told_the_other_side_that_they_may_not_know_of(app: App) -> None:
    event = emit(app, "settled", "claims.claim", "crm.customer", "{}")
    (theirs,) = seen(app, CRM_OWNER, event)
    assert (theirs["source"], theirs["target"]) == (None, "crm.customer")
    edges = ask(app, "SELECT * FROM system.lineage WHERE starts_with(kind, 'event')", CRM_OWNER)
    assert edges.num_rows == 0


def test_secrets_are_taken_out(app: App) -> None:
    remember_secrets(SecretStr("hunter2hunter2"))
    (row,) = seen(app, AGENT, emit(app, "leak", "claims.claim", "", json.dumps({"a": "hunter2hunter2"})))
    assert "hunter2hunter2" not in str(row)


# ── in the lineage ───────────────────────────────────────────────────────────────────────────


def test_events_are_edges_of_the_lineage(app: App) -> None:
    for _ in range(2):
        emit(app, "paid_by", "claims.claim.amount", "crm.customer.name", "{}")
    edges = ask(app, "SELECT * FROM system.lineage WHERE kind = 'event paid_by'", AGENT).to_pylist()
    assert [(e["product"], e["column"], e["source"], e["source_column"]) for e in edges] == [
        ("crm.customer", "name", "claims.claim", "amount")
    ]
    graph = Graph(ask(app, "FROM system.lineage", AUDITOR).to_pylist())
    told = list(as_text(graph, graph.nodes("lake.claim.amount"), ["down"]))
    assert "    -> crm.customer.name (event paid_by)" in told
    assert ask(app, "SELECT * FROM system.lineage WHERE kind = 'event paid_by'", ANA).num_rows == 0


def test_they_outlive_the_server(tmp_path: Path) -> None:
    from server.app import build

    with company(tmp_path, RULES) as app:
        event = emit(app, "kept", "claims.claim", "", "{}")
    app = build(tmp_path)
    try:
        assert len(seen(app, AGENT, event)) == 1
    finally:
        app.close()
