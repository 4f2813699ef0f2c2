import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_manager
import psutil
import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from pyarrow import flight  # noqa: TID251

from server import flightsql
from server.supervisor import Supervisor
from tests.patience import PATIENCE
from tests.server.tiny import USERS, keep_option, until

ENDLESS = "SELECT count(*) AS n FROM range(1000000000) a, range(1000000) b"
HUGE = "SELECT max(x) AS n FROM (SELECT list(repeat('x', 1000) || i) AS x FROM range(3000000) t(i))"


@contextmanager
def supervised(factory="tests.server.tiny:build", directory=Path(), **options):
    said = []
    supervisor = Supervisor(directory, factory=factory, say=said.append, **options)
    status = []
    thread = threading.Thread(target=lambda: status.append(supervisor.run()))
    thread.start()
    try:
        yield supervisor, said, status
    finally:
        supervisor.stop()
        thread.join(20)
        assert not thread.is_alive()
        assert not workers()


def workers():
    found = []
    for process in psutil.Process().children():
        try:
            if "server.worker" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def query(port, sql, timeout=30.0):
    with flight.connect(f"grpc://127.0.0.1:{port}") as client:
        options = flight.FlightCallOptions(
            headers=[client.authenticate_basic_token("ana", USERS["ana"])], timeout=timeout
        )
        command = flight.FlightDescriptor.for_command(flightsql.pack("CommandStatementQuery", query=sql))
        info = client.get_flight_info(command, options)
        return client.do_get(info.endpoints[0].ticket, options).read_all()


def failing(port, sql):
    """A thread that runs the statement, and the list in which its error will be."""
    errors = []

    def run():
        try:
            query(port, sql)
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def spare_of(supervisor):
    """Wait until a spare worker stands beside the one that serves, built and waiting."""
    until(lambda: supervisor.ready.is_set() and supervisor.has_spare, seconds=20 * PATIENCE)


def test_a_killed_worker_is_replaced_within_a_second_on_the_same_port():
    with supervised(port=0) as (supervisor, said, _):
        spare_of(supervisor)
        port, pid = supervisor.port, supervisor.pid
        thread, errors = failing(port, ENDLESS)
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: supervisor.pid != pid and supervisor.ready.is_set())
        assert time.monotonic() - killed < PATIENCE * 1
        thread.join(5)
        assert isinstance(errors[0], flight.FlightUnavailableError)
        assert query(port, "SELECT 1").num_rows == 1
        assert time.monotonic() - killed < PATIENCE * 2
        assert "signal 9" in said[1]
        assert said[2].startswith(f"ready grpc://127.0.0.1:{port} again after ")


def test_an_adbc_connection_goes_on_with_the_next_worker():
    with supervised(port=0) as (supervisor, _, _status):
        spare_of(supervisor)
        login = {"username": "ana", "password": USERS["ana"]}
        uri = f"grpc://127.0.0.1:{supervisor.port}"
        with dbapi.connect(uri, db_kwargs=login) as connection, connection.cursor() as cursor:
            keep_option(connection, "adbc.connection.db_schema", "claims")
            pid = supervisor.pid
            os.kill(pid, signal.SIGKILL)
            until(lambda: supervisor.pid != pid and supervisor.ready.is_set(), PATIENCE * 5)

            def answered():
                try:
                    cursor.execute("SELECT 1")
                    return cursor.fetchall() == [(1,)]
                except adbc_driver_manager.Error:
                    return False

            assert until(answered, PATIENCE * 2) < PATIENCE * 2
            assert connection.adbc_current_db_schema == "claims"


def test_a_worker_that_outgrows_its_memory_is_replaced():
    with supervised(port=0, memory=600 * 10**6) as (supervisor, said, _):
        spare_of(supervisor)
        pid = supervisor.pid
        thread, errors = failing(supervisor.port, HUGE)
        until(lambda: supervisor.pid != pid and supervisor.ready.is_set(), seconds=20)
        thread.join(5)
        assert isinstance(errors[0], flight.FlightUnavailableError)
        assert "of the 0.6 GB that it may" in said[1]
        assert query(supervisor.port, "SELECT 1").num_rows == 1


def test_stopping_lets_a_running_query_end():
    with supervised(port=0, drain_seconds=5.0) as (supervisor, _, status):
        supervisor.ready.wait(30)
        got = []
        slow = "SELECT count(*) AS n FROM range(100000) a, range(30000) b WHERE a.range % 7 = b.range % 11"
        thread = threading.Thread(target=lambda: got.append(query(supervisor.port, slow)))
        thread.start()
        time.sleep(0.5)
        supervisor.stop()
        thread.join(10)
        assert got
        until(lambda: status == [0])


def test_stopping_cancels_what_does_not_end_in_time():
    with supervised(port=0, drain_seconds=0.5) as (supervisor, _, status):
        supervisor.ready.wait(30)
        thread, errors = failing(supervisor.port, ENDLESS)
        time.sleep(0.5)
        supervisor.stop()
        thread.join(5)
        assert "shutting down" in str(errors[0])
        until(lambda: status == [0])


def broken(directory):
    raise RuntimeError("password=hunter2")


def misconfigured(directory):
    from fabric.errors import InvalidConfig

    raise InvalidConfig("fabric.yaml:3: unknown key 'prot'", hint="did you mean 'port'?")


@pytest.mark.parametrize(("name", "text"), [("misconfigured", "fabric.yaml:3"), ("broken", "reference")])
def test_a_worker_that_cannot_start_ends_it_with_the_error(name, text):
    with supervised(factory=f"tests.server.test_supervisor:{name}") as (_, said, status):
        until(lambda: bool(status), seconds=20 * PATIENCE)
        assert status == [1]
        assert text in said[-1]
        assert "hunter2" not in said[-1]


def edited(directory):
    from tests.server.tiny import build

    if (directory / "broken").exists():
        misconfigured(directory)
    return build(directory)


def test_a_file_that_is_broken_when_the_worker_dies_does_not_end_the_server(tmp_path):
    factory = "tests.server.test_supervisor:edited"
    with supervised(factory, directory=tmp_path, port=0) as (supervisor, said, status):
        supervisor.ready.wait(30)
        (tmp_path / "broken").touch()
        os.kill(supervisor.pid, signal.SIGKILL)
        until(lambda: any("until this is mended: CONFIG: fabric.yaml:3" in line for line in said), seconds=15)
        (tmp_path / "broken").unlink()
        until(supervisor.ready.is_set, seconds=20)
        assert query(supervisor.port, "SELECT 1").num_rows == 1
        assert not status


PROGRAM = """
import sys
from pathlib import Path
from server.supervisor import Supervisor
heavy = {"duckdb", "pyarrow", "fabric"} & {name.split(".")[0] for name in sys.modules}
print("heavy", sorted(heavy), flush=True)
supervisor = Supervisor(Path(), factory="tests.server.tiny:build", port=0, say=lambda s: print(s, flush=True))
sys.exit(supervisor.run())
"""


@contextmanager
def program():
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "heavy []\n"
            assert process.stdout.readline().startswith("ready ")
            yield process
        finally:
            process.kill()


def test_the_supervisor_s_death_ends_its_workers():
    with program() as process:
        until(lambda: len(psutil.Process(process.pid).children()) == 2)
        children = psutil.Process(process.pid).children()
        process.kill()
        gone, alive = psutil.wait_procs(children, timeout=PATIENCE * 1)
        assert not alive
        assert len(gone) == 2


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_program_and_its_workers(name):
    with program() as process:
        children = psutil.Process(process.pid).children()
        process.send_signal(name)
        assert process.wait(10) == 0
        assert not psutil.wait_procs(children, timeout=1)[1]
