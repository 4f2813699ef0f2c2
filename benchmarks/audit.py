"""What the audit costs a query: its intent before, its outcome after; and how fast an audit is verified."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import Any, Literal

from benchmarks.machine import write
from fabric.audit import Audit
from fabric.audit_records import Intent, Reading
from fabric.audit_verify import verify
from fabric.outcome import Outcome
from fabric.types import Principal, ScanReceipt

TIMES = {"group": 20_000, "each": 1_000}
KEY = b"a key for nothing but measuring."
SQL = """SELECT c.region, count(*), sum(p.premium) FROM claims.open_claims c JOIN policy_db.policy p USING (policy_id)
WHERE c.opened_at >= DATE '2026-01-01' AND p.status = 'active' GROUP BY c.region ORDER BY 2 DESC"""
ANA = Principal("ana", frozenset({"role:analyst", "role:eu"}), {"region": "EU"})
READS = (
    Reading("acme.claims.open_claims", "ana", "claims.open_claims", rules=("policies/claims.csv:3",)),
    Reading(
        "claims_lake.claim",
        "domain:claims",
        rows=(("region = 'EU'",),),
        masks={"email": "hash"},
        hidden=("ssn",),
        rules=("policies/claims.csv:4", "policies/federation.csv:9"),
    ),
    Reading("policy_db.public.policy", "ana", "policy_db.policy", rules=("policies/federation.csv:2",)),
)
SCANS = tuple(
    ScanReceipt(source, f"{source}.t", "status = 'active'", 1000, 80_000, 3, 0.1) for source in "ab"
)


def query(audit: Audit, number: int) -> tuple[float, float]:
    """The seconds that one query's intent and outcome take."""
    began = time.perf_counter()
    audit.intent(
        Intent(ANA, SQL, f"{number:032x}", caller={"method": "bearer", "address": "::1"}, reads=READS)
    )
    asked = time.perf_counter()
    outcome = Outcome(f"{number:032x}", time.time(), "0123456789abcdef", "succeeded", 12, 400, "", SCANS)
    audit.outcome(outcome, "ana", executed=SQL * 3, seconds={"parse": 0.001, "plan": 0.002})
    return asked - began, time.perf_counter() - asked


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, 99th percentile and worst, in microseconds."""
    cuts = quantiles(seconds, n=100)
    return {
        "median": round(cuts[49] * 1e6, 1),
        "p99": round(cuts[98] * 1e6, 1),
        "worst": round(max(seconds) * 1e6),
    }


def measured(fsync: Literal["group", "each"], folder: Path, threads: int) -> dict[str, Any]:
    """Queries from so many threads at once."""
    audit = Audit(folder, KEY, fsync)
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        took = list(pool.map(lambda number: query(audit, number), range(TIMES[fsync])))
    passed = time.perf_counter() - began
    audit.close()
    return {
        "intent_us": spread([intent for intent, _ in took]),
        "outcome_us": spread([outcome for _, outcome in took]),
        "queries_per_second": round(len(took) / passed),
    }


def main() -> None:
    """Measure and write ``out/audit.json``."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as place:
        ways: tuple[tuple[Literal["group", "each"], int], ...] = (
            ("group", 1),
            ("group", 8),
            ("each", 1),
            ("each", 8),
        )
        for fsync, threads in ways:
            folder = Path(place) / f"{fsync}{threads}"
            results[f"{fsync}, {threads} threads"] = measured(fsync, folder, threads)
        folder = Path(place) / "group1"
        size = sum(file.stat().st_size for file in folder.iterdir())
        results["bytes_per_query"] = round(size / TIMES["group"])
        results["verify"] = rate(lambda: verify(folder, KEY).last.number)
    write("audit", results)


def rate(work: Callable[[], int]) -> dict[str, float]:
    """Records per second."""
    began = time.perf_counter()
    records = work()
    return {"records": records, "records_per_second": round(records / (time.perf_counter() - began))}


if __name__ == "__main__":
    main()
