import base64
import json

import pytest

from fabric.errors import LoginRefused
from server.keys import Signer

KEY = b"0123456789abcdef0123456789abcdef"


def test_what_was_signed_is_verified_by_every_replica_with_the_key() -> None:
    payload = {"user": "ana", "options": {"schema": "claims"}, "text": "SELECT 'ü'"}
    assert Signer(KEY).verify("ticket", Signer(KEY).sign("ticket", payload, 60)) == payload


def test_a_token_is_good_for_its_purpose_only() -> None:
    token = Signer(KEY).sign("ticket", {"user": "ana"}, 60)
    with pytest.raises(LoginRefused):
        Signer(KEY).verify("login", token)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(LoginRefused):
        Signer(b"another key another key another!").verify("login", Signer(KEY).sign("login", {}, 60))


def test_a_token_expires() -> None:
    now = [1000.0]
    signer = Signer(KEY, lambda: now[0])
    token = signer.sign("login", {"user": "ana"}, 60)
    now[0] = 1059.9
    assert signer.verify("login", token)
    now[0] = 1060.0
    with pytest.raises(LoginRefused, match="expired"):
        signer.verify("login", token)


def test_no_change_of_a_single_character_is_let_through() -> None:
    signer = Signer(KEY)
    token = signer.sign("login", {"user": "ana"}, 60)
    for index, char in enumerate(token):
        changed = token[:index] + ("A" if char != "A" else "B") + token[index + 1 :]
        with pytest.raises(LoginRefused):
            signer.verify("login", changed)


@pytest.mark.parametrize("token", ["", ".", "a", "a.b", "a.b.c", "ü.ü", "\ud800.x", "=.=", "a." + "A" * 43])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(LoginRefused):
        Signer(KEY).verify("login", token)


def test_another_payload_under_an_old_signature_is_refused() -> None:
    body, _, mac = Signer(KEY).sign("login", {"user": "ana"}, 60).partition(".")
    content = json.loads(base64.urlsafe_b64decode(body + "==="))
    content["payload"]["user"] = "bo"
    forged = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    with pytest.raises(LoginRefused):
        Signer(KEY).verify("login", f"{forged}.{mac}")


def test_padding_or_trailing_bits_make_no_second_spelling_of_a_token() -> None:
    signer = Signer(KEY)
    token = signer.sign("login", {}, 60)
    for other in (token + "=", token + "\n", " " + token, token[:-1] + chr(ord(token[-1]) + 1)):
        with pytest.raises(LoginRefused):
            signer.verify("login", other)


def test_a_digest_is_no_signature() -> None:
    signer = Signer(KEY)
    body = signer.sign("login", {}, 60).partition(".")[0]
    assert signer.digest("login", body) == Signer(KEY).digest("login", body)
    assert signer.digest("login", body) != signer.digest("other", body)
    assert not signer._mac("login", body).hex().startswith(signer.digest("login", body))
