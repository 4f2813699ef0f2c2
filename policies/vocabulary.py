"""What an expression of a policy may say: one value of one row, the same whenever and by whomever it is asked.

What it calls is judged on the text that DuckDB will be given, not on sqlglot's names for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from fabric.confirm import functions
from fabric.naming import nearest
from fabric.parse import placeholders
from policies.attributes import target

MAX_NESTING = 60
MAX_DEPTH = 250
"""What sqlglot and ``fabric.resolve`` can walk when the stack is half used; a chain of one operator nests once."""

OWN = {"attr": (1, 2), "attrs": (1, 2), "user": (0, 0), "has_role": (1, 1)}
"""The functions that policies have beside users' ones: the fewest and the most arguments, each a text."""

_PATHS = frozenset(
    """
    json_array_length json_exists json_extract json_extract_path json_extract_path_text json_extract_string json_keys
    json_type json_value
    """.split()  # noqa: SIM905
)
_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")

# DuckDB 2.0's aggregates, its macros over aggregates, its window functions, and what makes several rows of one
# (duckdb_functions(); a test compares).
MANY_ROWS = frozenset(
    """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg
    bool_and bool_or combine_aggr corr count count_if count_star countif covar_pop covar_samp decimal_average
    entropy favg first fsum group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list
    listagg lttb mad max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx
    regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem
    skewness stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance
    variant_group_object

    geomean geometric_mean json_group_array json_group_object json_group_structure variant_group_array wavg
    weighted_avg

    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense
    row_number

    unnest generate_subscripts regexp_split_to_table
    """.split()  # noqa: SIM905
)

# Functions on the users' list that answer differently each time, or by the moment. Of the latter those that have
# a literal are gone from the text that is judged; here they stand for a way of writing that has none.
VOLATILE = frozenset(
    """
    random uuid uuidv4 uuidv7 gen_random_uuid
    ago now today current_date get_current_time get_current_timestamp transaction_timestamp current_localtime
    current_localtimestamp
    """.split()  # noqa: SIM905
)

# Words that are calls without a parenthesis, and words of SQL that one may follow without a call.
_BARE_CALLS = frozenset(
    [
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "localtime",
        "localtimestamp",
        "session_user",
        "user",
    ]
)
_LIST_ITEMS = (exp.Star, exp.Columns, exp.Alias, exp.PositionalColumn)
_SYNTAX = frozenset(
    """
    all and any array as asc between by case cast coalesce cross desc distinct else end escape except exclude exists
    extract filter from full glob group having ilike in inner intersect interval is join lateral left like limit
    materialized natural not offset on or order outer over partition pivot qualify recursive rename replace right
    select semi sets similar some then to try try_cast union unpivot using values when where with within
    """.split()  # noqa: SIM905
)


def judge(tree: exp.Expr, still: exp.Expr, what: str) -> None:
    """Refuse what no policy may say, whatever the schema.

    Args:
        tree: the expression as it was written.
        still: the same with literals where it asks for the moment.
        what: what it is, for messages.

    Raises:
        ValueError: says what is wrong with it.
    """
    _judge_depth(tree)
    if placeholders(tree):
        raise ValueError(f"{what} cannot have parameters")
    for node in tree.walk():
        _judge_node(node)
    for table in objects(tree):
        if not 2 <= len(table.parts) <= 3:
            raise _incomplete(table)
    top = list(still.walk(prune=_is_query))
    if any(isinstance(node, exp.Window) for node in top):
        raise ValueError(f"{what} sees one row at a time; a window belongs into a subquery")
    many = _called(still, what) & MANY_ROWS
    if many and any(_is_query(node) for node in top):
        many = _called(_without_queries(still), what) & MANY_ROWS
    if many:
        raise ValueError(f"{what} sees one row at a time; {min(many)}() belongs into a subquery")
    if isinstance(tree, exp.PropertyEQ) or any(isinstance(node, _LIST_ITEMS) for node in top):
        raise ValueError(f"{what} is one expression; *, COLUMNS, #1 and AS do not belong here")


def objects(tree: exp.Expr) -> list[exp.Table]:
    """The tables that a tree names, but for names of a WITH that is in sight of them."""
    return list(_objects(tree, frozenset()))


def _objects(node: exp.Expr, ctes: frozenset[str]) -> Iterator[exp.Table]:
    """As in ``fabric.resolve``: a WITH name is seen by those after it, by itself only in WITH RECURSIVE."""
    clause = node.args.get("with_")
    if isinstance(clause, exp.With):
        for cte in clause.expressions:
            seen = ctes | {cte.alias.lower()}
            yield from _objects(cte, seen if clause.args.get("recursive") else ctes)
            ctes = seen
    named = isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier)
    if isinstance(node, exp.Table) and named and (len(node.parts) > 1 or node.name.lower() not in ctes):
        yield node
    for child in node.iter_expressions():
        if child is not clause:
            yield from _objects(child, ctes)


def _is_fixed(path: exp.Expr) -> bool:
    return isinstance(path, exp.JSONPath | exp.Literal)


def _movable() -> ValueError:
    return ValueError("a JSON path stands in single quotes: TRY does not catch what a wrong one raises")


def _judge_node(node: exp.Expr) -> None:
    if isinstance(node, exp.Anonymous):
        _judge_call(node)
    elif isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
        raise ValueError("a function is written f(x), not x.f()")
    elif isinstance(node, exp.Escape):
        raise ValueError(
            "LIKE … ESCAPE raises what TRY does not catch; write contains(), or a regular expression"
        )
    elif isinstance(node, exp.JSONExtract | exp.JSONExtractScalar) and not _is_fixed(node.expression):
        raise _movable()
    elif isinstance(node, exp.TableSample):
        raise ValueError("a sample is another one each time, and a policy must not depend on it")
    elif isinstance(node, exp.Column) and _is_bare_call(node):
        raise ValueError(f"'{node.name}' is a column only in quotes; the one who asks is user()")
    elif isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        if not isinstance(node.this, exp.Func):
            raise _incomplete(node)
        name = node.this.sql(dialect="duckdb").partition("(")[0].lower()
        if not functions().get((name, "table"), False):
            raise ValueError(f"table function '{name}' is not available")


def _incomplete(table: exp.Table) -> ValueError:
    written = ".".join(part.sql(dialect="duckdb") for part in table.parts)
    return ValueError(f"'{written}' is not the full name of an object: domain.product or source.schema.table")


def _is_bare_call(column: exp.Column) -> bool:
    identifier = column.this
    quoted = isinstance(identifier, exp.Identifier) and identifier.args.get("quoted")
    return len(column.parts) == 1 and not quoted and column.name.lower() in _BARE_CALLS


def _judge_call(call: exp.Anonymous) -> None:
    name = call.name.lower()
    if name == "age" and len(call.expressions) == 1:
        raise ValueError("age(x) asks for the day unsaid; write age(current_date, x)")
    if name in _PATHS and not all(_is_fixed(path) for path in call.expressions[1:]):
        raise _movable()
    if name not in OWN:
        return
    fewest, most = OWN[name]
    if not fewest <= len(call.expressions) <= most:
        count = (
            f"{fewest} or {most} arguments" if fewest < most else "one argument" if most else "no argument"
        )
        raise ValueError(f"{name}() takes {count}")
    if not all(isinstance(item, exp.Literal) and item.is_string and item.name for item in call.expressions):
        raise ValueError(f"{name}() takes text in single quotes, so that what it asks is known beforehand")
    if name in ("attr", "attrs") and call.expressions[1:]:
        target(call.expressions[1].name)


def _is_query(node: exp.Expr) -> bool:
    return isinstance(node, exp.Query | exp.Values)


def _without_queries(tree: exp.Expr) -> exp.Expr:
    holder = exp.Paren(this=tree.copy())
    for node in list(holder.walk(prune=_is_query)):
        if _is_query(node):
            node.replace(exp.null())
    return holder


def _called(tree: exp.Expr, what: str) -> frozenset[str]:
    """The functions that DuckDB will call, in lower case.

    Raises:
        ValueError: one of them is not open to policies.
    """
    if tree.find(exp.DataType, exp.TableAlias):
        tree = exp.Paren(this=tree.copy())
        for node in list(tree.find_all(exp.DataType)):  # DECIMAL(10, 2) is no call
            node.replace(exp.DataType.build("INT"))
        for alias in tree.find_all(exp.TableAlias):  # nor is t(a, b)
            alias.set("columns", None)
    return frozenset(_calls(_DUCKDB.tokenize(tree.sql(dialect="duckdb")), what))


def _calls(tokens: Sequence[Token], what: str) -> Iterator[str]:
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        name = token.text.lower()
        quoted = token.token_type == TokenType.IDENTIFIER
        if token.token_type == TokenType.STRING or not (quoted or name[:1].isalpha() or name[:1] == "_"):
            continue
        called = after is not None and after.token_type == TokenType.L_PAREN
        if (name in VOLATILE and called) or (name in _BARE_CALLS and not called and not quoted):
            raise ValueError(f"{name} cannot stand in {what}, which is the same whenever it is asked")
        if not called:
            continue
        known = functions().get((name, "scalar"), False) or functions().get((name, "table"), False)
        if not known and name not in OWN and (quoted or name not in _SYNTAX):
            raise ValueError(_unknown(name))
        yield name


def _unknown(name: str) -> str:
    if name in _BARE_CALLS:
        return f"function '{name}' is not available; the one who asks is user()"
    listed = {known for (known, _), allow in functions().items() if allow and known.isidentifier()}
    near = None if (name, "scalar") in functions() else nearest(name, listed - VOLATILE | set(OWN))
    return f"function '{name}' is not available" + (f"; did you mean '{near}'?" if near else "")


def _judge_depth(tree: exp.Expr) -> None:
    stack = [(tree, 1, 1)]
    while stack:
        node, nesting, depth = stack.pop()
        if nesting > MAX_NESTING or depth > MAX_DEPTH:
            raise ValueError("the expression is nested too deeply")
        for child in node.iter_expressions():
            chained = isinstance(node, exp.Binary) and type(child) is type(node)
            stack.append((child, nesting if chained else nesting + 1, depth + 1))
