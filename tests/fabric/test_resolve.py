"""Names to relations: the pairs in tests/sql/resolve.sql, products, and what must not be found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fabric.errors import NotFound
from fabric.parse import parse
from fabric.resolve import Find, only_now, relations, resolve
from fabric.types import Column, Product, Resolved, Table, TableName

PAIRS = Path(__file__).parent.parent / "sql" / "resolve.sql"


@dataclass
class Names:
    """Two products and two sources."""

    products: dict[tuple[str, str], str] = field(default_factory=dict)
    visible: list[str] = field(default_factory=list)
    hidden: tuple[str, ...] = ()

    def body(self, domain: str) -> Find:
        return self.find

    def find(self, parts: tuple[str, ...]) -> Table | Product | None:
        names = tuple(part.lower() for part in parts)
        if names[0] == "acme":
            names = names[1:]
        if names in self.products:
            return Product(
                TableName("acme", *names), domain=names[0], sql=self.products[names], owner=f"{names[0]}-team"
            )
        if names[:1] == ("lake",) and names[-1] == "claim":
            return Table(TableName("lake", "main", "claim"), (Column("id", "BIGINT"),))
        if names in (("db", "policy"), ("db", "public", "policy")):
            return Table(TableName("db", "public", "policy"), (Column("id", "BIGINT"),))
        return None

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        return None if parts[-1].lower() in self.hidden else self.find(parts)

    def candidates(self, name: str) -> list[str]:
        return [found for found in self.visible if found.endswith(f".{name.lower()}")]

    def at(self, product: Product, snapshot_id: str) -> Product:
        return only_now(product, snapshot_id)


NAMES = Names(
    {
        ("claims", "open"): "SELECT id FROM lake.claim",
        ("crm", "person"): "SELECT o.id FROM claims.open AS o JOIN db.policy USING (id)",
    }
)


def resolved(text: str, names: Names = NAMES, schema: str | None = None) -> Resolved:
    return resolve(parse(text), names, schema, "ana")


def shown(found: Resolved) -> str:
    text = found.tree.sql(dialect="duckdb")
    for number, relation in enumerate(found.relations, 1):
        text = text.replace(f'"{relation.id}"', f"r{number}")
    for number, name in enumerate(dict.fromkeys(re.findall(r'"c_[0-9a-f]{16}"', text)), 1):
        text = text.replace(name, f"c{number}")
    return text


def pairs() -> list[tuple[str, str]]:
    text = re.sub(r"^--.*\n", "", PAIRS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    statements = [statement.strip() for statement in text.split(";\n") if statement.strip()]
    return list(zip(statements[::2], statements[1::2], strict=True))


@pytest.mark.parametrize(("statement", "expected"), pairs())
def test_pairs(statement: str, expected: str) -> None:
    assert shown(resolved(statement)) == expected.rstrip(";")


def test_ids_cannot_be_guessed_and_never_repeat() -> None:
    ids = {resolved("SELECT * FROM lake.claim").relations[0].id for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"r_[0-9a-f]{16}", one) for one in ids)


def test_a_product_has_its_own_tree_read_by_its_domain() -> None:
    (person,) = resolved("SELECT * FROM crm.person").relations
    assert person.reader == "ana"
    assert person.body is not None
    opened, policy = person.body.relations
    assert (opened.reader, policy.reader) == ("domain:crm", "domain:crm")
    assert opened.body is not None
    assert [part.reader for part in opened.body.relations] == ["domain:claims"]


def test_parts_come_before_what_reads_them() -> None:
    found = resolved("SELECT * FROM crm.person")
    assert [str(relation.name) for relation in relations(found)] == [
        "lake.claim",
        "acme.claims.open",
        "db.public.policy",
        "acme.crm.person",
    ]


def test_a_product_does_not_see_the_statement_around_it() -> None:
    names = Names({("claims", "open"): "SELECT * FROM mine"})
    (relation,) = resolved("WITH mine AS (SELECT 1) SELECT * FROM mine, claims.open", names).relations
    assert isinstance(relation.object, Product)
    assert relation.body is None
    assert "mine" in relation.object.broken


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM claims.open", "SELECT * FROM crm.person", "SELECT (SELECT 1 FROM crm.person)"]
)
def test_products_that_read_each_other_are_broken(sql: str) -> None:
    names = Names({("claims", "open"): sql, ("crm", "person"): "SELECT * FROM claims.open"})
    broken = [
        relation.object.broken
        for relation in relations(resolved("SELECT * FROM claims.open", names))
        if isinstance(relation.object, Product)
    ]
    assert any("reads itself" in reason for reason in broken)


@pytest.mark.parametrize(
    "name",
    ["claim", "nope.x", "claims.nope", "a.b.c.d", '"/etc/passwd"', '"x.csv"', "duckdb_tables", "pg_class",
     "temp.main.x", "sqlite_master", "main.claim", "system.main.claim"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match="that you may see"):
        resolved(f"SELECT * FROM {name}")


def test_a_one_part_name_is_completed_by_the_session() -> None:
    assert shown(resolved("SELECT * FROM open", schema="claims")) == 'SELECT * FROM r1 AS "open"'
    assert shown(resolved("SELECT * FROM policy", schema="db.public")) == 'SELECT * FROM r1 AS "policy"'


def test_a_one_part_name_lists_what_it_could_be() -> None:
    with pytest.raises(NotFound) as caught:
        resolved("SELECT * FROM open", Names(NAMES.products, ["claims.open", "crm.open"]))
    assert caught.value.hint == "it could be claims.open or crm.open"


def test_a_statement_is_not_changed_by_resolving_it() -> None:
    parsed = parse("SELECT * FROM lake.claim")
    resolve(parsed, NAMES, None, "ana")
    assert parsed.tree.sql(dialect="duckdb") == "SELECT * FROM lake.claim"


def test_what_one_may_not_know_is_not_found_and_a_product_may_still_read_it() -> None:
    names = Names(NAMES.products, hidden=("claim",))
    for statement in ("SELECT * FROM lake.claim, lake.nope", "SELECT * FROM lake.claim"):
        with pytest.raises(NotFound, match=r"lake\.claim"):
            resolved(statement, names)
    part, _ = relations(resolved("SELECT * FROM claims.open", names))
    assert str(part.name) == "lake.claim"
