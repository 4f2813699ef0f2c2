"""What FTP servers say of files: MLSD facts (RFC 3659, section 7) and the two usual forms of LIST."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Kind = Literal["file", "folder", "link", "other"]

_UNIX = re.compile(
    r"(?P<kind>[-dlbcps])[-rwxsStTl]{9}[.+@]?\s+\d+\s.*?\s?(?P<size>\d+)\s+"
    r"(?P<date>[A-Za-z]{3}\s+\d{1,2}\s+[\d:]{4,5})\s(?P<name>.+)"
)
_DOS = re.compile(r"(?P<date>\d\d-\d\d-\d{2,4}\s+\d\d:\d\d(?:[AP]M)?)\s+(?P<size><DIR>|\d+)\s+(?P<name>.+)")
_UNIX_KINDS: dict[str, Kind] = {"-": "file", "d": "folder", "l": "link"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder: ``size`` in bytes, ``modified`` the server's own text, each None when not told."""

    name: str
    kind: Kind
    size: int | None = None
    modified: str | None = None


def parse_facts(line: str) -> Entry | None:
    """A line of MLSD or MLST; None for the folder itself and the one above.

    Raises:
        ValueError: it is no such line.
    """
    facts, space, name = line.partition(" ")
    if not space or not name:
        raise ValueError("no MLSD line")
    told = {key.lower(): value for key, _, value in (fact.partition("=") for fact in facts.split(";"))}
    kind = told.get("type", "file").lower()
    if kind in ("cdir", "pdir"):
        return None
    kinds: dict[str, Kind] = {"file": "file", "dir": "folder"}
    found: Kind = "link" if kind.startswith("os.unix=slink") else kinds.get(kind, "other")
    size = told.get("size", "")
    return Entry(name, found, int(size) if size.isdecimal() else None, told.get("modify") or None)


def parse_list(line: str) -> Entry | None:
    """A line of LIST, as Unix or DOS servers write it; None for one that names nothing.

    Raises:
        ValueError: it is in another form.
    """
    if not line.strip() or re.fullmatch(r"total \d+", line.strip()):
        return None
    if match := _UNIX.fullmatch(line):
        kind = _UNIX_KINDS.get(match["kind"], "other")
        name = match["name"].partition(" -> ")[0] if kind == "link" else match["name"]
        found = Entry(name, kind, int(match["size"]), " ".join(match["date"].split()))
    elif match := _DOS.fullmatch(line):
        folder = match["size"] == "<DIR>"
        size = None if folder else int(match["size"])
        found = Entry(match["name"], "folder" if folder else "file", size, " ".join(match["date"].split()))
    else:
        raise ValueError("no LIST line")
    return None if found.name in (".", "..") else found


def parse_time(text: str) -> datetime | None:
    """``YYYYMMDDHHMMSS[.sss]`` in UTC (RFC 3659, section 2.3); None for any other text."""
    match = re.match(r"\d{14}", text)
    return datetime.strptime(match[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if match else None
