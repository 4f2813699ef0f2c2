"""The graph of lineage over rows of ``system.lineage``."""

from __future__ import annotations

import json

import pytest

from fabric.lineage_graph import Graph, Node, as_json, as_mermaid, as_text

COLUMNS = ("product", "column", "source", "source_column", "kind", "masked", "query_id")


def graph(*rows: tuple[object, ...]) -> Graph:
    return Graph(dict(zip(COLUMNS, (*row, None), strict=True)) for row in rows)


CHAIN = graph(
    ("claims.open", "mail", "crm.customer", "email", "identity", True),
    ("claims.open", "mail", None, None, None, None),
    ("claims.open", None, "crm.customer", None, "rows", False),
    ("crm.customer", "email", "crm_db.customer", "email", "identity", False),
    ("crm.customer", None, "crm_db.customer", "state", "filter", False),
    ("crm.customer", None, "crm_db.customer", None, "rows", False),
)


def test_a_tree_goes_up_through_products() -> None:
    assert list(as_text(CHAIN, CHAIN.nodes("claims.open.mail"), ["up"])) == [
        "claims.open.mail",
        "  <- crm.customer.email (identity, masked)",
        "    <- crm_db.customer.email (identity)",
        "  <- what you may not know of",
    ]


def test_what_decides_about_rows_reaches_all_that_is_made_of_them() -> None:
    assert list(as_text(CHAIN, CHAIN.nodes("crm_db.customer.state"), ["down"])) == [
        "crm_db.customer.state",
        "  -> crm.customer (rows) (filter)",
        "    -> claims.open (rows)",
    ]


def test_an_object_is_all_of_its_columns() -> None:
    assert CHAIN.nodes("CRM.Customer") == [Node("crm.customer", "email"), Node("crm.customer")]
    assert CHAIN.nodes("crm.customer.EMAIL") == [Node("crm.customer", "email")]
    assert CHAIN.nodes("crm") == []


def test_a_diamond_is_told_once_and_no_circle_is_followed_for_ever() -> None:
    found = graph(
        ("a.top", "x", "a.left", "x", "identity", False),
        ("a.top", "x", "a.right", "x", "identity", False),
        ("a.left", "x", "a.base", "x", "identity", False),
        ("a.right", "x", "a.base", "x", "identity", False),
        ("a.base", "x", "a.deep", "x", "identity", False),
        ("a.deep", "x", "a.base", "x", "identity", False),
    )
    assert list(as_text(found, found.nodes("a.top.x"), ["up"])) == [
        "a.top.x",
        "  <- a.left.x (identity)",
        "    <- a.base.x (identity)",
        "      <- a.deep.x (identity)",
        "        <- a.base.x (identity) …",
        "  <- a.right.x (identity)",
        "    <- a.base.x (identity) …",
    ]
    assert len(found.reached(found.nodes("a.top.x"), "up")) == len(found.links)


def test_chains_may_be_long() -> None:
    rows = [(f"a.p{n}", "x", f"a.p{n + 1}", "x", "identity", False) for n in range(3_000)]
    found = graph(*rows)
    assert len(list(as_text(found, found.nodes("a.p0.x"), ["up"]))) == 3_001


def test_json_has_both_directions() -> None:
    found = json.loads(as_json(CHAIN, CHAIN.nodes("crm.customer.email"), ["up", "down"]))
    assert found["up"] == [
        {
            "object": "crm.customer", "column": "email", "source": "crm_db.customer", "source_column": "email",
            "kind": "identity", "masked": False,
        }
    ]  # fmt: skip
    assert [row["object"] for row in found["down"]] == ["claims.open"]


def test_mermaid_draws_what_only_decides_with_dots() -> None:
    drawn = list(as_mermaid(CHAIN, CHAIN.nodes("crm.customer"), ["up"]))
    assert drawn == [
        "flowchart LR",
        '  subgraph g0["crm.customer"]',
        '    n0["email"]',
        '    n1["rows"]',
        "  end",
        '  subgraph g1["crm_db.customer"]',
        '    n2["email"]',
        '    n3["state"]',
        '    n4["rows"]',
        "  end",
        "  n2 -->|identity| n0",
        "  n3 -.->|filter| n1",
        "  n4 --> n1",
    ]


@pytest.mark.parametrize("name", ['x"] --> evil["', "<script>", "a\nend", "a|b", "#quot;"])
def test_attack_a_name_is_nothing_but_a_name_in_mermaid(name: str) -> None:
    found = graph(("a.b", name, "c.d", "e", "identity", False))
    label = "".join(each if each.isalnum() or each in " _.@-" else f"#{ord(each)};" for each in name)
    drawn = "\n".join(as_mermaid(found, found.nodes("a.b"), ["up"]))
    assert f'["{label}"]' in drawn
    assert name not in drawn
