"""The whole line over one source of every kind, once for each worker of the test run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import duckdb
import pytest

import fabric.pipeline as pipeline
from fabric.plan import Plan
from server.app import App, build
from tests.equivalence.sources import Sources, sources


@dataclass(frozen=True)
class Both:
    """The line, and the local copies of what it reads."""

    app: App
    copies: duckdb.DuckDBPyConnection
    servers: Sources


@pytest.fixture(scope="session")
def both() -> Iterator[Both]:
    with sources() as (servers, copies), closing(build(servers.project)) as app:
        yield Both(app, copies, servers)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Each plan as it is made."""
    made: list[Plan] = []
    plan = pipeline.plan

    def noted(*arguments: object) -> Plan:
        made.append(plan(*arguments))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(pipeline, "plan", noted)
    return made
