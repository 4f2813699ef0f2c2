"""What several commands take: the project directory, the format of an answer."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Option("-C", metavar="DIR", help="The project directory.")]


class Format(StrEnum):
    """The formats by the name that ``--format`` takes."""

    table = "table"
    line = "line"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"
    arrow = "arrow"

    @property
    def binary(self) -> bool:
        """Whether the answer is bytes, of which a file holds one."""
        return self in (Format.parquet, Format.arrow)
