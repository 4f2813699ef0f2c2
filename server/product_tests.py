"""The contract of each product as queries: ``required``, ``unique`` and its quality rules, asked as its domain.

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
from fabric.product_marks import Key, Mark, read_marks, write_marks
from fabric.types import Product
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
            rules = _rules(product)
            key = (product.domain.lower(), product.bare.lower(), product.major)
            if product.status == "retired" or not rules:
                continue
            problems = list(_problems(app, product, rules))
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
        counts: Sequence[int] | None = _counts(app, product, rules)
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
    sql = f"SELECT {counted} FROM {quoted(product.domain)}.{quoted(product.name.name)}"
    with app.line.run(sql, DomainPrincipal(f"domain:{product.domain}"), Session()) as answer:
        (batch,) = [batch for batch in answer.batches() if batch.num_rows]
        return [int(value) for value in batch.to_pylist()[0].values()]
