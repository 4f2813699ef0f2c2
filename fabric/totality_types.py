"""Types in DuckDB's bound plans, and the casts between them that cannot raise.

Every rule was tried on DuckDB 2.0.0 over the extremes of its types, bytes that no type should hold included; the
tests try them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Node = Mapping[str, Any]
"""A part of a plan, as JSON has it."""

UNKNOWN = "?"
_BOOLEAN: Node = {"id": "BOOLEAN", "type_info": None}
FLOATS = frozenset({"FLOAT", "DOUBLE"})
_SIGNED = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_UNSIGNED = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
RANGES: Mapping[str, tuple[int, int]] = {
    **{kind: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for kind, bits in _SIGNED.items()},
    **{kind: (0, 2**bits - 1) for kind, bits in _UNSIGNED.items()},
}
"""The least and the greatest value of each integer type."""
UNSIGNED = frozenset(_UNSIGNED)
WORDS = frozenset(kind for kind in RANGES if "HUGE" not in kind)
"""Integers of at most 64 bits: it takes 2^64 rows for their sum to leave the 128 bits that DuckDB adds them in."""

_SHORT = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "TIME WITH TIME ZONE": "TIMETZ"}
_SCALARS = frozenset(
    {
        "BOOLEAN", *RANGES, *FLOATS, "VARCHAR", "BLOB", "BIT", "UUID", "INTERVAL", "DATE", "TIME", "TIMETZ",
        "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ", "NULL",
    }
)  # fmt: skip
SIZED = frozenset({"VARCHAR", "JSON", "BLOB", "BIT", "LIST", "ARRAY", "STRUCT", "TUPLE", "MAP", UNKNOWN})
"""Types whose values have no greatest size."""

# A TIMESTAMP is not among them: Parquet may hold one before the first that DuckDB can write (290309 BC), and its
# cast to VARCHAR then ends the whole instance with an internal error. TIMESTAMP_S and _MS are as bad.
_SPELLED = frozenset(
    {"BOOLEAN", *RANGES, *FLOATS, "DATE", "TIME", "TIMETZ", "TIMESTAMPTZ", "TIMESTAMP_NS", "INTERVAL", "UUID", "ENUM"}
)  # fmt: skip
_TRIED = frozenset({"BOOLEAN", *RANGES, *FLOATS, "VARCHAR", "DATE", "TIME", "INTERVAL", "UUID"})
_TRIED_SOURCES = _TRIED | {"TIMESTAMPTZ", "TIMESTAMP_NS", "ENUM"}
_TRIED_TARGETS = _TRIED | {"TIMESTAMP", "TIMESTAMPTZ"}


def type_of(expression: Node) -> Node:
    """An expression's type; a constant has it in its value, AND and OR have none."""
    type_: Node
    match expression["expression_class"]:
        case "BOUND_CONJUNCTION":
            type_ = _BOOLEAN
        case "BOUND_CONSTANT":
            type_ = expression["value"]["type"]
        case _:
            type_ = expression["return_type"]
    return type_


def kind(expression: Node) -> str:
    """The name of an expression's type, as ``kind_of`` has it."""
    return kind_of(type_of(expression))


def kind_of(type_: Node) -> str:
    """A type's name: ``DECIMAL(10,2)`` with its size, nested types and enums without what they hold.

    ``UNKNOWN`` for one that is not known to compare and to sort without raising, or that holds such a one.
    """
    identifier, info = type_["id"], type_["type_info"]
    if info is None:
        name = _SHORT.get(identifier, identifier)
        return name if name in _SCALARS else UNKNOWN
    if info["extension_info"] is not None:
        return UNKNOWN
    if info["alias"]:
        return "JSON" if (identifier, info["alias"]) == ("VARCHAR", "JSON") else UNKNOWN
    if identifier == "DECIMAL":
        return f"DECIMAL({info['width']},{info['scale']})"
    if identifier == "ENUM":
        return "ENUM"
    parts: list[Node] = []
    if identifier in ("LIST", "ARRAY", "MAP"):
        parts = [info["child_type"]]
    elif identifier in ("STRUCT", "TUPLE"):
        parts = [child["second"] for child in info["child_types"]]
    return identifier if parts and UNKNOWN not in map(kind_of, parts) else UNKNOWN


def decimal(kind: str) -> tuple[int, int] | None:
    """A DECIMAL's width and scale."""
    if not kind.startswith("DECIMAL("):
        return None
    width, _, scale = kind[len("DECIMAL(") : -1].partition(",")
    return int(width), int(scale)


def fits(source: Node, target: Node) -> bool:
    """Whether every value of one type has its like in the other."""
    if source == target:
        return True
    if source["id"] == target["id"] == "LIST":
        return fits(source["type_info"]["child_type"], target["type_info"]["child_type"])
    if source["id"] == target["id"] == "TUPLE":
        parts = [
            [child["second"] for child in type_["type_info"]["child_types"]] for type_ in (source, target)
        ]
        return len(parts[0]) == len(parts[1]) and all(map(fits, *parts))
    return _widens(kind_of(source), kind_of(target))


def _widens(source: str, target: str) -> bool:
    if target == "VARCHAR":
        return source in _SPELLED or source == "JSON" or decimal(source) is not None
    if target in FLOATS:
        return source in RANGES or source in ("BOOLEAN", "FLOAT") or decimal(source) is not None
    if target == "BOOLEAN":
        return source in RANGES
    if target == "DATE":
        return source in ("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS")
    if target == "TIMESTAMP":
        return source == "TIMESTAMP_NS"
    if target in RANGES:
        return _fits_integer(source, target)
    sizes = decimal(target)
    return sizes is not None and _fits_decimal(source, *sizes)


def tried(source: str, target: str) -> bool:
    """Whether a failing cast between these makes NULL of TRY and of TRY_CAST: some end in an error all the same."""
    if source == "TIMESTAMP":
        return target in ("DATE", "TIME", "TIMESTAMP")
    from_known = source in _TRIED_SOURCES or decimal(source) is not None
    return from_known and (target in _TRIED_TARGETS or decimal(target) is not None)


def _fits_integer(source: str, target: str) -> bool:
    least, greatest = RANGES[target]
    if source in RANGES:
        return least <= RANGES[source][0] and RANGES[source][1] <= greatest
    sizes = decimal(source)
    if sizes is None:
        return source == "BOOLEAN"
    beyond: int = 10 ** (sizes[0] - sizes[1] + (1 if sizes[1] else 0))
    return least < 0 and beyond - 1 <= greatest


def _fits_decimal(source: str, width: int, scale: int) -> bool:
    if source in RANGES:
        beyond: int = 10 ** (width - scale)
        return -RANGES[source][0] < beyond and RANGES[source][1] < beyond
    sizes = decimal(source)
    if sizes is None:
        return source == "BOOLEAN" and width > scale
    rounded = 1 if scale < sizes[1] else 0
    return width - scale >= sizes[0] - sizes[1] + rounded
