"""A query that ends early gives back what it holds at once: proved on a source with one connection."""
# ruff: noqa: S101, D102 - a suite of tests: each case's name is its sentence

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from connectors.conformance.reading import Base
from connectors.conformance.subject import Bench, Loaded, Subject
from fabric.errors import Cancelled, FabricError
from fabric.spi import ScanConnector, ScanContext, ScanSession
from fabric.types import Offer, Scan

PROMPT = 1.0
"""Seconds; half a second is asked for, and a busy machine is forgiven the other half."""


class Stopping(Base):
    """Cancelled and abandoned scans."""

    @pytest.fixture
    def only(self, subject: Subject, loaded: dict[str, Loaded]) -> Iterator[ScanConnector]:
        """A connector that may open one connection."""
        with closing(subject.connect(connections=1)) as connector:
            assert isinstance(connector, ScanConnector)
            yield connector

    def _opened(self, source: ScanConnector, bench: Bench) -> tuple[ScanSession, Offer]:
        return source.open(), source.offer(Scan(bench.tables(source)["many"], ("id", "word", "number")))

    def _serves(self, source: ScanConnector, bench: Bench) -> None:
        began = time.monotonic()
        assert bench.read(source, Scan(bench.tables(source)["kinds"], ("id",))).num_rows == 8
        assert time.monotonic() - began < PROMPT + 1

    def test_a_cancelled_scan_ends_at_once_and_frees_its_connection(
        self, only: ScanConnector, bench: Bench
    ) -> None:
        session, offer = self._opened(only, bench)
        context = ScanContext()
        batches = session.read(offer, offer.splits[0], context)
        next(batches)
        threading.Timer(0.05, context.cancel).start()
        assert context.wait(5)
        began = time.monotonic()
        with suppress(Cancelled, FabricError):
            for _ in batches:
                pass
        assert time.monotonic() - began < PROMPT
        session.close()
        self._serves(only, bench)

    def test_an_abandoned_scan_frees_its_connection(self, only: ScanConnector, bench: Bench) -> None:
        session, offer = self._opened(only, bench)
        batches = session.read(offer, offer.splits[0], ScanContext())
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        session.close()
        self._serves(only, bench)

    def test_a_scan_that_is_cancelled_before_it_begins_reads_nothing(
        self, only: ScanConnector, bench: Bench
    ) -> None:
        session, offer = self._opened(only, bench)
        context = ScanContext()
        context.cancel()
        with pytest.raises(Cancelled):
            list(session.read(offer, offer.splits[0], context))
        assert context.rows == 0
        session.close()
        self._serves(only, bench)

    def test_two_scans_of_one_query_share_one_connection(
        self, only: ScanConnector, bench: Bench, subject: Subject
    ) -> None:
        session, offer = self._opened(only, bench)
        other = only.offer(Scan(bench.tables(only)["kinds"], ("id",)))
        first = session.read(offer, offer.splits[0], ScanContext())
        head = next(first)
        found: list[int] = []

        def read_other() -> None:
            for batch in session.read(other, other.splits[0], ScanContext()):
                found.append(batch.num_rows)

        thread = threading.Thread(target=read_other)
        thread.start()
        thread.join(10)
        assert sum(found) == 8
        assert head.num_rows + sum(batch.num_rows for batch in first) == subject.many
        session.close()

    def test_a_session_closed_with_a_scan_under_way_frees_its_connection(
        self, only: ScanConnector, bench: Bench
    ) -> None:
        session, offer = self._opened(only, bench)
        batches = session.read(offer, offer.splits[0], ScanContext())
        next(batches)
        session.close()
        with suppress(FabricError):
            for _ in batches:
                pass
        self._serves(only, bench)
