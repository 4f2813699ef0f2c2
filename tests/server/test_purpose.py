"""The session option ``purpose``: an attribute for rules, in every key of what is kept, and in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from adbc_driver_flightsql import dbapi
from adbc_driver_manager import Error
from argon2 import PasswordHasher

from fabric.types import Principal
from policies.scope import ScopedPrincipal
from server.app import App, build
from server.flight import FlightServer
from server.sessions import asking
from tests.server.tiny import keep_option

HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")
FILES = {
    "fabric.yaml": 'name: acme\ndomains: {claims: {owner: "role:claims-owner"}}\n',
    "users.yaml": f"users:\n  ana: {{password: '{HASH}'}}\n  bo: {{password: '{HASH}', attributes: {{purpose: audit}}}}\n",
    "policies/federation.csv": "p, ana, claims.*, read, allow\np, bo, claims.*, read, allow\n"
    "p3, role:*, claims.score, \"kind = attr('purpose')\"\n",
    "policies/claims.csv": "",
    "products/claims/score.sql": "SELECT * FROM (VALUES (1, 'fraud'), (2, 'audit'), (3, 'statistics')) t(id, kind)",
}
HEADER = "adbc.flight.sql.rpc.call_header.purpose"
OPTION = "adbc.flight.sql.session.option.purpose"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, str]]:
    folder = tmp_path_factory.mktemp("acme")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    with closing(build(folder)) as app:
        server = FlightServer(lambda: app, fabric="acme")
        try:
            yield app, f"grpc://127.0.0.1:{server.port}"
        finally:
            server.close()


@contextmanager
def cursor(served: tuple[App, str], user: str = "ana", header: str = "", option: str = "") -> Iterator[Any]:
    login = {"username": user, "password": "secret"} | ({HEADER: header} if header else {})
    with (
        dbapi.connect(served[1], db_kwargs=login, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        if option:
            keep_option(connection, OPTION, option)
        yield cursor


def ids(cursor: Any, sql: str = "SELECT id FROM claims.score") -> list[int]:
    cursor.execute(sql)
    return [row[0] for row in cursor.fetchall()]


def test_each_purpose_sees_its_own_whatever_was_asked_before(served: tuple[App, str]) -> None:
    for _ in range(2):
        for purpose, seen in (("fraud", [1]), ("audit", [2]), ("marketing", [])):
            with cursor(served, header=purpose) as asked:
                assert ids(asked) == seen
            with cursor(served, option=purpose) as asked:
                assert ids(asked) == seen
                asked.execute("SELECT id FROM claims.score WHERE id > ?", [0])
                assert [row[0] for row in asked.fetchall()] == seen


def test_without_a_purpose_the_rule_refuses_and_names_it(served: tuple[App, str]) -> None:
    with cursor(served) as asked, pytest.raises(Error, match="'purpose'"):
        ids(asked)


def test_the_option_wins_over_the_header(served: tuple[App, str]) -> None:
    with cursor(served, header="audit", option="fraud") as asked:
        assert ids(asked) == [1]


def test_what_the_login_says_is_not_overridden(served: tuple[App, str]) -> None:
    with cursor(served, "bo", header="fraud") as asked:
        assert ids(asked) == [2]
    with cursor(served, "bo", option="fraud") as asked:
        assert ids(asked) == [2]


def test_the_audit_has_it(served: tuple[App, str]) -> None:
    with cursor(served, header="statistics") as asked:
        assert ids(asked) == [3]
    trail = "".join(
        file.read_text() for file in (served[0].config.directory / ".ripstop/audit").glob("*.jsonl")
    )
    assert '"session":{"purpose":"statistics"}' in trail.replace(": ", ":").replace(", ", ",")


@pytest.mark.parametrize("purpose", ["", " ", "x" * 101, "a\nb", "a\x1b[0m"])
def test_what_is_no_purpose_is_none(purpose: str) -> None:
    ana = Principal("ana")
    assert asking(ana, {"purpose": purpose}) is ana


def test_a_limited_token_stays_limited() -> None:
    token = ScopedPrincipal("ana", frozenset({"role:a"}), {}, frozenset({"role:a"}))
    asked = asking(token, {"purpose": "fraud"})
    assert isinstance(asked, ScopedPrincipal)
    assert (asked.scope, asked.attributes) == (token.scope, {"purpose": "fraud"})
