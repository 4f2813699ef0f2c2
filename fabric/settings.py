"""The pydantic bases from which every connector's settings are made."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def _seconds(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", value)
        if not match:
            raise ValueError("a duration is a number and a unit, such as 500ms, 60s, 5m, 1h or 1d")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", value)
        if not match or match[2].upper() not in _BYTES:
            raise ValueError("a size is a number and a unit, such as 512MB or 4GB")
        return int(float(match[1]) * _BYTES[match[2].upper()])
    return value


def _per_second(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(s|m|h)\s*", value)
        if not match:
            raise ValueError("a rate is requests per unit of time, such as 50/s or 600/m")
        return float(match[1]) / _SECONDS[match[2]]
    return value


Age = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str | float), Field(ge=0)]
"""A duration that may be none at all, in seconds."""

Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=str | float), Field(gt=0)]
"""A duration such as ``60s``, in seconds."""

Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=str | int), Field(ge=0)]
"""A size such as ``512MB``, in bytes."""

PerSecond = Annotated[float, BeforeValidator(_per_second, json_schema_input_type=str | float), Field(gt=0)]
"""A rate such as ``50/s``, in requests per second."""


class Strict(BaseModel):
    """A model in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SourceLimits(Strict):
    """What a source bears at once."""

    connections: int = Field(default=4, ge=1, description="connections open to the source at once")


class ColumnSettings(Strict):
    """A column's declared type and tags; ``columns: {x: BIGINT}`` is short for the type alone."""

    type: str | None = Field(default=None, description="DuckDB type; wins over sniffing")
    description: str = ""
    tags: tuple[str, ...] = ()


def _column(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Columns = dict[
    str, Annotated[ColumnSettings, BeforeValidator(_column, json_schema_input_type=str | ColumnSettings)]
]


class FileTableSettings(Strict):
    """A table that lies in files."""

    path: str = Field(description="glob under the source's uri; ** spans folders")
    format: Literal["parquet", "csv", "json"]
    partitioning: Literal["hive"] | None = None
    columns: Columns = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict, description="DuckDB's own reader options")
    description: str = ""


class SourceSettings(Strict):
    """The keys that every source shares; a connector's own model adds to them."""

    type: str
    domain: str = Field(description="the domain that owns this source")
    description: str = ""
    limits: SourceLimits = Field(default_factory=SourceLimits)
    pushdown: Literal["on", "off"] = Field(
        default="on", description="`off` asks the source for columns only, to compare with"
    )
    max_age: Seconds | None = Field(
        default=None,
        description="serve listings, and rows of scans, that are at most this old from the cache",
    )
    connect_timeout: Seconds = Field(default=10.0, description="time to connect and log in")
    timeout: Seconds = Field(default=60.0, description="time a source may stay silent")
