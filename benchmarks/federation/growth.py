"""How cost grows with the data: the figures of several scales in one table and one plot.

``python -m benchmarks.federation.growth 0.1 1 3`` reads what ``python -m benchmarks.federation --scale …`` has written for each.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from benchmarks.federation.queries import SETS
from benchmarks.machine import OUT

ENGINES = ("ours", "peer")


def main() -> None:
    """Write ``out/federation-growth.md``, and print it."""
    scales = [float(each) for each in sys.argv[1:]] or [0.1, 1.0, 3.0]
    text = "\n".join(_of(each, scales) for each in SETS)
    (OUT / "federation-growth.md").write_text(text, "utf-8")
    print(text)


def _of(name: str, scales: list[float]) -> str:
    known = {scale: _queries(name, scale) for scale in scales}
    both = set.intersection(*({q for q, told in each.items() if "ratio" in told} for each in known.values()))
    means = {engine: [_mean([known[s][q][engine] for q in both]) for s in scales] for engine in ENGINES}
    ratios = [_mean([known[s][q]["ratio"] for q in both]) for s in scales]
    lines = [
        f"**{name}**, {len(both)} queries, caches off: geometric mean of seconds",
        "",
        f"| scale | {' | '.join(ENGINES)} | ratio |",
        "|---|---|---|---|",
    ]
    rows = zip(scales, *means.values(), ratios, strict=True)
    lines += [f"| {scale:g} | {ours:.3f} | {peer:.3f} | {ratio:.2f} |" for scale, ours, peer, ratio in rows]
    lines += ["", "```mermaid", "xychart-beta", f'    title "{name}: seconds, ours and the peer\'s"']
    lines += [
        f'    x-axis "scale factor" [{", ".join(f"{scale:g}" for scale in scales)}]',
        '    y-axis "seconds"',
    ]
    lines += [f"    line [{', '.join(f'{each:.3f}' for each in means[engine])}]" for engine in ENGINES]
    return "\n".join([*lines, "```", ""])


def _queries(name: str, scale: float) -> dict[str, dict[str, Any]]:
    file = OUT / f"federation-{name}-sf{scale:g}-caches-off-latency-0.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["results"]["queries"]
    return found


def _mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


if __name__ == "__main__":
    main()
