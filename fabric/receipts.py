"""What a scan tells when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ScanReceipt:
    """What one scan really did; bytes and rows as they left the source, seconds of wall time.

    ``columns`` are those that the answer depends on. ``guarded``: ``rows`` are those that the principal may see.
    ``veiled``: the rest is not theirs to know; ``unnamed``: nor is the object's name.
    """

    source: str
    object: str
    pushed: str
    rows: int = 0
    bytes: int = 0
    requests: int = 0
    seconds: float = 0.0
    cache: str = ""
    as_of: datetime | None = None
    guarded: bool = False
    veiled: bool = False
    unnamed: bool = False
    columns: tuple[str, ...] = ()
    asked: str = ""
