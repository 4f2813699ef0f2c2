"""How a query ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fabric.types import ScanReceipt, TableName


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the journal hears: ``state`` is succeeded, failed or cancelled; ``cache`` what spared its run.

    ``table_rows`` are for the catalog, and nobody is told: how many rows tables have whose sources do not count them.
    """

    query_id: str
    started_at: float
    policy_version: str
    state: str
    rows: int
    bytes: int
    error: str
    scans: tuple[ScanReceipt, ...]
    cache: str = ""
    table_rows: Mapping[TableName, int] = field(default_factory=dict, repr=False)
