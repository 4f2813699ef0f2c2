"""What is inside the files of a table: each file's own columns, and the one schema over all of them."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from sqlglot import exp

from fabric.errors import BadData, InvalidConfig
from fabric.footers import Footer, Rows, read_footers
from fabric.types import Column, FileLayout, FileStat
from fabric.widening import widen, widen_text

MAX_KNOWN_FILES = 200_000
# Footers are a row for each column of each row group: of many files they are not read for estimates alone.
_MOST_MEASURED = 50
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"

# The reader options of DuckDB 2.0 that a table may set; paths, types and hive keys are Ripstop's own.
OPTIONS: Mapping[str, frozenset[str]] = {
    "parquet": frozenset({"binary_as_string", "can_have_nan"}),
    "csv": frozenset(
        [
            "all_varchar",
            "allow_quoted_nulls",
            "comment",
            "compression",
            "dateformat",
            "decimal_separator",
            "delim",
            "encoding",
            "escape",
            "header",
            "ignore_errors",
            "max_line_size",
            "names",
            "new_line",
            "null_padding",
            "nullstr",
            "parallel",
            "quote",
            "sample_size",
            "skip",
            "strict_mode",
            "thousands",
            "timestampformat",
        ]
    )
    - {"ignore_errors"},
    "json": frozenset(
        [
            "compression",
            "dateformat",
            "format",
            "maximum_depth",
            "maximum_object_size",
            "records",
            "sample_size",
            "timestampformat",
            "convert_strings_to_integers",
        ]
    ),
}


@dataclass(frozen=True, slots=True)
class FileShape:
    """A file as it is: its columns as ``(name, DuckDB type)``, and the reader options that fit it.

    The ``footer`` is a Parquet file's.
    """

    columns: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...] = ()
    footer: Footer | None = field(default=None, compare=False)


def name(identifier: str) -> str:
    """A quoted identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal."""
    return exp.Literal.string(value).sql(dialect="duckdb")


def option_texts(layout: FileLayout, source: str, table: str) -> tuple[tuple[str, str], ...]:
    """The table's reader options as ``(name, SQL)``.

    Raises:
        InvalidConfig: an option that is not DuckDB's, or not a table's to set.
    """
    known = OPTIONS[layout.format]
    for option in layout.options:
        if option not in known:
            raise InvalidConfig(
                f"sources.{source}.tables.{table}.options.{option}: not an option of the {layout.format} reader",
                hint="known: " + ", ".join(sorted(known)),
            )
    return tuple((option, _option(value)) for option, value in layout.options.items())


def _option(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_option(item) for item in value) + "]"
    return text(str(value))


class FileShapes:
    """The shapes of files that were looked into, by source, path and validator; thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str, str], FileShape] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, str, str]) -> FileShape | None:
        """The shape under ``(source, table, path, validator)``."""
        with self._lock:
            shape = self._known.get(key)
            if shape is not None:
                self._known.move_to_end(key)
            return shape

    def put(self, key: tuple[str, str, str, str], shape: FileShape) -> None:
        """Remember a shape, forgetting the one longest unused."""
        with self._lock:
            self._known[key] = shape
            while len(self._known) > MAX_KNOWN_FILES:
                self._known.popitem(last=False)


def look(
    rows: Rows, layout: FileLayout, options: tuple[tuple[str, str], ...], paths: Sequence[str]
) -> list[FileShape]:
    """Look into files, one shape a path in the same order.

    Args:
        rows: runs a statement on an engine that can open the paths.
        layout: the table's layout.
        options: the table's own reader options.
        paths: ``ripstop://`` paths.
    """
    if layout.format == "parquet":
        return _parquet(rows, options, paths)
    if layout.format == "csv":
        return [_csv(rows, options, path) for path in paths]
    return [_described(rows, f"read_json({text(path)}{_arguments(options)})") for path in paths]


def _arguments(options: Sequence[tuple[str, str]]) -> str:
    return "".join(f", {option}={value}" for option, value in options)


def _parquet(rows: Rows, options: tuple[tuple[str, str], ...], paths: Sequence[str]) -> list[FileShape]:
    """Files with equal schemas share one shape, so only one of them is bound."""
    listed = ", ".join(text(path) for path in paths)
    schemas: dict[str, list[tuple[Any, ...]]] = {}
    for path, *element in rows(
        "SELECT file_name, name, type, type_length, repetition_type, num_children, converted_type, scale, "
        f"precision, logical_type FROM parquet_schema([{listed}])"
    ):
        schemas.setdefault(path, []).append(tuple(element))
    known = read_footers(rows, listed, chunks=len(paths) <= _MOST_MEASURED)
    bound: dict[tuple[tuple[Any, ...], ...], FileShape] = {}
    shapes = []
    for path in paths:
        schema = tuple(schemas[path])
        if schema not in bound:
            call = f"read_parquet({text(path)}, hive_partitioning=false{_arguments(options)})"
            bound[schema] = _described(rows, call)
        shapes.append(replace(bound[schema], footer=known[path]))
    return shapes


def _described(rows: Rows, call: str) -> FileShape:
    found = rows(f"DESCRIBE SELECT * FROM {call}")
    return FileShape(tuple((row[0], row[1]) for row in found))


def _csv(rows: Rows, options: tuple[tuple[str, str], ...], path: str) -> FileShape:
    found = rows(
        "SELECT Delimiter, Quote, Escape, SkipRows, HasHeader, Columns, DateFormat, TimestampFormat "
        f"FROM sniff_csv({text(path)}{_arguments(options)})"
    )
    delimiter, quote, escape, skip, header, columns, dates, moments = found[0]
    fitted = {
        "delim": text(delimiter),
        "quote": text("" if quote in (None, "(empty)") else quote),
        "escape": text("" if escape in (None, "(empty)") else escape),
        "skip": str(skip),
        "header": str(bool(header)).lower(),
    }
    if dates:
        fitted["dateformat"] = text(dates)
    if moments:
        fitted["timestampformat"] = text(moments)
    fitted |= dict(options)
    fitted.pop("sample_size", None)
    return FileShape(tuple((c["name"], c["type"]) for c in columns), tuple(sorted(fitted.items())))


def merge(
    source: str, layout: FileLayout, files: Sequence[FileStat], shapes: Sequence[FileShape]
) -> tuple[Column, ...]:
    """The one schema of a table: every column of every file, the wider type where they differ.

    A column that a file lacks is NULL there; declared types win; hive keys come last.

    Raises:
        BadData: a file's type for a column is neither equal to the others' nor wider nor narrower.
    """
    merged: dict[str, tuple[str, str]] = {}
    for file, shape in zip(files, shapes, strict=True):
        for column, kind in shape.columns:
            key = column.lower()
            if key not in merged:
                merged[key] = (column, kind)
                continue
            spelled, seen = merged[key]
            merged[key] = (spelled, _wider(source, layout, file, column, seen, kind))
    declared = {key.lower(): (key, kind) for key, kind in layout.declared.items()}
    keys = hive_types(layout, files)
    columns = [
        Column(spelled, _plain(kind))
        for key, found in merged.items()
        if key not in keys
        for spelled, kind in [declared.get(key, found)]
    ]
    columns += [
        Column(spelled, kind)
        for key, (spelled, kind) in declared.items()
        if key not in merged and key not in keys
    ]
    columns += [Column(spelled, kind) for spelled, kind in keys.values()]
    said = {key.lower(): words for key, words in layout.said.items()}
    return tuple(
        replace(column, comment=said[column.name.lower()][0], tags=said[column.name.lower()][1])
        if column.name.lower() in said
        else column
        for column in columns
    )


def _plain(kind: str) -> str:
    """A column that is NULL in every file has no type of its own."""
    return "VARCHAR" if kind == '"NULL"' else kind


def _wider(source: str, layout: FileLayout, file: FileStat, column: str, seen: str, kind: str) -> str:
    if column.lower() in {key.lower() for key in layout.declared}:
        return seen
    if layout.format == "csv":
        return widen_text(seen, kind, "VARCHAR")
    if layout.format == "json":
        return widen_text(seen, kind, "JSON")
    wider = widen(seen, kind)
    if wider is None:
        raise BadData(
            source,
            f"file '{file.path}' has column '{column}' as {kind}, the files before it as {seen}",
            hint="declare the column's type under the table's `columns:`, or move the file away",
        )
    return wider


def hive_values(path: str) -> dict[str, str | None]:
    """The ``key=value`` folders of a path, by lower-cased key; the default partition is NULL."""
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        key, sign, value = folder.partition("=")
        if sign and key:
            found[unquote(key).lower()] = None if value == _NO_PARTITION else unquote(value)
    return found


def hive_types(layout: FileLayout, files: Sequence[FileStat]) -> dict[str, tuple[str, str]]:
    """Each hive key, lower-cased, with its spelling and type: declared, else what all its values fit."""
    if not layout.hive:
        return {}
    declared = {key.lower(): kind for key, kind in layout.declared.items()}
    values: dict[str, set[str | None]] = {}
    for file in files:
        for key, value in hive_values(file.path).items():
            values.setdefault(key, set()).add(value)
    return {key: (key, declared.get(key) or _sniffed(seen)) for key, seen in values.items()}


def _sniffed(values: set[str | None]) -> str:
    present = [value for value in values if value is not None]
    if present and all(re.fullmatch(r"-?\d{1,18}", value) for value in present):
        return "BIGINT"
    if present and all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) for value in present):
        return "DATE"
    return "VARCHAR"
