"""Statements over two tables, rewritten over a stored view, and both answered by DuckDB."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import duckdb

from fabric.compose import probe, probe_relation
from fabric.engine import Engine
from fabric.parse import parse
from fabric.resolve import Whole, relations, resolve
from fabric.rewriting import Rewriting, View
from fabric.stored import beneath_ruled, judged
from fabric.types import (
    Column,
    Decision,
    FileLayout,
    Product,
    Resolved,
    StoredTable,
    Table,
    TableName,
)

CLAIM = (
    Column("claim_id", "BIGINT"),
    Column("policy_id", "BIGINT"),
    Column("region", "VARCHAR"),
    Column("status", "VARCHAR"),
    Column("amount", "DECIMAL(10,2)"),
    Column("opened", "DATE"),
    Column("score", "DOUBLE"),
    Column("n", "INTEGER"),
)
POLICY = (
    Column("policy_id", "BIGINT"),
    Column("region", "VARCHAR"),
    Column("premium", "DECIMAL(10,2)"),
    Column("holder", "VARCHAR"),
)
TABLES = {"claim": CLAIM, "policy": POLICY}
PRODUCTS = {
    ("claims", "open"): "SELECT claim_id, region, amount, opened FROM lake.claim WHERE status = 'open'",
    (
        "claims",
        "totals",
    ): "SELECT region, sum(amount) AS total, count(*) AS claims FROM lake.claim GROUP BY region",
}
FREE = Decision(True)

_DATA = """
CREATE SCHEMA lake;
CREATE SCHEMA claims;
CREATE TABLE lake.claim AS SELECT
  i AS claim_id,
  CASE WHEN i % 11 <> 0 THEN i % 7 END AS policy_id,
  CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'EU' WHEN 2 THEN 'US' WHEN 3 THEN 'UK' ELSE 'EU' END AS region,
  CASE i % 3 WHEN 0 THEN 'open' WHEN 1 THEN 'closed' END AS status,
  CASE WHEN i % 13 <> 0 THEN CAST((hash(i) % 100000) / 100 - 300 AS DECIMAL(10,2)) END AS amount,
  CASE WHEN i % 17 <> 0 THEN DATE '2024-01-01' + CAST(i % 40 AS INTEGER) * 20 END AS opened,
  CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 0.0 WHEN 2 THEN -0.0 ELSE i / 7 END AS score,
  CAST(CASE WHEN i % 6 <> 0 THEN i % 9 END AS INTEGER) AS n
FROM (SELECT CAST(range AS BIGINT) AS i FROM range(400));
CREATE TABLE lake.policy AS SELECT
  CASE WHEN i <> 5 THEN i % 9 END AS policy_id,
  CASE i % 3 WHEN 0 THEN 'EU' WHEN 1 THEN 'US' END AS region,
  CAST(i * 10.5 AS DECIMAL(10,2)) AS premium,
  CASE WHEN i % 4 <> 0 THEN 'holder ' || i % 5 END AS holder
FROM (SELECT CAST(range AS BIGINT) AS i FROM range(14));
"""


def find(parts: tuple[str, ...]) -> Table | Product | None:
    """The catalog: ``lake.claim``, ``lake.policy`` and two products."""
    names = tuple(part.lower() for part in parts)
    if names in PRODUCTS:
        return Product(TableName("acme", *names), names[0], PRODUCTS[names])
    if len(names) == 2 and names[0] == "lake" and names[1] in TABLES:
        return Table(TableName("lake", "main", names[1]), TABLES[names[1]])
    return None


WHOLE = Whole(find, lambda domain: find)


@dataclass
class World:
    """The tables with data, and an engine that binds over them."""

    engine: Engine
    data: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    views: int = 0

    def __post_init__(self) -> None:
        self.data.execute(_DATA)
        for (domain, name), sql in PRODUCTS.items():
            self.data.execute(f"CREATE VIEW {domain}.{name} AS {sql}")

    def shaped(self, product: Product) -> Product:
        """A product with its columns."""
        body = resolve(parse(product.sql), WHOLE, None, f"domain:{product.domain}")
        found = probe_relation(body, self.engine)
        columns = tuple(Column(n, t) for n, t in zip(found.schema.names, found.types, strict=True))
        return replace(product, columns=columns)

    def view(self, sql: str) -> View:
        """A SELECT as a product that is stored, under no rule."""
        product = self.shaped(Product(TableName("acme", "claims", "view"), "claims", sql))
        body = resolve(parse(sql), WHOLE, None, "domain:claims")
        decisions = {each.id: FREE for each in relations(body)}
        then = beneath_ruled(body, decisions)
        layout = FileLayout("view.parquet", "parquet")
        stored = StoredTable(TableName("results", "main", "view"), product.columns, layout=layout)
        return View(product, stored, body, dict(zip((each.id for each in judged(body)), then, strict=True)))

    def rewritten(self, view: View, sql: str) -> tuple[Resolved, Resolved]:
        """A statement over the view, and as it was.

        Raises:
            NotRead: it is of no form of which anything is proven.
            Unmatched: nothing is proven of it.
        """
        asked = resolve(parse(sql), WHOLE, None, "ana")
        decisions = {each.id: FREE for each in relations(asked)}
        bound = probe(asked, self.engine)
        made, more = Rewriting(view, decisions, self.shaped).statement(asked, bound.schema.names)
        again = probe(made, self.engine, {**decisions, **more})
        assert (again.schema.names, again.types) == (bound.schema.names, bound.types)
        return made, asked

    def stored(self, view: View) -> str:
        """Have the view's rows in a table; its name."""
        self.views += 1
        self.data.execute(f"CREATE OR REPLACE TABLE v{self.views} AS {view.product.sql}")
        return f"v{self.views}"

    def answers(self, view: View, sql: str, made: Resolved) -> tuple[Counter[str], Counter[str]]:
        """The rows of a statement as it was, and over the view; each as a text."""
        table = self.stored(view)
        live = self.data.execute(sql).fetchall()
        over = self.data.execute(shown(made, table)).fetchall()
        self.data.execute(f"DROP TABLE {table}")
        return Counter(map(repr, live)), Counter(map(repr, over))


def shown(made: Resolved, table: str = "view") -> str:
    """A statement over the view, in which the view is called so."""
    text = made.tree.sql(dialect="duckdb")
    for relation in made.relations:
        text = text.replace(f'"{relation.id}" AS "{relation.id}"', f"{table} AS v")
        text = text.replace(f'"{relation.id}".', "v.")
    return text
