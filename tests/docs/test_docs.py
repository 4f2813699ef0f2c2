"""The docs name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from fabric import errors
from fabric.config_model import FabricSettings, UserSettings
from fabric.registry import connector_class, connector_types
from fabric.system import SYSTEM_TABLES
from server.cli.shell_commands import NAMED

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(errors.STATUS))
def test_every_error_code_is_documented_with_its_status(code: str) -> None:
    status = errors.STATUS[code]
    (row,) = [line for line in page("errors.md").splitlines() if line.startswith(f"| `{code}` ")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert (cells[2], cells[3]) == (status.flight, str(status.http))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and getattr(c, "code", "") == code]
    assert cells[4] == ("yes" if any(c.again for c in classes) else "no")


def test_every_error_class_has_a_status() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.FabricError)]
    assert {c.code for c in classes} <= set(errors.STATUS)


@pytest.mark.parametrize("table", sorted(SYSTEM_TABLES), ids=".".join)
def test_every_system_table_is_documented_with_its_columns(table: tuple[str, str]) -> None:
    (row,) = [line for line in page("sql.md").splitlines() if line.startswith(f"| `{table[0]}.{table[1]}` ")]
    assert row.split("|")[2].strip() == ", ".join(column.name for column in SYSTEM_TABLES[table].columns)


def keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("key", sorted(keys(FabricSettings) | keys(UserSettings)))
def test_every_key_of_the_configuration_is_documented(key: str) -> None:
    assert re.search(rf"`{key}[`.:]", page("configuration.md"))


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (kind, key)
        for kind in sorted(connector_types())
        for key in sorted(keys(connector_class(kind).Settings))
    ],
)
def test_every_key_of_a_source_is_documented(kind: str, key: str) -> None:
    text = page("connectors.md")
    assert f"`{kind}`" in text
    assert re.search(rf"`{key}[`:]", text), f"{kind}: {key}"


def test_every_command_is_documented() -> None:
    from server.cli import app

    commands = [(info.name or info.callback.__name__) for info in app.registered_commands if info.callback]
    for command in commands:
        assert f"`ripstop {command}" in page("command-line.md")


@pytest.mark.parametrize(
    "file", sorted(DOCS.parent.glob("*.md")) + sorted(DOCS.rglob("*.md")), ids=lambda f: f.name
)
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), target


def test_every_module_of_the_fabric_has_its_place_in_the_architecture() -> None:
    text = page("architecture.md")
    named = set(re.findall(r"([a-z_]+)\.py", text))
    stems = {file.stem for file in (DOCS.parent / "fabric").glob("*.py")} - {"__init__"}
    families = {"config", "blocks", "lineage", "totality"}
    missing = {stem for stem in stems - named if stem.partition("_")[0] not in families}
    assert not missing
    assert not {stem for stem in named if not list(DOCS.parent.glob(f"*/{stem}.py")) and stem != "flight"}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_command_of_the_shell_is_documented(name: str) -> None:
    first = NAMED[name].names[0]
    (row,) = [
        line
        for line in page("command-line.md").splitlines()
        if re.match(rf"\| `{re.escape(first)}[` ]", line)
    ]
    assert re.search(rf"`{re.escape(name)}[` ]", row.split(" | ")[0])
