"""Materialized products: when they are refreshed, who is served from a snapshot, and who is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, FabricError, InvalidValue, LimitError, NotFound, PolicyChanged
from fabric.pipeline import Session
from fabric.refresher import Refresher
from fabric.types import Principal
from server.app import build
from tests.policies.governed import ANA, BO, EVE, App, ask, company, rows
from tests.server.tiny import until

OWNER = Principal("olga", frozenset({"role:claims-owner"}))
NEVER = "0 0 1 1 *"  # once a year
SLOW_TO_COME = f"materialize: {{refresh: '{NEVER}', keep: 2}}"
PRODUCTS = {
    "claims/stored": f"/*---\n{SLOW_TO_COME}\n---*/\nSELECT claim_id, region, amount, ssn FROM lake.claim",
    "claims/stored_open": f"/*---\n{SLOW_TO_COME}\n---*/\nSELECT c.claim_id, p.name FROM lake.claim c "
    "JOIN crm.customer p USING (customer_id)",
    "claims/summed": f"/*---\nreads_as: domain\n{SLOW_TO_COME}\n---*/\nSELECT region, sum(amount) AS amount "
    "FROM lake.claim GROUP BY region",
    "claims/over": "SELECT claim_id, amount FROM claims.stored",
}
SESSION = Session()
STORED = "claims/stored"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, {}, PRODUCTS) as app:
        wait_for_first(app)
        yield app


def wait_for_first(app: App, count: int = 3) -> None:
    until(lambda: len(app.catalog.snapshots) == count, 30.0)


def refresher(app: App) -> Refresher:
    assert app.line.procedures.refresher is not None
    return app.line.procedures.refresher


def is_stored(app: App, sql: str, who: Principal = ANA) -> bool:
    told = "\n".join(ask(app, f"EXPLAIN {sql}", OWNER if who is OWNER else who)["plan"].to_pylist())
    answer = app.line.run(sql, who, SESSION)
    with answer:
        list(answer.batches())
        scans = answer.receipts()  # type: ignore[union-attr]
    assert told
    return any(scan.source == "results" for scan in scans)


def change(directory: Path) -> None:
    with (directory / "lake" / "claim.csv").open("a") as file:
        file.write("5,10,EU,500,2025-07-01,444-44,78\n")


# ── refreshing ───────────────────────────────────────────────────────────────────────────────


def test_readers_get_the_snapshot_until_the_next_refresh(app: App, tmp_path: Path) -> None:
    counted = "SELECT count(*) AS n FROM claims.stored"
    assert is_stored(app, counted)
    change(tmp_path)
    assert rows(app, counted) == [(4,)]
    assert rows(app, "SELECT count(*) AS n FROM claims.claim") == [(5,)]
    (told,) = ask(app, "REFRESH claims.stored", OWNER).to_pylist()
    assert told == {"product": "claims.stored", "rows": 5}
    assert rows(app, counted) == [(5,)]


def test_a_product_over_a_stored_one_reads_the_snapshot_too(app: App, tmp_path: Path) -> None:
    change(tmp_path)
    assert rows(app, "SELECT count(*) AS n FROM claims.over") == [(4,)]
    assert is_stored(app, "SELECT * FROM claims.over")


def test_its_age_is_told(app: App) -> None:
    (as_of,) = ask(app, "SELECT as_of FROM system.products WHERE name = 'stored'", ANA)["as_of"].to_pylist()
    assert as_of is not None
    with app.line.run("SELECT * FROM claims.stored", ANA, SESSION) as answer:
        list(answer.batches())
        (scan,) = answer.receipts()  # type: ignore[union-attr]
    assert scan.as_of == as_of
    live = ask(app, "SELECT as_of FROM system.products WHERE name = 'claim'", ANA)["as_of"].to_pylist()
    assert live == [None]


def test_it_is_refreshed_when_its_time_has_come(tmp_path: Path) -> None:
    with company(tmp_path, {}, {STORED: PRODUCTS[STORED].replace(NEVER, "* * * * * *")}) as app:
        wait_for_first(app, 1)
        change(tmp_path)
        until(lambda: rows(app, "SELECT count(*) AS n FROM claims.stored") == [(5,)], 30.0)


def test_when_a_refresh_fails_the_last_good_one_is_served_and_its_owner_is_told(
    app: App, tmp_path: Path
) -> None:
    (tmp_path / "lake" / "claim.csv").write_text("nothing\n")
    with pytest.raises(FabricError):
        ask(app, "REFRESH claims.stored_open", OWNER)
    (reason,) = ask(app, "SELECT reason FROM system.products WHERE name = 'stored_open'", OWNER)[
        "reason"
    ].to_pylist()
    assert "its last refresh failed" in reason
    (hidden,) = ask(app, "SELECT reason FROM system.products WHERE name = 'stored_open'", ANA)[
        "reason"
    ].to_pylist()
    assert "failed" not in str(hidden)


def test_a_snapshot_outlives_the_server_and_is_served_when_its_source_is_down(tmp_path: Path) -> None:
    with company(tmp_path, {}, PRODUCTS) as app:
        wait_for_first(app)
    with closing(build(tmp_path)) as again:
        (tmp_path / "crm.db").unlink()
        assert rows(again, "SELECT count(*) AS n FROM claims.stored_open") == [(4,)]


def test_a_refresh_that_ended_with_its_server_is_begun_again_by_the_next(tmp_path: Path) -> None:
    beside = ", ".join(f"lake.claim c{n}" for n in range(30))
    endless = f"/*---\n{SLOW_TO_COME}\n---*/\nSELECT sum(c0.amount * c29.amount) AS amount FROM {beside}"
    with company(tmp_path, {}, {STORED: endless}) as app:
        until(lambda: bool(app.journal.snapshots.running()), 30.0)
        product = next(p for p in app.catalog.products.current().values() if p.stored is not None)
    assert app.journal.snapshots.last(product) is None
    with closing(build(tmp_path)) as again:
        until(lambda: bool(again.journal.snapshots.running()), 30.0)


def test_a_changed_select_is_not_answered_from_the_old_snapshot(app: App, tmp_path: Path) -> None:
    file = tmp_path / "products" / "claims" / "stored.sql"
    new = tmp_path / "stored.sql"
    new.write_text(PRODUCTS[STORED].replace("FROM lake.claim", "FROM lake.claim WHERE amount > 100"))
    new.replace(file)

    def is_served() -> bool:
        with suppress(PolicyChanged):  # it counts between description and run: a client asks again
            return rows(app, "SELECT count(*) AS n FROM claims.stored") == [(3,)]
        return False

    until(is_served, 30.0)


def test_of_two_servers_one_refreshes(tmp_path: Path) -> None:
    with company(tmp_path, {}, PRODUCTS) as app, closing(build(tmp_path)) as other:
        wait_for_first(app)
        wait_for_first(other)
        keepers = [refresher(app), refresher(other)]
        product = app.catalog.products.current()["claims", "stored"]
        for snapshots in range(1, 6):
            change(tmp_path)
            together = threading.Barrier(2)

            def refresh(keeper: Refresher, together: threading.Barrier = together) -> None:
                together.wait()
                keeper._refresh_due(product)

            with app.state.transaction() as run:
                run("UPDATE snapshots SET as_of = as_of - 400 * 86400 WHERE product = 'claims.stored@1'")
            threads = [threading.Thread(target=refresh, args=(keeper,)) for keeper in keepers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            until(lambda: not any(keeper._active or keeper._is_due(product) for keeper in keepers))
            made = app.state.read("SELECT state FROM snapshots WHERE product = 'claims.stored@1'")
            assert len(made) == 1 + snapshots
            assert {state for (state,) in made} <= {"good", "dropped"}
        until(lambda: rows(other, "SELECT count(*) AS n FROM claims.stored") == [(9,)])


def test_of_two_servers_one_refreshes_when_asked_and_the_other_says_so(tmp_path: Path) -> None:
    with company(tmp_path, {}, PRODUCTS) as app, closing(build(tmp_path)) as other:
        wait_for_first(app)
        product = app.catalog.products.current()["claims", "stored"]
        with refresher(app)._alone("claims.stored@1") as stop:
            assert stop is not None
            with pytest.raises(LimitError, match="being refreshed already"):
                refresher(other).refresh(product)
        assert refresher(other).refresh(product) == 4


def test_only_the_newest_snapshots_stay_and_no_file_of_a_failed_one(app: App, tmp_path: Path) -> None:
    for _ in range(3):
        ask(app, "REFRESH claims.stored", OWNER)
    states = [
        row[0] for row in app.state.read("SELECT state FROM snapshots WHERE product = 'claims.stored@1'")
    ]
    assert sorted(states) == ["dropped", "dropped", "good", "good"]


def test_those_of_so_long_stay_and_the_newest(tmp_path: Path) -> None:
    with company(tmp_path, {}, {STORED: PRODUCTS[STORED].replace("keep: 2", "keep: 30d")}) as app:
        wait_for_first(app, 1)
        for _ in range(2):
            ask(app, "REFRESH claims.stored", OWNER)
        with app.state.transaction() as run:
            run(
                "UPDATE snapshots SET as_of = as_of - 31 * 86400 WHERE number = (SELECT min(number) FROM snapshots)"
            )
        ask(app, "REFRESH claims.stored", OWNER)
        states = [row[0] for row in app.state.read("SELECT state FROM snapshots ORDER BY number")]
        assert states == ["dropped", "good", "good", "good"]


def test_types_that_parquet_holds_as_others_come_back(app: App, tmp_path: Path) -> None:
    asked = "DESCRIBE claims.summed"
    assert is_stored(app, "SELECT * FROM claims.summed")
    assert rows(app, asked) == [("amount", "HUGEINT", "YES"), ("region", "VARCHAR", "YES")]
    (tmp_path / "products" / "claims" / "lasting.sql").write_text(
        f"/*---\n{SLOW_TO_COME}\n---*/\nSELECT INTERVAL 1 DAY AS lasts"
    )
    until(lambda: ("claims", "lasting") in app.catalog.products.current())
    with pytest.raises(InvalidValue, match="column 'lasts' has a type that Parquet does not hold"):
        ask(app, "REFRESH claims.lasting", OWNER)
    assert ask(app, "SELECT * FROM claims.lasting", ANA).num_rows == 1


# ── who may ──────────────────────────────────────────────────────────────────────────────────


def test_who_may_refresh(app: App) -> None:
    with pytest.raises(AccessDenied):
        ask(app, "REFRESH claims.stored", ANA)
    for name in ("claims.stored", "claims.nothing"):
        with pytest.raises(NotFound):
            ask(app, f"REFRESH {name}", EVE)
    with pytest.raises(InvalidValue, match="is not stored"):
        ask(app, "REFRESH claims.claim", OWNER)


def restrict(app: App, directory: Path, rules: str, name: str = "claims") -> None:
    version = app.governor.version
    file = directory / "policies" / f"{name}.csv"
    file.write_text(file.read_text() + rules)
    until(lambda: app.governor.version != version)


def test_rules_on_the_product_itself_hold_over_the_snapshot(app: App, tmp_path: Path) -> None:
    restrict(
        app,
        tmp_path,
        "p3, role:analyst, claims.stored, \"region = attr('region')\"\np2, role:analyst, claims.stored, ssn, last(2)\n",
    )
    asked = "SELECT claim_id, ssn FROM claims.stored"
    assert is_stored(app, asked)
    assert rows(app, asked) == [(1, "***11"), (3, "***11")]
    assert rows(app, asked, BO) == [(2, "***22")]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("p3, role:analyst, lake.claim, \"region = 'EU'\"\n", [(1,), (3,)]),
        ("p2, role:analyst, lake.claim, ssn, hide\n", [(1,), (2,), (3,), (4,)]),
    ],
)
def test_a_rule_beneath_takes_its_reader_to_the_live_parts(
    app: App, tmp_path: Path, rule: str, expected: list[tuple[int]]
) -> None:
    restrict(app, tmp_path, rule)
    asked = "SELECT claim_id FROM claims.stored"
    assert not is_stored(app, asked)
    assert rows(app, asked) == expected
    if "ssn" in rule:
        assert {row[0] for row in rows(app, "SELECT ssn FROM claims.stored")} == {None}
    assert is_stored(app, asked, OWNER)  # of whom the rule does not speak


def test_a_rule_beneath_a_product_that_reads_as_its_domain_takes_nobody_there(
    app: App, tmp_path: Path
) -> None:
    restrict(app, tmp_path, "p3, role:analyst, lake.claim, \"region = 'EU'\"\n")
    assert is_stored(app, "SELECT * FROM claims.summed")
    assert len(rows(app, "SELECT * FROM claims.summed")) == 3


def test_a_rule_of_another_domain_beneath_holds(app: App, tmp_path: Path) -> None:
    restrict(app, tmp_path, "p3, role:analyst, crm.customer, \"name = 'Ana'\"\n", "crm")
    asked = "SELECT DISTINCT name FROM claims.stored_open"
    assert rows(app, asked) == [("Ana",)]
    assert not is_stored(app, asked)


def test_a_denial_beneath_holds(app: App, tmp_path: Path) -> None:
    restrict(app, tmp_path, "p, role:analyst, lake.claim, read, deny\n")
    with pytest.raises(AccessDenied):
        ask(app, "SELECT * FROM claims.stored", ANA)


def test_a_combination_is_refused_over_snapshots_too(app: App, tmp_path: Path) -> None:
    restrict(
        app, tmp_path, 'p4, role:analyst, lake.claim, fraud.score, never, "privacy board 12"\n', "federation"
    )
    with pytest.raises(AccessDenied, match="combined"):
        ask(app, "SELECT * FROM claims.stored JOIN fraud.score USING (claim_id)", ANA)


def test_a_domain_that_may_no_longer_read_a_part_serves_no_snapshot_of_it(app: App, tmp_path: Path) -> None:
    restrict(app, tmp_path, "p, domain:claims, crm.customer, read, deny\n", "federation")
    with pytest.raises(AccessDenied):
        ask(app, "SELECT * FROM claims.stored_open", ANA)


def test_snapshots_have_no_name_of_their_own(app: App) -> None:
    for name in ('results."claims.stored@1"', 'results.main."claims.stored@1"'):
        with pytest.raises(NotFound):
            ask(app, f"SELECT * FROM {name}", OWNER)


def test_a_run_over_a_snapshot_can_be_read(app: App) -> None:
    (row,) = ask(app, "CALL system.submit('SELECT claim_id FROM claims.over')", ANA).to_pylist()
    state = f"SELECT state FROM system.runs WHERE run_id = '{row['run_id']}'"
    until(lambda: ask(app, state, ANA)["state"].to_pylist() == ["succeeded"], 20.0)
    assert len(rows(app, f'SELECT * FROM results."{row["run_id"]}"')) == 4
