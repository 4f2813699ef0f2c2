"""``ripstop why``, ``ripstop test`` and ``ripstop test --replay``: as a shell calls them, and what they judge."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fabric.errors import InvalidConfig
from fabric.types import Principal
from server.app import build
from server.policy_tests import Replayed, replay, run_policy_tests
from tests.policies.governed import OPEN, ask, company

_RULES = {
    "claims": "p3, role:analyst, lake.claim, region = attr('region')\np2, role:analyst, claims.claim, ssn, hide\n",
    "crm": "p, role:clerk, crm.customer, discover, allow\np2, role:analyst, crm.customer, email, null\n",
}
_USERS = """users:
  ana: {password: "${env:ANA}", roles: [role:analyst], attributes: {region: EU}}
  eve: {password: "${env:ANA}"}
"""
_ENVIRONMENT = {"ANA": "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"}
_PRODUCTS = {
    "claims/typed": "SELECT CAST(12.50 AS DECIMAL(10,2)) AS a, CAST(1234567.25 AS DOUBLE) AS b, 0.1::DOUBLE + 0.2::DOUBLE AS c, "
    "DATE '2024-03-01' AS d, TIMESTAMP '2024-03-01' AS e, true AS f, NULL::VARCHAR AS g, 'NULL' AS h, "
    "[1, NULL] AS i, {'x': 1.50} AS j, -0.0::DOUBLE AS k, 9007199254740993::BIGINT AS l, TIME '10:00:00' AS m",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, _RULES, _PRODUCTS):
        pass
    (directory / "users.yaml").write_text(_USERS)
    (directory / "tests").mkdir()
    return directory


@pytest.fixture
def project(base: Path) -> Iterator[Path]:
    """The project, its ``tests`` folder empty."""
    yield base
    for file in (base / "tests").iterdir():
        file.unlink()


def ripstop(project: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *arguments, "-C", str(project)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def judged(project: Path, *tests: str) -> list[str]:
    """The problem of each test, empty where it passed."""
    (project / "tests" / "a.yaml").write_text("".join(f"- {{{test}}}\n" for test in tests))
    return [verdict.problem for verdict in run_policy_tests(project)]


# ── why ──────────────────────────────────────────────────────────────────────────────────────


def test_why_prints_each_finding_on_a_line(project: Path) -> None:
    status, out, err = ripstop(project, "why", "ana", "claims.claim.ssn")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "claims.claim  ana: allowed  read  (policies/federation.csv:1)",
        "claims.claim  ana: column  ssn: hide  (policies/claims.csv:2)",
        "lake.main.claim  domain:claims: allowed  read  (fabric.yaml: domains.claims)",
        "lake.main.claim  ana: rows  region = attr('region')  (policies/claims.csv:1)",
        "the query  ana: answers",
    ]


def test_why_of_what_is_not_there_is_an_error(project: Path) -> None:
    status, out, err = ripstop(project, "why", "ana", "claims.clam", "--role", "role:x", "--attribute", "a=b")
    assert (status, out) == (1, "")
    assert err.startswith("error: NOT_FOUND: there is no 'claims.clam'\nhint: ")


# ── test ─────────────────────────────────────────────────────────────────────────────────────


def test_the_commands_status_is_that_of_its_tests(project: Path) -> None:
    (project / "tests" / "claims.yaml").write_text(
        "- name: analysts see their region only\n  as: ana\n  query: SELECT DISTINCT region FROM claims.claim\n"
        "  rows: [[EU]]\n"
        "- {as: role:clerk, query: FROM crm.customer, denied: true}\n"
    )
    assert ripstop(project, "test") == (
        0,
        "ok      tests/claims.yaml: analysts see their region only\nok      tests/claims.yaml: test 2\n\n2 passed, 0 failed\n",
        "",
    )
    (project / "tests" / "more.yaml").write_text("- {as: eve, query: FROM crm.customer, count: 3}\n")
    status, out, _ = ripstop(project, "test")
    assert status == 1
    assert (
        "FAILED  tests/more.yaml: test 1\n    eve was denied: there is no 'crm.customer' that you may see\n"
        in out
    )
    assert out.endswith("2 passed, 1 failed\n")


def test_no_tests_is_no_failure(project: Path) -> None:
    assert list(run_policy_tests(project)) == []


def test_what_is_expected_passes(project: Path) -> None:
    assert (
        judged(
            project,
            "as: ana, query: FROM claims.claim, count: 2",
            "as: ana, query: SELECT claim_id FROM claims.claim, rows: [[3], [1]], columns: [claim_id]",
            "as: ana, attributes: {region: US}, query: SELECT claim_id FROM claims.claim, rows: [[2]]",
            "as: role:analyst, attributes: {region: US}, query: SELECT claim_id FROM claims.claim, rows: [[2]]",
            "as: eve, roles: [role:analyst], query: SELECT DISTINCT email FROM crm.customer, rows: [[null]]",
            "as: zoe, roles: [], query: FROM crm.customer, denied: true",
            "as: ana, query: SELECT ssn FROM claims.claim, denied: true",
            "as: ana, query: FROM lake.claim, denied: true",
            "as: ana, query: FROM claims.claim WHERE false, rows: []",
            "as: ana, query: FROM claims.claim",
        )
        == [""] * 10
    )


def test_what_is_not_expected_fails_and_says_what_came(project: Path) -> None:
    assert judged(
        project,
        "as: ana, query: FROM claims.claim, count: 3",
        "as: ana, query: SELECT claim_id FROM claims.claim, rows: [[1], [2]]",
        "as: ana, query: SELECT claim_id FROM claims.claim, rows: [[1]]",
        "as: ana, query: SELECT claim_id FROM claims.claim, columns: [id]",
        "as: ana, query: FROM claims.claim, denied: true",
        "as: eve, query: FROM claims.claim, count: 0",
        "as: role:analyst, query: FROM claims.claim, count: 0",
        "as: ana, query: SELEC 1",
        "as: ana, query: SELECT CAST(name AS INTEGER) FROM crm.customer, denied: true",
    ) == [
        "there are 2 rows",
        "the rows are [['1'], ['3']]",
        "the rows are [['1'], ['3']]",
        "the columns are claim_id",
        "ana was not denied, and got 2 rows",
        "eve was denied: there is no 'claims.claim' that you may see",
        "role:analyst was denied: a policy needs your attribute 'region', which is not set",
        "the query failed: SYNTAX: the statement cannot be read at line 1, column 7, near '1'",
        "the query failed: INVALID_VALUE: a value cannot be converted to INT32 Hint: TRY_CAST gives NULL instead",
    ]


def test_what_nobody_could_ask_is_not_denied(project: Path) -> None:
    """A name that is not there is answered as one that may not be known: a test of it would prove nothing."""
    assert judged(
        project,
        "as: ana, query: FROM claims.clam, denied: true",
        "as: ana, query: SELECT snn FROM claims.claim, denied: true",
        "as: eve, query: FROM nothing, denied: true",
        "as: anna, query: FROM claims.claim, denied: true",
    ) == [
        "nobody could ask this: there is no 'claims.clam'",
        "nobody could ask this: no column 'snn' in the relations of this query",
        "nobody could ask this: there is no 'nothing'",
        "'anna' is not in users.yaml; say what they hold, be it roles: []",
    ]


def test_values_are_compared_as_what_they_say(project: Path) -> None:
    asked = "as: ana, query: SELECT {} FROM claims.typed, rows: [[{}]]"
    same = {
        "a": "12.5", "b": "1234567.25", "c": "0.3", "d": "2024-03-01", "e": "2024-03-01", "f": "true", "g": "null",
        "h": '"NULL"', "i": "[1, null]", "j": "{x: 1.5}", "k": "0", "l": "9007199254740993", "m": '"10:00:00"',
    }  # fmt: skip
    assert judged(project, *(asked.format(*each) for each in same.items())) == [""] * len(same)
    other = {
        "a": "12.6", "b": "1234567.75", "c": "0.31", "d": "2024-03-02", "e": "2024-03-01 00:00:01", "f": "false",
        "g": '"NULL"', "h": "null", "i": "[1, 0]", "j": "{x: 2}", "k": "1", "l": "9007199254740992", "m": '"10:00:01"',
    }  # fmt: skip
    assert all(judged(project, *(asked.format(*each) for each in other.items())))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "- {as: ana, query: SELECT 1, expct: 3}",
            "tests/a.yaml:1: test 1: expct: unknown key; known keys: as, attributes, columns, count",
        ),
        (
            "- as: ana\n  qery: SELECT 1",
            "tests/a.yaml:1: test 1: query: required\ntests/a.yaml:2: test 1: qery: unk",
        ),
        (
            "- as: ana\n  qery: SELECT 1\n  query: x",
            "tests/a.yaml:2: test 1: qery: unknown key; did you mean 'query'?",
        ),
        ("- {a: ana, query: SELECT 1}", "tests/a.yaml:1: test 1: a: unknown key; did you mean 'as'?\n"),
        ("- {query: SELECT 1}", "tests/a.yaml:1: test 1: as: required"),
        ("- {as: ana, query: SELECT 1}\n- {as: ana}", "tests/a.yaml:2: test 2: query: required"),
        ("- as: ana\n  roles:\n  - analyst\n  query: SELECT 1", "tests/a.yaml:3: test 1: roles[0]: "),
        ("- {as: ana, query: SELECT 1, count: many}", "tests/a.yaml:1: test 1: count: "),
        (
            "- {as: ana, query: SELECT 1, count: 1, count: 2}",
            "tests/a.yaml:1: [0].count: this key stands here twice",
        ),
        (
            "- {as: ana, query: SELECT 1, rows: [[2024-13-45]]}",
            "tests/a.yaml: it holds a value that cannot be read",
        ),
        ("as: ana", "tests/a.yaml: it is a list of tests"),
        ("- {}\n- [", "tests/a.yaml:2: not YAML: "),
        ("- 1", "tests/a.yaml:1: test 1: must be a mapping"),
    ],
)
def test_a_file_that_does_not_load_is_an_error(project: Path, text: str, told: str) -> None:
    (project / "tests" / "a.yaml").write_text(text)
    with pytest.raises(InvalidConfig) as refused:
        list(run_policy_tests(project))
    assert refused.value.message.startswith(told)


def test_rules_that_do_not_load_fail_and_are_no_denial(project: Path) -> None:
    (project / "tests" / "a.yaml").write_text("- {as: ana, query: FROM claims.claim, denied: true}\n")
    rules = project / "policies" / "claims.csv"
    rules.write_text("p, ana, claims.claim, read, Deny\n")
    try:
        status, out, err = ripstop(project, "test")
    finally:
        rules.write_text(_RULES["claims"])
    assert (status, out) == (1, "")
    assert "error: CONFIG: policies/claims.csv:1: the effect is 'Deny', and must be allow or deny\n" in err


def test_tests_ask_on_nobodys_behalf(project: Path) -> None:
    assert judged(project, "as: ana, query: FROM claims.claim") == [""]
    with closing(build(project)) as app:
        assert app.journal.queries(None) == []


# ── replay ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def asked(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a history of its own."""
    directory = tmp_path_factory.mktemp("history") / "acme"
    shutil.copytree(base, directory, ignore=shutil.ignore_patterns(".ripstop"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        with closing(build(directory)) as app:
            ana = Principal("ana", frozenset({"role:analyst"}), {"region": "EU"})
            for sql in ("FROM claims.claim", "FROM crm.customer", "FROM crm.customer", "FROM fraud.score"):
                ask(app, sql, ana)
            ask(app, "FROM fraud.score", Principal("jwt", frozenset({"role:analyst"})))
    return directory


def replayed(asked: Path, tmp_path: Path, most: int = 100, **files: str) -> Replayed:
    """What would become of the history under other policy files."""
    changed = tmp_path / "changed"
    shutil.copytree(asked, changed, ignore=shutil.ignore_patterns(".ripstop"))
    for name, text in files.items():
        (changed / "policies" / f"{name}.csv").write_text(text)
    return replay(asked, changed, most)


def test_the_same_rules_change_nothing(asked: Path, tmp_path: Path) -> None:
    found = replayed(asked, tmp_path)
    assert (found.asked, found.changes, found.unjudged) == (4, (), 1)  # of jwt's roles nothing is known


def test_a_query_changes_when_its_restrictions_do(asked: Path, tmp_path: Path) -> None:
    found = replayed(
        asked,
        tmp_path,
        claims=_RULES["claims"].replace("region = attr", "region <> attr"),
        crm=_RULES["crm"].replace("email, null", "email, hash"),
        federation=OPEN.replace("p, role:analyst, fraud.*, read, allow\n", ""),
    )
    assert [(change.sql, change.before, change.after) for change in found.changes] == [
        (
            "FROM fraud.score",
            "answers (fraud.score: none)",
            "refused: there is no 'fraud.score' that you may see",
        ),
        ("FROM crm.customer", "answers (crm.customer: columns)", "answers (crm.customer: columns)"),
        ("FROM claims.claim", "answers (claims.claim: both)", "answers (claims.claim: both)"),
    ]


def test_rules_that_do_not_load_are_not_replayed(asked: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"changed/policies/crm\.csv:1: 2 fields, where 4 belong"):
        replayed(asked, tmp_path, crm="p3, ana\n")


def test_only_the_newest_are_replayed_and_each_once(asked: Path, tmp_path: Path) -> None:
    assert replayed(asked, tmp_path, most=2, federation="").asked == 2


def test_what_is_refused_by_both_is_not_judged(asked: Path, tmp_path: Path) -> None:
    found = replay(asked, asked, 100)
    assert found.unjudged == 1
    nothing = tmp_path / "nothing"
    shutil.copytree(asked, nothing)
    (nothing / "policies" / "federation.csv").write_text("")
    assert replay(nothing, nothing, 100) == Replayed(4, (), 4)


def test_replay_prints_what_would_change(asked: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(asked, changed, ignore=shutil.ignore_patterns(".ripstop"))
    (changed / "policies" / "fraud.csv").write_text("p3, role:*, fraud.score, score > 0.5\n")
    status, out, err = ripstop(asked, "test", "--replay", str(changed), "-n", "50")
    assert (status, err) == (0, "")
    assert out == (
        "ana: FROM fraud.score\n    now:  answers (fraud.score: none)\n    then: answers (fraud.score: rows)\n\n"
        "1 of 4 queries would change\n"
        "1 were not judged: users who are not in users.yaml, or refused either way\n"
    )
    with closing(build(asked)) as app:
        assert len(app.journal.queries(None)) == 5  # what was asked, and nothing of the replay
    assert not (changed / ".ripstop" / "audit").exists()
