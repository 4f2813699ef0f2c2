"""What a source of files must do: ranges, changes, and reading no more than the question needs."""
# ruff: noqa: S101, S311, D102 - a suite of tests: each case's name is its sentence

from __future__ import annotations

import hashlib
import io
import json
import random
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.conformance.pushdown import WORDS, spoken
from connectors.conformance.reading import Base
from connectors.conformance.subject import NAME, VALUES, Bench, Loaded, Subject, fill
from fabric.errors import BadData, Cancelled, SourceChanged, SourceError
from fabric.predicates import AllOf, AnyOf, Comparison, Predicate
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileStat, Scan

ROWS_A_GROUP = 4096


class FileSubject(Subject):
    """A store of files; tables are Parquet, the long one partitioned where the store can list folders.

    Attributes:
        lists: the store can list folders.
    """

    lacks: ClassVar[frozenset[str]] = frozenset({"doc"})
    lists: ClassVar[bool] = True

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Write a file under the source's root, in the place of what was there."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file."""

    def load(self, table: str, rows: pa.Table, kinds: Mapping[str, str]) -> None:
        """As Parquet: one file, or one of each partition."""
        if table != "many" or not self.lists:
            self.put(f"{table}.parquet", _parquet(rows))
            self.tables[table] = {"path": f"{table}.parquet", "format": "parquet"}
            return
        for part in range(4):
            kept = rows.filter(pc.equal(rows["part"], part)).drop_columns(["part"])
            self.put(f"many/part={part}/rows.parquet", _parquet(kept))
        self.tables[table] = {"path": "many/**/*.parquet", "format": "parquet", "partitioning": "hive"}

    def drop(self, table: str) -> None:
        """Remove its file."""
        self.remove(f"{table}.parquet")


def _parquet(rows: pa.Table, group: int = ROWS_A_GROUP) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink, row_group_size=group, compression="none", use_dictionary=False)
    return sink.getvalue()


class Files(Base):
    """Ranges, validators, formats, pruning."""

    @pytest.fixture
    def files(self, source: FileConnector) -> FileConnector:
        return source

    @pytest.fixture
    def big(self, subject: FileSubject, bench: Bench, loaded: dict[str, Loaded]) -> bytes:
        """The bytes of a table's file in the store, ``big.parquet``: two row groups of about 2.5 MB."""
        rows = bench.make(
            loaded["many"].columns, "SELECT i, repeat('x', 60) || i, i / 8, 0 FROM range(60000) t(i)"
        )
        data = _parquet(rows, rows.num_rows // 2)
        subject.put("big.parquet", data)
        subject.tables["big"] = {"path": "big.parquet", "format": "parquet"}
        return data

    def _stat(self, connector: FileConnector, name: str) -> FileStat:
        layout = next(table.layout for table in connector.tables() if table.name.name == name)
        assert layout is not None
        return connector.files(layout)[0]

    def test_ranges_come_whole_and_in_order(self, subject: FileSubject, big: bytes) -> None:
        chance = random.Random(5)
        with closing(subject.connect()) as source:
            assert isinstance(source, FileConnector)
            file = self._stat(source, "big")
            assert file.size == len(big)
            starts = [chance.randrange(len(big)) for _ in range(30)]
            ranges = [(start, chance.randrange(min(100_000, len(big) - start) + 1)) for start in starts]
            ranges += [(0, len(big)), (len(big) - 1, 1), (17, 0), (5, 9), (5, 9)]
            context = ScanContext()
            assert source.read(file, ranges, context) == [
                big[start : start + length] for start, length in ranges
            ]

    def test_many_threads_read_right_bytes(self, subject: FileSubject, big: bytes) -> None:
        chance = random.Random(6)
        with closing(subject.connect(connections=3)) as source:
            assert isinstance(source, FileConnector)
            file = self._stat(source, "big")

            def digest(start: int) -> bool:
                length = min(50_000, len(big) - start)
                (part,) = source.read(file, [(start, length)], ScanContext())
                return hashlib.sha256(part).digest() == hashlib.sha256(big[start : start + length]).digest()

            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(digest, [chance.randrange(len(big)) for _ in range(64)]))

    def test_a_file_that_changed_is_not_read_as_the_old_one(self, subject: FileSubject, big: bytes) -> None:
        with closing(subject.connect()) as source:
            assert isinstance(source, FileConnector)
            file = self._stat(source, "big")
            for other in (big + b"more", big[:1000]):
                subject.put("big.parquet", other)
                with pytest.raises(SourceChanged) as caught:
                    source.read(file, [(0, 500), (100, 50)], ScanContext())
                assert caught.value.source == NAME
                assert caught.value.retryable
                assert self._stat(source, "big").validator != file.validator

    def test_a_file_that_is_gone_is_an_error(self, subject: FileSubject, big: bytes) -> None:
        with closing(subject.connect()) as source:
            assert isinstance(source, FileConnector)
            file = self._stat(source, "big")
            subject.remove("big.parquet")
            with pytest.raises(SourceError):
                source.read(file, [(0, 500)], ScanContext())

    def test_a_table_without_files_is_an_error(self, subject: FileSubject, bench: Bench, big: bytes) -> None:
        subject.remove("big.parquet")
        with closing(subject.connect()) as source:
            assert isinstance(source, FileConnector)
            with pytest.raises(SourceError) as caught:
                self._stat(source, "big")
            assert caught.value.hint

    def test_a_truncated_file_is_bad_data_that_names_it(
        self, subject: FileSubject, bench: Bench, big: bytes
    ) -> None:
        subject.put("big.parquet", big[: len(big) // 2])
        subject.tables = {"big": subject.tables["big"]}
        with closing(subject.connect()) as source, pytest.raises(BadData, match=r"big\.parquet") as caught:
            bench.tables(source)
        assert caught.value.hint

    def test_a_file_damaged_within_is_bad_data_that_names_it(
        self, subject: FileSubject, bench: Bench, big: bytes
    ) -> None:
        subject.put("big.parquet", big[:4] + b"\xff" * (len(big) // 2) + big[4 + len(big) // 2 :])
        with closing(subject.connect()) as source:
            table = bench.tables(source)["big"]
            with pytest.raises(BadData, match=r"big\.parquet"):
                bench.read(source, Scan(table, ("id", "word")))

    def test_csv_and_json_lines_are_tables_too(self, subject: FileSubject, bench: Bench) -> None:
        rows = [(1, 'é, "x"\n', None), (2, None, 0.5), (3, "☃", -1e300)]
        quoted = "".join(
            f"{n},{'' if text is None else chr(34) + text.replace(chr(34), chr(34) * 2) + chr(34)},{'' if x is None else x}\n"
            for n, text, x in rows
        )
        subject.put("lines.csv", f"id,word,number\n{quoted}".encode())
        lines = (json.dumps({"id": n, "word": text, "number": x}) for n, text, x in rows)
        subject.put("lines.jsonl", "\n".join(lines).encode())
        subject.tables["as_csv"] = {"path": "lines.csv", "format": "csv"}
        subject.tables["as_json"] = {"path": "lines.jsonl", "format": "json"}
        with closing(subject.connect()) as source:
            found = bench.tables(source)
            for name in ("as_csv", "as_json"):
                assert [column.type for column in found[name].columns] == ["BIGINT", "VARCHAR", "DOUBLE"]
                got = bench.read(source, Scan(found[name], ("id", "word", "number")))
                assert [tuple(row.values()) for row in got.to_pylist()] == rows

    def test_a_projection_and_a_range_read_fewer_bytes(
        self, subject: FileSubject, bench: Bench, big: bytes
    ) -> None:
        with closing(subject.connect()) as source:
            assert isinstance(source, FileConnector)
            if source.block_bytes * 2 > len(big):
                pytest.skip("the store is read in blocks about as long as the file")
            table = bench.tables(source)["big"]
            whole, column, rows = ScanContext(), ScanContext(), ScanContext()
            bench.read(source, Scan(table, ("id", "word", "number")), whole)
            bench.read(source, Scan(table, ("id",)), column)
            bench.read(source, Scan(table, ("id", "word"), (Comparison("id", "<", 1000),)), rows)
        assert column.bytes < whole.bytes
        assert rows.bytes < whole.bytes

    def test_a_predicate_on_a_partition_opens_its_files_alone(
        self, subject: FileSubject, files: FileConnector, bench: Bench
    ) -> None:
        if not subject.lists:
            pytest.skip("the store has no folders")
        many = bench.tables(files)["many"]
        whole, part = ScanContext(), ScanContext()
        bench.read(files, Scan(many, ("id", "word")), whole)
        got = bench.read(files, Scan(many, ("id", "word"), (Comparison("part", "=", 3),)), part)
        assert sorted(got.column("id").to_pylist()) == list(range(3, subject.many, 4))
        assert part.bytes * 2 < whole.bytes

    def test_files_that_differ_are_one_table(self, subject: FileSubject, bench: Bench) -> None:
        if not subject.lists:
            pytest.skip("the store has no folders")
        old, new = pa.table({"id": pa.array([1], pa.int32())}), pa.table({"id": [2**40], "word": ["new"]})
        subject.put("apart/a.parquet", _parquet(old))
        subject.put("apart/b.parquet", _parquet(new))
        subject.tables["apart"] = {"path": "apart/*.parquet", "format": "parquet"}
        with closing(subject.connect()) as source:
            table = bench.tables(source)["apart"]
            assert [(column.name, column.type) for column in table.columns] == [
                ("id", "BIGINT"),
                ("word", "VARCHAR"),
            ]
            got = bench.texts(bench.read(source, Scan(table, ("id", "word"))))
            assert sorted(got, key=str) == [("1", None), (str(2**40), "new")]
            subject.put("apart/c.parquet", _parquet(pa.table({"id": ["text"]})))
        subject.tables = {"apart": subject.tables["apart"]}
        with closing(subject.connect()) as source, pytest.raises(BadData, match=r"apart/c\.parquet"):
            bench.tables(source)

    def test_random_predicates_equal_duckdb(
        self, files: FileConnector, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        table = bench.tables(files)["kinds"]
        usable = [column for column in table.columns if column.type in VALUES]
        leaves = st.sampled_from(usable).flatmap(
            lambda column: st.sampled_from([p for word in WORDS for p in spoken(word, column)])
        )
        trees = leaves | st.builds(
            lambda either, parts: AnyOf(tuple(parts)) if either else AllOf(tuple(parts)),
            st.booleans(),
            st.lists(leaves, min_size=2, max_size=3),
        )

        @settings(
            max_examples=40,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(trees, min_size=1, max_size=2))
        def check(predicates: list[Predicate]) -> None:
            scan = Scan(table, tuple(column.name for column in table.columns), tuple(predicates))
            got = sorted(bench.texts(bench.read(files, scan)), key=str)
            assert got == sorted(bench.answer(loaded["kinds"].rows, scan), key=str)

        check()

    @pytest.fixture
    def only(self, subject: FileSubject, big: bytes) -> Iterator[FileConnector]:
        with closing(subject.connect(connections=1)) as source:
            assert isinstance(source, FileConnector)
            yield source

    def test_a_cancelled_read_ends_at_once_and_frees_its_connection(
        self, only: FileConnector, big: bytes
    ) -> None:
        file = self._stat(only, "big")
        context = ScanContext()
        threading.Timer(0.002, context.cancel).start()
        began = time.monotonic()
        with suppress(Cancelled):
            only.read(file, [(0, file.size)] * 3, context)
        assert time.monotonic() - began < 2
        assert only.read(file, [(0, 100)], ScanContext()) == [big[:100]]

    def test_a_read_that_is_cancelled_before_it_begins_reads_nothing(
        self, only: FileConnector, bench: Bench
    ) -> None:
        file = self._stat(only, "big")
        context = ScanContext()
        context.cancel()
        with pytest.raises(Cancelled):
            only.read(file, [(0, 100)], context)

    def test_a_bad_file_leaves_the_other_tables_alone(
        self, subject: FileSubject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        fill(bench, subject, "spoiled", {"id": "BIGINT"}, "SELECT 1")
        subject.put("spoiled.parquet", b"PAR1 nothing")
        subject.tables = {key: table for key, table in subject.tables.items() if key in ("kinds", "spoiled")}
        with closing(subject.connect()) as source:
            tables = {table.name.name for table in source.tables()}
            assert tables == {"kinds", "spoiled"}
            assert isinstance(source, FileConnector)
            assert self._stat(source, "kinds").size > 100
