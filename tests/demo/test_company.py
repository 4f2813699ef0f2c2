"""The demo's company: the same for the same seed, and its keys join."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from server.demo.company import Company, generate

TABLES = Company.__slots__  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def company() -> Company:
    return generate(0.02)


@pytest.fixture(scope="module")
def books(company: Company) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for name in TABLES:
        connection.register(name, getattr(company, name))
    yield connection
    connection.close()


def one(books: duckdb.DuckDBPyConnection, sql: str) -> object:
    return books.execute(sql).fetchall()[0][0]


def test_the_same_seed_makes_the_same_company(company: Company) -> None:
    again = generate(0.02)
    for name in TABLES:
        assert getattr(again, name).equals(getattr(company, name)), name


def test_another_seed_makes_another(company: Company) -> None:
    assert not generate(0.02, seed=8).customers.equals(company.customers)


def test_full_size_is_what_the_issue_asks_for() -> None:
    company = generate()
    assert company.customers.num_rows == 50_000
    assert company.policies.num_rows == 120_000
    assert company.claims.num_rows == 400_000
    assert company.scores.num_rows == 20_000


@pytest.mark.parametrize(
    ("child", "key", "parent"),
    [
        ("policies", "customer_id", "customers"),
        ("policies", "broker_id", "brokers"),
        ("claims", "policy_id", "policies"),
        ("repairs", "claim_id", "claims"),
        ("scores", "claim_id", "claims"),
        ("repairs", "repair_code", "tariffs"),
    ],
)
def test_every_key_finds_its_row(books: duckdb.DuckDBPyConnection, child: str, key: str, parent: str) -> None:
    assert (
        one(books, f"SELECT count(*) FROM {child} ANTI JOIN {parent} USING ({key}) WHERE {key} IS NOT NULL")
        == 0
    )


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("customers", "customer_id"),
        ("policies", "policy_id"),
        ("policies", "policy_no"),
        ("claims", "claim_id"),
        ("repairs", "invoice_no"),
        ("repairs", "claim_id"),
        ("scores", "claim_id"),
        ("tariffs", "(repair_code, region, valid_from)"),
    ],
)
def test_keys_are_unique(books: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    assert one(books, f"SELECT count(*) - count(DISTINCT {key}) FROM {table}") == 0


def test_claims_carry_their_customers_region_and_their_months_partition(
    books: duckdb.DuckDBPyConnection,
) -> None:
    assert (
        one(
            books,
            """
        SELECT count(*) FROM claims c JOIN policies USING (policy_id) JOIN customers k USING (customer_id)
        WHERE c.region <> k.region""",
        )
        == 0
    )
    assert (
        one(
            books,
            """
        SELECT count(*) FROM claims WHERE year <> year(reported_at) OR month <> month(reported_at)""",
        )
        == 0
    )


def test_every_score_belongs_to_a_claim_that_waits(books: duckdb.DuckDBPyConnection) -> None:
    assert (
        one(
            books,
            """
        SELECT count(*) FROM claims ANTI JOIN scores USING (claim_id) WHERE status IN ('open', 'in_review')""",
        )
        == 0
    )
    assert one(books, "SELECT count(*) FROM scores WHERE score NOT BETWEEN 0 AND 1") == 0


def test_the_columns_have_nulls_decimals_zones_and_more_than_ascii(company: Company) -> None:
    schema = company.policies.schema
    assert schema.field("premium").type == pa.decimal128(10, 2)
    assert schema.field("issued_at").type == pa.timestamp("us", "UTC")
    assert company.customers["email"].null_count > 0
    assert company.claims["settled_amount"].null_count > 0
    assert any(not name.isascii() for name in company.customers["name"].to_pylist())
    assert all(mail is None or mail.isascii() for mail in company.customers["email"].to_pylist())
