"""Random SELECTs over ``person`` and ``claim``: joins, subqueries, WITH, unions, groups and windows in any order.

Each query hands on ``k`` and some columns of two types. Rows are joined and chosen by ``k`` alone (and by other
columns in subqueries that stand for a value, where conditions count).
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

INTEGER, VARCHAR = "INTEGER", "VARCHAR"
Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Query:
    """A SELECT that gives ``k`` and then ``columns`` (name, type)."""

    sql: str
    columns: Columns


PERSON = Query(
    "SELECT k, name, mail, age FROM person", (("name", VARCHAR), ("mail", VARCHAR), ("age", INTEGER))
)
CLAIM = Query("FROM claim", (("name", VARCHAR), ("note", VARCHAR), ("amt", INTEGER)))


def queries() -> st.SearchStrategy[Query]:
    """Queries of a few levels."""
    base: st.SearchStrategy[Query] = st.sampled_from((PERSON, CLAIM))
    return st.recursive(base, lambda inner: st.composite(_grown)(inner), max_leaves=4)


def _grown(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    return draw(st.sampled_from(_STEPS))(draw, inner)


# ── expressions ──────────────────────────────────────────────────────────────────────────────


def _any(draw: st.DrawFn, alias: str, columns: Columns) -> str:
    return f"{alias}.{draw(st.sampled_from(columns))[0]}"


def _value(
    draw: st.DrawFn, inner: st.SearchStrategy[Query], scopes: tuple[tuple[str, Columns], ...]
) -> tuple[str, str]:
    """An expression over the columns in sight, and its type; often a column as it is."""
    alias, columns = draw(st.sampled_from(scopes))
    name, kind = draw(st.sampled_from(columns))
    plain = f"{alias}.{name}"
    other = _any(draw, *draw(st.sampled_from(scopes)))
    made: list[tuple[str, str]] = [
        (plain, kind),
        (plain, kind),
        (f"{plain} || {other}", VARCHAR),
        (f"coalesce({plain}, NULL)", kind),
        (f"CASE WHEN {other} IS NULL THEN NULL ELSE {plain} END", kind),
        (f"length(CAST({plain} AS VARCHAR)) * 2", INTEGER),
        (f"CAST({plain} AS VARCHAR)", VARCHAR),
        (f"list_aggregate([CAST({plain} AS VARCHAR), CAST({other} AS VARCHAR)], 'max')", VARCHAR),
        (f"CAST(row_number() OVER (PARTITION BY {alias}.k ORDER BY {other}, {plain}) AS INTEGER)", INTEGER),
        (f"max({plain}) OVER (ORDER BY {alias}.k)", kind),
        ("subquery", kind),
    ]
    text, kind = draw(st.sampled_from(made))
    if text == "subquery":
        return _subquery(draw, draw(inner), alias, other)
    # A text that is no column is in parentheses, so that it can stand anywhere.
    return (text, kind) if text == plain else (f"({text})", kind)


def _subquery(draw: st.DrawFn, query: Query, alias: str, other: str) -> tuple[str, str]:
    name, kind = draw(st.sampled_from(query.columns))
    source = f"FROM ({query.sql}) AS s WHERE s.k = {alias}.k"
    # Columns are of two types, so texts are compared.
    condition = f"CAST({_any(draw, 's', query.columns)} AS VARCHAR) > CAST({other} AS VARCHAR)"
    member = f"CAST({other} AS VARCHAR) IN (SELECT CAST(s.{name} AS VARCHAR) FROM ({query.sql}) AS s)"
    forms = [
        (f"(SELECT max(s.{name}) {source})", kind),
        (f"(SELECT max(s.{name}) {source} AND {condition})", kind),
        (f"(SELECT s.{name} {source} ORDER BY s.{name} LIMIT 1)", kind),
        (f"(SELECT max(s.{name}) FROM ({query.sql}) AS s)", kind),
        (f"CAST(EXISTS (SELECT 1 {source} AND {condition}) AS INTEGER)", INTEGER),
        (f"CAST({member} AS INTEGER)", INTEGER),
    ]
    return draw(st.sampled_from(forms))


def _select(
    draw: st.DrawFn,
    inner: st.SearchStrategy[Query],
    key: str,
    scopes: tuple[tuple[str, Columns], ...],
    tail: str,
) -> Query:
    """SELECT the key and one to three values."""
    values = [_value(draw, inner, scopes) for _ in range(draw(st.integers(1, 3)))]
    items = ", ".join(f"{text} AS v{n}" for n, (text, _) in enumerate(values))
    return Query(
        f"SELECT {key} AS k, {items} {tail}", tuple((f"v{n}", kind) for n, (_, kind) in enumerate(values))
    )


# ── steps: each makes a query of others ──────────────────────────────────────────────────────


def _projected(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    even = draw(st.sampled_from(["", " WHERE t.k % 2 = 0"]))
    return _select(draw, inner, "t.k", (("t", query.columns),), f"FROM ({query.sql}) AS t{even}")


def _starred(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    (first, kind), rest = query.columns[0], query.columns[1:]
    if rest and draw(st.booleans()):
        return Query(f"SELECT * EXCLUDE ({first}) FROM ({query.sql})", rest)
    if draw(st.booleans()):
        return Query(f"SELECT * RENAME ({first} AS other) FROM ({query.sql})", (("other", kind), *rest))
    sql = f"SELECT * REPLACE (CAST({first} AS VARCHAR) || 'x' AS {first}) FROM ({query.sql})"
    return Query(sql, ((first, VARCHAR), *rest))


def _joined(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    left, right = draw(inner), draw(inner)
    side = draw(st.sampled_from(["", "LEFT ", "RIGHT ", "FULL "]))
    scopes = (("a", left.columns), ("b", right.columns))
    key, on = draw(st.sampled_from([("k", "USING (k)"), ("coalesce(a.k, b.k)", "ON a.k = b.k")]))
    return _select(draw, inner, key, scopes, f"FROM ({left.sql}) AS a {side}JOIN ({right.sql}) AS b {on}")


def _lateral(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    left, right = draw(inner), draw(inner)
    scopes = (("a", left.columns), ("b", right.columns))
    side = _select(draw, inner, "b.k", scopes, f"FROM ({right.sql}) AS b WHERE b.k = a.k")
    both = (("a", left.columns), ("s", side.columns))
    return _select(draw, inner, "a.k", both, f"FROM ({left.sql}) AS a, LATERAL ({side.sql}) AS s")


def _united(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    left, right = draw(inner), draw(inner)
    one, two = (draw(st.sampled_from(query.columns)) for query in (left, right))
    first = f"SELECT k, {one[0]} AS u FROM ({left.sql})"
    if draw(st.booleans()):
        second, by = f"SELECT {two[0]} AS u, k FROM ({right.sql})", "UNION ALL BY NAME"
    else:
        second, by = f"SELECT k, {two[0]} AS u FROM ({right.sql})", "UNION ALL"
    return Query(f"{first} {by} {second}", (("u", INTEGER if one[1] == two[1] == INTEGER else VARCHAR),))


def _grouped(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    aggregate = draw(st.sampled_from(["max", "min", "any_value"]))
    values = [draw(st.sampled_from(query.columns)) for _ in range(2)]
    items = ", ".join(
        f"{aggregate}(t.{name} ORDER BY t.{name}) AS g{n}" for n, (name, _) in enumerate(values)
    )
    sql = f"SELECT t.k, {items}, CAST(count(*) AS INTEGER) AS n_rows FROM ({query.sql}) AS t GROUP BY t.k"
    return Query(sql, tuple((f"g{n}", kind) for n, (_, kind) in enumerate(values)))


def _named(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    how = draw(st.sampled_from(["", " MATERIALIZED", " NOT MATERIALIZED"]))
    scopes = (("a", query.columns), ("b", query.columns))
    body = _select(draw, inner, "a.k", scopes, "FROM w AS a JOIN w AS b USING (k)")
    return Query(f"WITH w AS{how} ({query.sql}) {body.sql}", body.columns)


def _repeated(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    one, two = (draw(st.sampled_from(query.columns))[0] for _ in range(2))
    start = f"SELECT k, CAST({one} AS VARCHAR), CAST({two} AS VARCHAR), 1 FROM ({query.sql})"
    again = "SELECT k, y || '.', x, n + 1 FROM w WHERE n < 3"
    sql = f"WITH RECURSIVE w(k, x, y, n) AS ({start} UNION ALL {again}) SELECT k, x, y FROM w"
    return Query(sql, (("x", VARCHAR), ("y", VARCHAR)))


def _unnested(draw: st.DrawFn, inner: st.SearchStrategy[Query]) -> Query:
    query = draw(inner)
    items = ", ".join(f"CAST({_any(draw, 't', query.columns)} AS VARCHAR)" for _ in range(2))
    name = next(name for n in range(9) if (name := f"m{n}") not in dict(query.columns))
    sql = f"SELECT t.*, u.{name} FROM ({query.sql}) AS t, unnest([{items}]) AS u({name})"
    return Query(sql, (*query.columns, (name, VARCHAR)))


_STEPS = (_projected, _starred, _joined, _lateral, _united, _grouped, _named, _repeated, _unnested)
