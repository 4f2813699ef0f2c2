"""Where a state store may lie: what is kept there is tested on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from server.demo.postgres import EmbeddedPostgres
from tests.embedded import embedded_postgres


@pytest.fixture(scope="session")
def state_postgres() -> Iterator[EmbeddedPostgres]:
    yield from embedded_postgres()


@pytest.fixture(params=["sqlite", "postgres"])
def state_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A path, or the URI of a new database: nothing is there yet."""
    if request.param == "sqlite":
        return str(tmp_path / ".ripstop" / "state.db")
    server = cast("EmbeddedPostgres", request.getfixturevalue("state_postgres"))
    name = tmp_path.name.lower().replace("-", "_")
    server.execute(f'CREATE DATABASE "{name[-60:]}"')
    return server.uri.rpartition("/")[0] + f"/{name[-60:]}"
