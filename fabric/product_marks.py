"""What the last ``ripstop test`` found of each product's data: one small file in the project's state folder.

The file is no part of what a team commits, since it speaks of data at a moment. Whoever serves the project reads it again
when it changes.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("ripstop.products")

Key = tuple[str, str, int]
"""Domain and bare name in lower case, and the major version."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What one product's test found: the names of the rules that ``failed``; ``at`` is ISO 8601, in UTC."""

    at: str
    failed: tuple[str, ...]


Marks = Mapping[Key, Mark]


def read_marks(file: Path) -> Marks:
    """What is marked; nothing where nothing was ever tested."""
    try:
        said = json.loads(file.read_text("utf-8"))
        return {
            (each["domain"], each["product"], int(each["major"])): Mark(each["at"], tuple(each["failed"]))
            for each in said["products"]
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError):
        log.error("the marks of `ripstop test` cannot be read: run it again")
        return {}


def write_marks(file: Path, marks: Marks) -> None:
    """Replace the file, whole."""
    said = [
        {"domain": domain, "product": name, "major": major, "at": mark.at, "failed": list(mark.failed)}
        for (domain, name, major), mark in sorted(marks.items())
    ]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with new.open("w", encoding="utf-8") as opened:
            json.dump({"products": said}, opened, indent=1)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
