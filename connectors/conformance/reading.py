"""What every source must do right before anything is pushed to it: types, columns, empty tables, many readers."""
# ruff: noqa: S101, D102 - a suite of tests: each case's name is its sentence

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from connectors.conformance.subject import NAME, Bench, Loaded, Subject, fill, kinds_table
from fabric.spi import Connector, ScanContext
from fabric.types import Scan


class Base:
    """The fixtures of a proof: ``subject`` is the entry's own, ``bench`` comes from who runs the suite."""

    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Iterator[Subject]:
        raise NotImplementedError("an entry of the suite overrides this fixture")

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls, subject: Subject, bench: Bench) -> dict[str, Loaded]:
        """The standard tables, filled into the source once."""
        many = "SELECT i AS id, CASE WHEN i % 9 = 0 THEN NULL ELSE 'word ' || i % 100 END AS word, i / 8 AS number, "
        many += f"i % 4 AS part FROM range({subject.many}) t(i)"
        odd = {
            "id": "BIGINT",
            "select": "VARCHAR",
            "Größe, in €": "VARCHAR",
            'a"b': "BIGINT",
            "with space": "DOUBLE",
        }
        odd_rows = ", ".join(f'{n} AS "{name.replace(chr(34), chr(34) * 2)}"' for n, name in enumerate(odd))
        tables = [
            kinds_table(bench, subject),
            kinds_table(bench, subject, "empty", rows=0),
            fill(
                bench,
                subject,
                "many",
                {"id": "BIGINT", "word": "VARCHAR", "number": "DOUBLE", "part": "BIGINT"},
                many,
            ),
            fill(bench, subject, "odd", odd, f"SELECT {odd_rows}"),
        ]
        return {table.name: table for table in tables}

    @pytest.fixture(autouse=True)
    def _standard_tables(self, subject: Subject, loaded: dict[str, Loaded]) -> Iterator[None]:
        """What a case declares is gone when it ends."""
        declared = dict(subject.tables)
        yield
        subject.tables = declared

    @pytest.fixture
    def source(self, subject: Subject, loaded: dict[str, Loaded]) -> Iterator[Connector]:
        """A fresh connector."""
        with closing(subject.connect()) as connector:
            yield connector


class Reading(Base):
    """Reads without anything pushed."""

    def test_every_table_is_listed_with_its_columns(
        self, source: Connector, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        found = bench.tables(source)
        for table in loaded.values():
            listed = {column.name: column.type for column in found[table.name].columns}
            assert listed == {column.name: column.type for column in table.columns}
            assert found[table.name].name.catalog == NAME

    def test_every_type_keeps_every_value(
        self, source: Connector, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        table = bench.tables(source)["kinds"]
        names = tuple(column.name for column in table.columns)
        got = bench.read(source, Scan(table, names))
        assert got.schema == loaded["kinds"].rows.select(list(names)).schema
        wanted = bench.texts(loaded["kinds"].rows.select(list(names)))
        assert sorted(bench.texts(got), key=str) == sorted(wanted, key=str)

    def test_columns_come_as_asked_for_and_no_others(
        self, source: Connector, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        table = bench.tables(source)["kinds"]
        names = [column.name for column in table.columns]
        for chosen in ([names[-1]], names[:2][::-1], names[::-2]):
            got = bench.read(source, Scan(table, tuple(chosen)))
            assert got.column_names == chosen
            assert sorted(bench.texts(got), key=str) == sorted(
                bench.texts(loaded["kinds"].rows.select(chosen)), key=str
            )

    def test_an_empty_table_has_columns_and_no_rows(self, source: Connector, bench: Bench) -> None:
        table = bench.tables(source)["empty"]
        got = bench.read(source, Scan(table, tuple(column.name for column in table.columns)))
        assert (got.num_rows, got.num_columns) == (0, len(table.columns))

    def test_odd_names_are_names(self, source: Connector, bench: Bench, loaded: dict[str, Loaded]) -> None:
        table = bench.tables(source)["odd"]
        names = tuple(column.name for column in table.columns)
        assert bench.texts(bench.read(source, Scan(table, names))) == bench.texts(
            loaded["odd"].rows.select(list(names))
        )

    def test_a_long_table_comes_whole(self, source: Connector, bench: Bench, subject: Subject) -> None:
        got = bench.read(source, Scan(bench.tables(source)["many"], ("id",)))
        assert sorted(got.column("id").to_pylist()) == list(range(subject.many))

    def test_reads_are_counted(self, source: Connector, bench: Bench) -> None:
        context = ScanContext()
        bench.read(source, Scan(bench.tables(source)["many"], ("id", "word")), context)
        assert context.bytes > 0

    def test_check_proves_the_source_step_by_step(self, source: Connector) -> None:
        steps = [step.name for step in source.check()]
        assert steps
        assert "listed" in steps
        assert all(steps)

    def test_eight_readers_at_once_each_get_everything(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        with closing(subject.connect(connections=3)) as source:
            table = bench.tables(source)["many"]
            chosen = [("id",), ("id", "word"), ("number", "id"), ("part", "id")] * 2
            with ThreadPoolExecutor(8) as pool:
                tables = list(pool.map(lambda names: bench.read(source, Scan(table, names)), chosen))
        for names, got in zip(chosen, tables, strict=True):
            wanted = loaded["many"].rows.select(list(names))
            assert got.sort_by("id").equals(wanted.sort_by("id").cast(got.schema))

    def test_closing_leaves_no_thread_behind(self, subject: Subject, bench: Bench) -> None:
        before = set(threading.enumerate())
        with closing(subject.connect()) as source:
            bench.read(source, Scan(bench.tables(source)["kinds"], ("id",)))
        deadline = time.monotonic() + 5
        while left := {thread for thread in threading.enumerate() if NAME in thread.name} - before:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)
