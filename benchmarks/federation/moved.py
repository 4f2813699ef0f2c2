"""What each query moves, ours beside the peer's, as a table: from what ``--count`` has written.

``python -m benchmarks.federation.moved 1`` reads the figures of scale 1.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.federation.queries import SETS
from benchmarks.machine import OUT

_COLUMNS = (
    ("lake_bytes", "MB of the lake", 1e6),
    ("lake_requests", "requests to it", 1),
    ("postgres_bytes", "MB of Postgres", 1e6),
)


def main() -> None:
    """Write ``out/federation-moved.md``, and print it."""
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    titles = [f"{title}, {engine}" for _, title, _ in _COLUMNS for engine in ("ours", "peer")]
    lines = [f"| | {' | '.join(titles)} |", "|" + "---|" * (len(titles) + 1)]
    for name in SETS:
        known = _moved(name, scale)
        lines += [_row(query, each) for query, each in known.items()]
        lines.append(_row(f"**{name}, all**", _sum(list(known.values()))))
    text = "\n".join(lines) + "\n"
    (OUT / "federation-moved.md").write_text(text, "utf-8")
    print(text)


def _row(query: str, moved: dict[str, Any]) -> str:
    cells = [
        f"{moved[engine][key] / unit:.1f}" if unit > 1 else f"{moved[engine][key]}"
        for key, _, unit in _COLUMNS
        for engine in ("ours", "peer")
    ]
    return f"| {query} | {' | '.join(cells)} |"


def _sum(every: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        engine: {key: sum(each[engine][key] for each in every) for key, _, _ in _COLUMNS}
        for engine in ("ours", "peer")
    }


def _moved(name: str, scale: float) -> dict[str, dict[str, Any]]:
    file = OUT / f"federation-{name}-sf{scale:g}-caches-off-latency-0-moved.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["results"]["queries"]
    return found


if __name__ == "__main__":
    main()
