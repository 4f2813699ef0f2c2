"""Run a statement as a user and judge it: the answer against the oracle's, all that was shown by the canaries."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from fabric.errors import FabricError
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App
from tests.attacks.canary import NAMES
from tests.attacks.oracle import Oracle
from tests.attacks.project import USERS

_RAW_COUNT = re.compile(r"(?<![\d.,-])313(?![\d.,-])")

_JOURNAL = """
SELECT q.sql, q.state, q.error, s.source, s.object, s.pushed, s.rows
FROM system.queries q LEFT JOIN system.scans s USING (query_id) WHERE q.sql IN ($1, 'EXPLAIN ANALYZE ' || $1)
"""


class Wrong(AssertionError):
    """A verdict against the product; ``kind`` is how the summary counts it."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


LEAK, FORBIDDEN, WRONG, REFUSED = "leak", "forbidden, and ran", "wrong answer", "wrongly refused"


@dataclass
class Logs(logging.Handler):
    """What was logged, with the texts of exceptions."""

    records: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.DEBUG)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record as text."""
        self.records.append(logging.Formatter("%(name)s %(message)s").format(record))


@contextmanager
def logs() -> Iterator[Logs]:
    """Everything that any logger says meanwhile."""
    kept, root = Logs(), logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        yield kept
    finally:
        root.removeHandler(kept)
        root.setLevel(level)


def read(
    app: App, sql: str, who: Principal, parameters: Sequence[object] = (), session: Session | None = None
) -> pa.Table:
    """The line's answer."""
    with app.line.run(sql, who, session or Session(), parameters) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def shown(table: pa.Table, texts: Sequence[Sequence[str | None]]) -> str:
    """A result as a client could show it."""
    rows = "\n".join(" | ".join(value or "" for value in row) for row in texts)
    return f"{table.schema.to_string(show_schema_metadata=True)}\n{rows}"


@dataclass(frozen=True)
class Court:
    """The line under attack, and the oracle that knows better."""

    app: App
    oracle: Oracle

    def judge(
        self,
        user: str,
        sql: str,
        expected: str = "rows",
        parameters: Sequence[object] = (),
        *,
        ordered: bool = False,
    ) -> None:
        """Ask, and hold the answer, and everything else that is shown, against what it must be.

        Args:
            user: who asks.
            sql: one statement.
            expected: ``rows`` (the oracle has an answer), ``error`` (it has none, and neither may we), ``denied``
                (whatever plain DuckDB would say), ``either`` (a refusal, or the oracle's answer), or
                ``not found <name>`` (as if the name were not there at all).
            parameters: one value a placeholder.
            ordered: whether the rows come in an order that leaves no tie.

        Raises:
            Wrong: the verdict.
        """
        got = self.show(user, sql, parameters)
        if expected == "denied" or expected.startswith("not found"):
            if not isinstance(got, FabricError):
                raise Wrong(FORBIDDEN, f"{user}: {sql}\n{got}")
            if expected != "denied":
                self._as_if_missing(user, sql, expected.removeprefix("not found").strip(), got)
            return
        self.compare(user, sql, got, expected, parameters, ordered=ordered)
        again = self.ask(user, sql, parameters)  # from the caches, where they hold it
        self.compare(user, sql, again, expected, parameters, ordered=ordered)

    def show(self, user: str, sql: str, parameters: Sequence[object] = ()) -> pa.Table | FabricError:
        """The answer; it, and all that the statement shows elsewhere, was searched for what is not the user's."""
        with logs() as kept:
            got = self.ask(user, sql, parameters)
            self._side_doors(user, sql, parameters)
        # The log is the operator's: it may name what it will, but it holds no values.
        self._search(user, " ".join(NAMES), "\n".join(kept.records), "the log")
        return got

    def ask(self, user: str, sql: str, parameters: Sequence[object] = ()) -> pa.Table | FabricError:
        """The answer, or the error that the user is shown; both were searched for what is not theirs."""
        written = f"{sql} {parameters}"
        try:
            table = read(self.app, sql, USERS[user], parameters)
        except FabricError as error:
            self._search(user, written, f"{error.code} {error.message} {error.hint} {error}", "the error")
            return error
        self._search(user, written, shown(table, self.oracle.texts(table)), "the answer")
        return table

    def compare(
        self,
        user: str,
        sql: str,
        got: pa.Table | FabricError,
        expected: str,
        parameters: Sequence[object] = (),
        *,
        ordered: bool = False,
    ) -> None:
        """Hold an answer against the oracle's.

        Raises:
            Wrong: they differ.
        """
        try:
            wanted = self.oracle.ask(user, sql, parameters)
        except (duckdb.Error, pa.ArrowException) as error:
            if expected == "rows":
                raise AssertionError(f"the oracle has no answer: {error}\n{sql}") from None
            if not isinstance(got, FabricError):
                raise Wrong(FORBIDDEN, f"{user}: {sql}\n{got}\nwhere DuckDB says {error}") from None
            return
        if expected == "error":
            raise AssertionError(f"the oracle has an answer: {sql}\n{wanted}")
        if isinstance(got, FabricError):
            if expected != "either":
                kind = LEAK if got.code in ("INVALID_VALUE", "INTERNAL") else REFUSED
                raise Wrong(kind, f"{user}: {sql}\n{got}")
            return
        rows, wanted_rows = self.oracle.texts(got), self.oracle.texts(wanted)
        if not ordered:
            rows, wanted_rows = sorted(rows, key=_key), sorted(wanted_rows, key=_key)
        types = ([str(kind) for kind in got.schema.types], [str(kind) for kind in wanted.schema.types])
        if rows != wanted_rows or types[0] != types[1] or not _same_names(got, wanted):
            raise Wrong(
                WRONG, f"{user}: {sql}\n{_difference(rows, wanted_rows)}\n{got.schema}\n{wanted.schema}"
            )

    def _side_doors(self, user: str, sql: str, parameters: Sequence[object]) -> None:
        """What the same statement shows elsewhere: its schema, its receipt, its plan, and the journal."""
        who, written = USERS[user], f"{sql} {parameters}"

        def described() -> str:
            promised = self.app.line.describe(sql, who, Session(), parameters or None)
            return f"{promised.schema.to_string(show_schema_metadata=True)}\n{json.dumps(dict(promised.receipt))}"

        self._quietly(user, written, described, "the receipt")
        for front in ("EXPLAIN ANALYZE", "EXPLAIN (FORMAT JSON)", "EXPLAIN (FORMAT MERMAID)"):
            self._quietly(
                user,
                written,
                lambda front=front: _plan(read(self.app, f"{front} {sql}", who, parameters)),  # type: ignore[misc]
                front,
                counts=True,
            )
        self._quietly(
            user,
            written,
            lambda: str(read(self.app, _JOURNAL, who, [sql]).to_pylist()),
            "the journal",
            counts=True,
        )

    def _quietly(
        self, user: str, sql: str, ask: Callable[[], str], where: str, *, counts: bool = False
    ) -> None:
        try:
            text = ask()
        except FabricError as error:
            text = str(error)
        self._search(user, sql, text, where)
        if counts and user != "aud" and (match := _RAW_COUNT.search(text)):
            raise Wrong(
                LEAK,
                f"{user}: the count of the raw table in {where} of {sql}\n{text[max(0, match.start() - 300) :][:600]}",
            )

    def _search(self, user: str, sql: str, text: str, where: str) -> None:
        if user != "aud" and (found := self.oracle.canaries(user).leaks(text, sql)):
            raise Wrong(LEAK, f"{user}: {found[:5]} in {where} of {sql}\n{text[:600]}")

    def _as_if_missing(self, user: str, sql: str, name: str, error: FabricError) -> None:
        """The error is, to the letter, that for a name that nobody has."""
        catalog, _, last = name.rpartition(".")
        other = f"{catalog}.{'x' * (len(last) - 2)}_9" if catalog else "x" * len(last)
        missing = self.ask(user, sql.replace(name, other))
        if not isinstance(missing, FabricError):
            raise AssertionError(f"{other} is there: {sql}")
        said, wanted = str(error), str(missing).replace(other, name)
        if said != wanted:
            raise Wrong(LEAK, f"{user} can tell {name} from a name that is missing\n{said}\n{wanted}")


def _plan(table: pa.Table) -> str:
    return "\n".join(line or "" for line in table.column(0).to_pylist())


def _same_names(got: pa.Table, wanted: pa.Table) -> bool:
    """Names are DuckDB's own, but for unnamed subqueries, which bear their own text."""
    pairs = zip(got.schema.names, wanted.schema.names, strict=True)
    return all(one == other or "(" in other for one, other in pairs)


def _key(row: tuple[str | None, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for value in row)


def _difference(rows: list[tuple[str | None, ...]], wanted: list[tuple[str | None, ...]]) -> str:
    extra = [row for row in rows if row not in wanted]
    missing = [row for row in wanted if row not in rows]
    return f"{len(rows)} rows, wanted {len(wanted)}; too much: {extra[:3]}; missing: {missing[:3]}"
