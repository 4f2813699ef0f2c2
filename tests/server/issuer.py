"""Another issuer of tokens: real keys, its JWKS as a file or over real HTTP on loopback, and its forgers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from fabric.config_model import JwtSettings

ISSUER = "https://login.acme.example/"
AUDIENCE = "ripstop"


def rsa_key(bits: int = 2048) -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


MAKERS: dict[str, Any] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "RS256": rsa_key,
}


def public_jwk(private: Any, **more: Any) -> dict[str, Any]:
    public = private.public_key()
    kind: Any = OKPAlgorithm
    if isinstance(public, rsa.RSAPublicKey):
        kind = RSAAlgorithm
    elif isinstance(public, ec.EllipticCurvePublicKey):
        kind = ECAlgorithm
    return kind.to_jwk(public, as_dict=True) | more


def private_jwk(private: ec.EllipticCurvePrivateKey, **more: Any) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(private, as_dict=True) | more


def pem(private: Any) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims; a change to None leaves one out."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "kim", "iat": now, "exp": now + 600, "roles": ["analyst"]}
    return {name: value for name, value in (said | changed).items() if value is not None}


def encoded(part: bytes | Mapping[str, Any]) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: Mapping[str, Any], said: Mapping[str, Any], secret: bytes | None = None) -> str:
    """A token as no honest library makes it: unsigned, or with HMAC-SHA256."""
    body = f"{encoded(header)}.{encoded(said)}"
    return (
        f"{body}.{encoded(hmac.digest(secret, body.encode(), hashlib.sha256)) if secret is not None else ''}"
    )


class Issuer:
    """One issuer with its keys by id; ``published`` is its JWKS."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.published: list[dict[str, Any]] = []
        self.asked = 0
        self.answer: tuple[int, bytes] | None = None
        self.location = ""

    def add(self, kid: str, algorithm: str = "ES256") -> Issuer:
        self.keys[kid] = MAKERS[algorithm]()
        self.published.append(public_jwk(self.keys[kid], kid=kid, use="sig"))
        return self

    def withdraw(self, kid: str) -> None:
        self.published = [key for key in self.published if key["kid"] != kid]

    def token(
        self,
        kid: str = "one",
        algorithm: str = "ES256",
        headers: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        given = {"kid": kid} | dict(headers or {})
        return jwt.encode(claims(**changed), self.keys[kid], algorithm, headers=given)

    def write(self, file: Path) -> Path:
        file.write_text(json.dumps({"keys": self.published}))
        return file

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve the JWKS; the URL."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                status, body = issuer.answer or (200, json.dumps({"keys": issuer.published}).encode())
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if issuer.location:
                    self.send_header("location", issuer.location)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def settings(jwks: str | Path, **changed: Any) -> JwtSettings:
    return JwtSettings(**({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(jwks)} | changed))
