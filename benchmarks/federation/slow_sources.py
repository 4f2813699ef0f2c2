"""One query over four sources that take a second each, beside one over one of them: ``python -m benchmarks.federation.slow_sources``.

The sources are APIs on loopback that answer when the second is over. What four take beyond one is what they wait for each other.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.machine import write
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.demo.http import EmbeddedHttp

SECONDS, ROUNDS, ROWS = 1.0, 5, 50
WHO = Principal("aud", frozenset({"role:auditor"}))
_SOURCE = (
    "  s{n}: {{type: http, domain: d, uri: '{uri}', auth: {{bearer: {token}}}, "
    "tables: {{t: {{path: /t, records: $.items, columns: {{k: BIGINT, v: BIGINT}}}}}}}}\n"
)
_TOKEN = "benchmark-token"
_QUERIES = {
    "one": ("SELECT count(*), sum(v) FROM s0.t", (ROWS, 0)),
    "four": (
        "SELECT count(*), sum(a.v + b.v + c.v + e.v) FROM s0.t a JOIN s1.t b USING (k) JOIN s2.t c USING (k) JOIN s3.t e USING (k)",
        (ROWS, sum(6 * k for k in range(ROWS))),
    ),
}


def main() -> None:
    """Measure and write ``out/federation-slow-sources.json``."""
    with _served() as app:
        took = {name: [_seconds(app, *query) for _ in range(ROUNDS)] for name, query in _QUERIES.items()}
    medians = {f"{name}_seconds": round(median(each), 3) for name, each in took.items()}
    write("federation-slow-sources", {"seconds_a_source": SECONDS, "rounds": ROUNDS, **medians})


@contextmanager
def _served() -> Iterator[App]:
    """The line over four APIs, each of which has been asked before it became slow."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        apis = [stack.enter_context(EmbeddedHttp(_TOKEN, delay=0.0)) for _ in range(4)]
        for n, api in enumerate(apis):
            api.table("/t", [{"k": k, "v": k * n} for k in range(ROWS)])
        sources = "".join(_SOURCE.format(n=n, uri=api.uri, token=_TOKEN) for n, api in enumerate(apis))
        (folder / "fabric.yaml").write_text(
            f"name: acme\ndomains: {{d: {{owner: 'role:owner'}}}}\nsources:\n{sources}"
        )
        (folder / "users.yaml").write_text("users: {}\n")
        (folder / "policies").mkdir()
        (folder / "policies" / "federation.csv").write_text("p, role:auditor, *, read, allow\n")
        app = stack.enter_context(closing(build(folder)))
        for query in _QUERIES.values():
            _seconds(app, *query)
        for api in apis:
            api.delay = SECONDS
        yield app


def _seconds(app: App, sql: str, expected: tuple[int, int]) -> float:
    began = time.perf_counter()
    with app.line.run(sql, WHO, Session()) as answer:
        rows = [tuple(row.values()) for batch in answer.batches() for row in batch.to_pylist()]
    assert rows == [expected]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
