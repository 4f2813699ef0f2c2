"""Every semi-join that could be pushed is pushed, whatever the estimates say, and no answer changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing

import pytest

import fabric.ahead as ahead
import fabric.asides as asides
import fabric.dynamic_filters as dynamic_filters
import fabric.prefetch as prefetch
import fabric.semi_joins as semi_joins
from fabric.pipeline import Session
from fabric.plan import Plan
from fabric.reads import FileRead, LiveRead
from server.app import App, build
from tests.equivalence.comparison import AUDITOR, ask, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL, Query

_UNREAD = {
    "a text that is only filtered": "SELECT c.customer_id, count(p.policy_id) AS n FROM policy_db.customer c "
    "LEFT JOIN policy_db.policy p ON p.customer_id = c.customer_id AND p.product_line NOT LIKE '%o%r' GROUP BY c.customer_id",
    "by several tests": "SELECT c.name FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "WHERE p.renewals > 1 AND p.renewals < 4 AND p.premium <= 4000.5 AND p.start_date >= DATE '2020-02-29' "
    "AND c.segment IN ('retail', 'broker') AND c.region IS NOT NULL",
    "a column that may be NULL is counted": "SELECT c.segment, count(p.end_date) AS n, count(c.customer_id) AS m "
    "FROM policy_db.customer c LEFT JOIN policy_db.policy p USING (customer_id) WHERE c.marketing_consent GROUP BY c.segment",
    "one of two tables": "SELECT c.customer_id FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "WHERE (p.renewals = 1 AND c.region = 'EU') OR (p.renewals = 3 AND c.region = 'US')",
    "either of one table": "SELECT c.customer_id FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "WHERE p.product_line = 'home' OR p.product_line > 'mo' AND c.segment = 'retail'",
}
_ASIDES = {
    "of groups in files": "SELECT p.policy_id, p.premium FROM policy_db.policy p WHERE p.policy_id IN "
    "(SELECT policy_id FROM claims_lake.claim GROUP BY policy_id HAVING count(*) > 1)",
    "of groups in files, and more": "SELECT c.region, count(*) AS n FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "WHERE p.renewals > 0 AND p.policy_id IN (SELECT policy_id FROM claims_lake.claim GROUP BY policy_id HAVING max(claim_id) % 3 = 1) "
    "GROUP BY c.region",
}
_SETS = {
    "whether there is any": "SELECT c.name FROM policy_db.customer c "
    "WHERE EXISTS (SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND p.renewals > 1)",
    "whether there is none": "SELECT c.name FROM policy_db.customer c "
    "WHERE NOT EXISTS (SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id)",
    "none of a list with NULL": "SELECT c.name FROM policy_db.customer c "
    "WHERE c.customer_id NOT IN (SELECT CASE WHEN p.renewals < 3 THEN p.customer_id END FROM policy_db.policy p)",
    "any, or else": "SELECT c.name, c.region = 'EU' OR c.customer_id IN (SELECT customer_id FROM policy_db.policy) AS k "
    "FROM policy_db.customer c",
    "different ones of a join": "SELECT c.region, count(DISTINCT x.customer_id) AS n, max(x.renewals) AS m "
    "FROM policy_db.customer c JOIN (SELECT DISTINCT customer_id, renewals FROM policy_db.policy) x USING (customer_id) "
    "GROUP BY c.region",
    "least of each, beside all": "SELECT c.region, x.m, y.n FROM policy_db.customer c "
    "JOIN (SELECT customer_id, min(premium) AS m FROM policy_db.policy GROUP BY customer_id) x USING (customer_id) "
    "JOIN (SELECT customer_id, count(*) AS n FROM policy_db.policy GROUP BY customer_id) y USING (customer_id)",
}
_JOINS = {
    "inner": "SELECT c.name, p.premium FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "WHERE c.region = 'EU'",
    "left": "SELECT c.customer_id, p.policy_id FROM policy_db.customer c LEFT JOIN policy_db.policy p "
    "ON p.customer_id = c.customer_id AND p.renewals > 2 WHERE c.segment = 'retail'",
    "right": "SELECT c.customer_id, p.policy_id FROM policy_db.customer c RIGHT JOIN policy_db.policy p "
    "ON p.customer_id = c.customer_id AND c.segment = 'retail'",
    "full": "SELECT c.customer_id, p.policy_id FROM policy_db.customer c FULL JOIN policy_db.policy p "
    "ON p.customer_id = c.customer_id AND c.segment = 'retail'",
    "exists": "SELECT c.name FROM policy_db.customer c WHERE EXISTS "
    "(SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND p.product_line = 'home')",
    "not exists": "SELECT c.customer_id FROM policy_db.customer c WHERE NOT EXISTS "
    "(SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND p.product_line LIKE 'm%')",
    "in": "SELECT name FROM policy_db.customer WHERE customer_id IN (SELECT customer_id FROM policy_db.policy WHERE premium > 3000)",
    "not in, with NULLs": "SELECT name FROM policy_db.customer WHERE customer_id NOT IN "
    "(SELECT customer_id FROM policy_db.policy WHERE renewals = 1)",
    "in, or something else": "SELECT name FROM policy_db.customer WHERE region = 'US' OR customer_id IN "
    "(SELECT customer_id FROM policy_db.policy WHERE premium > 3000)",
    "keys that may both be NULL": "SELECT count(*) AS n FROM policy_db.policy a JOIN policy_db.policy b "
    "ON a.customer_id IS NOT DISTINCT FROM b.customer_id WHERE a.renewals = 1",
    "texts": "SELECT count(*) AS n FROM policy_db.customer a JOIN policy_db.customer b ON a.name = b.name WHERE b.region = 'EU'",
    "dates": "SELECT count(*) AS n FROM policy_db.policy a JOIN policy_db.policy b ON a.start_date = b.start_date WHERE b.renewals = 2",
    "a narrower key": "SELECT count(*) AS n FROM policy_db.policy p JOIN policy_db.customer c ON p.renewals = c.customer_id",
    "of groups": "SELECT g.customer_id, g.n, c.name FROM (SELECT customer_id, count(*) AS n FROM policy_db.policy "
    "GROUP BY customer_id) g JOIN policy_db.customer c USING (customer_id) WHERE c.region = 'APAC'",
    "of all groups and their sum": "SELECT g.customer_id, g.n FROM (SELECT customer_id, count(*) AS n FROM policy_db.policy "
    "GROUP BY ROLLUP (customer_id)) g LEFT JOIN policy_db.customer c USING (customer_id) WHERE c.region = 'APAC' OR g.customer_id IS NULL",
    "below a limit": "SELECT c.name, t.policy_id FROM (SELECT * FROM policy_db.policy ORDER BY premium DESC, policy_id LIMIT 7) t "
    "JOIN policy_db.customer c USING (customer_id) WHERE c.segment = 'broker'",
    "below a window": "SELECT c.name, t.n FROM (SELECT customer_id, policy_id, row_number() OVER (ORDER BY policy_id) AS n "
    "FROM policy_db.policy) t JOIN policy_db.customer c USING (customer_id) WHERE c.segment = 'broker'",
    "below a distinct": "SELECT c.name, t.product_line FROM (SELECT DISTINCT ON (product_line) product_line, customer_id "
    "FROM policy_db.policy ORDER BY product_line, policy_id) t LEFT JOIN policy_db.customer c USING (customer_id)",
    "of a union": "SELECT c.name FROM (SELECT customer_id FROM policy_db.policy WHERE renewals = 1 UNION "
    "SELECT customer_id FROM policy_db.policy WHERE renewals = 3) u JOIN policy_db.customer c USING (customer_id)",
    "read twice": "WITH p AS (SELECT customer_id, premium FROM policy_db.policy) SELECT c.name, x.premium, y.premium AS other "
    "FROM policy_db.customer c JOIN p x USING (customer_id) LEFT JOIN p y ON y.customer_id = c.customer_id + 1 WHERE c.segment = 'broker'",
    "a circle": "SELECT count(*) AS n FROM policy_db.policy a JOIN policy_db.customer c ON a.customer_id = c.customer_id "
    "JOIN policy_db.policy b ON b.customer_id = c.customer_id AND b.policy_id = a.policy_id + 300 WHERE a.renewals < 3",
    "a scalar": "SELECT c.name, (SELECT max(premium) FROM policy_db.policy p WHERE p.customer_id = c.customer_id) AS most "
    "FROM policy_db.customer c WHERE c.segment = 'broker'",
    "sideways": "SELECT c.name, l.premium FROM policy_db.customer c, LATERAL (SELECT premium FROM policy_db.policy p "
    "WHERE p.customer_id = c.customer_id ORDER BY premium DESC, policy_id LIMIT 1) l WHERE c.segment = 'broker'",
    "to itself": "SELECT count(*) AS n FROM policy_db.policy a JOIN policy_db.policy b ON a.policy_id = b.policy_id + 1 WHERE b.renewals = 1",
    **_UNREAD,
    **_ASIDES,
    **_SETS,
    "a file not among keys": "SELECT p.policy_id FROM policy_db.policy p WHERE p.renewals > 0 AND NOT EXISTS "
    "(SELECT 1 FROM claims_lake.claim c WHERE c.policy_id = p.policy_id AND c.claim_id > 20)",
    "a file and another table not among keys": "SELECT k.name FROM policy_db.customer k WHERE NOT EXISTS (SELECT 1 FROM claims_lake.claim c "
    "JOIN policy_db.policy p USING (policy_id) WHERE p.customer_id = k.customer_id)",
    "a file among keys": "SELECT c.claim_id, p.premium FROM policy_db.policy p JOIN claims_lake.claim c USING (policy_id) WHERE p.renewals = 3",
    "with a file between": "SELECT p.policy_id, k.name FROM claims_lake.claim c JOIN policy_db.policy p USING (policy_id) "
    "JOIN policy_db.customer k USING (customer_id) WHERE k.region = 'EU'",
}  # fmt: skip
_TAKEN = {"inner", "left", "right", "exists", "not exists", "in", "texts", "dates", "a narrower key", "of groups",
          "with a file between", "a circle"}  # fmt: skip
# Only the side that gives more rows may be reduced: it is then the one that is read first.
_NOT_BY_KEYS = {"right", "not exists"}


_FOLLOWED = {"with a file between", "a file among keys", "a file not among keys"}

_WAYS = ("by the source", "by keys", "counted")


@pytest.fixture(scope="module")
def apps(both: Both) -> Iterator[Mapping[str, App]]:
    """One for each way, since each keeps the plans that it made."""
    with ExitStack() as stack:
        yield {way: stack.enter_context(closing(build(both.servers.project))) for way in _WAYS}


@pytest.fixture(params=_WAYS)
def forced(apps: Mapping[str, App], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> App:
    """Everything that could be reduced is: by semi-joins of the source itself, by keys, or by counting equal rows."""
    if request.param == "counted":
        monkeypatch.setattr(dynamic_filters, "_worthwhile", lambda *known: ())
        monkeypatch.setattr(semi_joins, "_MANY_ROWS", 0)
        monkeypatch.setattr(semi_joins, "_FEW_DIFFERENT", 1.0)
        monkeypatch.setattr(semi_joins, "_SOME_DIFFERENT", 1.0)
        monkeypatch.setattr(semi_joins, "_MANY_ROWS", 0)
    elif request.param == "by keys":
        monkeypatch.setattr(dynamic_filters, "_LARGEST_PART", 1.0)
        monkeypatch.setattr(dynamic_filters, "_LARGEST_SLOW_PART", 1.0)
        monkeypatch.setattr(dynamic_filters, "_wins", lambda *known: True)
        monkeypatch.setattr(asides, "_MANY_ROWS", 0)
        monkeypatch.setattr(ahead, "_MANY_ROWS", 0)
        monkeypatch.setattr(ahead, "_SMALL_PART", 1.0)
        monkeypatch.setattr(prefetch, "SMALL_FILE", 0)  # so that row groups are followed
    else:
        monkeypatch.setattr(dynamic_filters, "_worthwhile", lambda *known: ())
        monkeypatch.setattr(semi_joins, "_FEW_ROWS", 0)
        monkeypatch.setattr(semi_joins, "_LARGEST_PART", 1.0)
        monkeypatch.setattr(semi_joins, "LOOKED_AT", 0.0)
        monkeypatch.setattr(semi_joins, "rows_left", lambda table, predicates: 1_000.0)
        monkeypatch.setattr(semi_joins, "_part", lambda *known: 0.5)
    return apps[request.param]


def _semi_joins(plans: list[Plan]) -> int:
    reads = [read for plan in plans for read in plan.reads if isinstance(read, LiveRead)]
    return sum(len(read.offer.semi_joins) + len(read.awaits) for read in reads)


@pytest.mark.parametrize("name", _JOINS)
def test_a_join_answers_the_same(
    both: Both, forced: App, plans: list[Plan], name: str, request: pytest.FixtureRequest
) -> None:
    got, wanted = ask(forced.line, _JOINS[name]), expect(both.copies, _JOINS[name])
    assert_same(both.copies, got, wanted, False)
    way = request.node.callspec.params["forced"]
    if name in _TAKEN and way != "counted" and not (way == "by keys" and name in _NOT_BY_KEYS):
        assert _semi_joins(plans)
    if name == "a file not among keys" and way == "by keys":
        assert any(isinstance(read, FileRead) and read.awaits for plan in plans for read in plan.reads)
    if name in _FOLLOWED and way == "by keys":
        assert any(isinstance(read, FileRead) and read.begun_by for plan in plans for read in plan.reads)
    if name in _ASIDES and way == "by keys":
        assert any(plan.asides for plan in plans)
    if name in _SETS and way == "counted":
        assert any(
            isinstance(read, LiveRead) and read.offer.distinct for plan in plans for read in plan.reads
        )


@pytest.mark.parametrize(
    ("name", "unread"),
    [
        ("a text that is only filtered", {"product_line", "policy_id"}),
        ("by several tests", {"renewals", "start_date", "segment", "region"}),
        ("a column that may be NULL is counted", {"marketing_consent"}),
        ("one of two tables", set()),
        ("either of one table", set()),
    ],
)
def test_which_columns_are_not_sent(
    apps: Mapping[str, App], plans: list[Plan], name: str, unread: set[str]
) -> None:
    ask(apps["by keys"].line, _UNREAD[name] + " ORDER BY 1")
    reads = [read for plan in plans for read in plan.reads if isinstance(read, LiveRead)]
    assert {read.relation.object.columns[n].name for read in reads for n in read.witnesses} == unread


@pytest.mark.parametrize("query", ALL, ids=lambda query: f"{query.theme}: {query.name}")
def test_every_query_answers_the_same(both: Both, forced: App, query: Query) -> None:
    got, wanted = ask(forced.line, query.sql), expect(both.copies, query.sql)
    assert_same(both.copies, got, wanted, query.ordered)


def test_what_is_asked_is_shown(apps: Mapping[str, App], forced: App) -> None:
    shown = (
        "equal rows once, with their number"
        if forced is apps["counted"]
        else "customer_id among the keys of policy_db"
    )
    with forced.line.run("EXPLAIN " + _JOINS["inner"], AUDITOR, Session()) as reply:
        text = str([batch.to_pylist() for batch in reply.batches()])
    assert shown in text
