"""A small estate to write rules about, and statements' relations as ``resolve`` makes them."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlglot import exp

from fabric.spi import StandIn
from fabric.types import (
    Column,
    Decision,
    Principal,
    Product,
    Relation,
    Resolved,
    RowFilter,
    StoredTable,
    Table,
    TableName,
)
from policies.govern import CasbinGovernor
from policies.objects import Estate

ESTATE = Estate(
    fabric="acme",
    owners={"claims": "role:claims-owner", "CRM": "carla", "fraud": "role:fraud-owner"},
    sources={"claims_lake": "claims", "policy_db": "crm", "scores": "fraud"},
    default_schemas={"policy_db": "public"},
)
_ids = itertools.count()


class Plain:
    """A binder for statements on which no rule speaks of rows: every product has one column."""

    def shaped(self, product: Product) -> Product:
        return replace(product, columns=(Column("id", "BIGINT"),))

    def bind(self, condition: exp.Expr, found: Table | Product, reader: str) -> RowFilter:
        raise AssertionError("no row rule was expected")

    def snapshots(self) -> Callable[[Product], StoredTable | None]:
        return lambda product: None

    def stand_in(self, resolved: Resolved, decisions: Mapping[str, Decision]) -> StandIn:
        return StandIn()

    def type_of(self, expression: str, columns: Sequence[Column]) -> str:
        raise AssertionError("no mask was expected")


def governor(directory: Path, federation: str | None = "", **domains: str) -> CasbinGovernor:
    folder = directory / "policies"
    folder.mkdir(exist_ok=True)
    if federation is not None:
        (folder / "federation.csv").write_text(federation)
    for domain, text in domains.items():
        (folder / f"{domain}.csv").write_text(text)
    return CasbinGovernor(directory, ESTATE)


def person(user: str, *roles: str) -> Principal:
    return Principal(user, frozenset(roles))


def table(name: str, reader: str, written: str = "") -> Relation:
    catalog, schema, last = name.split(".")
    at = TableName(catalog, schema, last)
    return Relation(f"r{next(_ids)}", at, Table(at, ()), reader, written or name)


def product(name: str, reader: str, *parts: Relation, owner: str = "", written: str = "") -> Relation:
    domain, last = name.split(".")
    at = TableName("acme", domain, last)
    found = Product(at, domain, "SELECT 1", owner=owner)
    return Relation(f"r{next(_ids)}", at, found, reader, written or name, statement(*parts))


def statement(*relations: Relation) -> Resolved:
    return Resolved(exp.select("1"), relations)
