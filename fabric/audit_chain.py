"""The audit's lines: each holds the hash of the one before, and a MAC under a key derived from the fabric's.

    {"n":7,"prev":"<SHA-256 of line 6>","at":…,…,"key":"<id of the key>","mac":"<HMAC-SHA256 of all before>"}

The hashes alone show a line that was changed, taken out, put in or moved, to anybody; whoever may write the file
could make them anew, but not the MACs.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = re.compile(r"\d{12}\.jsonl")
"""A file of the audit is named after the number of its first record."""

_ROOT = "0" * 64
_SEALED = re.compile(
    rb'(?P<text>\{"n":.*,"key":"(?P<key>[0-9a-f]{8})"),"mac":"(?P<mac>[0-9a-f]{64})"\}', re.DOTALL
)
_CHUNK = 1 << 16
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: the number of a record, from 1, and the SHA-256 of its line in hex."""

    number: int = 0
    hash: str = _ROOT


@dataclass(frozen=True, slots=True)
class Record:
    """A line that was read: its fields, its place, and whether its MAC is right (None: its key is not known)."""

    fields: Mapping[str, Any]
    link: Link
    before: str
    key: str
    genuine: bool | None

    @property
    def event(self) -> str:
        """What is recorded: ``intent``, ``outcome``, ``policy``, ``start``, ``stop``, ``turn`` or ``recovered``."""
        return str(self.fields.get("event", ""))


class Seal:
    """Makes lines, under a key of its own for each purpose; ``id`` names that key and tells nothing of it.

    Args:
        key: the fabric's key.
        purpose: ``line`` or ``head``: one is never taken for the other.
    """

    def __init__(self, key: bytes, purpose: str = "line") -> None:
        fabric = hmac.digest(key, b"ripstop/audit", "sha256")
        self._key = hmac.digest(fabric, purpose.encode(), "sha256")
        self.id = hmac.digest(self._key, b"id", "sha256")[:4].hex()

    def line(self, fields: Mapping[str, Any], before: Link) -> tuple[bytes, Link]:
        """The next line, with its newline, and its place."""
        text = _encode({"n": before.number + 1, "prev": before.hash, **fields, "key": self.id})[:-1].encode()
        line = text + b',"mac":"' + self.mac(text).encode() + b'"}'
        return line + b"\n", Link(before.number + 1, hashlib.sha256(line).hexdigest())

    def mac(self, text: bytes) -> str:
        """The MAC of a line's text, in hex."""
        return hmac.digest(self._key, text, "sha256").hex()


def seals(*keys: bytes, purpose: str = "line") -> dict[str, Seal]:
    """The seals of several keys by their ids."""
    return {seal.id: seal for seal in (Seal(key, purpose) for key in keys)}


def read_line(line: bytes, known: Mapping[str, Seal]) -> Record:
    """A line without its newline, as a record.

    Raises:
        ValueError: it is no line of an audit, or its MAC is wrong.
    """
    match = _SEALED.fullmatch(line)
    if match is None:
        raise ValueError("not a line of an audit")
    key = match["key"].decode()
    seal = known.get(key)
    if seal is not None and not hmac.compare_digest(seal.mac(match["text"]), match["mac"].decode()):
        raise ValueError("not as this fabric wrote it")
    try:
        fields = json.loads(line)
        link = Link(int(fields["n"]), hashlib.sha256(line).hexdigest())
        return Record(fields, link, str(fields["prev"]), key, None if seal is None else True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not a line of an audit") from None


def file_name(first: int) -> str:
    """The name of the file whose first record has that number."""
    return f"{first:012d}.jsonl"


def file_names(folder: Path) -> list[str]:
    """The audit's files, oldest first; none when the folder is not there."""
    try:
        return sorted(name for name in os.listdir(folder) if FILE_NAME.fullmatch(name))
    except FileNotFoundError:
        return []


def lines_backwards(descriptor: int, size: int) -> Iterator[tuple[bytes, int]]:
    """The whole lines of a file from its end, without their newlines, each with the offset behind it.

    Raises:
        OSError: the file cannot be read, or has shrunk below ``size`` meanwhile.
    """
    at, held = size, b""
    while at:
        begin = max(0, at - _CHUNK)
        chunk = os.pread(descriptor, at - begin, begin)
        if len(chunk) != at - begin:
            raise OSError("the file has shrunk")
        at, held = begin, chunk + held
        floor = held.find(b"\n") + 1 if at else 0
        end = held.rfind(b"\n") + 1
        while end > floor:
            start = max(floor, held.rfind(b"\n", floor, end - 1) + 1)
            yield held[start : end - 1], at + end
            end = start
        held = held[:floor] if floor else held


def last_record(descriptor: int, known: Mapping[str, Seal]) -> tuple[Record | None, int]:
    """The last line of a file that is a record, and the offset behind it; (None, 0) when there is none.

    Raises:
        OSError: the file cannot be read.
    """
    for line, end in lines_backwards(descriptor, os.fstat(descriptor).st_size):
        try:
            return read_line(line, known), end
        except ValueError:
            continue
    return None, 0


# ── the head: how far the audit had got, kept beside it ──────────────────────────────────────


def head_file(folder: Path) -> Path:
    """Where the head of the audit in that folder is."""
    return folder.with_name(folder.name + ".head")


def head_line(seal: Seal, link: Link) -> bytes:
    """The content of the head file; its seal's purpose is ``head``."""
    return seal.line({"event": "head"}, link)[0]


def read_head(folder: Path, known: Mapping[str, Seal]) -> Link | None:
    """What the head file says; None when there is none.

    Raises:
        ValueError: it is not one that this fabric wrote.
        OSError: it cannot be read.
    """
    try:
        content = head_file(folder).read_bytes()
    except FileNotFoundError:
        return None
    record = read_line(content.removesuffix(b"\n"), known)
    if record.genuine is None:
        raise ValueError("written under another key")
    return Link(record.link.number - 1, record.before)
