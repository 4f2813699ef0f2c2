"""What Tab offers, by what stands before and behind the cursor (``|``)."""

from __future__ import annotations

from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from server.cli.completion import SqlCompleter
from server.cli.shell_commands import NAMED, words_behind
from server.cli.vocabulary import Vocabulary
from server.cli.words import quoted, unquoted, words


class Known(Vocabulary):
    def __init__(self) -> None:
        super().__init__(_nobody)
        self.relations = {
            ("acme", "claims", "open_claims"): [("claim_id", "BIGINT"), ("Amount", "DOUBLE")],
            ("acme", "crm", "customer"): [("customer_id", "BIGINT"), ("name", "VARCHAR")],
            ("acme", "system", "queries"): [("sql", "VARCHAR")],
            ("crm_db", "public", "Customer Care"): [("order", "VARCHAR"), ('q"t', "VARCHAR")],
            ("lake", "main", "claim"): [("region", "VARCHAR")],
        }

    def refresh(self, *, now: bool = False) -> None:
        """Everything is known."""


def _nobody() -> Any:
    raise AssertionError


COMPLETER = SqlCompleter(Known(), NAMED, words_behind)


def offered(text: str) -> list[str]:
    before, _, after = text.partition("|")
    document = Document(before + after, len(before))
    return [
        before[: len(before) + c.start_position] + c.text
        for c in COMPLETER.get_completions(document, CompleteEvent())
    ]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("SELECT * FROM op|", "SELECT * FROM claims.open_claims"),
        ("SELECT * FROM CLAIMS.o|", "SELECT * FROM CLAIMS.open_claims"),
        ("FROM acme.c|", "FROM acme.claims"),
        ("FROM acme.claims.|", "FROM acme.claims.open_claims"),
        ("FROM cla|", "FROM claims.open_claims"),
        ("FROM lake.|", "FROM lake.claim"),
        ("FROM claims.open_claims o, cus|", "FROM claims.open_claims o, crm.customer"),
        ("SELECT 1 FROM crm.customer JOIN q|", "SELECT 1 FROM crm.customer JOIN system.queries"),
        ("FROM crm_db.public.|", 'FROM crm_db.public."Customer Care"'),
        ('FROM crm_db.public."cus|', 'FROM crm_db.public."Customer Care"'),
        ("FROM care|", 'FROM crm_db.public."Customer Care"'),
        ("SELECT o.| FROM claims.open_claims o", "SELECT o.claim_id"),
        ("SELECT o.am| FROM claims.open_claims AS o", 'SELECT o."Amount"'),
        ("SELECT open_claims.c| FROM claims.open_claims", "SELECT open_claims.claim_id"),
        ('SELECT x.o| FROM crm_db.public."Customer Care" x', 'SELECT x."order"'),
        ('SELECT x.q| FROM crm_db.public."Customer Care" x', 'SELECT x."q""t"'),
        ("SELECT na| FROM crm.customer", "SELECT name"),
        ("SELECT 1; SELECT reg| FROM lake.claim", "SELECT 1; SELECT region"),
        ("SELECT count(*) FROM lake.claim WHERE re|", "SELECT count(*) FROM lake.claim WHERE region"),
        ("sel|", "SELECT"),
        ("SELECT * FROM lake.claim ord|", "SELECT * FROM lake.claim ORDER"),
        ("SELECT levensh|", "SELECT levenshtein"),
        ("DESCRIBE cust|", "DESCRIBE crm.customer"),
        (r"\d open|", r"\d claims.open_claims"),
        (".sch|", ".schema"),
        (".mode js|", ".mode json"),
        (r"\timing o|", r"\timing on"),
    ],
)
def test_the_first_offer(typed: str, first: str) -> None:
    assert offered(typed)[0] == first


@pytest.mark.parametrize("typed", ["SELECT 'op|", "SELECT 1 -- op|", "SELECT /* op|", "SELECT 'a'|"])
def test_in_a_text_or_a_comment_nothing_is_offered(typed: str) -> None:
    assert offered(typed) == []


def test_relations_are_offered_only_where_one_can_stand() -> None:
    assert "SELECT claims.open_claims" not in offered("SELECT op|")
    assert offered("SELECT f(1, cust| FROM lake.claim") == []
    assert not [each for each in offered("SELECT name, cust| FROM crm.customer") if "crm.customer" in each]


def test_the_systems_own_tables_come_last() -> None:
    assert offered("FROM |")[-1] == "FROM system.queries"


def test_of_two_relations_of_one_name_no_column_is_guessed() -> None:
    known = Known()
    known.relations["a", "s", "t"] = [("x", "INTEGER")]
    known.relations["b", "s", "t"] = [("y", "INTEGER")]
    assert known.find(("s", "t")) == []
    assert known.find(("B", "s", "T")) == [("y", "INTEGER")]


@pytest.mark.parametrize("name", ["plain", "Upper", "with space", 'qu"ote', "select", "1st", "ünicode", ""])
def test_a_quoted_name_is_read_back_as_itself(name: str) -> None:
    written = quoted(name)
    (word,) = words(written)
    assert word.name == unquoted(written) == name
    assert (written == name) == (name == "plain")
