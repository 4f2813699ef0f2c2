"""Casts: types that DuckDB calls otherwise, lengths that cut, and how a number becomes a whole one."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from fabric.dialect_macros import typed_call
from fabric.dialect_review import Place
from fabric.dialect_rules import Rules

_WHOLE = exp.DataType.INTEGER_TYPES - {exp.DType.BIT}
_FIXED = frozenset([exp.DType.CHAR, exp.DType.NCHAR, exp.DType.BPCHAR])
_TEXTS = frozenset([exp.DType.VARCHAR, exp.DType.NVARCHAR, exp.DType.TEXT])
_TIMES = exp.DataType.TEMPORAL_TYPES | {exp.DType.TIME, exp.DType.TIMETZ}
_KNOWN = (
    _WHOLE
    | _FIXED
    | _TEXTS
    | _TIMES
    | {
        exp.DType.BIT,
        exp.DType.BOOLEAN,
        exp.DType.FLOAT,
        exp.DType.DOUBLE,
        exp.DType.DECIMAL,
        exp.DType.BINARY,
        exp.DType.VARBINARY,
        exp.DType.UUID,
        exp.DType.JSON,
        exp.DType.JSONB,
        exp.DType.INTERVAL,
        exp.DType.ARRAY,
        exp.DType.LIST,
        exp.DType.STRUCT,
        exp.DType.MAP,
    }
)
_ROUNDED = frozenset([exp.DType.SMALLDATETIME])


def _cast(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    kind: exp.DataType = node.args["to"]
    if kind.this not in _KNOWN or kind.this in _ROUNDED or node.args.get("format"):
        raise place.refuse(node, f"CAST to {kind.sql(dialect=_reads(rules))[:40]}")
    if kind.this in _TIMES and kind.expressions and isinstance(node.this, exp.Literal):
        # sqlglot counts the digits of a literal's seconds.
        kind.set("expressions", None)
    elif kind.this in _TIMES and kind.expressions:
        raise place.refuse(node, "a type of dates with a precision", "CAST without it")
    if kind.this in _TEXTS:
        return _to_text(node, kind, rules, place)
    if kind.this in _FIXED:
        raise place.refuse(node, "CAST to CHAR, which pads with blanks", "CAST to VARCHAR")
    if kind.this == exp.DType.BIT and rules.reads == "tsql":
        node.set("to", exp.DataType.build("boolean"))
    elif kind.this == exp.DType.FLOAT and rules.wide:
        node.set("to", exp.DataType.build("double"))
    elif kind.this == exp.DType.DECIMAL and not kind.expressions:
        return _to_decimal(node, rules)
    elif kind.this in _WHOLE and rules.whole and not _is_whole(node.this):
        node.set("this", typed_call(node, rules.whole, node.this))
    return None


def _reads(rules: Rules) -> str:
    return "" if rules.reads == "ansi" else rules.reads


def _is_whole(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and (node.is_string is False and node.name.isdigit())


def _to_text(node: exp.Expr, kind: exp.DataType, rules: Rules, place: Place) -> exp.Expr | None:
    """DuckDB's VARCHAR(3) is as long as it is."""
    if isinstance(node.this, exp.JSONExtract) and rules.reads in ("snowflake", "databricks"):
        # v:a::string is the text, without the quotes of JSON.
        found = node.this
        node.set("this", exp.JSONExtractScalar(this=found.this.copy(), expression=found.expression.copy()))
    written = kind.expressions
    default = str(rules.texts or "") if kind.this != exp.DType.TEXT else ""
    length = written[0].name if written else default
    node.set("to", exp.DataType.build("text"))
    if not length or length.upper() == "MAX" or rules.text == "keep":
        return None
    if rules.text == "refuse" or not length.isdigit():
        raise place.refuse(node, "CAST to VARCHAR(n)", "LEFT(CAST(… AS VARCHAR), n)")
    return exp.Left(this=node.copy(), expression=exp.Literal.number(int(length)))


def _to_decimal(node: exp.Expr, rules: Rules) -> exp.Expr | None:
    if rules.decimal is None:
        return typed_call(node, "ripstop_numeric", node.this.copy())
    precision, scale = rules.decimal
    node.set("to", exp.DataType.build(f"decimal({precision}, {scale})"))
    return None


# T-SQL's styles of CONVERT that say the same in every language.
_STYLES = {
    "23": "%Y-%m-%d",
    "101": "%m/%d/%Y",
    "102": "%Y.%m.%d",
    "103": "%d/%m/%Y",
    "104": "%d.%m.%Y",
    "105": "%d-%m-%Y",
    "108": "%H:%M:%S",
    "110": "%m-%d-%Y",
    "111": "%Y/%m/%d",
    "112": "%Y%m%d",
    "120": "%Y-%m-%d %H:%M:%S",
    "20": "%Y-%m-%d %H:%M:%S",
}


def _convert(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """CONVERT(type, value[, style]): sqlglot would make every one of them TRY_CAST."""
    kind, value, style = node.this, node.expression, node.args.get("style")
    if not isinstance(kind, exp.DataType):
        raise place.refuse(node, "CONVERT to this")
    if style is not None:
        form = _STYLES.get(style.name)
        if form is None or kind.this not in _TEXTS | _FIXED:
            raise place.refuse(node, "CONVERT with this style", "FORMAT(…), or a style such as 23 or 120")
        text: exp.Expr = exp.Anonymous(this="strftime", expressions=[value.copy(), exp.Literal.string(form)])
        length = kind.expressions[0].name if kind.expressions else "30"
        return exp.Left(this=text, expression=exp.Literal.number(int(length))) if length.isdigit() else text
    made = (exp.TryCast if node.args.get("safe") else exp.Cast)(this=value.copy(), to=kind.copy())
    made.parent = node.parent
    return _cast(made, rules, place) or made


CASTS: dict[type[exp.Expr], Callable[[exp.Expr, Rules, Place], exp.Expr | None]] = {
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Convert: _convert,
}
"""The changes of casts."""
