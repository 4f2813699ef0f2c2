"""Row rules bound to an object: a name that is no column never becomes a call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from fabric.errors import AccessDenied, FabricError, InvalidConfig
from fabric.rules import _CALLED_BARE, RuleBinder
from fabric.types import FEDERATION, Table
from policies.expressions import read_condition
from policies.vocabulary import _BARE_CALLS
from tests.policies.governed import ANA, App, company, rows


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    products = {"claims/owned": 'SELECT claim_id, region AS "user" FROM lake.claim'}
    with company(tmp_path_factory.mktemp("company"), {}, products) as app:
        yield app


def bind(app: App, condition: str, on: str) -> str:
    found = app.catalog.find(tuple(on.split(".")))
    assert found is not None
    return RuleBinder(app.catalog, app.engine).bind(read_condition(condition), found, FEDERATION).text


@pytest.mark.parametrize("word", sorted(_CALLED_BARE))
def test_a_word_that_duckdb_would_call_is_a_column_that_is_gone(app: App, word: str) -> None:
    with pytest.raises(InvalidConfig, match=f"no column '{word}'"):
        bind(app, f"\"{word}\" <> 'bo'", "claims.claim")
    with pytest.raises(InvalidConfig, match="no column"):
        bind(
            app,
            f"region IN (SELECT region FROM crm_db.territory WHERE \"{word.upper()}\" <> 'bo')",
            "claims.claim",
        )


def test_the_words_are_those_that_duckdb_calls() -> None:
    with duckdb.connect() as connection:
        words = [
            word
            for word in connection.sql("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
        ]
        reserved = connection.sql("SELECT keyword_name FROM duckdb_keywords()").fetchall()
        called = set()
        for (word,) in {*words, *reserved, *((word,) for word in _BARE_CALLS)}:
            try:
                connection.sql('SELECT "{}" FROM (SELECT 1 AS a)'.format(word.replace('"', '""')))
            except duckdb.Error:
                continue
            called.add(word.lower())
    assert called - {"a"} == _CALLED_BARE


def test_a_column_of_such_a_name_may_be_named(app: App) -> None:
    assert bind(app, "\"user\" <> 'bo'", "claims.owned")
    assert bind(app, "claim_id IN (SELECT claim_id FROM claims.owned WHERE \"user\" = 'EU')", "claims.claim")
    assert bind(app, "now() > opened OR current_date > opened", "claims.claim")
    with pytest.raises(InvalidConfig, match="no column 'user'"):
        bind(app, "\"user\" = 'EU' AND claim_id IN (SELECT claim_id FROM claims.owned)", "claims.claim")


def test_an_object_whose_column_user_is_gone_refuses(tmp_path: Path) -> None:
    rules = {"claims": 'p3, role:*, lake.claim, """user"" <> \'bo\'"\n'}
    with company(tmp_path, rules) as app:
        assert isinstance(app.catalog.find(("lake", "claim")), Table)
        with pytest.raises(AccessDenied, match="does not fit"):
            rows(app, "SELECT * FROM claims.claim", ANA)
        with pytest.raises(FabricError):
            rows(app, "SELECT count(*) FROM claims.claim", ANA)
