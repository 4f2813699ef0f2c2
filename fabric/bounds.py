"""What a user may have DuckDB make in one piece: calls whose arguments give a size, bounded.

Inside one call DuckDB heeds neither an interrupt nor its ``memory_limit``: under 500 MB of it ``repeat`` took
3 GB and ``range`` as a list 4 GB in five seconds, unstoppable. A size that stands in the statement is checked
here, any other by the statement itself: its arguments are evaluated once, into the one element of a list, and
a lambda over it checks and calls:

    list_transform([{'a0': s, 'a1': n}],
                   lambda v: CASE WHEN <more> THEN <raise> ELSE repeat(v['a0'], v['a1']) END)[1]

``range`` and ``generate_series`` in FROM are left alone: as tables they stream. What grows without such an
argument (``replace``, ``||``, a window of lists) is bounded by ``server.watch``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from fabric.confirm import functions
from fabric.errors import InvalidValue, NotSupported

MOST = 1_000_000
"""Elements, characters or bytes that one call may make when all of its arguments are constants."""

MOST_A_ROW = 100_000
"""The same when it is called for each row, of which DuckDB takes 2,048 at a time."""

_MARK = "ripstop bound"
_MARKED = re.compile(rf"string '{_MARK} (\w+) (\d+)' to BOOL")

MOST_CALLS = 1_000
"""Calls in one statement that check themselves: each makes it longer."""

# A width or a precision of five digits, or one that is taken from an argument.
_WIDE_FORMAT = r"\{[^{}]*(\d{5}|\{)"
_WIDE_PRINTF = r"%[-+ #0'$.\d]*(\d{5}|\*)"


@dataclass(frozen=True, slots=True)
class _Bound:
    """One function's bound.

    Args:
        needs: positions of the arguments that give the size.
        more: SQL over ``_0``, ``_1``, … and ``_most``: whether it would be more than that.
        size: the same size of constants.
        unit: what is counted, or for ``says`` nothing.
        says: the whole message, where it is not a count.
        most: a bound of its own.
    """

    needs: tuple[int, ...]
    more: str
    size: Callable[[Sequence[float | str]], float]
    unit: str = ""
    says: str = ""
    most: int | None = None


def _given(position: int, unit: str) -> _Bound:
    """The bound of a function of which one argument is the size."""
    return _Bound((position,), f"_{position} > _most", lambda values: _number(values[0]), unit)


def _series(inclusive: bool) -> _Bound:
    """Whether ``_most`` steps lead beyond the end; an overflow on the way there leads beyond any end."""
    beyond = "TRY(_0 + _2 * CAST(_most AS BIGINT))"
    equal = "=" if inclusive else ""
    more = (
        f"CASE WHEN TRY(_0 + _2) > _0 THEN {beyond} <{equal} _1 "
        f"WHEN TRY(_0 + _2) < _0 THEN {beyond} >{equal} _1 END"
    )

    def size(values: Sequence[float | str]) -> float:
        start, end, step = map(_number, values)
        return (end - start) / step + inclusive if step else 0.0

    return _Bound((0, 1, 2), more, size, "elements")


def _widths(pattern: str, escaped: str) -> _Bound:
    says = "takes widths of at most four digits, which stand in its first argument"
    quoted = pattern.replace("'", "''")
    more = f"regexp_matches(replace(_0, '{escaped}', ''), '{quoted}')"

    def size(values: Sequence[float | str]) -> float:
        return math.inf if re.search(pattern, str(values[0]).replace(escaped, "")) else 0.0

    return _Bound((0,), more, size, says=says)


def _distance(most: int) -> _Bound:
    """Edit distances take time, and some memory, by the product of the two lengths."""
    says = f"takes texts whose lengths in bytes multiply to at most {most:,}"
    more = "CAST(strlen(CAST(_0 AS VARCHAR)) AS DOUBLE) * strlen(CAST(_1 AS VARCHAR)) > _most"
    return _Bound(
        (0, 1), more, lambda values: math.prod(len(_bytes(v)) for v in values), says=says, most=most
    )


_BOUNDS: Mapping[str, _Bound] = {
    "repeat": _Bound(
        (0, 1),
        "CAST(strlen(CAST(_0 AS VARCHAR)) AS DOUBLE) * CAST(_1 AS DOUBLE) > _most",
        lambda values: len(_bytes(values[0])) * _number(values[1]),
        "bytes",
    ),
    "lpad": _given(1, "characters"),
    "rpad": _given(1, "characters"),
    "bitstring": _given(1, "bits"),
    "list_resize": _given(1, "elements"),
    "array_resize": _given(1, "elements"),
    "equi_width_bins": _given(2, "elements"),
    "range": _series(inclusive=False),
    "generate_series": _series(inclusive=True),
    "format": _widths(_WIDE_FORMAT, "{{"),
    "printf": _widths(_WIDE_PRINTF, "%%"),
    "levenshtein": _distance(1_000_000),
    "editdist3": _distance(1_000_000),
    "damerau_levenshtein": _distance(100_000),
    "jaro_similarity": _distance(10_000_000),
    "jaro_winkler_similarity": _distance(10_000_000),
}
_BY_NAME = frozenset(["list_aggr", "list_aggregate", "array_aggr", "array_aggregate"])
"""Functions whose second argument names an aggregate."""

MOST_COUNTED = 10_000
"""Values that ``approx_top_k`` may keep for each group, for which it takes the memory beforehand."""

_NAMES = frozenset(["approx_top_k", *_BOUNDS, *_BY_NAME])
_NAMED = re.compile(rf"\b({'|'.join(_NAMES)})\b", re.IGNORECASE)
_CONSTANT = (
    exp.Literal,
    exp.Null,
    exp.Boolean,
    exp.Neg,
    exp.Paren,
    exp.Cast,
    exp.DataType,
    exp.DataTypeParam,
    exp.Interval,
    exp.Var,
)


def bounded(tree: exp.Expr) -> exp.Expr:
    """The statement with every call bounded that could make something of any size.

    Args:
        tree: a statement, parameters bound; it is not changed.

    Raises:
        InvalidValue: a constant is beyond its bound.
        NotSupported: a call is written in a way that cannot be bounded.
    """
    text = tree.sql(dialect="duckdb")
    if not _NAMED.search(text):
        return tree
    # The generator makes calls that the tree does not hold: SPACE(n) is REPEAT(' ', n). The text is what runs.
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError):
        raise NotSupported("the statement cannot be read again", hint="write it in simpler parts") from None
    _plain_calls(tree)
    calls = [
        (node, *call) for node in tree.find_all(exp.Func) if (call := _call(node)) and not _is_table(node)
    ]
    lambda_name = next(name for n in count() if (name := f"sized{n}") not in text.lower())
    unnamed: set[int] = set()
    checked = 0
    for node, name, arguments in reversed(calls):
        most = _to_check(node, name, arguments)
        if most is None:
            continue
        checked += 1
        if checked > MOST_CALLS:
            raise NotSupported(f"a statement may hold {MOST_CALLS:,} calls of functions such as {name}()")
        _keep_names(node, unnamed)
        node.replace(_checked(name, arguments, most, lambda_name))
    return tree


def exceeded(text: str) -> InvalidValue | None:
    """The error for what DuckDB says when a check of ours fails; None for anything else that it says."""
    match = _MARKED.search(text)
    name, most = (match[1], int(match[2])) if match else ("", 0)
    bound = _BOUNDS.get(name)
    if bound is None or most not in (MOST, MOST_A_ROW, bound.most):
        return None
    return _too_much(name, bound, most)


def _too_much(name: str, bound: _Bound, most: int) -> InvalidValue:
    if bound.says:
        return InvalidValue(f"{name}() {bound.says}")
    hint = (
        f"as a table, FROM {name}(…), it may be of any size" if name in ("range", "generate_series") else ""
    )
    if most == MOST_A_ROW and not hint:
        hint = f"with constants alone it may make {MOST:,}"
    return InvalidValue(f"{name}() may make at most {most:,} {bound.unit} here", hint=hint)


def _call(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    """The name and the arguments of a call that has a bound; None for any other."""
    match node:
        case exp.Repeat(args={"this": text, "times": times}):
            return "repeat", [text, times]
        case exp.Pad(args={"this": text, "expression": width, "is_left": left}):
            fill = node.args.get("fill_pattern") or exp.Literal.string(" ")
            return "lpad" if left else "rpad", [text, width, fill]
        case exp.GenerateSeries(args={"start": start, "end": end}):
            step = node.args.get("step") or exp.Literal.number(1)
            return "range" if node.args.get("is_end_exclusive") else "generate_series", [start, end, step]
        case exp.Format():
            return "format", [node.this, *node.expressions]
        case exp.Levenshtein():
            return "levenshtein", [node.this, node.expression]
        case exp.JarowinklerSimilarity():
            return "jaro_winkler_similarity", [node.this, node.expression]
        case exp.ApproxTopK():
            return "approx_top_k", list(node.iter_expressions())
        case exp.Anonymous() if (name := node.name.lower()) in _NAMES:
            return name, list(node.expressions)
    return None


def _is_table(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.Table | exp.Lateral) and node.arg_key == "this"


def _plain_calls(tree: exp.Expr) -> None:
    """``x.f(y)`` is f(x, y)."""
    for dot in reversed(list(tree.find_all(exp.Dot))):
        call = dot.expression
        if isinstance(call, exp.Anonymous) and _call(call) is not None:
            dot.replace(exp.Anonymous(this=call.name, expressions=[dot.this, *call.expressions]))


def _to_check(node: exp.Expr, name: str, arguments: list[exp.Expr]) -> int | None:
    """The bound that the call must check by itself; None when it needs none, or has been checked here."""
    if name not in _BOUNDS:
        _check_aggregate(*(_aggregate(name, arguments) if name in _BY_NAME else (name, arguments)))
        return None
    bound = _BOUNDS[name]
    if len(arguments) <= max(bound.needs) or any(isinstance(a, exp.PropertyEQ) for a in arguments):
        raise NotSupported(f"this form of {name}() is not available", hint="write all arguments, in order")
    once = all(map(_is_constant, arguments)) and not node.find_ancestor(exp.Lambda, exp.Comprehension)
    most = bound.most or (MOST if once else MOST_A_ROW)
    sizes = [arguments[position] for position in bound.needs]
    if any(isinstance(size, exp.Null) for size in sizes):
        return None
    values = [value for size in sizes if (value := _value(size)) is not None]
    try:
        if len(values) == len(sizes) and bound.size(values) > most:
            raise _too_much(name, bound, most)
    except TypeError:
        return most
    return None if len(values) == len(sizes) else most


def _aggregate(name: str, arguments: list[exp.Expr]) -> tuple[str, list[exp.Expr]]:
    """The aggregate that such a function names, and what that one is called with."""
    named = _value(arguments[1]) if len(arguments) > 1 else None
    if not isinstance(named, str) or not functions().get((named.lower(), "scalar"), False):
        raise NotSupported(
            f"{name}() takes the name of an aggregate that is available", hint="write it as a text: 'sum'"
        )
    return named.lower(), [arguments[0], *arguments[2:]]


def _check_aggregate(name: str, arguments: list[exp.Expr]) -> None:
    if name != "approx_top_k":
        return
    most = _value(arguments[1]) if len(arguments) > 1 else None
    if not isinstance(most, float) or most > MOST_COUNTED:
        raise InvalidValue(f"approx_top_k() takes a number of at most {MOST_COUNTED:,}, written out")


def _keep_names(node: exp.Expr, seen: set[int]) -> None:
    """Unnamed results are named by their text, which is about to become another."""
    found = []
    item = node
    while item.parent is not None:
        is_result = isinstance(item.parent, exp.Select) and item.arg_key == "expressions"
        if is_result and not item.alias and id(item) not in seen:
            seen.add(id(item))
            if not item.find(exp.Star, exp.Columns):
                found.append((item, item.sql(dialect="duckdb", normalize_functions="lower")))
        item = item.parent
    for item, text in found:
        named = exp.Alias(alias=exp.to_identifier(text, quoted=True))
        item.replace(named)
        named.set("this", item)


def _checked(name: str, arguments: Sequence[exp.Expr], most: int, lambda_name: str) -> exp.Expr:
    """The call that checks itself; constants stay where they were, so that they keep their types."""
    fields = {n: a for n, a in enumerate(arguments) if not _is_constant(a)} or {0: arguments[0]}
    parts = dict(enumerate(arguments))
    for n in fields:
        # By bracket: DuckDB takes ``v.a0`` within HAVING for a column that is not grouped.
        own = exp.to_identifier(lambda_name)
        parts[n] = exp.Bracket(this=own, expressions=[exp.Literal.string(f"a{n}")])
    # A text that is no boolean raises; one that hangs on a field is not reckoned before there is a row.
    raises = f"CAST(concat('{_MARK} {name} {most}', left(CAST(_{min(fields)} AS VARCHAR), 0)) AS BOOLEAN)"
    template = f"CASE WHEN {_BOUNDS[name].more} THEN CASE WHEN {raises} THEN NULL END ELSE _call END"
    places: dict[str, exp.Expr] = {f"_{n}": part for n, part in parts.items()}
    places["_most"] = exp.Literal.number(most)
    places["_call"] = exp.Anonymous(this=name, expressions=[part.copy() for part in parts.values()])
    body = sqlglot.parse_one(template, dialect="duckdb")
    for column in list(body.find_all(exp.Column)):
        column.replace(places[column.name].copy())
    pairs = [exp.PropertyEQ(this=exp.to_identifier(f"a{n}"), expression=a.copy()) for n, a in fields.items()]
    one = exp.Array(expressions=[exp.Struct(expressions=pairs)])
    over = exp.Lambda(this=body, expressions=[exp.to_identifier(lambda_name)])
    return exp.Bracket(
        this=exp.Transform(this=one, expression=over), expressions=[exp.Literal.number(0)], offset=0
    )


def _is_constant(node: exp.Expr) -> bool:
    return all(isinstance(part, _CONSTANT) for part in node.walk())


def _value(node: exp.Expr) -> float | str | None:
    """The value of a number or a text that stands in the statement; None for anything else."""
    if isinstance(node, exp.Paren):
        return _value(node.this)
    if isinstance(node, exp.Neg):
        value = _value(node.this)
        return -value if isinstance(value, float) else None
    if isinstance(node, exp.Cast):
        return _value(node.this) if node.is_type(*exp.DataType.INTEGER_TYPES) else None
    if isinstance(node, exp.Literal):
        return str(node.this) if node.is_string else _float(str(node.this))
    return None


def _number(value: float | str) -> float:
    if isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: float | str) -> bytes:
    return str(value).encode()


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
