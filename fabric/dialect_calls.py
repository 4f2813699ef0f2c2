"""Calls: units of dates, formats, regular expressions and aggregates whose meaning differs from DuckDB's."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from fabric.dialect_macros import typed_call
from fabric.dialect_review import Place
from fabric.dialect_rules import Rules

_DAYS = frozenset(["dow", "dayofweek", "weekday", "dw"])
_UNITS = {
    "yy": "year",
    "yyyy": "year",
    "years": "year",
    "qq": "quarter",
    "mm": "month",
    "mon": "month",
    "months": "month",
    "dd": "day",
    "days": "day",
    "isoweek": "week_iso",
    "weekiso": "week_iso",
}
_TRUNCATED = frozenset("year quarter month day hour minute second".split())
_COUNTED = _TRUNCATED | {"millisecond", "microsecond"}
_PART = re.compile(r"%(-?)([A-Za-z%])")


def _unit(node: exp.Expr | None) -> str:
    name = node.name.lower() if isinstance(node, exp.Expr) else ""
    name = name.removeprefix("sql_tsi_")
    return _UNITS.get(name, name)


def _extract(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    unit = _unit(node.this)
    if unit in _DAYS and rules.sunday is not None and rules.reads != "ansi":
        return _plus(_part("dayofweek", node.expression), rules.sunday)
    if unit == "second" and rules.second:
        return exp.Paren(
            this=exp.Div(
                this=_part("microseconds", node.expression), expression=exp.Literal.number("1000000.0")
            )
        )
    known = {"second": not rules.second, "week": rules.monday, "week_iso": True}
    known |= {"isodow": rules.numeric, "epoch": rules.numeric, "isoyear": True}
    if unit not in rules.parts and not known.get(unit, False):
        raise place.refuse(node, f"EXTRACT({unit[:20].upper()})")
    return _part("week" if unit == "week_iso" else unit, node.expression)


def _part(unit: str, value: exp.Expr) -> exp.Expr:
    return exp.Extract(this=exp.Var(this=unit), expression=value.copy())


def _plus(node: exp.Expr, number: int) -> exp.Expr:
    return exp.Paren(this=exp.Add(this=node, expression=exp.Literal.number(number))) if number else node


def _day_of_week(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    return _plus(_part("dayofweek", node.this), rules.sunday or 0)


def _truncate_date(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    unit = _unit(node.args.get("unit"))
    if isinstance(node.args.get("unit"), exp.WeekStart):
        unit = "week_iso" if node.args["unit"].this.name.lower() == "monday" else "?"
    known = unit in _TRUNCATED or unit == "week_iso" or (unit == "week" and rules.monday)
    if not known or node.args.get("zone"):
        raise place.refuse(node, f"truncating a date to {unit[:20].upper()}")
    name = exp.Literal.string("week" if unit == "week_iso" else unit)
    return exp.Anonymous(this="date_trunc", expressions=[name, node.this.copy()])


def _difference(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """Boundaries between two dates, or what has elapsed: DuckDB has a function for each."""
    later, earlier, unit = node.this, node.expression, _unit(node.args.get("unit")) or "day"
    if not (unit in _COUNTED or (unit == "week" and rules.monday)):
        raise place.refuse(node, f"a difference in {unit[:20].upper()}")
    days = rules.reads in ("spark", "databricks") and node.args.get("unit") is None
    whole = node.key in rules.elapsed or (rules.reads in ("spark", "databricks") and not days)
    name = "date_sub" if whole else "date_diff"
    return exp.Anonymous(this=name, expressions=[exp.Literal.string(unit), _moment(earlier), _moment(later)])


def _moment(node: exp.Expr) -> exp.Expr:
    """A date without what sqlglot wraps around it: T-SQL's are CAST to TIMESTAMP, which a zone would not survive."""
    if isinstance(node, exp.TimeStrToTime):
        return exp.Cast(this=node.this.copy(), to=exp.DataType.build("timestamp"))
    return node.copy()


def _later(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    unit = _unit(node.args.get("unit"))
    if unit and unit not in _COUNTED and unit != "week":
        raise place.refuse(node, f"adding {unit[:20].upper()}")
    return None


def _formatted(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """A date's format, by now in strftime's letters: what is left of letters was not understood."""
    form = node.args.get("format")
    if form is None:
        return None
    if not isinstance(form, exp.Literal) or not form.is_string:
        raise place.refuse(node, "a format that is not written out")
    written = form.name.replace("strict", "")  # sqlglot's own mark
    letters = {match[2] for match in _PART.finditer(written)}
    if letters - rules.formats - {"%"} or re.search("[A-Za-z]", _PART.sub("", written).replace("T", "")):
        raise place.refuse(node, "this format of dates", "strftime or strptime in DuckDB's dialect")
    if not letters or _is_standard(node, rules, place):
        raise place.refuse(node, "this format", "numbers and standard formats are not translated")
    return None


def _is_standard(node: exp.Expr, rules: Rules, place: Place) -> bool:
    """Whether it is one of .NET's formats of one letter, which say something else in every language."""
    return rules.reads == "tsql" and re.search(r",\s*N?'.'\s*\)?$", place.words(node)) is not None


# ── texts ────────────────────────────────────────────────────────────────────────────────────


def _substring(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """Places before the first: some dialects count them, DuckDB counts from the end."""
    start, length = node.args.get("start"), node.args.get("length")
    if start is None or (
        isinstance(start, exp.Literal) and not start.is_string and start.name not in ("0", "")
    ):
        return None
    if not rules.virtual:
        if isinstance(start, exp.Literal):
            raise place.refuse(node, "SUBSTRING from 0", "places count from 1")
        return None
    one = exp.Literal.number(1)
    first = exp.Greatest(this=start.copy(), expressions=[one.copy()], ignore_nulls=True)
    if length is None:
        return exp.Substring(this=node.this.copy(), start=first)
    end = exp.Paren(this=exp.Add(this=exp.Paren(this=start.copy()), expression=exp.Paren(this=length.copy())))
    left = exp.Greatest(
        this=exp.Sub(this=end, expression=first.copy()),
        expressions=[exp.Literal.number(0)],
        ignore_nulls=True,
    )
    return exp.Substring(this=node.this.copy(), start=first, length=left)


def _length(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    if rules.reads == "tsql":
        return exp.Anonymous(
            this="length", expressions=[exp.Anonymous(this="rtrim", expressions=[node.this.copy()])]
        )
    return None


def _replaced(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """DuckDB writes groups in a replacement with a backslash."""
    written = node.args.get("replacement")
    if written is None:
        return None
    if not isinstance(written, exp.Literal):
        raise place.refuse(node, "a replacement that is not written out")
    text = written.name
    if rules.dollars:
        if "\\" in text:
            raise place.refuse(node, "a replacement with a backslash")
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", text)))
    elif "\\&" in text:
        raise place.refuse(node, "a replacement with \\&")
    flags = node.args.get("modifiers")
    if isinstance(flags, exp.Expr) and not set(flags.name) <= set("gi"):
        raise place.refuse(node, "these flags of a regular expression")
    return None


def _extracted(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """No match is NULL in Trino, and an empty text in DuckDB's function for one match."""
    if rules.reads != "trino":
        return None
    group = node.args.get("group") or exp.Literal.number(0)
    every = exp.Anonymous(
        this="regexp_extract_all", expressions=[node.this.copy(), node.expression.copy(), group.copy()]
    )
    return exp.Bracket(this=every, expressions=[exp.Literal.number(1)], offset=1)


# ── aggregates ───────────────────────────────────────────────────────────────────────────────


def _round(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    if node.args.get("truncate"):
        raise place.refuse(node, "ROUND that cuts")
    if rules.numeric and node.args.get("decimals") is None:
        return typed_call(node, "ripstop_round_even", node.this.copy())
    return None


def _average(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """T-SQL's average of whole numbers is a whole number."""
    if not rules.truncated_average:
        return None
    window = node.parent if isinstance(node.parent, exp.Window) else None
    total: exp.Expr = exp.Sum(this=node.this.copy())
    count: exp.Expr = exp.Count(this=node.this.copy())
    if window is not None:
        total, count = window.copy(), window.copy()
        total.set("this", exp.Sum(this=node.this.copy()))
        count.set("this", exp.Count(this=node.this.copy()))
    made = typed_call(node, "ripstop_divide", total, exp.Nullif(this=count, expression=exp.Literal.number(0)))
    if window is None:
        return made
    window.replace(made)
    return None


def _listed(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """Of no rows some dialects make an empty list or text, DuckDB makes NULL."""
    empty: exp.Expr
    if rules.reads in ("spark", "databricks", "snowflake") and not isinstance(node, exp.GroupConcat):
        empty = exp.array()
    elif rules.reads == "snowflake":
        empty = exp.Literal.string("")
        if node.args.get("separator") is None:
            node.set("separator", exp.Literal.string(""))
    else:
        return None
    top = node
    while isinstance(top.parent, exp.WithinGroup | exp.Filter | exp.Window | exp.IgnoreNulls | exp.Order):
        top = top.parent
    if isinstance(top.parent, exp.Coalesce) and top.parent.meta.get("listed"):
        return None
    whole = exp.Coalesce(this=top.copy(), expressions=[empty])
    whole.meta["listed"] = True
    top.replace(whole)
    return None


def _unknown(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """Functions that sqlglot does not know."""
    name, arguments = node.name.lower(), node.expressions
    if name == "every":
        return exp.LogicalAnd(this=arguments[0].copy())
    if name == "now":
        return exp.CurrentTimestamp()
    if name.startswith("odbc_"):
        unit = _unit(arguments[0])
        if len(arguments) != 3 or not (unit in _COUNTED or unit == "week"):
            raise place.refuse(node, f"this call of {name.removeprefix('odbc_')}")
        value, moment = (argument.copy() for argument in arguments[1:])
        if name == "odbc_timestampdiff":
            return exp.Anonymous(this="date_diff", expressions=[exp.Literal.string(unit), value, moment])
        return exp.Add(
            this=moment, expression=exp.Interval(this=exp.Paren(this=value), unit=exp.Var(this=unit))
        )
    return None


CALLS: dict[type[exp.Expr], Callable[[exp.Expr, Rules, Place], exp.Expr | None]] = {
    exp.Extract: _extract,
    exp.DayOfWeek: _day_of_week,
    exp.TimestampTrunc: _truncate_date,
    exp.DateTrunc: _truncate_date,
    exp.DatetimeTrunc: _truncate_date,
    exp.DateDiff: _difference,
    exp.TimestampDiff: _difference,
    exp.DatetimeDiff: _difference,
    exp.DateAdd: _later,
    exp.DateSub: _later,
    exp.TimestampAdd: _later,
    exp.TimestampSub: _later,
    exp.TimeToStr: _formatted,
    exp.StrToDate: _formatted,
    exp.StrToTime: _formatted,
    exp.TsOrDsToDate: _formatted,
    exp.Substring: _substring,
    exp.Length: _length,
    exp.RegexpReplace: _replaced,
    exp.RegexpExtract: _extracted,
    exp.Round: _round,
    exp.Avg: _average,
    exp.ArrayAgg: _listed,
    exp.ArrayUniqueAgg: _listed,
    exp.GroupConcat: _listed,
    exp.Anonymous: _unknown,
}
"""The changes of calls."""
