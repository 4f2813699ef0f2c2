"""A snapshot that is kept can be read again: by whom, until when, and under which rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, FabricError, NotFound, NotSupported, ResultOutdated
from fabric.types import Principal
from tests.policies.governed import ANA, BO, EVE, App, ask, company, rows
from tests.server.test_snapshots import OWNER, PRODUCTS, SESSION, change, restrict, wait_for_first
from tests.server.tiny import until

FIND = Principal("finn", frozenset({"role:finder"}))
"""May know of the product, and not read it."""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with company(tmp_path, {"federation": "p, role:finder, claims.*, discover, allow\n"}, PRODUCTS) as app:
        wait_for_first(app)
        yield app


def ids(app: App, product: str = "stored", who: Principal = OWNER) -> list[str]:
    asked = f"SELECT snapshot_id FROM system.snapshots WHERE product = '{product}' ORDER BY as_of"
    return [str(each) for each in ask(app, asked, who)["snapshot_id"].to_pylist()]


def at(snapshot_id: str, columns: str = "count(*)") -> str:
    return f"SELECT {columns} FROM claims.stored AT (VERSION => '{snapshot_id}')"


def refreshed(app: App, directory: Path) -> str:
    """The id of the snapshot of before a row came."""
    (first,) = ids(app)
    change(directory)
    ask(app, "REFRESH claims.stored", OWNER)
    return first


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def test_what_was_stored_is_read_again_exactly(app: App, tmp_path: Path) -> None:
    before = rows(app, "SELECT * FROM claims.stored")
    first = refreshed(app, tmp_path)
    assert rows(app, at(first, "*")) == before
    assert rows(app, "SELECT count(*) FROM claims.stored") == [(5,)]
    latest = ids(app)[-1]
    assert rows(app, at(latest)) == [(5,)]


@pytest.mark.parametrize(
    "written",
    [
        "claims.stored AT (VERSION => '{}') s",
        "claims.stored AS s AT (VERSION => '{}')",
        "acme.claims.\"STORED\" s AT (version => '{}')",
    ],
)
def test_with_a_name_for_it_and_beside_others(app: App, tmp_path: Path, written: str) -> None:
    first = refreshed(app, tmp_path)
    new = f"SELECT now.claim_id FROM claims.stored now ANTI JOIN {written.format(first)} USING (claim_id)"
    assert rows(app, new) == [(5,)]


def test_the_id_may_be_a_parameter(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    with app.line.run(
        "SELECT count(*) AS n FROM claims.stored AT (VERSION => ?)", ANA, SESSION, [first]
    ) as it:
        assert [batch.to_pylist() for batch in it.batches()] == [[{"n": 4}]]


def test_a_snapshot_of_another_select_has_its_own_columns(app: App, tmp_path: Path) -> None:
    (first,) = ids(app)
    file = tmp_path / "products" / "claims" / "stored.sql"
    new = tmp_path / "new.sql"
    new.write_text(PRODUCTS["claims/stored"].replace("amount, ssn", "amount * 2 AS doubled"))
    new.replace(file)
    until(lambda: len(ids(app)) == 2, 30.0)
    until(lambda: "doubled" in str(rows(app, "DESCRIBE claims.stored")), 30.0)
    assert rows(app, at(first, "amount, ssn"))[0] == (100, "111-11")
    assert rows(app, "SELECT doubled FROM claims.stored")[0] == (200,)


def test_explain_and_describe_say_what_is_read(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    assert rows(app, f"DESCRIBE claims.stored AT (VERSION => '{first}')")[0][0] == "amount"
    assert "parquet files" in str(ask(app, f"EXPLAIN {at(first)}", OWNER).to_pylist())


def test_a_run_over_one_can_be_submitted(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    call = f"CALL system.submit('{at(first, '*').replace(chr(39), chr(39) * 2)}')"
    (row,) = ask(app, call, ANA).to_pylist()
    state = f"SELECT state FROM system.runs WHERE run_id = '{row['run_id']}'"
    until(lambda: ask(app, state, ANA)["state"].to_pylist() == ["succeeded"], 20.0)
    assert len(rows(app, f'SELECT * FROM results."{row["run_id"]}"')) == 4


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("SELECT * FROM claims.claim AT (VERSION => 'x')", "has no snapshot"),
        ("SELECT * FROM lake.claim AT (VERSION => 'x')", "has no snapshots"),
        ("SELECT * FROM system.runs AT (VERSION => 'x')", "has no snapshots"),
        ("WITH c AS (SELECT 1) SELECT * FROM c AT (VERSION => 'x')", "name of this query"),
        ("SELECT * FROM claims.stored AT (TIMESTAMP => now())", "named by its id"),
        ("SELECT * FROM claims.stored AT (VERSION => claim_id)", "named by its id"),
        ("SELECT * FROM claims.stored FOR VERSION AS OF 'x'", "not supported"),
    ],
)
def test_what_has_no_snapshot_says_so(app: App, asked: str, why: str) -> None:
    with pytest.raises(FabricError, match=why):
        ask(app, asked, OWNER)


def test_a_product_reads_what_there_is_now(app: App) -> None:
    (first,) = ids(app)
    with pytest.raises(NotSupported, match="AT stands in a query only"):
        ask(app, f"CREATE VIEW claims.frozen AS SELECT * FROM claims.stored AT (VERSION => '{first}')", OWNER)


def test_one_that_is_kept_no_more_is_not_there(app: App) -> None:
    (first,) = ids(app)
    for _ in range(2):
        ask(app, "REFRESH claims.stored", OWNER)
    assert first not in ids(app)
    with pytest.raises(NotFound, match="has no snapshot"):
        ask(app, at(first), ANA)


def test_an_id_of_another_product_is_none_of_this_one(app: App) -> None:
    (other,) = ids(app, "summed")
    with pytest.raises(NotFound, match="has no snapshot"):
        ask(app, at(other), OWNER)


# ── who may ──────────────────────────────────────────────────────────────────────────────────


def test_who_is_told_of_snapshots(app: App, tmp_path: Path) -> None:
    refreshed(app, tmp_path)
    asked = "SELECT product, rows, bytes IS NULL AS untold, current FROM system.snapshots WHERE product = 'stored'"
    assert rows(app, asked, OWNER) == [("stored", 4, False, False), ("stored", 5, False, True)]
    assert rows(app, asked, ANA) == [("stored", None, True, False), ("stored", None, True, True)]
    for who in (EVE, FIND):
        assert rows(app, "SELECT * FROM system.snapshots", who) == []


def test_who_may_not_read_the_product_learns_nothing_of_its_snapshots(app: App) -> None:
    (first,) = ids(app)
    said = set()
    for snapshot_id in (first, "0" * 32):
        for who, kind in ((EVE, NotFound), (FIND, AccessDenied)):
            with pytest.raises(kind) as caught:
                ask(app, at(snapshot_id), who)
            said.add(str(caught.value))
    assert len(said) == 2


def test_rules_on_the_product_hold_over_what_was(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    rules = "p3, role:analyst, claims.stored, \"region = attr('region')\"\np2, role:analyst, claims.stored, ssn, last(2)\n"
    restrict(app, tmp_path, rules)
    assert rows(app, at(first, "claim_id, ssn")) == [(1, "***11"), (3, "***11")]
    assert rows(app, at(first, "claim_id, ssn"), BO) == [(2, "***22")]
    restrict(app, tmp_path, "p2, role:analyst, claims.stored, ssn, hide\n")
    with pytest.raises(FabricError):
        ask(app, at(first, "ssn"), ANA)


@pytest.mark.parametrize(
    "rule",
    [
        "p3, role:analyst, lake.claim, \"region = 'EU'\"\n",
        "p2, role:analyst, lake.claim, ssn, hide\n",
    ],
)
def test_a_rule_beneath_that_takes_more_is_an_error_and_no_other_data(
    app: App, tmp_path: Path, rule: str
) -> None:
    first = refreshed(app, tmp_path)
    restrict(app, tmp_path, rule)
    with pytest.raises(ResultOutdated, match="read the product without AT"):
        ask(app, at(first, "claim_id"), ANA)
    assert rows(app, at(first), OWNER) == [(4,)]  # of whom the rule does not speak


def test_a_denial_beneath_holds_over_what_was(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    restrict(app, tmp_path, "p, role:analyst, lake.claim, read, deny\n")
    with pytest.raises(AccessDenied):
        ask(app, at(first), ANA)


def test_a_combination_is_refused_over_what_was(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    restrict(
        app, tmp_path, 'p4, role:analyst, lake.claim, fraud.score, never, "privacy board 12"\n', "federation"
    )
    with pytest.raises(AccessDenied, match="combined"):
        ask(app, f"{at(first, '*')} JOIN fraud.score USING (claim_id)", ANA)


def test_a_tag_on_a_column_masks_it_in_what_was_too(app: App, tmp_path: Path) -> None:
    first = refreshed(app, tmp_path)
    file = tmp_path / "products" / "claims" / "stored.sql"
    new = tmp_path / "new.sql"
    new.write_text(PRODUCTS["claims/stored"].replace("/*---\n", "/*---\ncolumns: {ssn: {tags: [pii]}}\n"))
    new.replace(file)
    restrict(app, tmp_path, "p2, role:analyst, claims.stored, tag:pii, null\n")
    tagged = "SELECT 'pii' IN tags FROM system.columns WHERE product = 'stored' AND name = 'ssn'"
    until(lambda: rows(app, tagged) == [(True,)], 30.0)
    assert rows(app, "SELECT DISTINCT ssn FROM claims.stored") == [(None,)]
    assert rows(app, at(first, "DISTINCT ssn")) == [(None,)]
