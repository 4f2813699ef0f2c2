import re
from pathlib import Path
from typing import Any

import pytest

from fabric.config import load_project
from fabric.config_problems import Problems
from fabric.config_schema import schema, schema_text
from fabric.config_yaml import read_document
from fabric.errors import InvalidConfig

COMMITTED = Path(__file__).parents[2] / "docs" / "fabric.schema.json"
EXAMPLE = (Path(__file__).parent / "example.yaml").read_text()
ENVIRONMENT = {"POLICY_DB_URI": "postgresql://u:policysecret@127.0.0.1/db", "LAKE_KEY": "lakekeyid"}
ENVIRONMENT |= {"SFTP_PASSWORD": "sftpsecret", "FRAUD_TOKEN": "fraudsecret"}


def consistent(text: str, secrets: Path) -> str:
    """The example made to keep its own rules: domains declared, no source named like one, host keys checked."""
    domains = 'domains:\n  partners: {owner: "role:partners-owner"}\n  fraud: {owner: "role:fraud-owner"}\n'
    text = text.replace("domains:\n", domains).replace("  partners:\n    type", "  partner_files:\n    type")
    text = text.replace(
        "password: ${env:SFTP_PASSWORD} #", "known_hosts_file: hosts\n    password: ${env:SFTP_PASSWORD} #"
    )
    return text.replace("/run/secrets", str(secrets))


def complaints(value: Any, rule: dict[str, Any], root: dict[str, Any], path: str = "") -> list[str]:
    """What a JSON Schema validator would say, for the keywords that ours uses."""
    if "$ref" in rule:
        found = complaints(value, root["$defs"][rule["$ref"].rpartition("/")[2]], root, path)
        return found + complaints(value, {k: v for k, v in rule.items() if k != "$ref"}, root, path)
    told: list[str] = []
    for key in ("anyOf", "oneOf"):
        if key in rule and not any(not complaints(value, branch, root, path) for branch in rule[key]):
            told.append(f"{path}: no branch")
    for branch in rule.get("allOf", ()):
        if "if" not in branch or not complaints(value, branch["if"], root, path):
            told += complaints(value, branch.get("then", branch), root, path)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    kinds |= {"integer": int, "number": (int, float)}
    if "type" in rule and not isinstance(value, kinds[rule["type"]]):
        return [*told, f"{path}: not {rule['type']}"]
    if ("const" in rule and value != rule["const"]) or ("enum" in rule and value not in rule["enum"]):
        told.append(f"{path}: not the value")
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        told.append(f"{path}: not the pattern")
    if isinstance(value, dict):
        told += [f"{path}.{name}: required" for name in rule.get("required", ()) if name not in value]
        for name, item in value.items():
            inner = rule.get("properties", {}).get(name, rule.get("additionalProperties", True))
            if inner is False:
                told.append(f"{path}.{name}: unknown key")
            elif isinstance(inner, dict):
                told += complaints(item, inner, root, f"{path}.{name}")
    if isinstance(value, list) and isinstance(rule.get("items"), dict):
        for item in value:
            told += complaints(item, rule["items"], root, path)
    return told


def as_editor_reads(tmp_path: Path, text: str) -> Any:
    (tmp_path / "fabric.yaml").write_text(text)
    document = read_document(tmp_path / "fabric.yaml", Problems())
    assert document is not None
    return document.data


def test_the_committed_schema_is_current() -> None:
    assert COMMITTED.read_text() == schema_text(), "run: python -m fabric.config > docs/fabric.schema.json"


def test_the_example_of_the_design_fits_the_schema(tmp_path: Path) -> None:
    root = schema()
    assert complaints(as_editor_reads(tmp_path, EXAMPLE), root, root) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("port: 31337", "port: many"),
        ("type: sftp", "type: sftpp"),
        ("schemas: [public]", "schema: public"),
        ("format: parquet, partitioning", "format: arrow, partitioning"),
        ("fsync: group", "fsync: never"),
        ("name: acme", "title: acme"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(tmp_path: Path, before: str, after: str) -> None:
    root = schema()
    assert before in EXAMPLE
    assert complaints(as_editor_reads(tmp_path, EXAMPLE.replace(before, after, 1)), root, root)


def test_the_example_of_the_design_loads_once_it_keeps_its_own_rules(tmp_path: Path) -> None:
    for name in ("ripstop_key", "lake"):
        (tmp_path / name).write_text(f"secret-of-{name}-0123456789")
    (tmp_path / "fabric.yaml").write_text(consistent(EXAMPLE, tmp_path))
    (tmp_path / "users.yaml").write_text("users: {}\n")
    config = load_project(tmp_path, ENVIRONMENT)
    assert set(config.sources) == {"policy_db", "claims_lake", "partner_files", "fraud_api", "desk", "ledger"}
    assert config.limits["role:analyst"].rows == 1_000_000
    assert config.key is not None
    shown = f"{config!r} {list(map(str, config.sources.values()))!r} {config.sources!r}"
    for secret in ("policysecret", "sftpsecret", "fraudsecret", "secret-of-"):
        assert secret not in shown, "a connector's settings show a secret"


def test_the_example_as_it_stands_breaks_the_designs_own_rules(tmp_path: Path) -> None:
    for name in ("ripstop_key", "lake"):
        (tmp_path / name).write_text("0123456789abcdef")
    (tmp_path / "fabric.yaml").write_text(EXAMPLE.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "users.yaml").write_text("users: {}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_project(tmp_path, ENVIRONMENT)
    host_key, domain = caught.value.message.splitlines()
    assert host_key.startswith("fabric.yaml:29: sources.partners: known_hosts_file is required")
    assert domain.startswith("fabric.yaml:38: sources.fraud_api.domain: there is no domain 'fraud'")
