"""Policy text to trees: the conditions of row rules and the expressions of ``sql:`` masks.

A text is read with users' own allow-lists and must be one expression, with nothing around it. A tree is shared by
everyone whom its rule covers and never changed: each stage gives one of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlglot import exp

from fabric.errors import AccessDenied, FabricError
from fabric.parse import parse
from policies.attributes import literal_as, target
from policies.vocabulary import judge, objects

VALUE = "value"
"""The word that stands for the masked column in a ``sql:`` mask."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What DuckDB's words for the moment are: a type, and the text of an instant in it.
_MOMENT = ("TIMESTAMPTZ", "%Y-%m-%d %H:%M:%S.%f+00:00")
_LOCAL_MOMENT = ("TIMESTAMP", "%Y-%m-%d %H:%M:%S.%f")
_DAY = ("DATE", "%Y-%m-%d")
_TIME = ("TIMETZ", "%H:%M:%S.%f+00:00")
_LOCAL_TIME = ("TIME", "%H:%M:%S.%f")
_MOMENT_NODES: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.CurrentTimestamp: _MOMENT,
    exp.Localtimestamp: _LOCAL_MOMENT,
    exp.CurrentDate: _DAY,
    exp.CurrentTime: _TIME,
    exp.Localtime: _LOCAL_TIME,
}
_MOMENT_CALLS = {
    "now": _MOMENT,
    "get_current_timestamp": _MOMENT,
    "transaction_timestamp": _MOMENT,
    "current_localtime": _LOCAL_TIME,
}


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as expressions see them.

    ``roles`` is the closure of what they hold, as ``role:x`` in lower case; ``attributes`` are values as
    users.yaml or a JWT's claims hold them: text, numbers, booleans, dates, and lists of these.
    """

    user: str
    roles: frozenset[str]
    attributes: Mapping[str, object]


def read_condition(text: str) -> exp.Expr:
    """A row rule's condition as a tree, judged as far as no schema is needed.

    Raises:
        ValueError: says what is wrong with it.
    """
    return _read(text, "a row rule")


def read_value(text: str) -> exp.Expr:
    """The expression of a ``sql:`` mask as a tree; it holds no subquery, and names one column at most.

    Raises:
        ValueError: says what is wrong with it.
    """
    tree = _read(text, "a mask")
    if any(isinstance(node, exp.Query | exp.Values | exp.Table) for node in tree.walk()):
        raise ValueError("a mask is made of its column's value alone, and cannot hold a subquery")
    if tree.find(exp.Comprehension):
        raise ValueError("a mask cannot hold [… FOR … IN …]; list_transform does the same")
    names = {column.parts[0].name.lower() for column in tree.find_all(exp.Column)} - {VALUE}
    if len(names) > 1:
        raise ValueError(
            f"a mask is made of its own column alone, and this names {' and '.join(sorted(names))}"
        )
    return tree


def value_for(tree: exp.Expr, column_name: str) -> exp.Expr:
    """The expression over that column: the word ``value`` stands for it, and so does its own name.

    What follows a dot is a field of the column, never a column of a table called so.

    Raises:
        ValueError: it names another column.
    """
    holder = exp.Paren(this=tree.copy())
    for column in list(holder.find_all(exp.Column)):
        first, *fields = column.parts
        if first.name.lower() not in (VALUE, column_name.lower()):
            raise ValueError(f"the mask names '{first.name}', and stands on the column '{column_name}'")
        made: exp.Expr = exp.column(exp.to_identifier(column_name, quoted=True))
        for part in fields:
            made = exp.Dot(this=exp.paren(made, copy=False), expression=part.copy())
        column.replace(made)
    return _taken_out(holder)


def tables_in(tree: exp.Expr) -> list[tuple[str, ...]]:
    """The objects that the tree's subqueries read, each by its written parts."""
    return [tuple(part.name for part in table.parts) for table in objects(tree)]


def with_values(tree: exp.Expr, asker: Asker) -> exp.Expr:
    """The tree with attr, attrs, user and has_role replaced by typed literals.

    Raises:
        AccessDenied: names an attribute that is missing or cannot be cast.
    """
    holder = exp.Paren(this=tree.copy())
    for listed in list(holder.find_all(exp.Any)):
        _as_membership(listed)
    for membership in list(holder.find_all(exp.In)):
        _spread(membership, asker)
    for call in list(holder.find_all(exp.Anonymous)):
        texts = [argument.name for argument in call.expressions]
        match call.name.lower():
            case "attr":
                call.replace(_attribute(asker, *texts))
            case "attrs":
                call.replace(_attribute_list(asker, *texts))
            case "user":
                call.replace(literal_as(asker.user, "VARCHAR"))
            case "has_role":
                role = texts[0].lower().removeprefix("role:")
                call.replace(exp.Boolean(this=f"role:{role}" in asker.roles))
    return _taken_out(holder)


def at_instant(tree: exp.Expr, now: datetime) -> exp.Expr:
    """The tree with now(), current_date and their kin replaced by literals of that instant, in UTC.

    A tree that has none is returned as it is. A ``now`` without a zone is in UTC.
    """
    if not any(_moment(node) for node in tree.walk()):
        return tree
    now = now.replace(tzinfo=UTC) if now.tzinfo is None else now.astimezone(UTC)
    holder = exp.Paren(this=tree.copy())
    for node in list(holder.walk()):
        found = _moment(node)
        if found is not None:
            wanted, form = found
            node.replace(exp.cast(exp.Literal.string(now.strftime(form)), wanted, dialect="duckdb"))
    return _taken_out(holder)


def _moment(node: exp.Expr) -> tuple[str, str] | None:
    if (node.this is not None and not isinstance(node, exp.Anonymous)) or node.expressions:
        return None  # with an argument: refused when it is read
    return (
        _MOMENT_CALLS.get(node.name.lower())
        if isinstance(node, exp.Anonymous)
        else _MOMENT_NODES.get(type(node))
    )


def _taken_out(holder: exp.Paren) -> exp.Expr:
    tree: exp.Expr = holder.this.pop()
    return tree


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def _read(text: str, what: str) -> exp.Expr:
    try:
        root = parse(f"SELECT {text}").tree
        clauses = {name for name, value in root.args.items() if value}
        if not isinstance(root, exp.Select) or clauses != {"expressions"} or len(root.expressions) != 1:
            raise ValueError(f"{what} is one expression, with nothing before or behind it")
        tree: exp.Expr = root.expressions[0].pop()
        judge(tree, at_instant(tree, _EPOCH), what)
        return tree
    except FabricError as error:
        reason = re.sub(r" at line [0-9]+, column [0-9]+", "", error.message)
        raise ValueError(reason.replace("the statement", "the expression")) from None
    except RecursionError:
        raise ValueError("the expression is nested too deeply") from None


# ── the asker's values ───────────────────────────────────────────────────────────────────────


def _as_membership(listed: exp.Any) -> None:
    """``x = ANY(attrs('y'))`` as ``x IN attrs('y')``: DuckDB reads ANY as a subquery, which TRY does not take."""
    comparison, values = listed.parent, listed.this.unnest()
    if isinstance(comparison, exp.EQ) and listed is comparison.expression and _is_attrs(values):
        comparison.replace(exp.In(this=comparison.this.copy(), field=values.copy()))


def _spread(membership: exp.In, asker: Asker) -> None:
    """``x IN attrs('y')`` as ``x IN (…)``, which sources take; of no values ``x <> x``: false, and NULL for NULL."""
    field = membership.args.get("field")
    written = [field] if field is not None else membership.expressions
    if not any(_is_attrs(item) for item in written):
        return
    items: list[exp.Expr] = []
    for item in written:
        texts = [argument.name for argument in item.expressions] if _is_attrs(item) else []
        items += _attributes(asker, *texts) if texts else [item.copy()]
    if items:
        membership.set("field", None)
        membership.set("expressions", items)
    else:
        value = membership.this
        membership.replace(exp.paren(exp.NEQ(this=value.copy(), expression=value.copy()), copy=False))


def _is_attrs(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == "attrs"


def _attribute(asker: Asker, name: str, wanted: str = "VARCHAR") -> exp.Expr:
    return _cast(name, _said(asker, name), target(wanted))


def _attribute_list(asker: Asker, name: str, wanted: str = "VARCHAR") -> exp.Expr:
    items = exp.Array(expressions=_attributes(asker, name, wanted))
    return exp.cast(items, f"{target(wanted)}[]", dialect="duckdb")


def _attributes(asker: Asker, name: str, wanted: str = "VARCHAR") -> list[exp.Expr]:
    value = _said(asker, name)
    values = value if isinstance(value, list | tuple) else [value]
    return [_cast(name, item, target(wanted)) for item in values]


def _said(asker: Asker, name: str) -> object:
    value = asker.attributes.get(name)
    if value is None:
        raise AccessDenied(
            f"a policy needs your attribute '{name}', which is not set",
            hint="whoever keeps your login can set it",
        )
    return value


def _cast(name: str, value: object, wanted: str) -> exp.Expr:
    try:
        return literal_as(value, wanted)
    except ValueError:
        what = "a list" if isinstance(value, list | tuple) else "not to be read as one"
        raise AccessDenied(
            f"a policy needs your attribute '{name}' as {wanted}, and it is {what}",
            hint="whoever keeps your login can correct it",
        ) from None
