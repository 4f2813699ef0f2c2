"""The command line as a shell calls it: help, exit statuses, the shape of errors, init and check."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMANDS = ("init", "check", "serve", "sql", "why", "test", "demo", "user hash", "audit verify", "token new")


def ripstop(*arguments: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RIPSTOP_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *arguments],
        input=text,
        capture_output=True,
        check=False,
        text=True,
        env=kept | environment,
    )


def said_error(done: subprocess.CompletedProcess[str], code: str) -> None:
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"error: {code}: "), done.stderr
    assert lines[-1].startswith("hint: "), done.stderr
    assert "Traceback" not in done.stderr


def test_help_imports_no_more_than_it_must() -> None:
    heavy = "numpy pyarrow duckdb pydantic sqlglot casbin rich.console yaml argon2 adbc_driver_manager prompt_toolkit"
    code = f"import sys, server.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_help_answers_at_once() -> None:
    ripstop("--help")
    began = time.monotonic()
    assert ripstop("--help").returncode == 0
    assert time.monotonic() - began < 3  # 0.13 s on an idle machine; the tests' machine is not


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_takes_a_directory(command: str) -> None:
    done = ripstop(*command.split(), "--help")
    assert done.returncode == 0
    assert "-C" in done.stdout


def test_version_is_the_distributions() -> None:
    assert ripstop("--version").stdout.startswith("ripstop ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("sql", "--format", "xml", "--user", "ana"),
        ("sql", "-c", "SELECT 1"),
        ("sql", "-c", "SELECT 1", "-f", "x.sql", "--user", "ana"),
    ],
)
def test_a_wrong_call_exits_2(arguments: tuple[str, ...]) -> None:
    done = ripstop(*arguments)
    assert done.returncode == 2
    said_error(done, "USAGE")


def test_called_bare_it_shows_its_help_and_exits_2() -> None:
    done = ripstop()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ripstop")


def test_sql_takes_no_password_from_the_command_line_and_asks_for_one() -> None:
    assert "--password" not in ripstop("sql", "--help").stdout
    done = ripstop("sql", "--user", "ana", "-c", "SELECT 1")
    assert done.returncode == 1
    said_error(done, "LOGIN_REFUSED")


def test_sql_says_where_nobody_answers() -> None:
    done = ripstop(
        "sql", "--uri", "grpc://127.0.0.1:1", "--user", "ana", "-c", "SELECT 1", RIPSTOP_PASSWORD="geheim"
    )
    assert done.returncode == 1
    said_error(done, "UNREACHABLE")
    assert "grpc://127.0.0.1:1" in done.stderr
    assert "geheim" not in done.stderr


def test_user_hash_makes_a_hash_that_verifies() -> None:
    from argon2 import PasswordHasher

    done = ripstop("user", "hash", text="correct horse\n")
    assert done.returncode == 0
    assert PasswordHasher().verify(done.stdout.strip(), "correct horse")
    empty = ripstop("user", "hash")
    assert empty.returncode == 1
    said_error(empty, "INVALID_VALUE")


def test_check_without_a_project_says_what_to_do(tmp_path: Path) -> None:
    done = ripstop("check", "-C", str(tmp_path))
    assert done.returncode == 1
    said_error(done, "CONFIG")


def test_serve_without_a_project_fails_as_every_command_does(tmp_path: Path) -> None:
    done = ripstop("serve", "-C", str(tmp_path))
    assert done.returncode == 1
    said_error(done, "CONFIG")


def test_init_writes_a_project_that_check_accepts_and_never_writes_over_one(tmp_path: Path) -> None:
    project = tmp_path / "Sales"
    made = ripstop("init", "-C", str(project))
    assert made.returncode == 0, made.stderr
    checked = ripstop("check", "-C", str(project))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "one row read  orders" in checked.stdout
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    again = ripstop("init", "-C", str(project))
    assert again.returncode == 1
    said_error(again, "CONFIG")
    assert (
        before.items() <= {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}.items()
    )


def test_check_names_the_dead_source_and_passes_the_others(tmp_path: Path) -> None:
    ripstop("init", "-C", str(tmp_path))
    config = tmp_path / "fabric.yaml"
    config.write_text(
        config.read_text()
        + "\n  gone:\n    type: http\n    domain: sales\n    uri: http://127.0.0.1:1\n"
        + "    tables: {t: {path: /t, records: $.items, columns: {a: BIGINT}}}\n"
    )
    (tmp_path / "products" / "sales" / "wrong.sql").write_text("SELECT nothing FROM files.orders")
    done = ripstop("check", "-C", str(tmp_path))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok      files (local)") for line in lines)
    assert any(line.startswith("FAILED  gone (http)") for line in lines)
    assert "SOURCE_UNREACHABLE: source 'gone'" in done.stdout
    assert any(line.startswith("FAILED  sales.wrong") for line in lines)
    assert any(line.startswith("ok      sales.open_orders") for line in lines)


def test_check_names_the_line_of_a_rule_that_does_not_load(tmp_path: Path) -> None:
    ripstop("init", "-C", str(tmp_path))
    (tmp_path / "policies" / "sales.csv").write_text("p, role:analyst, crm.*, read, allow\n")
    done = ripstop("check", "-C", str(tmp_path))
    assert done.returncode == 1
    assert any(line.startswith("FAILED  policies  policies/sales.csv:1") for line in done.stdout.splitlines())


def test_a_stranger_in_our_packages_is_named(tmp_path: Path) -> None:
    ripstop("init", "-C", str(tmp_path / "project"))
    other = tmp_path / "site" / "fabric-3.2.3.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: fabric\nVersion: 3.2.3\n")
    (other / "top_level.txt").write_text("fabric\n")
    done = ripstop("check", "-C", str(tmp_path / "project"), PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 1
    said_error(done, "CONFIG")
    assert "'fabric'" in done.stderr


def test_demo_without_its_servers_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['pyftpdlib'] = None; from server.cli import main; main(['demo', '--once'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "error: MISSING_EXTRA: the demo's embedded servers are not installed",
        "hint: pip install 'ripstop[demo]'",
    ]
