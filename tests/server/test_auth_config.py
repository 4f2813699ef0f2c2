"""The ``auth`` keys of fabric.yaml, and the authenticator that a configuration makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabric.config import load_project
from fabric.config_model import TlsSettings
from fabric.errors import InvalidConfig, LoginRefused
from fabric.state import open_state
from server.api_tokens import ApiTokens
from server.auth import Authenticator, build_authenticator
from server.keys import Signer
from tests.server.issuer import AUDIENCE, ISSUER, Issuer

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b27JpXnlWc3tHE4i3OlyRyHBGA"
SIGNER = Signer(b"0123456789abcdef")
JWT = f"issuer: {ISSUER}, audience: {AUDIENCE}"


def write(directory: Path, auth: str, more: str = "") -> Path:
    (directory / "fabric.yaml").write_text(f"name: acme\nauth: {{{auth}}}\n{more}")
    (directory / "users.yaml").write_text(f"users: {{ana: {{password: '{HASH}'}}}}\n")
    return directory


def problem(directory: Path, auth: str, more: str = "") -> str:
    with pytest.raises(InvalidConfig) as caught:
        load_project(write(directory, auth, more), {})
    (told,) = caught.value.message.splitlines()
    return told


def made(directory: Path, former: Authenticator | None = None) -> Authenticator:
    config = load_project(directory, {})
    return build_authenticator(
        config, SIGNER, ApiTokens(open_state(str(directory / "state.db")), SIGNER), former
    )


def test_a_jwt_issuer_may_stand_beside_the_users(tmp_path: Path) -> None:
    keys = "jwks: keys.json, roles_claim: realm_access.roles, attributes: {region: acme_region}"
    auth = load_project(write(tmp_path, f"jwt: {{{JWT}, {keys}}}"), {}).auth
    assert auth.jwt is not None
    assert (auth.jwt.issuer, auth.jwt.audience, auth.jwt.jwks) == (ISSUER, AUDIENCE, "keys.json")
    assert (auth.jwt.roles_claim, auth.jwt.attributes) == ("realm_access.roles", {"region": "acme_region"})


def test_several_audiences_may_be_named(tmp_path: Path) -> None:
    auth = load_project(write(tmp_path, f"jwt: {{issuer: {ISSUER}, audience: [a, b], jwks: k}}"), {}).auth
    assert auth.jwt is not None
    assert auth.jwt.audience == ("a", "b")


@pytest.mark.parametrize(
    "jwks",
    ["https://login.acme.example/keys", "HTTPS://login.acme.example:8443/keys?x=y", "http://127.0.0.1:9/keys",
     "http://localhost/keys", "http://[::1]:8080/keys", "keys.json", "/etc/keys.json", "ke ys/a.json"],
)  # fmt: skip
def test_keys_come_from_a_file_over_https_or_from_loopback(tmp_path: Path, jwks: str) -> None:
    assert load_project(write(tmp_path, f"jwt: {{{JWT}, jwks: '{jwks}'}}"), {}).auth.jwt


@pytest.mark.parametrize(
    "jwks",
    ["http://login.acme.example/keys", "http://10.0.0.7/keys", "http://127.0.0.1.evil.example/keys",
     "http://localhost.evil.example/", "ftp://host/keys", "file:///etc/passwd", "https://", "https:///keys",
     "http://0.0.0.0/keys", "data://x,y", "https://[::1/keys", "https://host:99999/keys"],
)  # fmt: skip
def test_keys_are_not_fetched_in_the_clear_nor_by_another_scheme(tmp_path: Path, jwks: str) -> None:
    told = problem(tmp_path, f"jwt: {{{JWT}, jwks: '{jwks}'}}")
    assert told.startswith("fabric.yaml:2: auth.jwt.jwks: ")
    assert "https://" in told


@pytest.mark.parametrize(
    "jwks", ["https://user:hunter2@host/keys", "https://hunter2@host/keys", "https://@host/"]
)
def test_credentials_in_the_address_are_refused_and_not_repeated(tmp_path: Path, jwks: str) -> None:
    told = problem(tmp_path, f"jwt: {{{JWT}, jwks: '{jwks}'}}")
    assert "without user name and password" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        (f"audience: {AUDIENCE}, jwks: k", "auth.jwt.issuer"),
        (f"issuer: '', audience: {AUDIENCE}, jwks: k", "auth.jwt.issuer"),
        (f"issuer: {ISSUER}, jwks: k", "auth.jwt.audience"),
        (f"issuer: {ISSUER}, audience: '', jwks: k", "auth.jwt.audience"),
        (f"issuer: {ISSUER}, audience: [], jwks: k", "auth.jwt.audience"),
        (f"{JWT}", "auth.jwt.jwks"),
        (f"{JWT}, jwks: k, roles_claim: ''", "auth.jwt.roles_claim"),
        (f"{JWT}, jwks: k, algorithms: [none]", "auth.jwt.algorithms"),
    ],
)
def test_what_would_leave_a_token_unchecked_is_refused(tmp_path: Path, keys: str, at: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        load_project(write(tmp_path, f"jwt: {{{keys}}}"), {})
    assert {line.split(": ")[1].partition("[")[0] for line in caught.value.message.splitlines()} == {at}


def test_certificates_need_an_authority_that_signs_them(tmp_path: Path) -> None:
    certificates = "certificates: {ana@acme.example: ana}"
    for server in ("", "server: {tls: off}\n", "server: {tls: {cert: c, key: k}}\n"):
        assert problem(tmp_path, certificates, server).startswith("fabric.yaml:2: auth.certificates: ")
    config = load_project(
        write(tmp_path, certificates, "server: {tls: {cert: c, key: k, client_ca: a}}\n"), {}
    )
    assert isinstance(config.server.tls, TlsSettings)
    assert made(tmp_path).takes_certificates


def test_a_certificate_of_a_user_who_is_not_there_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "certificates: {x: Ana}", "server: {tls: {cert: c, key: k, client_ca: a}}\n")
    with pytest.raises(InvalidConfig, match="there is no local user 'Ana'"):
        made(tmp_path)


def test_a_file_of_keys_is_relative_to_the_project_and_must_hold_some(tmp_path: Path) -> None:
    write(tmp_path, f"jwt: {{{JWT}, jwks: keys.json}}")
    with pytest.raises(InvalidConfig, match="no public key"):
        made(tmp_path)
    issuer = Issuer().add("one")
    issuer.write(tmp_path / "keys.json")
    assert made(tmp_path).authenticate_bearer(issuer.token()).principal.user == "kim"


def test_an_issuer_that_is_down_does_not_keep_the_fabric_from_starting(tmp_path: Path) -> None:
    write(tmp_path, f"jwt: {{{JWT}, jwks: 'http://127.0.0.1:1/keys'}}")
    with pytest.raises(LoginRefused, match="at the moment"):
        made(tmp_path).authenticate_bearer(Issuer().add("one").token())


def test_new_users_do_not_cost_the_issuers_keys_and_a_new_issuer_does(tmp_path: Path) -> None:
    issuer = Issuer().add("one")
    with issuer.serving() as url:
        write(tmp_path, f"jwt: {{{JWT}, jwks: '{url}'}}")
        first = made(tmp_path)
        assert first.authenticate_bearer(issuer.token())
        issuer.answer = (500, b"")
        second = made(tmp_path, first)
        assert second.authenticate_bearer(issuer.token())
        write(tmp_path, f"jwt: {{issuer: other, audience: {AUDIENCE}, jwks: '{url}'}}")
        third = made(tmp_path, second)
        with pytest.raises(LoginRefused):
            third.authenticate_bearer(issuer.token())
        write(tmp_path, "")
        with pytest.raises(LoginRefused, match="not made by this fabric"):
            made(tmp_path, third).authenticate_bearer(issuer.token())
