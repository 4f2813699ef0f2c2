"""``system.lineage`` for each role of a company, and what it must not tell."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from fabric.lineage_graph import Graph, Node
from fabric.types import Principal
from tests.policies.governed import ANA, EVE, App, ask, company

OWNER = Principal("olga", frozenset({"role:claims-owner"}))
CRM_OWNER = Principal("cara", frozenset({"role:crm-owner"}))
AUDITOR = Principal("aud", frozenset({"role:auditor"}))

RULES = {
    "federation": "p, role:auditor, system.lineage, read, allow\np, domain:crm, claims.*, read, allow\n",
    "claims": "p2, role:analyst, claims.claim, note, hide\np3, role:analyst, claims.claim, ssn > '2'\n",
    "crm": "p2, role:*, crm.customer, email, email\np2, role:analyst, crm.customer, region, hide\n"
    "p2, domain:claims, crm.customer, name, hash\n",
    "fraud": "p, role:analyst, fraud.*, discover, deny\np, role:analyst, fraud.*, read, deny\n",
}
PRODUCTS = {
    "claims/places": "SELECT claim_id, c.region, p.region AS home, upper(p.email) AS mail "
    "FROM claims.claim c JOIN crm.customer p USING (customer_id) WHERE amount > 100",
    "crm/board": "SELECT name, count(*) AS n FROM crm_db.customer JOIN crm_db.territory USING (region) GROUP BY name",
    "claims/many": "SELECT count(*) AS n FROM claims.places",
    "claims/constant": "SELECT 1 AS one",
}

Row = tuple[object, ...]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with company(tmp_path_factory.mktemp("acme"), RULES, PRODUCTS) as app:
        yield app


def lineage(app: App, who: Principal, of: str) -> set[Row]:
    table = ask(app, f"SELECT * FROM system.lineage WHERE product = '{of}'", who)
    assert table.column_names == [
        "product", "column", "source", "source_column", "kind", "masked", "query_id",
    ]  # fmt: skip
    return {tuple(row.values())[1:6] for row in table.to_pylist()}


def told(app: App, who: Principal) -> str:
    return str(ask(app, "FROM system.lineage", who).to_pylist())


PLACES_FOR_THE_AUDITOR: set[Row] = {
    ("claim_id", "claims.claim", "claim_id", "identity", False),
    ("region", "claims.claim", "region", "identity", False),
    ("home", "crm.customer", "region", "identity", False),
    ("mail", "crm.customer", "email", "transformation", True),
    (None, "claims.claim", "customer_id", "join", False),
    (None, "crm.customer", "customer_id", "join", False),
    (None, "claims.claim", "amount", "filter", False),
    (None, "claims.claim", None, "rows", False),
    (None, "crm.customer", None, "rows", False),
}


def test_an_auditor_sees_all_of_it(app: App) -> None:
    assert lineage(app, AUDITOR, "claims.places") == PLACES_FOR_THE_AUDITOR
    assert ("score", "scores.score", "score", "identity", False) in lineage(app, AUDITOR, "fraud.score")


def test_a_consumer_sees_what_is_made_of_what_they_may_know(app: App) -> None:
    # Of crm.customer they know all but region; its email is masked for them.
    home: set[Row] = {("home", "crm.customer", "region", "identity", False)}
    nothing: Row = ("home", None, None, None, None)
    assert lineage(app, ANA, "claims.places") == PLACES_FOR_THE_AUDITOR - home | {nothing}


def test_sources_that_a_consumer_may_not_know_of_have_no_name(app: App) -> None:
    assert lineage(app, ANA, "claims.claim") == {
        (column, None, None, None, None)
        for column in ("claim_id", "customer_id", "region", "amount", "opened", "ssn")
    }
    assert lineage(app, ANA, "claims.totals") == {
        (column, None, None, None, None) for column in ("region", "amount")
    }
    assert lineage(app, ANA, "claims.constant") == set()


def test_an_owner_sees_what_their_products_read_and_no_further(app: App) -> None:
    places = lineage(app, OWNER, "claims.places")
    assert places == PLACES_FOR_THE_AUDITOR
    totals = lineage(app, OWNER, "claims.totals")
    assert ("amount", "lake.claim", "amount", "aggregation", False) in totals
    assert (None, "lake.claim", "region", "group_by", False) in totals
    # They may read no product of crm; but theirs do.
    assert lineage(app, OWNER, "crm.customer") == set()
    assert "scores" not in told(app, OWNER)


def test_a_mask_on_what_a_domain_reads_is_told(app: App) -> None:
    opened = lineage(app, OWNER, "claims.open")
    assert ("name", "crm.customer", "name", "identity", True) in opened
    assert ("amount", "lake.claim", "amount", "identity", False) in opened


def test_a_count_tells_no_value(app: App) -> None:
    contacts = lineage(app, CRM_OWNER, "claims.contacts")
    assert contacts == set()  # they own what it reads, and may not know of it
    assert ("emails", "crm.customer", "email", "aggregation", True) in lineage(app, OWNER, "claims.contacts")


def test_who_may_know_of_nothing_learns_nothing(app: App) -> None:
    assert ask(app, "FROM system.lineage", EVE).num_rows == 0


@pytest.mark.parametrize(
    "hidden",
    ["lake", "crm_db", "territory", "scores", "fraud", "board", "'note'", "'ssn', 'filter'"],
)
def test_attack_no_hidden_name_and_no_rule_is_in_a_consumers_lineage(app: App, hidden: str) -> None:
    assert hidden in told(app, AUDITOR) or hidden in ("'ssn', 'filter'",)
    rows = told(app, ANA).replace("crm.board", "") if hidden == "board" else told(app, ANA)
    assert hidden not in rows


def test_attack_hidden_parts_are_not_counted(app: App) -> None:
    """However many there are, and whatever they decide, there is one row a column."""
    board = ask(app, "SELECT * FROM system.lineage WHERE product = 'crm.board'", ANA).to_pylist()
    assert [(row["column"], row["source"], row["kind"]) for row in board] == [("name", None, None)]


def test_what_a_change_would_hit_goes_through_products(app: App) -> None:
    graph = Graph(ask(app, "FROM system.lineage", AUDITOR).to_pylist())
    hit = {link.node for link in graph.reached(graph.nodes("crm_db.customer.email"), "down")}
    assert hit >= {
        Node("crm.customer", "email"), Node("claims.open", "email"), Node("claims.places", "mail"),
        Node("claims.contacts", "emails"), Node("claims.contacts", "first"),
    }  # fmt: skip
    assert Node("claims.places", "region") not in hit
    decided = {link.node for link in graph.reached(graph.nodes("lake.claim.amount"), "down")}
    assert Node("claims.places") in decided  # it chooses rows
    assert Node("claims.many") in decided  # and so does what is counted over them


def test_every_source_beneath_is_reached(app: App) -> None:
    graph = Graph(ask(app, "FROM system.lineage", AUDITOR).to_pylist())
    beneath = {link.source.object for link in graph.reached(graph.nodes("claims.many"), "up") if link.source}
    assert beneath == {"claims.places", "claims.claim", "crm.customer", "lake.claim", "crm_db.customer"}


# ── of queries ───────────────────────────────────────────────────────────────────────────────


def of_query(app: App, who: Principal, text: str, asks: Principal | None = None) -> list[dict[str, object]]:
    """The lineage of the newest query of that text, once it is written down."""
    found = ask(app, "SELECT query_id, sql FROM system.queries ORDER BY started_at DESC", who).to_pylist()
    query_id = next(row["query_id"] for row in found if row["sql"] == text)
    asked = f"SELECT * FROM system.lineage WHERE query_id = '{query_id}'"
    deadline = time.monotonic() + 20
    while not (rows := ask(app, asked, asks or who).to_pylist()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return rows


def test_a_query_has_a_lineage_of_its_own_to_what_it_names(app: App) -> None:
    text = "SELECT upper(email) AS mail, count(*) AS n FROM claims.open WHERE amount > 10 GROUP BY ALL ORDER BY 1"
    ask(app, text, ANA)
    rows = {
        (row["column"], row["source"], row["source_column"], row["kind"], row["masked"])
        for row in of_query(app, ANA, text)
    }
    assert rows == {
        ("mail", "claims.open", "email", "transformation", True),
        (None, "claims.open", "amount", "filter", False),
        (None, "claims.open", "email", "group_by", True),
        (None, "claims.open", "email", "sort", True),
        (None, "claims.open", None, "rows", False),
    }


def test_queries_that_differ_in_values_share_their_lineage_and_others_do_not(app: App) -> None:
    found = {}
    for text in (
        "SELECT amount AS x FROM claims.claim WHERE claim_id = 1",
        "SELECT amount AS x FROM claims.claim WHERE claim_id = 2",
        "SELECT amount AS x FROM claims.totals WHERE claims = 2",
        "SELECT customer_id AS x FROM claims.claim WHERE claim_id = 1",
        "SELECT customer_id AS x FROM crm.customer WHERE customer_id = 1",
    ):
        ask(app, text, ANA)
        found[text] = {(r["source"], r["source_column"], r["kind"]) for r in of_query(app, ANA, text)}
    one, two, totals, other, crm = found.values()
    assert one == two == {
        ("claims.claim", "amount", "identity"), ("claims.claim", "claim_id", "filter"), ("claims.claim", None, "rows"),
    }  # fmt: skip
    assert ("claims.totals", "amount", "identity") in totals
    assert ("claims.claim", "customer_id", "identity") in other
    assert ("crm.customer", "customer_id", "identity") in crm


def test_attack_nothing_of_a_row_rule_and_nothing_of_others_queries_is_told(app: App) -> None:
    text = "SELECT claim_id AS mine FROM claims.claim"
    ask(app, text, ANA)  # a row rule on ssn chooses
    rows = of_query(app, ANA, text)
    assert {row["source_column"] for row in rows} == {"claim_id", None}
    query_id = rows[0]["query_id"]
    asked = f"SELECT * FROM system.lineage WHERE query_id = '{query_id}'"
    assert ask(app, asked, OWNER).num_rows == 0
    assert ask(app, asked, AUDITOR).num_rows == len(rows)
