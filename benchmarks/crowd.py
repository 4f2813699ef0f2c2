"""Sixteen users with different rights ask in parallel for a minute; every answer is compared with what it must be.

A right answer that belongs to somebody else is the worst of faults. Rows, masks, hidden columns and refusals differ
from user to user; the rules change under way, back and forth, and an answer must be that of before or after.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from benchmarks.machine import write
from fabric.errors import AccessDenied, FabricError, NotFound
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build

USERS = 16
ROWS = 4_000
SECONDS = float(os.environ.get("RIPSTOP_BENCH_SECONDS", "60"))

_FABRIC = """
name: crowd
domains: {claims: {owner: "role:owner"}}
sources:
  lake: {type: local, domain: claims, uri: data/, tables: {claim: {path: "claim.csv", format: csv}}}
  ledger: {type: adbc, domain: claims, driver: adbc_driver_sqlite, dialect: sqlite, options: {uri: ledger.db}}
"""
_PRODUCTS = {
    "claim": "SELECT * FROM lake.claim",
    "payment": "SELECT * FROM ledger.payment",
    "paid": "SELECT c.id, c.region, c.email, p.amount FROM lake.claim c JOIN ledger.payment p USING (id)",
}


@dataclass
class Crowd:
    """What the users saw: answers by what they were, and the first faults."""

    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, fault: str = "") -> None:
        """One answer."""
        with self.lock:
            self.seen[what] += 1
            if fault and len(self.faults) < 20:
                self.faults.append(fault)


def main() -> None:
    """Measure and write ``out/crowd.json``; a wrong answer is an error."""
    crowd = Crowd()
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _write(directory)
        app = build(directory)
        until = time.monotonic() + SECONDS
        threads = [threading.Thread(target=_user, args=(app, n, until, crowd)) for n in range(USERS)]
        for thread in threads:
            thread.start()
        strict = False
        while time.monotonic() < until:
            time.sleep(1.5)
            strict = not strict
            _rules(directory, strict)
        for thread in threads:
            thread.join()
        app.close()
    write("crowd", {"users": USERS, "seconds": SECONDS, "answers": dict(crowd.seen), "faults": crowd.faults})
    if crowd.faults:
        raise AssertionError(f"{len(crowd.faults)} wrong answers: {crowd.faults[:3]}")


def _user(app: App, number: int, until: float, crowd: Crowd) -> None:
    """User n sees region n % 4; mail addresses masked for odd ones; the payments hidden from every fourth."""
    region = f"R{number % 4}"
    roles = {f"role:{'odd' if number % 2 else 'even'}"} | ({"role:unpaid"} if number % 4 == 3 else set())
    who = Principal(f"user{number}", frozenset(roles), {"region": region})
    choose = random.Random(number)
    while time.monotonic() < until:
        low = choose.randrange(ROWS)
        kind = choose.choice(("scan", "live", "join", "raising"))
        crowd.note(*_asked(app, who, kind, low, number))


def _asked(app: App, who: Principal, kind: str, low: int, number: int) -> tuple[str, str]:
    mine = [i for i in range(low, min(low + 50, ROWS)) if i % 4 == number % 4]
    email = [f"p{i}@mail.example" if number % 2 == 0 else "p***@mail.example" for i in mine]
    within = f"id >= {low} AND id < {low + 50}"
    sql, wanted = {
        "scan": (
            f"SELECT id, email FROM claims.claim WHERE {within} ORDER BY id",
            zip(mine, email, strict=True),
        ),
        "live": (
            f"SELECT id, amount FROM claims.payment WHERE {within} ORDER BY id",
            ((i, i * 2) for i in mine),
        ),
        "join": (
            f"SELECT id, email, amount FROM claims.paid WHERE {within} ORDER BY id",
            ((i, e, i * 2) for i, e in zip(mine, email, strict=True)),
        ),
        "raising": (
            f"SELECT CAST(note AS INTEGER) FROM claims.claim WHERE {within} AND CAST(note AS INTEGER) >= 0 ORDER BY 1",
            ((i,) for i in mine),
        ),
    }[kind]
    try:
        with app.line.run(sql, who, Session()) as answer:
            table = pa.Table.from_batches(list(answer.batches()), schema=answer.schema)
    except (AccessDenied, NotFound) as error:
        allowed = number % 4 == 3 and kind in ("live", "join")
        return f"{kind}: denied", "" if allowed else f"{who.user}: {sql}: {error}"
    except FabricError as error:
        return f"{kind}: {error.code}", f"{who.user}: {sql}: {error}"
    got = [tuple(row.values()) for row in table.to_pylist()]
    expected = [tuple(row) for row in wanted]
    forbidden = number % 4 == 3 and kind in ("live", "join")
    # Under the strict rules nobody sees anything; a reader of both kinds of rules sees one or the other, never a mix.
    right = not forbidden and got in (expected, [])
    return f"{kind}: {'nothing' if not got else 'rows'}", "" if right else f"{who.user}: {sql}: {got[:3]}"


def _rules(directory: Path, strict: bool) -> None:
    condition = "false" if strict else "region = attr('region')"
    rules = (
        "p, role:*, claims.claim, read, allow\np, role:*, claims.payment, read, allow\n"
        "p, role:*, claims.paid, read, allow\np, role:unpaid, ledger.payment, read, deny\n"
        f"p3, role:*, lake.claim, {condition}\np3, role:*, ledger.payment, {condition}\n"
        "p2, role:odd, lake.claim, email, email\n"
    )
    fresh = directory / "policies" / "claims.new"
    fresh.write_text(rules, encoding="utf-8")
    fresh.replace(directory / "policies" / "claims.csv")


def _write(directory: Path) -> None:
    import sqlite3

    (directory / "data").mkdir()
    (directory / "policies").mkdir()
    (directory / "products" / "claims").mkdir(parents=True)
    (directory / "fabric.yaml").write_text(_FABRIC, encoding="utf-8")
    (directory / "users.yaml").write_text("users: {}\n", encoding="utf-8")
    (directory / "policies" / "federation.csv").write_text("", encoding="utf-8")
    _rules(directory, strict=False)
    for name, sql in _PRODUCTS.items():
        (directory / "products" / "claims" / f"{name}.sql").write_text(sql, encoding="utf-8")
    # A note is a number only where its own region's users look: anybody else's cast of it would raise.
    claims = [f"{i},R{i % 4},p{i}@mail.example,{i}" for i in range(ROWS)]
    claims += [f"{i},hidden,p{i}@mail.example,text" for i in range(ROWS)]
    (directory / "data" / "claim.csv").write_text(
        "id,region,email,note\n" + "\n".join(claims) + "\n", "utf-8"
    )
    connection = sqlite3.connect(directory / "ledger.db")
    with connection:
        connection.execute("CREATE TABLE payment (id INTEGER, region TEXT, amount INTEGER)")
        connection.executemany(
            "INSERT INTO payment VALUES (?, ?, ?)", [(i, f"R{i % 4}", i * 2) for i in range(ROWS)]
        )
    connection.close()


if __name__ == "__main__":
    main()
