"""ripstop check on rules that load and do not fit: told with file and line, and exit status 1."""

from __future__ import annotations

import logging
from pathlib import Path

from typer.testing import CliRunner, Result

from server.cli import app as command_line
from tests.policies.governed import OPEN, company


def check(directory: Path) -> Result:
    logger = logging.getLogger("ripstop")
    level = logger.level
    try:
        return CliRunner().invoke(command_line, ["check", "-C", str(directory)])
    finally:
        logger.setLevel(
            level
        )  # the command silences it for its process, which here is that of other tests too


def written(directory: Path, rules: dict[str, str]) -> Path:
    with company(directory, rules):
        return directory


def test_a_project_whose_rules_fit_passes(tmp_path: Path) -> None:
    rules = {
        "claims": "p3, role:analyst, claims.claim, region = attr('region')\n",
        "crm": "p2, role:*, crm.customer, tag:email, email\n",
    }
    done = check(written(tmp_path, rules))
    assert "ok      policies  every file loads, and every rule fits what it covers" in done.output
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "ok")


def test_every_rule_that_does_not_fit_is_a_failure_of_its_own(tmp_path: Path) -> None:
    rules = {
        "claims": "# of its own\np3, role:x, claims.claim, gone = 1\np3, role:x, claims.claim, amount\n",
        "crm": "p2, role:x, crm.customer, customer_id, email\n",
    }
    done = check(written(tmp_path, rules))
    for line in (
        "FAILED  policies  policies/claims.csv:2: ",
        "FAILED  policies  policies/claims.csv:3: it is a BIGINT, and must be true or false (claims.claim)",
        "FAILED  policies  policies/crm.csv:1: the mask 'email' does not fit column 'customer_id' (crm.customer)",
    ):
        assert line in done.output
    assert (done.exit_code, done.output.splitlines()[-1]) == (1, "FAILED: 3")


def test_warnings_are_no_failure(tmp_path: Path) -> None:
    rules = {"federation": "p, role:x, crm.gone, read, allow\np, role:x, crm.*, publish, allow\n"}
    done = check(written(tmp_path, rules))
    first = OPEN.count("\n") + 1
    assert f"warning: policies/federation.csv:{first}: 'crm.gone' covers nothing that there is" in done.output
    assert (
        f"warning: policies/federation.csv:{first + 1}: `publish` lets role:x read whatever domain:crm may read"
        in done.output
    )
    assert done.exit_code == 0


def test_the_rules_on_a_dead_source_are_told_as_not_judged(tmp_path: Path) -> None:
    directory = written(tmp_path, {"crm": "p3, role:*, crm_db.customer, gone = 1\n"})
    text = (directory / "fabric.yaml").read_text(encoding="utf-8")
    (directory / "fabric.yaml").write_text(text.replace("uri: crm.db", "uri: gone/crm.db"), encoding="utf-8")
    done = check(directory)
    assert "not judged: rules on crm_db: its tables are not known" in done.output
    assert "policies/crm.csv" not in done.output
    assert done.exit_code == 1  # for the source


def test_a_product_whose_rules_do_not_load_is_told_as_not_judged(tmp_path: Path) -> None:
    """It is refused to everyone then; the file is the one thing that is wrong."""
    done = check(written(tmp_path, {"claims": "p, role:analyst, claims.claim, read, Deny\n"}))
    assert (
        "FAILED  policies  policies/claims.csv:1: the effect is 'Deny', and must be allow or deny"
        in done.output
    )
    assert "not judged: claims.claim, while rules do not load" in done.output
    assert "that you may see" not in done.output
    assert "ok      crm.customer  binds" in done.output
    assert (done.exit_code, done.output.splitlines()[-1]) == (1, "FAILED: 1")


def test_a_rule_on_what_is_not_there_is_told_in_the_words_of_a_file(tmp_path: Path) -> None:
    rules = "p3, role:x, claims.claim, gone = 1\np3, role:y, claims.claim, claim_id IN (SELECT id FROM lake.gone)\n"
    done = check(written(tmp_path, {"claims": rules}))
    assert "policies/claims.csv:1: no column 'gone' (claims.claim)" in done.output
    assert "policies/claims.csv:2: there is no 'lake.gone' (claims.claim)" in done.output
