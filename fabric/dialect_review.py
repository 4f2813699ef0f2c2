"""The allow-list in front of a translation: nodes, functions, and what sqlglot would drop without a word."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from fabric.dialect_rules import Rules
from fabric.errors import NotSupported, SyntaxProblem

_MOST_NESTED, _MOST_NESTED_IN_LONG, _LONG = 5, 2, 4_000
"""Calls within calls that a translation writes out several times, and the same in a text of so many characters."""

_REPEATED = frozenset(
    "greatest least length safedivide split splitpart stuff strposition substring concatws arraycontains "
    "regexpcount addmonths decodecase nvl2 left right tonumber datediff avg any explode corr regexpextract "
    "ceil floor arrayagg arrayuniqueagg arraydistinct parsejson".split()
)
_SELECT = frozenset(
    "expressions from_ joins laterals where group having qualify windows distinct order limit offset with_ kind "
    "hint operation_modifiers into".split()
)
_TABLE = frozenset("this db catalog alias joins hints only ordinality sample pivots laterals".split())
_HINTS = frozenset(["nolock", "readuncommitted", "readcommitted"])

# What DuckDB's own allow-list does not have, and a rewrite or sqlglot turns into something that it has.
_NODES = frozenset(
    getattr(exp, name)
    for name in """
    Fetch National RawString WithTableHint LimitOptions TableFromRows WeekStart Hint ByteString PropertyEQ Boolean
    Add Alias Aliases All Any AtTimeZone Between BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BitwiseLeftShift
    BitwiseRightShift Bracket CTE Column Cube DPipe DataType DataTypeParam Distinct Div Dot EQ Escape Except Filter From
    GT GTE Group GroupingSets Having HexString ILike Identifier IgnoreNulls In IntDiv Intersect Interval IntervalSpan Is
    JSONPath JSONPathKey JSONPathRoot JSONPathSubscript Join Kwarg LT LTE Lambda Lateral Like Limit Literal Mod Mul NEQ
    Neg Not Null NullSafeEQ NullSafeNEQ Offset Order Ordered Paren Placeholder Parameter Qualify RespectNulls Rollup
    Select Slice Star Sub Subquery Table TableAlias TableSample Tuple Union Values Var Where Window WindowSpec With
    WithinGroup ColumnDef BitString
    """.split()
)


@dataclass(frozen=True, slots=True)
class Place:
    """Finds where a node stands in the user's text."""

    text: str

    def refuse(self, node: exp.Expr, what: str, hint: str = "") -> NotSupported:
        """The error for a node that has no translation, at its place."""
        return NotSupported(f"{what} cannot be translated{self.of(node)}", hint=hint or _HINT)

    def of(self, node: exp.Expr) -> str:
        """`` at line 1, column 8``; empty when it cannot be told."""
        start = next((found.meta["start"] for found in _near(node) if "start" in found.meta), None)
        if not isinstance(start, int) or not 0 <= start < len(self.text):
            return ""
        line = self.text.count("\n", 0, start) + 1
        return f" at line {line}, column {start - self.text.rfind(chr(10), 0, start)}"

    def words(self, node: exp.Expr) -> str:
        """The node's own words, as far as the places of its parts tell."""
        parts = [part.meta for part in node.walk() if "start" in part.meta]
        if not parts:
            return node.key
        start, end = min(part["start"] for part in parts), max(part["end"] for part in parts) + 1
        said = self.text[start:end]
        # The closing brackets of calls have no places of their own.
        for _ in range(said.count("(") - said.count(")")):
            closing = self.text.find(")", end)
            end = closing + 1 if closing >= 0 else end
        return " ".join(self.text[start:end].split())[:60]


_HINT = "write that part in DuckDB's dialect (session option dialect)"


def _near(node: exp.Expr) -> list[exp.Expr]:
    """What of the node, or else of what is around it, has a place: the first of each in the text."""
    found: list[exp.Expr] = []
    around: exp.Expr | None = node
    while around is not None and len(found) < 3:
        places = [part for part in around.walk() if "start" in part.meta]
        found += sorted(places, key=lambda part: int(part.meta["start"]))[:1]
        around = around.parent
    return found


def review(tree: exp.Expr, rules: Rules, place: Place) -> None:
    """Refuse a tree that holds what was not reviewed for its dialect.

    Raises:
        SyntaxProblem: it is no query.
        NotSupported: see above; the message says where.
    """
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery | exp.Values):
        raise SyntaxProblem(
            "only queries are translated from another dialect",
            hint="SELECT, WITH, VALUES, set operations, EXPLAIN, DESCRIBE, SHOW, CALL",
        )
    level: list[tuple[exp.Expr, int]] = [(tree, 0)]
    while level:
        following: list[tuple[exp.Expr, int]] = []
        for node, repeated in level:
            _judge(node, rules, place)
            repeated += node.key in _REPEATED
            if repeated > (_MOST_NESTED if len(place.text) <= _LONG else _MOST_NESTED_IN_LONG):
                raise place.refuse(node, "a call nested that deeply")
            following.extend((child, repeated) for child in node.iter_expressions())
        level = following


def _judge(node: exp.Expr, rules: Rules, place: Place) -> None:
    if isinstance(node, exp.Func):
        name = f"~{node.name.lower()}" if isinstance(node, exp.Anonymous) else node.key
        if name not in rules.functions:
            written = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            raise place.refuse(
                node,
                f"function {written.lower()[:60]}",
                "it was not reviewed for this dialect; docs/sql.md lists what was",
            )
    elif type(node) not in _NODES:
        raise place.refuse(node, node.key.upper())
    if isinstance(node, exp.Select):
        _judge_args(node, _SELECT, place)
        if node.args.get("into") or node.args.get("kind"):
            raise place.refuse(node, "SELECT INTO or SELECT AS")
    elif isinstance(node, exp.Table):
        _judge_args(node, _TABLE, place)
        for hint in node.args.get("hints") or []:
            words = {word.name.lower() for word in hint.expressions}
            if not isinstance(hint, exp.WithTableHint) or not words <= _HINTS:
                raise place.refuse(node, "a table hint")
    elif isinstance(node, exp.LimitOptions) and (node.args.get("percent") or node.args.get("with_ties")):
        raise place.refuse(node, "PERCENT or WITH TIES", "say how many rows, or use QUALIFY rank() OVER …")


def _judge_args(node: exp.Expr, known: frozenset[str], place: Place) -> None:
    for name, value in node.args.items():
        if value and name not in known:
            raise place.refuse(node, name.strip("_").replace("_", " ").upper())
