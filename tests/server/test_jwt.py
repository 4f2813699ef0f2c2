"""Another issuer's tokens: what is taken, and each attack that is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from fabric.errors import InvalidConfig, LoginRefused
from server.jwt import JwtLogins, is_jwt
from tests.server.issuer import (
    AUDIENCE,
    ISSUER,
    MAKERS,
    Issuer,
    by_hand,
    claims,
    encoded,
    pem,
    private_jwk,
    public_jwk,
    rsa_key,
    settings,
)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer().add("one").add("rsa", "RS256")


@pytest.fixture
def logins(issuer: Issuer, tmp_path: Path) -> JwtLogins:
    issuer.write(tmp_path / "keys.json")
    return JwtLogins(settings("keys.json", attributes={"region": "region", "teams": "teams"}), tmp_path)


def refused(logins: JwtLogins, token: str, why: str | None = None) -> LoginRefused:
    with pytest.raises(LoginRefused, match=why) as caught:
        logins.principal(token)
    return caught.value


# ── what is taken ────────────────────────────────────────────────────────────────────────────


def test_a_good_token_gives_user_roles_and_attributes(issuer: Issuer, logins: JwtLogins) -> None:
    found = logins.principal(issuer.token(roles=["analyst", "role:auditor"], region="EU", teams=["a", 7]))
    assert found.user == "kim"
    assert found.roles == {"role:analyst", "role:auditor"}
    assert found.attributes == {"region": "EU", "teams": ("a", 7)}


@pytest.mark.parametrize(
    "algorithm",
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed448"],
)
def test_every_asymmetric_signature_is_taken(algorithm: str, tmp_path: Path) -> None:
    made = Issuer().add("k", algorithm if algorithm in MAKERS else "RS256")
    made.write(tmp_path / "keys.json")
    token = made.token("k", "EdDSA" if algorithm == "Ed448" else algorithm)
    assert JwtLogins(settings("keys.json"), tmp_path).principal(token).user == "kim"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_the_types_of_login_and_access_tokens_are_taken(issuer: Issuer, logins: JwtLogins, kind: str) -> None:
    assert logins.principal(issuer.token(headers={"typ": kind}))


def test_one_of_several_audiences_is_enough_on_either_side(issuer: Issuer, tmp_path: Path) -> None:
    issuer.write(tmp_path / "keys.json")
    several = JwtLogins(settings("keys.json", audience=[AUDIENCE, "other"]), tmp_path)
    assert several.principal(issuer.token(aud=["x", "other"]))
    refused(several, issuer.token(aud=["x"]), "another audience")


def test_a_token_without_key_id_is_taken_while_one_key_fits(tmp_path: Path) -> None:
    made = Issuer().add("one").add("rsa", "RS256")
    made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    token = jwt.encode(claims(), made.keys["one"], "ES256")
    assert logins.principal(token)
    made.add("two").write(tmp_path / "keys.json")
    refused(logins, token, "does not publish")


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        (None, set()),
        ([], set()),
        ("analyst", {"role:analyst"}),
        ("two words", {"role:two words"}),
        (["a", "", "role:b", "domain:claims", "*", "role:*"],
         {"role:a", "role:b", "role:domain:claims", "role:*"}),
    ],
)  # fmt: skip
def test_each_value_x_of_the_roles_claim_is_the_role_x(
    issuer: Issuer, logins: JwtLogins, said: Any, roles: set[str]
) -> None:
    assert logins.principal(issuer.token(roles=said)).roles == roles


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["x"]}}),
        ("a.b.c", {"a": {"b": {"c": "x"}}}),
        ("https://acme.example/roles", {"https://acme.example/roles": ["x"]}),
        ("a.b", {"a.b": "x", "a": {"b": "not this one"}}),
    ],
)
def test_a_dotted_name_is_a_claim_of_that_name_or_a_path(
    issuer: Issuer, tmp_path: Path, name: str, said: dict[str, Any]
) -> None:
    issuer.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json", roles_claim=name), tmp_path)
    assert logins.principal(issuer.token(roles=None, **said)).roles == {"role:x"}
    assert logins.principal(issuer.token(a="text", realm_access=7)).roles == set()


def test_an_attribute_whose_claim_is_missing_or_null_is_absent(issuer: Issuer, logins: JwtLogins) -> None:
    assert logins.principal(issuer.token()).attributes == {}
    token = jwt.encode(claims() | {"region": None}, issuer.keys["one"], "ES256", {"kid": "one"})
    assert logins.principal(token).attributes == {}


def test_clocks_may_differ_a_little(issuer: Issuer, logins: JwtLogins) -> None:
    now = time.time()
    assert logins.principal(issuer.token(nbf=now + 5, iat=now + 5))
    assert logins.principal(issuer.token(exp=now - 3))


def test_a_token_of_ours_has_not_the_form_of_a_jwt(issuer: Issuer) -> None:
    assert is_jwt(issuer.token())
    assert not is_jwt("eyJwYXlsb2FkIjp7fX0.c2lnbmF0dXJl")


# ── attacks on the signature ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
def test_alg_none_is_refused(logins: JwtLogins, name: str) -> None:
    refused(logins, by_hand({"alg": name, "kid": "one"}, claims()), "not signed with an algorithm")


def test_alg_none_with_the_signature_of_another_token_is_refused(issuer: Issuer, logins: JwtLogins) -> None:
    signature = issuer.token().rpartition(".")[2]
    refused(logins, by_hand({"alg": "none", "kid": "one"}, claims()) + signature)


@pytest.mark.parametrize("header", [{}, {"alg": None}, {"alg": 256}, {"alg": ["ES256"]}, {"alg": {"a": 1}}])
def test_a_header_without_an_algorithm_is_refused(logins: JwtLogins, header: dict[str, Any]) -> None:
    refused(logins, by_hand(header | {"kid": "one"}, claims()))


def test_hmac_with_the_public_key_as_the_secret_is_refused(issuer: Issuer, logins: JwtLogins) -> None:
    for kid in ("one", "rsa"):
        jwk = next(key for key in issuer.published if key["kid"] == kid)
        secrets = [pem(issuer.keys[kid]), pem(issuer.keys[kid]).strip(), json.dumps(jwk).encode(), b""]
        secrets += [str(jwk.get("x", jwk.get("n"))).encode()]
        for secret in secrets:
            refused(
                logins, by_hand({"alg": "HS256", "kid": kid, "typ": "JWT"}, claims(), secret), "algorithm"
            )


def test_a_shared_key_in_the_set_verifies_nothing(issuer: Issuer, tmp_path: Path) -> None:
    published = [*issuer.published, {"kty": "oct", "kid": "shared", "k": encoded(b"s" * 32), "alg": "HS256"}]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": published}))
    logins = JwtLogins(settings("keys.json"), tmp_path)
    refused(logins, by_hand({"alg": "HS256", "kid": "shared"}, claims(), b"s" * 32), "algorithm")


@pytest.mark.parametrize("algorithm", ["ES256K", "HS384", "RS1", "ES521", "A128KW", "RSA-OAEP", "dir"])
def test_an_algorithm_that_is_not_on_the_list_is_refused(logins: JwtLogins, algorithm: str) -> None:
    refused(logins, by_hand({"alg": algorithm, "kid": "one"}, claims(), b"x" * 32), "algorithm")


def test_a_key_of_another_kind_than_the_algorithm_is_refused(issuer: Issuer, logins: JwtLogins) -> None:
    other = MAKERS["RS256"]()
    refused(logins, jwt.encode(claims(), other, "RS256", {"kid": "one"}), "does not publish")
    refused(logins, jwt.encode(claims(), MAKERS["ES256"](), "ES256", {"kid": "rsa"}), "does not publish")
    refused(logins, jwt.encode(claims(), MAKERS["ES384"](), "ES384", {"kid": "one"}), "does not publish")


def test_a_key_that_is_there_for_one_algorithm_verifies_no_other(tmp_path: Path) -> None:
    made = Issuer().add("rsa", "RS256")
    made.published[0]["alg"] = "PS256"
    made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    assert logins.principal(made.token("rsa", "PS256"))
    refused(logins, made.token("rsa", "RS256"), "does not publish")


def test_the_key_of_a_stranger_under_a_known_id_is_refused(logins: JwtLogins) -> None:
    refused(logins, jwt.encode(claims(), MAKERS["ES256"](), "ES256", {"kid": "one"}), "signature is wrong")


def test_an_unknown_key_is_refused(issuer: Issuer, logins: JwtLogins) -> None:
    stranger = Issuer().add("two")
    refused(logins, stranger.token("two"), "does not publish")
    for kid in ("", "../one", "one\0", "o'ne' OR 1=1"):
        refused(logins, jwt.encode(claims(), stranger.keys["two"], "ES256", {"kid": kid}), "does not publish")


def test_keys_that_the_token_brings_along_are_never_used(issuer: Issuer, logins: JwtLogins) -> None:
    thief = Issuer().add("one")
    with thief.serving() as url:
        for header in (
            {"jwk": thief.published[0]},
            {"jku": url},
            {"x5u": url},
            {"x5c": ["MIIB"], "x5t": "abc"},
            {"jku": url, "kid": "two"},
            {"jwk": thief.published[0], "kid": "two"},
        ):
            refused(logins, thief.token(headers=header))
        refused(logins, thief.token("one", headers={"kid": url}))
    assert thief.asked == 0


@pytest.mark.parametrize("crit", [["b64"], ["exp"], [], "x", None, ["made-up"]])
def test_extensions_that_are_a_must_are_refused(issuer: Issuer, logins: JwtLogins, crit: Any) -> None:
    header = {"alg": "ES256", "kid": "one", "crit": crit, "made-up": 1, "b64": True}
    body = f"{encoded(header)}.{encoded(claims())}"
    refused(logins, f"{body}.{signed(issuer, body)}")


def test_an_unencoded_payload_is_refused(issuer: Issuer, logins: JwtLogins) -> None:
    header = {"alg": "ES256", "kid": "one", "crit": ["b64"], "b64": False}
    said = json.dumps(claims())
    refused(logins, f"{encoded(header)}..{signed(issuer, f'{encoded(header)}.{said}')}")


def signed(issuer: Issuer, body: str) -> str:
    made = jwt.get_algorithm_by_name("ES256").sign(body.encode(), issuer.keys["one"])
    return encoded(made)


def test_no_part_of_a_token_can_be_exchanged(issuer: Issuer, logins: JwtLogins) -> None:
    header, body, signature = issuer.token().split(".")
    assert logins.principal(f"{header}.{body}.{signed(issuer, f'{header}.{body}')}")
    refused(logins, f"{header}.{encoded(claims(sub='root'))}.{signature}", "signature is wrong")
    refused(logins, f"{encoded({'alg': 'ES256', 'kid': 'one', 'x': 1})}.{body}.{signature}")
    for broken in ("", signature[:-4], signature + "AAAA", encoded(b"\0" * 64), encoded(b"\xff" * 64)):
        refused(logins, f"{header}.{body}.{broken}")


def test_a_private_key_in_the_set_is_not_used_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Issuer().add("one").add("two")
    made.published[0] = private_jwk(made.keys["one"], kid="one")
    made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    refused(logins, made.token("one"), "does not publish")
    assert "holds a private key" in caplog.text
    assert logins.principal(made.token("two"))


@pytest.mark.parametrize(
    "change", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"kty": "oct"}, {"crv": "P-384"}]
)
def test_a_key_for_something_else_is_not_used(tmp_path: Path, change: dict[str, Any]) -> None:
    made = Issuer().add("one").add("other")
    made.published[0] |= change
    made.write(tmp_path / "keys.json")
    refused(JwtLogins(settings("keys.json"), tmp_path), made.token(), "does not publish")


def test_a_weak_rsa_key_is_not_used(tmp_path: Path) -> None:
    made = Issuer().add("one")
    weak = rsa_key(1024)
    made.published.append(public_jwk(weak, kid="weak"))
    made.write(tmp_path / "keys.json")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims(), weak, "RS256", {"kid": "weak"})
    refused(JwtLogins(settings("keys.json"), tmp_path), token, "does not publish")


def test_two_keys_of_one_id_verify_nothing(tmp_path: Path) -> None:
    made = Issuer().add("one")
    made.published.append(public_jwk(MAKERS["ES256"](), kid="one"))
    made.write(tmp_path / "keys.json")
    refused(JwtLogins(settings("keys.json"), tmp_path), made.token(), "does not publish")


@pytest.mark.parametrize(
    "token",
    [
        "..", "a.b.c", "....", "ü.ü.ü", "\ud800.x.y", "=.=.=", "\0.\0.\0", " . . ",
        f"{encoded(b'[' * 6000)}.{encoded(b'{}')}.AAAA",
        f"{encoded(b'[]')}.{encoded(b'{}')}.AAAA",
        f"{encoded(b'7')}.{encoded(b'{}')}.AAAA",
        f"{encoded(b'null')}..",
        f"{encoded({'alg': 'ES256', 'kid': ['one']})}.{encoded(b'{}')}.AAAA",
        f"{encoded({'alg': 'ES256', 'kid': 7})}.{encoded(b'{}')}.AAAA",
        f"{encoded({'alg': 'ES256', 'typ': 7})}.{encoded(b'{}')}.AAAA",
        f"{encoded({'alg': 'ES256', 'typ': ['JWT']})}.{encoded(b'{}')}.AAAA",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(logins: JwtLogins, token: str) -> None:
    refused(logins, token)


@pytest.mark.parametrize("body", [b"[" * 5000, b"[]", b"7", b"null", b"", b"\xff\xfe", b'{"a":'])
def test_a_signed_body_that_is_no_set_of_claims_is_refused(
    issuer: Issuer, logins: JwtLogins, body: bytes
) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{encoded(body)}"
    refused(logins, f"{text}.{signed(issuer, text)}")


# ── attacks with the issuer's own tokens ─────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", " ", "jwt2"])
def test_a_token_of_another_type_is_no_login(issuer: Issuer, logins: JwtLogins, kind: str) -> None:
    refused(logins, issuer.token(headers={"typ": kind}), "another type")


@pytest.mark.parametrize("missing", ["sub", "exp", "iss", "aud"])
def test_a_token_without_a_claim_that_must_be_is_refused(
    issuer: Issuer, logins: JwtLogins, missing: str
) -> None:
    refused(logins, issuer.token(**{missing: None}), f"no claim '{missing}'")


@pytest.mark.parametrize("value", [ISSUER[:-1], ISSUER.upper(), ISSUER + "x", "", [ISSUER], 7, {ISSUER: 1}])
def test_another_issuer_is_refused_to_the_letter(issuer: Issuer, logins: JwtLogins, value: Any) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{encoded(claims(iss=value))}"
    refused(logins, f"{text}.{signed(issuer, text)}")


@pytest.mark.parametrize(
    "value", ["other", AUDIENCE.upper(), AUDIENCE + "x", AUDIENCE[:-1], "", [], ["x"], {AUDIENCE: 1}, [[AUDIENCE]]]
)  # fmt: skip
def test_a_token_for_another_audience_is_refused(issuer: Issuer, logins: JwtLogins, value: Any) -> None:
    refused(logins, issuer.token(aud=value))


@pytest.mark.parametrize("ago", [11, 3600, 10**9])
def test_an_expired_token_is_refused(issuer: Issuer, logins: JwtLogins, ago: int) -> None:
    refused(logins, issuer.token(exp=int(time.time()) - ago), "has expired")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_tomorrow_is_refused(issuer: Issuer, logins: JwtLogins, claim: str) -> None:
    refused(logins, issuer.token(**{claim: int(time.time()) + 60}), "not valid yet")


@pytest.mark.parametrize("value", ["never", [1], {"a": 1}, True, float("inf"), float("nan"), -1, "1e9", ""])
def test_an_end_that_is_no_time_is_refused(issuer: Issuer, logins: JwtLogins, value: Any) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{encoded(claims(exp=value))}"
    refused(logins, f"{text}.{signed(issuer, text)}")


@pytest.mark.parametrize(
    "subject",
    ["", " ", "role:admin", "domain:claims", "federation:", "*", "a*", "a,b", " kim", "kim ", "ki\nm", "ki\0m",
     "ki\u200bm", "ki\u202em", "\u212aim", "ki\u00a0m", "kim\u3000", "\uff4bim", "x" * 256],
)  # fmt: skip
def test_a_subject_that_could_pass_for_something_else_is_refused(
    issuer: Issuer, logins: JwtLogins, subject: str
) -> None:
    refused(logins, issuer.token(sub=subject), "subject")


@pytest.mark.parametrize("subject", [7, True, ["kim"], {"a": "kim"}])
def test_a_subject_that_is_no_text_is_refused(issuer: Issuer, logins: JwtLogins, subject: Any) -> None:
    text = f"{encoded({'alg': 'ES256', 'kid': 'one'})}.{encoded(claims(sub=subject))}"
    refused(logins, f"{text}.{signed(issuer, text)}")


@pytest.mark.parametrize(
    "roles", [7, 0, True, False, {}, {"analyst": True}, [["analyst"]], ["a", 7], ["a", None]]
)
def test_roles_that_are_no_texts_refuse_the_login_and_are_not_dropped(
    issuer: Issuer, logins: JwtLogins, roles: Any
) -> None:
    refused(logins, issuer.token(roles=roles), "'roles' is neither")


@pytest.mark.parametrize("value", [{}, {"a": 1}, [[1]], [{"a": 1}], [None], float("inf"), float("nan")])
def test_an_attribute_that_is_no_plain_value_refuses_the_login(
    issuer: Issuer, logins: JwtLogins, value: Any
) -> None:
    refused(logins, issuer.token(region=value), "'region' is no text")


def test_no_refusal_repeats_what_the_token_holds(issuer: Issuer, logins: JwtLogins) -> None:
    secret = "hunter2secret"
    for token in (
        issuer.token(sub=f"{secret}:x"),
        issuer.token(iss=secret),
        issuer.token(aud=secret),
        issuer.token(roles={secret: 1}),
        issuer.token(region={secret: 1}),
        issuer.token(headers={"typ": secret}),
        by_hand({"alg": secret, "kid": secret}, claims()),
        jwt.encode(claims(), issuer.keys["one"], "ES256", {"kid": secret}),
    ):
        told = refused(logins, token)
        assert secret not in str(told)
        assert told.__cause__ is None


# ── a file of keys ───────────────────────────────────────────────────────────────────────────


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    made = Issuer().add("one")
    made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    old = made.token()
    assert logins.principal(old)
    made.add("two").withdraw("one")
    made.write(tmp_path / "keys.json")
    assert logins.principal(made.token("two"))
    refused(logins, old, "does not publish")


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '{"keys": {}}', "[" * 100_000, None])
def test_a_file_that_breaks_or_goes_leaves_the_last_good_keys(tmp_path: Path, broken: str | None) -> None:
    made = Issuer().add("one")
    file = made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    assert logins.principal(made.token())
    file.unlink() if broken is None else file.write_text(broken)
    assert logins.principal(made.token())
    made.add("two").write(file)
    assert logins.principal(made.token("two"))


def test_a_file_that_publishes_no_key_any_more_ends_every_login(tmp_path: Path) -> None:
    made = Issuer().add("one")
    made.write(tmp_path / "keys.json")
    logins = JwtLogins(settings("keys.json"), tmp_path)
    assert logins.principal(made.token())
    (tmp_path / "keys.json").write_text('{"keys": []}')
    refused(logins, made.token(), "cannot be read")


@pytest.mark.parametrize(
    "content", [None, "", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}, 7]}']
)
def test_a_file_without_a_key_does_not_load(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "keys.json").write_text(content)
    with pytest.raises(InvalidConfig, match=r"auth\.jwt\.jwks"):
        JwtLogins(settings("keys.json"), tmp_path).require_keys()
