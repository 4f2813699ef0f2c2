"""What users.yaml or a token says of a person, as a literal of the type that a policy asks for.

What can be cast is decided here, by the value alone and more strictly than DuckDB would: no rounding to a whole
number, no ``nan``, which is greater than every other number and would open a rule such as ``amount < limit``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

from sqlglot import exp

_ALIASES = {"TEXT": "VARCHAR", "STRING": "VARCHAR", "INT": "INTEGER", "BOOL": "BOOLEAN"}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)(?:\(([0-9]{1,2})(?:,([0-9]{1,2}))?\))?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
_EXACT = Context(prec=900)


def target(text: str) -> str:
    """The canonical name of the type that a policy wants an attribute in.

    Raises:
        ValueError: attributes are not cast to such a type.
    """
    written = re.sub(r"\s", "", text).upper()
    name = _ALIASES.get(written, written)
    if name in _CASTS:
        return name
    decimal = _DECIMAL.fullmatch(written)
    if decimal is not None:
        # DuckDB's own defaults: DECIMAL is DECIMAL(18,3), DECIMAL(p) is DECIMAL(p,0).
        width = int(decimal[1] or 18)
        scale = int(decimal[2] or (0 if decimal[1] else 3))
        if 1 <= width <= 38 and scale <= width:
            return f"DECIMAL({width},{scale})"
    raise ValueError(f"an attribute cannot be had as '{text}'; {', '.join(_CASTS)} and DECIMAL(p,s) can be")


def literal_as(value: object, wanted: str) -> exp.Expr:
    """A value as a literal of the type.

    Args:
        value: text, number, boolean, date or moment.
        wanted: a type as ``target`` names it.

    Raises:
        ValueError: it cannot be cast; the message does not hold the value.
    """
    cast = _CASTS.get(wanted)
    try:
        made = _decimal(value, wanted) if cast is None else cast(value)
    except (ValueError, TypeError, OverflowError, InvalidOperation):
        raise ValueError(f"no {wanted}") from None
    if isinstance(made, bool):
        return exp.Boolean(this=made)
    # Text of any kind inside a CAST: DuckDB reads the same value back, and the literal has its type.
    return exp.cast(exp.Literal.string(made), wanted, dialect="duckdb")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or "\x00" in value:
        raise TypeError
    value.encode()  # a lone surrogate, which JSON can hold, is no text for DuckDB
    return value


def _whole(bits: int) -> Callable[[object], str]:
    def cast(value: object) -> str:
        number = _number(value)
        if number != number.to_integral_value() or not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise ValueError
        return str(int(number))

    return cast


def _double(value: object) -> str:
    number = float(_number(value))
    if number in (float("inf"), float("-inf")):
        raise ValueError
    return repr(number)


def _decimal(value: object, wanted: str) -> str:
    width, scale = map(int, wanted[len("DECIMAL(") : -1].split(","))
    number = _number(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)
    if abs(number) >= Decimal(10) ** (width - scale):
        raise ValueError
    return f"{number:f}"


def _number(value: object) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int):
        return _EXACT.create_decimal(value)
    text = repr(value) if isinstance(value, float) else str(value) if isinstance(value, Decimal) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip()):
        raise TypeError
    return _EXACT.create_decimal(text.strip())


def _boolean(value: object) -> bool:
    if isinstance(value, bool | int) and value in (0, 1):
        return bool(value)
    if not isinstance(value, str):
        raise TypeError
    found = _BOOLEANS.get(value.strip().lower())
    if found is None:
        raise ValueError
    return found


def _date(value: object) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        return date.fromisoformat(value.strip()).isoformat()
    return _moment(value).date().isoformat()


def _timestamp(value: object) -> str:
    return _moment(value).isoformat(sep=" ")


def _moment(value: object) -> datetime:
    """The moment in UTC, without a zone."""
    if isinstance(value, str):
        if not _MOMENT.fullmatch(value.strip()):
            raise ValueError
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise TypeError


_CASTS: dict[str, Callable[[object], str | bool]] = {
    "VARCHAR": _text,
    "BIGINT": _whole(64),
    "INTEGER": _whole(32),
    "DOUBLE": _double,
    "BOOLEAN": _boolean,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
}
