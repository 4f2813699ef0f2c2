"""Products that are stored anew when something has changed, and of which only changed rows are asked."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.errors import FabricError
from fabric.types import Principal
from tests.policies.governed import ANA, App, ask, company, rows
from tests.server.test_snapshots import NEVER, change, refresher, restrict, wait_for_first
from tests.server.tiny import until

TICKET = "crm/ticket"
TICKETS = "SELECT ticket_id, state, upper(note) AS note, updated_at FROM crm_db.ticket"
DDL = "CREATE TABLE ticket (ticket_id BIGINT, state TEXT, note TEXT, updated_at BIGINT)"


def product(sql: str, said: str) -> str:
    return f"/*---\nmaterialize: {{{said}}}\n---*/\n{sql}"


OWNER_OF_CRM = Principal("carl", frozenset({"role:crm-owner"}))
INCREMENTAL = f"refresh: '{NEVER}', watermark: updated_at, key: ticket_id, keep: 5"


@contextmanager
def tickets(directory: Path, products: dict[str, str]) -> Iterator[App]:
    """The company with a table of tickets: (id, state, note, updated_at)."""
    with closing(sqlite3.connect(directory / "crm.db")) as connection:
        connection.execute(DDL)
        connection.executemany(
            "INSERT INTO ticket VALUES (?, ?, ?, ?)", [(1, "open", "a", 10), (2, "open", "b", 20)]
        )
        connection.commit()
    with company(directory, {}, products) as app:
        yield app


def write(directory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(directory / "crm.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def refreshed(app: App, name: str = "ticket", domain: str = "crm") -> None:
    """As when its time has come."""
    found, keeper = app.catalog.products.current()[domain, name], refresher(app)
    past = "UPDATE snapshots SET as_of = as_of - 400 * 86400"
    with app.state.transaction() as run:
        run(past)
    keeper._refresh_due(found)
    until(
        lambda: not keeper._active and not keeper._is_due(found)
    )  # the server's own clock may have been first


def asked(app: App) -> list[str]:
    """What the source was asked by the last refresh."""
    found = app.state.read("SELECT asked FROM scans WHERE source = 'crm_db' ORDER BY rowid DESC LIMIT 1")
    return [str(row[0]) for row in found]


def states(app: App) -> list[str]:
    return [str(row[0]) for row in app.state.read("SELECT state FROM snapshots ORDER BY number")]


def stored(app: App, name: str = "ticket") -> list[tuple[object, ...]]:
    assert app.catalog.snapshots
    return rows(app, f"SELECT * FROM crm.{name}")


# ── on change ────────────────────────────────────────────────────────────────────────────────


def test_a_product_over_files_is_stored_anew_when_one_has_changed_and_not_before(tmp_path: Path) -> None:
    sql = product("SELECT claim_id, amount FROM lake.claim", "refresh: on change, every: 1s")
    with company(tmp_path, {}, {"claims/stored": sql}) as app:
        wait_for_first(app, 1)
        ((first,),) = app.state.read("SELECT as_of FROM snapshots")
        until(
            lambda: app.state.read("SELECT as_of FROM snapshots")[0][0] > first, 20.0
        )  # looked at, and the same
        assert states(app) == ["good"]
        assert rows(
            app,
            "SELECT as_of = (SELECT as_of FROM system.products WHERE name = 'stored') FROM system.snapshots",
        )
        change(tmp_path)
        until(lambda: rows(app, "SELECT count(*) FROM claims.stored") == [(5,)], 20.0)
        assert states(app) == ["good", "good"]


def test_a_product_over_a_live_table_is_when_a_row_is_above_the_last_watermark(tmp_path: Path) -> None:
    said = "refresh: on change, every: 1s, watermark: updated_at"
    with tickets(tmp_path, {TICKET: product(TICKETS, said)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "INSERT INTO ticket VALUES (3, 'open', 'c', 30)")
        until(lambda: len(stored(app)) == 3, 20.0)
        assert states(app)[:2] == ["good", "good"]


def test_a_row_that_is_left_out_from_now_on_is_a_change(tmp_path: Path) -> None:
    said = "refresh: on change, every: 1s, watermark: updated_at, key: ticket_id"
    with tickets(tmp_path, {TICKET: product(f"{TICKETS} t WHERE state = 'open'", said)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "UPDATE ticket SET state = 'closed', updated_at = 30 WHERE ticket_id = 1")
        until(lambda: stored(app) == [(2, "open", "B", 20)], 20.0)


def test_by_cron_too_nothing_is_stored_anew_while_no_file_has_changed(tmp_path: Path) -> None:
    sql = product("SELECT claim_id, amount FROM lake.claim", f"refresh: '{NEVER}'")
    with company(
        tmp_path,
        {},
        {"claims/files": sql, "claims/timed": sql.replace("claim_id,", "claim_id, now() AS at,")},
    ) as app:
        wait_for_first(app, 2)
        refreshed(app, "files", "claims")
        refreshed(app, "timed", "claims")
        assert [row[0] for row in app.state.read("SELECT product FROM snapshots ORDER BY product")] == [
            "claims.files@1", "claims.timed@1", "claims.timed@1",
        ]  # fmt: skip
        change(tmp_path)
        refreshed(app, "files", "claims")
        assert len(rows(app, "SELECT * FROM claims.files")) == 5


def test_changed_rules_count_as_a_change(tmp_path: Path) -> None:
    sql = product("SELECT claim_id, amount FROM lake.claim", f"refresh: '{NEVER}'")
    with company(tmp_path, {}, {"claims/stored": sql}) as app:
        wait_for_first(app, 1)
        restrict(app, tmp_path, "p3, domain:claims, lake.claim, amount > 100\n")
        refreshed(app, "stored", "claims")
        assert len(rows(app, "SELECT * FROM claims.stored")) == 3
        assert states(app) == ["good", "good"]


# ── changed rows ─────────────────────────────────────────────────────────────────────────────


def test_only_rows_at_or_above_the_watermark_are_asked(tmp_path: Path) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        write(
            tmp_path,
            "UPDATE ticket SET note = 'bb', updated_at = 25 WHERE ticket_id = 2",
            "INSERT INTO ticket VALUES (3, 'open', 'c', 30), (4, 'open', 'd', NULL)",
            "UPDATE ticket SET note = 'unseen' WHERE ticket_id = 1",  # its watermark did not move
        )
        refreshed(app)
        assert stored(app) == [
            (1, "open", "A", 10),
            (2, "open", "BB", 25),
            (3, "open", "C", 30),
            (4, "open", "D", None),
        ]
        until(lambda: any('"updated_at" >= 20' in each for each in asked(app)))
        ask(app, "REFRESH crm.ticket", OWNER_OF_CRM)
        assert stored(app)[0] == (1, "open", "UNSEEN", 10)


def test_a_row_that_the_select_leaves_out_now_goes(tmp_path: Path) -> None:
    sql = f"{TICKETS} WHERE state = 'open'"
    with tickets(tmp_path, {TICKET: product(sql, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "UPDATE ticket SET state = 'closed', updated_at = 30 WHERE ticket_id = 1")
        refreshed(app)
        assert stored(app) == [(2, "open", "B", 20)]
        write(tmp_path, "UPDATE ticket SET state = 'open', updated_at = 40 WHERE ticket_id = 1")
        refreshed(app)
        assert stored(app) == [(1, "open", "A", 40), (2, "open", "B", 20)]


def test_what_a_row_that_is_left_out_would_give_is_not_reckoned(tmp_path: Path) -> None:
    sql = "SELECT ticket_id, CAST(note AS INTEGER) AS n, updated_at FROM crm_db.ticket WHERE state = 'number'"
    with tickets(tmp_path, {TICKET: product(sql, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "INSERT INTO ticket VALUES (3, 'number', '33', 30)")
        refreshed(app)  # nothing was stored, so that there is no watermark yet
        write(tmp_path, "INSERT INTO ticket VALUES (4, 'number', '44', 40), (5, 'text', 'x', 50)")
        refreshed(app)
        assert stored(app) == [(3, 33, 30), (4, 44, 40)]


def test_the_snapshot_before_stays_as_it_was(tmp_path: Path) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        before = stored(app)
        (first,) = ask(app, "SELECT snapshot_id FROM system.snapshots", OWNER_OF_CRM)[
            "snapshot_id"
        ].to_pylist()
        write(tmp_path, "UPDATE ticket SET note = 'zz', updated_at = 30")
        refreshed(app)
        assert stored(app) != before
        assert rows(app, f"SELECT * FROM crm.ticket AT (VERSION => '{first}')") == before


def test_deletes_are_seen_when_all_rows_are_asked_again(tmp_path: Path) -> None:
    said = INCREMENTAL + ", full: '0 3 * * 0'"
    with tickets(tmp_path, {TICKET: product(TICKETS, said)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "DELETE FROM ticket WHERE ticket_id = 1")
        refreshed(app)
        assert len(stored(app)) == 2
        with app.state.transaction() as run:
            run("UPDATE snapshots SET whole_at = whole_at - 8 * 86400")
        refreshed(app)
        assert stored(app) == [(2, "open", "B", 20)]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("INSERT INTO ticket VALUES (NULL, 'open', 'c', 30)", "is NULL in a row"),
        (
            "INSERT INTO ticket VALUES (3, 'open', 'c', 30), (3, 'open', 'd', 30)",
            "is the same in several rows",
        ),
    ],
)
def test_a_key_that_tells_no_row_is_refused_whatever_is_asked(
    tmp_path: Path, statement: str, why: str
) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        before = stored(app)
        write(tmp_path, statement)
        refreshed(app)
        (reason,) = ask(app, "SELECT reason FROM system.products WHERE name = 'ticket'", OWNER_OF_CRM)[
            "reason"
        ].to_pylist()
        assert why in str(reason)
        with pytest.raises(FabricError, match=why):
            ask(app, "REFRESH crm.ticket", OWNER_OF_CRM)
        assert stored(app) == before
        assert not [file for file in refresher(app)._lake.listed("snapshots") if file.path.endswith("delta")]
        assert states(app) == ["good", "failed", "failed"]


def test_where_a_rule_beneath_takes_rows_all_are_asked(tmp_path: Path) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        restrict(app, tmp_path, "p3, domain:crm, crm_db.ticket, state = 'open'\n", "crm")
        write(
            tmp_path, "UPDATE ticket SET state = 'closed' WHERE ticket_id = 1"
        )  # its watermark did not move
        refreshed(app)
        assert stored(app) == [(2, "open", "B", 20)]


def test_another_watermark_or_select_begins_anew(tmp_path: Path) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, INCREMENTAL)}) as app:
        wait_for_first(app, 1)
        write(tmp_path, "UPDATE ticket SET note = 'new' WHERE ticket_id = 1")
        file = tmp_path / "products" / "crm" / "ticket.sql"
        new = tmp_path / "new.sql"
        new.write_text(product(TICKETS, INCREMENTAL.replace("key: ticket_id", "key: [ticket_id, state]")))
        new.replace(file)
        until(lambda: len(app.catalog.products.current()["crm", "ticket"].stored.key) == 2)  # type: ignore[union-attr]
        refreshed(app)
        assert stored(app)[0] == (1, "open", "NEW", 10)


@pytest.mark.parametrize(
    ("sql", "said", "why"),
    [
        (TICKETS, "key: nothing", "has no column 'nothing'"),
        (TICKETS, "watermark: nothing, key: ticket_id", "has no column 'nothing'"),
        (TICKETS, "watermark: state, key: ticket_id", "no integer, decimal, date or timestamp"),
        (f"SELECT DISTINCT * FROM ({TICKETS})", "key: ticket_id", "one table"),
        (f"{TICKETS} LIMIT 5", "key: ticket_id", "one table"),
        (TICKETS.replace("upper(note)", "row_number() OVER ()"), "key: ticket_id", "one table"),
        (TICKETS.replace("upper(note)", "unnest([1, 2])"), "key: ticket_id", "one table"),
        (
            TICKETS.replace("upper(note)", "(SELECT max(name) FROM crm_db.customer)"),
            "key: ticket_id",
            "one table",
        ),
        (f"{TICKETS} UNION ALL {TICKETS}", "key: ticket_id", "one table"),
        (
            "SELECT max(ticket_id) AS ticket_id, max(updated_at) AS updated_at FROM crm_db.ticket",
            "key: ticket_id",
            "one table",
        ),
        (f"{TICKETS} t JOIN crm_db.customer c ON c.customer_id = t.ticket_id", "key: ticket_id", "one table"),
        (TICKETS.replace("crm_db.ticket", "crm.plain"), "key: ticket_id", "not a product"),
        (TICKETS.replace("upper(note)", "now()"), "key: ticket_id", "depends on the time"),
        (TICKETS.replace("upper(note)", "random()"), "key: ticket_id", "depends on the time"),
        (
            TICKETS.replace("SELECT ticket_id", "SELECT ticket_id + 1 AS ticket_id"),
            "key: ticket_id",
            "as it is",
        ),
        (
            TICKETS.replace("upper(note) AS note", "upper(note)") + " WHERE state = 'x'",
            "key: ticket_id",
            "a name with AS",
        ),
    ],
)
def test_what_cannot_be_put_together_from_changed_rows_is_refused(
    tmp_path: Path, sql: str, said: str, why: str
) -> None:
    said = said if "watermark" in said else f"watermark: updated_at, {said}"
    products = {TICKET: product(sql, f"refresh: '{NEVER}', {said}"), "crm/plain": TICKETS}
    with tickets(tmp_path, products) as app:
        assert why in app.catalog.shaped(app.catalog.products.current()["crm", "ticket"]).broken


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("refresh: sometimes", "written as for cron"),
        ("refresh: '* * * * *', every: 5s", "every goes with"),
        ("refresh: '* * * * *', key: a", "key goes with watermark"),
        ("refresh: '* * * * *', full: '* * * * *'", "full says by cron"),
        ("refresh: '* * * * *', keep: 0", "1 to 1000"),
        ("refresh: on change", "nothing tells whether crm_db.ticket has changed"),
    ],
)
def test_what_is_not_said_right_is_told(tmp_path: Path, said: str, why: str) -> None:
    with tickets(tmp_path, {TICKET: product(TICKETS, said)}) as app:
        assert why in app.catalog.shaped(app.catalog.products.current()["crm", "ticket"]).broken


# ── equal to all rows ────────────────────────────────────────────────────────────────────────

CHANGES = st.lists(
    st.lists(
        st.tuples(st.integers(1, 8), st.sampled_from(["open", "closed", None]), st.text("abc", max_size=2)),
        max_size=6,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_changed_rows_put_together_are_all_rows(rounds: list[list[tuple[int, str | None, str]]]) -> None:
    sql = f"{TICKETS} WHERE state = 'open'"
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        with tickets(directory, {TICKET: product(sql, INCREMENTAL), "crm/live": sql}) as app:
            wait_for_first(app, 1)
            moment = 100
            for changes in rounds:
                with closing(sqlite3.connect(directory / "crm.db")) as connection:
                    for ticket_id, state, note in changes:
                        moment += 1
                        connection.execute("DELETE FROM ticket WHERE ticket_id = ?", (ticket_id,))
                        connection.execute(
                            "INSERT INTO ticket VALUES (?, ?, ?, ?)", (ticket_id, state, note, moment // 3)
                        )
                    connection.commit()
                refreshed(app)
                assert states(app)[-1] == "good"
                assert stored(app) == rows(app, "SELECT * FROM crm.live", ANA)
