"""What Postgres itself is asked below a row rule, and what a leaky function there gets to see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import FabricError
from tests.attacks.conftest import Tally
from tests.attacks.judge import Court
from tests.attacks.project import Estate
from tests.attacks.shapes import SHAPES

EXPRESSIONS = re.compile(
    r"\b(cast|regexp\w*|strptime|substr|length|lower|upper|chr|json\w*|coalesce|case|try)\b|::|->|[*/%+]|\" - ",
    re.I,
)
SEEN = re.compile(r"f_leak met (\d+)")


class Log:
    """What Postgres wrote since the last look."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._from = file.stat().st_size

    def new(self) -> str:
        """The text since the last call."""
        with self._file.open("rb") as file:
            file.seek(self._from)
            data = file.read()
        self._from += len(data)
        return data.decode(errors="replace")

    def statements(self, table: str) -> list[str]:
        """The WHERE clauses of what was asked of a table since the last look, patterns without their wildcards."""
        asked = re.findall(rf'(?:COPY \(|: )SELECT "[^\n]* FROM "vault"\."{table}"[^\n]*', self.new())
        clauses = [text.partition(" WHERE ")[2] for text in asked]
        return [
            re.sub(r"(?<= LIKE ')[^']*", lambda pattern: pattern[0].replace("%", ""), text)
            for text in clauses
        ]


@pytest.fixture
def log(served: tuple[Estate, Court]) -> Iterator[Log]:
    return Log(served[0].postgres_log)


@pytest.mark.parametrize("user", ["v_equal", "v_lower", "v_in_query", "v_raises", "v_not_in"])
def test_only_predicates_that_cannot_raise_go_down(court: Court, tally: Tally, log: Log, user: str) -> None:
    for shape in SHAPES.values():
        court.ask(user, shape.replace("{t}", "vpg.box").replace("{k}", "postgres"))
        tally.add("what Postgres is asked")
    conditions = log.statements("box")
    assert len(conditions) > 100
    assert not [text for text in conditions if EXPRESSIONS.search(text)]


def test_a_rule_goes_down_and_a_harmless_predicate_beside_it(court: Court, log: Log) -> None:
    court.ask("v_equal", "SELECT id FROM vpg.box WHERE id > 4 AND grp = 'a'")
    [condition] = log.statements("box")
    for part in ("region", "'EU'", "id", "grp"):
        assert part in condition


def test_of_a_rule_with_an_expression_goes_down_what_follows(court: Court, log: Log) -> None:
    court.ask("v_lower", "SELECT id FROM vpg.box WHERE lower(grp) = 'a'")
    [condition] = log.statements("box")
    assert "'EU'" in condition
    assert "'eu'" in condition
    assert "'A'" in condition
    assert not EXPRESSIONS.search(condition)


LEAKY = [
    "SELECT id FROM vpg.leaky",
    "SELECT * FROM vpg.leaky",
    "SELECT id, body FROM vpg.leaky WHERE body = '3'",
    "SELECT id FROM vpg.leaky WHERE body LIKE 'zq%'",
    "SELECT id FROM vpg.leaky WHERE body IN ('0', '1', '2')",
    "SELECT id FROM vpg.leaky WHERE body <> 'x' AND id > 3",
    "SELECT id FROM vpg.leaky WHERE body IS NOT NULL",
    "SELECT id FROM vpg.leaky WHERE body = '3' OR id = 1",
    "SELECT id FROM vpg.leaky WHERE CAST(body AS INTEGER) = 1",
    "SELECT id FROM vpg.leaky WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)",
    "SELECT count(*) AS n FROM vpg.leaky WHERE length(body) > 3",
    "SELECT id FROM vpg.leaky ORDER BY body LIMIT 2",
    "SELECT max(body) AS b FROM vpg.leaky",
    "SELECT body, count(*) AS n FROM vpg.leaky GROUP BY body",
    "SELECT a.id FROM vpg.leaky a JOIN vpg.leaky b USING (body)",
    "SELECT l.id FROM vpg.leaky l JOIN (VALUES ('1'), ('2')) v(b) ON l.body = v.b",
    "SELECT id FROM vpg.leaky WHERE body IN (SELECT CAST(i AS VARCHAR) FROM range(3) t(i))",
    "SELECT EXISTS (SELECT 1 FROM vpg.leaky WHERE body LIKE 'zq%') AS e",
    # what follows from expressions is a predicate like any other
    "SELECT id FROM vpg.leaky WHERE lower(body) = 'zq' OR upper(body) IN ('A', '3')",
    "SELECT id FROM vpg.leaky WHERE coalesce(body, '3') = '3' AND length(body) < 9",
    "SELECT id FROM vpg.leaky WHERE left(body, 1) IN ('1', '2', 'z') AND id * 2 > 3",
    "SELECT body, count(*) AS n FROM vpg.leaky GROUP BY body HAVING trim(body) = '3'",
]


@pytest.mark.parametrize("sql", LEAKY)
@pytest.mark.parametrize("user", ["v_equal", "v_list", "v_lower"])
def test_a_leaky_function_meets_no_hidden_row(
    court: Court, tally: Tally, log: Log, user: str, sql: str
) -> None:
    """As in Postgres's own test of row security: a function costs next to nothing and tells whom it met."""
    tally.add("a leaky function in Postgres")
    assert not isinstance(court.ask(user, sql), FabricError)
    met = {int(number) for number in SEEN.findall(log.new())}
    assert {number for number in met if number % 4} == set()


def test_the_leaky_function_leaks(court: Court, log: Log) -> None:
    court.ask("aud", "SELECT id FROM vpg.leaky WHERE body = '3'")
    assert len(set(SEEN.findall(log.new()))) == 80


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM vpg.strict",
        "SELECT id, level FROM vpg.strict",
        "SELECT id FROM vpg.strict WHERE level = 3",
        "SELECT id FROM vpg.strict WHERE level IS NOT NULL",
        "SELECT id FROM vpg.strict WHERE level IN (0, 1, 2, 3, 4)",
        "SELECT id FROM vpg.strict WHERE level > 3 ORDER BY level LIMIT 2",
        "SELECT max(level) AS m FROM vpg.strict",
        "SELECT id FROM vpg.strict WHERE coalesce(level, 0) = 3 OR abs(level) > 1 AND level / 2 < 7",
    ],
)
@pytest.mark.parametrize("user", ["v_equal", "v_list", "v_lower"])
def test_a_view_that_raises_on_hidden_rows_does_not_tell(
    court: Court, tally: Tally, user: str, sql: str
) -> None:
    tally.add("a leaky function in Postgres")
    assert not isinstance(court.ask(user, sql), FabricError)
