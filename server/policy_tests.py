"""Users' own policy tests (``tests/*.yaml``), and what a change of the rules would mean for what was asked before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from pydantic import Field, ValidationError

from fabric.errors import AccessDenied, FabricError, InvalidConfig, NotFound
from fabric.pipeline import Session
from fabric.settings import Strict
from fabric.types import Principal
from server.app import App, build, known_principal

FOLDER = "tests"


class PolicyTest(Strict):
    """As somebody, a query gives these rows, this many, these columns, or is denied.

    ``as`` is a local user or ``role:<name>``; ``roles`` and ``attributes`` make a hypothetical one. ``rows`` are
    compared without their order, values by their text.
    """

    name: str = ""
    who: str = Field(alias="as")
    roles: tuple[str, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    query: str
    rows: list[list[Any]] | None = None
    count: int | None = None
    columns: list[str] | None = None
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one test: ``problem`` is empty when it passed."""

    test: str
    problem: str = ""


def run_policy_tests(directory: Path) -> Iterator[Verdict]:
    """Run every test of the project.

    Raises:
        InvalidConfig: a test file does not load; names file and key.
    """
    tests = list(_read(directory))
    if not tests:
        return
    with closing(build(directory)) as app:
        for name, test in tests:
            yield Verdict(name, _problem(app, test))


def _read(directory: Path) -> Iterator[tuple[str, PolicyTest]]:
    for file in sorted((directory / FOLDER).glob("*.yaml")):
        where = f"{FOLDER}/{file.name}"
        try:
            found = yaml.safe_load(file.read_text("utf-8")) or []
        except (yaml.YAMLError, OSError, UnicodeDecodeError):
            raise InvalidConfig(f"{where}: it cannot be read as YAML") from None
        if not isinstance(found, list):
            raise InvalidConfig(
                f"{where}: it is a list of tests", hint="- {as: ana, query: SELECT …, count: 3}"
            )
        for number, each in enumerate(found, 1):
            try:
                test = PolicyTest.model_validate(each)
            except ValidationError as error:
                first = error.errors()[0]
                key = ".".join(str(part) for part in first["loc"])
                raise InvalidConfig(f"{where}: test {number}: {key}: {first['msg']}") from None
            yield f"{where}: {test.name or f'test {number}'}", test


def _problem(app: App, test: PolicyTest) -> str:
    about = known_principal(app.config)(test.who)
    about = replace(
        about, roles=about.roles | frozenset(test.roles), attributes={**about.attributes, **test.attributes}
    )
    try:
        answer = _ask(app, test.query, about)
    except (AccessDenied, NotFound) as error:
        return "" if test.denied else f"{test.who} was denied: {error.message}"
    except FabricError as error:
        return f"the query failed: {error}"
    if test.denied:
        return f"{test.who} was not denied, and got {answer.num_rows} rows"
    if test.columns is not None and answer.column_names != test.columns:
        return f"the columns are {', '.join(answer.column_names)}"
    if test.count is not None and answer.num_rows != test.count:
        return f"there are {answer.num_rows} rows"
    if test.rows is not None:
        got = sorted(map(_texts, (row.values() for row in answer.to_pylist())))
        wanted = sorted(map(_texts, test.rows))
        if got != wanted:
            return f"the rows are {got[:5]}{' …' if len(got) > 5 else ''}"
    return ""


def _ask(app: App, sql: str, who: Principal) -> pa.Table:
    with app.line.run(sql, who, Session()) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def _texts(row: Any) -> list[str]:
    return [_text(value) for value in row]


def _text(value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == datetime.min.time():
        return value.date().isoformat()
    if isinstance(value, date | datetime):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "NULL"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


# ── replay ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Change:
    """A query that was asked before, and what other rules would make of it."""

    user: str
    sql: str
    before: str
    after: str


def replay(directory: Path, changed: Path, most: int) -> tuple[int, list[Change]]:
    """The last queries under the project's rules and under changed ones: how many, and those that differ.

    Decisions are compared, and nothing is run: a query counts as changed when it is refused under one and not
    under the other, or when the restrictions on it differ.

    Args:
        directory: the project directory; its ``.ripstop`` knows what was asked.
        changed: a project directory with the same sources and products, and the rules to be tried.
        most: how many queries, the newest.
    """
    changes = []
    with closing(build(directory)) as now, closing(build(changed)) as then:
        asked = list(_asked(now, most))
        for user, sql in asked:
            before = _outcome(now, sql, known_principal(now.config)(user))
            after = _outcome(then, sql, known_principal(then.config)(user))
            if before != after:
                changes.append(Change(user, sql, before[0], after[0]))
    return len(asked), changes


def _asked(app: App, most: int) -> Sequence[tuple[str, str]]:
    newest = reversed(app.journal.queries(None))
    return list(dict.fromkeys((str(row[1]), str(row[2])) for row in newest))[:most]


def _outcome(app: App, sql: str, who: Principal) -> tuple[str, str]:
    """What is told of a query's restrictions, and the digest of all decisions on it."""
    try:
        described = app.line.describe(sql, who, Session())
    except FabricError as error:
        return f"refused: {error.message}", error.code
    told = described.receipt.get("restricted", {})
    restricted = ", ".join(f"{name}: {what}" for name, what in told.items()) if isinstance(told, dict) else ""
    return f"answers ({restricted or 'nothing read'})", described.policy_version
