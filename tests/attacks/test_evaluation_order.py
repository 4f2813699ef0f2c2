"""A hidden row never meets an expression that can raise: every kind of source, of row rule, and of clause."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fabric.errors import FabricError
from tests.attacks import vault
from tests.attacks.conftest import Tally
from tests.attacks.judge import LEAK, WRONG, Court, Wrong
from tests.attacks.shapes import BIG, NASTY, SHAPES

THOROUGH = ("v_equal", "v_in_query", "v_not_in")
"""The users who ask every shape; the others ask those that are known to be nasty."""

_ANSWERS: dict[str, list[tuple[str | None, ...]]] = {}


def answer(court: Court, sql: str) -> list[tuple[str | None, ...]]:
    """What the copy of the visible rows answers; every rule leaves the same ones."""
    if sql not in _ANSWERS:
        _ANSWERS[sql] = sorted(court.oracle.texts(court.oracle.ask("v_equal", sql)), key=str)
    return _ANSWERS[sql]


def attack(
    court: Court, tally: Tally, user: str, shapes: Mapping[str, str], kind: str, table: str, like: str
) -> list[str]:
    """Ask every shape of a table; ``like`` is the kind whose copy knows the answers."""
    found = []
    for name, shape in shapes.items():
        sql = shape.replace("{t}", table).replace("{k}", kind)
        wanted = answer(court, shape.replace("{t}", like).replace("{k}", "parquet"))
        verdict = ""
        try:
            got = court.ask(user, sql)
            if isinstance(got, FabricError):
                verdict, said = LEAK, str(got)
            elif sorted(court.oracle.texts(got), key=str) != wanted:
                verdict, said = WRONG, f"{got.num_rows} rows, wanted {len(wanted)}"
        except Wrong as wrong:
            verdict, said = wrong.kind, str(wrong)
        tally.add(f"evaluation order, {kind}", verdict)
        if verdict:
            found.append(f"{user}, {name}: {said}\n    {sql}")
    return found


@pytest.mark.parametrize("user", vault.RULES)
@pytest.mark.parametrize("kind", vault.TABLES)
def test_an_expression_never_meets_a_hidden_row(court: Court, tally: Tally, kind: str, user: str) -> None:
    shapes = SHAPES if user in THOROUGH else {name: SHAPES[name] for name in NASTY}
    found = attack(court, tally, user, shapes, kind, vault.TABLES[kind], "vfiles.pq")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("user", vault.RULES)
def test_nor_does_one_that_is_moved_while_the_query_runs(court: Court, tally: Tally, user: str) -> None:
    found = attack(court, tally, user, BIG, "big parquet", vault.BIG, vault.BIG)
    assert not found, "\n".join(found)


def test_without_its_rule_nearly_every_expression_raises(court: Court) -> None:
    """The attacks are real: over all rows the same queries fail."""
    raised = [
        isinstance(court.ask("aud", sql.replace("{t}", "vfiles.pq").replace("{k}", "parquet")), FabricError)
        for sql in SHAPES.values()
    ]
    assert sum(raised) > 0.9 * len(SHAPES)
