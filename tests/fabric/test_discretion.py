"""What errors, EXPLAIN, receipts and the system tables tell of a statement's parts, by who asks."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import fabric.dynamic_filters as dynamic_filters
from fabric.errors import BadData, FabricError, NotSupported, SourceError
from fabric.explain import explain
from fabric.parse import parse
from fabric.pipeline import Session
from fabric.questions import Question
from fabric.reads import LiveRead
from fabric.records import Asked
from fabric.stop import Stop
from fabric.types import Principal
from tests.policies import governed
from tests.policies.governed import ANA, App, ask, company, lines, rows

_RULES = {
    "federation": """
p, role:full, lake.*, read, allow
p, role:full, crm_db.*, read, allow
p, role:full, scores.*, read, allow
""",
    "claims": """
p3, role:eu,   lake.claim,   region = 'EU'
p2, role:mask, lake.claim,   ssn, hash
p2, role:hide, lake.claim,   ssn, hide
p3, role:sub,  claims.claim, claim_id IN (SELECT claim_id FROM fraud.score WHERE score > 0.5)
""",
    "crm": "p3, role:eu, crm_db.customer, region = 'EU'\np3, role:sub, crm.customer, region IN (SELECT region FROM crm_db.territory)\n",
}
_PRODUCTS = {
    "claims/dead": "SELECT gone FROM lake.claim",
    "claims/over_dead": "SELECT * FROM claims.dead",
    "fraud/rated": "SELECT claim_id, score FROM scores.score",
    "claims/rated": "SELECT * FROM fraud.rated",
}
# Whatever is of a source and not of the product that a reader names.
_HIDDEN = (
    "lake",
    "crm_db",
    "scores",
    "claim.csv",
    "score.csv",
    "amount",
    "region",
    "EU",
    "ssn",
    "territory",
    "line 3",
    "0.5",
)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that are declared, so that a wrong value is no other type, and no cache that keeps what is gone."""
    fabric = governed._FABRIC.replace(
        "path: claim.csv, format: csv", "path: claim.csv, format: csv, columns: {amount: BIGINT}"
    )
    fabric = fabric.replace(
        "path: score.csv, format: csv", "path: score.csv, format: csv, columns: {score: DOUBLE}"
    )
    monkeypatch.setattr(governed, "_FABRIC", fabric + "cache: off\n")


@pytest.fixture
def app(tmp_path: Path, patched: None) -> Iterator[App]:
    with company(tmp_path, _RULES, _PRODUCTS) as made:
        assert made.governor.errors() == ()
        yield made


def who(*roles: str) -> Principal:
    return Principal("ana", frozenset({"role:analyst", *(f"role:{role}" for role in roles)}))


def tells_nothing(text: str, *but: str) -> bool:
    found = [hidden for hidden in _HIDDEN if hidden in text and hidden not in but]
    assert not found, f"{found} in {text}"
    return True


# ── EXPLAIN ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("roles", [(), ("eu",), ("mask",), ("hide",), ("sub",)])
def test_explain_names_no_part_that_one_may_not_know_of(app: App, roles: tuple[str, ...]) -> None:
    for name in ("claims.claim", "claims.open", "crm.customer", "claims.risk"):
        for sql in (f"EXPLAIN FROM {name}", f"EXPLAIN ANALYZE FROM {name} WHERE true"):
            text = lines(app, sql, who(*roles))
            assert f"a part of {name}: " in text
            assert "bytes" not in text
            assert "asked" not in text
            tells_nothing(text)


def test_explain_tells_whole_of_what_one_may_read_unrestricted(app: App) -> None:
    text = lines(
        app, "EXPLAIN ANALYZE SELECT claim_id, name FROM claims.open WHERE claim_id < 3", who("full")
    )
    assert "lake.claim: csv files" in text
    assert "files: 1 of 1: claim.csv" in text
    assert 'duckdb prunes by: "claim_id" < 3' in text
    assert "crm_db.customer: live scan\n  asked: SELECT" in text
    assert "dynamic filter: customer_id among the keys of lake.claim" in text
    assert "2 rows" in text
    assert "restricted for you" not in text


@pytest.mark.parametrize(("role", "what"), [("eu", "rows"), ("mask", "columns"), ("hide", "columns")])
def test_explain_tells_of_a_restricted_part_its_name_alone(app: App, role: str, what: str) -> None:
    text = lines(
        app, "EXPLAIN ANALYZE SELECT claim_id FROM claims.claim WHERE claim_id < 3", who("full", role)
    )
    assert (
        "lake.claim: csv files\n  asked, pushed: not shown, for the relation is restricted for you\n" in text
    )
    assert f"restricted for you: claims.claim ({what})" in text
    tells_nothing(text, "lake")
    assert "bytes" not in text


def test_explain_tells_of_what_lies_beneath_a_restricted_product_no_text_either(app: App) -> None:
    """The rule stands on the product; its parts' predicates would tell of hidden rows all the same."""
    text = lines(app, "EXPLAIN ANALYZE SELECT name FROM crm.customer", who("full", "sub"))
    assert "crm_db.customer: live scan\n  asked, pushed: not shown" in text
    assert "SELECT" not in text
    assert "3 rows" not in text


def test_what_a_rule_reads_has_no_name_though_one_may_read_it(app: App) -> None:
    text = lines(app, "EXPLAIN ANALYZE SELECT claim_id FROM claims.claim", who("full", "sub"))
    tells_nothing(text, "lake")
    assert "fraud" not in text
    text = lines(app, "EXPLAIN SELECT name FROM crm.customer", who("full", "sub"))
    assert "territory" not in text
    assert "territory" in lines(app, "EXPLAIN FROM crm_db.territory", who("full", "sub"))


def test_of_a_live_scan_only_governed_rows_are_counted(app: App) -> None:
    text = lines(app, "EXPLAIN ANALYZE SELECT name FROM crm_db.customer", who("full", "eu"))
    assert "did: 1 rows, " in text
    assert "requests" not in text
    assert "did: 3 rows, " in lines(app, "EXPLAIN ANALYZE SELECT name FROM crm_db.customer", who("full"))


def test_rows_are_not_counted_where_other_rights_than_the_askers_decide(tmp_path: Path) -> None:
    """What a product that reads as its domain met, and what a row rule read, is more than the user may see."""
    crm = """
p, domain:claims, crm.customer, declassify, allow
p3, domain:crm, crm_db.customer, name <> 'nobody'
p3, domain:crm, crm_db.territory, keeper <> 'nobody'
p3, role:eu, crm_db.customer, region = 'EU'
p3, role:sub, crm_db.customer, region IN (SELECT region FROM crm_db.territory)
"""
    with company(tmp_path, {**_RULES, "crm": crm}) as app:
        for person, sql in (
            (who("full", "eu"), "SELECT emails FROM claims.contacts"),
            (who("full", "sub"), "SELECT name FROM crm.customer"),
        ):
            text = lines(app, f"EXPLAIN ANALYZE {sql}", person)
            assert " s" in text
            assert not re.search(r"did: \d+ rows", text), text
            ask(app, sql, person)
            assert {row[0] for row in rows(app, "SELECT rows FROM system.scans", person)} == {None}
        assert "did: 1 rows" in lines(app, "EXPLAIN ANALYZE FROM crm_db.customer", who("full", "eu"))


def test_what_a_row_rule_lends_to_another_scan_is_not_told(tmp_path: Path) -> None:
    """DuckDB carries ``region = 'EU'`` from one side of a join to the other, and would have it asked there."""
    crm = "p3, role:eu, crm_db.territory, region = 'EU'\np3, role:ten, crm_db.customer, customer_id = 10\n"
    sql = "SELECT c.name FROM crm_db.customer c JOIN crm_db.territory t USING (region)"
    with company(tmp_path, {**_RULES, "crm": crm}) as app:
        for person in (who("full", "eu"), who("full", "eu", "ten")):
            for text in (lines(app, f"EXPLAIN {sql}", person), lines(app, f"EXPLAIN ANALYZE {sql}", person)):
                assert "crm_db.customer: live scan\n  asked, pushed: not shown" in text
                tells_nothing(text, "crm_db", "territory")
                assert "3 rows" not in text
            ask(app, sql, person)
            told = "SELECT pushed, rows, bytes FROM system.scans WHERE object = 'crm_db.customer'"
            assert set(rows(app, told, person)) == {(None, None, None)}
        # Where no rule is carried over, what was counted stays told; so does one's own condition.
        kept = f"EXPLAIN ANALYZE {sql.replace('JOIN', 'LEFT JOIN')}"
        assert "did: 3 rows" in lines(app, kept, who("full", "eu"))
        assert "did: 1 rows" in lines(app, kept, who("full", "eu", "ten"))
        assert "\"region\" = 'EU'" in lines(app, f"EXPLAIN {sql} WHERE region = 'EU'", who("full"))


def test_what_a_rule_lends_prunes_files_unseen(tmp_path: Path) -> None:
    claims = "p3, role:eu, scores.score, claim_id = 2\np3, role:eu, fraud.score, true\n"
    sql = "SELECT c.amount FROM lake.claim c JOIN scores.score s USING (claim_id)"
    with company(tmp_path, {**_RULES, "claims": "", "fraud": claims}) as app:
        assert "prunes by" not in (text := lines(app, f"EXPLAIN ANALYZE {sql}", who("full", "eu"))), text
        assert "lake.claim: csv files\n  asked, pushed: not shown" in text
        assert "bytes" not in text


def test_what_a_domain_reads_for_one_is_counted_for_those_who_read_it_all_themselves(tmp_path: Path) -> None:
    rules = {
        **_RULES,
        "crm": "p, domain:claims, crm.customer, declassify, allow\np3, role:eu, crm_db.customer, region = 'EU'\n",
        "federation": _RULES["federation"] + "p, role:knows, crm_db.*, discover, allow\n",
    }
    with company(tmp_path, rules) as app:
        sql = "EXPLAIN ANALYZE SELECT emails FROM claims.contacts"
        for roles, told in ((("full",), True), (("full", "eu"), False), (("knows",), False)):
            text = lines(app, sql, who(*roles))
            assert "crm_db.customer: live scan" in text
            assert ("3 rows" in text) == ("asked: SELECT" in text) == told, text
            ask(app, sql.removeprefix("EXPLAIN ANALYZE "), who(*roles))
            ((seen, size),) = rows(
                app, "SELECT rows, bytes FROM system.scans ORDER BY as_of DESC LIMIT 1", who(*roles)
            )
            assert (seen == 3, size is not None) == (told, told)


# ── receipts and system tables ───────────────────────────────────────────────────────────────


def test_a_receipt_names_what_the_statement_names(app: App) -> None:
    sql = "WITH x AS (SELECT * FROM claims.open) SELECT x.name FROM x, CLAIMS.claim WHERE x.claim_id = claim.claim_id"
    receipt = app.line.describe(sql, who("eu"), Session()).receipt
    assert receipt["restricted"] == {"claims.open": "rows", "CLAIMS.claim": "rows"}
    assert set(receipt) == {"restricted", "policy"}
    assert app.line.describe(sql, who("mask"), Session()).receipt["restricted"] == {
        "claims.open": "columns",
        "CLAIMS.claim": "columns",
    }


def test_the_journal_shows_a_user_no_more_than_explain(app: App) -> None:
    ask(app, "SELECT count(*) FROM claims.open", who("eu"))
    ask(app, "SELECT count(*) FROM crm.customer", who("sub"))
    for row in rows(app, "SELECT source, object, pushed, bytes, requests FROM system.scans", who()):
        assert row == (None,) * 5
    tells_nothing(str(rows(app, "SELECT sql, error FROM system.queries", who())))


def test_the_journal_does_not_name_what_a_rule_reads(app: App) -> None:
    person = who("full", "sub")
    ask(app, "SELECT count(*) FROM crm.customer", person)
    found = str(rows(app, "SELECT object FROM system.scans", person))
    assert "crm_db.customer" in found
    assert "territory" not in found


# ── errors ───────────────────────────────────────────────────────────────────────────────────


def wrong_value(directory: Path) -> None:
    """In a row that the rule of role:eu hides."""
    file = directory / "lake" / "claim.csv"
    file.write_text(file.read_text().replace("2,11,US,200", "2,11,US,two hundred"))


def refusal(
    app: App, sql: str, person: Principal, between: Callable[[], object] = lambda: None
) -> FabricError:
    # It may be refused at either step.
    with pytest.raises(FabricError) as refused, app.line.run(sql, person, Session()) as answer:  # noqa: PT012
        between()
        list(answer.batches())
    return refused.value


@pytest.mark.parametrize("roles", [(), ("eu",), ("mask",), ("sub",), ("full", "eu"), ("full", "hide")])
def test_a_wrong_value_is_told_without_file_line_and_column(
    app: App, caplog: pytest.LogCaptureFixture, roles: tuple[str, ...]
) -> None:
    wrong_value(app.config.directory)
    whole = refusal(app, "SELECT amount FROM claims.claim", who("full"))
    assert (
        whole.message
        == "source 'lake': file 'claim.csv', line 3: a value does not fit column 'amount' of type BIGINT"
    )
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        error = refusal(app, "SELECT amount FROM claims.claim", who(*roles))
    assert (type(error), error.code, error.retryable) == (BadData, whole.code, whole.retryable)
    assert error.message in ("a part of 'claims.claim' could not be read", "'claims.claim' could not be read")
    assert tells_nothing(str(error))
    assert "two hundred" not in f"{error}{whole}{caplog.text}"
    assert "claim.csv" in caplog.text  # whoever runs the fabric finds the whole of it
    assert rows(app, "SELECT DISTINCT error FROM system.queries WHERE error LIKE '%part of%'", who())


def test_the_table_itself_is_told_whole_to_who_may_read_it(app: App) -> None:
    wrong_value(app.config.directory)
    assert "'claim.csv', line 3" in refusal(app, "SELECT amount FROM lake.claim", who("full")).message
    assert (
        refusal(app, "SELECT amount FROM lake.claim", who("full", "eu")).message
        == "'lake.claim' could not be read"
    )


@pytest.mark.parametrize("name", ["claims.claim", "claims.open"])
def test_a_file_that_is_gone_is_told_without_its_name(
    app: App, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file that gives keys would be read at once, before it is gone.
    monkeypatch.setattr(dynamic_filters, "_worthwhile", lambda *known: ())
    file = app.config.directory / "lake" / "claim.csv"
    text = file.read_text()
    for person, shown in ((who("full"), True), (ANA, False), (who("full", "eu"), False)):
        error = refusal(app, f"SELECT amount FROM {name}", person, file.unlink)
        file.write_text(text)
        app.catalog.refresh("lake").result()
        assert isinstance(error, SourceError)
        assert ("lake" in str(error)) == shown
        assert shown or tells_nothing(str(error))


def test_an_error_beneath_a_product_on_products_names_the_one_that_was_asked(app: App) -> None:
    file = app.config.directory / "fraud" / "score.csv"
    file.write_text("claim_id,score\n1,high\n")
    error = refusal(app, "SELECT score FROM claims.rated", ANA)
    assert error.message == "a part of 'claims.rated' could not be read"
    assert "'score.csv'" in refusal(app, "SELECT score FROM claims.rated", who("full")).message


def test_an_error_in_what_a_rule_reads_names_nothing_of_it(app: App) -> None:
    (app.config.directory / "fraud" / "score.csv").write_text("claim_id,score\n1,high\n")
    error = refusal(app, "SELECT claim_id FROM claims.claim", who("full", "sub"))
    assert isinstance(error, BadData)
    assert "'claims.claim' could not be read" in error.message
    assert "fraud" not in str(error)
    assert tells_nothing(str(error))


@pytest.mark.parametrize("name", ["claims.dead", "claims.over_dead"])
def test_a_broken_product_is_told_by_the_name_that_was_asked(app: App, name: str) -> None:
    error = refusal(app, f"FROM {name}", ANA)
    assert isinstance(error, NotSupported)
    assert error.message == f"product '{name}' is broken"
    assert tells_nothing(str(error))
    assert "gone" not in str(error)
    assert rows(app, f"SELECT state, reason FROM system.products WHERE name = '{name.split('.')[1]}'") == [
        ("broken", "its owner can see why")
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nope FROM claims.open",
        "SELECT lake.claim.ssn FROM claims.open",
        "SELECT claims.open.region FROM claims.open",
        "SELECT sum(name) FROM claims.open",
        "SELECT name + 1 FROM claims.open",
        "SELECT claim_id FROM claims.open JOIN crm.customer USING (claim_id)",
        "SELECT customer_id FROM claims.claim, crm.customer",
        "SELECT CAST(name AS INTEGER) FROM claims.open",
    ],
)
def test_an_error_of_the_users_own_speaks_of_their_own_text(app: App, sql: str) -> None:
    error = refusal(app, sql, ANA)
    said = [word for word in _HIDDEN if word in sql]
    assert tells_nothing(str(error), *said)
    assert not re.search(r"\b[rc]_[0-9a-f]{16}|Ana|ripstop://", str(error))


# ── semi-joins ───────────────────────────────────────────────────────────────────────────────


def test_whose_keys_stand_in_what_is_asked_is_told_of_with_it(app: App) -> None:
    """Else the rows that a free table sends would tell of the hidden rows of the one that it is joined with."""
    sql = (
        "SELECT t.keeper FROM crm_db.territory t JOIN crm_db.customer c USING (region) WHERE c.code = 'oops'"
    )
    for roles, told in ((("full",), True), (("full", "eu"), False)):
        question = Question(sql, who(*roles), Session(), ())
        known = app.line._judged(parse(sql, "duckdb"), question)
        plan = app.line._planned(known, question)
        ids = {read.relation.name.name: read.relation.id for read in plan.reads}
        reads = tuple(
            replace(read, reduced_by=frozenset({ids["customer"]}))
            if isinstance(read, LiveRead) and read.relation.name.name == "territory"
            else read
            for read in plan.reads
        )
        text = explain(replace(plan, reads=reads), app.line._discretion(known.governed))
        assert text[0] == "crm_db.territory: live scan"
        assert text[1].startswith("  asked: SELECT") == told
        answer = app.line._started(
            replace(plan, reads=reads),
            Asked.of(question),
            app.underway.place("q", "ana", sql, Stop()),
            question,
        )
        with answer:
            list(answer.batches())
        receipt = next(each for each in answer.receipts() if each.object == "crm_db.territory")
        assert (receipt.veiled, receipt.guarded) == (not told, False)
        asked = f"query_id = '{answer.query_id}' AND object = 'crm_db.territory'"
        ((sent, size),) = rows(app, f"SELECT rows, bytes FROM system.scans WHERE {asked}", who(*roles))
        assert (sent is not None, size is not None) == (told, told)
