"""A small project over local files, and the line that serves it: what the line's own tests ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build

AUD = Principal("aud", frozenset({"role:auditor"}))
ANA = Principal("ana", frozenset({"role:analyst"}))
NOBODY = Principal("eve", frozenset())

FABRIC = """
name: acme
domains:
  claims: {owner: "role:claims-owner"}
  crm: {owner: "role:crm-owner"}
sources:
  lake:
    type: local
    domain: claims
    uri: lake/
    tables:
      claim: {path: "claim/**/*.parquet", format: parquet, partitioning: hive}
      note: {path: "note/*.csv", format: csv}
      log: {path: "*.jsonl", format: json}
  desk: {type: local, domain: crm, uri: desk/, tables: {person: {path: "person.csv", format: csv}}}
"""

POLICIES = """p, role:auditor, *, read, allow
p, role:analyst, claims.open, read, allow
p, role:analyst, claims.torn, read, allow
p, role:analyst, claims.secret, discover, allow
p, domain:claims, desk.person, read, allow
"""

PRODUCTS = {
    "claims/open": """/*---
owner: claims-team@acme.example
description: Claims not yet settled.
version: 1.2.0
tags: [claims]
columns:
  claim_id: {description: Claim number, required: true}
---*/
SELECT claim_id, amount, year FROM lake.claim WHERE status = 'open'
""",
    "claims/secret": "/*---\nowner: claims-team@acme.example\n---*/\nSELECT c.claim_id, p.name FROM lake.claim c "
    "JOIN desk.person p USING (claim_id)",
    "claims/broken": "SELECT nope FROM lake.claim",
    "claims/torn": "SELECT claim_id, hidden_column FROM lake.claim",
}


def write(directory: Path) -> None:
    """Write the project and its data: 200 claims in two months, three notes, two log lines, two persons."""
    (directory / "fabric.yaml").write_text(FABRIC, encoding="utf-8")
    (directory / "users.yaml").write_text("users: {}\n", encoding="utf-8")
    (directory / "policies").mkdir()
    (directory / "policies" / "federation.csv").write_text(POLICIES, encoding="utf-8")
    for domain in ("claims", "crm"):
        (directory / "policies" / f"{domain}.csv").write_text("", encoding="utf-8")
    for name, text in PRODUCTS.items():
        file = directory / "products" / f"{name}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for base, (year, month) in enumerate(((2024, 12), (2025, 1))):
        write_claims(directory, year, month, base * 100)
    (directory / "lake" / "note").mkdir()
    (directory / "lake" / "note" / "a.csv").write_text(
        'claim_id,text\n1,hello\n3,"wörld, x"\n', encoding="utf-8"
    )
    (directory / "lake" / "note" / "b.csv").write_text("claim_id;text\n5;again\n", encoding="utf-8")
    lines = [{"a": 1, "b": "x"}, {"a": 2, "c": [1, 2]}]
    (directory / "lake" / "l.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (directory / "desk").mkdir()
    (directory / "desk" / "person.csv").write_text("claim_id,name\n1,Ana\n2,Bo\n", encoding="utf-8")


def write_claims(directory: Path, year: int, month: int, base: int) -> Path:
    """One Parquet file of 100 claims, every third of them closed."""
    folder = directory / "lake" / "claim" / f"year={year}" / f"month={month}"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "claim_id": pa.array(range(base, base + 100), pa.int64()),
            "amount": pa.array([Decimal(n) / 4 for n in range(100)], pa.decimal128(10, 2)),
            "status": ["open" if n % 3 else "closed" for n in range(100)],
        }
    )
    pq.write_table(table, folder / "part.parquet")
    return folder / "part.parquet"


@contextmanager
def project(directory: Path) -> Iterator[App]:
    """The app over a project that is written into an empty directory."""
    write(directory)
    app = build(directory)
    try:
        yield app
    finally:
        app.close()


def ask(app: App, sql: str, who: Principal = AUD, parameters: Sequence[object] = ()) -> pa.Table:
    """Describe, run and read a statement; the promised schema must be the one that streams."""
    described = app.line.describe(sql, who, Session(), list(parameters))
    with app.line.run(sql, who, Session(), parameters, described.policy_version) as answer:
        assert answer.schema == described.schema
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema)


def lines(app: App, sql: str, who: Principal = AUD) -> str:
    """The text of an EXPLAIN."""
    return "\n".join(ask(app, sql, who)["plan"].to_pylist())
