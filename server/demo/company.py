"""The demo company: seven tables of an insurer that never was, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from server.demo import names
from server.demo.columns import Numbers, by_region, days, decimal, drop, instants, join, money, pick, spell

# The company's books end here, so that the same seed gives the same company on any day.
FIRST_DAY = np.datetime64("2024-01-01", "D")
LAST_DAY = np.datetime64("2026-10-31", "D")
REPAIRS_SINCE = np.datetime64("2026-01-01", "D")

CUSTOMERS, POLICIES, CLAIMS, SCORES, BROKERS = 50_000, 120_000, 400_000, 20_000, 300


@dataclass(frozen=True, slots=True)
class Company:
    """The tables, by the source that holds them.

    ``customers``, ``brokers`` and ``policies`` lie in Postgres, ``claims`` on S3, ``repairs`` on SFTP,
    ``tariffs`` on FTP and ``scores`` behind HTTP. Money is decimal, in the customer's currency.
    """

    customers: pa.Table
    brokers: pa.Table
    policies: pa.Table
    claims: pa.Table
    repairs: pa.Table
    tariffs: pa.Table
    scores: pa.Table


def generate(scale: float = 1.0, seed: int = 7) -> Company:
    """Make the company; ``scale`` 1 is 50,000 customers, 120,000 policies and 400,000 claims."""
    rng = np.random.default_rng(seed)
    region = rng.choice(4, size=_count(CUSTOMERS, scale), p=(0.45, 0.3, 0.15, 0.1))
    customers = _customers(rng, region)
    brokers = _brokers(rng, _count(BROKERS, scale))
    policies = _policies(rng, _count(POLICIES, scale), region, brokers.num_rows)
    claims = _claims(rng, _count(CLAIMS, scale), _count(SCORES, scale), region, policies)
    return Company(
        customers=customers,
        brokers=brokers,
        policies=policies,
        claims=claims,
        repairs=_repairs(rng, claims),
        tariffs=_tariffs(rng),
        scores=_scores(rng, claims),
    )


def _count(full: int, scale: float) -> int:
    return max(20, round(full * scale))


# ── tables ───────────────────────────────────────────────────────────────────────────────────


def _customers(rng: np.random.Generator, region: Numbers) -> pa.Table:
    n = len(region)
    places = [(r, *place) for r in names.REGIONS for place in names.COUNTRIES[r]]
    place = by_region(rng, region, [len(names.COUNTRIES[r]) for r in names.REGIONS])
    first = by_region(rng, region, [len(names.FIRST[r]) for r in names.REGIONS])
    last = by_region(rng, region, [len(names.LAST[r]) for r in names.REGIONS])
    firsts = [name for r in names.REGIONS for name in names.FIRST[r]]
    lasts = [name for r in names.REGIONS for name in names.LAST[r]]
    ids = np.arange(1, n + 1)
    number = pc.cast(pa.array(ids), pa.string())
    email = join(
        pick([spell(f) for f in firsts], first),
        ".",
        pick([spell(x) for x in lasts], last),
        number,
        "@",
        pick(names.MAIL_HOSTS, rng.integers(0, len(names.MAIL_HOSTS), n)),
    )
    phone = join("+", pc.cast(pa.array(rng.integers(10**10, 10**11, n)), pa.string()))
    consent = pa.array(rng.random(n) < 0.6, mask=rng.random(n) < 0.2)
    return pa.table(
        {
            "customer_id": pa.array(ids),
            "name": join(pick(firsts, first), " ", pick(lasts, last)),
            "email": drop(rng, email, 0.04),
            "phone": drop(rng, phone, 0.3),
            "birth_date": days(np.datetime64("1940-01-01", "D") + rng.integers(0, 24_000, n)),
            "region": pick([p[0] for p in places], place),
            "country": pick([p[1] for p in places], place),
            "city": pick([p[2] for p in places], place),
            "segment": pick(("private", "family", "business"), rng.choice(3, n, p=(0.6, 0.3, 0.1))),
            "marketing_consent": consent,
            "lifetime_value": money(rng.lognormal(8, 1.1, n), 12),
            "created_at": instants(rng, FIRST_DAY - rng.integers(0, 3_000, n), zone="UTC"),
        }
    )


def _brokers(rng: np.random.Generator, n: int) -> pa.Table:
    ids = np.arange(1, n + 1, dtype=np.int32)
    region = rng.integers(0, 4, n)
    lasts = [name for r in names.REGIONS for name in names.LAST[r]]
    last = by_region(rng, region, [len(names.LAST[r]) for r in names.REGIONS])
    return pa.table(
        {
            "broker_id": pa.array(ids),
            "name": join(pick(lasts, last), " & Co. ", pc.cast(pa.array(ids), pa.string())),
            "region": pick(names.REGIONS, region),
            "commission": decimal(rng.integers(200, 1500, n), 5, 4),
        }
    )


def _policies(rng: np.random.Generator, n: int, region: Numbers, brokers: int) -> pa.Table:
    ids = np.arange(1, n + 1)
    customer = rng.integers(0, len(region), n)
    start = FIRST_DAY - rng.integers(-600, 1_800, n)
    status = rng.choice(3, n, p=(0.82, 0.12, 0.06))
    number = pc.utf8_lpad(pc.cast(pa.array(ids), pa.string()), 7, "0")
    end = pa.array(start + rng.integers(200, 900, n), mask=status == 0)
    return pa.table(
        {
            "policy_id": pa.array(ids),
            "policy_no": join(pick(names.REGIONS, region[customer]), "-", number),
            "customer_id": pa.array(customer + 1),
            "broker_id": pa.array(
                rng.integers(1, brokers + 1, n).astype(np.int32), mask=rng.random(n) < 0.35
            ),
            "product_line": pick(names.LINES, rng.choice(4, n, p=(0.5, 0.3, 0.12, 0.08))),
            "premium": money(rng.lognormal(6, 0.6, n), 10),
            "sum_insured": money(rng.lognormal(11, 0.9, n), 14),
            "deductible": money(rng.choice((0, 150, 300, 500, 1000), n), 8),
            "start_date": days(start),
            "end_date": end,
            "status": pick(("active", "lapsed", "cancelled"), status),
            "issued_at": instants(rng, start - rng.integers(1, 40, n), zone="UTC"),
        }
    )


def _claims(
    rng: np.random.Generator, n: int, unsettled: int, region: Numbers, policies: pa.Table
) -> pa.Table:
    ids = np.arange(1, n + 1)
    policy = rng.integers(0, policies.num_rows, n)
    customer = policies["customer_id"].to_numpy()[policy] - 1
    span = int((LAST_DAY - FIRST_DAY).astype(int)) + 1
    reported = np.sort(FIRST_DAY + rng.integers(0, span, n))
    # Young claims are the ones still open: the smallest products of age and chance.
    age = (LAST_DAY - reported).astype(int) + 1
    rank = np.argsort(np.argsort(age * rng.exponential(1.0, n)))
    status = np.where(
        rank < unsettled, rng.choice(2, n, p=(0.55, 0.45)), rng.choice((2, 3), n, p=(0.85, 0.15))
    )
    settled = status == 2
    line = pc.index_in(policies["product_line"], pa.array(names.LINES)).to_numpy()[policy]
    cause = line * 4 + rng.integers(0, 4, n)
    amount = np.round(rng.lognormal(7.6, 1.0, n), 2)
    month = reported.astype("datetime64[M]").astype(int)
    ssn = pc.utf8_lpad(pc.cast(pa.array(rng.integers(1, 10**9, n)), pa.string()), 9, "0")
    return pa.table(
        {
            "claim_id": pa.array(ids),
            "policy_id": pa.array(policy + 1),
            "claimant_ssn": drop(rng, ssn, 0.1),
            "region": pick(names.REGIONS, region[customer]),
            "cause": pick([c for x in names.LINES for c in names.CAUSES[x]], cause),
            "incident_date": days(reported - rng.integers(0, 30, n)),
            "reported_at": instants(rng, reported),
            "status": pick(("open", "in_review", "settled", "rejected"), status),
            "amount": money(amount, 12),
            "settled_amount": money(amount * rng.uniform(0.3, 1.0, n), 12, mask=~settled),
            "settled_on": pa.array(np.minimum(reported + rng.integers(3, 200, n), LAST_DAY), mask=~settled),
            "description": drop(rng, pick(names.NOTES, rng.integers(0, len(names.NOTES), n)), 0.25),
            "photos": pa.array(rng.poisson(2.5, n).astype(np.int32)),
            "year": pa.array((1970 + month // 12).astype(np.int32)),
            "month": pa.array((month % 12 + 1).astype(np.int32)),
        }
    )


def _repairs(rng: np.random.Generator, claims: pa.Table) -> pa.Table:
    mendable = pc.is_in(claims["cause"], pa.array(names.CAUSES["motor"] + names.CAUSES["home"]))
    recent = pc.greater_equal(claims["reported_at"], pa.scalar(REPAIRS_SINCE.astype(object), pa.date32()))
    drawn = pa.array(rng.random(claims.num_rows) < 0.7)
    claims = claims.filter(pc.and_(pc.and_(mendable, recent), drawn))
    n = claims.num_rows
    reported = claims["reported_at"].to_numpy().astype("datetime64[D]")
    issued = np.minimum(reported + rng.integers(0, 20, n), LAST_DAY)
    paid = issued + rng.integers(5, 60, n)
    hours = rng.integers(2, 120, n)  # quarters of an hour
    parts = rng.integers(0, 300_000, n)
    total = hours * rng.integers(1_400, 3_200, n) + parts
    currency = {"EU": "EUR", "US": "USD", "APAC": "JPY", "LATAM": "BRL"}
    region = pc.index_in(claims["region"], pa.array(names.REGIONS)).to_numpy()
    codes = [code for code, _ in names.REPAIRS]
    return pa.table(
        {
            "invoice_no": join("R-", pc.utf8_lpad(pc.cast(pa.array(np.arange(n)), pa.string()), 7, "0")),
            "claim_id": claims["claim_id"].combine_chunks(),
            "shop": pick(names.SHOPS, rng.integers(0, len(names.SHOPS), n)),
            "repair_code": pick(codes, rng.integers(0, len(codes), n)),
            "labour_hours": decimal(hours * 25, 6, 2),
            "parts_amount": decimal(parts, 10, 2),
            "total": decimal(total, 10, 2),
            "currency": pick([currency[r] for r in names.REGIONS], region),
            "issued_on": days(issued),
            "paid_on": pa.array(paid, mask=(rng.random(n) < 0.2) | (paid > LAST_DAY)),
        }
    )


def _tariffs(rng: np.random.Generator) -> pa.Table:
    """One line for each repair, region and year; the current year's has no end."""
    years = (2024, 2025, 2026)
    rows = [(c, d, r, y) for c, d in names.REPAIRS for r in names.REGIONS for y in years]
    n = len(rows)
    return pa.table(
        {
            "repair_code": pa.array([row[0] for row in rows]),
            "region": pa.array([row[2] for row in rows]),
            "description": pa.array([row[1] for row in rows]),
            "hourly_rate": decimal(rng.integers(6_000, 12_000, n), 8, 2),
            "parts_cap": decimal(rng.integers(50_000, 280_000, n), 10, 2),
            "valid_from": pa.array([date(row[3], 1, 1) for row in rows]),
            "valid_to": pa.array([None if row[3] == years[-1] else date(row[3], 12, 31) for row in rows]),
        }
    )


def _scores(rng: np.random.Generator, claims: pa.Table) -> pa.Table:
    """A score for every claim that is open or in review."""
    claims = claims.filter(pc.is_in(claims["status"], pa.array(("open", "in_review"))))
    n = claims.num_rows
    score = np.round(rng.beta(1.2, 5.0, n), 4)
    reason = pa.array(pick(names.REASONS, rng.integers(0, len(names.REASONS), n)))
    at = claims["reported_at"].to_numpy() + rng.integers(60, 86_400, n).astype("timedelta64[s]")
    return pa.table(
        {
            "claim_id": claims["claim_id"].combine_chunks(),
            "score": pa.array(score),
            "model": pick(("gbm-11", "gbm-12"), rng.choice(2, n, p=(0.2, 0.8))),
            "reason": pc.if_else(pa.array(score >= 0.3), reason, pa.scalar(None, pa.string())),
            "scored_at": pa.array(at.astype("datetime64[us]")),
        }
    )
