"""Columns of which only sums, or only the year or month, are read come as sums or as the beginnings of these, and no answer changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import duckdb
import pytest
from hypothesis import given

import fabric.reductions as reductions
import fabric.semi_joins as semi_joins
from fabric.errors import UserError
from fabric.plan import Plan
from fabric.reads import LiveRead
from server.app import App, build
from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both
from tests.equivalence.test_queries import ALL, Query
from tests.equivalence.test_random import bounded, totals

_POLICY = "policy_db.policy"
_BOTH = "policy_db.customer c JOIN policy_db.policy p USING (customer_id)"
_LEFT = "policy_db.customer c LEFT JOIN policy_db.policy p USING (customer_id)"

SUMS = {
    "of all": (f"SELECT sum(premium) AS s, avg(premium) AS a FROM {_POLICY}", {"premium"}),
    "of all that there is not": ("SELECT sum(amount) AS s, count(amount) AS c, count(*) AS n FROM policy_db.empty", set()),
    "of groups": (f"SELECT product_line, sum(premium) AS s, avg(premium) AS a, count(premium) AS c, count(*) AS n, sum(renewals) AS r "
                  f"FROM {_POLICY} GROUP BY product_line", {"premium", "renewals"}),
    "with NULLs": ("SELECT marketing_consent, sum(lifetime_value) AS s, count(customer_id) AS c FROM policy_db.customer GROUP BY ALL",
                   {"lifetime_value"}),
    "of some of them": (f"SELECT renewals, sum(premium) FILTER (product_line = 'home') AS s FROM {_POLICY} GROUP BY renewals", {"premium"}),
    "of extremes": ("SELECT flag, sum(small) AS s, sum(whole) AS w, sum(big) AS b, avg(big) AS a, sum(money) AS m, avg(money) AS n, "
                    "count(big) AS c FROM policy_db.extreme GROUP BY flag", {"small", "whole", "big", "money"}),
    "of all extremes": ("SELECT sum(big) AS b, sum(money) AS m, avg(money) AS a, sum(id) AS i FROM policy_db.extreme", {"big", "money", "id"}),
    "by moments and numbers": ("SELECT day, moment, instant, uid, money, sum(big) AS b FROM policy_db.extreme GROUP BY ALL", {"big"}),
    "of groups that have enough": (f"SELECT product_line FROM {_POLICY} GROUP BY product_line HAVING sum(premium) > 100000", {"premium"}),
    "beneath another": (f"SELECT max(s) AS m FROM (SELECT renewals, product_line, sum(premium) AS s FROM {_POLICY} GROUP BY ALL)", {"premium"}),
    "of a join": (f"SELECT c.segment, sum(p.premium) AS s, sum(c.lifetime_value) AS l, count(*) AS n FROM {_BOTH} GROUP BY c.segment",
                  {"premium", "lifetime_value"}),
    "where nobody was met": (f"SELECT c.segment, sum(p.premium) AS s, count(p.renewals) AS r, sum(c.lifetime_value) AS l, count(*) AS n "
                             f"FROM {_LEFT} GROUP BY c.segment", {"premium", "renewals", "lifetime_value"}),
    "of both that met nobody": ("SELECT c.segment, p.product_line, sum(p.premium) AS s, avg(c.lifetime_value) AS l FROM policy_db.customer c "
                                "FULL JOIN policy_db.policy p ON p.customer_id = c.customer_id GROUP BY ALL",
                                {"premium", "lifetime_value"}),
    "of those that have one": (f"SELECT renewals, sum(premium) AS s FROM {_POLICY} p WHERE EXISTS (SELECT 1 FROM policy_db.customer c "
                               "WHERE c.customer_id = p.customer_id AND c.region = 'EU') GROUP BY renewals", {"premium"}),
    "of a filter of another": (f"SELECT renewals, sum(premium) AS s FROM {_POLICY} WHERE product_line LIKE 'm%' GROUP BY renewals", {"premium"}),
    "sideways": (f"SELECT c.customer_id, (SELECT sum(premium) FROM {_POLICY} p WHERE p.customer_id = c.customer_id) AS s "
                 "FROM policy_db.customer c", {"premium"}),
    "a filter": (f"SELECT renewals, sum(premium) AS s FROM {_POLICY} WHERE premium > 1000 GROUP BY renewals", set()),
    "a filter of some": (f"SELECT renewals, sum(premium) FILTER (premium > 1000) AS s FROM {_POLICY} GROUP BY renewals", set()),
    "the greatest": (f"SELECT renewals, sum(premium) AS s, max(premium) AS m FROM {_POLICY} GROUP BY renewals", set()),
    "different ones": (f"SELECT renewals, sum(DISTINCT premium) AS s FROM {_POLICY} GROUP BY renewals", set()),
    "a part of them": (f"SELECT renewals, sum(premium) AS s FROM (SELECT * FROM {_POLICY} ORDER BY renewals, policy_id LIMIT 99) GROUP BY renewals", set()),
    "a window": (f"SELECT renewals, sum(premium) AS s FROM (SELECT *, row_number() OVER (PARTITION BY renewals ORDER BY policy_id) AS r "
                 f"FROM {_POLICY}) WHERE r < 3 GROUP BY renewals", set()),
    "more digits": (f"SELECT renewals, sum(sum_insured) AS s FROM {_POLICY} GROUP BY renewals", set()),
    "halves": (f"SELECT renewals, sum(risk) AS s FROM {_POLICY} GROUP BY renewals", set()),
    "by halves": (f"SELECT risk, sum(premium) AS s FROM {_POLICY} GROUP BY risk", set()),
    "read twice": (f"SELECT sum(a.premium) AS s FROM {_POLICY} a JOIN {_POLICY} b ON a.policy_id = b.policy_id + 1", {"premium"}),
    "a union": (f"SELECT sum(premium) AS s FROM (SELECT premium FROM {_POLICY} UNION ALL SELECT lifetime_value FROM policy_db.customer)", set()),
}  # fmt: skip
"""By what it sums: the query, and the columns that come as sums."""

UNITS = {
    "years": (f"SELECT year(start_date) AS y, sum(premium) AS s FROM {_POLICY} GROUP BY y", {"start_date": "year"}),
    "months": (f"SELECT date_trunc('month', start_date) AS m, strftime(end_date, '%Y') AS e, count(*) AS n FROM {_POLICY} GROUP BY ALL",
               {"start_date": "month", "end_date": "year"}),
    "of timestamps": (f"SELECT quarter(issued_at) AS q, year(CAST(issued_at AS DATE)) AS y, avg(premium) AS a FROM {_POLICY} GROUP BY ALL",
                      {"issued_at": "quarter"}),
    "of a range": (f"SELECT year(start_date) AS y, sum(premium) AS s FROM {_POLICY} WHERE start_date >= DATE '2020-01-01' AND "
                   "start_date < DATE '2022-01-01' GROUP BY y", {"start_date": "year"}),
    "of a range to its last day": (f"SELECT year(start_date) AS y, sum(premium) AS s FROM {_POLICY} WHERE start_date BETWEEN "
                                   "DATE '2020-04-01' AND DATE '2021-06-30' GROUP BY y", {"start_date": "quarter"}),
    "of one year": (f"SELECT month(start_date) AS m, sum(premium) AS s FROM {_POLICY} WHERE year(start_date) = 2021 GROUP BY m", {"start_date": "month"}),
    "different ones": (f"SELECT DISTINCT year(start_date) AS y, product_line FROM {_POLICY}", {"start_date": "year"}),
    "of extremes": ("SELECT year(day) AS y, month(moment) AS m, count(day) AS n, sum(big) AS b FROM policy_db.extreme GROUP BY ALL",
                    {"day": "year", "moment": "month"}),
    "where nobody was met": ("SELECT c.segment, year(p.start_date) AS y, sum(p.premium) AS s FROM policy_db.customer c LEFT JOIN policy_db.policy p "
                             "USING (customer_id) GROUP BY ALL", {"start_date": "year"}),
    "of what is joined by it": ("SELECT c.segment, sum(p.premium) AS s FROM policy_db.customer c JOIN policy_db.policy p "
                                "ON year(c.birth_date) = year(p.start_date) - 60 GROUP BY ALL", {"birth_date": "year", "start_date": "year"}),
    "beside days": (f"SELECT year(start_date) AS y, max(start_date) AS m FROM {_POLICY} GROUP BY y", {}),
    "of a range from a day": (f"SELECT year(start_date) AS y, sum(premium) AS s FROM {_POLICY} WHERE start_date >= DATE '2020-01-15' GROUP BY y", {}),
    "of moments with a zone": ("SELECT year(created_at) AS y, count(*) AS n FROM policy_db.customer GROUP BY y", {}),
    "beside a list of days": (f"SELECT year(start_date) AS y, count(*) AS n FROM {_POLICY} WHERE start_date IN (DATE '2020-01-01', DATE '2019-02-01') GROUP BY y", {}),
}  # fmt: skip
"""By what is read of dates: the query, and the columns that come as the beginning of a unit."""


@pytest.fixture(scope="module")
def forced(both: Both) -> Iterator[App]:
    """Whatever can be summed is, however few rows there are."""
    with pytest.MonkeyPatch.context() as patched, closing(build(both.servers.project)) as app:
        patched.setattr(reductions, "_MANY_ROWS", 0)
        patched.setattr(semi_joins, "_MANY_ROWS", 0)
        patched.setattr(semi_joins, "_FEW_DIFFERENT", 1.0)
        patched.setattr(semi_joins, "_SOME_DIFFERENT", 1.0)
        patched.setattr(semi_joins, "_ways", lambda truncated: (truncated,))
        yield app


def _truncated(plans: list[Plan]) -> dict[str, str]:
    reads = [read for plan in plans for read in plan.reads if isinstance(read, LiveRead)]
    return {name: unit for read in reads for name, unit in read.offer.scan.truncated}


def _summed(plans: list[Plan]) -> set[str]:
    reads = [read for plan in plans for read in plan.reads if isinstance(read, LiveRead)]
    return {name for read in reads if read.offer.counts for name in read.offer.scan.summed}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_answers_the_same(both: Both, forced: App, plans: list[Plan], name: str) -> None:
    sql, summed = SUMS[name]
    got, wanted = ask(forced.line, sql), expect(both.copies, sql)
    assert_same(both.copies, got, wanted, False)
    assert _summed(plans) == summed


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_answers_the_same(both: Both, forced: App, plans: list[Plan], name: str) -> None:
    sql, truncated = UNITS[name]
    assert_same(both.copies, ask(forced.line, sql), expect(both.copies, sql), False)
    assert _truncated(plans) == truncated


@pytest.mark.parametrize("query", ALL, ids=lambda query: f"{query.theme}: {query.name}")
def test_every_query_answers_the_same(both: Both, forced: App, query: Query) -> None:
    assert_same(both.copies, ask(forced.line, query.sql), expect(both.copies, query.sql), query.ordered)


def test_random_totals_answer_as_duckdb_does(both: Both, forced: App, plans: list[Plan]) -> None:
    @bounded(300)
    @given(totals())
    def check(sql: str) -> None:
        try:
            wanted = expect(both.copies, sql)
        except duckdb.Error:
            with pytest.raises(UserError):
                ask(forced.line, sql)
            return
        assert_same(both.copies, ask(forced.line, sql), wanted, False)

    check()
    assert {"premium", "lifetime_value", "renewals", "big", "money"} <= _summed(plans)
    assert {"start_date", "issued_at", "birth_date"} <= _truncated(plans).keys()
