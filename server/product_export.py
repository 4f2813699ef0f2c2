"""Products in the forms of others: ODCS 3.2 (a data contract) and ODPS 1.1 (a data product), both of Bitol.

https://bitol-io.github.io/open-data-contract-standard and https://bitol-io.github.io/open-data-product-standard
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError

from fabric.errors import InvalidConfig
from fabric.types import Column, Product
from server.app import App
from server.products import find_product, opened

SQL, READS_AS, ON_VIOLATION = "ripstopSql", "ripstopReadsAs", "ripstopOnViolation"
"""Custom properties, from which `ripstop product import` makes the same product."""

_KINDS = exp.DataType.Type
_LOGICAL: tuple[tuple[frozenset[Any], str], ...] = (
    (frozenset(exp.DataType.INTEGER_TYPES), "integer"),
    (frozenset(exp.DataType.NUMERIC_TYPES), "number"),
    (frozenset({_KINDS.BOOLEAN}), "boolean"),
    (frozenset({_KINDS.DATE}), "date"),
    (frozenset({_KINDS.TIME, _KINDS.TIMETZ}), "time"),
    (frozenset(exp.DataType.TEMPORAL_TYPES), "timestamp"),
    (frozenset({_KINDS.JSON}), "object"),
)


def export(directory: Path, name: str, form: str) -> str:
    """A product as YAML.

    Args:
        directory: the project.
        name: the product.
        form: ``odcs``, the contract of one version, or ``odps``, the product with all that are served.

    Raises:
        NotFound: there is no such product.
        InvalidConfig: it is broken.
    """
    with opened(directory) as app:
        product = find_product(app, name)
        shape = app.catalog.shaped(product)
        if shape.broken:
            raise InvalidConfig(f"{product.file}: {shape.broken}", hint="ripstop check says more")
        said = _contract(app, shape) if form == "odcs" else _data_product(app, shape)
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)


def contract_id(app: App, product: Product) -> str:
    """The id of the contract of one major version."""
    return f"{app.config.name}.{product.domain}.{product.bare}@{product.major}"


def _common(app: App, product: Product) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": product.bare,
        "version": product.version,
        "status": product.status,
        "domain": product.domain,
        "tenant": app.config.name,
    }
    if product.tags:
        said["tags"] = list(product.tags)
    if product.description:
        said["description"] = {"purpose": product.description}
    if product.owner:
        said["team"] = {"name": product.owner}
    return said


def _contract(app: App, product: Product) -> dict[str, Any]:
    relation: dict[str, Any] = {
        "name": product.bare,
        "logicalType": "object",
        "physicalType": "view",
        "physicalName": product.written,
        "properties": [_property(column) for column in product.columns],
    }
    if product.quality:
        relation["quality"] = [
            {
                "name": rule.name,
                "type": "sql",
                "query": f"SELECT count(*) FROM ${{table}} WHERE NOT ({rule.sql})",
                "mustBe": 0,
            }
            for rule in product.quality
        ]
    said = {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": contract_id(app, product),
        **_common(app, product),
        "dataProduct": product.bare,
        "schema": [relation],
        "customProperties": _custom(product),
    }
    levels = []
    if product.freshness is not None:
        levels.append({"property": "freshness", "value": product.freshness, "unit": "s"})
    if product.sunset is not None:
        levels.append({"property": "endOfLife", "value": product.sunset.isoformat()})
    if levels:
        said["slaProperties"] = levels
    return said


def _property(column: Column) -> dict[str, Any]:
    said: dict[str, Any] = {"name": column.name, **_typed(column.type)}
    said |= {"required": not column.nullable, "unique": column.unique}
    if column.comment:
        said["description"] = column.comment
    if column.tags:
        said["tags"] = list(column.tags)
    return said


def _typed(kind: str) -> dict[str, Any]:
    """A DuckDB type as ODCS describes one; what nested types hold is described in turn."""
    try:
        built = exp.DataType.build(kind, dialect="duckdb")
    except (SqlglotError, ValueError):
        return {"logicalType": "string", "physicalType": kind}
    return _described(built) | {"physicalType": kind}


def _described(kind: exp.DataType) -> dict[str, Any]:
    said: dict[str, Any] = {"physicalType": kind.sql(dialect="duckdb")}
    parts = kind.expressions
    if kind.this in (_KINDS.ARRAY, _KINDS.LIST) and parts:
        return said | {"logicalType": "array", "items": _described(parts[0])}
    if kind.this == _KINDS.MAP and len(parts) == 2:
        return said | {
            "logicalType": "map",
            "map": dict(zip(("key", "value"), map(_described, parts), strict=True)),
        }
    if kind.this == _KINDS.STRUCT:
        fields = [
            part for part in parts if isinstance(part, exp.ColumnDef) and isinstance(part.kind, exp.DataType)
        ]
        return said | {
            "logicalType": "object",
            "properties": [{"name": part.name, **_described(part.kind)} for part in fields if part.kind],
        }
    found = next((logical for kinds, logical in _LOGICAL if kind.this in kinds), "string")
    return said | {"logicalType": found}


def _custom(product: Product) -> list[dict[str, Any]]:
    said = {
        SQL: product.sql,
        READS_AS: "domain" if product.reads_as_domain else "user",
        ON_VIOLATION: "refuse" if product.refuses else "mark",
    }
    return [{"property": name, "value": value} for name, value in said.items()]


def _data_product(app: App, product: Product) -> dict[str, Any]:
    versions = [
        each
        for each in app.catalog.products.current().values()
        if (each.domain, each.bare) == (product.domain, product.bare) and each.status != "retired"
    ] or [product]
    names = dict.fromkeys(name for each in versions for name in each.reads)
    return {
        "apiVersion": "v1.1.0",
        "kind": "DataProduct",
        "id": f"{app.config.name}.{product.domain}.{product.bare}",
        **_common(app, product),
        "inputPorts": [_input(app, name) for name in names],
        "outputPorts": [_output(app, each) for each in sorted(versions, key=lambda each: each.major)],
    }


def _input(app: App, name: tuple[str, ...]) -> dict[str, Any]:
    found = app.catalog.find(name)
    said: dict[str, Any] = {"name": ".".join(name)}
    if isinstance(found, Product):
        said |= {"version": found.version, "contractId": contract_id(app, found)}
    return said


def _output(app: App, product: Product) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": product.bare,
        "type": "tables",
        "version": product.version,
        "contractId": contract_id(app, product),
        "deprecated": product.status == "deprecated",
    }
    if product.description:
        said["description"] = product.description
    return said
