"""What a statement is planned over stays for later statements, and belongs to none of them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from fabric import engine_planning, remembered
from fabric.engine import Engine
from fabric.engine_planning import PlanningConnections
from fabric.errors import FabricError
from fabric.remembered import EmptyRelations, Numbered


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def relation(*kinds: str) -> tuple[str, EmptyRelations]:
    """The id of a relation with columns of these types, and what is made for it."""
    own = "r_" + secrets.token_hex(8)
    columns = [(f"{own}_{n}", kind) for n, kind in enumerate(kinds)]
    renamed = ", ".join(f'"{name}" AS c{n}' for n, (name, _) in enumerate(columns))
    return own, {f"{own}_t": columns, f"{own}_v": f'SELECT {renamed} FROM "{own}_t"'}


def counted() -> tuple[PlanningConnections, list[str]]:
    """Connections, and the tables that are made on them from now on."""
    made: list[str] = []

    def create(cursor: duckdb.DuckDBPyConnection, name: str, columns: object) -> None:
        made.append(name)
        cursor.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" (c BIGINT)')

    return PlanningConnections(lambda: duckdb.connect(":memory:"), create), made


def test_relations_that_look_alike_are_made_once() -> None:
    connections, made = counted()
    for _ in range(3):
        _, over = relation("BIGINT", "VARCHAR")
        numbered = Numbered("SELECT 1", over)
        with connections.over(
            {name: each for name, each in numbered.relations(over).items() if "_t" in name}
        ):
            pass
    assert len(made) == 1
    connections.close()


def test_two_of_one_statement_are_two(engine: Engine) -> None:
    (one, over), (other, more) = relation("BIGINT"), relation("BIGINT")
    probe = engine.probe(
        f'SELECT a.c0 FROM "{one}_v" AS a JOIN "{other}_v" AS b USING (c0)', {**over, **more}
    )
    text = str(probe.plan)
    assert f"{one}_0" in text
    assert f"{other}_0" in text


def test_a_statement_reads_only_what_it_is_over(engine: Engine) -> None:
    """The relations of others are still there; their names are no secret, and cannot be said."""
    _, over = relation("BIGINT", "DATE")
    engine.probe("SELECT 1", over)
    engine.join_graph("SELECT 1", over)
    for name in Numbered("", over).relations(over):
        with pytest.raises(FabricError):
            engine.probe(f'SELECT * FROM "{name}"', {})
        assert engine.bound_plan(f'SELECT * FROM "{name}"', {}) is None


def test_a_name_without_an_id_is_forgotten(engine: Engine) -> None:
    assert engine.probe("SELECT x FROM plain", {"plain": [("x", "BIGINT")]}).types == ("BIGINT",)
    with pytest.raises(FabricError):
        engine.probe("SELECT x FROM plain", {})


def test_two_shapes_under_one_number_do_not_meet(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "_FRONT", 0)  # as if the hashes of all were the same
    kinds = ("BIGINT", "VARCHAR", "DECIMAL(10,2)", "DATE")
    for _ in range(2):
        for kind in kinds:
            own, over = relation(kind)
            assert engine.probe(f'SELECT c0 FROM "{own}_v"', over).types == (kind,)
            plan = engine.bound_plan(f'SELECT c0 FROM "{own}_v"', over) or ""
            assert kind.partition("(")[0] in plan
            assert not any(other in plan for other in kinds if other != kind and "(" not in other)
    (one, over), (other, more) = relation("BIGINT"), relation("VARCHAR")
    sql = f'SELECT a.c0, b.c0 FROM "{one}_v" AS a, "{other}_v" AS b'
    assert engine.probe(sql, {**over, **more}).types == ("BIGINT", "VARCHAR")


def test_a_connection_that_holds_too_much_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_planning, "_MOST_COLUMNS", 3)
    connections, made = counted()
    for _ in range(2):
        for number in range(4):
            with connections.over({f"r_{number:016x}_t": [("c", "BIGINT")]}) as cursor:
                ((held,),) = cursor.execute("SELECT count(*) FROM duckdb_tables()").fetchall()
                assert held <= 4
    assert len(made) == 8
    connections.close()


def test_what_cannot_be_planned_leaves_the_connection_to_others(engine: Engine) -> None:
    own, over = relation("BIGINT")
    for wrong in ("SELECT nope", "SELECT 1 +", "SELECT no_such_function(c0)"):
        with pytest.raises(FabricError):
            engine.probe(f'{wrong} FROM "{own}_v"', over)
    assert engine.bound_plan(f'SELECT nope FROM "{own}_v"', over) is None
    assert engine.probe(f'SELECT c0 FROM "{own}_v"', over).types == ("BIGINT",)


def test_many_threads_plan_at_once(engine: Engine) -> None:
    start = threading.Barrier(6)
    kinds = ("BIGINT", "VARCHAR", "DOUBLE", "DATE", "BOOLEAN")

    def planned(number: int) -> None:
        if number < 6:
            start.wait()
        kind = kinds[number % 5]
        own, over = relation(kind, *kinds[: number % 3])
        probe = engine.probe(f'SELECT c0 AS "n{number}" FROM "{own}_v" WHERE c0 IS NOT NULL', over)
        assert probe.types == (kind,)
        assert f"{own}_0" in str(probe.plan)
        assert own in str(engine.bound_plan(f'SELECT c0 AS "n{number}" FROM "{own}_v"', over))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(planned, range(120)))
