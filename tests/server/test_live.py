"""A changed configuration counts without a restart, whole or not at all."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from fabric.errors import FabricError, LoginRefused
from fabric.pipeline import Session
from server.app import build
from server.auth import hash_password
from server.live import LiveApp
from tests.fabric.project import AUD, FABRIC, write


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveApp]:
    write(tmp_path)
    made = LiveApp(tmp_path, build(tmp_path))
    yield made
    made.close()


def rows(live: LiveApp, sql: str) -> list[dict[str, object]]:
    with live.current().line.run(sql, AUD, Session()) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema).to_pylist()


def soon(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except FabricError:
            pass
        time.sleep(0.05)
    return False


def test_a_new_user_may_log_in(live: LiveApp, tmp_path: Path) -> None:
    with pytest.raises(LoginRefused):
        live.current().authenticator.authenticate_basic("new", "secret-word", "1.2.3.4")
    time.sleep(0.01)
    hashed = hash_password("secret-word")
    (tmp_path / "users.yaml").write_text(f"users: {{new: {{password: '{hashed}', roles: [role:auditor]}}}}\n")
    assert soon(lambda: live.current().authenticator.authenticate_basic("new", "secret-word", "1.2.3.5"))


def test_a_new_source_serves_and_the_old_line_is_not_cut(live: LiveApp, tmp_path: Path) -> None:
    running = live.current().line.run("SELECT * FROM lake.claim", AUD, Session())
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x.csv").write_text("a\n7\n")
    (tmp_path / "fabric.yaml").write_text(
        FABRIC + "  more: {type: local, domain: crm, uri: more/, tables: {x: {path: x.csv, format: csv}}}\n"
    )
    assert soon(lambda: rows(live, "SELECT a FROM more.x") == [{"a": 7}])
    with running:
        assert sum(batch.num_rows for batch in running.batches()) == 200


def test_a_configuration_that_does_not_load_changes_nothing(
    live: LiveApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fabric.yaml").write_text(FABRIC + "nonsense: 1\n")
    assert soon(lambda: "the last good one serves" in caplog.text)
    assert "nonsense" in caplog.text
    assert rows(live, "SELECT count(*) AS n FROM lake.claim") == [{"n": 200}]
    (tmp_path / "fabric.yaml").write_text(FABRIC.replace("lake: ", "pool: ").replace("  lake:", "  pool:"))
    assert soon(lambda: rows(live, "SELECT count(*) AS n FROM pool.claim") == [{"n": 200}])


def test_a_changed_source_begins_with_an_empty_cache(tmp_path: Path) -> None:
    write(tmp_path)
    with (
        closing(sqlite3.connect(tmp_path / "old.db")) as old,
        closing(sqlite3.connect(tmp_path / "new.db")) as new,
    ):
        for number, database in enumerate((old, new)):
            database.executescript(f"CREATE TABLE t (n BIGINT); INSERT INTO t VALUES ({number})")
    text = FABRIC + (
        "  db: {type: adbc, domain: crm, driver: adbc_driver_sqlite, dialect: sqlite, "
        "max_age: 1h, options: {uri: old.db}}\n"
    )
    (tmp_path / "fabric.yaml").write_text(text)
    live = LiveApp(tmp_path, build(tmp_path))
    try:
        assert rows(live, "SELECT n FROM db.t") == rows(live, "SELECT n FROM db.t") == [{"n": 0}]
        (tmp_path / "fabric.yaml").write_text(text.replace("old.db", "new.db"))
        assert soon(lambda: rows(live, "SELECT n FROM db.t") == [{"n": 1}])
    finally:
        live.close()
