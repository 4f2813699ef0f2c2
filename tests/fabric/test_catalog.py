"""The catalog: names, change, and sources that are slow or dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fabric.blocks import BlockCache
from fabric.catalog import Catalog
from fabric.engine import Engine
from fabric.errors import FabricError, InternalError, Unreachable
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.product_files import ProductFiles
from fabric.spi import Step, View
from fabric.types import Column, Principal, Product, Table, TableName

ANA = Principal("ana")


class Source:
    """A source of one table that can be slow, dead, or change."""

    Settings = None
    extra = ""

    def __init__(self, name: str, schema: str = "main") -> None:
        self.name = name
        self.table = Table(TableName(name, schema, "Policy"), (Column("id", "BIGINT"),))
        self.error: BaseException | None = None
        self.gate = threading.Event()
        self.gate.set()

    def check(self) -> Iterator[Step]:
        yield Step("listed")

    def tables(self) -> Sequence[Table]:
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return [self.table]

    def close(self) -> None:
        return


class Open:
    """Everyone may do everything."""

    version = "1"

    def may(self, principal: Principal, action: str, object_name: str) -> bool:
        return True

    def view(self, principal: Principal, found: object) -> View:
        return View()


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.close()


def catalog(engine: Engine, directory: Path, *sources: Source, refresh: float = 60.0) -> Catalog:
    blocks = BlockCache(0)
    files = FileTables(engine, FileSystem(blocks))
    products = ProductFiles(directory, "acme", ["claims"])
    connectors = {source.name: source for source in sources}
    schemas = {source.name: source.table.name.schema for source in sources}
    return Catalog("acme", connectors, products, files, engine, default_schemas=schemas, refresh=refresh)  # type: ignore[arg-type]


def visible(made: Catalog) -> set[str]:
    entries = made.visible(ANA, Open())  # type: ignore[arg-type]
    return {str(entry.name) for entry in entries if entry.type != "SYSTEM TABLE"}


@pytest.mark.parametrize(
    "parts",
    [("db", "policy"), ("DB", "Policy"), ("db", "public", "POLICY")],
)
def test_names_compare_without_case(engine: Engine, tmp_path: Path, parts: tuple[str, ...]) -> None:
    made = catalog(engine, tmp_path, Source("db", "public"))
    made.start()
    assert made.find(parts) == Source("db", "public").table
    made.close()


@pytest.mark.parametrize(
    "parts",
    [("db",), ("db", "nope"), ("db", "main", "policy"), ("nope", "policy"), ("acme", "db", "policy"), ("a", "b", "c", "d")],
)  # fmt: skip
def test_what_is_not_there_is_none(engine: Engine, tmp_path: Path, parts: tuple[str, ...]) -> None:
    made = catalog(engine, tmp_path, Source("db", "public"))
    made.start()
    assert made.find(parts) is None
    made.close()


def test_a_product_comes_before_a_source_of_the_same_two_parts(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "products" / "claims").mkdir(parents=True)
    (tmp_path / "products" / "claims" / "policy.sql").write_text("SELECT 1 AS one")
    made = catalog(engine, tmp_path, Source("claims"))
    made.start()
    assert isinstance(made.find(("claims", "policy")), Product)
    assert isinstance(made.find(("claims", "main", "policy")), Table)
    made.close()


def test_a_slow_source_makes_no_other_wait(engine: Engine, tmp_path: Path) -> None:
    slow, quick = Source("slow"), Source("quick")
    slow.gate.clear()
    made = catalog(engine, tmp_path, slow, quick)
    started = time.monotonic()
    made.start(wait=0.5)
    assert visible(made) == {"quick.Policy"}
    assert made.find(("quick", "policy")) is not None
    assert time.monotonic() - started < 2
    slow.gate.set()
    assert made.find(("slow", "policy")) is not None
    made.close()


@pytest.mark.parametrize("error", [Unreachable("dead", "nothing listens"), ZeroDivisionError("secret")])
def test_a_dead_source_is_reported_and_the_others_serve(
    engine: Engine, tmp_path: Path, error: BaseException
) -> None:
    dead, well = Source("dead"), Source("well")
    dead.error = error
    made = catalog(engine, tmp_path, dead, well)
    made.start()
    assert visible(made) == {"well.Policy"}
    found = made.find(("dead", "anything"))
    # Found without columns: rights are judged before a word is said of the source.
    assert isinstance(found, Table)
    assert found.columns == ()
    problem = made.problem(found.name)
    assert isinstance(problem, FabricError)
    assert isinstance(problem, InternalError) or problem is error
    assert "secret" not in str(problem)
    made.close()


def test_a_source_that_dies_keeps_the_tables_that_were_known(engine: Engine, tmp_path: Path) -> None:
    source = Source("db")
    made = catalog(engine, tmp_path, source)
    made.start()
    source.error = Unreachable("db", "nothing listens")
    made.refresh("db").result()
    assert made.find(("db", "policy")) is not None
    assert made.failures()["db"] is source.error
    made.close()


def test_a_changed_table_is_seen_within_the_refresh_interval(engine: Engine, tmp_path: Path) -> None:
    source = Source("db")
    made = catalog(engine, tmp_path, source, refresh=0.2)
    made.start()
    source.table = replace(source.table, columns=(Column("id", "BIGINT"), Column("added", "DATE")))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = made.find(("db", "policy"))
        if isinstance(found, Table) and len(found.columns) == 2:
            break
        time.sleep(0.02)
    assert isinstance(found, Table)
    assert [column.name for column in found.columns] == ["id", "added"]
    made.close()


def test_a_products_columns_follow_what_it_reads(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "products" / "claims").mkdir(parents=True)
    (tmp_path / "products" / "claims" / "p.sql").write_text("SELECT *, id + 1 AS next FROM db.policy")
    source = Source("db")
    made = catalog(engine, tmp_path, source)
    made.start()

    def columns() -> list[tuple[str, str]]:
        (entry,) = [e for e in made.visible(ANA, Open()) if e.type == "PRODUCT"]  # type: ignore[arg-type]
        return [(column.name, column.type) for column in entry.columns]

    assert columns() == [("id", "BIGINT"), ("next", "BIGINT")]
    source.table = replace(source.table, columns=(Column("id", "INTEGER"),))
    made.refresh("db").result()
    assert columns() == [("id", "INTEGER"), ("next", "INTEGER")]
    source.table = replace(source.table, columns=(Column("other", "INTEGER"),))
    made.refresh("db").result()
    assert columns() == []
    made.close()
