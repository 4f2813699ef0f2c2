import os
import threading
import time
from pathlib import Path

import pytest

from fabric.errors import AccessDenied, NotFound
from policies.govern import CasbinGovernor
from tests.policies.estate import ESTATE, governor, person, product, statement, table

ANA = person("ana")
ALLOW = "p, ana, *, read, allow\n"


def settle(judge: CasbinGovernor, version: str) -> str:
    """The version that follows; it must come within the second that the design promises."""
    until = time.monotonic() + 1.0
    while judge.version == version and time.monotonic() < until:
        time.sleep(0.02)
    return judge.version


def test_without_a_federation_file_everything_refuses(tmp_path: Path) -> None:
    judge = governor(tmp_path, None, claims="p, ana, *, read, allow\n")
    assert judge.errors() == ("policies/federation.csv: the file is missing",)
    assert not judge.may(ANA, "read", "claims.x")
    assert not judge.may(person("otto", "role:claims-owner"), "read", "claims.x")
    with pytest.raises(NotFound):
        judge.govern(statement(table("acme.information_schema.tables", "ana")), ANA)


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
    rules = ALLOW + "p, domain:claims, *, read, allow\n"
    named = product("claims.x", "ana", table("policy_db.public.policy", "domain:claims"))
    assert governor(tmp_path, rules).govern(statement(named), ANA)
    with pytest.raises(AccessDenied):
        governor(tmp_path, rules, CRM="nonsense\n").govern(statement(named), ANA)


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
    assert judge.errors() == ("policies/standards.yaml: standards are not in this version",)


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
    until = time.monotonic() + 1.0
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
    until = time.monotonic() + 1.0
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
