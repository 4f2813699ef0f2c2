"""How clients say the dialect: ADBC's call header, ``ripstop sql --dialect``, and a session option over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.client import Client, Login
from tests.server.tiny import USERS, Served, serving


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as made:
        yield made


def test_adbc_sends_it_with_every_call(served: Served) -> None:
    header = {"adbc.flight.sql.rpc.call_header.dialect": "tsql"}
    with served.adbc(**header) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
    assert served.app.line.sessions[-1].dialect == "tsql"


def test_our_own_client_says_it_too(served: Served) -> None:
    with (
        Client(Login(served.uri, "ana", USERS["ana"], dialect="bigquery")) as client,
        client.query("SELECT 1") as answer,
    ):
        answer.read_all()
    assert served.app.line.sessions[-1].dialect == "bigquery"
