"""Results that principals have in common: only under the same decisions, and each is told no more than is theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import tests.policies.governed as governed
from fabric.errors import AccessDenied, NotFound, ResultTooLarge
from fabric.kept_answer import KeptAnswer
from fabric.pipeline import Session
from fabric.replies import Answer
from fabric.types import Principal
from policies.scope import ScopedPrincipal
from tests.policies.governed import ANA, BO, App, ask, company, rows
from tests.server.tiny import until

SHARED = "cache: {shared_results: true}\n"
ANN = replace(ANA, user="ann")
CLAIM = "SELECT claim_id, region, ssn FROM claims.claim"
SCORE = "SELECT claim_id, score FROM fraud.score"
REGION = "p3, role:analyst, claims.claim, region = attr('region')\n"
SESSION = Session()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, {"claims": REGION}, settings=SHARED) as made:
        yield made


def is_kept(app: App, sql: str, who: Principal, session: Session = SESSION) -> bool:
    with app.line.run(sql, who, session) as answer:
        list(answer.batches())
        return isinstance(answer, KeptAnswer)


def share(app: App, sql: str, one: Principal, other: Principal) -> bool:
    """Whether one is answered with what the other was; each alone is answered from memory the second time."""
    assert [is_kept(app, sql, other) for _ in range(2)] == [False, True]
    return is_kept(app, sql, one)


# ── who shares ───────────────────────────────────────────────────────────────────────────────


def test_the_same_decisions_share(app: App) -> None:
    assert share(app, CLAIM, ANN, ANA)
    assert rows(app, CLAIM, ANN) == rows(app, CLAIM, ANA) == [(1, "EU", "111-11"), (3, "EU", "111-11")]


def test_nobody_shares_who_did_not_say_so(tmp_path: Path) -> None:
    with company(tmp_path, {"claims": REGION}) as app:
        assert not share(app, CLAIM, ANN, ANA)


def test_a_value_of_a_rule_parts(app: App) -> None:
    assert not share(app, CLAIM, BO, ANA)
    assert rows(app, CLAIM, BO) == [(2, "US", "222-22")]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("p2, ann, claims.claim, ssn, last(2)", [(1, "EU", "***11"), (3, "EU", "***11")]),
        ("p2, ann, claims.claim, ssn, null", [(1, "EU", None), (3, "EU", None)]),
        ("p2, ann, lake.claim, ssn, null", [(1, "EU", None), (3, "EU", None)]),
        ("p3, ann, lake.claim, claim_id > 1\np3, ana, lake.claim, true", [(3, "EU", "111-11")]),
        ("p3, role:*, claims.claim, user() <> 'ann'", []),
        ("p2, role:*, claims.claim, ssn, sql:user()", [(1, "EU", "ann"), (3, "EU", "ann")]),
        ("p2, role:*, claims.claim, ssn, sql:CASE WHEN has_role('role:a') THEN ssn END", None),
        ("p3, role:*, claims.claim, claim_id IN (SELECT claim_id FROM fraud.score WHERE user() = 'ana')", []),
    ],
)
def test_another_decision_on_any_part_parts(
    tmp_path: Path, rules: str, told: list[tuple[object, ...]] | None
) -> None:
    told = told if told is not None else [(1, "EU", None), (3, "EU", None)]
    one = replace(ANA, roles=ANA.roles | {"role:a"})
    with company(tmp_path, {"claims": f"{REGION}{rules}\n"}, settings=SHARED) as app:
        assert not share(app, CLAIM, ANN, one)
        assert rows(app, CLAIM, ANN) == told
        assert rows(app, CLAIM, ANN) != rows(app, CLAIM, one)


def test_what_one_may_combine_another_may_not(tmp_path: Path) -> None:
    rule = "p4, ann, claims.claim, fraud.score, never, apart\n"
    sql = "SELECT c.claim_id, s.score FROM claims.claim c JOIN fraud.score s USING (claim_id)"
    with company(tmp_path, {"claims": rule}, settings=SHARED) as app:
        assert [is_kept(app, sql, ANA) for _ in range(2)] == [False, True]
        with pytest.raises(AccessDenied):
            is_kept(app, sql, ANN)


def test_who_may_not_ask_is_told_nothing_of_what_is_kept(app: App) -> None:
    assert is_kept(app, SCORE, ANA) or is_kept(app, SCORE, ANA)
    with pytest.raises(NotFound):
        is_kept(app, SCORE, Principal("eve"))
    scoped = ScopedPrincipal(ANN.user, ANN.roles, ANN.attributes, frozenset({"role:nothing"}))
    with pytest.raises(NotFound):
        is_kept(app, SCORE, scoped)


def test_a_session_s_time_zone_parts(app: App) -> None:
    sql = "SELECT (opened::TIMESTAMPTZ)::VARCHAR AS t FROM lake.claim"
    owner = Principal("olga", frozenset({"role:claims-owner"}))
    assert share(app, sql, replace(owner, user="otto"), owner)
    assert not is_kept(app, sql, owner, Session(timezone="Asia/Tokyo"))
    assert is_kept(app, sql, replace(owner, user="otto"), Session(timezone="Asia/Tokyo"))


def test_values_part_by_their_types(app: App) -> None:
    text = "SELECT typeof(?) AS t, claim_id FROM fraud.score"
    for value in (1, 1.0, "1", True):
        with app.line.run(text, ANA, SESSION, [value]) as answer:
            assert isinstance(answer, Answer)
            list(answer.batches())


def test_a_name_that_looks_like_an_id_is_part_of_the_answer(app: App) -> None:
    """Ids are numbered where statements are compared: one that a user writes would be another's."""
    text = "SELECT to_json(t)::VARCHAR AS x FROM (SELECT claim_id AS r_{0} FROM fraud.score) AS t"
    found = [rows(app, text.format(16 * digit), who) for digit, who in (("a", ANA), ("b", ANN))]
    assert ["a" * 16 in str(found[0]), "b" * 16 in str(found[1])] == [True, True]
    text = "WITH c_{0} AS (FROM fraud.score) SELECT claim_id AS r_{0} FROM c_{0}"
    names = [ask(app, text.format(16 * digit), who).column_names for digit, who in (("a", ANA), ("b", ANN))]
    assert names == [["r_" + "a" * 16], ["r_" + "b" * 16]]


def test_tables_of_the_same_columns_are_not_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables over the very same file, of which one reads 0.9 as NULL."""
    twin = (
        "tables: {twin: {path: score.csv, format: csv, options: {nullstr: '0.9'}}, score: {path: score.csv,"
    )
    fabric = governed._FABRIC.replace("tables: {score: {path: score.csv,", twin)
    monkeypatch.setattr(governed, "_FABRIC", fabric)
    owner = Principal("fay", frozenset({"role:fraud-owner"}))
    with company(tmp_path, {}, settings=SHARED) as app:
        assert rows(app, "SELECT score FROM scores.score AS t", owner) == [(0.1,), (0.9,)]
        assert rows(app, "SELECT score FROM scores.twin AS t", owner) == [(0.1,), (None,)]


# ── when it ends ─────────────────────────────────────────────────────────────────────────────


def test_a_tightened_rule_holds_at_once(app: App, tmp_path: Path) -> None:
    assert share(app, CLAIM, ANN, ANA)
    before = app.governor.version
    (tmp_path / "policies" / "claims.csv").write_text(REGION + "p3, role:*, claims.claim, claim_id > 1\n")
    until(lambda: app.governor.version != before)
    for who in (ANN, ANA):
        assert rows(app, CLAIM, who) == [(3, "EU", "111-11")]
    (tmp_path / "policies" / "claims.csv").write_text("p, role:*, claims.claim, read, deny\n")
    for who in (ANN, ANA):
        until(lambda who=who: _is_denied(app, who))


def _is_denied(app: App, who: Principal) -> bool:
    try:
        rows(app, CLAIM, who)
    except (AccessDenied, NotFound):
        return True
    return False


def test_a_changed_file_is_read_by_all(app: App, tmp_path: Path) -> None:
    assert share(app, SCORE, ANN, ANA)
    file = tmp_path / "fraud" / "score.csv"
    file.write_text("claim_id,score\n1,0.8\n2,0.1\n")
    os.utime(file, ns=(1, 1))
    assert rows(app, SCORE, ANN) == rows(app, SCORE, ANA) == [(1, 0.8), (2, 0.1)]


def test_a_changed_product_is_read_by_all(app: App, tmp_path: Path) -> None:
    assert share(app, SCORE, ANN, ANA)
    (tmp_path / "products" / "fraud" / "score.sql").write_text("SELECT * FROM scores.score WHERE score < 0.5")
    until(lambda: rows(app, SCORE, ANN) == [(2, 0.1)])
    assert rows(app, SCORE, ANA) == [(2, 0.1)]


# ── what each is told ────────────────────────────────────────────────────────────────────────


def test_each_is_written_down_as_themselves(app: App) -> None:
    assert share(app, CLAIM, ANN, ANA)
    asked = (
        "SELECT q.user, q.state, q.rows, q.cache FROM system.queries q WHERE q.sql = $1 ORDER BY q.ended_at"
    )
    assert [tuple(row.values()) for row in ask(app, asked, ANN, [CLAIM]).to_pylist()] == [
        ("ann", "succeeded", 2, "result")
    ]
    audited = "SELECT user, count(*) AS n FROM system.audit WHERE sql = $1 AND event = 'intent' GROUP BY ALL"
    assert ask(app, audited, ANN, [CLAIM]).to_pylist() == [{"user": "ann", "n": 1}]
    used = "SELECT queries FROM system.usage WHERE object = 'claims.claim' AND user = 'ann' AND named"
    assert ask(app, used, ANN).to_pylist() == [{"queries": 1}]


def test_a_source_that_one_may_know_is_not_told_to_another(app: App) -> None:
    """The same product, the same rows: its owner knows the source beneath, an analyst does not."""
    owner = Principal("fay", frozenset({"role:fraud-owner"}))
    assert share(app, SCORE, ANA, owner)
    told = "SELECT s.source, s.object, s.asked, s.cache, s.rows FROM system.scans s JOIN system.queries q USING (query_id) WHERE q.sql = $1"
    (row,) = ask(app, told, ANA, [SCORE]).to_pylist()
    assert row == {"source": None, "object": None, "asked": None, "cache": None, "rows": None}
    shown = ask(app, told, owner, [SCORE]).to_pylist()
    assert [row["object"] for row in shown] == ["scores.score", "scores.score"]
    assert [row["cache"] for row in shown] == ["", "result of 0 s ago"]


def test_a_limit_holds_of_what_another_was_answered(tmp_path: Path) -> None:
    limits = "limits: {default: {rows: 1}, role:lead: {rows: 100}}\n"
    lead = Principal("lea", frozenset({"role:analyst", "role:lead"}))
    with company(tmp_path, {}, settings=SHARED + limits) as app:
        assert [is_kept(app, SCORE, lead) for _ in range(2)] == [False, True]
        with pytest.raises(ResultTooLarge, match="more than 1 rows"):
            is_kept(app, SCORE, ANA)
        states = ask(app, "SELECT state, rows FROM system.queries WHERE sql = $1", ANA, [SCORE]).to_pylist()
        assert states == [{"state": "failed", "rows": 0}]


def test_a_run_over_a_kept_result_is_judged_for_its_owner(app: App) -> None:
    assert share(app, SCORE, ANN, ANA)
    (run,) = ask(app, f"CALL system.submit('{SCORE}')", ANN).to_pylist()
    state = f"SELECT state FROM system.runs WHERE run_id = '{run['run_id']}'"
    until(lambda: ask(app, state, ANN).to_pylist() == [{"state": "succeeded"}])
    assert rows(app, f'FROM results."{run["run_id"]}"', ANN) == [(1, 0.9), (2, 0.1)]
