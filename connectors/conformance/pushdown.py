"""What is pushed to a source that answers scans: what it declared, exactly, and nothing else."""
# ruff: noqa: S101, D102 - a suite of tests: each case's name is its sentence

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.conformance.reading import Base
from connectors.conformance.subject import PATTERNS, VALUES, Bench, Loaded, Subject
from fabric.errors import InvalidValue
from fabric.predicates import (
    AllOf,
    AnyOf,
    ColumnComparison,
    Comparison,
    Membership,
    NullTest,
    Operator,
    Pattern,
    Predicate,
    PredicateWord,
)
from fabric.spi import ScanConnector, ScanContext
from fabric.types import Column, OrderKey, Scan, Table

WORDS: tuple[PredicateWord, ...] = (
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "null",
    "like",
    "column",
    "or",
)


def spoken(word: PredicateWord, column: Column) -> Iterator[Predicate]:
    """Predicates on the column that use the word; none where the word has no sense for its type."""
    name, values = column.name, VALUES.get(column.type, [])
    if word == "null":
        yield NullTest(name)
        yield NullTest(name, negated=True)
    elif word == "like":
        for pattern in PATTERNS if column.type == "VARCHAR" else ():
            yield Pattern(name, pattern)
            yield Pattern(name, pattern, negated=True)
    elif word == "column":
        for op in ("=", "<>", "<", "<=") if values else ():
            yield ColumnComparison(name, op, name)
    elif word == "in" or word == "not in":
        for size in {1, 2, len(values)} if values else ():
            yield Membership(name, tuple(values[:size]), negated=word == "not in")
    elif word == "or":
        for value in values[:2]:
            yield AnyOf((Comparison(name, "=", value), NullTest(name)))
            yield AnyOf(
                (Comparison(name, "=", value), AllOf((Comparison(name, ">=", value), NullTest(name, True))))
            )
    else:
        for value in values:
            yield Comparison(name, word, value)


class Pushdown(Base):
    """Predicates, limits, orders and splits."""

    @pytest.fixture
    def table(self, source: ScanConnector, bench: Bench) -> Table:
        return bench.tables(source)["kinds"]

    def test_what_splits_ask_can_be_compared(self, source: ScanConnector, table: Table) -> None:
        """Scans are kept under it: one that is asked otherwise must not look the same."""

        def asked(scan: Scan) -> tuple[object, ...]:
            return tuple(split.payload for split in source.offer(scan).splits)

        able = source.capabilities(table)
        plain = Scan(table, ("id",))
        others = [
            Scan(table, ("id",), (Comparison("id", "=", value),))
            for value in (1, 2)
            if "=" in able.predicates.get("id", ())
        ]
        others += [Scan(table, ("id",), limit=n) for n in (1, 2) if able.limit]
        assert len({asked(scan) for scan in (plain, *others)}) == 1 + len(others)
        assert asked(plain) == asked(Scan(table, ("id",)))

    @pytest.mark.parametrize("word", WORDS)
    def test_a_declared_word_is_applied_exactly_as_duckdb_does(
        self,
        source: ScanConnector,
        bench: Bench,
        loaded: dict[str, Loaded],
        table: Table,
        word: PredicateWord,
    ) -> None:
        declared = source.capabilities(table).predicates
        able = [column for column in table.columns if word in declared.get(column.name.lower(), ())]
        taken = 0
        for column in able:
            for predicate in spoken(word, column):
                scan = Scan(table, ("id", column.name) if column.name != "id" else ("id",), (predicate,))
                offer = source.offer(scan)
                assert offer.taken in ((), (predicate,))
                assert offer.taken or offer.refused, "what is not taken must be said"
                got = sorted(bench.texts(bench.read_offer(source, offer, ScanContext())), key=str)
                wanted = Scan(table, scan.columns, offer.taken)
                assert got == sorted(bench.answer(loaded["kinds"].rows, wanted), key=str), predicate
                taken += bool(offer.taken)
        assert taken or not any(True for column in able for _ in spoken(word, column))

    @pytest.mark.parametrize("word", WORDS)
    def test_an_undeclared_word_is_not_taken_and_every_row_comes(
        self,
        source: ScanConnector,
        bench: Bench,
        loaded: dict[str, Loaded],
        table: Table,
        word: PredicateWord,
    ) -> None:
        declared = source.capabilities(table).predicates
        for column in table.columns:
            if word in declared.get(column.name.lower(), ()):
                continue
            for predicate in list(spoken(word, column))[:2]:
                scan = Scan(table, ("id",), (predicate,), limit=1)
                offer = source.offer(scan)
                assert offer.taken == ()
                assert not offer.limit_taken
                assert any(refusal.why for refusal in offer.refused)
                got = bench.read_offer(source, offer, ScanContext())
                assert got.num_rows == loaded["kinds"].rows.num_rows

    def test_a_taken_predicate_reduces_what_is_read(self, source: ScanConnector, bench: Bench) -> None:
        many = bench.tables(source)["many"]
        predicate = Comparison("id", "=", 77)
        if "=" not in source.capabilities(many).predicates.get("id", ()):
            pytest.skip("the source does not filter by id")
        whole, part = ScanContext(), ScanContext()
        bench.read(source, Scan(many, ("id", "word")), whole)
        got = bench.read(source, Scan(many, ("id", "word"), (predicate,)), part)
        assert got.to_pylist() == [{"id": 77, "word": "word 77"}]
        assert (part.rows, whole.rows > 1000 * part.rows) == (1, True)
        assert part.bytes * 10 < whole.bytes

    def test_a_projection_reduces_what_is_read(self, source: ScanConnector, bench: Bench) -> None:
        many = bench.tables(source)["many"]
        if not source.capabilities(many).projection:
            pytest.skip("the source always sends every column")
        whole, part = ScanContext(), ScanContext()
        bench.read(source, Scan(many, tuple(column.name for column in many.columns)), whole)
        bench.read(source, Scan(many, ("id",)), part)
        assert part.bytes < whole.bytes

    def test_a_limit_is_taken_whole_or_not_at_all(
        self, source: ScanConnector, bench: Bench, subject: Subject
    ) -> None:
        many = bench.tables(source)["many"]
        for limit in (0, 1, 7, subject.many + 1):
            offer = source.offer(Scan(many, ("id",), limit=limit))
            got = bench.read_offer(source, offer, ScanContext())
            assert offer.limit_taken == source.capabilities(many).limit
            assert got.num_rows == (min(limit, subject.many) if offer.limit_taken else subject.many)

    def test_a_taken_limit_reduces_what_is_read(self, source: ScanConnector, bench: Bench) -> None:
        many = bench.tables(source)["many"]
        if not source.capabilities(many).limit:
            pytest.skip("the source takes no limit")
        whole, part = ScanContext(), ScanContext()
        bench.read(source, Scan(many, ("id",)), whole)
        bench.read(source, Scan(many, ("id",), limit=5), part)
        assert part.bytes * 5 < whole.bytes

    def test_an_order_is_duckdbs_own(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table
    ) -> None:
        able = source.capabilities(table).order
        for column in table.columns:
            for descending, first in ((False, False), (True, False), (False, True), (True, True)):
                keys = (OrderKey(column.name, descending, first), OrderKey("id"))[
                    : 1 if column.name == "id" else 2
                ]
                offer = source.offer(Scan(table, ("id",), (), keys, 4))
                assert offer.order_taken <= {key.column.lower() for key in keys}.issubset(able)
                assert offer.order_taken or not offer.limit_taken
                if offer.order_taken:
                    got = bench.texts(bench.read_offer(source, offer, ScanContext()))
                    wanted = bench.answer(
                        loaded["kinds"].rows, Scan(table, ("id",), (), keys, 4 if offer.limit_taken else None)
                    )
                    assert got == wanted, keys

    def test_rows_that_come_once_stand_for_as_many(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table
    ) -> None:
        for column in table.columns:
            scan = Scan(table, (column.name,))
            offer = source.offer(replace(scan, counts=True))
            got = sorted(bench.texts(bench.read_offer(source, offer, ScanContext())), key=str)
            assert got == sorted(bench.answer(loaded["kinds"].rows, scan), key=str), column.name

    def test_sums_are_exact(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table
    ) -> None:
        """Of extremes too, and whatever the rest of the rows is: the sum, the number and the kind of the values."""
        summed = [
            column.name
            for column in table.columns
            if column.name.lower() in source.capabilities(table).summed
        ]
        if not summed:
            pytest.skip("the source sends no sums")
        sums = ", ".join(f'sum("{name}"), avg("{name}"), count("{name}")' for name in summed)
        for columns in ((), ("flag",), ("word", "day"), ("number",), tuple(set(summed[:1]))):
            beside = [name for name in summed if name not in columns]
            scan = Scan(
                table, tuple(sorted({*columns, *beside})) or ("id",), counts=True, summed=tuple(beside)
            )
            got = bench.read_offer(source, source.offer(scan), ScanContext())
            assert got.schema == bench.read(source, Scan(table, scan.columns)).schema
            by = ", ".join(f'"{name}"' for name in columns)
            sql = f"SELECT {', '.join(part for part in (by, sums) if part) or 'count(*)'} FROM here GROUP BY {by or '()'}"
            assert sorted(bench.selected(got, sql), key=str) == sorted(
                bench.selected(loaded["kinds"].rows, sql), key=str
            ), columns

    @pytest.mark.parametrize("unit", ["month", "quarter", "year"])
    def test_the_beginning_of_its_unit_says_of_a_date_what_the_date_does(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table, unit: str
    ) -> None:
        able = source.capabilities(table).truncated
        units = {"month": "month, quarter, year", "quarter": "quarter, year", "year": "year"}[unit].split(
            ", "
        )
        for column in table.columns:
            if column.name.lower() not in able:
                continue
            told = ", ".join(
                f'{each}("{column.name}"), date_trunc(\'{each}\', "{column.name}")' for each in units
            )
            sql = f"SELECT {told}, count(*) FROM here GROUP BY ALL"
            scan = Scan(table, (column.name,), counts=True, truncated=((column.name, unit),))
            got = bench.read_offer(source, source.offer(scan), ScanContext())
            assert got.schema == bench.read(source, Scan(table, scan.columns)).schema
            assert sorted(bench.selected(got, sql), key=str) == sorted(
                bench.selected(loaded["kinds"].rows, sql), key=str
            ), column.name
            once = source.offer(replace(scan, counts=False, distinct=True))
            assert bench.read_offer(source, once, ScanContext()).num_rows <= got.num_rows

    def test_splits_cover_each_row_once(self, source: ScanConnector, bench: Bench, subject: Subject) -> None:
        many = bench.tables(source)["many"]
        several = Membership("id", tuple(range(0, subject.many, max(1, subject.many // 300))))
        for predicates in ((), (several,)):
            offer = source.offer(Scan(many, ("id",), predicates))
            with closing(source.open()) as session:
                ids = [
                    value
                    for split in reversed(offer.splits)
                    for batch in session.read(offer, split, ScanContext())
                    for value in batch.column(0).to_pylist()
                ]
            assert sorted(ids) == sorted(several.values if offer.taken else range(subject.many))

    def test_an_offer_asks_nobody(self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]) -> None:
        with closing(subject.connect()) as source:
            table = bench.tables(source)["kinds"]
        assert isinstance(source, ScanConnector)
        offer = source.offer(Scan(table, ("id",)))
        assert offer.request
        if subject.secret:
            assert subject.secret not in repr(offer)

    def test_random_predicates_pushed_and_rest_equal_duckdb(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table
    ) -> None:
        usable = [column for column in table.columns if column.type in VALUES]
        leaves = st.sampled_from(usable).flatmap(
            lambda column: st.sampled_from(
                [p for word in WORDS if word != "or" for p in spoken(word, column)]
            )
        )
        trees = st.recursive(
            leaves,
            lambda inner: st.builds(
                lambda either, parts: AnyOf(tuple(parts)) if either else AllOf(tuple(parts)),
                st.booleans(),
                st.lists(inner, min_size=2, max_size=3),
            ),
            max_leaves=4,
        )

        @settings(
            max_examples=60,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(trees, min_size=1, max_size=3), st.none() | st.integers(0, 9))
        def check(predicates: list[Predicate], limit: int | None) -> None:
            scan = Scan(table, tuple(column.name for column in table.columns), tuple(predicates), (), limit)
            try:
                offer = source.offer(scan)
            except InvalidValue:
                return  # a parameter that the source requires
            pushed = bench.read_offer(source, offer, ScanContext())
            unlimited = Scan(table, scan.columns, scan.predicates)
            wanted = sorted(bench.answer(loaded["kinds"].rows, unlimited), key=str)
            got = sorted(bench.answer(pushed, unlimited), key=str)
            if offer.limit_taken and limit is not None:
                assert len(got) == min(limit, len(wanted))
                assert all(row in wanted for row in got)
            else:
                assert got == wanted

        check()

    def test_a_value_beyond_the_type_is_left_or_refused_never_wrong(
        self, source: ScanConnector, bench: Bench, loaded: dict[str, Loaded], table: Table
    ) -> None:
        operators: tuple[Operator, ...] = ("<", ">", "=", "<>")
        for value, word in product((2**63, 10**30, -(10**30)), operators):
            scan = Scan(table, ("id",), (Comparison("id", word, value),))
            got = bench.read(source, scan)
            assert bench.answer(got, scan) == bench.answer(loaded["kinds"].rows, scan)
