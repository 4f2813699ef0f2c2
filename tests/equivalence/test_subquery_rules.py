"""Row rules with subqueries, beside joins of which keys are carried: nobody waits for a relation that waits for it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing

import pyarrow as pa
import pytest

import fabric.ahead as ahead
import fabric.dynamic_filters as dynamic_filters
import fabric.prefetch as prefetch
import fabric.scan_run as scan_run
from fabric.filesystem import Mount
from fabric.plan import Plan
from fabric.reads import FileRead, LiveRead
from fabric.types import Principal
from server.app import App, build
from tests.equivalence.comparison import ask, assert_same, expect
from tests.equivalence.conftest import Both

_CLAIMED = "policy_id IN (SELECT policy_id FROM claims_lake.claim WHERE claim_id > 20)"
_RULES = {
    "in a file": {"policy_db.policy": _CLAIMED},
    "exists in a file": {
        "policy_db.policy": "EXISTS (SELECT 1 FROM claims_lake.claim k WHERE k.policy_id = policy.policy_id AND k.claim_id > 20)"
    },
    "not in a live table": {
        "policy_db.customer": "customer_id NOT IN (SELECT customer_id FROM policy_db.policy WHERE renewals > 2)"
    },
    "above an average": {
        "policy_db.policy": "premium > (SELECT 9 * avg(customer_id) FROM policy_db.customer)"
    },
    "of each other": {
        "policy_db.policy": "customer_id IN (SELECT customer_id FROM policy_db.customer WHERE region <> 'US')",
        "policy_db.customer": "customer_id IN (SELECT customer_id FROM policy_db.policy WHERE renewals < 4)",
        "claims_lake.claim": "policy_id IN (SELECT policy_id FROM policy_db.policy WHERE renewals <> 1)",
    },
}  # fmt: skip
_HIDDEN = {"in a file": ("policy_db.policy", "policy_id")}
_QUERIES = {
    "one table": "SELECT count(*) AS n, sum(premium) AS s, min(renewals) AS m FROM policy_db.policy",
    "two live tables": "SELECT c.region, count(*) AS n FROM policy_db.policy p JOIN policy_db.customer c USING (customer_id) "
    "WHERE c.segment = 'retail' GROUP BY c.region",
    "the same, with an entry": "WITH few AS (SELECT customer_id, premium FROM policy_db.policy p WHERE customer_id IN "
    "(SELECT customer_id FROM policy_db.customer WHERE segment = 'broker')) SELECT count(*) AS n, max(premium) AS m FROM few",
    "with a file": "SELECT c.name, k.claim_id FROM policy_db.customer c JOIN policy_db.policy p USING (customer_id) "
    "JOIN claims_lake.claim k ON k.claim_id = p.renewals WHERE c.region = 'EU'",
    "without": "SELECT c.customer_id FROM policy_db.customer c WHERE NOT EXISTS "
    "(SELECT 1 FROM policy_db.policy p WHERE p.customer_id = c.customer_id AND p.renewals = 1)",
}  # fmt: skip
_ROLES = {name: f"role:s{number}" for number, name in enumerate(_RULES)}


@pytest.fixture(scope="module")
def app(both: Both) -> Iterator[App]:
    project = both.servers.project.with_name("subqueries")
    shutil.copytree(both.servers.project, project, ignore=shutil.ignore_patterns(".ripstop"))
    lines = ["p, domain:claims, *, read, allow"]
    for name, role in _ROLES.items():
        lines.append(f"p, {role}, *, read, allow")
        lines += [f'p3, {role}, {table}, "{condition}"' for table, condition in _RULES[name].items()]
        if name in _HIDDEN:
            lines.append(f"p2, {role}, {', '.join(_HIDDEN[name])}, hide")
    (project / "policies" / "federation.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dynamic_filters, "_LARGEST_PART", 1.0)
        patched.setattr(dynamic_filters, "_wins", lambda *known: True)
        patched.setattr(ahead, "_MANY_ROWS", 0)
        patched.setattr(ahead, "_SMALL_PART", 1.0)
        patched.setattr(prefetch, "SMALL_FILE", 0)
        with closing(build(project)) as made:
            assert not made.governor.errors()
            yield made
    shutil.rmtree(project)


@pytest.mark.parametrize("query", _QUERIES)
@pytest.mark.parametrize("rule", _RULES)
def test_the_answer_is_duckdb_s_over_the_rows_that_are_left(
    both: Both, app: App, rule: str, query: str
) -> None:
    sql, rules = _QUERIES[query], _RULES[rule]

    def restricted(table: re.Match[str]) -> str:
        return f"(SELECT * FROM {table[0]} AS {table[0].split('.')[1]} WHERE {rules[table[0]]})"

    left = re.sub("|".join(map(re.escape, rules)), restricted, sql)
    who = Principal("sam", frozenset({_ROLES[rule]}))
    assert_same(both.copies, ask(app.line, sql, who=who), expect(both.copies, left), False)


def test_row_groups_are_read_by_the_keys_of_visible_rows_only(
    both: Both, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the bytes that a receipt tells would depend on rows that are hidden."""
    followed = list[int]()

    def noted(read: FileRead, mount: Mount, column: str, keys: pa.ChunkedArray) -> None:
        followed.extend(keys.to_pylist())

    monkeypatch.setattr(scan_run, "follow", noted)
    who = Principal("sam", frozenset({_ROLES["above an average"]}))
    sql = "SELECT k.claim_id FROM policy_db.policy p JOIN claims_lake.claim k USING (policy_id) WHERE p.renewals < 3"
    ask(app.line, sql, who=who)
    condition = _RULES["above an average"]["policy_db.policy"]
    visible = expect(
        both.copies, f"SELECT policy_id FROM policy_db.policy WHERE renewals < 3 AND {condition}"
    )
    assert sorted(followed) == sorted(visible["policy_id"].to_pylist())
    hidden = expect(both.copies, "SELECT count(*) AS n FROM policy_db.policy WHERE renewals < 3")
    assert 0 < len(followed) < hidden["n"][0].as_py()


def test_keys_are_carried_beside_such_a_rule_and_into_entries(app: App, plans: list[Plan]) -> None:
    """DuckDB 2.0 loses its plan of a WITH entry that holds IN, which every rule and product is, unless its types are resolved anew."""
    who = Principal("sam", frozenset({_ROLES["exists in a file"]}))
    for query in ("two live tables", "the same, with an entry"):
        ask(app.line, _QUERIES[query] + " -- again", who=who)
        (plan,) = plans
        awaited = [read for read in plan.reads if isinstance(read, LiveRead) and read.awaits]
        assert [read.relation.object.name.name for read in awaited] == ["policy"]
        assert not any(read.begun_by for read in plan.reads if isinstance(read, FileRead))
        plans.clear()
