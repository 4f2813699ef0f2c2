"""Servers of a fixture's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from server.demo.postgres import EmbeddedPostgres


def embedded_postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres, as the body of a fixture."""
    # Not below pytest's own folder: as root, Postgres runs as another account and must reach its files.
    directory = Path(tempfile.mkdtemp(prefix="ripstop-postgres-"))
    try:
        with EmbeddedPostgres(directory) as server:
            yield server
    finally:
        shutil.rmtree(directory)
