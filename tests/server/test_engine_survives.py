"""A real server under statements that DuckDB neither bounds nor stops: it answers, says why, and goes on.

The limit is small so that a test needs little of the machine's memory; what is proved does not hang on it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight  # noqa: TID251

from fabric.engine import Engine
from fabric.engine_errors import EngineLost
from server.supervisor import Supervisor
from server.watch import Watch
from tests.server.test_supervisor import ENDLESS, failing, query, spare_of, supervised
from tests.server.tiny import TinyApp, until

LIMIT = 700 * 10**6
PER_ROW = "SELECT max(len(range(999999 + i % 2))) AS n FROM range(100000) t(i)"
UNNESTED = "SELECT count(*) AS n FROM (SELECT unnest(range(3000000000)))"
PLANNED = "SELECT length(" + "replace(" * 9 + "'x'" + ", 'x', 'xxxxxxxxxx')" * 9 + ") AS n"


def error_of(port: int | None, sql: str) -> str:
    try:
        query(port, sql, timeout=60.0)
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        return str(error)
    return "no error"


def answers(port: int | None) -> bool:
    """Whether the server answers; for a client whose own channel may still wait before it tries again."""
    try:
        return query(port, "SELECT 1").num_rows == 1  # type: ignore[no-any-return]
    except (flight.FlightError, pa.ArrowException, OSError):
        return False


def serving(supervisor: Supervisor) -> None:
    until(lambda: supervisor.ready.is_set() and answers(supervisor.port), seconds=60)


@pytest.mark.parametrize("sql", [PER_ROW, UNNESTED, PLANNED], ids=["running", "unnested", "planning"])
def test_a_statement_that_outgrows_the_memory_names_the_limit_and_does_it_once(sql: str) -> None:
    with supervised(port=0, memory=LIMIT) as (supervisor, said, _):
        spare_of(supervisor)
        beside, errors = failing(supervisor.port, ENDLESS)
        time.sleep(0.3)
        assert "MEMORY_LIMIT: the server reached its memory limit of 0.7 GB" in error_of(supervisor.port, sql)
        beside.join(30)
        assert isinstance(errors[0], flight.FlightUnavailableError)
        assert "memory limit of 0.7 GB" in str(errors[0])

        serving(supervisor)
        pid, deaths = supervisor.pid, len(said)
        for _ in range(3):
            refused = error_of(supervisor.port, sql)
            assert "memory limit of 0.7 GB when this statement ran, so it is refused until" in refused
        assert answers(supervisor.port)
        assert (supervisor.pid, len(said)) == (pid, deaths)


def test_a_statement_that_heeds_is_refused_as_well() -> None:
    kept = "SELECT list(repeat('x', 1000) || i) AS l FROM range(30000000) t(i)"
    with supervised(port=0, memory=LIMIT) as (supervisor, _, _status):
        spare_of(supervisor)
        assert "MEMORY_LIMIT: the server reached its memory limit" in error_of(supervisor.port, kept)
        serving(supervisor)
        assert "refused until" in error_of(supervisor.port, kept)
        assert answers(supervisor.port)


def test_what_ran_alone_in_a_worker_that_died_is_refused_by_the_next() -> None:
    with supervised(port=0) as (supervisor, _, _status):
        spare_of(supervisor)
        pid = supervisor.pid
        assert pid is not None
        thread, _errors = failing(supervisor.port, ENDLESS)
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        until(lambda: supervisor.pid != pid and supervisor.ready.is_set(), seconds=30)
        thread.join(30)
        serving(supervisor)
        assert "LIMIT: the server's worker died when this statement ran" in error_of(supervisor.port, ENDLESS)
        assert answers(supervisor.port)


def test_an_internal_error_of_duckdb_s_is_told_from_others() -> None:
    # 16 GB for each of 100,000 groups: more than addresses reach, whatever the machine has.
    sql = "SELECT reservoir_quantile(i, 0.5, 2000000000) AS q FROM range(100000) t(i) GROUP BY i"
    engine = Engine()
    try:
        with pytest.raises(EngineLost):
            engine.rows(sql)
        with pytest.raises(EngineLost):
            engine.rows("SELECT 1")
    finally:
        engine.close()


class LosingApp(TinyApp):
    """An app whose engine gives itself up when it is asked for ``lost``, as DuckDB does."""

    def __init__(self) -> None:
        super().__init__()
        describe, lost = self.line.describe, threading.Event()

        def described(text, *others):  # type: ignore[no-untyped-def]
            if lost.is_set() or "lost" in text:
                lost.set()
                raise EngineLost
            return describe(text, *others)

        self.line.describe = described  # type: ignore[method-assign]


def losing(directory: Path) -> TinyApp:
    return LosingApp()


def test_an_engine_that_gives_itself_up_is_replaced() -> None:
    with supervised("tests.server.test_engine_survives:losing", port=0) as (supervisor, said, _):
        spare_of(supervisor)
        pid = supervisor.pid
        assert "INTERNAL: internal error, reference" in error_of(supervisor.port, "SELECT 'lost' AS x")
        until(lambda: supervisor.pid != pid and supervisor.ready.is_set(), seconds=30)
        serving(supervisor)
        assert "the engine failed" in said[1], said
        assert "the engine failed when this statement ran" in error_of(supervisor.port, "SELECT 'lost' AS x")
        assert answers(supervisor.port)


def unwatched(directory: Path) -> TinyApp:
    """A worker that does not look at its own memory."""
    Watch._watch = lambda self: None  # type: ignore[method-assign]
    return TinyApp()


def test_a_worker_that_does_not_end_itself_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.supervisor._OVER_SECONDS", 0.1)
    factory = "tests.server.test_engine_survives:unwatched"
    with supervised(factory, port=0, memory=LIMIT) as (supervisor, said, _):
        spare_of(supervisor)
        assert "MEMORY_LIMIT" not in error_of(supervisor.port, UNNESTED)
        serving(supervisor)
        assert "of the 0.7 GB that it may" in said[1], said
        assert "memory limit of 0.7 GB when this statement ran" in error_of(supervisor.port, UNNESTED)
        assert answers(supervisor.port)
