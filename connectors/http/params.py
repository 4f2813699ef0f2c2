"""Predicates → requests: which conjuncts become parameters, and which requests cover them.

Values are first brought to the column's own type (``fit``); one that does not fit exactly is not sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

import pyarrow as pa

from connectors.http.records import RecordColumn, RecordShape
from connectors.http.settings import RestTableSettings
from connectors.http.types import Family, TimeFormat
from fabric.errors import InvalidValue
from fabric.predicates import Comparison, Membership, Predicate, PredicateWord, Value
from fabric.pushdown import describe
from fabric.types import Refusal, Scan

MAX_REQUESTS = 1000
"""Requests that the values of one scan may become; more is an error, or not pushed where it need not be."""

_Op = Literal["=", "<", "<=", ">", ">="]
_UNITS = {"epoch": 1_000_000, "epoch_ms": 1_000}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a request that takes values of one column: a parameter, or a part of the path."""

    column: RecordColumn
    name: str
    op: _Op
    in_path: bool = False
    comma: bool = False
    max_values: int = 1
    format: TimeFormat | None = None
    exact: bool = True
    required: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What the rows of one request must satisfy because of one parameter of it.

    ``values`` are as Arrow takes them. A row that does not satisfy it is an error when ``exact``, and
    belongs to another request, or to none, when not.
    """

    column: str
    op: _Op
    values: tuple[object, ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """One series of requests: path and parameters without those of paging."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def target(self) -> str:
        """Path and query, encoded."""
        return with_query(self.path, self.query)


@dataclass(slots=True)
class _Pick:
    """The values that a slot is to take, with the predicates that they stand for."""

    values: tuple[Any, ...]
    predicates: list[Predicate] = field(default_factory=list)


def with_query(path: str, query: Iterable[tuple[str, str]]) -> str:
    """A path with parameters added, encoded as RFC 3986 asks; commas stay readable."""
    text = "&".join(f"{quote(name, safe='')}={quote(value, safe=',:')}" for name, value in query)
    return path + ("&" if "?" in path else "?") + text if text else path


def slots_of(shape: RecordShape, table: RestTableSettings) -> tuple[Slot, ...]:
    """Every place of a table's requests that takes a value."""
    in_path = [
        Slot(shape.column(name), name, "=", in_path=True, required=True) for name in table.placeholders
    ]
    return (
        *in_path,
        *(
            Slot(
                column=shape.column(name),
                name=param.name or name,
                op="=" if param.op == "in" else param.op,
                comma=param.style == "comma",
                max_values=param.max_values if param.op == "in" else 1,
                format=param.format,
                exact=param.exact,
                required=param.required,
            )
            for name, params in table.params.items()
            for param in params
        ),
    )


def words_of(slots: Sequence[Slot]) -> dict[str, frozenset[PredicateWord]]:
    """The predicates that the source applies exactly, by lower-cased column."""
    words: dict[str, frozenset[PredicateWord]] = {}
    for slot in slots:
        if slot.exact:
            more: frozenset[PredicateWord] = frozenset({"=", "in"} if slot.op == "=" else {slot.op})
            column = slot.column.name.lower()
            words[column] = words.get(column, frozenset()) | more
    return words


@dataclass(frozen=True, slots=True)
class Asks:
    """What becomes of a scan: its requests, the conjuncts that they apply exactly, and the others."""

    asks: tuple[Ask, ...]
    taken: tuple[Predicate, ...]
    refused: tuple[Refusal, ...]


def plan_asks(scan: Scan, path: str, slots: Sequence[Slot]) -> Asks:
    """The requests of a scan.

    Args:
        scan: its conjuncts are read, and nothing else.
        path: the table's path under the root, with its placeholders.
        slots: the table's own.

    Raises:
        InvalidValue: a required parameter has no value, or one that cannot be sent, or too many.
    """
    picks: dict[Slot, _Pick] = {}
    refused: list[Refusal] = []
    for predicate in scan.predicates:
        why = _pick(predicate, slots, picks)
        if why:
            refused.append(Refusal(describe(predicate), why))
    _require(scan, slots, picks, refused)
    refused += _shrink(scan, picks)
    taken: list[Predicate] = []
    for slot, pick in picks.items():
        if slot.exact:
            taken += pick.predicates
        else:
            why = f"sent as '{slot.name}', which the source does not honour exactly: filtered again"
            refused += [Refusal(describe(predicate), why) for predicate in pick.predicates]
    known = {id(predicate) for predicate in taken}
    ordered = tuple(predicate for predicate in scan.predicates if id(predicate) in known)
    return Asks(tuple(_asks(path, picks)), ordered, tuple(refused))


def _pick(predicate: Predicate, slots: Sequence[Slot], picks: dict[Slot, _Pick]) -> str:
    """Give the predicate to its slot; the answer is why not, or nothing."""
    if isinstance(predicate, Membership) and not predicate.negated:
        op, values, word = "=", predicate.values, "in"
    elif isinstance(predicate, Comparison):
        op, values, word = predicate.op, (predicate.value,), predicate.op
    else:
        return "the source has no parameter for such a condition"
    slot = next((s for s in slots if s.op == op and s.column.name.lower() == predicate.column.lower()), None)
    if slot is None:
        return f"{predicate.column} is not filtered by '{word}' at the source"
    fitted = tuple(dict.fromkeys(fit(slot.column, value) for value in values))
    if None in fitted or any(render(slot, value) is None for value in fitted):
        return f"a value cannot be sent exactly as '{slot.name}'"
    known = picks.get(slot)
    if known is None:
        picks[slot] = _Pick(fitted, [predicate])
        return ""
    if op == "=":
        known.values = tuple(value for value in known.values if value in fitted)
    else:
        known.values = ((min if op in ("<", "<=") else max)(*known.values, *fitted),)
    known.predicates.append(predicate)
    return ""


def _require(
    scan: Scan, slots: Sequence[Slot], picks: Mapping[Slot, _Pick], refused: Sequence[Refusal]
) -> None:
    missing = next((slot for slot in slots if slot.required and slot not in picks), None)
    if missing is None:
        return
    column, word = missing.column.name, missing.op
    unfit = f"a value cannot be sent exactly as '{missing.name}'"
    tried = any(refusal.why == unfit for refusal in refused)
    advice = f"WHERE {column} = … or {column} IN (…)" if word == "=" else f"WHERE {column} {word} …"
    raise InvalidValue(
        f"table {scan.table.name} needs a value of {column} for its parameter '{missing.name}'"
        + (", and the one given cannot be sent" if tried else ""),
        hint=f"compare it with a value of type {missing.column.text}: {advice}" if tried else f"add {advice}",
    )


def _shrink(scan: Scan, picks: dict[Slot, _Pick]) -> list[Refusal]:
    """Leave the longest lists that need not be sent until the requests are few enough."""
    refused: list[Refusal] = []
    while math.prod(_requests(slot, pick) for slot, pick in picks.items()) > MAX_REQUESTS:
        optional = [slot for slot in picks if not slot.required]
        if not optional:
            names = ", ".join(slot.column.name for slot in picks if slot.required)
            raise InvalidValue(
                f"table {scan.table.name} would be asked more than {MAX_REQUESTS} times for the values of {names}",
                hint="ask for fewer values at once",
            )
        longest = max(optional, key=lambda slot: _requests(slot, picks[slot]))
        why = f"its values would take more than {MAX_REQUESTS} requests"
        refused += [Refusal(describe(predicate), why) for predicate in picks.pop(longest).predicates]
    return refused


def _requests(slot: Slot, pick: _Pick) -> int:
    return -(-len(pick.values) // slot.max_values)


def _asks(path: str, picks: Mapping[Slot, _Pick]) -> Iterator[Ask]:
    chunks = [
        [
            pick.values[start : start + slot.max_values]
            for start in range(0, len(pick.values), slot.max_values)
        ]
        for slot, pick in picks.items()
    ]
    for choice in product(*chunks):
        chosen = dict(zip(picks, choice, strict=True))
        query: list[tuple[str, str]] = []
        places: dict[str, str] = {}
        for slot, values in chosen.items():
            texts = [render(slot, value) or "" for value in values]
            if slot.in_path:
                places[slot.name.lower()] = quote(texts[0], safe="")
            elif slot.comma:
                query.append((slot.name, ",".join(texts)))
            else:
                query += [(slot.name, text) for text in texts]
        conditions = tuple(
            Condition(slot.column.name, slot.op, tuple(map(_arrow, values)), slot.exact)
            for slot, values in chosen.items()
        )
        yield Ask(_filled(path, places), tuple(query), conditions)


def _filled(path: str, places: Mapping[str, str]) -> str:
    return re.sub(r"\{([^{}]*)\}", lambda match: places[match[1].lower()], path)


def _arrow(value: object) -> object:
    return value.bytes if isinstance(value, UUID) else value


def fit(column: RecordColumn, value: Value) -> Any:
    """The value in the column's own type, or None when the comparison would not mean the same there."""
    family = column.type.family
    if family == "boolean" or isinstance(value, bool):
        return value if family == "boolean" and isinstance(value, bool) else None
    if family == "text":
        return value if isinstance(value, str) else None
    if family in ("integer", "decimal"):
        return _fit_number(column, value)
    if family == "double":
        return _fit_double(value)
    if family == "uuid":
        return value if isinstance(value, UUID) else _fit_uuid(value)
    return _fit_time(family, value)


def _fit_number(column: RecordColumn, value: Value) -> int | Decimal | None:
    number: int | Decimal | None = value if isinstance(value, int) else None
    if column.type.family == "decimal" and isinstance(value, Decimal):
        number = value
    try:
        return number if pa.scalar(number, column.type.arrow).is_valid else None
    except (pa.ArrowInvalid, OverflowError):
        return None


def _fit_double(value: Value) -> float | None:
    if not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return None if isinstance(value, int) and number != value else number


def _fit_uuid(value: Value) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _fit_time(family: Family, value: Value) -> Any:
    if isinstance(value, datetime):
        if family == "timestamptz" and value.tzinfo is not None:
            return value.astimezone(UTC)
        return value if family == "timestamp" and value.tzinfo is None else None
    if isinstance(value, date):
        if family == "date":
            return value
        return datetime(value.year, value.month, value.day) if family == "timestamp" else None
    return None


def render(slot: Slot, value: object) -> str | None:
    """The value as the parameter takes it; None when it has no exact form there."""
    if isinstance(value, date) and slot.format:
        return _epoch(value, slot.format)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        return repr(value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    # An empty parameter means "no filter" to many; dots would climb the path; a comma would part the value.
    ambiguous = not text or (slot.in_path and text in (".", "..")) or (slot.comma and "," in text)
    return None if ambiguous else text


def _epoch(value: date, time_format: TimeFormat) -> str | None:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    since = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    whole, rest = divmod(micros, _UNITS[time_format])
    return None if rest else str(whole)
