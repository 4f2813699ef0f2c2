"""A plan is made once for a question, and never serves another one, another moment, or another catalog."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import fabric.pipeline as pipeline
from fabric.confirm import functions
from fabric.errors import FabricError, InvalidValue, PolicyChanged
from fabric.execute import Answer
from fabric.pipeline import Session
from fabric.questions import Question
from fabric.remembered import depends_on_the_moment
from fabric.types import Principal
from tests.policies.governed import ANA, BO, App, ask, company, rows

_CLAIM = "SELECT claim_id, region FROM claims.claim"
_RULES = {"claims": "p3, role:analyst, claims.claim, region = attr('region')\n"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, _RULES) as made:
        yield made


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are read from now on."""
    read: list[str] = []
    parse = pipeline.parse

    def counted(text: str, dialect: str) -> Any:
        read.append(text)
        return parse(text, dialect)

    monkeypatch.setattr(pipeline, "parse", counted)
    return read


def test_a_question_is_judged_once(app: App, judged: list[str]) -> None:
    assert [rows(app, _CLAIM) for _ in range(3)] == [[(1, "EU"), (3, "EU")]] * 3
    assert judged == [_CLAIM]


def test_whoever_asks_has_a_plan_of_their_own(app: App, judged: list[str]) -> None:
    assert rows(app, _CLAIM, ANA) == [(1, "EU"), (3, "EU")]
    assert rows(app, _CLAIM, BO) == [(2, "US")]
    assert rows(app, _CLAIM, replace(ANA, attributes={"region": "US"})) == [(2, "US")]
    assert len(judged) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (1, "1"), (1, Decimal(1)), (1.0, Decimal("1.0")), (None, "None"), (b"1", "b'1'")],
)
def test_values_of_two_types_are_two_questions(app: App, one: object, other: object) -> None:
    sql = "SELECT typeof(?) AS kind, claim_id FROM claims.claim WHERE claim_id = 1"
    kinds = [ask(app, sql, ANA, [value]).to_pylist()[0]["kind"] for value in (one, other, one)]
    assert kinds[0] == kinds[2]
    assert kinds[1] == ask(app, sql + " AND true", ANA, [other]).to_pylist()[0]["kind"]


def test_a_description_without_values_is_never_run(app: App) -> None:
    sql = "SELECT claim_id FROM claims.claim WHERE claim_id = ?"
    assert app.line.describe(sql, ANA, Session()).parameters == 1
    for values in ((), []):
        with pytest.raises(InvalidValue, match="takes 1 parameters"):
            app.line.run(sql, ANA, Session(), values)
    assert ask(app, sql, ANA, [3]).to_pylist() == [{"claim_id": 3}]


def test_a_one_part_name_is_completed_anew_in_another_session(app: App) -> None:
    sql = "SELECT count(*) AS n FROM claim"

    def count(schema: str | None) -> object:
        with app.line.run(sql, ANA, Session(schema)) as answer:
            return [batch.to_pylist() for batch in answer.batches()]

    assert count("claims") == [[{"n": 2}]]
    for schema in ("fraud", None):
        with pytest.raises(FabricError):
            count(schema)


def test_a_changed_rule_judges_anew(app: App, tmp_path: Path, judged: list[str]) -> None:
    described = app.line.describe(_CLAIM, ANA, Session())
    (tmp_path / "policies" / "claims.csv").write_text("p3, role:analyst, claims.claim, region = 'US'\n")
    _until_other(lambda: app.governor.version)
    with pytest.raises(PolicyChanged):
        app.line.run(_CLAIM, ANA, Session(), (), described.policy_version)
    assert rows(app, _CLAIM) == [(2, "US")]
    assert len(judged) == 2


def test_a_changed_product_judges_anew(app: App, tmp_path: Path) -> None:
    sql = "SELECT claim_id FROM claims.claim"
    assert rows(app, sql) == [(1,), (3,)]
    before = app.catalog.stamp()
    (tmp_path / "products" / "claims" / "claim.sql").write_text("SELECT * FROM lake.claim WHERE claim_id > 1")
    _until_other(lambda: app.catalog.stamp().holds(before))
    assert rows(app, sql) == [(3,)]


def test_a_kept_text_reads_the_files_of_its_own_run(app: App, tmp_path: Path, judged: list[str]) -> None:
    sql = "SELECT s.claim_id, s.score, c.region FROM fraud.score s JOIN claims.claim c USING (claim_id)"
    first, second = (app.line.run(sql, ANA, Session()) for _ in range(2))
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert first.executed != second.executed  # each reads through a mount of its own
    tokens = re.compile(r"ripstop://[^/']+")
    assert tokens.sub("", first.executed) == tokens.sub("", second.executed)
    assert "\0" not in first.executed
    assert len(set(tokens.findall(first.executed)) | set(tokens.findall(second.executed))) == 4
    with second, first:
        read = [[batch.to_pylist() for batch in each.batches()] for each in (second, first)]
    assert read == [[[{"claim_id": 1, "score": 0.9, "region": "EU"}]]] * 2
    (tmp_path / "fraud" / "score.csv").write_text("claim_id,score\n1,0.7\n3,0.5\n")
    assert rows(app, sql) == [(1, 0.7, "EU"), (3, 0.5, "EU")]
    assert judged == [sql]


def test_a_source_with_other_columns_judges_anew(app: App, tmp_path: Path, judged: list[str]) -> None:
    sql = "SELECT * FROM scores.score"
    who = Principal("eve", frozenset({"role:fraud-owner"}))
    assert rows(app, sql, who) == [(1, 0.9), (2, 0.1)]
    (tmp_path / "fraud" / "score.csv").write_text("claim_id,score,model\n1,0.9,a\n")
    with app.line.run(sql, who, Session()) as answer:
        assert answer.schema.names == ["claim_id", "score", "model"]
    assert rows(app, sql, who) == [(1, 0.9, "a")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now() AS t, claim_id FROM claims.claim",
        "SELECT claim_id FROM claims.claim WHERE opened <= current_date",
        "SELECT claim_id, random() AS r FROM claims.claim",
        "SELECT uuid() AS id FROM claims.claim",
        "SELECT claim_id FROM claims.claim USING SAMPLE 1",
        "SELECT claim_id FROM claims.recent",
        "SELECT claim_id FROM claims.ruled",
        "SELECT opened FROM claims.masked",
    ],
)
def test_nothing_is_kept_of_what_depends_on_the_moment(tmp_path: Path, judged: list[str], sql: str) -> None:
    rules = {
        "claims": "p3, role:analyst, claims.ruled, opened <= current_date\n"
        'p2, role:analyst, claims.masked, opened, "sql:least(opened, current_date)"\n'
    }
    product = "SELECT claim_id, opened FROM lake.claim"
    products = {
        "claims/recent": f"{product} WHERE opened <= current_date",
        "claims/ruled": product,
        "claims/masked": product,
    }
    with company(tmp_path, rules, products) as app:
        for _ in range(2):
            ask(app, sql, ANA)
        assert judged.count(sql) == 4


def test_the_key_tells_every_part_of_a_question_apart() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    ana = Principal("ana", frozenset({"role:a", "role:b"}), {"x": ["1", "2"], "y": at})
    question = Question("SELECT 1", ana, Session(), (1,))
    same = replace(ana, roles=frozenset({"role:b", "role:a"}), attributes={"y": at, "x": ["1", "2"]})
    assert question.key == replace(question, principal=same).key
    others = [
        replace(question, text="SELECT 2"),
        replace(question, principal=replace(ana, user="bo")),
        replace(question, principal=replace(ana, roles=frozenset({"role:a"}))),
        replace(question, principal=replace(ana, attributes={"x": ["1"], "y": at})),
        replace(question, principal=replace(ana, attributes={"x": "['1', '2']", "y": at})),
        replace(question, session=Session("claims")),
        replace(question, session=Session(None, "Europe/Berlin")),
        replace(question, session=Session(options={"max_staleness": "1s"})),
        replace(question, session=Session(options={"dialect": "postgres"})),
        replace(question, parameters=(2,)),
        replace(question, parameters=(1, 1)),
        replace(question, parameters=("1",)),
        replace(question, parameters=()),
    ]
    assert len({question.key, *(other.key for other in others)}) == len(others) + 1
    assert question.key == replace(question, session=Session(caller={"address": "here"})).key


def _until_other(ask_for: Callable[[], object]) -> None:
    first, end = ask_for(), time.monotonic() + 10
    while ask_for() == first and time.monotonic() < end:
        time.sleep(0.05)


def test_every_function_whose_answer_may_change_is_known_by_name() -> None:
    with duckdb.connect() as connection:
        changing = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
        ).fetchall()
    allowed = {name for (name, _), verdict in functions().items() if verdict}
    found = {name for (name,) in changing} & allowed
    assert "now" in found
    assert not {name for name in found if not depends_on_the_moment(f"SELECT {name}()")}
