"""What was described, prepared or answered under one policy is judged again under the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from argon2 import PasswordHasher
from pyarrow import flight  # noqa: TID251

from fabric.errors import FabricError, PolicyChanged
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.flight import FlightServer
from tests.attacks.conftest import Tally
from tests.attacks.judge import LEAK, Wrong, read
from tests.server.tiny import Raw, until

FABRIC = """
name: acme
server: {port: 0}
domains: {claims: {owner: "role:claims-owner"}, fraud: {owner: "role:fraud-owner"}}
sources:
  lake: {type: local, domain: claims, uri: lake/, tables: {claim: {path: claim.csv, format: csv}}}
  desk: {type: local, domain: fraud, uri: lake/, tables: {score: {path: score.csv, format: csv}}}
"""
FEDERATION = (
    "p, ana, lake.claim, read, allow\np, ana, claims.*, read, allow\np, ana, desk.score, read, allow\n"
)
ANA = Principal("ana", frozenset(), {"region": "EU"})
ALL = "SELECT * FROM lake.claim ORDER BY id"
PRODUCT = "SELECT * FROM claims.every ORDER BY id"
MARK = "zqcanary"
RULE = "p3, ana, lake.claim, \"region = 'EU'\"\n"
CHANGES = {
    "a row rule comes": RULE,
    "a row rule that raises comes": 'p3, ana, lake.claim, "CAST(body AS INTEGER) >= 0"\n',
    "a column is hidden": RULE + "p2, ana, lake.claim, body, hide\n",
    "a mask comes": RULE + "p2, ana, lake.claim, body, null\n",
    "access is denied": "p, ana, lake.claim, read, deny\n",
    "a rule does not fit the table": 'p3, ana, lake.claim, "nope = 1"\n',
    "everyone's rule is false": 'p3, role:*, lake.claim, "false"\n',
}


@dataclass
class Project:
    """A project whose policies a test changes while it is served."""

    directory: Path
    app: App

    def rewrite(self, federation: str) -> None:
        """Other rules of the federation, once they count."""
        before = self.app.governor.version
        (self.directory / "policies" / "federation.csv").write_text(federation)
        until(lambda: self.app.governor.version != before or bool(self.app.governor.errors()), 10)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "fabric.yaml").write_text(FABRIC)
    hashed = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")
    (tmp_path / "users.yaml").write_text(
        f"users: {{ana: {{password: '{hashed}', attributes: {{region: EU}}}}}}\n"
    )
    for folder in ("policies", "lake", "products/claims"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "policies/federation.csv").write_text(FEDERATION)
    (tmp_path / "policies/claims.csv").write_text("")
    (tmp_path / "policies/fraud.csv").write_text("")
    lines = [f"{i},{'EU' if i % 2 else 'US'},{i % 5 if i % 2 else f'{MARK}-{i}'}" for i in range(50)]
    (tmp_path / "lake/claim.csv").write_text("id,region,body\n" + "\n".join(lines) + "\n")
    (tmp_path / "lake/score.csv").write_text("id,score\n1,2\n3,4\n")
    (tmp_path / "products/claims/every.sql").write_text("SELECT id, region, body FROM lake.claim")
    with closing(build(tmp_path)) as app:
        yield Project(tmp_path, app)


def shown(ask: Callable[[], pa.Table]) -> str:
    """What a question shows, be it rows or an error."""
    try:
        table = ask()
        return f"{table.schema} {table.to_pydict()}"
    except (FabricError, pa.ArrowException, KeyError, dbapi.Error) as error:
        return str(error)


def judge(text: str) -> None:
    if MARK in text:
        raise Wrong(LEAK, text[:500])


@pytest.mark.parametrize("sql", [ALL, PRODUCT])
@pytest.mark.parametrize("change", CHANGES)
def test_a_statement_after_a_change_is_under_the_new_rules(
    project: Project, tally: Tally, change: str, sql: str
) -> None:
    line = project.app.line
    assert MARK in shown(lambda: read(project.app, sql, ANA))
    described = line.describe(sql, ANA, Session())
    project.rewrite(FEDERATION + CHANGES[change])
    tally.add("policy changes")
    judge(shown(lambda: read(project.app, sql, ANA)))
    with pytest.raises(FabricError) as caught:
        line.run(sql, ANA, Session(), (), described.policy_version)
    judge(str(caught.value))
    if change not in ("access is denied", "a rule does not fit the table"):
        assert isinstance(caught.value, PolicyChanged)
        assert caught.value.retryable


def test_rules_that_come_and_go_leave_nothing_behind(project: Project, tally: Tally) -> None:
    for _ in range(2):
        assert MARK in shown(lambda: read(project.app, ALL, ANA))
        project.rewrite(FEDERATION + RULE)
        tally.add("policy changes")
        judge(shown(lambda: read(project.app, ALL, ANA)))
        judge(
            shown(lambda: read(project.app, "SELECT id FROM lake.claim WHERE CAST(body AS INTEGER) = 1", ANA))
        )
        assert (
            read(project.app, "SELECT id FROM lake.claim WHERE CAST(body AS INTEGER) = 1", ANA).num_rows == 5
        )
        project.rewrite(FEDERATION)


def test_a_combination_that_comes_counts_at_once(project: Project, tally: Tally) -> None:
    sql = "SELECT count(*) AS n FROM lake.claim JOIN desk.score USING (id)"
    assert read(project.app, sql, ANA).num_rows == 1
    described = project.app.line.describe(sql, ANA, Session())
    project.rewrite(FEDERATION + 'p4, ana, lake.claim, desk.score, never, "board 12"\n')
    tally.add("policy changes")
    for ask in (
        lambda: read(project.app, sql, ANA),
        lambda: project.app.line.run(sql, ANA, Session(), (), described.policy_version),
        lambda: read(project.app, "SELECT count(*) AS n FROM claims.every JOIN desk.score USING (id)", ANA),
    ):
        with pytest.raises(FabricError):
            ask()


def test_a_file_that_does_not_load_keeps_its_last_rules(project: Project, tally: Tally) -> None:
    project.rewrite(FEDERATION + RULE)
    for broken in (
        'p3, ana, lake.claim, "region = "\n',
        "p9, x\n",
        "p, ana, lake.claim, read, Allow\n",
        'p3, ana, lake.claim, "count(*) > 1"\n',
    ):
        (project.directory / "policies/federation.csv").write_text(FEDERATION + broken)
        until(lambda: bool(project.app.governor.version and project.app.governor.errors()), 10)
        tally.add("policy changes")
        judge(shown(lambda: read(project.app, ALL, ANA)))
        assert read(project.app, ALL, ANA).num_rows == 25
    (project.directory / "policies/federation.csv").unlink()
    tally.add("policy changes")
    judge(shown(lambda: read(project.app, ALL, ANA)))


def test_a_product_that_changes_beneath_a_user_is_governed_again(project: Project, tally: Tally) -> None:
    project.rewrite(FEDERATION + RULE)
    judge(shown(lambda: read(project.app, PRODUCT, ANA)))
    file = project.directory / "products/claims/every.sql"
    for body in (
        "SELECT id, region, body FROM lake.claim WHERE region = 'US'",
        "SELECT id, region, body || '' AS body FROM lake.claim UNION ALL SELECT id, region, body FROM lake.claim",
    ):
        before = shown(lambda: read(project.app, PRODUCT, ANA))
        file.write_text(body)
        until(lambda before=before: shown(lambda: read(project.app, PRODUCT, ANA)) != before, 10)
        tally.add("policy changes")
        judge(shown(lambda: read(project.app, PRODUCT, ANA)))


def test_tickets_and_prepared_statements_from_before_are_judged_again(project: Project, tally: Tally) -> None:
    server = FlightServer(lambda: project.app, fabric="acme")
    uri = f"grpc://127.0.0.1:{server.port}"
    try:
        login = {"username": "ana", "password": "secret"}
        with (
            flight.connect(uri) as client,
            dbapi.connect(uri, db_kwargs=login, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            ana = Raw(client, client.authenticate_basic_token("ana", "secret"))
            info = ana.query(ALL)
            prepared = "SELECT id, region, body FROM lake.claim WHERE id >= ? ORDER BY id"
            cursor.adbc_prepare(prepared)
            cursor.execute(prepared, (0,))
            assert MARK in str(cursor.fetch_arrow_table().to_pydict())
            project.rewrite(FEDERATION + RULE)
            tally.add("policy changes")
            with pytest.raises(flight.FlightUnavailableError, match="POLICY_CHANGED"):
                ana.read(info)
            judge(shown(lambda: ana.read(ana.query(ALL))))
            tally.add("policy changes")

            def again() -> pa.Table:
                cursor.execute(prepared, (0,))
                return cursor.fetch_arrow_table()

            judge(shown(again))
            assert again().num_rows == 25
    finally:
        server.close()
