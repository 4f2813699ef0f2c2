"""EXPLAIN as text, as JSON and as a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from pydantic import TypeAdapter

from fabric.discretion import Discretion
from fabric.explanation import Actual, Explanation, ScanExplained, SnapshotExplained, explanation
from fabric.parse_explain import FORMS
from fabric.plan import Plan
from fabric.types import ScanReceipt

_SHOWN_FILES = 5
_LONGEST_LINE = 160
# Anything else stands in a label as its code point, as Mermaid's documentation has it ("Entity codes to escape").
_PLAIN = re.compile(r"[^\w .,:()%/=+*-]")
_JSON = TypeAdapter(Explanation)


def explain(
    plan: Plan, discretion: Discretion, receipts: Sequence[ScanReceipt] = (), form: str = "text"
) -> list[str]:
    """The plan as rows of text: a line each, or the whole of a JSON or Mermaid document in one.

    Args:
        plan: what would run, or ran.
        discretion: what may be said of each part to the one who asks.
        receipts: what each scan did, in the order of the plan's live and file reads; for ANALYZE.
        form: one of ``parse_explain.FORMS``.
    """
    return _FORMS[form](explanation(plan, discretion, receipts))


# ── text ─────────────────────────────────────────────────────────────────────────────────────


def _text(told: Explanation) -> list[str]:
    lines: list[str] = []
    for scan in told.scans:
        lines.append(f"{scan.title}: {scan.kind}")
        lines += [f"  {line}" for line in _lines(scan)]
    lines += [f"restricted for you: {name} ({how})" for name, how in told.restricted.items()]
    lines += map(_snapshot, told.snapshots)
    return [*lines, f"duckdb: {told.duckdb}"]


def _snapshot(told: SnapshotExplained) -> str:
    moment = f" of {told.as_of:%Y-%m-%d %H:%M:%S} UTC" if told.as_of else ""
    return f"snapshot{moment} of {told.product}: {told.why}"


def _lines(scan: ScanExplained) -> Iterator[str]:
    if not scan.told and scan.object is not None:
        yield "asked, pushed: not shown, for the relation is restricted for you"
    if scan.asked is not None:
        yield f"asked: {scan.asked}"
    if scan.files is not None:
        shown = scan.files.paths[:_SHOWN_FILES]
        more = f" and {scan.files.read - len(shown)} more" if scan.files.read > len(shown) else ""
        yield f"files: {scan.files.read} of {scan.files.listed}: {', '.join(shown)}{more}"
    if scan.pushed or (scan.not_pushed and scan.files is None):
        yield f"pushed: {', '.join(scan.pushed) or 'nothing'}"
    for text in scan.dynamic_filters:
        yield f"dynamic filter: {text}"
    for left in scan.not_pushed:
        yield f"not pushed: {left.what}, because {left.why}"
    for predicate in scan.prunes_by:
        yield f"duckdb prunes by: {predicate}"
    estimate = _estimate(scan)
    if estimate:
        yield f"estimate: {estimate}"
    if scan.actual is not None:
        yield f"did: {_did(scan.actual)}"


def _estimate(scan: ScanExplained) -> str:
    if scan.files is not None:
        return f"at most {scan.files.bytes:,} bytes"
    known = scan.estimate
    if known is None:
        return ""
    of = f" of {known.of:,}" if known.of is not None else ""
    part = f" ({known.selectivity:.2%})" if known.selectivity is not None else ""
    return f"{known.rows:,}{of} rows{part}, {known.bytes:,} bytes"


def _did(actual: Actual) -> str:
    parts = [f"{actual.rows:,} rows"] if actual.rows is not None else []
    if actual.bytes is not None:
        parts.append(f"{actual.bytes:,} bytes")
    if actual.requests is not None:
        parts.append(f"{actual.requests:,} requests")
    parts.append(f"{actual.milliseconds / 1000:.3f} s")
    if actual.cache is not None:
        parts.append(f"{actual.cache} in the cache")
    return ", ".join(parts)


# ── Mermaid ──────────────────────────────────────────────────────────────────────────────────


def _mermaid(told: Explanation) -> list[str]:
    """A flowchart from the sources through DuckDB to the answer (https://mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart LR"]
    for number, scan in enumerate(told.scans):
        lines.append(f"    scan{number}[({_label([f'{scan.title}: {scan.kind}', *_lines(scan)])})]")
        flows = "-.-" if scan.kind.startswith("not read") else "-->"
        rows = scan.actual.rows if scan.actual else None
        if rows is None and scan.estimate is not None:
            sent = f"|{_label([f'about {scan.estimate.rows:,} rows'])}|"
        else:
            sent = f"|{_label([f'{rows:,} rows'])}|" if rows is not None else ""
        lines.append(f"    scan{number} {flows}{sent} duckdb")
    restricted = [f"restricted for you: {name} ({how})" for name, how in told.restricted.items()]
    restricted += map(_snapshot, told.snapshots)
    lines.append(
        f"    duckdb[{_label(['duckdb', told.duckdb, *restricted])}] --> answer([{_label(['answer'])}])"
    )
    return ["\n".join(lines)]


def _label(lines: Sequence[str]) -> str:
    shown = (line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in lines)
    return f'"{"<br/>".join(map(_escaped, shown))}"'


def _escaped(text: str) -> str:
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};" if found[0].isprintable() else " ", text)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


def _json(told: Explanation) -> list[str]:
    return [_JSON.dump_json(told, indent=2).decode()]


_FORMS: dict[str, Callable[[Explanation], list[str]]] = dict(
    zip(FORMS, (_text, _json, _mermaid), strict=True)
)
