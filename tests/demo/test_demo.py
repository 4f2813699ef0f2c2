"""The demo end to end: real servers, real clients, right answers, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pytest

from fabric.errors import LoginRefused, NotFound
from server.client import Client, Login
from server.demo.company import Company, generate
from tests.demo import transcript, tutorial

SCALE = 0.02
RIPSTOP = (sys.executable, "-P", "-m", "server.cli")
REVIEW = """
SELECT claim_id, customer, email, product_line, deductible, shop, repair_total, over_tariff, fraud_score, reported_at
FROM claims.claim_review ORDER BY claim_id"""
# The same question over the company's own tables.
ORACLE = """
SELECT c.claim_id, k.name AS customer, k.email, p.product_line, p.deductible, r.shop, r.total AS repair_total,
  r.total - r.parts_amount - r.labour_hours * t.hourly_rate AS over_tariff, s.score AS fraud_score, c.reported_at
FROM claims c JOIN policies p USING (policy_id) JOIN customers k USING (customer_id)
JOIN repairs r USING (claim_id) JOIN scores s USING (claim_id)
JOIN tariffs t ON t.repair_code = r.repair_code AND t.region = c.region AND t.valid_to IS NULL
WHERE c.status = 'in_review' ORDER BY claim_id"""


@dataclass
class Demo:
    """A demo that stays up."""

    directory: Path
    process: subprocess.Popen[bytes]
    said: Path

    def sql(self, user: str, statement: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*RIPSTOP, "sql", "-C", str(self.directory), "--user", user, *options],
            input=statement.encode(),
            capture_output=True,
            check=False,
            env=os.environ | {"RIPSTOP_PASSWORD": f"{user}-demo"},
        )

    @property
    def uri(self) -> str:
        return re.findall(r"grpc://[0-9.:]+", self.said.read_text())[0]

    def client(self, user: str) -> Client:
        return Client(Login(self.uri, user, f"{user}-demo"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    said = folder / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            [*RIPSTOP, "demo", "--keep", "--scale", str(SCALE), "--dir", str(folder / "acme")],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    deadline = time.monotonic() + 90
    while b"Ctrl-C ends everything" not in said.read_bytes():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.1)
    yield Demo(folder / "acme", process, said)
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def company() -> Company:
    return generate(SCALE)


def ask(company: Company, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        for name in Company.__slots__:  # type: ignore[attr-defined]
            connection.register(name, getattr(company, name))
        return connection.execute(sql).fetchall()


def test_it_shows_answers_refusal_plan_logins_and_snippets(demo: Demo) -> None:
    said = demo.said.read_text()
    assert "scores are not for statistics (privacy board 12)" in said
    assert "j***@mail.example" in said
    assert re.search(r'asked: SELECT .* FROM "public"."policy"', said)
    assert "GET /v1/scores?min_score=0.3" in said
    assert "aud / aud-demo" in said
    assert "FAILED  partners.repair: every invoice is paid" in said
    assert re.search(r"partners +│ repair +│ 1\.0\.0 +│ active +│ violated", said)
    assert re.search(r"claims +│ open_claims@1 +│ 1\.2\.0 +│ deprecated +│ ok +│ 2027-06-30", said)
    assert "    <- tariff_files.tariff.hourly_rate (identity)" in said
    assert "jdbc:arrow-flight-sql://127.0.0.1:" in said
    for secret in (demo.directory / ".secrets").glob("*_*"):
        assert secret.read_text() not in said, secret.name


def test_the_five_source_join_equals_duckdb_over_the_companys_own_tables(
    demo: Demo, company: Company
) -> None:
    answer = demo.sql("aud", REVIEW, "--format", "arrow")
    assert answer.returncode == 0, answer.stderr
    rows = pa.ipc.open_stream(answer.stdout).read_all()
    expected = ask(company, ORACLE)
    assert len(expected) > 20
    assert [tuple(row.values()) for row in rows.to_pylist()] == expected


def test_ana_sees_her_regions_claims_with_names_and_addresses_masked(demo: Demo, company: Company) -> None:
    answer = demo.sql("ana", REVIEW, "--format", "arrow")
    assert answer.returncode == 0, answer.stderr
    rows = pa.ipc.open_stream(answer.stdout).read_all()
    masked = ORACLE.replace("k.name AS customer", "left(k.name, 1) || '***' AS customer").replace(
        "k.email,", "left(k.email, 1) || '***@' || split_part(k.email, '@', 2) AS email,"
    )
    expected = ask(company, masked.replace("WHERE ", "WHERE c.region = 'EU' AND "))
    assert 0 < len(expected) < len(ask(company, ORACLE))
    assert [tuple(row.values()) for row in rows.to_pylist()] == expected


def test_ana_may_not_combine_what_she_may_read(demo: Demo, company: Company) -> None:
    refused = demo.sql("ana", "SELECT 1 FROM claims.claims_by_month, fraud.score")
    assert refused.returncode == 1
    assert refused.stdout == b""
    assert b"may not be combined: scores are not for statistics (privacy board 12)" in refused.stderr
    with (
        demo.client("ana") as ana,
        ana.query("SELECT sum(claims), sum(amount) FROM claims.claims_by_month") as reader,
    ):
        answer = reader.read_all().to_pylist()
    assert tuple(answer[0].values()) == ask(company, "SELECT count(*), sum(amount) FROM claims")[0]


def test_what_ana_may_not_know_of_does_not_exist_for_her(demo: Demo) -> None:
    said = []
    for name in ("customer", "nothing"):
        with demo.client("ana") as ana, pytest.raises(NotFound) as caught, ana.query(f"FROM crm.{name}"):
            pass
        said.append(str(caught.value).replace(name, "…"))
    assert said[0] == said[1]


def test_a_wrong_password_is_refused(demo: Demo) -> None:
    with pytest.raises(LoginRefused):
        Client(Login(demo.uri, "ana", "wrong"))


def test_a_script_runs_statement_by_statement_and_stops_at_the_first_error(demo: Demo) -> None:
    answer = demo.sql("ana", "SELECT 1 AS a; SELECT ';' AS b; SELECT x; SELECT 2", "--format", "csv")
    assert answer.returncode == 1
    assert answer.stdout.decode() == "a\n1\nb\n;\n"
    assert answer.stderr.decode().startswith("error: ")


def test_check_proves_every_source_product_and_rule(demo: Demo) -> None:
    answer = subprocess.run(
        [*RIPSTOP, "check", "-C", str(demo.directory)], capture_output=True, check=False, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    for source in ("policy_db", "crm_db", "claims_lake", "repair_files", "tariff_files", "fraud_api"):
        assert re.search(rf"^ok +{source} ", answer.stdout, re.MULTILINE)
    assert answer.stdout.count("one row read") == 6
    assert re.search(r"^ok +claims\.claim_review ", answer.stdout, re.MULTILINE)


def test_the_page_on_lineage_says_what_is_answered(demo: Demo) -> None:
    for command, lines in transcript.commands("lineage.md"):  # each rests on those before
        said = transcript.answered(demo.directory, demo.uri, command)
        assert transcript.is_answer(said, lines), (command, said)


def test_the_page_on_history_and_quotas_says_what_is_answered(demo: Demo) -> None:
    for command, lines in transcript.commands("history.md"):  # each rests on those before
        assert transcript.answered(demo.directory, demo.uri, command) == lines, command


def test_the_tutorial_is_right(demo: Demo) -> None:
    tutorial.follow(demo.directory, demo.uri)


def test_ctrl_c_ends_every_process_that_it_started(demo: Demo) -> None:
    started = psutil.Process(demo.process.pid).children(recursive=True)
    assert len(started) > 3
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0
    _, alive = psutil.wait_procs(started, timeout=5)
    assert not alive
    assert "Every server has ended" in demo.said.read_text()


def test_without_a_terminal_it_ends_by_itself_and_again_in_the_same_folder(demo: Demo) -> None:
    # The test before has ended it, unless that ran in another worker of the test run.
    if demo.process.poll() is None:
        demo.process.send_signal(signal.SIGINT)
    demo.process.wait(30)
    kept = demo.directory / "products" / "claims" / "mine.sql"
    kept.write_text("SELECT 1 AS one")
    again = subprocess.run(
        [*RIPSTOP, "demo", "--scale", "0.005", "--dir", str(demo.directory)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert kept.exists()


def test_a_folder_that_is_not_the_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused = subprocess.run(
        [*RIPSTOP, "demo", "--once", "--dir", str(tmp_path)], capture_output=True, check=False, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: CONFIG: ")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
