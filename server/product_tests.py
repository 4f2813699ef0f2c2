"""The contract of each product as queries: ``required``, ``unique`` and its quality rules, asked as its domain.

``freshness`` is measured where all that a product rests on lies in files: by the newest of them.

What fails is marked (``fabric.product_marks``), and whoever serves the project sees the marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fabric.domains import DomainPrincipal
from fabric.errors import FabricError, UserError
from fabric.file_shapes import name as quoted
from fabric.pipeline import Session
from fabric.product_graph import beneath
from fabric.product_marks import Key, Mark, read_marks, write_marks
from fabric.spi import FileConnector
from fabric.types import FileLayout, Product
from server.app import App, build
from server.policy_tests import Verdict

_MARKS = Path(".ripstop") / "quality.json"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule by its name, and the expression that counts the rows that break it."""

    name: str
    count: str


def run_product_tests(directory: Path) -> Iterator[Verdict]:
    """Prove the contract of every product that is not retired, and mark those that break it."""
    file = directory / _MARKS
    before = read_marks(file)
    marks: dict[Key, Mark] = {}
    with closing(build(directory, recorded=False)) as app:
        app.catalog.products.unmark()
        for product in app.catalog.products.current().values():
            key = (product.domain.lower(), product.bare.lower(), product.major)
            if product.status == "retired":
                continue
            problems = [*_problems(app, product, _rules(product)), *_freshness(app, product)]
            if not problems:
                continue
            # What could not be judged keeps the mark that it has.
            kept = before[key].failed if key in before else ()
            failed = [rule for rule, problem, judged in problems if (problem if judged else rule in kept)]
            marks[key] = Mark(datetime.now(UTC).isoformat(timespec="seconds"), tuple(failed))
            yield from (
                Verdict(f"{product.domain}.{product.name.name}: {rule}", told) for rule, told, _ in problems
            )
    if marks or before:
        write_marks(file, marks)


def _rules(product: Product) -> list[_Rule]:
    found = []
    for column in product.columns:
        text = quoted(column.name)
        if not column.nullable:
            found.append(_Rule(f"{column.name} is required", f"count(*) FILTER (WHERE {text} IS NULL)"))
        if column.unique:
            found.append(_Rule(f"{column.name} is unique", f"count({text}) - count(DISTINCT {text})"))
    return found + [
        _Rule(rule.name, f"count(*) FILTER (WHERE NOT ({rule.sql}\n))") for rule in product.quality
    ]


def _problems(app: App, product: Product, rules: Sequence[_Rule]) -> Iterator[tuple[str, str, bool]]:
    """For each rule its name, what is wrong, and whether it could be judged: all in one query where that runs."""
    try:
        counts: Sequence[int] | None = _counts(app, product, rules) if rules else ()
    except FabricError:
        counts = None
    for number, rule in enumerate(rules):
        try:
            broken = counts[number] if counts is not None else _counts(app, product, [rule])[0]
        except FabricError as error:
            yield rule.name, f"the query failed: {error}", isinstance(error, UserError)
        else:
            yield (
                rule.name,
                f"{broken:,} {'row breaks' if broken == 1 else 'rows break'} it" if broken else "",
                True,
            )


def _counts(app: App, product: Product, rules: Sequence[_Rule]) -> list[int]:
    counted = ", ".join(f"{rule.count} AS n{number}" for number, rule in enumerate(rules))
    sql = f"SELECT {counted} FROM {_written(product)}"
    with app.line.run(sql, _domain(product), Session()) as answer:
        (batch,) = [batch for batch in answer.batches() if batch.num_rows]
        return [int(value) for value in batch.to_pylist()[0].values()]


def _freshness(app: App, product: Product) -> Iterator[tuple[str, str, bool]]:
    """The same for the declared freshness; nothing where it cannot be measured."""
    promised, places = product.freshness, _places(app, product)
    if promised is None or not places:
        return
    try:
        # Of files that its domain may not read, it learns no age.
        with app.line.run(
            f"SELECT * FROM {_written(product)} LIMIT 0", _domain(product), Session()
        ) as answer:
            list(answer.batches())
        written = [file.modified for connector, layout in places for file in connector.files(layout)]
    except FabricError as error:
        yield "freshness", f"the query failed: {error}", isinstance(error, UserError)
        return
    known = [at for at in written if at is not None]
    if known and len(known) == len(written):
        age = (datetime.now(UTC) - max(known)).total_seconds()
        told = f"the newest of its files is {age:,.0f} s old, and {promised:,.0f} s are promised"
        yield "freshness", told if age > promised else "", True


def _places(app: App, product: Product) -> list[tuple[FileConnector, FileLayout]]:
    """Where the tables lie that a product rests on, at any depth; nowhere when one of them lies in no files."""
    products, _ = beneath(product, app.catalog.find)
    names = dict.fromkeys(name for each in (product, *products) for name in each.reads)
    places = []
    for table in map(app.catalog.find, names):
        if isinstance(table, Product):
            continue
        connector = app.catalog.connectors.get(table.name.catalog.lower()) if table else None
        if not table or table.layout is None or not isinstance(connector, FileConnector):
            return []
        places.append((connector, table.layout))
    return places


def _written(product: Product) -> str:
    return f"{quoted(product.domain)}.{quoted(product.name.name)}"


def _domain(product: Product) -> DomainPrincipal:
    return DomainPrincipal(f"domain:{product.domain}")
