"""DuckDB's errors in our words: a class and our own text, never the engine's, which may hold values."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from fabric.bounds import exceeded
from fabric.errors import (
    Cancelled,
    FabricError,
    InternalError,
    InvalidValue,
    MemoryLimit,
    NotFound,
    NotSupported,
    SyntaxProblem,
)

log = logging.getLogger("ripstop.engine")

_RELATION = re.compile(r"[rc]_[0-9a-f]{16}")
_MISSING_COLUMN = re.compile(
    r'(?:Referenced column|column named|Table ".*?" does not have a column named) "([^"]*)"'
)
_MISSING_TABLE = re.compile(r'Referenced table "([^"]*)" not found')
_AMBIGUOUS = re.compile(r'Ambiguous reference to column name "([^"]*)"')
_NO_FUNCTION = re.compile(r"No function matches the given name and argument types '([^']*)'")
_TYPES = frozenset(
    [
        "BIGINT",
        "BIT",
        "BLOB",
        "BOOL",
        "BOOLEAN",
        "DATE",
        "DECIMAL",
        "DOUBLE",
        "FLOAT",
        "HUGEINT",
        "INT8",
        "INT16",
        "INT32",
        "INT64",
        "INT128",
        "INTEGER",
        "INTERVAL",
        "JSON",
        "SMALLINT",
        "TIME",
        "TIMESTAMP",
        "TINYINT",
        "UBIGINT",
        "UHUGEINT",
        "UINT8",
        "UINT16",
        "UINT32",
        "UINT64",
        "UINT128",
        "UINTEGER",
        "USMALLINT",
        "UTINYINT",
        "UUID",
        "VARCHAR",
    ]
)
_MEMORY = re.compile(r"/([0-9.]+) ([KMGT]iB) used\)")
_BINARY = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_WORD = re.compile(r"[A-Z][A-Z0-9]+")


class EngineLost(InternalError):
    """DuckDB has given itself up: after one internal error of its own (2.0.0) it runs nothing any more."""


@contextmanager
def translated() -> Iterator[None]:
    """Let only errors of our own tree out of the block."""
    try:
        yield
    except FabricError:
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise translate(error) from None


def translate(error: BaseException) -> FabricError:
    """The error of our tree for one of DuckDB's, or for one that Arrow wrapped around it."""
    text = str(error)
    if isinstance(error, duckdb.InterruptException) or text.startswith("INTERRUPT Error"):
        return Cancelled("the query was cancelled")
    for kind, build in _BUILDERS:
        if isinstance(error, kind):
            return build(text)
    # Arrow wraps an error raised mid-stream and keeps only DuckDB's class name, as a prefix.
    for prefix, build in _PREFIXES.items():
        if prefix in text[:120]:
            return build(text)
    lost = any(prefix in text[:120] for prefix in ("INTERNAL Error", "FATAL Error"))
    failure = EngineLost() if lost else InternalError()
    log.error("reference %s: %s", failure.reference, text, exc_info=error)
    return failure


def _binder(text: str) -> FabricError:
    for pattern, message in (
        (_AMBIGUOUS, "column '{}' is in more than one relation of this query"),
        (_MISSING_COLUMN, "no column '{}' in the relations of this query"),
        (_MISSING_TABLE, "no relation '{}' in this query"),
    ):
        match = pattern.search(text)
        if match and not _RELATION.search(match[1]):
            hint = (
                "say relation.column" if pattern is _AMBIGUOUS else "DESCRIBE a relation to see its columns"
            )
            return (NotFound if pattern is not _AMBIGUOUS else SyntaxProblem)(
                message.format(match[1]), hint=hint
            )
    match = _NO_FUNCTION.search(text)
    if match and not _RELATION.search(match[1]):
        return SyntaxProblem(
            f"no function takes these argument types: {match[1]}", hint="add an explicit CAST"
        )
    line = _first_line(text)
    return SyntaxProblem(f"the statement does not fit together: {line}")


def _first_line(text: str) -> str:
    """DuckDB's binder speaks of names and types only, in its first line, before "Candidate bindings"."""
    line = text.split("\n", 1)[0].split("Candidate", 1)[0]
    line = re.sub(r"^[A-Za-z ]*Error: ", "", line).strip()
    return "it cannot be bound" if _RELATION.search(line) or "'" in line else line[:200]


def _value(text: str) -> FabricError:
    too_much = exceeded(text)
    if too_much is not None:
        return too_much
    # The text quotes values: only a word that is a type's name may be repeated, and the target comes last.
    types = [word for word in _WORD.findall(text.split("\n", 1)[0]) if word in _TYPES]
    target = f" to {types[-1]}" if types else ""
    if "out of range" in text or "overflow" in text.lower() or "Out of Range" in text:
        return InvalidValue(
            f"a value is out of range{target}", hint="widen the type with CAST, or use TRY_CAST"
        )
    return InvalidValue(f"a value cannot be converted{target}", hint="TRY_CAST gives NULL instead")


def _memory(text: str) -> FabricError:
    limit = _MEMORY.search(text)
    named = f" than the {_size(limit)} that queries here may have" if limit else " than it may have"
    return MemoryLimit(f"the query needs more memory{named}", hint="select fewer columns or rows")


def _size(found: re.Match[str]) -> str:
    """DuckDB's size in the decimal units of fabric.yaml."""
    size = float(found[1]) * _BINARY[found[2]]
    return f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.0f} MB"


def _parser(_: str) -> FabricError:
    return SyntaxProblem("the statement cannot be read as DuckDB SQL")


def _unsupported(_: str) -> FabricError:
    return NotSupported("the engine does not support a part of this statement")


_BUILDERS: tuple[tuple[type[duckdb.Error], Callable[[str], FabricError]], ...] = (
    (duckdb.BinderException, _binder),
    (duckdb.CatalogException, _binder),
    (duckdb.ParserException, _parser),
    (duckdb.SyntaxException, _parser),
    (duckdb.OutOfMemoryException, _memory),
    (duckdb.ConversionException, _value),
    (duckdb.OutOfRangeException, _value),
    (duckdb.TypeMismatchException, _value),
    (duckdb.InvalidTypeException, _value),
    (duckdb.InvalidInputException, _value),
    (duckdb.NotImplementedException, _unsupported),
)
_PREFIXES: dict[str, Callable[[str], FabricError]] = {
    "Conversion Error": _value,
    "Out of Range Error": _value,
    "Mismatch Type Error": _value,
    "Invalid Input Error": _value,
    "Out of Memory Error": _memory,
    "Not implemented Error": _unsupported,
}
