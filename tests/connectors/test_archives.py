"""Members of zip archives as files of a table."""

import os
import random
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local import LocalConnector
from fabric.errors import BadData, NotSupported, SourceChanged
from fabric.spi import ScanContext
from fabric.types import FileLayout
from tests.connectors.test_files import source

BODY = b"".join(b"%d,%d\n" % (i, i * i) for i in range(200_000))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[LocalConnector]:
    connector = source(tmp_path)
    yield connector
    connector.close()


def pack(folder: Path, name: str, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / name, "w", method) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return folder / name


def test_an_archive_is_listed_as_the_members_that_fit_the_format(
    tmp_path: Path, made: LocalConnector
) -> None:
    pack(
        tmp_path,
        "a.zip",
        {"x.csv": b"1\n", "deep/y.CSV": b"2\n", "README.txt": b"", "__MACOSX/._x.csv": b"", "n.json": b"{}"},
    )
    (tmp_path / "b.csv").write_text("3\n")
    assert [f.path for f in made.files(FileLayout("*", "csv"))] == [
        "a.zip!/deep/y.CSV",
        "a.zip!/x.csv",
        "b.csv",
    ]
    assert [f.path for f in made.files(FileLayout("a.zip", "json"))] == ["a.zip!/n.json"]


def test_members_can_be_named_by_the_path(tmp_path: Path, made: LocalConnector) -> None:
    pack(tmp_path, "a.zip", {"x.txt": b"1\n", "sub/y.txt": b"2\n", "z.csv": b"3\n"})
    assert [f.path for f in made.files(FileLayout("*.zip!/*.txt", "csv"))] == ["a.zip!/x.txt"]
    assert [f.path for f in made.files(FileLayout("a.zip!/**", "csv"))] == [
        "a.zip!/sub/y.txt",
        "a.zip!/x.txt",
        "a.zip!/z.csv",
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_ranges_in_any_order_are_the_members_bytes(tmp_path: Path, made: LocalConnector, method: int) -> None:
    pack(tmp_path, "a.zip", {"x.csv": b"other", "y.csv": BODY}, method)
    _, file = made.files(FileLayout("a.zip", "csv"))
    assert file.size == len(BODY)
    ranges = [(len(BODY) - 10, 10), (0, 5), (len(BODY) // 2, 100_000), (0, 0)]
    assert made.read(file, ranges, ScanContext()) == [BODY[o : o + n] for o, n in ranges]


def test_many_threads_read_one_member(tmp_path: Path, made: LocalConnector) -> None:
    pack(tmp_path, "a.zip", {"y.csv": BODY})
    (file,) = made.files(FileLayout("a.zip", "csv"))
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(50):
            offset = chance.randrange(len(BODY) - 1000)
            if made.read(file, [(offset, 1000)], ScanContext()) != [BODY[offset : offset + 1000]]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_more_members_than_are_kept_open_are_all_readable(tmp_path: Path, made: LocalConnector) -> None:
    bodies = {f"{n:02}.csv": b"%d\n" % n * 1000 for n in range(40)}
    pack(tmp_path, "a.zip", bodies)
    files = made.files(FileLayout("a.zip", "csv"))
    for file in [*files, *files]:
        expected = bodies[file.path.removeprefix("a.zip!/")]
        assert made.read(file, [(0, file.size)], ScanContext()) == [expected]
    assert len(os.listdir("/proc/self/fd")) < 200


def test_an_archive_that_changes_is_noticed(tmp_path: Path, made: LocalConnector) -> None:
    pack(tmp_path, "a.zip", {"y.csv": BODY})
    (file,) = made.files(FileLayout("a.zip", "csv"))
    made.read(file, [(0, 10)], ScanContext())
    pack(tmp_path, "a.zip", {"y.csv": BODY[:-1] + b"\t"})
    with pytest.raises(SourceChanged):
        made.read(file, [(len(BODY) - 10, 10)], ScanContext())
    (again,) = made.files(FileLayout("a.zip", "csv"))
    assert again.validator != file.validator
    assert made.read(again, [(len(BODY) - 1, 1)], ScanContext()) == [b"\t"]


def test_a_damaged_archive_is_bad_data(tmp_path: Path, made: LocalConnector) -> None:
    path = pack(tmp_path, "a.zip", {"y.csv": BODY})
    data = bytearray(path.read_bytes())
    data[5000:5100] = bytes(100)
    path.write_bytes(data)
    (file,) = made.files(FileLayout("a.zip", "csv"))
    with pytest.raises(BadData, match="is damaged"):
        made.read(file, [(0, file.size)], ScanContext())
    path.write_bytes(data[:1000])
    with pytest.raises(BadData, match=r"archive 'a\.zip' is damaged"):
        made.files(FileLayout("a.zip", "csv"))


def test_an_archive_in_an_archive_is_refused(tmp_path: Path, made: LocalConnector) -> None:
    pack(tmp_path, "a.zip", {"y.csv": b"1\n", "inner.zip": b"PK"})
    with pytest.raises(NotSupported, match=r"inner\.zip"):
        made.files(FileLayout("a.zip", "csv"))


def test_an_archive_without_a_fitting_member_is_an_error(tmp_path: Path, made: LocalConnector) -> None:
    pack(tmp_path, "a.zip", {"y.dat": b"1\n"})
    with pytest.raises(BadData, match="holds no member") as caught:
        made.files(FileLayout("a.zip", "csv"))
    assert "!/" in caught.value.hint
