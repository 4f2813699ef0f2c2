"""Users' own policy tests (``tests/*.yaml``), and what a change of the rules would mean for what was asked before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from pydantic import Field, ValidationError

from fabric.compose import probe
from fabric.config_model import Role
from fabric.config_problems import Problems, describe_errors, dotted
from fabric.config_yaml import read_document
from fabric.errors import AccessDenied, FabricError, InvalidConfig, NotFound
from fabric.key import load_key
from fabric.parse import bind, parse
from fabric.pipeline import Session
from fabric.resolve import resolve
from fabric.settings import Strict
from fabric.types import Principal
from server.app import App, build, known_principal

FOLDER = "tests"


class PolicyTest(Strict):
    """As somebody, a query gives these rows, this many, these columns, or is denied.

    ``as`` is a local user or ``role:<name>``; ``roles`` and ``attributes`` make a hypothetical one, who need not be
    in users.yaml. ``rows`` are compared without their order, values by their text, numbers to 15 digits.
    """

    name: str = ""
    who: str = Field(alias="as")
    roles: tuple[Role, ...] = ()
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
        InvalidConfig: a test file, or a policy file, does not load; names file and line.
    """
    tests = list(_read(directory))
    if not tests:
        return
    with closing(build(directory, recorded=False)) as app:
        _require_rules(app)
        for name, test in tests:
            yield Verdict(name, _problem(app, test))


def _require_rules(app: App, where: str = "") -> None:
    """Refuse rules of which some do not load: what they would deny, and nothing else, is then denied anyhow."""
    if app.governor.errors():
        said = "\n".join(f"{where}{error}" for error in app.governor.errors())
        raise InvalidConfig(said, hint="correct what is named and retry")


def _read(directory: Path) -> list[tuple[str, PolicyTest]]:
    problems = Problems()
    files = sorted((directory / FOLDER).glob("*.yaml"))
    tests = [each for file in files for each in _tests_of(file, f"{FOLDER}/{file.name}", problems)]
    problems.stop()
    return tests


def _tests_of(file: Path, where: str, problems: Problems) -> Iterator[tuple[str, PolicyTest]]:
    document = read_document(file, problems, where)
    if document is None:
        return
    try:
        found = yaml.safe_load(file.read_text("utf-8-sig")) or []
    except (yaml.YAMLError, ValueError):
        # a date that no calendar has
        problems.add(where, 0, "it holds a value that cannot be read")
        return
    if not isinstance(found, list):
        problems.add(where, 0, "it is a list of tests, such as - {as: ana, query: SELECT …, count: 3}")
        return
    for number, each in enumerate(found):
        named = f"test {number + 1}"
        try:
            test = PolicyTest.model_validate(each)
        except ValidationError as error:
            for path, message in describe_errors(error, PolicyTest, each):
                key = f"{named}: {dotted(path)}" if path else named
                problems.add(where, document.line((number, *path)), message, key)
            continue
        yield f"{where}: {test.name or named}", test


def _problem(app: App, test: PolicyTest) -> str:
    known = test.who in app.config.users or test.who.startswith("role:")
    if not known and not test.model_fields_set & {"roles", "attributes"}:
        return f"'{test.who}' is not in users.yaml; say what they hold, be it roles: []"
    about = known_principal(app.config)(test.who)
    about = replace(
        about, roles=about.roles | frozenset(test.roles), attributes={**about.attributes, **test.attributes}
    )
    try:
        answer = _ask(app, test.query, about)
    except (AccessDenied, NotFound) as error:
        missing = _missing(app, test.query) if isinstance(error, NotFound) else ""
        if missing:
            return f"nobody could ask this: {missing}"
        return "" if test.denied else f"{test.who} was denied: {error.message}"
    except FabricError as error:
        return f"the query failed: {error}"
    return (
        f"{test.who} was not denied, and got {answer.num_rows} rows" if test.denied else _amiss(test, answer)
    )


def _missing(app: App, sql: str) -> str:
    """What a query names that is not there whoever asks; that is answered as what one may not know of."""
    try:
        probe(resolve(bind(parse(sql), None), app.catalog.whole(), None, ""), app.engine)
    except NotFound as error:
        return error.message.removesuffix(" that you may see")
    except FabricError:
        return ""
    return ""


def _amiss(test: PolicyTest, answer: pa.Table) -> str:
    if test.columns is not None and answer.column_names != test.columns:
        return f"the columns are {', '.join(answer.column_names)}"
    if test.count is not None and answer.num_rows != test.count:
        return f"there are {answer.num_rows} rows"
    if test.rows is not None:
        got = sorted(_texts(column[n].as_py() for column in answer.columns) for n in range(answer.num_rows))
        if got != sorted(map(_texts, test.rows)):
            return f"the rows are {got[:5]}{' …' if len(got) > 5 else ''}"
    return ""


def _ask(app: App, sql: str, who: Principal) -> pa.Table:
    with app.line.run(sql, who, Session()) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def _texts(row: Iterable[Any]) -> list[str]:
    return [_text(value) for value in row]


def _text(value: object) -> str:
    """A value as text that is the same for what YAML and Arrow read of it, and NULL no text of a value."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float() if isfinite(value):
            return _text(Decimal(f"{value:.15g}"))
        case int() | Decimal():
            digits = f"{value:f}" if isinstance(value, Decimal) else str(value)
            digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
            return "0" if digits == "-0" else digits
        case datetime() if value.tzinfo is None and value.time() == datetime.min.time():
            return value.date().isoformat()
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case list() | tuple():
            return f"[{', '.join(_texts(value))}]"
        case dict():
            return f"{{{', '.join(f'{key}: {_text(item)}' for key, item in value.items())}}}"
    text = str(value)
    return f"'{text}'" if text == "NULL" else text


# ── replay ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Change:
    """A query that was asked before, and what other rules would make of it."""

    user: str
    sql: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """Of ``asked`` queries those that ``changes`` lists.

    ``unjudged`` are of users who are not in users.yaml, or refused by both sets of rules, whatever the reason.
    """

    asked: int
    changes: tuple[Change, ...]
    unjudged: int


def replay(directory: Path, changed: Path, most: int) -> Replayed:
    """The last queries under the project's rules and under changed ones.

    Decisions are compared, and nothing is run: a query counts as changed when it is refused under one and not
    under the other, or when the restrictions on it differ. Of users whom another issuer's token made known, no
    roles are known here, and their queries are not judged.

    Args:
        directory: the project directory; its ``.ripstop`` knows what was asked.
        changed: a project directory with the same sources and products, and the rules to be tried.
        most: how many queries, the newest.

    Raises:
        InvalidConfig: rules of one of the two do not load.
    """
    changes = []
    unjudged = 0
    with (
        closing(build(directory, recorded=False)) as now,
        closing(build(changed, recorded=False, key=load_key(now.config))) as then,
    ):
        _require_rules(now)
        _require_rules(then, f"{changed}/")
        asked = list(_asked(now, most))
        for user, sql in asked:
            if user not in now.config.users:
                unjudged += 1
                continue
            before, after = (_outcome(app, sql, known_principal(app.config)(user)) for app in (now, then))
            if before.refused and after.refused:
                unjudged += 1
            elif before != after:
                changes.append(Change(user, sql, before.text, after.text))
    return Replayed(len(asked), tuple(changes), unjudged)


def _asked(app: App, most: int) -> Sequence[tuple[str, str]]:
    newest = reversed(app.journal.queries(None))
    return list(dict.fromkeys((str(row[1]), str(row[2])) for row in newest))[:most]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is told of a query's restrictions, and the digest of all decisions on it."""

    text: str
    digest: str
    refused: bool = False


def _outcome(app: App, sql: str, who: Principal) -> _Outcome:
    try:
        described = app.line.describe(sql, who, Session())
    except FabricError as error:
        return _Outcome(f"refused: {error.message}", error.code, refused=True)
    told = described.receipt.get("restricted", {})
    restricted = ", ".join(f"{name}: {what}" for name, what in told.items()) if isinstance(told, dict) else ""
    return _Outcome(f"answers ({restricted or 'nothing read'})", described.policy_version)
