"""Every attack of the corpus, as each of its users: answered as over restricted copies, or refused, and nothing shown."""

from __future__ import annotations

import pytest

from fabric.errors import FabricError
from tests.attacks.conftest import Tally
from tests.attacks.corpus import CASES, LEGITIMATE, Case
from tests.attacks.judge import Court


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_attack_finds_nothing(court: Court, tally: Tally, case: Case) -> None:
    tally.add(case.category.replace("_", " "))
    if case.expected == "search":
        court.show(case.user, case.sql)
    elif case.expected.startswith("refused"):
        assert isinstance(court.ask(case.user, case.sql), FabricError)
        court.oracle.ask(case.user, case.sql)
    else:
        court.judge(case.user, case.sql, case.expected, ordered=case.ordered)


def test_there_are_enough_attacks_and_each_has_its_own_name() -> None:
    assert len(CASES) >= 700
    assert len({str(case) for case in CASES}) == len(CASES)


def test_hardly_anything_legitimate_is_refused() -> None:
    refused = [case for case in LEGITIMATE if case.expected.startswith("refused")]
    assert len(LEGITIMATE) >= 300
    assert len(refused) < 0.02 * len(LEGITIMATE)
