"""The files of products: versions side by side, what was promised of them, marks, circles, and what readers are told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from fabric.errors import FabricError, NotFound, NotSupported, ProductRetired, ProductViolated
from fabric.pipeline import Session
from fabric.product_marks import Mark, read_marks, write_marks
from fabric.types import Principal
from tests.policies.governed import ANA, EVE, App, ask, company, rows

CARL = Principal("carl", frozenset({"role:claims-owner"}))


def product(
    status: str = "active", version: str = "1.0.0", sql: str = "SELECT claim_id FROM lake.claim", **more: str
) -> str:
    said = "".join(f"{key}: {value}\n" for key, value in more.items())
    return (
        f"/*---\nowner: claims-team@acme.example\nversion: {version}\nstatus: {status}\n{said}---*/\n{sql}\n"
    )


@contextmanager
def world(folder: Path, products: Mapping[str, str], rules: Mapping[str, str] | None = None) -> Iterator[App]:
    with company(folder, rules or {}, products) as app:
        yield app


def changed(app: App, name: str, text: str) -> None:
    file = app.config.directory / "products" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    app.catalog.products._checked = 0.0


def state(app: App, name: str, who: Principal = CARL) -> tuple[object, ...]:
    (row,) = rows(app, f"SELECT state, reason FROM system.products WHERE name = '{name}'", who)
    return row


def receipt(app: App, sql: str) -> Mapping[str, object]:
    return app.line.describe(sql, ANA, Session()).receipt


# ── versions ─────────────────────────────────────────────────────────────────────────────────


def test_the_bare_name_is_the_newest_active_version(tmp_path: Path) -> None:
    products = {
        "claims/v": product(version="1.4.0", sql="SELECT 1 AS v"),
        "claims/v@2": product(version="2.0.0", sql="SELECT 2 AS v"),
        "claims/v@3": product("draft", "3.0.0", "SELECT 3 AS v"),
    }
    with world(tmp_path, products) as app:
        assert rows(app, "FROM claims.v") == [(2,)]
        assert rows(app, 'FROM claims."v@2"') == [(2,)]
        assert rows(app, 'FROM claims."V@1"') == [(1,)]
        assert rows(app, 'FROM claims."v@3"', CARL) == [(3,)]
        found = rows(app, "SELECT name, version, replaced_by FROM system.products WHERE name LIKE 'v%'")
        assert found == [("v", "2.0.0", None), ("v@1", "1.4.0", "claims.v")]
        changed(app, "claims/v@3.sql", product(version="3.0.0", sql="SELECT 3 AS v"))
        assert rows(app, "FROM claims.v") == [(3,)]
        assert rows(app, 'FROM claims."v@2"') == [(2,)]


def test_rules_hold_for_every_version(tmp_path: Path) -> None:
    products = {
        "claims/v": product(sql="SELECT claim_id, region, ssn FROM lake.claim"),
        "claims/v@2": product(version="2.0.0", sql="SELECT claim_id, region, ssn FROM lake.claim"),
    }
    rules = {
        "claims": "p3, role:analyst, claims.v, v.region = attr('region')\np2, role:analyst, claims.v, ssn, hide\n"
    }
    with world(tmp_path, products, rules) as app:
        for name in ("v", '"v@1"', '"v@2"'):
            assert rows(app, f"FROM claims.{name}") == [(1, "EU"), (3, "EU")]
            with pytest.raises(NotFound):
                rows(app, f"FROM claims.{name}", EVE)


@pytest.mark.parametrize(
    ("files", "name", "reason"),
    [
        ({"v": product(version="2.0.0"), "v@2": product(version="2.1.0")}, "v@2", "products/claims/v.sql is version 2 too"),
        ({"v@2": product(version="1.0.0")}, "v", "its name says major version 2, and its metadata 1.0.0"),
        ({"v": product(version="1.0")}, "v", "version: Input should be a valid string"),
        ({"v": product("lively")}, "v", "status: Input should be"),
    ],
)  # fmt: skip
def test_a_version_that_is_not_one_is_broken(
    files: dict[str, str], name: str, reason: str, tmp_path: Path
) -> None:
    with world(tmp_path, {f"claims/{each}": text for each, text in files.items()}) as app:
        found = {
            p.file: p for p in app.catalog.products.current().values() if p.bare == "v" or "v@" in p.file
        }
        (broken,) = [p for p in found.values() if p.broken]
        assert reason in broken.broken
        assert rows(app, "FROM claims.claim")  # the others serve


def test_a_draft_is_there_for_who_may_publish_it_alone(tmp_path: Path) -> None:
    products = {"claims/d": product("draft"), "claims/p": product("proposed")}
    with world(tmp_path, products, {"federation": "p, eve, claims.d, publish, allow\n"}) as app:
        for name in ("d", "p"):
            assert len(rows(app, f"FROM claims.{name}", CARL)) == 4
            with pytest.raises(NotFound) as there:
                rows(app, f"FROM claims.{name}")
            with pytest.raises(NotFound) as absent:
                rows(app, "FROM claims.zq")
            assert str(there.value).replace(f".{name}'", ".zq'") == str(absent.value)
        assert rows(app, "SELECT name FROM system.products WHERE status IN ('draft', 'proposed')") == []
        assert {e.name.name for e in app.visible(ANA)} & {"d", "p"} == set()
        with pytest.raises(NotFound):  # to publish is not to read
            rows(app, "FROM claims.d", EVE)


def test_what_is_published_rests_on_nothing_that_is_not(tmp_path: Path) -> None:
    products = {
        "claims/d": product("draft"),
        "claims/over": "FROM claims.d",
        "claims/e": product("draft", sql="FROM claims.d"),
    }
    with world(tmp_path, products) as app:
        assert state(app, "over") == ("broken", "claims.d, which it reads, is not published: it is draft")
        assert len(rows(app, "FROM claims.e", CARL)) == 4


def test_a_deprecated_one_says_so_in_the_receipt(tmp_path: Path) -> None:
    products = {
        "claims/v": product("deprecated", sunset="2027-01-31"),
        "claims/v@2": product(version="2.0.0"),
        "claims/over": 'FROM claims."v@1"',
    }
    with world(tmp_path, products) as app:
        said = receipt(app, 'SELECT * FROM claims."v@1" a, claims."v@1" b')["notices"]
        assert said == ["claims.v@1: it is deprecated, and is served until 2027-01-31; read claims.v"]
        assert "notices" not in receipt(app, "FROM claims.v")
        assert "notices" not in receipt(app, "FROM claims.over")  # what its owner reads is their business
        assert rows(app, "SELECT sunset FROM system.products WHERE name = 'v@1'") == [(date(2027, 1, 31),)]


def test_a_retired_one_names_what_took_its_place_to_who_may_know(tmp_path: Path) -> None:
    products = {
        "claims/v": product("retired"),
        "claims/v@2": product(version="2.0.0"),
        "claims/gone": product("retired"),
        "claims/over": 'FROM claims."v@1"',
    }
    with world(tmp_path, products) as app:
        with pytest.raises(ProductRetired) as told:
            ask(app, 'FROM claims."v@1"', ANA)
        assert str(told.value) == "PRODUCT_RETIRED: product 'claims.v@1' is retired Hint: read claims.v"
        with pytest.raises(ProductRetired) as told:
            ask(app, "FROM claims.gone", ANA)
        assert told.value.hint == "ask its owner, claims-team@acme.example"
        with pytest.raises(NotSupported, match=r"'claims\.over' is broken"):
            ask(app, "FROM claims.over", ANA)
        for name in ('"v@1"', "gone"):
            with pytest.raises(NotFound):
                ask(app, f"FROM claims.{name}", EVE)


# ── contracts ────────────────────────────────────────────────────────────────────────────────

PROMISE = (
    "product: claims.v\nversion: 1.0.0\ncolumns:\n  claim_id: {type: BIGINT}\n  amount: {type: BIGINT}\n"
)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("claim_id: {type: INTEGER}", "column 'claim_id' is BIGINT, and its contract says INTEGER: cast it in the SELECT, or correct the contract"),
        ("nope: {type: BIGINT}", "its contract has a column 'nope', and its SELECT has none of that name"),
        ("claim_id: {type: WHATEVER}", "there is no type 'WHATEVER'"),
        ("claim_id: {type: 'BIGINT) AS c, (SELECT 1'}", "there is no type 'BIGINT) AS c, (SELECT 1'"),
    ],
)  # fmt: skip
def test_what_is_not_as_its_file_declares_is_broken(columns: str, reason: str, tmp_path: Path) -> None:
    with world(tmp_path, {"claims/v": product(columns=f"{{{columns}}}")}) as app:
        assert state(app, "v") == ("broken", reason)
        assert state(app, "v", ANA) == ("broken", "its owner can see why")
        with pytest.raises(NotSupported, match="is broken"):
            ask(app, "FROM claims.v", ANA)
        assert rows(app, "FROM claims.claim")


@pytest.mark.parametrize("kind", ["BIGINT", "int8", "INT64", "Long"])
def test_a_type_may_be_spelled_in_any_way(kind: str, tmp_path: Path) -> None:
    with world(tmp_path, {"claims/v": product(columns=f"{{claim_id: {{type: {kind}}}}}")}) as app:
        assert state(app, "v") == ("ok", None)


@pytest.mark.parametrize(
    ("kind", "good"), [("DECIMAL", True), ("numeric", True), ("DECIMAL(9,2)", True), ("DECIMAL(8,2)", False)]
)
def test_a_decimal_without_digits_is_any(kind: str, good: bool, tmp_path: Path) -> None:
    text = product(sql="SELECT 1::DECIMAL(9,2) AS x", columns=f"{{x: {{type: '{kind}'}}}}")
    with world(tmp_path, {"claims/v": text}) as app:
        assert (state(app, "v")[0] == "ok") is good


def test_a_file_that_breaks_what_was_published_serves_no_more(tmp_path: Path) -> None:
    with world(tmp_path, {"claims/v": product(sql="SELECT claim_id, amount FROM lake.claim")}) as app:
        changed(app, "claims/v@1.contract.yaml", PROMISE)
        assert state(app, "v") == ("ok", None)
        changed(
            app, "claims/v.sql", product(sql="SELECT claim_id, amount::SMALLINT AS amount FROM lake.claim")
        )
        reason = "it breaks what version 1.0.0 promised: column 'amount' has another type: BIGINT → SMALLINT"
        assert state(app, "v") == ("broken", reason)
        changed(
            app,
            "claims/v.sql",
            product(sql="SELECT claim_id, amount::HUGEINT AS amount, 1 AS more FROM lake.claim"),
        )
        assert state(app, "v") == ("ok", None)
        changed(app, "claims/v.sql", product(version="2.0.0"))  # another major version promises anew
        assert state(app, "v") == ("ok", None)
        changed(app, "claims/v@2.contract.yaml", "columns: what")
        assert "v@2.contract.yaml is no contract" in str(state(app, "v")[1])


# ── circles, and what does not load ──────────────────────────────────────────────────────────


def test_circles_are_broken_and_named_and_the_others_serve(tmp_path: Path) -> None:
    products = {
        "claims/a": "FROM claims.b",
        "claims/b": "FROM claims.c",
        "claims/c": "FROM claims.a",
        "claims/over": "FROM claims.a",
    }
    with world(tmp_path, products) as app:
        assert state(app, "a") == ("broken", "it reads itself: claims.a → claims.b → claims.c → claims.a")
        assert state(app, "b")[0] == state(app, "c")[0] == "broken"
        assert state(app, "over") == (
            "broken",
            "it reads a product that reads itself: claims.a → claims.b → claims.c → claims.a",
        )
        for name in ("a", "over"):
            with pytest.raises(NotSupported, match=f"'claims.{name}' is broken"):
                ask(app, f"FROM claims.{name}", ANA)
        assert rows(app, "FROM claims.claim")
        changed(app, "claims/c.sql", "SELECT 7 AS x")
        assert rows(app, "FROM claims.over") == [(7,)]


def test_the_reason_of_another_domains_part_stays_there(tmp_path: Path) -> None:
    products = {"crm/inside": "SELECT secret_column FROM crm_db.customer", "claims/over": "FROM crm.inside"}
    with world(tmp_path, products) as app:
        assert state(app, "over") == ("broken", "crm.inside, which it reads, is broken")
        assert "secret_column" in str(
            state(app, "inside", Principal("cora", frozenset({"role:crm-owner"})))[1]
        )


def test_a_chain_may_be_long(tmp_path: Path) -> None:
    products = {"claims/p0": "SELECT 1 AS x"}
    products |= {f"claims/p{n}": f"SELECT x + 1 AS x FROM claims.p{n - 1}" for n in range(1, 80)}
    with world(tmp_path, products) as app:
        assert rows(app, "FROM claims.p79") == [(80,)]


def test_products_that_read_ever_more_are_refused_in_no_time(tmp_path: Path) -> None:
    products = {"claims/p0": "SELECT 1 AS x"}
    products |= {
        f"claims/p{n}": f"FROM claims.p{n - 1} a JOIN claims.p{n - 1} b USING (x)" for n in range(1, 40)
    }
    with world(tmp_path, products) as app:
        with pytest.raises(FabricError):
            ask(app, "FROM claims.p39", ANA)
        assert len(rows(app, "FROM claims.p5")) == 1


# ── marks ────────────────────────────────────────────────────────────────────────────────────


def mark(app: App, *failed: str) -> None:
    write_marks(
        app.config.directory / ".ripstop/quality.json", {("claims", "v", 1): Mark("2026-11-30", failed)}
    )
    app.catalog.products._checked = 0.0


def test_a_mark_is_told_and_stops_what_says_so(tmp_path: Path) -> None:
    products = {
        "claims/v": product(quality='[{name: "amounts are small", sql: "true"}]'),
        "claims/over": "FROM claims.v",
    }
    with world(tmp_path, products) as app:
        mark(app, "amounts are small")
        assert state(app, "v") == ("violated", "its data breaks 'amounts are small'")
        assert state(app, "v", ANA) == ("violated", "its owner can see why")
        assert len(rows(app, "FROM claims.v")) == 4
        assert receipt(app, "FROM claims.v")["notices"] == ["claims.v: its data breaks 'amounts are small'"]
        changed(
            app,
            "claims/v.sql",
            product(on_violation="refuse", quality='[{name: "amounts are small", sql: "true"}]'),
        )
        with pytest.raises(ProductViolated) as told:
            ask(app, "FROM claims.v", ANA)
        assert (
            told.value.message == "product 'claims.v' is not served while its data breaks 'amounts are small'"
        )
        with pytest.raises(NotSupported, match=r"'claims\.over' is broken"):
            ask(app, "FROM claims.over", ANA)
        with pytest.raises(NotFound):
            ask(app, "FROM claims.v", EVE)
        mark(app)
        assert state(app, "v") == ("ok", None)
        assert len(rows(app, "FROM claims.over")) == 4


def test_marks_that_cannot_be_read_mark_nothing(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    assert read_marks(file) == {}
    write_marks(file, {("claims", "v", 2): Mark("now", ("a", "b"))})
    assert read_marks(file) == {("claims", "v", 2): Mark("now", ("a", "b"))}
    for text in ("{", "[]", json.dumps({"products": [{}]})):
        file.write_text(text)
        assert read_marks(file) == {}
