"""The limits over a real server: who waits, what is seen of it, and that every place is free again in the end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight  # noqa: TID251

from fabric.errors import Cancelled
from server import flightsql
from server.app import App, build
from server.control import Board
from server.flight import FlightServer
from server.watch import Watch
from server.watched import WatchedApp
from tests.patience import PATIENCE
from tests.server.tiny import Raw, until

ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000) b"
STREAM = "SELECT a.range AS x FROM range(1000000000) a"
UNDER_WAY = "FROM system.queries WHERE state IN ('queued', 'running')"
PEOPLE = ("ana", "bob", "eve", "root", "many", "few")

PROJECT = """
name: acme
server: {port: 0}
domains: {claims: {owner: "role:claims-owner"}}
cache: off
sources: {desk: {type: local, domain: claims, uri: data/, tables: {claim: {path: "*.parquet", format: parquet}}}}
limits:
  default: {running: 2, queued: 4, per_user: 1, seconds: 60, rows: 1000}
  role:vip: {running: 3, per_user: 3}
  role:bulk: {rows: 5000, source_bytes: 20KB}
  role:stream: {rows: 1000000000000}
"""
RULES = """p, role:*, desk.*, read, allow
p, root, system.queries, read, allow
p, root, system.queries, admin, allow
p, root, system.limits, read, allow
g, many, role:vip
g, few, role:bulk
g, root, role:stream
"""


class Served:
    """A real server over a real line, under a watch as in a worker."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._file = Board.file()
        watch = Watch(Board(self._file.__enter__().fileno()), report=lambda **message: None, end=lambda: None)
        self.watch = watch
        self.server = FlightServer(lambda: cast("App", WatchedApp(app, watch)), fabric="acme")

    @contextmanager
    def client(self, user: str) -> Iterator[Raw]:
        with flight.connect(f"grpc://127.0.0.1:{self.server.port}") as client:
            yield Raw(client, client.authenticate_basic_token(user, "secret"))

    def counts(self) -> tuple[int, int]:
        counts = self.app.underway.gate.counts("")
        return counts["running"], counts["queued"]

    def close(self) -> None:
        self.server.close()
        self.app.close()
        self._file.__exit__(None, None, None)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "fabric.yaml").write_text(PROJECT)
    users = "".join(f'  {name}: {{password: "${{env:PASSWORD}}"}}\n' for name in PEOPLE)
    (tmp_path / "users.yaml").write_text(f"users:\n{users}")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "federation.csv").write_text(RULES)
    (tmp_path / "data").mkdir()
    texts = [f"{n * 7919 % 100_003:05d}" * 4 for n in range(20_000)]
    table = pa.table({"id": range(20_000), "text": texts})
    pq.write_table(table, tmp_path / "data" / "1.parquet", use_dictionary=False, compression="none")
    monkeypatch.setenv("PASSWORD", "secret")
    one = Served(build(tmp_path))
    yield one
    one.close()


class Asking:
    """A statement that is asked in a thread of its own."""

    def __init__(self, served: Served, user: str, sql: str) -> None:
        self.error = ""
        self.info: flight.FlightInfo | None = None
        self.table: pa.Table | None = None
        self._served, self._user, self._sql = served, user, sql
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            with self._served.client(self._user) as raw:
                self.info = raw.query(self._sql)
                self.table = raw.read(self.info, timeout=100)
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            self.error = str(error)

    def ended(self) -> str:
        self.thread.join(60 * PATIENCE)
        assert not self.thread.is_alive()
        return self.error


def rows(served: Served, user: str, sql: str) -> list[dict[str, Any]]:
    with served.client(user) as raw:
        return cast("list[dict[str, Any]]", raw.read(raw.query(sql)).to_pylist())


def under_way(served: Served, user: str) -> dict[str, str]:
    """The statements under way that the user sees, but for the one that asks: id → state."""
    found = rows(served, user, UNDER_WAY)
    return {row["query_id"]: row["state"] for row in found if "system.queries" not in row["sql"]}


def cancel(served: Served, user: str, query_id: str) -> str:
    asking = Asking(served, user, f"CALL system.cancel('{query_id}')")
    return asking.ended()


@contextmanager
def busy(served: Served, *people: str) -> Iterator[list[Asking]]:
    """Endless statements of these people, until the end of the block."""
    asked = []
    try:
        for user in people:
            before = sum(served.counts())
            asked.append(Asking(served, user, ENDLESS))
            until(lambda before=before: sum(served.counts()) == before + 1)  # type: ignore[misc]
        yield asked
    finally:
        for place in list(served.app.underway._places.values()):
            cancel(served, "root", place.id)
        for each in asked:
            each.ended()
        until(lambda: served.counts() == (0, 0))


def test_what_waits_is_queued_to_its_owner_and_can_be_cancelled(served: Served) -> None:
    with busy(served, "ana", "bob", "eve") as asked:
        assert served.counts() == (2, 1)
        ((waiting, state),) = under_way(served, "eve").items()
        assert state == "queued"
        ((running, state),) = under_way(served, "ana").items()
        assert state == "running"
        assert cancel(served, "eve", waiting) == ""
        assert "CANCELLED: the query was cancelled" in asked[2].ended()
        (row,) = [row for row in rows(served, "eve", "FROM system.queries") if row["query_id"] == waiting]
        assert row["state"] == "cancelled"
        until(lambda: served.counts() == (2, 0))
        assert cancel(served, "ana", running) == ""
        assert "CANCELLED: the query was cancelled" in asked[0].ended()
        until(lambda: cancel(served, "ana", running) != "", seconds=30)


def test_what_waited_says_when_it_came_and_when_it_began(served: Served) -> None:
    with busy(served, "ana", "bob") as asked:
        waiting = Asking(served, "eve", "SELECT 42 AS waited")
        until(lambda: served.counts() == (2, 1))
        time.sleep(0.5)
        cancel(served, "root", next(iter(under_way(served, "ana"))))
        assert asked[0].ended()
        assert waiting.ended() == ""
    (row,) = [row for row in rows(served, "eve", "FROM system.queries") if "waited" in row["sql"]]
    assert row["state"] == "succeeded"
    assert (row["started_at"] - row["queued_at"]).total_seconds() > 0.4


def test_beyond_the_queue_is_refused_at_once_and_may_be_tried_again(served: Served) -> None:
    with busy(served, "ana", "bob", "eve", "root", "ana", "bob"):
        assert served.counts() == (2, 4)
        began = time.monotonic()
        error = Asking(served, "eve", "SELECT 1 AS x").ended()
        assert "TOO_MANY_QUERIES: 4 statements wait already" in error
        assert time.monotonic() - began < PATIENCE * 1
        assert "run it again in a moment" in error


def test_what_is_only_planned_or_looked_up_does_not_wait(served: Served) -> None:
    with busy(served, "ana", "bob"):
        for sql in ("EXPLAIN FROM desk.claim", "DESCRIBE desk.claim", "SHOW TABLES", "FROM system.limits"):
            rows(served, "eve", sql)
        waiting = Asking(served, "eve", "FROM system.limits, range(1)")
        until(lambda: served.counts() == (2, 1))
        (running,) = under_way(served, "ana")
        cancel(served, "root", running)
        assert waiting.ended() == ""


def test_a_client_that_leaves_the_queue_frees_its_place(served: Served) -> None:
    with busy(served, "ana", "bob"), served.client("eve") as raw:
        with pytest.raises(flight.FlightTimedOutError):
            raw.read(raw.query("SELECT 1 AS x"), timeout=0.5)
        until(lambda: served.counts() == (2, 0))


def test_a_queued_statement_is_cancelled_by_its_info(served: Served) -> None:
    with busy(served, "ana", "bob", "eve") as asked, served.client("eve") as raw:
        assert asked[2].info is not None
        info = flightsql.read("FlightInfo", asked[2].info.serialize())
        body = flightsql.new("CancelFlightInfoRequest", info=info).SerializeToString()
        raw.act("CancelFlightInfo", body)
        assert "CANCELLED" in asked[2].ended()
        until(lambda: served.counts() == (2, 0))


def test_the_most_generous_role_counts_also_one_that_a_rule_gives(served: Served) -> None:
    with busy(served, "many", "many", "many", "many"):
        assert served.counts() == (3, 1)
    given = {row["name"]: row for row in rows(served, "many", "FROM system.limits")}
    assert (given["running"]["value"], given["running"]["given_by"]) == (3.0, "role:vip")
    assert (given["queued"]["value"], given["queued"]["given_by"]) == (4.0, "default")


def test_a_slow_reader_keeps_no_place(served: Served) -> None:
    with served.client("root") as slow, busy(served):
        reader = slow.client.do_get(slow.query(STREAM).endpoints[0].ticket, slow.options())
        reader.read_chunk()
        asked = [Asking(served, user, ENDLESS) for user in ("ana", "bob", "root")]
        until(lambda: served.counts() == (3, 1))
        assert set(under_way(served, "eve")) == set()
        states = [row["state"] for row in rows(served, "root", UNDER_WAY) if row["user"] == "root"]
        assert sorted(states) == ["queued", "running", "running"], "the stream counts for its user"
        reader.cancel()
    assert all(each.ended() for each in asked)


# ── what others can learn ─────────────────────────────────────────────────────────────────────


def test_nobody_learns_of_others_from_the_queue(served: Served) -> None:
    with busy(served, "ana", "bob", "ana", "bob"):
        ids = list(served.app.underway._places)
        assert under_way(served, "eve") == {}
        told = [row for row in rows(served, "eve", "FROM system.limits") if row["in_use"] is not None]
        assert {row["name"]: row["in_use"] for row in told} == {"running": 0, "queued": 0, "per_user": 0}
        answers = {cancel(served, "eve", id).replace(id, "") for id in [*ids, "0" * 32, "none"]}
        assert len(answers) == 1, answers
        assert "NOT_FOUND: no such query runs" in answers.pop()
        assert served.counts() == (2, 2), "nothing was ended"
        asked = [Asking(served, "eve", "SELECT 1 AS x") for _ in range(8)]
        until(lambda: any(each.error for each in asked))
        errors = " ".join(each.error for each in asked)
        assert not [name for name in ("ana", "bob") if name in errors]
        assert not [id for id in ids if id in errors]
        everyone = rows(served, "root", "SELECT name, in_use FROM system.limits WHERE name = 'running'")
        assert everyone == [{"name": "running", "in_use": 2}]


def test_whoever_administers_queries_ends_everyone_s_and_is_named(served: Served) -> None:
    with busy(served, "ana") as asked:
        (id,) = under_way(served, "root")
        assert cancel(served, "root", id) == ""
        assert "CANCELLED: the query was cancelled by root" in asked[0].ended()


# ── rows, bytes ───────────────────────────────────────────────────────────────────────────────


def test_a_result_of_more_rows_is_an_error_and_never_cut(served: Served) -> None:
    with served.client("ana") as raw:
        assert raw.read(raw.query("SELECT id FROM desk.claim LIMIT 1000")).num_rows == 1000
        with pytest.raises(
            flight.FlightUnavailableError,
            match=r"RESULT_TOO_LARGE: .* more than 1,000 rows \(limits.default.rows",
        ):
            raw.read(raw.query("SELECT id FROM desk.claim LIMIT 1001"))
        with pytest.raises(flight.FlightUnavailableError, match="more than 1,000 rows"):
            raw.read(raw.query(STREAM))
    with served.client("few") as raw, pytest.raises(flight.FlightUnavailableError, match="5,000 rows"):
        raw.read(raw.query("SELECT range FROM range(5001)"))


def test_a_query_that_reads_more_of_its_sources_is_ended(served: Served) -> None:
    with served.client("few") as raw:
        assert raw.read(raw.query("SELECT 1 AS x")).num_rows == 1
        with pytest.raises(
            flight.FlightUnavailableError,
            match=r"LIMIT: the query read more than 20KB of its sources \(limits.role:bulk.source_bytes",
        ):
            raw.read(raw.query("SELECT max(text || id) AS m FROM desk.claim"))


# ── a crowd ───────────────────────────────────────────────────────────────────────────────────


def _outcome(served: Served, user: str, kind: int, choose: random.Random) -> str:
    sql = {
        0: "SELECT count(*) AS n FROM desk.claim a JOIN desk.claim b USING (id)",
        1: "SELECT CAST(text || 'x' AS INTEGER) AS n FROM desk.claim",
        2: "SELECT id FROM desk.claim",
        3: ENDLESS,
        4: "SELECT * FROM nowhere.there",
    }[kind]
    try:
        with served.client(user) as raw:
            raw.read(raw.query(sql), timeout=choose.uniform(0.2, 1.5) if kind == 3 else 60)
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        return str(error).split(":")[0]
    return "rows"


def test_after_two_hundred_statements_with_cancels_and_errors_every_place_is_free(served: Served) -> None:
    seen: list[str] = []

    def person(number: int) -> None:
        choose = random.Random(number)
        for _ in range(10):
            user = choose.choice(PEOPLE)
            seen.append(_outcome(served, user, choose.randrange(5), choose))

    def canceller() -> None:
        choose = random.Random(0)
        while any(thread.is_alive() for thread in threads):
            places = list(served.app.underway._places.values())
            if places:
                served.app.underway.stop(choose.choice(places).id, None, _enough())
            time.sleep(0.1)

    threads = [threading.Thread(target=person, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    canceller()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 200
    assert "rows" in seen
    until(lambda: served.counts() == (0, 0), seconds=30)
    assert not served.app.underway._places
    assert served.app.line.idle
    assert rows(served, "ana", "SELECT 1 AS x") == [{"x": 1}]


def _enough() -> Cancelled:
    return Cancelled("the query was cancelled")


def test_those_who_wait_do_not_keep_calls_from_being_answered(served: Served) -> None:
    """gRPC gives a thread to every call: a hundred that wait are no reason to answer nobody."""
    allowed_before: Callable[[Any], Any] = served.app.line._allowed

    def patient(principal: Any) -> Any:
        allowed = allowed_before(principal)
        return replace(allowed, limits=allowed.limits.model_copy(update={"queued": 200}))

    served.app.line._allowed = patient
    with busy(served, "ana", "bob"):
        asked = [Asking(served, "eve", "SELECT 1 AS x") for _ in range(100)]
        until(lambda: served.counts() == (2, 100), seconds=60)
        began = time.monotonic()
        assert rows(served, "root", "SELECT count(*) AS n FROM system.limits")[0]["n"] == 12
        assert time.monotonic() - began < PATIENCE * 1
        for place in list(served.app.underway._places.values()):
            served.app.underway.stop(place.id, "eve", _enough())
        assert all("CANCELLED" in each.ended() for each in asked)


def test_the_end_sends_away_what_waits_and_lets_run_what_runs(served: Served) -> None:
    with busy(served, "ana", "bob", "eve") as asked:
        closing = threading.Thread(target=served.server.close, args=(1.0,))
        closing.start()
        assert "shutting down" in asked[2].ended()
        assert asked[0].thread.is_alive()
        closing.join(20)
        assert "shutting down" in asked[0].ended()
