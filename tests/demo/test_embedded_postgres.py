from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import Unreachable
from server.demo import postgres
from server.demo.postgres import EmbeddedPostgres


@pytest.fixture
def directory() -> Iterator[Path]:
    # Not below pytest's own folder: as root, Postgres runs as another account and must reach its files.
    made = Path(tempfile.mkdtemp(prefix="ripstop-postgres-"))
    yield made
    shutil.rmtree(made)


def test_data_password_and_port_outlive_a_restart(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    with server:
        server.execute("CREATE TABLE kept AS SELECT 'é' AS x")
        uri = server.uri
    with server:
        assert server.uri == uri
        assert server.execute("SELECT x FROM kept") == "é\n"
    with EmbeddedPostgres(directory) as again:
        assert again.execute("SELECT x FROM kept") == "é\n"


def test_a_server_that_was_left_behind_is_replaced(directory: Path) -> None:
    lost = EmbeddedPostgres(directory)
    lost.start()
    lost.execute("CREATE TABLE kept AS SELECT 1 AS x")
    with EmbeddedPostgres(directory) as server:
        assert server.execute("SELECT x FROM kept") == "1\n"
    lost.stop()


def test_a_password_is_asked_for_and_kept_from_others(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server:
        assert server.execute("SHOW password_encryption") == "scram-sha-256\n"
        assert server.execute("SHOW listen_addresses") == "127.0.0.1\n"
    assert (directory / "password").stat().st_mode & 0o077 == 0
    assert not (directory / "password.initdb").exists()


def test_a_failed_statement_is_an_error(directory: Path) -> None:
    with EmbeddedPostgres(directory) as server, pytest.raises(RuntimeError, match="nowhere"):
        server.execute("SELECT * FROM nowhere")


def test_another_port_is_chosen_when_a_server_took_the_first(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = postgres._free_port()
    with socket.socket() as quicker:
        quicker.bind(("127.0.0.1", 0))
        quicker.listen()
        offered = iter([quicker.getsockname()[1], free])
        monkeypatch.setattr(postgres, "_free_port", lambda: next(offered))
        with EmbeddedPostgres(directory) as server:
            assert server.port == free
            assert server.execute("SELECT 1") == "1\n"


def test_a_server_that_cannot_start_tells_why(directory: Path) -> None:
    with pytest.raises(Unreachable) as raised:
        EmbeddedPostgres(directory, {"shared_buffers": "many"}).start()
    assert 'invalid value for parameter "shared_buffers"' in str(raised.value.hint)
