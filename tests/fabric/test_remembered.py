"""What DuckDB makes of a statement is remembered whatever its ids are called, and never for another statement."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.remembered import EmptyRelations, Numbered, Remembered
from tests.policies.governed import ANA, App, ask, company, rows

A, B = "r_" + "a" * 16, "r_" + "b" * 16
FIRST = "r_" + "0" * 16


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(threads=1)
    yield made
    made.close()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("acme"), {}) as made:
        yield made


def made_of(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that DuckDB is really asked from now on."""
    asked: list[str] = []
    probe, bound = engine._probe, engine.bound_plan

    def counted(sql: str, relations: Any) -> Any:
        asked.append(sql)
        return probe(sql, relations)

    def planned(sql: str, relations: Any) -> Any:
        asked.append(sql)
        return bound(sql, relations)

    monkeypatch.setattr(engine, "_probe", counted)
    monkeypatch.setattr(engine, "bound_plan", planned)
    return asked


def of(relation: str, kind: str = "BIGINT") -> EmptyRelations:
    return {f"{relation}_t": [(f"{relation}_0", kind)]}


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        f'WITH "{A}" AS (SELECT "{A}_0" FROM "{A}_t") SELECT * FROM "{A}" AS x, "{B}" AS y',
        f'SELECT 1 AS "{B}", 2 AS "{A}", 3 AS "{B}"',
        f"SELECT '{FIRST}' AS x FROM \"{A}\" AS y",
        f'SELECT 1 FROM "c_{"0" * 16}" AS x, "r_{"0" * 16}" AS y',
        f"SELECT 'x{A}', '{A}f', '{A[:-1]}', '{A.upper()}', 'r_{A}'",
        "SELECT 1",
        "",
    ],
)
def test_the_ids_come_back(text: str) -> None:
    numbered = Numbered(text)
    assert numbered.restore(numbered.text) == text


def test_statements_that_differ_in_ids_alone_have_one_text() -> None:
    text = 'SELECT "{0}_0", "{1}_1" FROM "{0}_t" AS x JOIN "{1}_t" AS y ON "{0}_0" = "{1}_0"'
    assert Numbered(text.format(A, B)).text == Numbered(text.format(B, A)).text
    assert Numbered(text.format(A, B)).text != Numbered(text.format(A, A)).text
    assert Numbered(text.format(A, B)).text != Numbered(text.format(A, "c" + B[1:])).text


def test_an_id_that_comes_later_has_the_next_number() -> None:
    numbered = Numbered(f'SELECT 1 FROM "{A}"')
    later = numbered.number(f'"{B}_t" "{A}_t"')
    assert numbered.restore(later) == f'"{B}_t" "{A}_t"'
    assert len(set(later.split())) == 2


# ── what is remembered ───────────────────────────────────────────────────────────────────────


def test_a_probe_is_remembered_under_other_ids_and_told_in_ones_own(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = made_of(engine, monkeypatch)
    text = 'SELECT "{0}_0", "{0}_0" + 1 AS n FROM "{0}_t" AS x WHERE "{0}_0" > 5'
    for relation in (A, B, "r_" + secrets.token_hex(8)):
        probe = engine.probe(text.format(relation), of(relation))
        assert probe.schema.names == [f"{relation}_0", "n"]
        assert f"{relation}_0" in json.dumps(probe.plan)
        assert FIRST not in json.dumps(probe.plan)
    assert len(asked) == 1
    assert A not in asked[0]


def test_what_differs_in_types_is_not_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made_of(engine, monkeypatch)
    text = 'SELECT "{0}_0" + 2 AS typed FROM "{0}_t" AS x'
    kinds = ("BIGINT", "INTEGER", "DECIMAL(10,2)", "DECIMAL(10,3)", "DOUBLE")
    found = [engine.probe(text.format(A), of(A, kind)).types[0] for kind in kinds]
    assert found == [engine.probe(text.format(B), of(B, kind)).types[0] for kind in kinds]
    assert len(set(found)) == len(asked) == len(kinds)


def test_nor_is_what_differs_in_nothing_but_a_value(engine: Engine) -> None:
    for value, kind in (("1", "INTEGER"), ("1.0", "DECIMAL(2,1)"), ("'1'", "VARCHAR")):
        assert engine.probe(f"SELECT {value} AS v", {}).types == (kind,)


def test_totality_is_remembered_by_types_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made_of(engine, monkeypatch)
    text = 'SELECT 1 FROM "{0}_t" AS x WHERE "{0}_0" = 5::BIGINT'

    def total(relation: str, kind: str) -> bool:
        return engine.is_total(text.format(relation), {f"{relation}_t": [(f"{relation}_0", kind)]})

    assert [total(A, "BIGINT"), total(B, "INTEGER"), total(A, "VARCHAR")] == [True, True, False]
    assert [total(B, "BIGINT"), total(A, "INTEGER"), total(B, "VARCHAR")] == [True, True, False]
    assert len(asked) == 3


def test_a_parse_is_remembered_and_names_ones_own_ids(engine: Engine) -> None:
    first, second = (json.loads(engine.serialize(f'SELECT * FROM "{id}" AS x')) for id in (A, B))
    assert A in json.dumps(first)
    assert json.loads(json.dumps(first).replace(A, B)) == second


def test_an_error_is_made_anew_each_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = made_of(engine, monkeypatch)
    for relation in (A, B):
        with pytest.raises(FabricError) as refused:
            engine.probe(f'SELECT nope FROM "{relation}_t" AS x', of(relation))
        assert "r_" not in refused.value.message
    assert len(asked) == 2


@pytest.mark.parametrize(
    "word",
    [
        "now()",
        "current_date",
        "CURRENT_TIMESTAMP",
        "today()",
        "random()",
        "uuid()",
        "gen_random_uuid()",
        "localtimestamp",
    ],
)
def test_what_depends_on_the_moment_is_not_remembered(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """DuckDB's optimizer writes the value into its plan, from where predicates go down to sources."""
    asked = made_of(engine, monkeypatch)
    for _ in range(2):
        engine.probe(f"SELECT {word} AS moment", {})
    assert len(asked) == 2


def test_the_clock_goes_on_in_a_statement_that_is_asked_again(app: App) -> None:
    before = datetime.now(UTC)
    for _ in range(2):
        ((moment,),) = rows(app, "SELECT now() FROM fraud.score LIMIT 1")
        assert isinstance(moment, datetime)
        assert moment >= before
        before = moment


def test_the_oldest_is_forgotten() -> None:
    made: list[str] = []

    def get(key: str) -> str:
        return remembered.get(key, lambda: made.append(key) or key)  # type: ignore[func-returns-value]

    remembered: Remembered[str] = Remembered(2)
    assert [get(key) for key in ("a", "b", "a", "c", "a", "b")] == ["a", "b", "a", "c", "a", "b"]
    assert made == ["a", "b", "c", "b"]  # asked for again, "a" was newer than "b"


# ── the user's own text ──────────────────────────────────────────────────────────────────────


def test_a_value_that_looks_like_an_id_is_the_users(app: App) -> None:
    for text in (A, FIRST, f"r_{1:016x}", f"c_{2:016x}", f"{A} {FIRST}", "r_" + "0123456789abcdef" * 2):
        sql = f"SELECT '{text}' AS a, length('{text}') AS b, upper('{text}') AS \"{text}\" FROM claims.claim LIMIT 1"
        assert ask(app, sql, ANA).to_pylist() == [{"a": text, "b": len(text), text: text.upper()}]
        assert ask(app, "SELECT ? AS a FROM claims.claim LIMIT 1", ANA, [text])["a"].to_pylist() == [text]


@pytest.mark.parametrize(
    "condition",
    [
        f"'r_{'f' * 16}' > '{FIRST}'",
        f"upper('{A}') = '{A.upper()}'",
        f"md5('{A}') = '{hashlib.md5(A.encode()).hexdigest()}'",
        f"substr('{A}', 3, 2) = 'aa'",
    ],
)
def test_a_value_that_looks_like_an_id_is_folded_as_it_is(app: App, condition: str) -> None:
    assert rows(app, f"SELECT count(*) FROM claims.claim WHERE {condition}") == [(4,)]
    assert rows(app, f"SELECT count(*) FROM claims.claim WHERE note <> '' AND {condition}") == [(4,)]


def test_a_value_that_looks_like_an_id_finds_its_row_in_a_source(app: App) -> None:
    for text in (A, FIRST, f"r_{1:016x}"):
        sql = f"SELECT count(*) FROM (SELECT '{text}' AS x, name FROM crm.customer) WHERE x = '{text}' AND name <> '{text}'"
        assert rows(app, sql) == [(3,)]


def test_users_names_that_look_like_ids(app: App) -> None:
    sql = f'WITH "{FIRST}" AS (SELECT claim_id AS "{A}" FROM claims.claim) SELECT max("{A}") AS "{B}" FROM "{FIRST}" AS "{A}"'
    for _ in range(2):
        assert ask(app, sql, ANA).to_pylist() == [{B: 4}]


def test_a_comment_with_a_word_for_the_moment_changes_nothing(app: App) -> None:
    assert rows(app, "SELECT 'now' AS x /* r_0000000000000000 */ FROM claims.claim LIMIT 1 -- today") == [
        ("now",)
    ]


# ── many at once ─────────────────────────────────────────────────────────────────────────────


def test_many_threads_get_what_is_theirs(engine: Engine) -> None:
    start = threading.Barrier(8)

    def probe(number: int) -> None:
        if number < 8:
            start.wait()
        relation, value = "r_" + secrets.token_hex(8), number % 5
        sql = f'SELECT "{relation}_0" AS c{value}, "{relation}_0" FROM "{relation}_t" AS x WHERE "{relation}_0" <> {value}'
        found = engine.probe(sql, of(relation))
        assert found.schema.names == [f"c{value}", f"{relation}_0"]
        text = json.dumps(found.plan)
        assert f"{relation}_0" in text
        assert f"!= {value}" in text

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(probe, range(200)))


def test_many_threads_fill_and_empty_it() -> None:
    remembered: Remembered[int] = Remembered(5)

    def get(number: int) -> None:
        key = number % 11
        assert remembered.get(f"k{key}", lambda: key) == key

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(get, range(5000)))
    assert len(remembered._known) <= 5
