"""The two sets of queries: texts with ``{table}`` where each engine puts its own names."""

from __future__ import annotations

from pathlib import Path

from benchmarks.federation.data import IN_LAKE, IN_POSTGRES

SETS = ("bi", "tpch")
# What both engines call the tables: a catalog or schema for each source.
FEDERATED = (
    {name: f"sales.{name}" for name in IN_POSTGRES}
    | {name: f"lake.{name}" for name in IN_LAKE}
    | {"supplier": "partners.supplier"}
)


def queries(name: str, only: list[str] | None = None) -> dict[str, str]:
    """The texts of a set by the names of their files, all or those whose names begin with one of ``only``."""
    files = sorted((Path(__file__).parent / name).glob("*.sql"))
    chosen = [each for each in files if not only or each.stem.startswith(tuple(only))]
    return {each.stem: each.read_text(encoding="utf-8").strip() for each in chosen}


def local(files: Path) -> dict[str, str]:
    """What the tables are called where all are Parquet files in one folder."""
    return {name: f"read_parquet('{files / name}.parquet')" for name in FEDERATED}
