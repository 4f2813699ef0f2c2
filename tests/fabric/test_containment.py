"""What is proven to be answered by a stored view: the triples in tests/sql/substitution.sql, and random statements."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from fabric.block_types import NotRead
from fabric.engine import Engine
from fabric.parse import parse
from fabric.rollups import Unmatched
from tests.fabric.substituted import World, shown
from tests.fabric.viewed import pairs_of_statements

TRIPLES = Path(__file__).parent.parent / "sql" / "substitution.sql"
CASES = int(os.environ.get("RIPSTOP_SUBSTITUTION_CASES", "150"))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with closing(Engine(threads=1)) as engine:
        made = World(engine)
        with closing(made.data):
            yield made


def triples() -> list[tuple[str, str, str]]:
    text = re.sub(r"^--.*\n", "", TRIPLES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    statements = [statement.strip() for statement in text.split(";\n") if statement.strip()]
    return list(zip(statements[::3], statements[1::3], statements[2::3], strict=True))


@pytest.mark.parametrize(("stored", "asked", "expected"), triples())
def test_triples(world: World, stored: str, asked: str, expected: str) -> None:
    view = world.view(stored)
    if expected.startswith("live: "):
        with pytest.raises((NotRead, Unmatched), match=re.escape(expected.removeprefix("live: "))):
            world.rewritten(view, asked)
        return
    made, _ = world.rewritten(view, asked)
    assert normal(shown(made)) == normal(expected)
    live, over = world.answers(view, asked, made)
    assert live == over


def normal(sql: str) -> str:
    return parse(sql).tree.sql(dialect="duckdb").replace('"', "").replace(" NULLS LAST", "")


def test_random_statements_over_random_views_answer_as_live_ones(world: World) -> None:
    matched = 0

    @settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs_of_statements())
    def check(pair: tuple[str, str]) -> None:
        nonlocal matched
        stored, asked = pair
        view = world.view(stored)
        try:
            made, _ = world.rewritten(view, asked)
        except (NotRead, Unmatched):
            return
        matched += 1
        live, over = world.answers(view, asked, made)
        assert live == over, f"{stored}\n{asked}\n{shown(made)}"

    check()
    assert matched >= CASES // 6
