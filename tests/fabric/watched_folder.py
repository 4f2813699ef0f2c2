"""A folder read as if it were far away: blocks, a delay per call, and a record of every call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from connectors.local import LocalConnector, LocalSettings
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat


class WatchedFolder(LocalConnector):
    block_bytes: ClassVar[int] = 1000

    def __init__(self, folder: Path, name: str = "far") -> None:
        settings = LocalSettings(type="local", domain="claims", uri=".")
        super().__init__(name, settings, folder)
        self.calls: list[list[tuple[int, int]]] = []
        self.contexts: list[ScanContext] = []
        self.delay = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.before_call: Callable[[int], None] = lambda number: None

    def read(self, file: FileStat, ranges: Sequence[tuple[int, int]], context: ScanContext) -> list[bytes]:
        self.calls.append(list(ranges))
        self.before_call(len(self.calls))
        self.contexts.append(context)
        context.on_cancel(self.gate.set)
        if not self.gate.wait(20):
            raise TimeoutError("the test never opened the gate")
        time.sleep(self.delay)
        if self.error:
            raise self.error
        return super().read(file, ranges, context)

    @property
    def bytes_read(self) -> int:
        return sum(length for ranges in self.calls for _, length in ranges)

    def file(self, path: str) -> FileStat:
        (found,) = self.files(FileLayout(path, "csv"))
        return found


class OneCallFolder(WatchedFolder):
    one_call: ClassVar[bool] = True


class DirectFolder(WatchedFolder):
    block_bytes: ClassVar[int] = 0


class RealisticFolder(WatchedFolder):
    block_bytes: ClassVar[int] = 1 << 16
