"""What another dialect's operators mean where that depends on types: macros with a body for each type.

sqlglot knows no types, so ``a / b`` of Postgres would be DuckDB's division of doubles. DuckDB picks a macro's
body when it binds, and its plan shows nothing but the body. They are harmless, and anyone may call them.

DuckDB 2.0 picks before it knows the type of an aggregate, a window, an unnested list or another result's alias,
and then takes the first body, whatever the value: such arguments are handed over through a lambda, where it does.
"""

from __future__ import annotations

from sqlglot import exp

_INTEGERS = ("SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def _both(body: str) -> str:
    return ", ".join(f"(a {kind}, b {kind}) AS {body}" for kind in _INTEGERS[1:])


def _each(body: str = "x") -> str:
    return ", ".join(f"(x {kind}) AS {body}" for kind in _INTEGERS)


MACROS: dict[str, str] = {
    # Of two whole numbers a whole number, towards zero.
    "ripstop_divide": f"{_both('a // b')}, (a, b) AS a / b",
    # A whole number of anything: DuckDB's own // is that of whole numbers only.
    "ripstop_quotient": f"{_both('a // b')}, (a, b) AS trunc(a / b)",
    # Postgres sums BIGINT as numeric, whose quotient is no whole number; other integers as whole numbers.
    "ripstop_summand": "(x SMALLINT) AS x, (x INTEGER) AS x, (x BIGINT) AS CAST(x AS DECIMAL(19, 0)), (x) AS x",
    # Doubles to the nearest, of two the even; decimals away from zero.
    "ripstop_round_even": f"{_each()}, (x DECIMAL(38, 10)) AS round(x), (x DOUBLE) AS round_even(x, 0), (x) AS round(x)",
    # To a whole number: away from zero.
    "ripstop_rounded": f"{_each()}, (x VARCHAR) AS x, (x DECIMAL(38, 10)) AS round(x), (x DOUBLE) AS round(x), (x) AS x",
    # To a whole number: towards zero.
    "ripstop_truncated": f"{_each()}, (x VARCHAR) AS x, (x DECIMAL(38, 10)) AS trunc(x), (x DOUBLE) AS trunc(x), (x) AS x",
    # Spark reads a text as a number first.
    "ripstop_truncated_text": f"{_each()}, (x VARCHAR) AS trunc(TRY_CAST(x AS DECIMAL(38, 10))), "
    "(x DECIMAL(38, 10)) AS trunc(x), (x DOUBLE) AS trunc(x), (x) AS x",
    # Postgres' numeric without precision.
    "ripstop_numeric": "(x BIGINT) AS CAST(x AS DECIMAL(19, 0)), (x HUGEINT) AS CAST(x AS DECIMAL(38, 0)), "
    "(x VARCHAR) AS CAST(x AS DECIMAL(38, 15)), (x DECIMAL(38, 15)) AS x, (x DOUBLE) AS CAST(x AS DECIMAL(38, 15)), (x) AS x",
}
"""By name, the bodies."""


def definitions() -> list[str]:
    """The statements that make them, for an engine that is not locked yet."""
    return [f"CREATE MACRO {name} {bodies}" for name, bodies in MACROS.items()]


_UNTYPED = (exp.AggFunc, exp.Window, exp.Explode, exp.Unnest, exp.ExplodingGenerateSeries, exp.UDTF)


def typed_call(place: exp.Expr, macro: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of one of the macros, which DuckDB binds to the body for its arguments' types.

    Args:
        place: the node that it will stand for, still in its tree.
        macro: one of ``MACROS``.
        arguments: they are copied.
    """
    select = place.parent_select
    aliases = (
        {item.alias.lower() for item in select.expressions if item.alias} if select is not None else set()
    )
    if not any(_is_untyped(argument, aliases) for argument in arguments):
        return exp.Anonymous(this=macro, expressions=[argument.copy() for argument in arguments])
    names = [f"a{n}" for n in range(len(arguments))]
    value = exp.to_identifier("v")
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(name), expression=argument.copy())
        for name, argument in zip(names, arguments, strict=True)
    ]
    taken = [
        exp.Bracket(this=exp.column(value.copy()), expressions=[exp.Literal.string(name)]) for name in names
    ]
    body = exp.Lambda(this=exp.Anonymous(this=macro, expressions=taken), expressions=[value], colon=True)
    listed = exp.Anonymous(
        this="list_transform", expressions=[exp.array(exp.Struct(expressions=fields)), body]
    )
    return exp.Bracket(this=listed, expressions=[exp.Literal.number(1)], offset=1)


def _aliases(place: exp.Expr) -> set[str]:
    """The names of the other results of the statement that the node stands in."""
    select, within = place.parent_select, place
    if select is None:
        return set()
    while within.parent is not None and within.parent is not select:
        within = within.parent
    return {item.alias.lower() for item in select.expressions if item.alias and item is not within}


def _is_untyped(argument: exp.Expr, aliases: set[str]) -> bool:
    if argument.find(*_UNTYPED) is not None:
        return True
    return any(
        not column.table and column.name.lower() in aliases for column in argument.find_all(exp.Column)
    )
