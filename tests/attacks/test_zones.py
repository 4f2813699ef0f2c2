"""The corpus under a session time zone: it moves no rule, and what it answers is what UTC answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fabric.errors import FabricError
from fabric.pipeline import Session
from server.app import App
from tests.attacks.conftest import Tally
from tests.attacks.corpus import CASES, Case
from tests.attacks.judge import _JOURNAL, Court

ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
SPREAD = [(ZONES[n % 2], case) for n, case in enumerate(CASES)][::4]


class InZone:
    """The line, asked under a session time zone."""

    def __init__(self, app: App, zone: str) -> None:
        self._app, self._session = app, Session(timezone=zone)
        self.line = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app.line, name)

    def run(self, sql: str, who: Any, session: Session, parameters: Sequence[object] = ()) -> Any:
        return self._app.line.run(sql, who, session if sql == _JOURNAL else self._session, parameters)

    def describe(self, sql: str, who: Any, session: Session, parameters: Any = None) -> Any:
        return self._app.line.describe(sql, who, self._session, parameters)


@pytest.mark.parametrize(("zone", "case"), SPREAD, ids=str)
def test_the_corpus_shows_nothing_under_a_zone(court: Court, tally: Tally, zone: str, case: Case) -> None:
    tally.add("time zones")
    under = Court(InZone(court.app, zone), court.oracle)  # type: ignore[arg-type]
    got = under.show(case.user, case.sql)
    # Of two values that are as frequent mode() takes the one that it meets first.
    if case.expected == "rows" and "mode(" not in case.sql:
        court.compare(case.user, case.sql, got, "either", ordered=case.ordered)
    elif case.expected == "denied":
        assert isinstance(got, FabricError)
