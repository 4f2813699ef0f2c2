"""No secret of the configuration stands in any error, EXPLAIN, system table, log or file of the state."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fabric.errors import FabricError
from fabric.pipeline import Session
from fabric.secrets import RedactingFormatter
from fabric.types import Principal
from server.app import App, build
from tests.equivalence.sources import SOURCES, USER, sources

AUD = Principal(USER, frozenset({"role:auditor"}))


def texts(app: App) -> list[str]:
    """Whatever a user can get to read: answers about the fabric, plans, and errors."""
    said = []
    tables = [str(table.name) for table in app.catalog.tables()]
    statements = [f"EXPLAIN SELECT * FROM {table}" for table in tables]
    statements += [f"SELECT * FROM {table} LIMIT 3" for table in tables]
    statements += [f"SELECT * FROM {source}.nope" for source in SOURCES]
    statements += [
        "SELECT * FROM system.queries", "SELECT * FROM system.scans", "SELECT * FROM system.sources",
        "SELECT * FROM system.products", "SELECT * FROM information_schema.columns", "SHOW ALL TABLES",
    ]  # fmt: skip
    for statement in statements:
        try:
            with app.line.run(statement, AUD, Session()) as answer:
                said += [batch.serialize().to_pybytes().decode("latin-1") for batch in answer.batches()]
        except FabricError as error:
            said += [str(error), repr(error), error.hint, str(error.__cause__)]
    for source in app.catalog.connectors.values():
        try:
            said += [str(step) for step in source.check()]
        except FabricError as error:
            said += [str(error), repr(error), str(error.__cause__)]
        said.append(repr(source))
    said.append(repr(app.config))
    return said


def test_alive_and_dead(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ripstop")
    with sources() as (servers, _):
        secret = servers._password
        app = build(servers.project)
        try:
            said = texts(app)
            for server in (servers.postgres, servers.sftp, servers.ftp, servers.http):
                (getattr(server, "stop", None) or server.close)()
            for source in SOURCES:
                app.catalog.refresh(source).result()
            dead = texts(app)
            assert any("SOURCE_UNREACHABLE" in text for text in dead)
            said += dead
        finally:
            app.close()
        state = [
            file.read_bytes()
            for file in Path(servers.project, ".ripstop").rglob("*")
            if file.is_file() and "cache" not in file.parts
        ]
    form = RedactingFormatter("%(message)s")
    said += [form.format(record) for record in caplog.records]
    assert len(said) > 50
    assert not [text for text in said if secret in text]
    assert not [data for data in state if secret.encode() in data]
