"""A product's columns: types, what they are made of, and the tags that travel with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from fabric.engine import Engine
from fabric.parse import parse
from fabric.product_shape import shaped
from fabric.products import names_in
from fabric.resolve import Find, only_now, resolve
from fabric.types import Column, Origin, Product, Table, TableName

PERSON = Table(
    TableName("crm", "main", "person"),
    (
        Column("id", "BIGINT", tags=("key",)),
        Column("Email", "VARCHAR", tags=("pii", "email")),
        Column("born", "DATE", tags=("pii",)),
        Column("city", "VARCHAR"),
    ),
)
CLAIM = Table(
    TableName("lake", "main", "claim"),
    (
        Column("id", "BIGINT"),
        Column("email", "VARCHAR", tags=("contact",)),
        Column("amount", "DECIMAL(18,2)"),
    ),
)


@dataclass
class World:
    """Two tables and some products."""

    products: dict[str, Product] = field(default_factory=dict)

    def add(self, name: str, sql: str, *columns: Column) -> Product:
        reads = names_in(parse(sql))
        self.products[name] = Product(
            TableName("acme", "claims", name), "claims", sql, columns=columns, reads=reads
        )
        return self.products[name]

    def body(self, domain: str) -> Find:
        return self.find

    def find(self, parts: tuple[str, ...]) -> Table | Product | None:
        tables = {"person": PERSON, "claim": CLAIM, "empty": Table(TableName("lake", "main", "empty"), ())}
        return tables.get(parts[-1].lower()) or self.products.get(parts[-1].lower())

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        return self.find(parts)

    def candidates(self, name: str) -> list[str]:
        return []

    def at(self, product: Product, snapshot_id: str) -> Product:
        return only_now(product, snapshot_id)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(threads=1)
    yield engine
    engine.close()


@pytest.fixture
def world() -> World:
    return World()


def tags(product: Product) -> dict[str, tuple[str, ...]]:
    assert not product.broken
    return {column.name: column.tags for column in product.columns}


def test_types_are_the_selects_and_the_rest_is_the_files(world: World, engine: Engine) -> None:
    said = Column("WHO", "BIGINT", nullable=False, comment="Who it is.", tags=("mine",))
    made = shaped(world.add("p", "SELECT id AS who, city FROM crm.person", said), world.find, engine)
    assert made.columns == (
        Column("who", "BIGINT", nullable=False, comment="Who it is.", tags=("mine", "key")),
        Column("city", "VARCHAR"),
    )
    assert made.origins == ((Origin(0, "id", True),), (Origin(0, "city", True),))


def test_tags_travel_with_every_value_but_a_count(world: World, engine: Engine) -> None:
    sql = (
        "SELECT upper(p.email) AS loud, max(c.amount) AS top, count(p.email) AS n, max(p.born) AS youngest, "
        "CASE WHEN p.email LIKE '%x' THEN 1 END AS flag FROM crm.person AS p JOIN lake.claim AS c USING (id) "
        "WHERE p.born > DATE '1970-01-01' GROUP BY ALL"
    )
    assert tags(shaped(world.add("p", sql), world.find, engine)) == {
        "loud": ("pii", "email"),
        "top": (),
        "n": (),
        "youngest": ("pii",),
        "flag": ("pii", "email"),
    }


def test_both_sides_of_using_and_of_a_union_hand_theirs_on(world: World, engine: Engine) -> None:
    joined = world.add("j", "SELECT email FROM lake.claim JOIN crm.person USING (email)")
    assert tags(shaped(joined, world.find, engine)) == {"email": ("contact", "pii", "email")}
    united = world.add("u", "SELECT city AS x FROM crm.person UNION ALL SELECT email FROM lake.claim")
    assert tags(shaped(united, world.find, engine)) == {"x": ("contact",)}


def test_columns_of_one_name_have_the_names_by_which_they_are_read(world: World, engine: Engine) -> None:
    both = world.add("both", "SELECT p.*, c.* FROM crm.person AS p JOIN lake.claim AS c ON p.id = c.id")
    made = tags(shaped(both, world.find, engine))
    assert list(made) == ["id", "Email", "born", "city", "id_1", "email_1", "amount"]
    assert made["id"] == ("key",)
    assert made["email_1"] == ("contact",)
    reader = world.add("reader", "SELECT email_1 AS x, id AS y, id_1 AS z FROM claims.both")
    assert tags(shaped(reader, world.find, engine)) == {"x": ("contact",), "y": ("key",), "z": ()}


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("VALUES (1, 'a')", ["col0", "col1"]),
        ("FROM lake.claim", ["id", "email", "amount"]),
        ("PIVOT lake.claim ON email IN ('a') USING sum(amount) GROUP BY id", ["id", "a"]),
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT n, count(*) FROM t GROUP BY ALL",
         ["n", "count_star()"]),
        ("(SELECT id FROM lake.claim ORDER BY amount LIMIT 3) UNION ALL SELECT id FROM crm.person", ["id"]),
    ],
)  # fmt: skip
def test_every_kind_of_statement_has_columns(
    sql: str, names: list[str], world: World, engine: Engine
) -> None:
    assert list(tags(shaped(world.add("p", sql), world.find, engine))) == names


def test_they_travel_on_through_products_on_products(world: World, engine: Engine) -> None:
    inner = Column("who", "", tags=("inner",))
    world.add("one", "SELECT email AS who, city FROM crm.person", inner)
    world.add(
        "two", "SELECT left(who, 3) AS start, city FROM claims.one", Column("city", "", tags=("place",))
    )
    three = world.add("three", "SELECT t.*, o.who FROM claims.two AS t, claims.one AS o")
    made = shaped(three, world.find, engine)
    assert tags(made) == {
        "start": ("inner", "pii", "email"),
        "city": ("place",),
        "who": ("inner", "pii", "email"),
    }
    assert made.origins == (
        (Origin(0, "start", True),),
        (Origin(0, "city", True),),
        (Origin(1, "who", True),),
    )
    assert world.products["one"].columns == (inner,)  # what its file declares is still to be seen there


def test_what_cannot_be_read_has_every_tag_beneath_it(world: World, engine: Engine) -> None:
    made = shaped(
        world.add("p", "SELECT amount FROM crm.person RIGHT SEMI JOIN lake.claim USING (id)"),
        world.find,
        engine,
    )
    assert tags(made) == {"amount": ("key", "pii", "email", "contact")}
    every = [(0, column) for column in PERSON.columns] + [(1, column) for column in CLAIM.columns]
    assert made.origins == (tuple(Origin(part, column.name, False) for part, column in every),)


def test_parts_are_shaped_by_who_is_asked_to(world: World, engine: Engine) -> None:
    asked = []

    def shape(part: Product) -> Product:
        asked.append(part.name.name)
        made = shaped(part, world.find, engine, shape)
        return Product(
            made.name, made.domain, made.sql, columns=(Column("who", "VARCHAR", tags=("cached",)),)
        )

    world.add("one", "SELECT email AS who FROM crm.person")
    two = world.add("two", "SELECT a.who FROM claims.one AS a, claims.one AS b")
    assert tags(shaped(two, world.find, engine, shape)) == {"who": ("cached",)}
    assert asked == ["one"]


def test_a_product_resolved_again_has_new_ids_and_the_same_order(world: World, engine: Engine) -> None:
    world.add("one", "SELECT email AS who, id FROM crm.person")
    sql = (
        "WITH w AS (SELECT * FROM lake.claim) SELECT (SELECT max(born) FROM crm.person AS q WHERE q.id = o.id) AS x, "
        "w.amount, o.who FROM w JOIN claims.one AS o USING (id) WHERE EXISTS (FROM lake.claim AS c WHERE c.id = o.id)"
    )
    seen = set()
    ids = set()
    for _ in range(20):
        found = resolve(parse(sql), world, None, "domain:claims").relations
        seen.add(tuple((str(relation.name), relation.written) for relation in found))
        ids |= {relation.id for relation in found}
    assert len(seen) == 1
    assert len(ids) == 20 * len(next(iter(seen)))
    made = shaped(world.add("p", sql), world.find, engine)
    parts = [name for name, _ in next(iter(seen))]
    assert [{parts[origin.part] for origin in column} for column in made.origins] == [
        {"crm.person", "acme.claims.one", "lake.claim"},  # its id is the one of USING
        {"lake.claim"},
        {"acme.claims.one"},
    ]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT nope FROM crm.person", "nope"),
        ("SELECT * FROM lake.empty", "not known yet"),
        ("SELECT * FROM claims.torn", "nope"),
        ("SELECT * FROM claims.p", "it reads itself: claims.p → claims.p"),
        ("SELECT * FROM claims.nowhere", "nowhere"),
    ],
)
def test_one_that_does_not_bind_is_broken(sql: str, reason: str, world: World, engine: Engine) -> None:
    world.add("torn", "SELECT nope FROM crm.person")
    made = shaped(world.add("p", sql), world.find, engine)
    assert reason in made.broken
    assert made.columns == ()
    assert made.origins == ()


def test_one_over_a_product_without_columns_is_broken(world: World, engine: Engine) -> None:
    world.add("one", "SELECT id FROM crm.person")
    two = world.add("two", "SELECT * FROM claims.one")
    none = Product(TableName("acme", "claims", "one"), "claims", "", broken="its source is not known")
    made = shaped(two, world.find, engine, lambda part: none)
    assert (made.columns, made.broken) == (
        (),
        "claims.one, which it reads, is broken: its source is not known",
    )
