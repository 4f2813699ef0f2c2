"""Where sqlglot's translation would mean something else: the tree is changed before it is written out."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from fabric.dialect_calls import CALLS
from fabric.dialect_casts import CASTS
from fabric.dialect_macros import typed_call
from fabric.dialect_review import Place
from fabric.dialect_rules import Rules

Rewrite = Callable[[exp.Expr, Rules, Place], exp.Expr | None]
"""The node in a node's place; None leaves it, changed or not."""


def rewrite(tree: exp.Expr, rules: Rules, place: Place) -> exp.Expr:
    """The tree with the dialect's meaning, for sqlglot to write out as DuckDB's.

    Raises:
        NotSupported: a part has no such meaning in DuckDB; the message says where.
    """
    _name_results(tree, rules, place)
    # Innermost first: what stands around a node sees what became of it.
    for node in reversed(list(tree.walk())):
        change = _REWRITES.get(type(node))
        made = change(node, rules, place) if change else None
        if made is not None and made is not node:
            node.replace(made)
    return tree


def _name_results(tree: exp.Expr, rules: Rules, place: Place) -> None:
    """Results without a name get the one that the user's text gives them, not the translation's."""
    for select in tree.find_all(exp.Select):
        for item in list(select.expressions):
            plain = isinstance(
                item, exp.Column | exp.Star | exp.Alias | exp.Aliases | exp.Dot | exp.PropertyEQ
            )
            if not plain and not item.alias and not item.is_star:
                name = _postgres_name(item, place) if rules.names else place.words(item)
                item.replace(exp.alias_(item.copy(), name, quoted=True))


def _postgres_name(item: exp.Expr, place: Place) -> str:
    """Postgres names a call after its function, a cast after its column or type, all else ``?column?``."""
    while isinstance(item, exp.Window | exp.Filter | exp.WithinGroup | exp.Paren):
        item = item.this
    if isinstance(item, exp.Cast):
        return item.this.name if isinstance(item.this, exp.Column) else item.to.this.name.lower()
    if isinstance(item, exp.Case):
        return "case"
    if isinstance(item, exp.Func) and not isinstance(item, exp.Connector) and "(" in place.words(item):
        return place.words(item).split("(")[0].strip().lower()
    return "?column?"


# ── clauses ──────────────────────────────────────────────────────────────────────────────────


def _select(node: exp.Expr, rules: Rules, place: Place) -> None:
    # Hints say how, not what; so do the kinds of lock that readers take.
    node.set("hint", None)
    for table in node.find_all(exp.Table):
        table.set("hints", None)
        table.set("only", None)


def _fetch(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr:
    return exp.Limit(expression=(node.args.get("count") or exp.Literal.number(1)).copy())


def _limit(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    node.set("limit_options", None)
    every = isinstance(node.expression, exp.Var | exp.Null | exp.Column) and node.expression.name.upper() in (
        "ALL",
        "",
    )
    if every and isinstance(node.parent, exp.Query):
        node.parent.set("limit", None)
    return None


def _join(node: exp.Expr, rules: Rules, place: Place) -> None:
    """CROSS APPLY and OUTER APPLY are lateral joins."""
    lateral = node.this
    if isinstance(lateral, exp.Lateral) and lateral.args.get("cross_apply") is not None:
        outer = lateral.args["cross_apply"] is False
        lateral.set("cross_apply", None)
        node.set("side", "LEFT" if outer else None)
        node.set("kind", None if outer else "CROSS")
        if outer:
            node.set("on", exp.true())


def _lateral(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    if node.args.get("outer") or node.args.get("ordinality"):
        raise place.refuse(node, "LATERAL … OUTER or WITH ORDINALITY")
    if isinstance(node.this, exp.Explode) and rules.reads == "snowflake":
        return _flattened(node, node.this.this, place)
    return None


def _table_of_rows(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr:
    if not isinstance(node.this, exp.Explode):
        raise place.refuse(node, "TABLE(…) of this")
    return _flattened(node, node.this.this, place)


def _flattened(node: exp.Expr, given: exp.Expr, place: Place) -> exp.Expr:
    """FLATTEN of a list: its values, and their places from 0."""
    if isinstance(given, exp.Kwarg):
        if given.this.name.lower() != "input":
            raise place.refuse(node, "FLATTEN with other arguments than INPUT")
        given = given.expression
    alias = node.args.get("alias")
    items = exp.alias_(exp.Explode(this=given.copy()), "value")
    places = exp.alias_(
        exp.Sub(
            this=exp.Anonymous(this="generate_subscripts", expressions=[given.copy(), exp.Literal.number(1)]),
            expression=exp.Literal.number(1),
        ),
        "index",
    )
    return exp.Lateral(
        this=exp.Subquery(this=exp.select(items, places)),
        alias=exp.TableAlias(this=alias.this.copy()) if isinstance(alias, exp.TableAlias) else None,
    )


def _unnest(node: exp.Expr, rules: Rules, place: Place) -> None:
    """BigQuery counts WITH OFFSET from 0, DuckDB WITH ORDINALITY from 1."""
    if node.args.get("offset") and rules.reads == "bigquery":
        raise place.refuse(node, "WITH OFFSET", "generate_subscripts(list, 1) - 1 in DuckDB's dialect")


# ── operators ────────────────────────────────────────────────────────────────────────────────


def _national(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr:
    return exp.Literal.string(node.name)


def _divide(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    if not node.args.get("typed"):
        return None
    return typed_call(node, "ripstop_divide", node.this, node.expression)


def _sum(node: exp.Expr, rules: Rules, place: Place) -> None:
    """Postgres' sum of BIGINT is numeric, which divides as one; DuckDB's is a whole number."""
    summed = node.this
    item = summed.expressions[0] if isinstance(summed, exp.Distinct) else summed
    if rules.numeric and isinstance(item, exp.Expr):
        item.replace(typed_call(item, "ripstop_summand", item))


def _quotient(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr:
    divisor = node.expression.copy()
    if node.args.get("safe") or rules.reads in ("spark", "databricks"):
        divisor = exp.Nullif(this=divisor, expression=exp.Literal.number(0))
    return typed_call(node, "ripstop_quotient", node.this.copy(), divisor)


def _add(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """T-SQL joins texts by ``+``: where one side is seen to be a text, it does."""
    if rules.reads == "tsql" and (_is_text(node.this) or _is_text(node.expression)):
        return exp.DPipe(this=node.this.copy(), expression=node.expression.copy(), safe=True)
    return None


def _is_text(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren):
        return _is_text(node.this)
    if isinstance(node, exp.Cast):
        return bool(node.to.this in exp.DataType.TEXT_TYPES)
    literal = isinstance(node, exp.Literal) and node.is_string
    return literal or isinstance(
        node, exp.DPipe | exp.Upper | exp.Lower | exp.Concat | exp.Trim | exp.Substring | exp.Left
    )


def _like(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """What escapes where LIKE does not say: nothing in DuckDB."""
    pattern = node.expression
    if isinstance(pattern, exp.Any | exp.All | exp.Tuple):
        if rules.reads != "snowflake":
            raise place.refuse(node, "LIKE with a list")
        return None
    if isinstance(node.parent, exp.Escape) or not rules.escape:
        return None
    written = pattern.name if isinstance(pattern, exp.Literal) and pattern.is_string else None
    if rules.escape == "[":
        if written is None or "[" in written:
            raise place.refuse(
                node, "LIKE with […] or a pattern that is not written out", "use REGEXP in DuckDB's dialect"
            )
        return None
    if written is not None and rules.escape not in written:
        return None
    return exp.Escape(this=node.copy(), expression=exp.Literal.string(rules.escape))


def _among(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """``= ANY(list)`` is neither true nor false where the list, or what could be meant, is NULL."""
    if not isinstance(node.expression, exp.Any):
        return None
    listed = node.expression.this
    listed = listed.this if isinstance(listed, exp.Paren) else listed
    if isinstance(listed, exp.Query):
        return None
    if not isinstance(node, exp.EQ):
        raise place.refuse(node, "a comparison with ANY of a list", "= ANY(…), or a subquery")
    found = exp.Anonymous(this="list_contains", expressions=[listed.copy(), node.this.copy()])
    sizes = [exp.Anonymous(this=name, expressions=[listed.copy()]) for name in ("len", "list_count")]
    return (
        exp.case()
        .when(
            exp.or_(
                exp.Is(this=listed.copy(), expression=exp.null()),
                exp.Is(this=node.this.copy(), expression=exp.null()),
            ),
            exp.null(),
        )
        .when(found, exp.true())
        .when(exp.EQ(this=sizes[0], expression=sizes[1]), exp.false())
    )


def _similar(node: exp.Expr, rules: Rules, place: Place) -> None:
    raise place.refuse(node, "SIMILAR TO", "LIKE, or a regular expression")


def _bracket(node: exp.Expr, rules: Rules, place: Place) -> exp.Expr | None:
    """Lists count from 1 in DuckDB, and from the end where the index is negative."""
    if len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        return None
    index = node.expressions[0]
    if isinstance(index, exp.Neg):
        raise place.refuse(node, "a negative index")
    if isinstance(index, exp.Literal) and index.is_string:
        return None
    if rules.reads == "snowflake" and isinstance(index, exp.Literal):
        # Of JSON, which counts from 0, this is an error and not the next element.
        number = int(index.name) + 1 if index.name.isdigit() else 1
        chosen = exp.Anonymous(
            this="list_select", expressions=[node.this.copy(), exp.array(exp.Literal.number(number))]
        )
        return exp.Bracket(this=chosen, expressions=[exp.Literal.number(1)], offset=1)
    return None


_REWRITES: dict[type[exp.Expr], Rewrite] = {
    exp.Select: _select,
    exp.Fetch: _fetch,
    exp.Limit: _limit,
    exp.Join: _join,
    exp.Lateral: _lateral,
    exp.TableFromRows: _table_of_rows,
    exp.Unnest: _unnest,
    exp.National: _national,
    exp.Div: _divide,
    exp.Sum: _sum,
    exp.IntDiv: _quotient,
    exp.Add: _add,
    exp.Like: _like,
    exp.ILike: _like,
    exp.EQ: _among,
    exp.NEQ: _among,
    exp.GT: _among,
    exp.GTE: _among,
    exp.LT: _among,
    exp.LTE: _among,
    exp.SimilarTo: _similar,
    exp.Bracket: _bracket,
    **CASTS,
    **CALLS,
}
