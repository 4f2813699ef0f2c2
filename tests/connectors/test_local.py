"""A folder of this machine as a source."""

import os
from pathlib import Path

import pytest

from connectors.local import LocalConnector
from fabric.errors import BadData, SourceChanged, SourceError, SourceLoginRefused, Unreachable
from fabric.spi import ScanContext
from fabric.types import FileLayout
from tests.connectors.test_files import source, write

LAYOUT = FileLayout("**/*.csv", "csv")


def test_the_folder_is_relative_to_the_project(tmp_path: Path) -> None:
    write(tmp_path, "data/a.csv", "hello")
    made = source(tmp_path, uri="data/")
    (file,) = made.files(LAYOUT)
    assert (file.path, file.size) == ("a.csv", 5)
    assert file.modified is not None
    assert made.read(file, [(1, 3), (0, 5), (4, 0)], ScanContext()) == [b"ell", b"hello", b""]


def test_check_proves_the_folder_and_its_tables(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    made = source(tmp_path, tables={"t": {"path": "*.csv", "format": "csv"}})
    assert [(step.name, step.detail) for step in made.check()] == [
        ("resolved", "folder found"),
        ("listed", "1 tables, 1 files"),
    ]
    with pytest.raises(Unreachable, match="its folder does not exist"):
        list(source(tmp_path, uri="nowhere").check())


def test_a_missing_root_is_an_error_and_a_missing_folder_holds_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        source(tmp_path, uri="nowhere").files(LAYOUT)
    assert source(tmp_path).files(FileLayout("none/*.csv", "csv", declared={"a": "BIGINT"})) == ()


@pytest.mark.parametrize("pattern", ["*.csv", "link.csv", "**/*.csv"])
def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path, pattern: str) -> None:
    secret = write(tmp_path, "outside/secret.csv")
    write(tmp_path, "data/a.csv")
    (tmp_path / "data/link.csv").symlink_to(secret)
    with pytest.raises(BadData, match=r"'link\.csv' is a link that leaves"):
        source(tmp_path, uri="data").files(FileLayout(pattern, "csv"))


def test_a_linked_folder_that_leaves_is_refused_and_one_that_stays_is_followed(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.csv")
    write(tmp_path, "data/a/x.csv")
    (tmp_path / "data/b").symlink_to("a")
    made = source(tmp_path, uri="data")
    assert [file.path for file in made.files(LAYOUT)] == ["a/x.csv", "b/x.csv"]
    (tmp_path / "data/c").symlink_to("../outside")
    for pattern in ("**/*.csv", "c/*.csv", "c/secret.csv"):
        with pytest.raises(BadData, match="leaves the source's folder"):
            made.files(FileLayout(pattern, "csv"))


def test_a_link_put_in_place_after_the_listing_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "outside/secret.csv")
    path = write(tmp_path, "data/a.csv")
    made = source(tmp_path, uri="data")
    (file,) = made.files(LAYOUT)
    path.unlink()
    path.symlink_to(tmp_path / "outside/secret.csv")
    with pytest.raises(BadData):
        made.read(file, [(0, 1)], ScanContext())


def test_a_ring_of_links_ends(tmp_path: Path) -> None:
    write(tmp_path, "a/x.csv")
    (tmp_path / "a/up").symlink_to("..")
    assert [file.path for file in source(tmp_path).files(LAYOUT)] == ["a/x.csv"]


def test_what_is_no_file_is_not_listed(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "dangling.csv").symlink_to("nothing.csv")
    assert [file.path for file in source(tmp_path).files(LAYOUT)] == ["a.csv"]


@pytest.mark.parametrize("change", ["rewritten", "grown", "replaced", "removed", "piped"])
def test_a_file_that_changes_after_the_listing_is_an_error(tmp_path: Path, change: str) -> None:
    path = write(tmp_path, "a.csv", "hello")
    made = source(tmp_path)
    (file,) = made.files(LAYOUT)
    if change == "rewritten":
        path.write_text("HELLO")
        os.utime(path, ns=(0, 1))
    elif change == "grown":
        path.write_text("hello world")
    elif change == "replaced":
        before = path.stat()
        write(tmp_path, "b", "HELLO").replace(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        path.unlink()
        if change == "piped":
            os.mkfifo(path)
    with pytest.raises((SourceChanged, SourceError)) as caught:
        made.read(file, [(0, 5)], ScanContext())
    assert "a.csv" in caught.value.message
    assert caught.value.retryable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.csv").chmod(0)
    made = source(tmp_path)
    (file,) = made.files(LAYOUT)
    with pytest.raises(SourceLoginRefused, match=r"'a\.csv' may not be read"):
        made.read(file, [(0, 1)], ScanContext())


def test_an_error_names_no_path_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as caught:
        source(tmp_path, uri="nowhere").files(LAYOUT)
    assert str(tmp_path) not in str(caught.value)
    assert isinstance(source(tmp_path), LocalConnector)
