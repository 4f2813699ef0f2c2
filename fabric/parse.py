"""Text to one statement that may run: comments gone, one root, and only nodes on the allow-list.

The tree is what runs (re-serialised), never the text, so a construct that sqlglot reads otherwise
than DuckDB would cannot slip through. ``fabric.confirm`` reads the result a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import Token

from fabric.binding import bound, place
from fabric.dialects import DUCKDB, misread, translated
from fabric.errors import FabricError, InvalidValue, NotSupported, SyntaxProblem
from fabric.parse_definitions import is_definition, read_definition
from fabric.parse_explain import explained
from fabric.parse_steps import is_bearable
from fabric.tokens import tokens as _read
from fabric.types import PROCEDURES, REFRESH, Kind, Parsed

MAX_DEPTH = 200
PUSHED = "pushed"
"""What a query in front of which ``ASSERT PUSHED`` stands is about."""
MAX_PARAMETERS = 65_535
"""As Postgres has it; what a client is told of each takes memory, also of those that are only counted over."""

_DUCKDB = sqlglot.Dialect.get_or_raise("duckdb")
_ROOTS = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values, exp.Pivot)

# Every node that is not a function call must be one of these; functions are judged by name in confirm.
_NODES: frozenset[type[exp.Expr]] = frozenset(
    getattr(exp, name)
    for name in """
    Add Alias Aliases All Any AtTimeZone Between BitString BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr
    BitwiseRightShift BitwiseXor Boolean Bracket ByteString CTE Column ColumnDef Comprehension Cube DPipe
    DataType DataTypeParam Distinct Div Dot EQ Escape Except Filter From GT GTE Glob Group GroupingSets Having
    HexString HistoricalData ILike Identifier IgnoreNulls In IntDiv Intersect Interval IntervalSpan Is JSONPath JSONPathFilter
    JSONPathKey JSONPathRecursive JSONPathRoot JSONPathScript JSONPathSelector JSONPathSlice JSONPathSubscript
    JSONPathUnion JSONPathWildcard Join Kwarg LT LTE JSONKeyValue Lambda Lateral Like Limit LimitOptions Literal
    Mod Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Offset Order Ordered Paren Pivot PivotAlias Placeholder
    Parameter PositionalColumn PropertyEQ Qualify RespectNulls Rollup Select SimilarTo Slice Star Sub Subquery
    Table TableAlias TableSample Tuple Union UnpivotColumns Values Var Where Window WindowSpec With WithinGroup
    """.split()  # noqa: SIM905
)


def parse(text: str, dialect: str = DUCKDB) -> Parsed:
    """Read one statement.

    Args:
        text: the statement.
        dialect: what it is written in; any other than DuckDB's is translated first, and read like the rest.

    Raises:
        SyntaxProblem: the text is no statement, or more than one; the message points at the place.
        NotSupported: it is one that Ripstop does not run, or cannot be translated.
    """
    if dialect != DUCKDB:
        return replace(_parsed(translated(text, dialect)), text=text)
    return _parsed(text)


def _parsed(text: str) -> Parsed:
    tokens = _tokens(text)
    if not tokens:
        raise SyntaxProblem("the statement is empty", hint="send one SELECT statement")
    if is_definition(tokens):
        return read_definition(text, tokens, _statement)
    kind, about, tokens = _explain(text, tokens)
    first = tokens[0].text.upper() if tokens and not about else ""
    if kind == "query" and first == "SHOW":
        return _show(text, tokens)
    if kind == "query" and first in ("DESCRIBE", "DESC"):
        return _describe(text, tokens[1:])
    if kind == "query" and first == "CALL":
        return _call(text, text[tokens[0].end + 1 :])
    if kind == "query" and first == "REFRESH":
        return _refresh(text, tokens[1:])
    return replace(_statement(text, tokens), kind=kind, about=about)


def bind(parsed: Parsed, parameters: Sequence[object] | None) -> Parsed:
    """Put the parameters in the placeholders' places as typed literals.

    ``None`` stands for "not bound yet": every placeholder becomes NULL, so that the statement can be
    described. ``?`` and ``$name`` take values in the order of the text, ``$1`` by its number.

    Raises:
        InvalidValue: the count differs, or a value has a type that SQL has no literal for.
    """
    holders = placeholders(parsed.tree)
    if not holders:
        if parameters:
            raise InvalidValue(f"the statement takes no parameters, {len(parameters)} were given")
        return parsed
    wanted = parameter_count(parsed)
    if parameters is not None and len(parameters) != wanted:
        raise InvalidValue(f"the statement takes {wanted} parameters, {len(parameters)} were given")
    tree = parsed.tree.copy()
    for holder in placeholders(tree):
        number = _number(holder)
        holder.replace(place(number) if parameters is None else bound(parameters[number - 1]))
    return replace(parsed, tree=tree)


def placeholders(tree: exp.Expr) -> list[exp.Expr]:
    """The placeholders of a tree; each holds the number of its value."""
    return [node for node in tree.walk() if isinstance(node, exp.Placeholder | exp.Parameter)]


def parameter_count(parsed: Parsed) -> int:
    """How many values the statement takes."""
    return max((_number(holder) for holder in placeholders(parsed.tree)), default=0)


def _tokens(text: str) -> list[Token]:
    return _read(text, _DUCKDB)


def _explain(text: str, tokens: list[Token]) -> tuple[Kind, str, list[Token]]:
    """The kind, what it is about, and the tokens of the query.

    sqlglot reads EXPLAIN's rest as one token.
    """
    first = [token.text.upper() for token in tokens[:2]]
    if first == ["ASSERT", "PUSHED"]:
        return "query", PUSHED, tokens[2:]
    if first[0] != "EXPLAIN":
        return "query", "", tokens
    tokens = _tokens(text[tokens[0].end + 1 :])
    words = [token.text.upper() for token in tokens[:2]]
    if words[:1] == ["POLICY"]:
        if words != ["POLICY", "FOR"] or len(tokens) < 4:
            raise SyntaxProblem("it is EXPLAIN POLICY FOR user query", hint="EXPLAIN POLICY FOR ana SELECT …")
        return "explain policy", tokens[2].text, tokens[3:]
    return explained(tokens)


def _statement(text: str, tokens: list[Token]) -> Parsed:
    if not is_bearable(tokens):
        raise NotSupported("the statement is nested too deeply", hint="write it in simpler parts")
    try:
        trees = [tree for tree in _DUCKDB.parser().parse(tokens, text) if tree is not None]
        trees = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
        if len(trees) != 1:
            raise SyntaxProblem(
                f"one statement at a time, {len(trees)} were given", hint="send each statement by itself"
            )
        return Parsed(text=text, tree=_checked(trees[0]))
    except RecursionError:
        raise NotSupported("the statement is nested too deeply") from None
    except ParseError as error:
        raise misread(error) from None
    except FabricError:
        raise
    except (SqlglotError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        raise SyntaxProblem("the statement cannot be read") from None


def _checked(root: exp.Expr) -> exp.Expr:
    if not isinstance(root, _ROOTS):
        word = root.key.upper() if not isinstance(root, exp.Command) else str(root.this).upper()
        raise NotSupported(
            f"{word} is not a statement that Ripstop runs",
            hint="SELECT, WITH, VALUES, FROM, set operations, PIVOT with IN (…), EXPLAIN, SHOW, DESCRIBE, CALL, REFRESH, "
            "CREATE VIEW, DROP VIEW, COMMENT ON",
        )
    level: list[exp.Expr] = [root]
    depth = 0
    while level:
        depth += 1
        if depth > 40 * MAX_DEPTH:
            raise NotSupported("the statement is nested too deeply")
        following: list[exp.Expr] = []
        for node in level:
            if not isinstance(node, exp.Func) and type(node) not in _NODES:
                raise NotSupported(f"{node.key.upper()} is not supported in a query")
            node._meta = None  # where it stood; that would take most of the time of every copy
            following.extend(node.iter_expressions())
        level = following
    return root


def _show(text: str, tokens: list[Token]) -> Parsed:
    words = " ".join(token.text.upper() for token in tokens if token.text != ";")
    queries = {
        "SHOW TABLES": "SELECT table_schema AS schema, table_name AS name FROM information_schema.tables "
        "WHERE table_type = 'PRODUCT' ORDER BY ALL",
        "SHOW ALL TABLES": "SELECT table_catalog AS catalog, table_schema AS schema, table_name AS name, "
        "table_type AS type FROM information_schema.tables ORDER BY ALL",
        "SHOW SCHEMAS": "SELECT catalog_name AS catalog, schema_name AS schema "
        "FROM information_schema.schemata ORDER BY ALL",
        "SHOW DATABASES": "SELECT DISTINCT catalog_name AS catalog FROM information_schema.schemata ORDER BY ALL",
    }
    queries["SHOW CATALOGS"] = queries["SHOW DATABASES"]
    if words not in queries:
        raise NotSupported(f"'{words[:60]}' is not supported", hint="; ".join(sorted(queries)))
    return replace(_statement(text, _tokens(queries[words])), kind="show")


def _describe(text: str, tokens: list[Token]) -> Parsed:
    """DESCRIBE of a name is DESCRIBE of everything in it."""
    if not tokens:
        raise SyntaxProblem("DESCRIBE needs a table or a query")
    name = [t for t in tokens if t.text != ";"]
    if tokens[0].text.upper() not in ("SELECT", "WITH", "FROM", "VALUES", "(", "PIVOT", "UNPIVOT"):
        inner = text[name[0].start : name[-1].end + 1]
        return replace(_statement(text, _tokens(f"SELECT * FROM {inner}")), kind="describe")
    return replace(_statement(text, tokens), kind="describe")


def _call(text: str, rest: str) -> Parsed:
    """CALL of a procedure: its arguments are one tuple that is selected, ``about`` is its name.

    sqlglot reads CALL's rest as one token.
    """
    tokens = _tokens(rest)
    name = "".join(token.text for token in tokens[:3]).lower()
    if name not in PROCEDURES or [token.text for token in tokens[3:4]] != ["("]:
        raise NotSupported(
            "that is no procedure that Ripstop calls", hint="; ".join(sorted(PROCEDURES.values()))
        )
    made = _statement(rest, [*_tokens("SELECT"), *tokens[3:]])
    clauses = {key for key, value in made.tree.args.items() if value}
    arguments = made.tree.expressions[0] if clauses == {"expressions"} else None
    form = PROCEDURES[name]
    if isinstance(arguments, exp.Paren):
        arguments.replace(arguments := exp.Tuple(expressions=[arguments.this]))
    most = form.count(",") + 1
    if not isinstance(arguments, exp.Tuple) or not 0 <= most - len(arguments.expressions) <= form.count("["):
        raise SyntaxProblem("the call cannot be read", hint=f"it is {form}")
    return Parsed(text=text, tree=made.tree, kind="command", about=name)


def _refresh(text: str, tokens: list[Token]) -> Parsed:
    """REFRESH of a name is a call with the name as its argument."""
    named = [token for token in tokens if token.text != ";"]
    if not named:
        raise SyntaxProblem("REFRESH needs a product", hint="REFRESH domain.product")
    written = text[named[0].start : named[-1].end + 1]
    argument = exp.Tuple(expressions=[exp.Literal.string(written)])
    return Parsed(text=text, tree=exp.select(argument), kind="command", about=REFRESH)


def _number(holder: exp.Expr) -> int:
    name = str(holder.name or "")
    known = name.isascii() and name.isdigit() and len(name) <= len(str(MAX_PARAMETERS))
    if not known or not 1 <= int(name) <= MAX_PARAMETERS:
        raise NotSupported(
            f"parameters are written ?, $1 or $name, and numbered from $1 to ${MAX_PARAMETERS}"
        )
    return int(name)
