"""A small company under whatever rules a test writes: files, a live source, products on products."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from fabric.types import Principal
from server.app import App, build
from tests.fabric.project import ask, lines

ANA = Principal("ana", frozenset({"role:analyst"}), {"region": "EU", "regions": ["EU", "UK"]})
BO = Principal("bo", frozenset({"role:analyst", "role:lead"}), {"region": "US"})
EVE = Principal("eve")

_FABRIC = """
name: acme
domains:
  claims: {owner: "role:claims-owner"}
  crm: {owner: "role:crm-owner"}
  fraud: {owner: "role:fraud-owner"}
sources:
  lake: {type: local, domain: claims, uri: lake/, tables: {claim: {path: claim.csv, format: csv}}}
  crm_db:
    {type: adbc, domain: crm, driver: adbc_driver_sqlite, dialect: sqlite, options: {uri: crm.db}}
  scores: {type: local, domain: fraud, uri: fraud/, tables: {score: {path: score.csv, format: csv}}}
"""

_CLAIMS = """claim_id,customer_id,region,amount,opened,ssn,note
1,10,EU,100,2024-03-01,111-11,12
2,11,US,200,2024-04-01,222-22,x
3,10,EU,300,2024-05-01,111-11,34
4,12,,400,2025-06-01,333-33,56
"""

_CUSTOMERS = """
CREATE TABLE customer (customer_id BIGINT, name TEXT, email TEXT, region TEXT, code TEXT);
INSERT INTO customer VALUES
  (10, 'Ana', 'ana@mail.example', 'EU', '7'), (11, 'Bo', 'bo@mail.example', 'US', 'oops'),
  (12, 'Cy', 'cy@corp.example', NULL, '9');
CREATE TABLE territory (region TEXT, keeper TEXT);
INSERT INTO territory VALUES ('EU', 'ana'), ('US', 'bo');
"""

PRODUCTS = {
    "claims/claim": "SELECT * FROM lake.claim",
    "claims/open": "SELECT c.claim_id, c.amount, p.name, p.email FROM lake.claim c "
    "JOIN crm.customer p USING (customer_id)",
    "claims/totals": "/*---\nreads_as: domain\n---*/\nSELECT region, sum(amount) AS amount, count(*) AS claims "
    "FROM lake.claim GROUP BY region",
    "claims/contacts": "/*---\nreads_as: domain\n---*/\nSELECT count(email) AS emails, min(email) AS first "
    "FROM crm.customer",
    "claims/risk": "SELECT claim_id, score FROM lake.claim JOIN fraud.score USING (claim_id)",
    "crm/customer": "/*---\nowner: crm-team@acme.example\ncolumns: {email: {tags: [pii, email]}}\n---*/\n"
    "SELECT customer_id, name, email, region FROM crm_db.customer",
    "fraud/score": "SELECT * FROM scores.score",
}

OPEN = """p, role:analyst, claims.*, read, allow
p, role:analyst, crm.*, read, allow
p, role:analyst, fraud.*, read, allow
p, domain:claims, crm.*, read, allow
p, domain:claims, fraud.*, read, allow
"""
"""Everyone in the company's story may read every product, and claims builds on the others."""


@contextmanager
def company(
    directory: Path, rules: Mapping[str, str], products: Mapping[str, str] | None = None, settings: str = ""
) -> Iterator[App]:
    """The company's app.

    Args:
        directory: an empty one.
        rules: by file (``federation``, ``claims``, …) its lines; ``OPEN`` stands in front of federation's.
        products: further ones, by ``domain/name``.
        settings: further keys of fabric.yaml.
    """
    (directory / "fabric.yaml").write_text(_FABRIC + settings, encoding="utf-8")
    (directory / "users.yaml").write_text("users: {}\n", encoding="utf-8")
    for file in ("federation", "claims", "crm", "fraud"):
        text = (OPEN if file == "federation" else "") + rules.get(file, "")
        path = directory / "policies" / f"{file}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, sql in {**PRODUCTS, **(products or {})}.items():
        path = directory / "products" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    (directory / "lake").mkdir()
    (directory / "lake" / "claim.csv").write_text(_CLAIMS, encoding="utf-8")
    (directory / "fraud").mkdir()
    (directory / "fraud" / "score.csv").write_text("claim_id,score\n1,0.9\n2,0.1\n", encoding="utf-8")
    with closing(sqlite3.connect(directory / "crm.db")) as connection:
        connection.executescript(_CUSTOMERS)
    app = build(directory)
    try:
        yield app
    finally:
        app.close()


def rows(app: App, sql: str, who: Principal = ANA) -> list[tuple[object, ...]]:
    """The rows of a statement, sorted by their text."""
    table = ask(app, sql, who)
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


__all__ = ["ANA", "BO", "EVE", "OPEN", "App", "ask", "company", "lines", "rows"]
