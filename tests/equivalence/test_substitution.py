"""Random queries under random policies: with snapshots of products that might answer them, the answer is the live one.

``RIPSTOP_SUBSTITUTION_CASES`` asks for more than the 150 of every run; thousands need ``--timeout=0``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.errors import UserError
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from tests.equivalence.comparison import assert_same
from tests.equivalence.conftest import Both
from tests.equivalence.sources import local_copies
from tests.equivalence.test_random import bounded, columns_of, conditions
from tests.equivalence.test_random_policies import restrictions
from tests.server.tiny import until

CASES = int(os.environ.get("RIPSTOP_SUBSTITUTION_CASES", "150"))
ROLES = 6
LIVE = Session()
OLD = Session(options={"max_staleness": "1d"})
FRONT = "/*---\nmaterialize: {refresh: '0 0 1 1 *'}\n---*/\n"  # once a year
JOINED = "claims_lake.main.claim AS c JOIN partner_files.main.repair AS r ON c.claim_id = r.claim_id"
TABLES = (
    "policy_db.public.policy",
    "claims_lake.main.claim",
    "partner_files.main.repair",
    "fraud_api.main.score",
    "desk.main.note",
)
_KEPT = ("BIGINT", "INTEGER", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "DOUBLE")
_COUNTED = ("BIGINT", "INTEGER", "DECIMAL", "DOUBLE")


def columns(table: str) -> dict[str, str]:
    """The columns that products keep, with their types."""
    return {
        name: kind
        for name, (kind, _) in columns_of(table).items()
        if kind.startswith(_KEPT) and not kind.endswith("[]")
    }


def keys(table: str) -> list[str]:
    """What cubes group by: columns of few values."""
    chosen = [n for n, kind in columns(table).items() if len(columns_of(table)[n][1]) <= 13 or kind == "DATE"]
    return [f'"{name}"' for name in chosen]


def aggregates(table: str, prefix: str = "") -> list[str]:
    """What can be asked of the columns of a table."""
    found = ["count(*)"]
    for name, kind in columns(table).items():
        column = f'{prefix}"{name}"'
        found += [f"count({column})", f"min({column})", f"max({column})", f"count(DISTINCT {column})"]
        if kind.startswith(_COUNTED):
            found += [f"sum({column})", f"avg({column})"]
    return found


def products() -> dict[str, str]:
    """For each table all its rows, some of them, and a cube; of a join a cube; in one domain for all, in another for few."""
    found = {}
    for number, table in enumerate(TABLES):
        kept = ", ".join(f'"{name}"' for name in columns(table))
        cube = [*keys(table), *(each for each in aggregates(table) if "DISTINCT" not in each)]
        named = ", ".join(f"{each} AS a{n}" for n, each in enumerate(cube))
        first = keys(table)[0]
        for domain in ("claims", "fraud"):
            found[f"{domain}/rows_{number}"] = f"SELECT {kept} FROM {table}"
            found[f"{domain}/cube_{number}"] = (
                f"SELECT {named} FROM {table} GROUP BY {', '.join(keys(table))}"
            )
        found[f"claims/some_{number}"] = f"SELECT {kept} FROM {table} WHERE {first} IS NOT NULL"
    found["claims/joined"] = (
        "SELECT c.status, c.cause, r.repair_code, r.paid, count(*) AS n, sum(c.amount) AS amount, "
        f"sum(r.total) AS total, min(r.issued_on) AS first FROM {JOINED} GROUP BY ALL"
    )
    return found


@pytest.fixture(scope="module")
def stored(both: Both) -> Iterator[App]:
    """The line over the same sources, a role for each set of restrictions, and every product stored."""
    project = both.servers.project.with_name("substituted")
    shutil.copytree(both.servers.project, project, ignore=shutil.ignore_patterns(".ripstop", "products"))
    lines = [f"p, domain:{domain}, *, read, allow" for domain in ("claims", "fraud")]
    # What the domain fraud stores is restricted as the last role is.
    lines += [line for each in restrictions(ROLES - 1) for line in each.rules("domain:fraud")]
    for number in range(ROLES):
        lines.append(f"p, role:r{number}, *, read, allow")
        if number:
            lines += [line for each in restrictions(number) for line in each.rules(f"role:r{number}")]
    (project / "policies" / "federation.csv").write_text("\n".join(lines) + "\n", "utf-8")
    written = products()
    for name, sql in written.items():
        file: Path = project / "products" / f"{name}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FRONT + sql, "utf-8")
    with closing(build(project)) as app:
        assert not app.governor.errors()
        until(lambda: len(app.catalog.snapshots) == len(written), 120.0)
        yield app
    shutil.rmtree(project)


@st.composite
def asked(draw: st.DrawFn) -> str:
    """A SELECT over one table or the join, aggregated or not."""
    if draw(st.integers(0, 5)) == 0:
        groups = draw(st.lists(st.sampled_from(["c.status", "c.cause", "r.repair_code"]), unique=True))
        chosen = draw(
            st.lists(
                st.sampled_from(
                    ["count(*)", "sum(c.amount)", "sum(total)", "min(r.issued_on)", "count(r.paid)"]
                ),
                min_size=1,
            )
        )
        where = draw(
            st.sampled_from(["", " WHERE c.status = 'open'", " WHERE paid", " WHERE r.repair_code > 'R2'"])
        )
        return _select([*groups, *chosen], JOINED + where, groups)
    table = draw(st.sampled_from(TABLES))
    where = ""
    if draw(st.booleans()):
        where = f" WHERE {draw(conditions(table))}"
    elif draw(st.booleans()):
        name, (_, values) = draw(
            st.sampled_from([e for e in columns_of(table).items() if f'"{e[0]}"' in keys(table)])
        )
        where = (
            f' WHERE "{name}" {draw(st.sampled_from(["=", "<>", "<", ">="]))} {draw(st.sampled_from(values))}'
        )
    if draw(st.integers(0, 3)) == 0:
        quoted = [f'"{name}"' for name in columns(table)]
        names = draw(st.lists(st.sampled_from(quoted), min_size=1, max_size=4, unique=True))
        distinct = "DISTINCT " if draw(st.booleans()) else ""
        return f"SELECT {distinct}{', '.join(names)} FROM {table}{where}"
    groups = draw(st.lists(st.sampled_from(keys(table)), max_size=2, unique=True))
    chosen = draw(st.lists(st.sampled_from(aggregates(table)), min_size=1, max_size=4, unique=True))
    having = draw(st.sampled_from(["", "", " HAVING count(*) > 3"]))
    return _select([*groups, *chosen], f"{table}{where}", groups, having)


def _select(items: list[str], rest: str, groups: list[str], having: str = "") -> str:
    grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
    return f"SELECT {', '.join(items)} FROM {rest}{grouped}{having}"


def answered(app: App, sql: str, who: Principal, session: Session) -> tuple[pa.Table, bool]:
    """The answer, and whether it is a snapshot's."""
    with app.line.run(sql, who, session) as reply:
        table = pa.Table.from_batches(list(reply.batches()), reply.schema)
        governed = getattr(reply, "governed", None)
        return table, governed is not None and governed.asked is not None


matched: dict[int, tuple[int, int]] = {}


@pytest.mark.parametrize("number", range(ROLES))
def test_random_queries_answer_from_snapshots_as_from_live_parts(stored: App, number: int) -> None:
    person = Principal(f"u{number}", frozenset({f"role:r{number}"}))
    seen = [0, 0]
    with closing(local_copies()) as copies:

        @bounded(max(1, CASES // ROLES))
        @given(asked())
        def check(sql: str) -> None:
            try:
                live, was_stored = answered(stored, sql, person, LIVE)
            except UserError:
                with pytest.raises(UserError):
                    answered(stored, sql, person, OLD)
                return
            assert not was_stored
            got, is_stored = answered(stored, sql, person, OLD)
            seen[0] += 1
            seen[1] += is_stored
            assert_same(copies, got, live, ordered=False)

        check()
    matched[number] = (seen[0], seen[1])
    assert seen[1], "no query was answered from a snapshot"
