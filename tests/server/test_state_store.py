"""A fabric whose state is in Postgres: several share it, it outlives them, and without it queries go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fabric.errors import LoginRefused, StateUnavailable
from server.app import App, build
from server.demo.postgres import EmbeddedPostgres
from server.project_check import check_rules_and_products
from tests.embedded import embedded_postgres
from tests.fabric.project import ANA, AUD, ask, write
from tests.server.tiny import until

MINE = "SELECT sql, state FROM system.queries WHERE sql NOT LIKE '%system.%'"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


@pytest.fixture
def project(tmp_path: Path, postgres: EmbeddedPostgres) -> Path:
    write(tmp_path)
    postgres.execute("DROP SCHEMA IF EXISTS ripstop CASCADE")
    with (tmp_path / "fabric.yaml").open("a") as file:
        file.write(f"state: {postgres.uri}\n")
    return tmp_path


def asked(app: App) -> list[str]:
    return [sql for sql in ask(app, MINE, ANA)["sql"].to_pylist() if sql]


def test_what_one_writes_another_shows_and_it_outlives_both(project: Path) -> None:
    with closing(build(project)) as one, closing(build(project)) as other:
        assert ask(one, "SELECT count(*) AS n FROM claims.open", ANA)["n"].to_pylist() == [132]
        assert ask(one, "CALL system.request('claims.secret', 'to see')", ANA).num_rows == 1
        assert asked(one) == ["SELECT count(*) AS n FROM claims.open"] == asked(other)
        assert ask(other, "SELECT object FROM system.requests", ANA)["object"].to_pylist() == [
            "claims.secret"
        ]
    assert not (project / ".ripstop" / "state.db").exists()
    with closing(build(project)) as again:
        assert asked(again) == ["SELECT count(*) AS n FROM claims.open"]


def test_without_it_queries_go_on_and_what_needs_it_says_so(
    project: Path, postgres: EmbeddedPostgres
) -> None:
    with closing(build(project)) as app:
        assert app.authenticator.tokens is not None
        token, _ = app.authenticator.tokens.make("ana", "mark", (), 1)
        postgres.stop()
        try:
            for _ in range(3):
                assert ask(app, "SELECT count(*) AS n FROM claims.open", ANA)["n"].to_pylist() == [132]
            with pytest.raises(StateUnavailable):
                asked(app)
            with pytest.raises(StateUnavailable):
                ask(app, "CALL system.request('claims.secret', 'to see')", ANA)
            with pytest.raises(LoginRefused, match="cannot be checked"):
                app.authenticator.tokens.verify(token)
            rules, _ = check_rules_and_products(project)
            assert any("state" in error for error in rules.errors)
        finally:
            postgres.start()
        until(lambda: not app.state.fault)
        assert len(asked(app)) == 3
        assert app.authenticator.tokens.verify(token).user == "ana"


def test_one_that_starts_while_it_is_away_serves(project: Path, postgres: EmbeddedPostgres) -> None:
    postgres.stop()
    try:
        app = build(project)
        assert ask(app, "SELECT count(*) AS n FROM claims.open", AUD)["n"].to_pylist() == [132]
    finally:
        postgres.start()
    with closing(app):
        until(lambda: not app.state.fault)
        assert ask(app, MINE, AUD).num_rows == 1
