"""Figures that are committed: the peer's and ours from before the planner was built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.machine import facts, write

KEPT = Path(__file__).with_name("peer-times.json")


def written(name: str, results: dict[str, Any], *, keep: bool) -> None:
    """Write ``out/<name>.json``, and a copy among the figures that are committed where that is asked for."""
    write(name, results)
    if not keep:
        return
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    kept[name] = {"machine": facts() | {"peer": "duckdb 1.5.5"}, **results}
    KEPT.write_text(_lines(dict(sorted(kept.items()))) + "\n", encoding="utf-8")


def _lines(value: Any, depth: int = 0) -> str:
    """JSON with a line for each query, so that a run's difference can be read."""
    if not isinstance(value, dict) or depth == 3:
        return json.dumps(value)
    inner = ",\n".join(
        f"{' ' * (depth + 1)}{json.dumps(key)}: {_lines(each, depth + 1)}" for key, each in value.items()
    )
    return f"{{\n{inner}\n{' ' * depth}}}"
