import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fabric.errors import AccessDenied
from fabric.types import Column, TableName
from policies import files as files_module
from policies.files import PolicyFiles, Snapshot
from policies.govern import CasbinGovernor
from tests.patience import PATIENCE
from tests.policies.estate import ESTATE, governor, person
from tests.policies.governed import company, rows

ANA = person("ana")
ALLOW = "p, ana, *, read, allow\n"


def settle(judge: CasbinGovernor, version: str) -> str:
    """The version that follows; it must come within the second that the design promises."""
    until = time.monotonic() + 1.0 * PATIENCE
    while judge.version == version and time.monotonic() < until:
        time.sleep(0.02)
    return judge.version


def test_without_a_federation_file_everything_refuses(tmp_path: Path) -> None:
    judge = governor(tmp_path, None, claims="p, ana, *, read, allow\n")
    assert judge.errors() == ("policies/federation.csv: the file is missing",)
    assert not judge.may(ANA, "read", "claims.x")
    assert not judge.may(person("otto", "role:claims-owner"), "read", "claims.x")
    assert not judge.may(ANA, "discover", TableName("acme", "information_schema", "tables"))


def test_a_federation_file_that_never_loaded_refuses_everything(tmp_path: Path) -> None:
    judge = governor(tmp_path, "p, ana\n", claims="p, ana, *, read, allow\n")
    assert judge.errors()[0].startswith("policies/federation.csv:1: ")
    assert not judge.may(ANA, "read", "claims.x")


def test_a_domain_file_that_never_loaded_refuses_that_domain_only(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW, claims="p, ana, claims.x, read\n")
    assert not judge.may(ANA, "read", "claims.x")
    assert not judge.may(ANA, "read", "claims_lake.main.claim")
    assert not judge.may(person("otto", "role:claims-owner"), "read", "claims.x")
    assert judge.may(ANA, "read", "policy_db.public.policy")


def test_a_product_over_a_domain_that_did_not_load_refuses(tmp_path: Path) -> None:
    for name, crm in (("good", ""), ("bad", "p2, ana, crm.customer, email, blur\n")):
        (tmp_path / name).mkdir()
        with company(tmp_path / name, {"crm": crm}) as app:
            assert rows(app, "SELECT claim_id FROM claims.claim WHERE claim_id = 1") == [(1,)]
            if name == "good":
                assert rows(app, "SELECT count(*) FROM claims.open")
            else:
                with pytest.raises(AccessDenied):
                    rows(app, "SELECT count(*) FROM claims.open")


def test_a_domain_file_missing_at_start_is_empty_with_a_warning(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    assert judge.may(ANA, "read", "claims.x")
    assert judge.errors() == ()
    assert (
        "policies/claims.csv: there is no such file; the domain has no rules of its own" in judge.warnings()
    )


def test_a_file_of_no_domain_is_reported(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW, clams="p, ana, *, read, deny\n")
    assert judge.errors() == (
        "policies/clams.csv: binds nobody, for there is no such domain; did you mean 'claims'?",
    )


def test_standards_are_not_ignored_in_silence(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    (tmp_path / "policies" / "standards.yaml").write_text("require: [owner]\n")
    assert judge.errors() == ()
    (tmp_path / "policies" / "standards.yaml").write_text("requires: [owner]\n")
    assert judge.errors() == ("policies/standards.yaml:1: requires: unknown key; did you mean 'require'?",)


def test_text_that_is_not_utf_8_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "claims.csv").write_bytes(b"p, \xff, claims.*, read, allow\n")
    judge = governor(tmp_path, ALLOW)
    assert judge.errors() == ("policies/claims.csv: the file cannot be read as UTF-8 text",)


def test_a_change_takes_effect_within_a_second(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    assert judge.may(ANA, "read", "claims.x")
    before = judge.version
    (tmp_path / "policies" / "federation.csv").write_text("p, ana, *, read, deny\n")
    assert settle(judge, before) != before
    assert not judge.may(ANA, "read", "claims.x")


def test_a_change_long_ago_is_seen_by_the_next_statement(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    assert judge.may(ANA, "read", "claims.x")
    path = tmp_path / "policies" / "federation.csv"
    path.write_text("p, ana, *, read, deny\n")
    os.utime(path, (time.time() - 5, time.time() - 5))
    time.sleep(0.25)
    assert not judge.may(ANA, "read", "claims.x")


def test_a_version_that_does_not_load_keeps_the_last_good_one_and_is_reported(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    before = judge.version
    (tmp_path / "policies" / "federation.csv").write_text("p, ana, *, read, Deny\n")
    until = time.monotonic() + 1.0 * PATIENCE
    while not judge.errors() and time.monotonic() < until:
        judge.may(ANA, "read", "claims.x")
        time.sleep(0.02)
    assert judge.errors()[0].startswith("policies/federation.csv:1: the effect is 'Deny'")
    assert judge.version == before
    assert judge.may(ANA, "read", "claims.x")


def test_a_file_that_vanishes_counts_as_one_that_does_not_load(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW, claims="p, ana, claims.x, read, deny\n")
    (tmp_path / "policies" / "claims.csv").unlink()
    time.sleep(0.25)
    assert not judge.may(ANA, "read", "claims.x")
    assert judge.errors() == ("policies/claims.csv: the file has vanished",)


def test_a_file_that_comes_back_clears_its_error(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW, claims="p, ana, claims.x, read, deny\n")
    path = tmp_path / "policies" / "claims.csv"
    path.rename(tmp_path / "aside")
    time.sleep(0.25)
    assert judge.version
    assert judge.errors()
    (tmp_path / "aside").rename(path)
    until = time.monotonic() + 1.0 * PATIENCE
    while judge.errors() and time.monotonic() < until:
        assert not judge.may(ANA, "read", "claims.x")
        time.sleep(0.02)
    assert judge.errors() == ()


def test_a_domain_file_that_appears_binds(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW)
    before = judge.version
    (tmp_path / "policies" / "claims.csv").write_text("p, ana, claims.x, read, deny\n")
    assert settle(judge, before) != before
    assert not judge.may(ANA, "read", "claims.x")
    assert judge.may(ANA, "read", "claims.y")


def test_a_file_that_is_still_being_written_is_not_read_half(tmp_path: Path) -> None:
    judge = governor(tmp_path, "p, bo, *, read, allow\n")
    path = tmp_path / "policies" / "federation.csv"
    with path.open("w") as file:
        file.write("p, ana, *, read, allow\n")
        file.flush()
        until = time.monotonic() + 0.12
        while time.monotonic() < until:
            assert not judge.may(ANA, "read", "claims.x")
        file.write("p, role:*, claims.x, read, deny\n")
    settle(judge, judge.version)
    assert not judge.may(ANA, "read", "claims.x")
    assert judge.may(ANA, "read", "claims.y")


def test_the_same_files_have_the_same_version_everywhere(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert governor(one, ALLOW).version == governor(other, ALLOW).version
    assert governor(one, ALLOW + "\n# more\n").version != governor(other, ALLOW).version


def test_ten_thousand_rules_reload_under_load_without_a_wrong_answer(tmp_path: Path) -> None:
    many = "".join(f"p, u{n}, claims.t{n}, read, allow\n" for n in range(10_000))
    judge = governor(tmp_path, many + ALLOW)
    wrong: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        n = 0
        while not stop.is_set():
            n = (n + 7) % 10_000
            user = person(f"u{n}")
            if not judge.may(user, "read", f"claims.t{n}") or judge.may(user, "read", f"claims.t{n + 1}"):
                wrong.append(n)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    before = judge.version
    (tmp_path / "policies" / "federation.csv").write_text(many)
    after = settle(judge, before)
    stop.set()
    for thread in threads:
        thread.join()
    assert after != before
    assert wrong == []
    assert not judge.may(ANA, "read", "claims.x")


def test_the_estate_decides_which_files_there_are(tmp_path: Path) -> None:
    judge = governor(tmp_path, ALLOW, CRM="p, ana, crm.x, read, deny\n")
    assert ESTATE.spelled["crm"] == "CRM"
    assert not judge.may(ANA, "read", "crm.x")


# ── rules of every kind ───────────────────────────────────────────────────────────────────────

GOOD = {
    "p2": "p2, ana, claims.x, ssn, {0}\n",
    "p3": "p3, ana, claims.x, a = '{0}'\n",
    "p4": "p4, ana, claims.x, crm.y, never, {0}\n",
}
BAD = {
    "p2": "p2, ana, claims.x, ssn, blur\n",
    "p3": "p3, ana, claims.x, a =\n",
    "p4": "p4, ana, claims.x, crm.y, seldom, why\n",
}
KINDS = pytest.mark.parametrize("kind", ["p2", "p3", "p4"])


def write(directory: Path, **texts: str) -> PolicyFiles:
    folder = directory / "policies"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    return PolicyFiles(directory, ESTATE)


def said(snapshot: Snapshot) -> list[str]:
    """What the rules of the three kinds say of ``claims.x`` to ana."""
    ana, parts = snapshot.rules.person(ANA), ("claims", "x")
    masks = snapshot.rules.column_rules(ana, parts, [Column("ssn", "VARCHAR")]).get("ssn", ())
    combined = snapshot.rules.combination_rules(ana, ("crm", "y"), parts)
    return [
        *(rule.mask.text for rule in masks),
        *(rule.text for rule in snapshot.rules.row_rules(ana, parts)),
        *(rule.reason for rule in combined),
    ]


def wait_for(files: PolicyFiles, done: Callable[[], bool]) -> None:
    until = time.monotonic() + 1.0 * PATIENCE
    while not done() and time.monotonic() < until:
        files.current()
        time.sleep(0.02)


@KINDS
def test_a_federation_file_with_a_bad_line_of_any_kind_refuses_everything(tmp_path: Path, kind: str) -> None:
    files = write(tmp_path, federation=ALLOW + GOOD[kind].format("hash") + BAD[kind], claims="")
    assert files.errors()[0].startswith("policies/federation.csv:3: ")
    snapshot = files.current()
    assert not snapshot.open
    assert said(snapshot) == []
    assert not governor(tmp_path, None).may(ANA, "read", "claims.x")


@KINDS
def test_a_domain_file_with_a_bad_line_of_any_kind_refuses_that_domain_only(
    tmp_path: Path, kind: str
) -> None:
    files = write(tmp_path, federation=ALLOW, claims=BAD[kind], CRM="p3, ana, crm.y, true\n")
    assert files.errors()[0].startswith("policies/claims.csv:1: ")
    assert (files.current().open, files.current().refused) == (True, frozenset({"claims"}))
    judge = governor(tmp_path, None)
    assert not judge.may(ANA, "read", "claims.x")
    assert judge.may(ANA, "read", "crm.y")


@KINDS
def test_the_last_good_version_of_a_file_serves_on_whatever_kind_of_line_is_wrong(
    tmp_path: Path, kind: str
) -> None:
    good = "".join(line.format("hash") for line in GOOD.values())
    files = write(tmp_path, federation=ALLOW, claims=good)
    expected = ["hash", "a = 'hash'", "hash"]
    before = files.current()
    assert said(before) == expected
    (tmp_path / "policies" / "claims.csv").write_text("p2, ana, claims.x, ssn, null\n" + BAD[kind])
    wait_for(files, lambda: bool(files.errors()))
    assert files.errors()[0].startswith("policies/claims.csv:2: ")
    assert said(files.current()) == expected
    assert files.current().version == before.version
    assert files.current().refused == frozenset()


def test_a_file_that_does_not_load_keeps_no_other_from_changing(tmp_path: Path) -> None:
    files = write(tmp_path, federation=ALLOW + GOOD["p3"].format("old"), claims=GOOD["p2"].format("hash"))
    (tmp_path / "policies" / "claims.csv").write_text(BAD["p2"])
    (tmp_path / "policies" / "federation.csv").write_text(ALLOW + GOOD["p3"].format("new"))
    wait_for(files, lambda: bool(files.errors()) and said(files.current())[-1] == "a = 'new'")
    assert said(files.current()) == ["hash", "a = 'new'"]
    assert [error.partition(":")[0] for error in files.errors()] == ["policies/claims.csv"]


@KINDS
def test_a_changed_rule_of_any_kind_takes_effect_within_a_second(tmp_path: Path, kind: str) -> None:
    files = write(tmp_path, federation=ALLOW + GOOD[kind].format("hash"), claims="")
    before, version = said(files.current()), files.current().version
    assert len(before) == 1
    (tmp_path / "policies" / "federation.csv").write_text(ALLOW + GOOD[kind].format("email"))
    wait_for(files, lambda: files.current().version != version)
    assert said(files.current()) == [before[0].replace("hash", "email")]
    assert files.current().version != version


@KINDS
def test_a_vanished_file_keeps_its_rules_of_every_kind(tmp_path: Path, kind: str) -> None:
    files = write(tmp_path, federation=ALLOW, claims=GOOD[kind].format("hash"))
    before = said(files.current())
    (tmp_path / "policies" / "claims.csv").unlink()
    wait_for(files, lambda: bool(files.errors()))
    assert files.errors() == ("policies/claims.csv: the file has vanished",)
    assert said(files.current()) == before != []


def test_a_fault_of_ours_while_reading_is_a_file_that_does_not_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, federation=ALLOW + GOOD["p2"].format("hash"), claims="")

    def fail(*_: object) -> None:
        raise KeyError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(files_module, "read_rules", fail)
        (tmp_path / "policies" / "federation.csv").write_text(ALLOW)
        wait_for(files, lambda: bool(files.errors()))
        never = PolicyFiles(tmp_path, ESTATE)
    assert files.errors()[0].startswith("policies/federation.csv: the file cannot be understood")
    assert said(files.current()) == ["hash"]
    assert not never.current().open
