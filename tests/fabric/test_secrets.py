import io
import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from fabric.config import load_project
from fabric.errors import InvalidConfig
from fabric.secrets import RedactingFormatter, Secrets, redact, remember_secrets, resolve
from fabric.settings import Strict


def test_references_are_replaced_inside_longer_text(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("s3cret-file\n")
    files: set[Path] = set()
    text = resolve("postgresql://${env:DB_USER}:${file:pw}@h/db", tmp_path, {"DB_USER": "robot"}, files)
    assert text == "postgresql://robot:s3cret-file@h/db"
    assert files == {tmp_path / "pw"}


def test_a_value_is_never_read_for_references_again(tmp_path: Path) -> None:
    assert resolve("${env:A}", tmp_path, {"A": "${env:B}", "B": "no"}, set()) == "${env:B}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${env:NOT_THERE}", "NOT_THERE is not set"),
        ("${file:not/there}", "the file not/there does not exist"),
        ("${HOME}", "only ${env:NAME} and ${file:PATH}"),
        ("${ENV:X}", "only ${env:NAME} and ${file:PATH}"),
        ("${env:}", "only ${env:NAME} and ${file:PATH}"),
    ],
)
def test_what_cannot_be_resolved_is_an_error_that_names_it(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        resolve(text, tmp_path, {}, set())
    assert told in caught.value.message


def test_a_missing_variable_is_told_with_its_line_and_key(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text("name: acme\n\nlake: {secret_access_key: ${env:LAKE}}\n")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_project(tmp_path, {})
    assert caught.value.message == (
        "fabric.yaml:3: lake.secret_access_key: the environment variable LAKE is not set"
    )


def test_a_reference_may_stand_where_a_number_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text("name: acme\nserver: {port: ${env:PORT}}\n")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    assert load_project(tmp_path, {"PORT": "4000"}).server.port == 4000


def test_a_wrong_value_behind_a_reference_is_told_without_the_value(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text("name: acme\nserver: {port: ${env:PORT}}\n")
    (tmp_path / "users.yaml").write_text("users: {}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_project(tmp_path, {"PORT": "hunter2hunter2"})
    assert "fabric.yaml:2: server.port" in caught.value.message
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


def test_a_secret_is_redacted_as_it_stands_and_as_urls_and_json_spell_it() -> None:
    known = Secrets()
    known.remember('p@ss "wörd"')
    assert known.redact('a p@ss "wörd" b') == "a *** b"
    assert known.redact("x://u:p%40ss%20%22w%C3%B6rd%22@h") == "x://u:***@h"
    assert known.redact('{"p": "p@ss \\"w\\u00f6rd\\""}') == '{"p": "***"}'


def test_the_password_inside_a_url_is_redacted_alone_too() -> None:
    known = Secrets()
    known.remember("postgresql://robot:open%20sesame@db/x?sslkey=keyfile7&application_name=ripstop")
    assert known.redact("login of robot with open sesame (keyfile7) to ripstop") == (
        "login of robot with *** (***) to ripstop"
    )


def test_the_longer_of_two_secrets_is_redacted_whole() -> None:
    known = Secrets()
    for value in ("swordfish", "swordfish-2"):
        known.remember(value)
    assert known.redact("swordfish-2") == "***"


def test_the_lines_of_a_secret_file_are_redacted_one_by_one() -> None:
    known = Secrets()
    known.remember("-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----")
    assert "abcdefghijkl" not in known.redact("bad key line: abcdefghijkl")


def test_a_value_too_short_to_be_a_secret_leaves_the_log_readable() -> None:
    known = Secrets()
    known.remember("1")
    assert known.redact("1 row in 11 ms") == "1 row in 11 ms"


class Inner(Strict):
    token: SecretStr


class Outer(Strict):
    uri: str
    inner: dict[str, list[Inner]]


def test_secret_fields_of_models_are_found_however_deep() -> None:
    remember_secrets(Outer(uri="http://u:urlsecret1@h", inner={"a": [Inner(token=SecretStr("deepsecret1"))]}))
    assert redact("urlsecret1 and deepsecret1") == "*** and ***"


def test_a_log_line_and_its_traceback_hold_no_secret() -> None:
    remember_secrets(SecretStr("logged-secret"))
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter("%(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError("driver says logged-secret")
    except ValueError:
        logger.exception("while using %s", "logged-secret")
    assert "ValueError: driver says ***" in out.getvalue()
    assert "logged-secret" not in out.getvalue()
