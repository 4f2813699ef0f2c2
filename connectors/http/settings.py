"""The keys of an ``http`` source in fabric.yaml: how to log in, its REST tables and its files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, Tag, model_validator

from connectors.http.records import parse_path, shape_column
from connectors.http.types import TimeFormat
from fabric.settings import ColumnSettings, FileTableSettings, PerSecond, SourceSettings, Strict

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TOTAL = Field(
    default=None, description="how many records there are: $.path in the first answer, or a header of it"
)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address such as https://host/path is needed")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials belong under auth:, not into the address")
    if parts.query or parts.fragment:
        raise ValueError("the address must end with its path; fixed parameters belong into a table's path")
    return text.rstrip("/")


def _json_path(text: str) -> str:
    parse_path(text)
    return text


def _total(text: str) -> str:
    if text.startswith("$"):
        return _json_path(text)
    if not _HEADER.fullmatch(text):
        raise ValueError(
            f"'{text}' is neither a path in the answer such as $.total nor a header such as X-Total-Count"
        )
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]
JsonPath = Annotated[str, AfterValidator(_json_path)]
Total = Annotated[str, AfterValidator(_total)]


class BasicAuth(Strict):
    """User and password, sent with every request."""

    user: str
    password: SecretStr


class OAuth2(Strict):
    """OAuth 2.0 client credentials (RFC 6749, 4.4); the client's secret goes by HTTP Basic."""

    token_url: WebAddress
    client_id: str
    client_secret: SecretStr
    scope: str = ""


class AuthSettings(Strict):
    """How to log in: exactly one of the four."""

    bearer: SecretStr | None = None
    basic: BasicAuth | None = None
    header: dict[str, SecretStr] | None = Field(default=None, description="header name: value")
    oauth2: OAuth2 | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(way is not None for way in (self.bearer, self.basic, self.header, self.oauth2)) != 1:
            raise ValueError("auth takes exactly one of bearer, basic, header and oauth2")
        return self


class RestColumnSettings(ColumnSettings):
    """A column of a REST table: its type, and where it lies in a record."""

    type: str = Field(description="DuckDB type")
    source: JsonPath | None = Field(default=None, alias="from", description="path in the record, e.g. $.a.b")
    format: TimeFormat | None = Field(default=None, description="how times are written; ISO 8601 by default")


class ParamSettings(Strict):
    """A parameter that filters a column at the source."""

    name: str | None = Field(default=None, description="the parameter's name; the column's by default")
    op: Literal["=", "in", "<", "<=", ">", ">="] = "="
    style: Literal["repeat", "comma"] = Field(default="repeat", description="id=1&id=2, or id=1,2")
    max_values: int = Field(default=100, ge=1, description="values of one request")
    format: TimeFormat | None = Field(default=None, description="how times are written; ISO 8601 by default")
    exact: bool = Field(default=True, description="the source honours it exactly")
    required: bool = False


class CursorPaging(Strict):
    """The answer holds the cursor of the next page."""

    type: Literal["cursor"]
    param: str
    next: JsonPath
    total: Total | None = _TOTAL
    start: str | None = Field(default=None, description="cursor of the first page; none is sent by default")


class PagePaging(Strict):
    """Pages have numbers."""

    type: Literal["page"]
    param: str
    size_param: str | None = None
    size: int | None = Field(default=None, ge=1)
    total: Total | None = _TOTAL
    start: int = 1

    @model_validator(mode="after")
    def _size(self) -> Self:
        if (self.size_param is None) != (self.size is None):
            raise ValueError("size_param and size go together")
        return self


class OffsetPaging(Strict):
    """A page starts at a record's number."""

    type: Literal["offset"]
    param: str
    limit_param: str | None = None
    limit: int | None = Field(default=None, ge=1)
    total: Total | None = _TOTAL
    start: int = 0

    @model_validator(mode="after")
    def _size(self) -> Self:
        if (self.limit_param is None) != (self.limit is None):
            raise ValueError("limit_param and limit go together")
        return self


class LinkPaging(Strict):
    """The next page's address is in the Link header (RFC 8288), or in the answer at ``next``."""

    type: Literal["link"]
    next: JsonPath | None = None
    total: Total | None = _TOTAL


Paging = Annotated[CursorPaging | PagePaging | OffsetPaging | LinkPaging, Field(discriminator="type")]


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


RestColumns = dict[
    str,
    Annotated[RestColumnSettings, BeforeValidator(_typed, json_schema_input_type=str | RestColumnSettings)],
]
Params = dict[
    str,
    Annotated[
        tuple[ParamSettings, ...],
        BeforeValidator(_listed, json_schema_input_type=ParamSettings | list[ParamSettings]),
    ],
]


class RestTableSettings(Strict):
    """A table whose rows are the records of an endpoint."""

    path: str = Field(description="path under the source's uri; {column} stands for a value")
    records: JsonPath = Field(default="$", description="where the answer holds its records")
    columns: RestColumns = Field(min_length=1)
    params: Params = Field(default_factory=dict, description="column: parameter, or several in a list")
    pagination: Paging | None = None
    max_pages: int = Field(default=10_000, ge=1, description="more pages are an error")
    not_found: Literal["error", "empty"] = Field(default="error", description="what status 404 means")
    description: str = ""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The columns that stand in the path."""
        return tuple({name.lower(): name for name in _PLACEHOLDER.findall(self.path)}.values())

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if re.search(r"[{}#]|://", _PLACEHOLDER.sub("", self.path)):
            raise ValueError("path: lies under uri; braces hold a column's name, and # has no place in it")
        known = {name.lower() for name in self.columns}
        if len(known) != len(self.columns):
            raise ValueError("two columns differ only by case")
        for name, column in self.columns.items():
            try:
                shape_column(name, column.type, column.source, column.format)
            except ValueError as error:
                raise ValueError(f"column '{name}': {error}") from None
        for name in (*self.params, *self.placeholders):
            if name.lower() not in known:
                raise ValueError(f"parameter '{name}' is not one of the columns")
        self._check_params()
        return self

    def _check_params(self) -> None:
        in_path = {name.lower() for name in self.placeholders}
        names = [] if self.pagination is None else paging_names(self.pagination)
        for column, params in self.params.items():
            words = ["=" if param.op == "in" else param.op for param in params]
            if len(set(words)) != len(words):
                raise ValueError(f"column '{column}' has two parameters for one operator")
            if column.lower() in in_path and "=" in words:
                raise ValueError(f"column '{column}' stands in the path, which is its parameter for = and in")
            names += [param.name or column for param in params]
        if len(set(names)) != len(names):
            raise ValueError("two parameters have one name")


def paging_names(paging: Paging) -> list[str]:
    """The parameters that paging itself sends."""
    fields = ("param", "size_param", "limit_param")
    return [name for field in fields if (name := getattr(paging, field, None)) is not None]


def _plain_path(table: FileTableSettings) -> FileTableSettings:
    archive, _, _ = table.path.partition("!/")
    segments = archive.lstrip("/").split("/")
    if re.search(r"[*?\[#]", archive) or any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(
            "path must name one file (no *, ?, [ ], # or ..): HTTP lists no folders; declare one table per file"
        )
    return table


def _kind(value: Any) -> str:
    has_format = "format" in value if isinstance(value, dict) else hasattr(value, "format")
    return "file" if has_format else "rest"


HttpTable = Annotated[
    Annotated[FileTableSettings, AfterValidator(_plain_path), Tag("file")]
    | Annotated[RestTableSettings, Tag("rest")],
    Discriminator(_kind),
]


class HttpSettings(SourceSettings):
    """The keys of an ``http`` source; a table with ``format`` is a file, any other a REST table."""

    type: Literal["http"] = "http"
    uri: WebAddress = Field(description="address under which every table's path lies")
    auth: AuthSettings | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="sent with every request")
    rate_limit: PerSecond | None = Field(default=None, description="requests per unit of time, e.g. 50/s")
    ca_file: str | None = Field(default=None, description="certificates to trust instead of the system's")
    tables: dict[str, HttpTable] = Field(default_factory=dict)
