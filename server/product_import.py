"""Drafts of products from what others have: an ODCS contract, or the manifest of a dbt project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlglot import exp

from fabric.dialects import DUCKDB, canonical
from fabric.errors import FabricError, InvalidConfig, InvalidValue, NotFound
from fabric.front_matter import file_text
from fabric.naming import suggest
from fabric.parse import parse
from fabric.products import product_of
from server.app import App
from server.product_export import ON_VIOLATION, READS_AS, SQL
from server.products import opened

_RULE = re.compile(
    r"SELECT count\(\*\) FROM \$\{table\} WHERE NOT \((?P<sql>.*)\)", re.DOTALL | re.IGNORECASE
)
_ADAPTERS = {"redshift": "postgres", "sqlserver": "tsql", "athena": "trino"}
_STATUS = "draft"


@dataclass
class Draft:
    """A product to be written: ``front`` is its metadata, ``notes`` what could not be taken over."""

    name: str
    domain: str
    sql: str
    front: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def import_products(directory: Path, file: Path, domain: str) -> list[str]:
    """Write the drafts of what a file holds; what was done, line by line. Products that are there stay as they are.

    Args:
        directory: the project.
        file: an ODCS contract (YAML), or dbt's ``manifest.json``.
        domain: whose they shall be; empty takes what the file says, where that is a domain of the project.

    Raises:
        InvalidConfig: the file is neither.
        NotFound: there is no such domain.
    """
    said = _read(file)
    with opened(directory) as app:
        if said.get("kind") == "DataContract":
            drafts = _of_contract(said, domain)
        elif isinstance(said.get("nodes"), dict):
            drafts = _of_manifest(app, said, domain)
        else:
            raise InvalidConfig(
                f"'{file}' is no ODCS contract and no manifest of dbt", hint="kind: DataContract, or nodes"
            )
        return [line for draft in drafts for line in _written(app, draft)]


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
        said = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise NotFound(f"cannot read '{file}': {error.strerror}") from None
    except (ValueError, yaml.YAMLError):
        raise InvalidConfig(f"'{file}' is neither YAML nor JSON") from None
    return said if isinstance(said, dict) else {}


def _written(app: App, draft: Draft) -> Iterator[str]:
    domains = app.catalog.products.domains
    domain = domains.get(draft.domain.lower())
    if domain is None:
        told = suggest(draft.domain, domains.values(), "domains") if draft.domain else "say --domain"
        raise NotFound(
            f"'{draft.name}' has no domain of this project", hint=f"{told}; --domain says whose it shall be"
        )
    stem, path = draft.name, Path(domain) / f"{draft.name}.sql"
    if (
        app.catalog.products.find(domain.lower(), stem.lower()) is not None
        or (app.catalog.products.folder / path).exists()
    ):
        yield f"left as it is: {domain}.{stem} is there already"
        return
    text = file_text(_front_text(draft.front), draft.sql)
    try:
        product_of(app.config.name, domain, stem, text, str(path))
    except FabricError as error:
        yield f"left out: {domain}.{stem}: {error.message}"
        return
    files = app.catalog.products
    with files.changing():
        files.write(path, text)
    yield f"draft: products/{path}"
    yield from (f"  {note}" for note in draft.notes)


def _front_text(front: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in front.items() if value not in ("", None, [], {})}
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 10**6}
    text = yaml.safe_dump(kept, default_flow_style=None, **options)
    if "*/" in text:  # it would end the comment that the metadata stands in
        text = yaml.safe_dump(kept, default_style='"', **options).replace("*/", "*\\x2F")
    return str(text).rstrip("\n")


# ── ODCS ─────────────────────────────────────────────────────────────────────────────────────


def _of_contract(said: Mapping[str, Any], domain: str) -> Iterator[Draft]:
    custom = {each.get("property"): each.get("value") for each in said.get("customProperties") or ()}
    levels = {each.get("property"): each for each in said.get("slaProperties") or ()}
    team = said.get("team") or {}
    described = said.get("description") or {}
    for relation in said.get("schema") or ():
        notes: list[str] = []
        columns = {str(each["name"]): _column(each) for each in relation.get("properties") or ()}
        front = {
            "owner": team.get("name", "") if isinstance(team, dict) else "",
            "description": relation.get("description") or described.get("purpose", ""),
            "version": _version(said.get("version")),
            "status": _STATUS,
            "tags": [*said.get("tags", ()), *relation.get("tags", ())],
            "columns": columns,
            "quality": list(_rules(relation.get("quality") or (), notes)),
            "on_violation": custom.get(ON_VIOLATION) if custom.get(ON_VIOLATION) == "refuse" else None,
            "reads_as": custom.get(READS_AS) if custom.get(READS_AS) == "domain" else None,
            "freshness": _seconds(levels.get("freshness")),
        }
        sql = str(custom.get(SQL) or "").strip()
        if not sql:
            sql = _placeholder(columns)
            notes.append("its SELECT is to be written: it has the columns, and no rows")
        yield Draft(_name(relation, said), domain or str(said.get("domain") or ""), sql, front, notes)


def _name(relation: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    name = re.sub(r"\W+", "_", str(relation.get("name") or said.get("name") or "product"))
    major = _version(said.get("version")).partition(".")[0]
    return name if major in ("0", "1") else f"{name}@{major}"


def _column(said: Mapping[str, Any]) -> dict[str, Any]:
    column = {
        "type": said.get("physicalType"),
        "description": said.get("description"),
        "required": said.get("required") or None,
        "unique": said.get("unique") or said.get("primaryKey") or None,
        "tags": said.get("tags"),
    }
    return {key: value for key, value in column.items() if value}


def _version(said: object) -> str:
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?", str(said or "1.0.0"))
    return ".".join(part or "0" for part in found.groups()) if found else "1.0.0"


def _rules(said: Any, notes: list[str]) -> Iterator[dict[str, str]]:
    for number, rule in enumerate(said):
        name = str(rule.get("name") or rule.get("metric") or f"rule {number + 1}")
        match = _RULE.fullmatch(str(rule.get("query", "")).strip())
        if match is not None and rule.get("mustBe") == 0:
            yield {"name": name, "sql": match["sql"]}
        else:
            notes.append(f"the quality rule '{name}' is no condition over rows, and was left out")


def _seconds(level: Mapping[str, Any] | None) -> str | None:
    units = {"s": "s", "m": "m", "h": "h", "d": "d"}
    unit = units.get(str((level or {}).get("unit", "s"))[:1])
    value = (level or {}).get("value")
    return f"{value:g}{unit}" if isinstance(value, int | float) and unit else None


def _placeholder(columns: Mapping[str, Mapping[str, Any]]) -> str:
    casts = (
        f"CAST(NULL AS {said.get('type') or 'VARCHAR'}) AS {exp.to_identifier(name, quoted=True).sql('duckdb')}"
        for name, said in columns.items()
    )
    return "SELECT\n  " + (",\n  ".join(casts) or "1 AS example_id") + "\nWHERE false"


# ── dbt ──────────────────────────────────────────────────────────────────────────────────────


def _of_manifest(app: App, said: Mapping[str, Any], domain: str) -> Iterator[Draft]:
    adapter = str((said.get("metadata") or {}).get("adapter_type") or DUCKDB)
    try:
        dialect = canonical(_ADAPTERS.get(adapter, adapter))
    except InvalidValue:
        raise InvalidConfig(f"models for '{adapter}' cannot be translated") from None
    nodes: Mapping[str, Any] = said["nodes"]
    models = {key: node for key, node in nodes.items() if node.get("resource_type") == "model"}
    tested = _tested(nodes)
    for key, node in models.items():
        columns = {
            str(column["name"]): _dbt_column(column, tested.get((key, str(column["name"]).lower()), set()))
            for column in (node.get("columns") or {}).values()
        }
        config, meta = node.get("config") or {}, node.get("meta") or {}
        owner = (node.get("owner") or {}).get("email") if isinstance(node.get("owner"), dict) else ""
        version = _version(node.get("version") or 1)
        front = {
            "owner": str(meta.get("owner") or owner or ""),
            "description": node.get("description"),
            "version": version,
            "status": _STATUS,
            "tags": list(dict.fromkeys([*(node.get("tags") or ()), *(config.get("tags") or ())])),
            "columns": columns,
        }
        stem = str(node["name"]) + (f"@{version.partition('.')[0]}" if node.get("version") else "")
        draft = Draft(stem, domain or str(node.get("group") or node.get("schema") or ""), "", front)
        try:
            draft.sql = _translated(app, said, node, dialect, domain, draft.notes)
        except FabricError as error:
            draft.sql = _placeholder(columns)
            draft.notes.append(f"its SELECT is to be written: {error.message}")
        yield draft


def _tested(nodes: Mapping[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Which of dbt's generic tests are on a column, by model and lower-cased name."""
    found: dict[tuple[str, str], set[str]] = {}
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        if node.get("resource_type") == "test" and node.get("attached_node") and node.get("column_name"):
            place = (str(node["attached_node"]), str(node["column_name"]).lower())
            found.setdefault(place, set()).add(str(test.get("name")))
    return found


def _dbt_column(said: Mapping[str, Any], tests: set[str]) -> dict[str, Any]:
    constraints = {str(each.get("type")) for each in said.get("constraints") or ()} | tests
    column = {
        "description": said.get("description"),
        "required": bool({"not_null", "primary_key"} & constraints),
        "unique": bool({"unique", "primary_key"} & constraints),
        "tags": list(said.get("tags") or ()),
    }
    return {key: value for key, value in column.items() if value}


def _translated(
    app: App, said: Mapping[str, Any], node: Mapping[str, Any], dialect: str, domain: str, notes: list[str]
) -> str:
    """A model's compiled SELECT in DuckDB's dialect, over products and sources of the fabric."""
    compiled = node.get("compiled_code") or node.get("compiled_sql")
    if not compiled:
        raise InvalidConfig("the manifest has no compiled SQL of it: run `dbt compile` first")
    tree = parse(str(compiled).strip().rstrip(";"), dialect).tree.copy()
    names = _relations(app, said, domain)
    for table in tree.find_all(exp.Table):
        parts = tuple(part.name.lower() for part in table.parts)
        if len(parts) < 2:
            continue
        new = names.get(parts) or names.get(parts[-2:])
        if new is None:
            notes.append(f"'{'.'.join(parts)}' has no place in this fabric yet")
            continue
        own = table.alias or parts[-1]
        table.replace(exp.to_table(".".join(new)).as_(own) if new[-1] != own else exp.to_table(".".join(new)))
    return tree.sql(dialect="duckdb", pretty=True)


def _relations(app: App, said: Mapping[str, Any], domain: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What dbt's relations are called here: models are products, sources the tables of their names."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for node in said["nodes"].values():
        if node.get("resource_type") in ("model", "seed", "snapshot"):
            new = (domain or str(node.get("group") or node.get("schema")), str(node["name"]))
            for name in _spelled(node, str(node.get("alias") or node["name"])):
                found[name] = new
    for source in (said.get("sources") or {}).values():
        table = str(source.get("identifier") or source["name"])
        for front in (str(source["source_name"]), str(source.get("schema") or "")):
            if app.catalog.find((front, table)) is not None:
                found |= dict.fromkeys(_spelled(source, table), (front, table))
                break
    return found


def _spelled(node: Mapping[str, Any], table: str) -> list[tuple[str, ...]]:
    schema, database = str(node.get("schema") or ""), str(node.get("database") or "")
    return [(schema.lower(), table.lower()), (database.lower(), schema.lower(), table.lower())]
