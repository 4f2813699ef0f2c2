"""What a source's failures must look like: the right error, a hint, no secret, and never a short answer."""
# ruff: noqa: S101, S106, D102 - a suite of tests: each case's name is its sentence

from __future__ import annotations

import time
import traceback
from contextlib import closing

import pytest

from connectors.conformance.network import cutting_port, dead_port, mute_port
from connectors.conformance.reading import Base
from connectors.conformance.subject import NAME, Bench, Loaded, Subject, fill
from fabric.errors import (
    BadData,
    FabricError,
    IdentityRefused,
    SchemaChanged,
    SourceChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Unreachable,
)
from fabric.spi import Connector
from fabric.types import Scan


class Faults(Base):
    """Down, refused, silent, cut, changed."""

    def _fails(
        self, connector: Connector, bench: Bench, subject: Subject, kind: type[SourceError], check: bool
    ) -> None:
        """Asking for a row raises the error, and it is fit to be shown."""

        def read() -> None:
            bench.read(connector, Scan(bench.tables(connector)["kinds"], ("id",)))

        with closing(connector), pytest.raises(kind) as caught:
            list(connector.check()) if check else read()
        self._is_presentable(caught.value, subject)

    def _is_presentable(self, error: FabricError, subject: Subject) -> None:
        assert isinstance(error, SourceError)
        assert error.source == NAME
        assert error.hint
        told = "".join(traceback.format_exception(error))
        assert "://" not in str(error)
        assert "Traceback" not in str(error)
        if subject.secret:
            assert subject.secret not in told
            assert subject.secret not in repr(error)

    @pytest.mark.parametrize("check", [False, True])
    def test_a_source_that_is_down_is_unreachable(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded], check: bool
    ) -> None:
        if not subject.port:
            pytest.skip("the source is no server")
        with dead_port() as port:
            self._fails(subject.connect(port=port, timeout=2), bench, subject, Unreachable, check)

    @pytest.mark.parametrize("check", [False, True])
    def test_a_refused_login_says_so(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded], check: bool
    ) -> None:
        if not subject.secret:
            pytest.skip("the source has no login")
        self._fails(subject.connect(secret="not-the-secret"), bench, subject, SourceLoginRefused, check)

    def test_a_strange_identity_is_refused(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        connector = subject.stranger()
        if connector is None:
            pytest.skip("the source proves no identity")
        self._fails(connector, bench, subject, IdentityRefused, False)

    def test_a_source_that_says_nothing_is_a_timeout(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        if not subject.port:
            pytest.skip("the source is no server")
        with mute_port() as port:
            began = time.monotonic()
            self._fails(subject.connect(port=port, timeout=0.4), bench, subject, SourceTimeout, False)
            assert time.monotonic() - began < 10

    def test_a_cut_connection_never_makes_a_short_answer(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        if not subject.port:
            pytest.skip("the source is no server")
        wanted = list(range(subject.many))
        failed = 0
        for budget in (2_000, 60_000, 150_000, 10**9):
            with (
                cutting_port(subject.port, budget) as port,
                closing(subject.connect(port=port, timeout=1)) as source,
            ):
                try:
                    got = bench.read(source, Scan(bench.tables(source)["many"], ("id",)))
                except SourceError as error:
                    failed += 1
                    self._is_presentable(error, subject)
                else:
                    assert sorted(got.column("id").to_pylist()) == wanted
        assert 1 <= failed <= 3

    def test_a_source_that_comes_back_is_read_again(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        if not subject.port:
            pytest.skip("the source is no server")
        with closing(subject.connect(timeout=3)) as source:
            table = bench.tables(source)["kinds"]
            assert bench.read(source, Scan(table, ("id",))).num_rows == 8
        with (
            cutting_port(subject.port, 10**9) as port,
            closing(subject.connect(port=port, timeout=3)) as source,
        ):
            table = bench.tables(source)["kinds"]
            assert bench.read(source, Scan(table, ("id",))).num_rows == 8
            assert bench.read(source, Scan(table, ("id",))).num_rows == 8

    def test_a_column_that_was_added_is_seen(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        if subject.declared:
            pytest.skip("the source's columns are declared")
        fill(bench, subject, "growing", {"id": "BIGINT", "word": "VARCHAR"}, "SELECT 1, 'a'")
        with closing(subject.connect()) as source:
            before = bench.tables(source)["growing"]
            made = {"id": "BIGINT", "word": "VARCHAR", "more": "DOUBLE"}
            after = fill(bench, subject, "growing", made, "SELECT i, 'b', i / 8 FROM range(2) t(i)")
            try:
                old = bench.read(source, Scan(before, ("id", "word")))
            except (SchemaChanged, SourceChanged) as error:
                self._is_presentable(error, subject)
            else:
                assert bench.texts(old) == bench.texts(after.rows.select(["id", "word"]))
            table = bench.tables(source)["growing"]
            assert [column.name for column in table.columns] == list(made)
            assert bench.texts(bench.read(source, Scan(table, tuple(made)))) == bench.texts(after.rows)

    def test_a_column_of_another_type_is_never_read_as_the_old_one(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        fill(bench, subject, "shifting", {"id": "BIGINT", "word": "BIGINT"}, "SELECT 1, 2")
        with closing(subject.connect()) as source:
            before = bench.tables(source)["shifting"]
            fill(bench, subject, "shifting", {"id": "BIGINT", "word": "VARCHAR"}, "SELECT 1, 'two'")
            with pytest.raises((SchemaChanged, SourceChanged, BadData)) as caught:
                bench.read(source, Scan(before, ("id", "word")))
            self._is_presentable(caught.value, subject)
            if not subject.declared:
                table = bench.tables(source)["shifting"]
                assert bench.texts(bench.read(source, Scan(table, ("id", "word")))) == [("1", "two")]

    def test_a_table_that_is_gone_is_an_error(
        self, subject: Subject, bench: Bench, loaded: dict[str, Loaded]
    ) -> None:
        if subject.declared:
            pytest.skip("the source's columns are declared")
        fill(bench, subject, "fleeting", {"id": "BIGINT"}, "SELECT 1")
        with closing(subject.connect()) as source:
            before = bench.tables(source)["fleeting"]
            subject.drop("fleeting")
            with pytest.raises((SchemaChanged, SourceChanged, BadData)) as caught:
                bench.read(source, Scan(before, ("id",)))
            self._is_presentable(caught.value, subject)
