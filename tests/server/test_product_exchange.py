"""Products as ODCS and ODPS, and drafts from ODCS and dbt."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from fabric.errors import InvalidConfig, NotFound
from server.app import build
from server.product_export import export
from server.product_import import import_products
from tests.policies.governed import company
from tests.server.cli.test_policy_commands import ripstop

FULL = """/*---
owner: claims-team@acme.example
description: Claims that are late.
version: 1.2.0
status: active
tags: [claims]
columns:
  claim_id: {type: BIGINT, description: Its number, required: true, unique: true}
  mail: {tags: [contact]}
quality:
  - {name: few, sql: "claim_id < 100"}
on_violation: refuse
freshness: 1h
reads_as: domain
---*/
SELECT c.claim_id, p.email AS mail, [c.amount] AS amounts, {'a': c.opened} AS nested, MAP {1: 'x'} AS named, c.amount / 2 AS half
FROM lake.claim c JOIN crm.customer p USING (customer_id)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    second = FULL.replace("1.2.0", "2.0.0").replace(
        "status: active", "status: deprecated\nsunset: 2027-01-31"
    )
    with company(directory, {}, {"claims/late": FULL, "claims/late@2": second}):
        pass
    return directory


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "acme"))


def written(project: Path, name: str) -> str:
    return (project / "products" / name).read_text()


def front(project: Path, name: str) -> Any:
    return yaml.safe_load(written(project, name).partition("---\n")[2].partition("\n---*/")[0])


# ── ODCS, ODPS ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["claims.late", "claims.late@2", "claims.claim", "crm.customer", "claims.totals"]
)
def test_a_contract_is_one_by_the_published_schema_and_model(project: Path, name: str) -> None:
    text = export(project, name, "odcs")
    said = yaml.safe_load(text)
    schema = files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    jsonschema.validate(said, json.loads(schema))
    model = OpenDataContractStandard.from_string(text)
    assert model.apiVersion == "v3.2.0"
    assert model.schema_


def test_a_contract_says_what_the_product_promises(project: Path) -> None:
    said = yaml.safe_load(export(project, "claims.late@2", "odcs"))
    assert (said["id"], said["status"], said["team"]) == (
        "acme.claims.late@2",
        "deprecated",
        {"name": "claims-team@acme.example"},
    )
    assert said["slaProperties"] == [
        {"property": "freshness", "value": 3600.0, "unit": "s"},
        {"property": "endOfLife", "value": "2027-01-31"},
    ]
    (relation,) = said["schema"]
    assert {each["name"]: each["logicalType"] for each in relation["properties"]} == {
        "claim_id": "integer", "mail": "string", "amounts": "array", "nested": "object", "named": "map", "half": "number",
    }  # fmt: skip
    assert relation["properties"][0] == {
        "name": "claim_id", "logicalType": "integer", "physicalType": "BIGINT", "required": True, "unique": True,
        "description": "Its number",
    }  # fmt: skip
    assert relation["properties"][1]["tags"] == ["contact", "pii", "email"]
    assert relation["quality"] == [
        {
            "name": "few",
            "type": "sql",
            "query": "SELECT count(*) FROM ${table} WHERE NOT (claim_id < 100)",
            "mustBe": 0,
        }
    ]


def test_a_data_product_has_its_versions_as_ports(project: Path) -> None:
    said = yaml.safe_load(export(project, "claims.late", "odps"))
    assert (said["apiVersion"], said["kind"], said["id"]) == ("v1.1.0", "DataProduct", "acme.claims.late")
    assert said["inputPorts"] == [
        {"name": "lake.claim"},
        {"name": "crm.customer", "version": "1.0.0", "contractId": "acme.crm.customer@1"},
    ]
    assert [(port["version"], port["contractId"], port["deprecated"]) for port in said["outputPorts"]] == [
        ("1.2.0", "acme.claims.late@1", False),
        ("2.0.0", "acme.claims.late@2", True),
    ]


def test_what_was_exported_is_imported_as_it_was(project: Path) -> None:
    file = project / "late.odcs.yaml"
    file.write_text(export(project, "claims.late", "odcs"))
    (project / "products/claims/late.sql").unlink()
    (project / "products/claims/late@2.sql").unlink()
    status, out, err = ripstop(project, "product", "import", str(file))
    assert (status, out, err) == (0, "draft: products/claims/late.sql\n", "")
    said, before = (
        front(project, "claims/late.sql"),
        yaml.safe_load(FULL.partition("---\n")[2].partition("\n---*/")[0]),
    )
    assert {
        key: said[key]
        for key in ("owner", "description", "version", "tags", "quality", "on_violation", "reads_as")
    } == {
        key: before[key]
        for key in ("owner", "description", "version", "tags", "quality", "on_violation", "reads_as")
    }
    assert (said["status"], said["freshness"]) == ("draft", "3600s")
    assert said["columns"]["claim_id"] == {
        "type": "BIGINT",
        "description": "Its number",
        "required": True,
        "unique": True,
    }
    with closing(build(project, recorded=False)) as app:
        product = app.catalog.products.find("claims", "late")
        assert product is not None
        assert not app.catalog.shaped(product).broken
    assert import_products(project, file, "") == ["left as it is: claims.late is there already"]


def test_a_contract_without_a_select_is_a_draft_of_its_columns(project: Path) -> None:
    file = project / "c.yaml"
    contract = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "v2", "status": "active",
        "schema": [{"name": "new thing", "properties": [{"name": "id", "physicalType": "BIGINT", "primaryKey": True}, {"name": "a b", "physicalType": "VARCHAR"}],
                    "quality": [{"type": "library", "metric": "rowCount", "mustBe": 5}]}],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(contract))
    assert import_products(project, file, "claims") == [
        "draft: products/claims/new_thing@2.sql",
        "  the quality rule 'rowCount' is no condition over rows, and was left out",
        "  its SELECT is to be written: it has the columns, and no rows",
    ]
    with pytest.raises(NotFound) as told:
        import_products(project, file, "clams")
    assert "did you mean 'claims'?" in told.value.hint
    with closing(build(project, recorded=False)) as app:
        product = app.catalog.products.find("claims", "new_thing@2")
        assert product is not None
        assert [column.name for column in app.catalog.shaped(product).columns] == ["id", "a b"]


@pytest.mark.parametrize("evil", ["x ---*/ SELECT 1 /*---", "*/", "a\n---*/\nSELECT 2"])
def test_nothing_that_others_wrote_ends_the_metadata_early(project: Path, evil: str) -> None:
    file = project / "c.yaml"
    contract = {
        "kind": "DataContract", "domain": "claims", "description": {"purpose": evil}, "team": {"name": evil}, "tags": [evil],
        "schema": [{"name": "../../evil", "properties": [{"name": "x", "description": evil, "physicalType": "BIGINT"}]}],
        "customProperties": [{"property": "ripstopSql", "value": "SELECT 42::BIGINT AS x"}],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(contract))
    import_products(project, file, "")
    with closing(build(project, recorded=False)) as app:
        product = app.catalog.products.find("claims", "_evil")
        assert product is not None
        assert (product.description, product.owner, product.sql) == (evil, evil, "SELECT 42::BIGINT AS x")
    contract["schema"][0]["name"] = "worse"  # type: ignore[index]
    contract["customProperties"] = [{"property": "ripstopSql", "value": "DROP VIEW claims.claim"}]
    file.write_text(yaml.safe_dump(contract))
    assert import_products(project, file, "") == [
        "left out: claims.worse: a product is one SELECT without parameters"
    ]


@pytest.mark.parametrize("text", ["[]", "kind: Other", "{", "a: [b"])
def test_what_is_neither_is_refused(project: Path, text: str) -> None:
    file = project / "c.yaml"
    file.write_text(text)
    with pytest.raises(InvalidConfig):
        import_products(project, file, "claims")
    with pytest.raises(NotFound):
        import_products(project, project / "absent.yaml", "claims")


# ── dbt ──────────────────────────────────────────────────────────────────────────────────────


def manifest(**model: Any) -> dict[str, Any]:
    """A manifest as dbt 1.10 writes one, cut down to what is read."""
    node = {
        "resource_type": "model", "name": "late", "alias": "late", "database": "db", "schema": "analytics",
        "description": "Late claims", "tags": ["nightly"], "config": {"tags": ["nightly", "claims"]}, "meta": {"owner": "claims@acme.example"},
        "columns": {"claim_id": {"name": "claim_id", "description": "Its number"}, "mail": {"name": "mail", "tags": ["pii"]}},
        "compiled_code": 'SELECT c.claim_id, s.email AS mail, c.amount::int / 2 AS half FROM "db"."raw"."claim" c JOIN "db"."analytics"."stg_customer" s ON s.customer_id = c.customer_id',
    }  # fmt: skip
    test = {"resource_type": "test", "attached_node": "model.shop.late", "column_name": "claim_id"}
    return {
        "metadata": {"adapter_type": "postgres"},
        "nodes": {
            "model.shop.late": node | model,
            "model.shop.stg_customer": {
                "resource_type": "model", "name": "stg_customer", "database": "db", "schema": "analytics", "columns": {},
                "compiled_code": 'SELECT customer_id, email FROM "db"."crm"."customer"',
            },
            "test.shop.a": test | {"test_metadata": {"name": "not_null"}},
            "test.shop.b": test | {"test_metadata": {"name": "unique"}},
        },
        "sources": {"source.shop.lake.claim": {"source_name": "lake", "name": "claim", "database": "db", "schema": "raw"}},
    }  # fmt: skip


def test_the_models_of_dbt_are_drafts_over_what_is_here(project: Path) -> None:
    for name in ("late", "late@2"):
        (project / f"products/claims/{name}.sql").unlink()
    file = project / "manifest.json"
    file.write_text(json.dumps(manifest()))
    assert import_products(project, file, "claims") == [
        "draft: products/claims/late.sql",
        "draft: products/claims/stg_customer.sql",
        "  'db.crm.customer' has no place in this fabric yet",
    ]
    said = front(project, "claims/late.sql")
    assert said["columns"] == {
        "claim_id": {"description": "Its number", "required": True, "unique": True},
        "mail": {"tags": ["pii"]},
    }
    assert (said["owner"], said["tags"], said["status"]) == (
        "claims@acme.example",
        ["nightly", "claims"],
        "draft",
    )
    sql = written(project, "claims/late.sql")
    assert "FROM lake.claim AS c" in sql
    assert "JOIN claims.stg_customer AS s" in sql
    customer = project / "products/claims/stg_customer.sql"
    customer.write_text(customer.read_text().replace('"db"."crm"."customer"', "crm.customer"))
    with closing(build(project, recorded=False)) as app:
        product = app.catalog.products.find("claims", "late")
        assert product is not None
        assert app.catalog.shaped(product).broken == ""
        assert [(c.name, c.type) for c in app.catalog.shaped(product).columns][:2] == [
            ("claim_id", "BIGINT"),
            ("mail", "VARCHAR"),
        ]


def test_what_is_not_compiled_or_cannot_be_translated_is_to_be_written(project: Path) -> None:
    for name in ("late", "late@2"):
        (project / f"products/claims/{name}.sql").unlink()
    file = project / "manifest.json"
    file.write_text(json.dumps(manifest(compiled_code="", version=3)))
    lines = import_products(project, file, "claims")
    assert lines[:2] == [
        "draft: products/claims/late@3.sql",
        "  its SELECT is to be written: the manifest has no compiled SQL of it: run `dbt compile` first",
    ]
    said = manifest()
    said["metadata"]["adapter_type"] = "teradata"
    file.write_text(json.dumps(said))
    with pytest.raises(InvalidConfig, match="models for 'teradata' cannot be translated"):
        import_products(project, file, "claims")
