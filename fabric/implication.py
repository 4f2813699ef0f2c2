"""Whether conditions over one set of rows imply another: equal columns, ranges and lists of values, the same text.

A condition counts where it is true, so that one which compares a column says too that the column is not NULL.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from sqlglot import exp

from fabric.expressions import Shape, conjuncts_of, shape_of

ColumnKey = tuple[str, str]
"""A leaf's key and a lower-cased column."""
TypeOf = Callable[[ColumnKey], str]
Value = Decimal | datetime | str

# Equal values of these are one value, whatever is computed of them; of DOUBLE (0.0 and -0.0) or INTERVAL they are not.
_INTERCHANGEABLE = re.compile(
    r"(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*\)|DATE|TIME|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE)?"
    r"|BOOLEAN|VARCHAR|UUID|BLOB)$"
)
_NUMBERS = re.compile(r"(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|DECIMAL\(.*\))$")
_PLAIN_NUMBER = re.compile(r"\d{1,15}(\.\d{1,15})?$")  # longer ones may be DOUBLE, and rounded
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?$")
_TURNED: Mapping[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE, exp.EQ: exp.EQ, exp.NEQ: exp.NEQ,
}  # fmt: skip
_NULL_REJECTING = (*_TURNED, exp.Like, exp.ILike)


_MOST_SIDES = 16
"""How many sides an OR may have that are looked at one by one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """``column op value``."""

    column: ColumnKey
    op: type[exp.Expr]
    value: Value


@dataclass
class _Known:
    """What is known of the values of one class of equal columns."""

    lower: tuple[Value, bool] | None = None
    upper: tuple[Value, bool] | None = None
    among: frozenset[Value] | None = None
    excluded: set[Value] = field(default_factory=set)
    is_set: bool = False


class Facts:
    """What conjuncts say of the rows that meet them all.

    Args:
        conjuncts: the conditions, over columns of leaves.
        type_of: the DuckDB type of a column.
    """

    def __init__(self, conjuncts: Iterable[exp.Expr], type_of: TypeOf) -> None:
        self._type_of = type_of
        self._parents: dict[ColumnKey, ColumnKey] = {}
        self._known: dict[ColumnKey, _Known] = {}
        self._conjuncts = conjuncts = list(conjuncts)
        self._choices = [each for each in conjuncts if isinstance(each, exp.Or)]
        for each in conjuncts:
            equal = equal_columns(each, type_of)
            if equal is not None:
                self._parents[self.representative(equal[0])] = self.representative(equal[1])
        self._shapes = {shape_of(self.canonical(each)) for each in conjuncts}
        for each in conjuncts:
            self._learn(each)

    def representative(self, column: ColumnKey) -> ColumnKey:
        """The one that stands for all columns that are equal to this."""
        while column in self._parents and self._parents[column] != column:
            column = self._parents[column]
        return column

    def canonical(self, node: exp.Expr) -> exp.Expr:
        """The expression with each column's representative in its place."""

        def put(one: exp.Expr) -> exp.Expr:
            if isinstance(one, exp.Column) and one.table:
                table, name = self.representative(key_of(one))
                return exp.column(name, table, quoted=True)
            return one

        return node.copy().transform(put)

    def shape(self, node: exp.Expr) -> Shape:
        """Equal for expressions that have the same value in these rows."""
        return shape_of(self.canonical(node))

    def is_set(self, node: exp.Expr) -> bool:
        """Whether an expression, a column, is never NULL."""
        bare = node.unnest()
        return isinstance(bare, exp.Column) and self._of(key_of(bare)).is_set

    def is_fixed(self, node: exp.Expr) -> bool:
        """Whether an expression, a column, has one value in all rows."""
        bare = node.unnest()
        known = self._of(key_of(bare)) if isinstance(bare, exp.Column) else None
        return known is not None and known.among is not None and len(known.among) == 1

    def says(self, conjunct: exp.Expr) -> bool:
        """Whether the very condition is among the conjuncts, or an equality that follows from theirs."""
        equal = equal_columns(conjunct, self._type_of)
        if equal is not None and self.representative(equal[0]) == self.representative(equal[1]):
            return True
        return self.shape(conjunct) in self._shapes

    def implies(self, conjunct: exp.Expr) -> bool:
        """Whether every row that meets the conjuncts meets this one."""
        if self.says(conjunct) or any(self._side_by_side(each, conjunct) for each in self._choices):
            return True
        tested = not_null(conjunct)
        if tested is not None:
            return self.is_set(tested)
        listed = among(conjunct, self._type_of)
        if listed is not None:
            known = self._of(listed[0])
            return known.among is not None and known.among <= listed[1]
        found = compared(conjunct, self._type_of)
        return found is not None and _holds(found, self._of(found.column))

    def _side_by_side(self, choice: exp.Or, conjunct: exp.Expr) -> bool:
        """Whether each side of an OR implies it, with what else is known but other ORs."""
        sides = list(islice(choice.flatten(), _MOST_SIDES + 1))
        rest = [each for each in self._conjuncts if not isinstance(each, exp.Or)]
        return len(sides) <= _MOST_SIDES and all(
            Facts([*rest, *conjuncts_of(side)], self._type_of).implies(conjunct) for side in sides
        )

    # ── learning ────────────────────────────────────────────────────────────────────────────

    def _of(self, column: ColumnKey) -> _Known:
        return self._known.setdefault(self.representative(column), _Known())

    def _learn(self, conjunct: exp.Expr) -> None:
        for column in _never_null(conjunct):
            self._of(column).is_set = True
        listed = among(conjunct, self._type_of)
        if listed is not None:
            known = self._of(listed[0])
            known.among = listed[1] if known.among is None else known.among & listed[1]
            return
        found = compared(conjunct, self._type_of)
        if found is None:
            return
        known, value = self._of(found.column), found.value
        if found.op is exp.EQ:
            known.among = frozenset({value}) if known.among is None else known.among & {value}
        elif found.op is exp.NEQ:
            known.excluded.add(value)
        elif found.op in (exp.LT, exp.LTE):
            end = (value, found.op is exp.LTE)
            if known.upper is None or end < known.upper:
                known.upper = end
        else:
            start = (value, found.op is exp.GT)
            if known.lower is None or start > known.lower:
                known.lower = start


def _holds(wanted: Compared, known: _Known) -> bool:
    """Whether all values that are known to be possible compare as wanted."""
    value, op = wanted.value, wanted.op
    if known.among is not None and all(_compares(each, op, value) for each in known.among):
        return True
    upper, lower = known.upper, known.lower
    if op is exp.NEQ and value in known.excluded:
        return True
    # Of a bound that is itself a value, only <= and >= hold.
    below = upper is not None and (
        upper[0] < value or (upper[0] == value and (op is exp.LTE or not upper[1]))  # type: ignore[operator]
    )
    above = lower is not None and (
        lower[0] > value or (lower[0] == value and (op is exp.GTE or lower[1]))  # type: ignore[operator]
    )
    return (below and op in (exp.LT, exp.LTE, exp.NEQ)) or (above and op in (exp.GT, exp.GTE, exp.NEQ))


def _compares(one: Value, op: type[exp.Expr], other: Value) -> bool:
    if op is exp.EQ:
        return one == other
    if op is exp.NEQ:
        return one != other
    less, equal = one < other, one == other  # type: ignore[operator]
    if op in (exp.LT, exp.LTE):
        return bool(less or (equal and op is exp.LTE))
    return bool((not less and not equal) or (equal and op is exp.GTE))


def _never_null(conjunct: exp.Expr) -> Iterable[ColumnKey]:
    sides: tuple[exp.Expr, ...]
    tested = not_null(conjunct)
    if tested is not None:
        return (key_of(tested),) if isinstance(tested, exp.Column) else ()
    if isinstance(conjunct, _NULL_REJECTING):
        sides = (conjunct.this.unnest(), conjunct.expression.unnest())
    elif isinstance(conjunct, exp.In) and not conjunct.args.get("query"):
        sides = (conjunct.this.unnest(),)
    else:
        return ()
    return [key_of(side) for side in sides if isinstance(side, exp.Column)]


# ── reading conditions ───────────────────────────────────────────────────────────────────────


def is_interchangeable(kind: str) -> bool:
    """Whether equal values of a type are the same value, whatever is computed of them."""
    return _INTERCHANGEABLE.match(kind) is not None


def key_of(column: exp.Column) -> ColumnKey:
    """A column of a block as a key."""
    return (column.table, column.name.lower())


def equal_columns(conjunct: exp.Expr, type_of: TypeOf) -> tuple[ColumnKey, ColumnKey] | None:
    """The two columns that a conjunct says are the same value."""
    if not isinstance(conjunct, exp.EQ):
        return None
    one, other = conjunct.this.unnest(), conjunct.expression.unnest()
    if not (isinstance(one, exp.Column) and isinstance(other, exp.Column)):
        return None
    if key_of(one) == key_of(other):
        return None  # it says that the column is not NULL
    kinds = {type_of(key_of(one)), type_of(key_of(other))}
    if len(kinds) != 1 or not is_interchangeable(kinds.pop()):
        return None
    return key_of(one), key_of(other)


def not_null(conjunct: exp.Expr) -> exp.Expr | None:
    """What ``x IS NOT NULL`` is about."""
    inner = conjunct.this.unnest() if isinstance(conjunct, exp.Not) else None
    if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null):
        tested: exp.Expr = inner.this.unnest()
        return tested
    return None


def among(conjunct: exp.Expr, type_of: TypeOf) -> tuple[ColumnKey, frozenset[Value]] | None:
    """``column IN (values)``."""
    if not isinstance(conjunct, exp.In) or not isinstance(conjunct.this.unnest(), exp.Column):
        return None
    column = key_of(conjunct.this.unnest())
    values = [value_of(each, type_of(column)) for each in conjunct.args.get("expressions") or ()]
    if not values or any(value is None for value in values):
        return None
    return column, frozenset(value for value in values if value is not None)


def compared(conjunct: exp.Expr, type_of: TypeOf) -> Compared | None:
    """A conjunct as a comparison of a column with a value."""
    if type(conjunct) not in _TURNED:
        return None
    left, right, op = conjunct.this.unnest(), conjunct.expression.unnest(), type(conjunct)
    if isinstance(right, exp.Column):
        left, right, op = right, left, _TURNED[op]
    if not isinstance(left, exp.Column):
        return None
    value = value_of(right, type_of(key_of(left)))
    return None if value is None else Compared(key_of(left), op, value)


def value_of(node: exp.Expr, kind: str) -> Value | None:
    """A constant, as DuckDB compares it with a column of a type; None where that is not certain."""
    node = node.unnest()
    if kind == "VARCHAR":
        return node.name if isinstance(node, exp.Literal) and node.is_string else None
    if _NUMBERS.match(kind):
        return _number(node)
    if isinstance(node, exp.Literal):  # DuckDB reads a text as the column's type
        return _read(node, kind) if kind in ("DATE", "TIMESTAMP") and node.is_string else None
    return _moment(node) if kind in ("DATE", "TIMESTAMP") else None


def _number(node: exp.Expr) -> Decimal | None:
    if isinstance(node, exp.Neg):
        found = _number(node.this.unnest())
        return None if found is None else -found
    if isinstance(node, exp.Cast) and node.to.this == exp.DType.DECIMAL and len(node.to.expressions) == 2:
        text, scale = node.this, node.to.expressions[1].name
        exact = isinstance(text, exp.Literal) and _PLAIN_NUMBER.match(text.name)
        fits = exact and len(text.name.partition(".")[2]) <= int(scale)  # else it is rounded
        return Decimal(text.name) if fits else None
    plain = isinstance(node, exp.Literal) and not node.is_string and _PLAIN_NUMBER.match(node.name)
    return Decimal(node.name) if plain else None


def _moment(node: exp.Expr) -> datetime | None:
    if isinstance(node, exp.Cast) and node.to.this in (exp.DType.DATE, exp.DType.TIMESTAMP):
        text = node.this
        return _read(text, node.to.this.value) if isinstance(text, exp.Literal) and text.is_string else None
    if isinstance(node, exp.Add | exp.Sub) and isinstance(node.expression.unnest(), exp.Interval):
        start = node.this.unnest()
        found = _moment(start) if isinstance(start, exp.Cast) else None
        sign = 1 if isinstance(node, exp.Add) else -1
        return None if found is None else _later(found, node.expression.unnest(), sign)
    return None


def _read(text: exp.Expr, kind: str) -> datetime | None:
    try:
        if _DATE.match(text.name) or (kind == "TIMESTAMP" and _MOMENT.match(text.name)):
            return datetime.fromisoformat(text.name)
    except ValueError:
        return None
    return None


def _later(start: datetime, interval: exp.Expr, sign: int) -> datetime | None:
    """As DuckDB reckons: a day that a month has not is its last."""
    amount, unit = interval.this, interval.text("unit").upper().removesuffix("S")
    if not isinstance(amount, exp.Literal) or not amount.name.isdigit() or len(amount.name) > 5:
        return None
    count = sign * int(amount.name)
    try:
        if unit in ("DAY", "WEEK"):
            return start + timedelta(days=count * (7 if unit == "WEEK" else 1))
        if unit not in ("MONTH", "YEAR"):
            return None
        months = start.year * 12 + start.month - 1 + count * (12 if unit == "YEAR" else 1)
        year, month = months // 12, months % 12 + 1
        return start.replace(year=year, month=month, day=min(start.day, calendar.monthrange(year, month)[1]))
    except (ValueError, OverflowError):
        return None
