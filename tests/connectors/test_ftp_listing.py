from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.ftp.listing import Entry, parse_facts, parse_list, parse_time


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "type=file;size=12;modify=20240101000000;unique=1; a b.csv",
            Entry("a b.csv", "file", 12, "20240101000000"),
        ),
        ("Type=dir;Modify=20240101000000.123; x", Entry("x", "folder", None, "20240101000000.123")),
        ("type=OS.unix=slink:/y;size=3; x", Entry("x", "link", 3, None)),
        ("type=OS.unix=fifo; x", Entry("x", "other", None, None)),
        ("type=cdir; .", None),
        ("type=pdir; ..", None),
    ],
)
def test_facts_are_read(line: str, entry: Entry | None) -> None:
    assert parse_facts(line) == entry


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "-rw-r--r--    1 1000     1000   123 Jan 02 12:34 a b.csv",
            Entry("a b.csv", "file", 123, "Jan 02 12:34"),
        ),
        ("-rw-r--r--   1 user domain users  5 Jan  2  2024  lead", Entry(" lead", "file", 5, "Jan 2 2024")),
        ("-rw-rw-rw- 1 owner 33 Jan 02 12:34 x", Entry("x", "file", 33, "Jan 02 12:34")),
        ("drwxr-xr-x+ 2 ftp ftp 4096 Jun  1  2024 x", Entry("x", "folder", 4096, "Jun 1 2024")),
        ("lrwxrwxrwx 1 root root 7 Jun 1 2024 x -> y z", Entry("x", "link", 7, "Jun 1 2024")),
        ("prw-r--r-- 1 root root 0 Jun 1 2024 x", Entry("x", "other", 0, "Jun 1 2024")),
        ("01-02-24  03:04PM       <DIR>          x", Entry("x", "folder", None, "01-02-24 03:04PM")),
        ("01-02-2024  15:04   123 x y", Entry("x y", "file", 123, "01-02-2024 15:04")),
        ("drwxr-xr-x 2 ftp ftp 4096 Jun  1  2024 ..", None),
        ("total 12", None),
        ("", None),
    ],
)
def test_lists_of_unix_and_dos_are_read(line: str, entry: Entry | None) -> None:
    assert parse_list(line) == entry


@pytest.mark.parametrize("line", ["+i8388621.29609,m824255902,/,\tdev", "x", "2024-01-01 12:00 5 x"])
def test_another_form_is_refused_and_not_skipped(line: str) -> None:
    with pytest.raises(ValueError, match="no LIST line"):
        parse_list(line)


def test_times_are_utc() -> None:
    assert parse_time("20240131235958.5") == datetime(2024, 1, 31, 23, 59, 58, tzinfo=UTC)
    assert parse_time("Jan 02 12:34") is None
