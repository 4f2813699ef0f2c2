"""Tables of a statement are listed at the same time, and each once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from connectors.local import LocalConnector, LocalSettings
from fabric.errors import BadData, SourceError
from fabric.listings import Listings
from fabric.types import FileLayout, FileStat


class MeetingFolder(LocalConnector):
    """Each listing waits until as many others are under way."""

    def __init__(self, folder: Path, at_once: int) -> None:
        super().__init__("far", LocalSettings(type="local", domain="claims", uri="."), folder)
        self.asked: list[tuple[str, float | None]] = []
        self._all = threading.Barrier(at_once)

    def files(self, layout: FileLayout, max_age: float | None = None) -> list[FileStat]:
        self.asked.append((layout.pattern, max_age))
        self._all.wait(20)
        return list(super().files(layout, max_age))


LAYOUTS = [FileLayout(f"{name}.csv", "csv") for name in "abc"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("x\n1\n")
    return tmp_path


def test_tables_are_listed_at_the_same_time_each_once(folder: Path) -> None:
    far = MeetingFolder(folder, at_once=3)
    twice = [(far, FileLayout(layout.pattern, "csv")) for layout in LAYOUTS * 2]
    listings = Listings(twice, max_age=7.0)
    for layout in LAYOUTS:
        assert [file.path for file in listings.of(far, layout)] == [layout.pattern]
    assert sorted(far.asked) == [("a.csv", 7.0), ("b.csv", 7.0), ("c.csv", 7.0)]


def test_one_table_is_listed_when_it_is_asked_for(folder: Path) -> None:
    far = MeetingFolder(folder, at_once=1)
    listings = Listings([(far, LAYOUTS[0])], max_age=3.0)
    assert far.asked == []
    assert len(listings.of(far, LAYOUTS[0])) == 1
    assert far.asked == [("a.csv", 3.0)]


def test_an_error_is_raised_for_the_table_that_it_is_of(folder: Path) -> None:
    far = MeetingFolder(folder, at_once=2)
    gone = FileLayout("gone.csv", "csv")
    listings = Listings([(far, LAYOUTS[0]), (far, gone)])
    assert len(listings.of(far, LAYOUTS[0])) == 1
    with pytest.raises((SourceError, BadData), match=r"gone\.csv"):
        listings.of(far, gone)
