"""A plan that is made once for many values says of each what a plan made for it alone says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabric.compose import empty_relations, meaning, probe_governed, table_relations, veiled_meaning
from fabric.demand import demands
from fabric.parse import parse
from fabric.pipeline import Session
from fabric.questions import Question
from fabric.types import Governed
from tests.policies.governed import ANA, App, company, rows

_RULES = {
    "claims": "p3, role:analyst, claims.claim, amount > 0 OR note = 'x'\np2, role:*, claims.claim, ssn, last(2)\n",
    "crm": "p3, role:analyst, crm.customer, region <> 'XX'\n",
}

_ALIKE = [
    "SELECT claim_id, ssn FROM claims.claim WHERE claim_id = {n}",
    "SELECT ssn FROM claims.claim WHERE {n} <= claim_id AND region = {t}",
    "SELECT count(*) FROM claims.claim WHERE claim_id > {n} AND amount < 5000",
    "SELECT * FROM claims.claim AS c WHERE (c.claim_id = {n}) AND c.note LIKE 'a%'",
    "SELECT name FROM crm.customer WHERE customer_id = {n}",
    "SELECT name, email FROM crm.customer WHERE name = {t}",
    "SELECT * FROM (SELECT name, customer_id FROM crm.customer) AS c WHERE c.customer_id = {n}",
    "WITH c AS (SELECT * FROM crm.customer) SELECT name FROM c WHERE customer_id = {n}",
    "SELECT amount FROM claims.open WHERE claim_id = {n} AND name = {t}",
    "SELECT c.claim_id, s.score FROM claims.claim c JOIN fraud.score s ON c.amount = s.score WHERE c.customer_id = {n}",
]

_UNLIKE = {
    "the column is asked for twice": "SELECT ssn FROM claims.claim WHERE claim_id = {n} AND (claim_id > 3 OR note = 'x')",
    "its name stands for another": "SELECT * FROM (SELECT claim_id, claim_id AS x, note FROM claims.claim) c "
    "WHERE claim_id = {n} AND (x > 3 OR note = 'x')",
    "a rule speaks of it": "SELECT ssn FROM claims.claim WHERE amount = {n}",
    "it is masked": "SELECT claim_id FROM claims.claim WHERE ssn = {t}",
    "a join goes over it": "SELECT name FROM claims.claim JOIN crm.customer USING (customer_id) WHERE customer_id = {n}",
    "a join beneath goes over it": "SELECT name FROM (SELECT customer_id, name FROM claims.claim JOIN crm.customer USING (customer_id)) "
    "WHERE customer_id = {n}",
    "it is one of two alternatives": "SELECT ssn FROM claims.claim WHERE claim_id = {n} OR note = 'x'",
    "it is denied": "SELECT ssn FROM claims.claim WHERE NOT claim_id = {n}",
    "another type": "SELECT ssn FROM claims.claim WHERE claim_id = {t}",
    "a product reckons with it": "SELECT claims FROM claims.totals WHERE region = {t}",
    "a column by its position": "SELECT * FROM (SELECT claim_id FROM claims.claim UNION ALL SELECT customer_id FROM claims.claim) c "
    "WHERE claim_id = {n}",
    "another name for a position": "SELECT x FROM (SELECT claim_id FROM claims.claim) AS c(x) WHERE x = {n}",
    "a subquery's only column": "SELECT note FROM claims.claim WHERE customer_id IN "
    "(SELECT customer_id FROM crm.customer WHERE customer_id = {n})",
    "columns by a pattern": "SELECT COLUMNS('.*') FROM claims.claim WHERE claim_id = {n}",
    "part of a row": "SELECT {{'c': claim_id}} FROM claims.claim WHERE claim_id = {n}",
    "a large number": "SELECT ssn FROM claims.claim WHERE claim_id = 4000000{n}000",
    "it stands in a column's name": "SELECT count(*) FILTER (WHERE claim_id = {n}) FROM claims.claim",
    "it says how many rows": "SELECT ssn FROM claims.claim LIMIT {n}",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(Path(tmp_path_factory.mktemp("veil")), _RULES) as made:
        yield made


def _governed(app: App, text: str) -> Governed:
    question = Question(text, ANA, Session(), ())
    return app.line._judged(parse(text, "duckdb"), question).governed


def _demands(app: App, governed: Governed, plan: list[dict[str, Any]]) -> list[Any]:
    tables = table_relations(governed.resolved, governed.decisions)
    found = demands(plan, {relation.id: table.columns for relation, table in tables}, {})
    return [found.get(relation.id) for relation, _ in tables]


@pytest.mark.parametrize("shape", _ALIKE)
@pytest.mark.parametrize(("number", "text"), [(0, "'EU'"), (7, "'it''s \"x\" \\n'"), (2**30 - 1, "'10'")])
def test_what_is_demanded_is_what_the_value_itself_would_demand(
    app: App, shape: str, number: int, text: str
) -> None:
    governed = _governed(app, shape.format(n=number, t=text))
    engine = app.line._engine
    probed = probe_governed(governed, engine)
    assert probed.veiled
    over = empty_relations(table_relations(governed.resolved, governed.decisions))
    plain = engine.probe(meaning(governed), over)
    assert (probed.schema, probed.types) == (plain.schema, plain.types)
    assert _demands(app, governed, probed.plan) == _demands(app, governed, plain.plan)


@pytest.mark.parametrize("why", _UNLIKE)
def test_a_value_that_may_decide_about_more_is_planned_for_itself(app: App, why: str) -> None:
    governed = _governed(app, _UNLIKE[why].format(n=2, t="'EU'"))
    assert veiled_meaning(governed)[0] is None
    assert not probe_governed(governed, app.line._engine).veiled


def test_a_statement_s_own_large_numbers_are_left_alone(app: App) -> None:
    text = "SELECT 1500000000 AS big, 'ripstop 0' AS said, ssn FROM claims.claim WHERE claim_id = 1"
    assert rows(app, text) == [(1500000000, "ripstop 0", "***11")]


def test_each_value_has_its_own_answer(app: App) -> None:
    found = {
        n: rows(app, f"SELECT claim_id, region FROM claims.claim WHERE claim_id = {n}") for n in range(1, 6)
    }
    assert found == {1: [(1, "EU")], 2: [(2, "US")], 3: [(3, "EU")], 4: [(4, None)], 5: []}
    names = ("Ana", "Bo", "it's")
    assert [
        rows(app, f"SELECT customer_id FROM crm.customer WHERE name = '{n.replace(chr(39), chr(39) * 2)}'")
        for n in names
    ] == [
        [(10,)],
        [(11,)],
        [],
    ]
