"""Of what columns are made: the pairs in tests/sql/lineage.sql, trials against DuckDB, and what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fabric.engine import Engine
from fabric.lineage import lineage
from fabric.parse import parse
from fabric.product_types import Edge, Lineage
from fabric.resolve import resolve
from fabric.types import Column, Origin, Resolved
from tests.fabric.composed import Query, queries
from tests.fabric.perturbed import Statement, Trial, World, statement, table_columns

SQL = Path(__file__).parent.parent / "sql"

# Rows are chosen by k alone, but in subqueries that stand for a value. Columns called n_… count.
TRIED = """
FROM person
SELECT * FROM person JOIN claim USING (k)
SELECT k, note, mail FROM person FULL JOIN claim USING (k)
SELECT c.k, p.k AS other, mail FROM person AS p RIGHT JOIN claim AS c USING (k)
SELECT p.*, c.* EXCLUDE (k) FROM person AS p LEFT JOIN claim AS c ON p.k = c.k
SELECT p.name, c.note FROM person AS p JOIN claim AS c ON p.k = c.k AND p.k - c.k < 1
SELECT p.name, s.top FROM person AS p LEFT JOIN (SELECT k, max(amt) AS top FROM claim GROUP BY k) AS s ON p.k = s.k AND p.k - s.k < 1
SELECT * FROM (SELECT k, mail FROM person) NATURAL JOIN (SELECT k, note FROM claim)
SELECT * FROM person ASOF JOIN claim ON person.k >= claim.k
SELECT * FROM person ASOF JOIN claim USING (k)
SELECT * FROM person POSITIONAL JOIN claim
SELECT * FROM person AS p SEMI JOIN claim AS c USING (k)
SELECT * FROM (SELECT k FROM person EXCEPT SELECT k FROM claim) JOIN person USING (k)
SELECT mail, age FROM person UNION SELECT note, amt FROM claim
SELECT age AS x, mail AS y FROM person UNION BY NAME SELECT note AS y, name AS z FROM claim
SELECT name FROM person UNION ALL SELECT amt FROM claim
SELECT k, max(mail), min(age), any_value(name ORDER BY age), arg_max(mail, age), count(*) AS n_all FROM person GROUP BY k
SELECT name, sum(age) AS s, count(mail) AS n_mail, list(mail ORDER BY age) AS l FROM person GROUP BY ALL
SELECT k, name, sum(amt) AS s, grouping(name) AS g FROM claim GROUP BY ROLLUP (k, name)
SELECT sum(amt) FILTER (WHERE note > 'note 52') AS s, max(DISTINCT note), quantile_cont(amt, 0.5) FROM claim
SELECT row_number() OVER (ORDER BY age) AS r, lag(mail) OVER (ORDER BY age) AS l, max(mail) OVER w AS m, name FROM person WINDOW w AS (PARTITION BY k ORDER BY name)
SELECT sum(amt) FILTER (WHERE note > 'note 52') OVER (ORDER BY k, name ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, name FROM claim
SELECT first_value(mail ORDER BY name) OVER (PARTITION BY k % 2) AS f, ntile(2) OVER (ORDER BY mail) AS n FROM person
SELECT DISTINCT ON (k) k, note FROM claim ORDER BY k, note
SELECT name, unnest([mail, name]) AS u, home.city FROM person
SELECT unnest(home), name FROM person
SELECT k, m FROM (SELECT k, unnest([age, k]) AS m FROM person)
SELECT p, {'a': mail, 'b': [age]} AS s, MAP {k: age} AS m, row(k, name) AS r FROM person AS p
SELECT list_transform(marks, lambda m: m + age) AS a, list_filter(marks, lambda m: m > age) AS b, list_reduce(marks, lambda x, y: x + y) AS c FROM person
SELECT [m || mail FOR m IN marks IF m > k] AS l FROM person
SELECT COLUMNS('^n|^m') FROM person
SELECT upper(COLUMNS(* EXCLUDE (k, age, marks, home))), mail.lower() AS low FROM person
SELECT age + 1 AS a, a * 2 AS b, CASE name WHEN 'name 23' THEN mail ELSE 'none' END AS c FROM person
SELECT name LIKE '%2%' AS a, age BETWEEN 30 AND 50 AS b, mail IN ('mail 20', name) AS c, age IS NULL AS d, coalesce(mail, name) AS e FROM person
SELECT try_cast(right(name, 2) AS INTEGER) AS a, name[1:6] AS b, marks[1] AS c, mail COLLATE NOCASE AS d FROM person
SELECT (SELECT max(note) FROM claim) AS x, (SELECT max(note) FROM claim WHERE amt > 320) AS y FROM person
SELECT p.k, (SELECT max(c.note) FROM claim AS c WHERE c.k = p.k AND c.amt > p.age + 285) AS x FROM person AS p
SELECT (SELECT c.note FROM claim AS c WHERE c.k = p.k ORDER BY c.amt DESC LIMIT 1) AS x FROM person AS p
SELECT (SELECT upper(p.name) FROM claim AS c WHERE replace(c.name, '9', '2') >= p.name AND c.k = p.k LIMIT 1) AS x FROM person AS p
SELECT EXISTS (SELECT 1 FROM claim WHERE note > 'note 54') AS x, EXISTS (SELECT 1 FROM claim AS c WHERE c.k = p.k AND c.amt > 310) AS y FROM person AS p
SELECT age * 10 - 25 IN (SELECT amt FROM claim) AS x, mail > ALL (SELECT note FROM claim) AS y, k = ANY (SELECT k FROM claim WHERE amt > 320) AS z FROM person
SELECT EXISTS (SELECT m FROM (SELECT k, unnest(CASE WHEN age > 40 THEN marks END) AS m FROM person) AS s WHERE s.k = p.k) AS x FROM claim AS p
SELECT (SELECT note FROM claim ORDER BY amt DESC LIMIT 1) AS x FROM person
SELECT (SELECT s.note FROM (SELECT DISTINCT ON (k) k, note FROM claim ORDER BY k, amt DESC) AS s WHERE s.k = p.k) AS x FROM person AS p
SELECT ARRAY(SELECT note FROM claim ORDER BY amt) AS l, (SELECT list(c.note ORDER BY c.amt) FROM claim AS c WHERE c.k < p.k) AS m FROM person AS p
SELECT (SELECT (SELECT p.mail || c.note || d.name FROM claim AS d WHERE d.k = c.k ORDER BY d.amt LIMIT 1) FROM claim AS c WHERE c.k = p.k ORDER BY c.amt LIMIT 1) AS x FROM person AS p
SELECT (SELECT CASE WHEN count(*) > 1 THEN max(c.note) ELSE p.mail END FROM claim AS c WHERE c.k = p.k) AS x FROM person AS p
SELECT (SELECT 'yes' FROM claim AS c WHERE c.k = p.k AND c.amt > 310 LIMIT 1) AS x FROM person AS p
SELECT (SELECT 'many' FROM claim AS c WHERE c.k = p.k GROUP BY c.k, c.note > 'note 50' HAVING count(*) > 1) AS x FROM person AS p
SELECT p.name, s.note, s.both FROM person AS p, LATERAL (SELECT note, note || p.mail AS both FROM claim AS c WHERE c.k = p.k) AS s
SELECT p.name, s.top FROM person AS p LEFT JOIN LATERAL (SELECT max(amt) AS top FROM claim AS c WHERE c.k <= p.k) AS s ON true
SELECT p.name, s.a FROM person AS p, LATERAL (SELECT p.age + 1 AS a) AS s
SELECT p.k, s.m, c.name, c.note FROM person AS p, LATERAL (SELECT c.note AS m FROM claim AS c WHERE c.k = p.k ORDER BY c.amt LIMIT 1) AS s, claim AS c
SELECT p.k, p.name, u.m, c.note FROM claim AS c, person AS p, unnest([p.age, c.amt]) AS u(m) WHERE c.k = p.k
SELECT p.name, u.m, v.n FROM person AS p LEFT JOIN unnest([p.k, p.age]) AS u(m) ON true, unnest([u.m, p.k]) AS v(n)
SELECT name, i FROM person, range(k, k + 2) AS t(i)
SELECT (SELECT sum(u.m) FROM unnest(p.marks) AS u(m)) AS s, (SELECT max(u.m || p.mail) FROM unnest(p.marks) AS u(m)) AS t FROM person AS p
WITH a(x, y) AS (SELECT name, mail FROM person), b AS (SELECT y AS x, x AS y FROM a) SELECT a.x, b.x AS z FROM a JOIN b ON true
WITH a AS MATERIALIZED (SELECT k, upper(mail) AS m FROM person) SELECT l.m, r.m AS other FROM a AS l JOIN a AS r USING (k)
WITH RECURSIVE t(a, b, n) AS (SELECT name, mail, 1 FROM person UNION ALL SELECT b, a || '.', n + 1 FROM t WHERE n < 4) SELECT a, b FROM t
WITH RECURSIVE t(k, a, n) AS (SELECT k, name, 1 FROM person UNION SELECT k, t.a || note, n + 1 FROM t JOIN claim USING (k) WHERE n < 3) SELECT * FROM t
FROM (PIVOT claim ON k IN (2, 3) USING max(amt), min(note) GROUP BY name)
SELECT * FROM (SELECT k, name, mail FROM person) UNPIVOT INCLUDE NULLS (v FOR n IN (name, mail))
SELECT v.a, r.i, name FROM person, (VALUES (1, 'x')) AS v(a, b), range(2) AS r(i)
SELECT x FROM (VALUES ((SELECT max(name) FROM person))) AS v(x)
SELECT * FROM (FROM person SELECT name, #2 AS two) AS t(a, b)
SELECT struct_extract(home, 'city') AS c, (p.home).zip AS z, home['zip'] AS y FROM person AS p
SELECT max(t.m) AS m FROM (SELECT CASE WHEN age > 40 THEN mail END AS m FROM person ORDER BY k LIMIT 3) AS t
""".strip().splitlines()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(threads=1)
    yield engine
    engine.close()


def pairs(file: str) -> list[tuple[str, str]]:
    text = re.sub(r"^--.*\n", "", (SQL / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip().removesuffix(";") for line in text.split(";\n") if line.strip()]
    return list(zip(lines[::2], lines[1::2], strict=True))


def shown(one: Statement) -> str:
    made = [
        " ".join(f"{'' if origin.direct else '~'}{origin.part}.{origin.column}" for origin in column) or "-"
        for column in one.origins
    ]
    return " | ".join(f"{name}: {origins}" for name, origins in zip(one.names, made, strict=True))


def drawn(one: Statement) -> str:
    """The edges of a statement as tests/sql/lineage_edges.sql writes them."""
    tables = [relation.name.name for relation in one.resolved.relations]

    def named(part: int) -> str:
        place = tables[:part].count(tables[part]) + 1
        return tables[part] if tables.count(tables[part]) == 1 else f"{tables[part]}{place}"

    def edges(found: Sequence[Edge]) -> str:
        said = (f"{e.kind}{'!' if e.masked else ''}({named(e.part)}.{e.column})" for e in found)
        return " ".join(said) or "-"

    said = [f"{name}: {edges(made)}" for name, made in zip(one.names, one.lineage.columns, strict=True)]
    return " | ".join(said + ([f"rows: {edges(one.lineage.rows)}"] if one.lineage.rows else []))


@pytest.mark.parametrize(("text", "expected"), pairs("lineage_edges.sql"))
def test_edges(text: str, expected: str, engine: Engine) -> None:
    one = statement(text, engine)
    assert one.lineage.known
    assert drawn(one) == expected


@pytest.mark.parametrize(("text", "expected"), pairs("lineage.sql"))
def test_pairs(text: str, expected: str, engine: Engine) -> None:
    assert shown(statement(text, engine)) == expected


def assert_holds(one: Statement) -> None:
    trial = Trial(one)
    try:
        assert not list(trial.missed())
        assert not list(trial.not_handed_on())
    finally:
        trial.close()


@pytest.mark.parametrize("text", TRIED)
def test_no_column_changes_but_with_its_origins(text: str, engine: Engine) -> None:
    one = statement(text, engine)
    assert one.known
    assert_holds(one)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(query=queries())
def test_no_column_of_a_composed_query_changes_but_with_its_origins(query: Query, engine: Engine) -> None:
    one = statement(query.sql, engine)
    assert one.known
    assert_holds(one)


def test_a_missed_origin_would_be_found(engine: Engine) -> None:
    one = statement("SELECT (SELECT max(note) FROM claim AS c WHERE c.k = p.k) AS x FROM person AS p", engine)
    less = (tuple(origin for origin in one.origins[0] if origin.column != "note"),)
    trial = Trial(Statement(one.resolved, one.names, Lineage(origins=less)))
    assert any("note" in missed for missed in trial.missed())
    trial.close()


# ── what is not known derives from everything ────────────────────────────────────────────────


def everything(resolved: Resolved) -> tuple[Origin, ...]:
    return tuple(
        Origin(part, column.name, False)
        for part in range(len(resolved.relations))
        for column in table_columns(resolved, part)
    )


@pytest.mark.parametrize(
    "text",
    [
        "WITH RECURSIVE t(k, a) USING KEY (k) AS (SELECT k, name FROM person UNION SELECT k + 1, a FROM t WHERE k < 3) "
        "SELECT * FROM t",
        "SELECT * FROM person RIGHT SEMI JOIN claim USING (k)",
    ],
)
def test_what_cannot_be_read_derives_from_everything(text: str, engine: Engine) -> None:
    one = statement(text, engine)
    assert set(one.origins) == {everything(one.resolved)}
    assert not one.known


def read(text: str, width: int, engine: Engine, **said: tuple[Column, ...]) -> tuple[tuple[Origin, ...], ...]:
    """The origins of a statement over relations that are said to have these columns."""
    resolved = resolve(parse(text), World(), "world", "ana")
    return lineage(resolved, {r.id: said[r.name.name] for r in resolved.relations}, width, engine).origins


TEXT = (Column("k", "INTEGER"), Column("name", "VARCHAR"))


def test_so_does_a_result_of_another_width(engine: Engine) -> None:
    assert read("SELECT name FROM person", 1, engine, person=TEXT) == ((Origin(0, "name", True),),)
    every = (Origin(0, "k", False), Origin(0, "name", False))
    assert read("SELECT name FROM person", 2, engine, person=TEXT) == (every, every)
    assert read("FROM person", 1, engine, person=TEXT) == (every,)


@pytest.mark.parametrize(
    "columns",
    [
        (Column("k", "INTEGER"),),
        (Column("name", "NO SUCH TYPE"),),
        (Column("name", "VARCHAR"), Column("NAME", "VARCHAR")),
    ],
)
def test_so_does_a_statement_that_does_not_bind(columns: tuple[Column, ...], engine: Engine) -> None:
    every = tuple(Origin(0, column.name, False) for column in columns)
    assert read("SELECT name FROM person", 1, engine, person=columns) == (every,)


def test_so_does_one_that_is_nested_too_deeply(engine: Engine) -> None:
    deep = "name" + " || name" * 600
    one = read(f"SELECT {deep} AS x, k FROM person", 2, engine, person=TEXT)
    assert one[1] == (Origin(0, "k", False), Origin(0, "name", False))


class Differing(Engine):
    """A DuckDB that writes its plans otherwise."""

    def __init__(self, text: str, otherwise: str | None) -> None:
        super().__init__(threads=1)
        self.text = text
        self.otherwise = otherwise

    def bound_plan(self, sql: str, relations: Mapping[str, Sequence[tuple[str, str]]]) -> str | None:
        plan = super().bound_plan(sql, relations)
        assert plan is not None
        assert self.text in plan
        return None if self.otherwise is None else plan.replace(self.text, self.otherwise)


@pytest.mark.parametrize(
    ("text", "otherwise"),
    [
        ("", ""),
        ("LOGICAL_FILTER", "LOGICAL_SIEVE"),
        ('"expression_class":"BOUND_FUNCTION"', '"expression_class":"BOUND_SUBQUERY"'),
        ('"index":1}', '"index":0}'),  # k, which is no text
        ('"index":1}', '"index":2}'),
        ('"index":1}', '"index":-1}'),
        ('"projection_ids":[]', '"projection_ids":[1]'),
        ('"projection_map":[]', '"projection_map":[2]'),
        ('"expressions"', '"terms"'),
        ("seq_scan", "other_scan"),
        ('"table":"', '"table":"other_'),
        ('"plans":[', '"plans":[{},'),
        ('"plans"', "plans"),
        ("{", None),
    ],
)
def test_so_does_a_plan_that_is_not_as_expected(text: str, otherwise: str | None) -> None:
    engine = Differing(text, otherwise)
    found = read("SELECT upper(name) AS x FROM person WHERE k > 1", 1, engine, person=TEXT)
    known = (Origin(0, "name", False),)
    every = (Origin(0, "k", False), Origin(0, "name", False))
    assert found == ((every,) if text else (known,))
    engine.close()


def test_a_column_keeps_its_spelling_and_types_need_not_be_simple(engine: Engine) -> None:
    columns = (
        Column("Odd Name", "ENUM('a', 'b')"),
        Column('with "quotes"', "DECIMAL(30, 4)[]"),
        Column("j", "JSON"),
        Column("u", "UUID"),
        Column("t", "TIMESTAMP WITH TIME ZONE"),
        Column("m", "MAP(VARCHAR, STRUCT(a HUGEINT))"),
    )
    found = read('SELECT *, "ODD NAME" || j AS x FROM person', 7, engine, person=columns)
    assert found[:6] == tuple((Origin(0, column.name, True),) for column in columns)
    assert found[6] == (Origin(0, "Odd Name", False), Origin(0, "j", False))
