"""Submitted runs and their results: who may read them, and what a policy of later does to that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from fabric.errors import FabricError, InvalidValue, LimitError, NotFound, NotSupported, ResultOutdated
from fabric.pipeline import Session
from fabric.secrets import remember_secrets
from fabric.types import Principal
from policies.scope import ScopedPrincipal
from server.app import build
from tests.policies.governed import ANA, BO, EVE, App, ask, company
from tests.server.tiny import until

AUDITOR = Principal("aud", frozenset({"role:auditor"}))
RULES = {
    "federation": "p, role:auditor, system.runs, read, allow\n",
    "claims": "p3, role:analyst, claims.claim, \"region = attr('region')\"\n",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def app(directory: Path) -> Iterator[App]:
    with company(directory, RULES) as app:
        yield app


def submit(app: App, sql: str, who: Principal = ANA) -> str:
    doubled = sql.replace("'", "''")
    (row,) = ask(app, f"CALL system.submit('{doubled}')", who).to_pylist()
    return str(row["run_id"])


def row_of(app: App, run_id: str, who: Principal) -> dict[str, object]:
    (row,) = ask(app, f"SELECT * FROM system.runs WHERE run_id = '{run_id}'", who).to_pylist()
    return dict(row)


def finished(app: App, run_id: str, who: Principal = ANA) -> dict[str, object]:
    until(lambda: row_of(app, run_id, who)["state"] not in ("queued", "running"), 20.0)
    return row_of(app, run_id, who)


def succeeded(app: App, sql: str, who: Principal = ANA) -> str:
    run_id = submit(app, sql, who)
    row = finished(app, run_id, who)
    assert row["state"] == "succeeded", row
    return run_id


def read(app: App, run_id: str, who: Principal = ANA) -> list[dict[str, object]]:
    return list(ask(app, f'SELECT * FROM results."{run_id}" ORDER BY ALL', who).to_pylist())


def refusal(app: App, sql: str, who: Principal) -> FabricError:
    with pytest.raises(FabricError) as caught:
        ask(app, sql, who)
    return caught.value


def tighten(directory: Path, lines: str, name: str = "claims") -> None:
    file = directory / "policies" / f"{name}.csv"
    file.write_text(file.read_text() + lines)


# ── the plain path ───────────────────────────────────────────────────────────────────────────


def test_a_result_is_what_the_query_answers_and_can_be_asked_like_a_table(app: App) -> None:
    query = "SELECT claim_id, amount, opened FROM claims.claim"
    run_id = succeeded(app, query)
    assert read(app, run_id) == ask(app, f"{query} ORDER BY ALL", ANA).to_pylist()
    total = ask(app, f'SELECT sum(amount) AS s FROM results."{run_id}" WHERE claim_id > 1', ANA)
    assert total.to_pylist() == [{"s": 300}]
    row = row_of(app, run_id, ANA)
    assert (row["owner"], row["sql"], row["rows"], row["error"]) == ("ana", query, 2, None)
    assert row["expires_at"] > row["ended_at"]  # type: ignore[operator]


def test_a_result_outlives_the_server(directory: Path) -> None:
    with company(directory, RULES) as app:
        run_id = succeeded(app, "SELECT claim_id FROM claims.claim")
    with closing(build(directory)) as again:
        assert read(again, run_id) == [{"claim_id": 1}, {"claim_id": 3}]


def test_results_build_on_results(app: App) -> None:
    first = succeeded(app, "SELECT claim_id, amount FROM claims.claim")
    second = succeeded(app, f'SELECT sum(amount) AS s FROM results."{first}"')
    assert read(app, second) == [{"s": 400}]


def test_what_cannot_run_is_refused_at_submit(app: App) -> None:
    assert isinstance(refusal(app, "CALL system.submit('SELECT * FROM claims.nothing')", ANA), NotFound)
    assert isinstance(refusal(app, "CALL system.submit('SELECT * FROM claims.claim')", EVE), NotFound)
    assert isinstance(refusal(app, "CALL system.submit('SHOW TABLES')", ANA), NotSupported)
    assert isinstance(
        refusal(app, "CALL system.submit('CALL system.submit(''SELECT 1'')')", ANA), NotSupported
    )
    twice = refusal(app, "CALL system.submit('SELECT 1 AS a, 2 AS A')", ANA)
    assert isinstance(twice, InvalidValue)
    assert "'A'" in twice.message


def test_what_fails_when_it_runs_says_so_and_leaves_no_file(app: App, directory: Path) -> None:
    run_id = submit(app, "SELECT CAST(note AS INTEGER) AS n FROM claims.claim, range(100000)", BO)
    row = finished(app, run_id, BO)
    assert row["state"] == "failed"
    assert row["error"]
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', BO), NotFound)
    assert not list((directory / ".ripstop" / "lake").rglob("*.parquet"))


def test_a_run_that_is_cancelled_stops_and_leaves_no_file(app: App, directory: Path) -> None:
    run_id = submit(app, "SELECT a.range + b.range AS n FROM range(1000000) a, range(100000) b")
    until(lambda: (row_of(app, run_id, ANA)["rows"] or 0) > 0, 20.0)  # type: ignore[operator]
    assert isinstance(refusal(app, f"CALL system.cancel('{run_id}')", BO), NotFound)
    told = ask(app, f"CALL system.cancel('{run_id}')", ANA).to_pylist()
    assert told == [{"query_id": run_id, "state": "cancelled"}]
    assert row_of(app, run_id, ANA)["state"] == "cancelled"
    until(lambda: not list((directory / ".ripstop" / "lake").rglob("*.parquet")), 20.0)


def test_cancelling_what_is_done_drops_the_result(app: App) -> None:
    run_id = succeeded(app, "SELECT claim_id FROM claims.claim")
    assert ask(app, f"CALL system.cancel('{run_id}')", ANA)["state"].to_pylist() == ["expired"]
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', ANA), NotFound)


def test_a_user_has_no_more_room_than_is_said(tmp_path: Path) -> None:
    with company(tmp_path, RULES) as app:
        pass
    with (tmp_path / "fabric.yaml").open("a") as file:
        file.write("lake: {per_user: 2KB}\n")
    with closing(build(tmp_path)) as app:
        big = submit(app, "SELECT range AS n, hash(range) AS h FROM range(5000)")
        assert "your results may take 2,000 bytes" in str(finished(app, big)["error"])
        small = succeeded(app, "SELECT 1 AS n")
        assert read(app, small) == [{"n": 1}]
        assert not [
            file for file in (tmp_path / ".ripstop" / "lake").rglob("*.parquet") if small not in str(file)
        ]


def test_a_result_that_expired_is_gone(tmp_path: Path) -> None:
    with company(tmp_path, RULES):
        pass
    with (tmp_path / "fabric.yaml").open("a") as file:
        file.write("lake: {keep: 0.2s}\n")
    with closing(build(tmp_path)) as app:
        run_id = submit(app, "SELECT 1 AS n")
        until(lambda: row_of(app, run_id, ANA)["state"] == "expired", 20.0)
        assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', ANA), NotFound)


def test_a_secrets_text_in_a_query_is_not_shown_and_does_no_harm(app: App) -> None:
    remember_secrets(SecretStr("hunter2hunter2"))
    run_id = succeeded(app, "SELECT hunter2hunter2.claim_id FROM claims.claim AS hunter2hunter2")
    assert "hunter2hunter2" not in str(row_of(app, run_id, ANA)["sql"])
    assert read(app, run_id) == [{"claim_id": 1}, {"claim_id": 3}]


def test_the_whole_text_lies_in_the_state_for_this_fabric_alone(directory: Path) -> None:
    remember_secrets(SecretStr("hunter2hunter2"))
    with company(directory, RULES) as app:
        run_id = succeeded(app, "SELECT hunter2hunter2.claim_id FROM claims.claim AS hunter2hunter2")
    state = b"".join(file.read_bytes() for file in (directory / ".ripstop").glob("state.db*"))
    assert run_id.encode() in state
    assert b"hunter2hunter2" not in state
    (directory / ".ripstop" / "key").write_text("another key, of another fabric\n")
    with closing(build(directory)) as other:
        assert isinstance(refusal(other, f'FROM results."{run_id}"', ANA), ResultOutdated)
        assert isinstance(refusal(other, f'FROM results."{run_id}"', BO), NotFound)


# ── attacks ──────────────────────────────────────────────────────────────────────────────────


def test_anothers_result_is_not_there_and_neither_is_their_run(app: App) -> None:
    run_id = succeeded(app, "SELECT claim_id FROM claims.claim")
    guessed = "0" * 32
    for form in ('SELECT * FROM results."{}"', 'EXPLAIN SELECT * FROM results."{}"', 'DESCRIBE results."{}"'):
        theirs, never = (str(refusal(app, form.format(id), BO)) for id in (run_id, guessed))
        assert theirs.replace(run_id, guessed) == never
    for call in ("CALL system.cancel('{}')", "CALL system.share('{}', 'bo')"):
        theirs, never = (str(refusal(app, call.format(id), BO)) for id in (run_id, guessed))
        assert theirs == never
    assert ask(app, "SELECT * FROM system.runs", BO).num_rows == 0
    assert ask(app, "SELECT * FROM system.runs", AUDITOR).num_rows == 1
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', AUDITOR), NotFound)
    assert read(app, run_id)


def test_who_it_is_shared_with_reads_it_only_under_decisions_no_stricter(app: App) -> None:
    mine = succeeded(app, "SELECT claim_id FROM claims.claim")
    free = succeeded(app, "SELECT score FROM fraud.score")
    for run_id in (mine, free):
        ask(app, f"CALL system.share('{run_id}', 'role:analyst')", ANA)
    outdated = refusal(app, f'SELECT * FROM results."{mine}"', BO)  # whose region is another
    assert isinstance(outdated, ResultOutdated)
    assert read(app, free, BO) == read(app, free, ANA)
    assert isinstance(refusal(app, f'SELECT * FROM results."{free}"', EVE), NotFound)


def test_a_share_with_someone_without_rights_beneath_tells_no_name(app: App) -> None:
    run_id = succeeded(app, "SELECT score FROM fraud.score")
    ask(app, f"CALL system.share('{run_id}', 'eve')", ANA)
    told = refusal(app, f'SELECT * FROM results."{run_id}"', EVE)
    assert isinstance(told, ResultOutdated)
    assert "fraud" not in str(told)


@pytest.mark.parametrize(
    "rule",
    [
        'p3, role:analyst, claims.claim, "amount < 200"\np3, role:*, claims.claim, "amount < 200"\n',
        "p2, role:analyst, claims.claim, ssn, hide\n",
        "p2, role:analyst, claims.claim, amount, null\n",
        "p, role:analyst, claims.claim, read, deny\n",
    ],
)
def test_a_policy_that_tightens_afterwards_holds_for_the_result(app: App, directory: Path, rule: str) -> None:
    run_id = succeeded(app, "SELECT claim_id, amount FROM claims.claim")
    assert read(app, run_id)
    version = app.governor.version
    tighten(directory, rule)
    until(lambda: app.governor.version != version)
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', ANA), ResultOutdated)


def test_a_policy_that_loosens_afterwards_leaves_the_result(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT claim_id FROM claims.claim")
    version = app.governor.version
    (directory / "policies" / "claims.csv").write_text("")
    until(lambda: app.governor.version != version)
    assert read(app, run_id) == [{"claim_id": 1}, {"claim_id": 3}]


def test_a_rule_beneath_a_product_holds_for_a_result_over_it(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT claim_id, name FROM claims.open")
    version = app.governor.version
    tighten(directory, "p3, role:*, crm.customer, \"name <> 'Ana'\"\n", "crm")
    until(lambda: app.governor.version != version)
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', ANA), ResultOutdated)


def test_what_may_not_be_combined_is_not_combined_through_a_result(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT claim_id, score FROM fraud.score")
    version = app.governor.version
    tighten(
        directory, 'p4, role:analyst, claims.claim, fraud.score, never, "privacy board 12"\n', "federation"
    )
    until(lambda: app.governor.version != version)
    assert read(app, run_id)
    told = refusal(app, f'SELECT * FROM claims.claim JOIN results."{run_id}" USING (claim_id)', ANA)
    assert "privacy board 12" in str(told)


def test_a_product_beneath_that_is_gone_takes_the_result_with_it(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT score FROM fraud.score")
    (directory / "products" / "fraud" / "score.sql").unlink()
    until(lambda: isinstance(_failure(app, run_id), ResultOutdated))


def _failure(app: App, run_id: str) -> FabricError | None:
    try:
        read(app, run_id)
    except FabricError as error:
        return error
    return None


def test_the_fabrics_own_tables_are_not_stored(app: App) -> None:
    row = finished(app, submit(app, "SELECT * FROM system.products"))
    assert row["state"] == "failed"
    assert "own tables" in str(row["error"])


def test_a_product_reads_no_result_that_is_not_shared_with_its_domain(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT score FROM fraud.score")
    (directory / "products" / "claims" / "from_result.sql").write_text(f'SELECT * FROM results."{run_id}"')
    until(lambda: isinstance(_refused(app, "SELECT * FROM claims.from_result"), ResultOutdated))


def _refused(app: App, sql: str) -> FabricError | None:
    with suppress(FabricError):
        ask(app, sql, ANA)
        return None
    return refusal(app, sql, ANA)


def test_a_token_of_fewer_roles_reads_no_result_beyond_them(app: App) -> None:
    run_id = succeeded(app, "SELECT score FROM fraud.score")
    limited = ScopedPrincipal("ana", ANA.roles, ANA.attributes, frozenset({"role:nothing"}))
    assert isinstance(refusal(app, f'SELECT * FROM results."{run_id}"', limited), ResultOutdated)


def test_the_audit_names_what_a_result_was_made_of(app: App) -> None:
    run_id = succeeded(app, "SELECT score FROM fraud.score")
    read(app, run_id)
    rows = ask(app, "SELECT objects FROM system.audit WHERE sql LIKE '%results.%'", ANA).to_pylist()
    assert any("fraud.score" in (row["objects"] or ()) for row in rows), rows


def test_limits_on_how_many_a_user_has_under_way(app: App) -> None:
    slow = "SELECT a.range + b.range AS n FROM range(1000000) a, range(100000) b"
    ids = [submit(app, slow) for _ in range(16)]
    assert isinstance(refusal(app, f"CALL system.submit('{slow}')", ANA), LimitError)
    for run_id in ids:
        ask(app, f"CALL system.cancel('{run_id}')", ANA)
    states = {row["state"] for row in ask(app, "SELECT state FROM system.runs", ANA).to_pylist()}
    assert states == {"cancelled"}


def test_the_file_of_a_result_holds_the_rows_in_groups(app: App, directory: Path) -> None:
    run_id = succeeded(app, "SELECT range AS n FROM range(300000)")
    (file,) = (directory / ".ripstop" / "lake" / "runs" / run_id).iterdir()
    assert pq.ParquetFile(file).metadata.num_row_groups == 3
    assert app.line.describe(f'SELECT * FROM results."{run_id}"', ANA, Session()).schema.names == ["n"]
