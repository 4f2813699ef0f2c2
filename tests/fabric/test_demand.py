"""What DuckDB's plan says a statement demands of each relation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from fabric.compose import probe
from fabric.demand import Demand, demands
from fabric.engine import Engine
from fabric.ordering import ordering
from fabric.parse import parse
from fabric.predicates import AnyOf, Comparison, Membership, NullTest, Pattern, Predicate
from fabric.resolve import Find, only_now, resolve
from fabric.types import Column, OrderKey, Product, Table, TableName

TABLE = Table(
    TableName("db", "main", "t"),
    tuple(
        Column(name, kind)
        for name, kind in {
            "k": "BIGINT",
            "s": "VARCHAR",
            "f": "DOUBLE",
            "d": "DECIMAL(10,2)",
            "day": "DATE",
            "at": "TIMESTAMP",
            "tz": "TIMESTAMP WITH TIME ZONE",
            "b": "BOOLEAN",
            "r": "FLOAT",
        }.items()
    ),
)
PRODUCT = Product(
    TableName("acme", "claims", "p"), "claims", "SELECT k AS id, s, f * 2 AS f2 FROM db.t WHERE b"
)


class Names:
    def body(self, domain: str) -> Find:
        return self.find

    def find(self, parts: tuple[str, ...]) -> Table | Product | None:
        return {("db", "t"): TABLE, ("claims", "p"): PRODUCT}.get(parts)  # type: ignore[call-overload]

    known = find

    def candidates(self, name: str) -> list[str]:
        return []

    def at(self, product: Product, snapshot_id: str) -> Product:
        return only_now(product, snapshot_id)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def demanded(engine: Engine, sql: str) -> list[Demand]:
    resolved = resolve(parse(sql), Names(), None, "ana")
    only = resolved.relations[0] if len(resolved.relations) == 1 else None
    keys = ordering(resolved.tree, only.id, TABLE.columns) if only else None
    tables = [
        r for r in [*resolved.relations, *(p for r in resolved.relations if r.body for p in r.body.relations)]
    ]
    tables = [relation for relation in tables if isinstance(relation.object, Table)]
    orders = {tables[0].id: keys} if keys else {}
    found = demands(probe(resolved, engine).plan, {relation.id: TABLE.columns for relation in tables}, orders)
    return [found[relation.id] for relation in tables if relation.id in found]


def columns(demand: Demand) -> set[str]:
    return {TABLE.columns[position].name for position in demand.columns}


@pytest.mark.parametrize(
    ("condition", "predicates"),
    [
        ("k = 5", [Comparison("k", "=", 5)]),
        ("5 > k", [Comparison("k", "<", 5)]),
        ("k <> -3", [Comparison("k", "<>", -3)]),
        ("k IN (1, 2, 3)", [Membership("k", (1, 2, 3))]),
        ("k NOT IN (1, 2)", [Membership("k", (1, 2), negated=True)]),
        ("s = 'it''s'", [Comparison("s", "=", "it's")]),
        ("s IS NULL", [NullTest("s")]),
        ("s IS NOT NULL", [NullTest("s", negated=True)]),
        ("s LIKE 'ab%'", [Pattern("s", "ab%")]),
        ("s LIKE '%a_b%'", [Pattern("s", "%a_b%")]),
        ("s NOT LIKE '%x'", [Pattern("s", "%x", negated=True)]),
        ("contains(s, 'z')", [Pattern("s", "%z%")]),
        ("f > 1.5", [Comparison("f", ">", 1.5)]),
        ("d > 3.25", [Comparison("d", ">", Decimal("3.25"))]),
        ("day = '2024-02-29'", [Comparison("day", "=", date(2024, 2, 29))]),
        ("at < TIMESTAMP '2024-01-01 10:00:00.5'", [Comparison("at", "<", datetime(2024, 1, 1, 10, 0, 0, 500000))]),
        ("tz >= '2024-01-01 02:00:00+02'", [Comparison("tz", ">=", datetime(2024, 1, 1, tzinfo=UTC))]),
        ("b", [Comparison("b", "=", True)]),
        ("NOT b", [Comparison("b", "=", False)]),
        ("s LIKE '%a%b%'", [Pattern("s", "%a%b%")]),
        ("s NOT LIKE '%a%b%'", [Pattern("s", "%a%b%", negated=True)]),
        ("NOT s LIKE 'a%'", [Pattern("s", "a%", negated=True)]),
        ("NOT s IS NULL", [NullTest("s", negated=True)]),
        ("k = 1 OR s = 'x'", [AnyOf((Comparison("k", "=", 1), Comparison("s", "=", "x")))]),
        ("k + 1 = 6", [Comparison("k", "=", 5)]),
        (
            "year(day) = 2001",
            [Comparison("day", ">=", date(2001, 1, 1)), Comparison("day", "<=", date(2001, 12, 31))],
        ),
    ],
)  # fmt: skip
def test_a_filter_becomes_predicates(engine: Engine, condition: str, predicates: list[Predicate]) -> None:
    (demand,) = demanded(engine, f"SELECT s FROM db.t WHERE {condition}")
    assert not demand.kept
    assert demand.predicates == predicates


@pytest.mark.parametrize(
    "condition",
    ["s ILIKE 'a%'", "r = 0.1", "f = 'nan'", "s LIKE 'a\\%' ESCAPE '\\'", "length(s) = 3", "k % 2 = 0",
     "s = upper(s)", "k = f", "random() > 0.5", "day = 'infinity'", "contains(s, '%')", "k = 2.5"],
)  # fmt: skip
def test_what_has_no_exact_form_stays(engine: Engine, condition: str) -> None:
    for demand in demanded(engine, f"SELECT s FROM db.t WHERE {condition}"):
        assert not demand.predicates


def test_text_that_looks_like_sql_stays_a_value(engine: Engine) -> None:
    (demand,) = demanded(engine, "SELECT k FROM db.t WHERE s = ''' OR true --'")
    assert demand.predicates == [Comparison("s", "=", "' OR true --")]


def test_only_needed_columns_are_demanded(engine: Engine) -> None:
    (demand,) = demanded(engine, "SELECT x.s FROM (SELECT *, k + 1 AS k1 FROM db.t) AS x WHERE x.day IS NULL")
    assert columns(demand) == {"s", "day"}


def test_filters_pass_through_products_and_renames(engine: Engine) -> None:
    (demand,) = demanded(engine, "SELECT s FROM claims.p WHERE id = 7")
    assert columns(demand) == {"k", "s", "b"}
    assert set(demand.predicates) == {Comparison("k", "=", 7), Comparison("b", "=", True)}


def test_a_filter_above_an_outer_join_does_not_reach_the_inner_side(engine: Engine) -> None:
    left, right = demanded(
        engine, "SELECT * FROM db.t a LEFT JOIN db.t b ON a.k = b.k AND b.s = 'x' WHERE b.k IS NULL"
    )
    assert Comparison("s", "=", "x") in right.predicates
    assert NullTest("k") not in right.predicates
    assert not left.predicates


def test_each_occurrence_has_its_own_demand(engine: Engine) -> None:
    one, other = demanded(engine, "SELECT a.s, b.f FROM db.t a, db.t b WHERE a.k = 1 AND b.k = 2")
    assert (one.predicates, other.predicates) == ([Comparison("k", "=", 1)], [Comparison("k", "=", 2)])
    assert (columns(one), columns(other)) == ({"k", "s"}, {"k", "f"})


@pytest.mark.parametrize(
    ("sql", "limit", "order"),
    [
        ("SELECT * FROM db.t LIMIT 5", 5, ()),
        ("SELECT k + 1 FROM db.t WHERE k > 3 LIMIT 5 OFFSET 2", 7, ()),
        ("SELECT * FROM db.t ORDER BY day DESC, s LIMIT 3", 3, (OrderKey("day", True), OrderKey("s"))),
        ("SELECT s AS x FROM db.t ORDER BY x NULLS FIRST LIMIT 3", 3, (OrderKey("s", nulls_first=True),)),
        ("SELECT s, k FROM db.t ORDER BY 2 DESC LIMIT 1 OFFSET 1", 2, (OrderKey("k", True),)),
    ],
)
def test_limits_and_top_n_reach_the_scan(
    engine: Engine, sql: str, limit: int, order: tuple[OrderKey, ...]
) -> None:
    (demand,) = demanded(engine, sql)
    assert (demand.limit, demand.order) == (limit, order)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM db.t WHERE length(s) = 3 LIMIT 5",
        "SELECT DISTINCT s FROM db.t LIMIT 5",
        "SELECT count(*) FROM db.t LIMIT 5",
        "SELECT k, row_number() OVER () FROM db.t LIMIT 5",
        "SELECT unnest([k, k]) FROM db.t LIMIT 5",
        "SELECT * FROM db.t ORDER BY k + 1 LIMIT 5",
        "SELECT k + 1 AS k FROM db.t ORDER BY k LIMIT 5",
        "SELECT * FROM db.t LIMIT 10%",
        "SELECT a.k FROM db.t a JOIN db.t b USING (k) LIMIT 5",
        "SELECT k FROM db.t UNION ALL SELECT k FROM db.t ORDER BY k LIMIT 5",
    ],
)
def test_a_limit_that_is_not_the_scans_own_stays(engine: Engine, sql: str) -> None:
    assert [demand.limit for demand in demanded(engine, sql)] == [None] * len(demanded(engine, sql))


def test_a_relation_in_a_recursion_is_read_more_than_once(engine: Engine) -> None:
    found = demanded(
        engine,
        "WITH RECURSIVE w AS (SELECT k FROM db.t WHERE k = 1 UNION ALL "
        "SELECT t.k FROM db.t JOIN w ON t.k = w.k + 1) SELECT * FROM w",
    )
    assert all(demand.repeated for demand in found)


def test_a_relation_that_cannot_matter_is_not_read(engine: Engine) -> None:
    assert demanded(engine, "SELECT * FROM db.t WHERE k = 1 AND k = 2") == []


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count(*) FROM db.t", set()),
        ("SELECT count(*) + 1 FROM (SELECT s, f FROM db.t) AS x", set()),
        ("SELECT count(*) FROM db.t WHERE day > DATE '2020-01-01'", {4}),
        ('SELECT count("42") FROM (SELECT s AS "42" FROM db.t) AS x', {1}),
        ('SELECT sum(k) AS "count_star()" FROM db.t', {0}),
        ("SELECT count(*), max(k) FROM db.t", {0}),
        ("SELECT count(*) FILTER (k > 3) FROM db.t", {0}),
        ("SELECT s, count(*) FROM db.t GROUP BY s", {1}),
    ],
)
def test_what_is_only_counted_needs_no_column(engine: Engine, sql: str, columns: set[int]) -> None:
    (demand,) = demanded(engine, sql)
    assert demand.columns == columns
