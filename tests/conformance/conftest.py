"""DuckDB as the line has it, for every entry of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from fabric.workbench import Workbench


@pytest.fixture(scope="session")
def bench() -> Iterator[Workbench]:
    with closing(Workbench()) as made:
        yield made
