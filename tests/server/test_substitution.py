"""Statements on live parts answered from a product's snapshot: for whom, from which, how old, and what is told of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from fabric.pipeline import Session
from fabric.types import Principal, ScanReceipt
from server.app import build
from tests.policies import governed
from tests.policies.governed import ANA, BO, EVE, App, company
from tests.server.tiny import until

STORED = "/*---\nmaterialize: {refresh: '0 0 1 1 *', keep: 2}\n---*/\n"  # once a year
BY_REGION = f"{STORED}SELECT region, opened, count(*) AS n, sum(amount) AS total, min(ssn) AS first_ssn FROM lake.claim GROUP BY ALL"
BY_CUSTOMER = (
    f"{STORED}SELECT c.region, p.name, p.email, count(*) AS n, sum(c.amount) AS total FROM claims.claim AS c "
    "JOIN crm.customer AS p USING (customer_id) GROUP BY ALL"
)
PRODUCTS = {"claims/by_region": BY_REGION, "claims/by_customer": BY_CUSTOMER}
MAY_READ = "p, role:analyst, lake.claim, read, allow\np, role:analyst, crm_db.customer, read, allow\n"
OLD = Session(options={"max_staleness": "1h"})
NOW = Session()
TOTALS = "SELECT region, count(*) AS n, sum(amount) AS total FROM lake.claim GROUP BY region ORDER BY region"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One that no test changes."""
    with over(tmp_path_factory.mktemp("company")) as app:
        yield app


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[App]:
    with over(tmp_path) as app:
        yield app


class over:
    """The company with two stored products, and what each wrote to its claims since."""

    def __init__(self, directory: Path, rules: str = "", products: dict[str, str] | None = None) -> None:
        self._products = PRODUCTS if products is None else products
        self._company = company(directory, {"federation": MAY_READ + rules}, self._products)
        self._directory = directory

    def __enter__(self) -> App:
        app = self._company.__enter__()
        until(lambda: len(app.catalog.snapshots) == len(self._products), 30.0)
        change(self._directory)
        return app

    def __exit__(self, *error: object) -> None:
        self._company.__exit__(None, None, None)


def change(directory: Path) -> None:
    with (directory / "lake" / "claim.csv").open("a") as file:
        file.write("5,10,EU,5000,2025-07-01,444-44,78\n")


def ask(
    app: App, sql: str, who: Principal = ANA, session: Session = OLD
) -> tuple[pa.Table, list[ScanReceipt]]:
    with app.line.run(sql, who, session) as reply:
        table = pa.Table.from_batches(list(reply.batches()), reply.schema)
        return table, list(
            getattr(reply, "receipts", tuple)()
        )  # none of a kept answer, which is never stored


def explained(app: App, sql: str, who: Principal = ANA, session: Session = OLD) -> str:
    with app.line.run(f"EXPLAIN {sql}", who, session) as reply:
        return "\n".join(pa.Table.from_batches(list(reply.batches()), reply.schema)["plan"].to_pylist())


def is_stored(app: App, sql: str, who: Principal = ANA, session: Session = OLD) -> bool:
    """Whether the answer is from a snapshot, which has no claim of 5,000; whether it says so."""
    _, scans = ask(app, sql, who, session)
    stored = [scan.source == "results" for scan in scans]
    assert all(stored) or not any(stored)
    assert ("chosen" in explained(app, sql, who, session)) == any(stored)
    return any(stored)


def rows(app: App, sql: str, who: Principal = ANA, session: Session = OLD) -> list[dict[str, object]]:
    return ask(app, sql, who, session)[0].to_pylist()


# ── how old ──────────────────────────────────────────────────────────────────────────────────


def test_without_consent_the_answer_is_live(app: App) -> None:
    assert not is_stored(app, TOTALS, session=NOW)
    assert {"region": "EU", "n": 3, "total": 5400} in rows(app, TOTALS, session=NOW)
    assert "it matches, but max_staleness is not set" in explained(app, TOTALS, session=NOW)


def test_with_consent_it_is_that_of_the_snapshot_and_says_how_old(app: App) -> None:
    table, scans = ask(app, TOTALS)
    assert {"region": "EU", "n": 2, "total": 400} in table.to_pylist()
    assert table.schema == ask(app, TOTALS, session=NOW)[0].schema
    (stored,) = (
        app.catalog.snapshots.values()
        if len(app.catalog.snapshots) == 1
        else [each for each in app.catalog.snapshots.values() if "by_region" in each.name.name]
    )
    assert [scan.as_of for scan in scans] == [stored.as_of]
    assert "claims.by_region: chosen" in explained(app, TOTALS)


@pytest.mark.parametrize("said", ["0", "1ms"])
def test_one_that_is_older_than_accepted_is_not_taken(app: App, said: str) -> None:
    session = Session(options={"max_staleness": said})
    assert not is_stored(app, TOTALS, session=session)
    assert "it matches, but is older than max_staleness" in explained(app, TOTALS, session=session)


def test_a_stored_product_too_is_live_for_who_takes_nothing_so_old(app: App) -> None:
    counted = "SELECT sum(n) AS n FROM claims.by_region"
    assert rows(app, counted, session=NOW) == [{"n": 4}]
    assert rows(app, counted, session=Session(options={"max_staleness": "0"})) == [{"n": 5}]


def test_a_snapshot_holds_nothing_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as old as it says: of a source that allows older rows it has those of now."""
    kept = governed._FABRIC.replace("type: adbc,", "type: adbc, max_age: 1h,")
    monkeypatch.setattr(governed, "_FABRIC", kept)
    product = {"claims/people": f"{STORED}SELECT customer_id, name FROM crm.customer"}
    with over(tmp_path, products=product) as app:
        with closing(sqlite3.connect(tmp_path / "crm.db")) as connection:
            connection.executescript("INSERT INTO customer VALUES (13, 'Di', NULL, NULL, NULL);")
        refresher = app.line.procedures.refresher
        assert refresher is not None
        assert refresher.refresh(app.catalog.products.current()["claims", "people"]) == 4


def test_a_known_plan_is_used_while_the_snapshot_is_young_enough(changing: App) -> None:
    soon = Session(options={"max_staleness": "10s"})
    refresher = changing.line.procedures.refresher
    assert refresher is not None
    refresher.refresh(changing.catalog.products.current()["claims", "by_region"])
    change(Path(changing.config.directory))
    assert {"region": "EU", "n": 3, "total": 5400} in rows(changing, TOTALS, session=soon)
    until(lambda: {"region": "EU", "n": 4, "total": 10400} in rows(changing, TOTALS, session=soon), 30.0)


def test_what_is_read_as_it_was_stays_so(app: App) -> None:
    (id,) = {
        row["snapshot_id"] for row in rows(app, "SELECT * FROM system.snapshots WHERE product = 'by_region'")
    }
    asked = f"SELECT sum(n) AS n FROM claims.by_region AT (VERSION => '{id}')"
    assert rows(app, asked, session=Session(options={"max_staleness": "0"})) == [{"n": 4}]
    assert "snapshot of" not in explained(app, asked)


def test_another_time_zone_is_live(app: App) -> None:
    zoned = Session(timezone="Europe/Berlin", options={"max_staleness": "1h"})
    assert not is_stored(app, TOTALS, session=zoned)


def test_what_depends_on_the_moment_is_live(app: App) -> None:
    assert not is_stored(app, "SELECT count(*) AS n FROM lake.claim WHERE opened < current_date")


# ── for whom ─────────────────────────────────────────────────────────────────────────────────


def test_who_may_not_read_the_product_is_served_live_and_told_nothing(tmp_path: Path) -> None:
    rules = "p, eve, lake.claim, read, allow\np, bo, claims.by_region, read, deny\np, eve, claims.by_region, discover, allow\n"
    with over(tmp_path, rules) as app:
        for who in (EVE, BO):
            assert not is_stored(app, TOTALS, who)
            for session in (OLD, NOW):
                told = explained(app, TOTALS, who, session)
                assert "by_region" not in told
                assert "snapshot" not in told
        assert is_stored(app, TOTALS)


@pytest.mark.parametrize(
    "rule",
    [
        "p2, role:analyst, claims.by_region, n, hide",
        "p2, role:analyst, claims.by_region, first_ssn, last(4)",
        "p3, role:analyst, claims.by_region, \"region = 'EU'\"",
    ],
)
def test_who_may_not_read_all_of_the_product_is_served_live(tmp_path: Path, rule: str) -> None:
    with over(tmp_path, f"{rule}\n") as app:
        assert not is_stored(app, TOTALS)
        assert "by_region" not in explained(app, TOTALS)


def test_a_row_rule_over_a_stored_key_is_applied_to_the_snapshot(tmp_path: Path) -> None:
    rule = "p3, role:analyst, lake.claim, \"region = attr('region')\"\n"
    with over(tmp_path, rule) as app:
        assert is_stored(app, TOTALS)
        assert rows(app, TOTALS) == [{"region": "EU", "n": 2, "total": 400}]
        assert rows(app, TOTALS, BO) == [{"region": "US", "n": 1, "total": 200}]
        whole = "SELECT count(*) AS n, sum(amount) AS total FROM lake.claim"
        assert rows(app, whole) == [{"n": 2, "total": 400}]
        assert "attr" not in explained(app, TOTALS)
        assert "'EU'" not in explained(app, TOTALS)


@pytest.mark.parametrize(
    "condition",
    ["amount < 250", "note = '12'", "ssn LIKE '1%'", "region = 'EU' OR amount > 1", "opened <= now()"],
)
def test_any_other_row_rule_is_live(tmp_path: Path, condition: str) -> None:
    with over(tmp_path, f'p3, role:analyst, lake.claim, "{condition}"\n') as app:
        assert not is_stored(app, TOTALS)
        assert "rule" in explained(app, TOTALS)


def test_a_row_rule_with_a_subquery_is_live(tmp_path: Path) -> None:
    rule = 'p3, role:analyst, lake.claim, "region IN (SELECT region FROM crm_db.territory)"\n'
    with over(tmp_path, rule) as app:
        assert not is_stored(app, TOTALS)


def test_a_rule_that_the_domain_has_too_was_applied_already(tmp_path: Path) -> None:
    rules = "".join(f'p3, {who}, lake.claim, "amount < 250"\n' for who in ("role:analyst", "domain:claims"))
    with over(tmp_path, rules + "p, eve, lake.claim, read, allow\np, eve, claims.*, read, allow\n") as app:
        assert is_stored(app, TOTALS)
        assert rows(app, "SELECT sum(amount) AS t FROM lake.claim") == [{"t": 300}]
        assert not is_stored(app, TOTALS, EVE)  # who would see more than is stored
        assert rows(app, "SELECT sum(amount) AS t FROM lake.claim", EVE) == [{"t": 6000}]


def test_a_masked_column_is_taken_only_as_it_is_masked(tmp_path: Path) -> None:
    first = "SELECT region, min(ssn) AS s FROM lake.claim WHERE region = 'EU' GROUP BY region"
    with over(tmp_path, "p2, role:analyst, lake.claim, ssn, last(2)\n") as app:
        assert not is_stored(app, first)
        assert rows(app, first) == [{"region": "EU", "s": "***11"}]
        assert is_stored(app, TOTALS)  # where it does not matter


def test_a_column_masked_alike_for_the_domain_is_taken(tmp_path: Path) -> None:
    rules = "".join(f"p2, {who}, lake.claim, ssn, last(2)\n" for who in ("role:analyst", "domain:claims"))
    first = "SELECT region, min(ssn) AS s FROM lake.claim WHERE region = 'EU' GROUP BY region"
    with over(tmp_path, rules) as app:
        assert is_stored(app, first)
        assert rows(app, first) == [{"region": "EU", "s": "***11"}]


def test_a_hidden_column_is_not_told_by_what_is_stored(tmp_path: Path) -> None:
    """The product keeps open claims by a column that the reader has not: it answers nothing of theirs."""
    product = f"{STORED}SELECT region, count(*) AS n FROM lake.claim WHERE note <> 'x' GROUP BY region"
    with over(tmp_path, "p2, role:analyst, lake.claim, note, hide\n", {"claims/some": product}) as app:
        counted = "SELECT region, count(*) AS n FROM lake.claim GROUP BY region"
        assert not is_stored(app, counted)
        assert "note" not in explained(app, counted)


def test_a_denied_part_is_denied(tmp_path: Path) -> None:
    from fabric.errors import AccessDenied, NotFound

    with (
        over(tmp_path, "p, role:analyst, lake.claim, read, deny\n") as app,
        pytest.raises((AccessDenied, NotFound)),
    ):
        ask(app, TOTALS)


def test_a_combination_that_is_forbidden_stays_forbidden(tmp_path: Path) -> None:
    from fabric.errors import AccessDenied

    rule = 'p4, role:lead, lake.claim, crm_db.customer, never, "no"\n'
    joined = "SELECT count(*) AS n FROM claims.claim AS c JOIN crm.customer AS p USING (customer_id)"
    with over(tmp_path, rule) as app:
        assert is_stored(app, joined)
        with pytest.raises(AccessDenied):
            ask(app, joined, BO)


def test_an_api_token_that_may_not_read_the_product_is_served_live(tmp_path: Path) -> None:
    from policies.scope import ScopedPrincipal

    with over(tmp_path, "p, role:narrow, lake.claim, read, allow\ng, ana, role:narrow\n") as app:
        narrow = ScopedPrincipal(ANA.user, ANA.roles, ANA.attributes, frozenset({"role:narrow"}))
        assert not is_stored(app, TOTALS, narrow)


# ── what is stored, and what is asked ────────────────────────────────────────────────────────


def test_products_over_products_are_unfolded(app: App) -> None:
    asked = "SELECT name, sum(amount) AS total FROM claims.claim JOIN crm.customer USING (customer_id) GROUP BY name"
    direct = "SELECT p.name, sum(c.amount) AS total FROM lake.claim c JOIN crm_db.customer p ON c.customer_id = p.customer_id GROUP BY p.name"
    for sql in (asked, direct):
        assert is_stored(app, sql), sql
        assert {row["name"]: row["total"] for row in rows(app, sql)} == {"Ana": 400, "Bo": 200, "Cy": 400}


def test_a_changed_product_file_answers_nothing_until_it_is_stored_again(
    changing: App, tmp_path: Path
) -> None:
    file = tmp_path / "products" / "claims" / "by_region.sql"
    new = tmp_path / "by_region.sql"
    new.write_text(
        BY_REGION.replace("FROM lake.claim", "FROM lake.claim WHERE amount > 150").replace(
            "keep: 2", "keep: 3"
        )
    )
    new.replace(file)
    until(lambda: not any(scan.source == "results" for scan in ask(changing, TOTALS)[1]), 30.0)


def test_a_source_whose_columns_have_changed_since_is_live(changing: App, tmp_path: Path) -> None:
    assert is_stored(changing, TOTALS)
    file = tmp_path / "lake" / "claim.csv"
    file.write_text(file.read_text().replace(",100,", ",100.5,"))
    changing.catalog.refresh("lake").result()
    assert not is_stored(changing, TOTALS)
    assert "by_region" not in explained(changing, TOTALS) or "another type" in explained(changing, TOTALS)


def test_a_product_that_is_not_served_answers_nothing(changing: App, tmp_path: Path) -> None:
    file = tmp_path / "products" / "claims" / "by_region.sql"
    new = tmp_path / "by_region.sql"
    new.write_text(BY_REGION.replace("materialize", "status: retired\nmaterialize"))
    new.replace(file)
    until(lambda: not any(scan.source == "results" for scan in ask(changing, TOTALS)[1]), 30.0)


def test_parameters_are_values(app: App) -> None:
    sql = "SELECT count(*) AS n FROM lake.claim WHERE region = ?"
    described = app.line.describe(sql, ANA, OLD)
    assert list(described.parameter_types) == ["VARCHAR"]
    with app.line.run(sql, ANA, OLD, ["EU"], described.policy_version) as reply:
        assert pa.Table.from_batches(list(reply.batches()), reply.schema).to_pylist() == [{"n": 2}]


def test_what_was_described_live_may_run_from_a_snapshot(app: App) -> None:
    described = app.line.describe(TOTALS, ANA, NOW)
    assert described.receipt == app.line.describe(TOTALS, ANA, OLD).receipt
    with app.line.run(TOTALS, ANA, OLD, policy_version=described.policy_version) as reply:
        assert list(reply.batches())


def test_of_two_the_smaller_is_chosen(tmp_path: Path) -> None:
    small = f"{STORED}SELECT region, count(*) AS n, sum(amount) AS total FROM lake.claim GROUP BY region"
    with over(tmp_path, products={**PRODUCTS, "claims/small": small}) as app:
        told = explained(app, TOTALS)
        assert "claims.small: chosen" in told
        assert "claims.by_region: it matches, and another is smaller" in told


def test_lineage_usage_and_receipt_are_of_what_was_asked(app: App) -> None:
    assert app.line.describe(TOTALS, ANA, OLD).receipt["restricted"] == {"lake.claim": "none"}
    with app.line.run(TOTALS, ANA, OLD) as reply:
        list(reply.batches())
        ran = reply.governed  # type: ignore[union-attr]
    from fabric.query_lineage import query_lineage

    found = query_lineage(ran, app.line._engine, app.catalog.shaped)
    assert [str(name) for name, _ in found.inputs] == ["lake.claim"]
    assert {edge.column for edges in found.lineage.columns for edge in edges} == {"region", "amount"}


def test_it_is_answered_while_its_source_is_down(tmp_path: Path) -> None:
    with over(tmp_path):
        pass
    with closing(build(tmp_path)) as app:
        until(lambda: len(app.catalog.snapshots) == 2, 30.0)
        (tmp_path / "lake" / "claim.csv").unlink()
        assert {"region": "EU", "n": 2, "total": 400} in rows(app, TOTALS)


def test_a_row_rule_on_what_is_left_joined_is_live(tmp_path: Path) -> None:
    """It takes rows before they are joined: of a claim whose customer is hidden the name is NULL."""
    front = "FROM lake.claim AS c LEFT JOIN crm.customer AS p USING (customer_id)"
    product = {"claims/by_name": f"{STORED}SELECT c.region, p.name, count(*) AS n {front} GROUP BY ALL"}
    asked = f"SELECT p.name, count(*) AS n {front} GROUP BY p.name"
    rules = "p3, ana, crm_db.customer, \"name = 'Ana'\"\np3, bo, lake.claim, \"region = 'US'\"\n"
    with over(tmp_path, rules, product) as app:
        assert not is_stored(app, asked)
        assert {row["name"]: row["n"] for row in rows(app, asked)} == {"Ana": 3, None: 2}
        assert is_stored(app, asked, BO)
        assert rows(app, asked, BO) == [{"name": "Bo", "n": 1}]
