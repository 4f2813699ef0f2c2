"""What the fabric itself asks of its own files in the lake: nothing that a user wrote, and for nobody to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa

from fabric.engine import Engine, stream
from fabric.engine_errors import translated
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.lake import LakeTables
from fabric.spi import ScanContext
from fabric.stop import Stop
from fabric.types import Table

Question = Callable[..., str]
"""Makes a text of our own over relations, each given as text."""


class StoredFiles:
    """Reads files of the lake.

    Args:
        engine: reads through ``filesystem``.
        filesystem: where files are mounted meanwhile.
        files: looks into them.
        lake: has them.
    """

    def __init__(self, engine: Engine, filesystem: FileSystem, files: FileTables, lake: LakeTables) -> None:
        self._engine = engine
        self._filesystem = filesystem
        self._files = files
        self._lake = lake

    def rows(self, question: Question, **tables: Table) -> list[tuple[Any, ...]]:
        """The rows of a small answer.

        Raises:
            FabricError: a file cannot be read.
        """
        with self._opened(tables) as opened:
            return self._engine.rows(question(**opened))

    @contextmanager
    def batches(
        self, question: Question, stop: Stop, **tables: Table
    ) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """An answer of any size, as it comes.

        Raises:
            FabricError: a file cannot be read, or it was stopped.
        """
        with self._opened(tables) as opened, self._engine.cursor() as cursor:
            stop.by(lambda reason: cursor.interrupt())
            with translated(), stream(cursor, question(**opened)) as reader:
                yield reader.schema, _until(reader, stop)

    @contextmanager
    def _opened(self, tables: Mapping[str, Table]) -> Iterator[dict[str, str]]:
        with ExitStack() as stack:
            opened = {}
            for name, table in tables.items():
                scan = self._files.scan(self._lake, table, ())
                mount = self._filesystem.mount(self._lake, scan.files, ScanContext())
                stack.callback(self._filesystem.unmount, mount)
                paths = dict(zip((file.path for file in scan.files), mount.paths, strict=True))
                opened[name] = f"({scan.sql(paths)}) AS {name}"
            yield opened


def _until(reader: pa.RecordBatchReader, stop: Stop) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        if stop.reason is not None:
            raise stop.reason
        yield batch
    if stop.reason is not None:
        raise stop.reason
