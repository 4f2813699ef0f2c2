"""How a request to an HTTP source says who we are."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from connectors.http.settings import AuthSettings, OAuth2
from fabric.errors import Cancelled, SourceError, SourceLoginRefused
from fabric.spi import ScanContext

_EARLY = 30.0

PostForm = Callable[[str, Mapping[str, str], bytes, ScanContext], tuple[int, bytes]]
"""Sends a form: address, headers, body → status, body."""


class Credentials:
    """The headers that log in; a token of OAuth 2.0 is fetched when needed, by one thread for all.

    Args:
        source: the source's name, for errors.
        settings: its ``auth``, or None.
        post: sends the request for a token.
    """

    def __init__(self, source: str, settings: AuthSettings | None, post: PostForm) -> None:
        self._source = source
        self._fixed = _fixed_headers(settings)
        self._oauth2 = settings.oauth2 if settings is not None else None
        self._post = post
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def headers(self, context: ScanContext) -> dict[str, str]:
        """The headers of a request that is sent now.

        Raises:
            SourceLoginRefused: the token's server refuses us.
            SourceError: it does not answer.
        """
        if self._oauth2 is None:
            return dict(self._fixed)
        while not self._lock.acquire(timeout=0.1):
            if context.cancelled:
                raise Cancelled("the query was cancelled")
        try:
            if not self._token or time.monotonic() >= self._until:
                self._fetch(self._oauth2, context)
            return {"authorization": f"Bearer {self._token}"}
        finally:
            self._lock.release()

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After a 401: forget the token that was refused; true when another may be had."""
        if self._oauth2 is None:
            return False
        with self._lock:
            if refused.get("authorization") == f"Bearer {self._token}":
                self._token = ""
        return True

    def _fetch(self, settings: OAuth2, context: ScanContext) -> None:
        pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret.get_secret_value(), safe='')}"
        headers = {
            "authorization": f"Basic {_encoded(pair)}",
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }
        form = {"grant_type": "client_credentials"} | ({"scope": settings.scope} if settings.scope else {})
        status, body = self._post(settings.token_url, headers, urlencode(form).encode(), context)
        if status in (400, 401, 403):
            raise SourceLoginRefused(
                self._source,
                "its token server refuses the client",
                hint="check auth.oauth2: client_id, client_secret and scope",
            )
        token, seconds = _read_token(body) if status == 200 else ("", 0.0)
        if not token:
            raise SourceError(
                self._source,
                f"its token server answered status {status} and no token",
                hint="check auth.oauth2.token_url",
                retryable=status >= 500,
            )
        self._token, self._until = token, time.monotonic() + max(seconds - _EARLY, seconds / 2)


def _read_token(body: bytes) -> tuple[str, float]:
    try:
        answer = json.loads(body)
        token, seconds = answer["access_token"], float(answer.get("expires_in") or 300)
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", 0.0
    usable = isinstance(token, str) and token.isascii() and token.isprintable()
    return (token if usable else ""), seconds


def _fixed_headers(settings: AuthSettings | None) -> dict[str, str]:
    if settings is None:
        return {}
    if settings.bearer is not None:
        return {"authorization": f"Bearer {settings.bearer.get_secret_value()}"}
    if settings.basic is not None:
        pair = f"{settings.basic.user}:{settings.basic.password.get_secret_value()}"
        return {"authorization": f"Basic {_encoded(pair)}"}
    return {name.lower(): value.get_secret_value() for name, value in (settings.header or {}).items()}


def _encoded(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()
