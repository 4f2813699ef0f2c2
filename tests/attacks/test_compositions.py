"""Compositions of the corpus by Hypothesis: what is safe by itself stays so in any wrapping and spelling."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attacks.conftest import Tally
from tests.attacks.corpus import CASES, Case
from tests.attacks.judge import Court

WRAPPERS = [
    "SELECT * FROM ({q}) AS s",
    "WITH w AS ({q}) SELECT * FROM w",
    "WITH w AS MATERIALIZED ({q}) SELECT * FROM w AS w2",
    "WITH w AS NOT MATERIALIZED ({q}) SELECT count(*) AS n FROM w, w AS w2",
    "SELECT count(*) AS n FROM ({q})",
    "({q}) UNION ALL ({q})",
    "({q}) EXCEPT ({q})",
    "({q}) INTERSECT ({q})",
    "SELECT * FROM ({q}) ORDER BY ALL",
    "SELECT * FROM ({q}) LIMIT 1000000 OFFSET 0",
    "SELECT s FROM ({q}) AS s",
    "SELECT to_json(s) AS j FROM ({q}) AS s",
    "SELECT o.i, s.* FROM (VALUES (1), (2)) AS o(i), LATERAL ({q}) AS s",
    "SELECT EXISTS ({q}) AS e",
    "SELECT * FROM ({q}) WHERE EXISTS ({q})",
    "WITH claim AS (SELECT 1 AS one), lake AS (SELECT 2 AS two), zq AS (SELECT 'EU' AS region) SELECT * FROM ({q}) AS s, claim",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT s.*, i FROM ({q}) AS s, r",
    "SELECT DISTINCT * FROM ({q}) AS s",
    "SELECT (SELECT count(*) FROM ({q})) AS n",
]
SPACES = [
    " ",
    "\n",
    "\t",
    " /* ; DROP TABLE lake.claim */ ",
    " -- ' \" $$\n",
    "\u00a0",
    " /* sqlglot.meta case_sensitive */ ",
    "  ",
]
# sqlglot reads ``ORDER BY`` as one word, and does not know it with a comment inside.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^\W\d]\w*|\s+|.", re.DOTALL)
_NAME = re.compile(r"\b(lake|claims|policy_db|ledger|fraud_api|desk|crm|fraud|underwriting)\.(\w+)\b")

ANSWERED = [
    case
    for case in CASES
    if case.expected == "rows"
    and not case.ordered
    and case.category != "dynamic_sql"
    and not re.search(r"\b(random|COLUMNS|SAMPLE|TABLESAMPLE|LIMIT|current_date)\b", case.sql)
]
REFUSED = [
    case for case in CASES if case.expected in ("denied", "error") and re.match(r"SELECT|WITH|FROM", case.sql)
]


@st.composite
def spelled(draw: st.DrawFn, sql: str) -> str:
    """The statement with other blanks, comments, cases and quotes."""
    if draw(st.booleans()):
        sql = _NAME.sub(lambda found: f'"{found[1].upper()}"."{found[2].title()}"', sql)
    made = []
    for token in _TOKEN.findall(sql):
        if token.isspace():
            together = bool(made) and made[-1].upper() in ("ORDER", "GROUP", "PARTITION")
            made.append(draw(st.sampled_from([space for space in SPACES if not together or space.isspace()])))
        elif token.isascii() and token.isidentifier():
            made.append(draw(st.sampled_from([token, token, token.upper(), token.lower(), token.swapcase()])))
        else:
            made.append(token)
    return "".join(made)


@st.composite
def composed(draw: st.DrawFn, cases: list[Case]) -> tuple[Case, str]:
    """A case of the corpus in one or two wrappings."""
    case = draw(st.sampled_from(cases))
    sql = case.sql
    for wrapper in draw(st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=2)):
        sql = wrapper.replace("{q}", sql)
    return case, draw(spelled(sql))


# Derandomized: the same examples in every run, so that a failure is news of a change.
def bounded(examples: int) -> settings:
    """So many examples, however slow the machine."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def test_what_is_answered_is_answered_rightly_in_any_wrapping(court: Court, tally: Tally) -> None:
    @bounded(150)
    @given(composed(ANSWERED))
    def check(made: tuple[Case, str]) -> None:
        case, sql = made
        tally.add("composed, answered")
        got = court.ask(case.user, sql)
        try:
            court.oracle.ask(case.user, sql)
        except duckdb.Error:
            court.compare(case.user, sql, got, "error")
        else:
            court.compare(case.user, sql, got, "rows")

    check()


def test_what_is_refused_is_refused_in_any_wrapping(court: Court, tally: Tally) -> None:
    @bounded(100)
    @given(composed(REFUSED))
    def check(made: tuple[Case, str]) -> None:
        case, sql = made
        tally.add("composed, refused")
        if case.expected == "denied":
            court.judge(case.user, sql, "denied")
            return
        got = court.show(case.user, sql)
        try:
            court.oracle.ask(case.user, sql)
        except duckdb.Error:
            court.compare(case.user, sql, got, "error")
        else:  # what would raise is not reckoned: a count needs no column
            court.compare(case.user, sql, got, "either")

    check()


@pytest.mark.parametrize("cases", [ANSWERED, REFUSED], ids=["answered", "refused"])
def test_there_is_enough_to_compose(cases: list[Case]) -> None:
    assert len(cases) > 150
