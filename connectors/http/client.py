"""Requests to one HTTP source: credentials, rate, retries, redirects, and what each failure means."""

from __future__ import annotations

import random
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Literal

import httpx2

from connectors.http.auth import Credentials
from connectors.http.lanes import Lanes, RateLimit
from connectors.http.settings import HttpSettings
from fabric.errors import (
    BadData,
    IdentityRefused,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Throttled,
    Unreachable,
)
from fabric.spi import ScanContext

RETRIES = 3
FIRST_PAUSE = 0.2
"""Seconds, give or take a half; each further pause is twice as long."""
LONGEST_PAUSE = 30.0
"""Seconds; a source that asks for a longer pause is reported as throttled at once."""

_REDIRECTS = 5
_BUSY = (429, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Request:
    """What to get.

    Args:
        url: on the source's own origin.
        headers: beyond credentials and the source's own.
        accept: statuses that are answers, beside 200.
        into: a file that takes the body of a 200 in place of ``Answer.body``.
        body: which answers' bodies are read: all, those of ranges (206), or none.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: frozenset[int] = frozenset()
    into: IO[bytes] | None = None
    body: Literal["all", "range", "none"] = "all"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: ``received`` are the body's bytes as sent, ``requests`` counts retries and redirects."""

    status: int
    headers: httpx2.Headers
    body: bytes
    url: str
    received: int
    requests: int

    @property
    def next_link(self) -> str | None:
        """The target of the Link header's ``rel="next"``, as it was sent."""
        links = httpx2.Response(200, headers={"link": self.headers.get("link", "")}).links
        return links.get("next", {}).get("url")


class HttpClient:
    """One HTTP source; thread-safe.

    Args:
        name: the source's name in fabric.yaml.
        settings: its keys.
        directory: the project directory.
    """

    def __init__(self, name: str, settings: HttpSettings, directory: Path) -> None:
        self._name = name
        self._root = settings.uri
        self._origin = _origin(settings.uri)
        self._lanes = Lanes(name, settings, directory)
        self._rate = RateLimit(settings.rate_limit)
        self._headers = {key.lower(): value.get_secret_value() for key, value in settings.headers.items()}
        self._credentials = Credentials(name, settings.auth, self._post)

    def url(self, path: str) -> str:
        """The address of an encoded path under the source's uri."""
        return f"{self._root}/{path.lstrip('/')}"

    def follow(self, answer_url: str, link: str) -> str:
        """The address of a link in an answer.

        Raises:
            SourceError: it leads to another origin, where our credentials must not go.
        """
        try:
            url = str(httpx2.URL(answer_url).join(link))
            same = _origin(url) == self._origin
        except (ValueError, httpx2.InvalidURL):
            same = False
        if not same:
            raise SourceError(
                self._name,
                "an answer leads to another origin (scheme, host or port), which is not followed",
                hint="make a source of that address, or correct uri (http or https?)",
            )
        return url

    def close(self) -> None:
        """Close every connection."""
        self._lanes.close()

    def get(self, request: Request, context: ScanContext) -> Answer:
        """The answer to a GET, after the retries and redirects that it takes.

        Raises:
            Cancelled: the query was cancelled.
            SourceError: any failure, and any status that the request does not accept.
        """
        url, sent, tries, moves, renewed = request.url, 0, 0, 0, False
        while True:
            headers = {**self._headers, **self._credentials.headers(context), **request.headers}
            self._rate.wait(context)
            sent += 1
            try:
                answer = self._once(url, headers, request, context, sent)
            except httpx2.HTTPError as error:
                if not _again(error) or tries == RETRIES:
                    raise self._failed(error) from None
                self._pause(None, tries, context)
                tries += 1
                continue
            if answer.status == 401 and not renewed and self._credentials.renew(headers):
                renewed = True
            elif answer.status in _BUSY and tries < RETRIES:
                self._pause(answer, tries, context)
                tries += 1
            elif answer.status in _MOVED and "location" in answer.headers:
                moves += 1
                url = self._moved(answer, moves)
            elif answer.status == 200 or answer.status in request.accept:
                return answer
            else:
                raise self._refused(answer.status)

    def _once(
        self, url: str, headers: Mapping[str, str], request: Request, context: ScanContext, sent: int
    ) -> Answer:
        body, received = b"", 0
        with self._lanes.lane(context) as lane:
            message = httpx2.Request("GET", url, headers={"user-agent": "ripstop", **headers})
            with lane.send(message, context) as response:
                if request.into is not None and response.status_code == 200:
                    request.into.seek(0)
                    request.into.truncate()
                    for part in response.iter_bytes():
                        request.into.write(part)
                elif request.body == "all" or (request.body == "range" and response.status_code == 206):
                    body = response.read()
                received = response.num_bytes_downloaded
        return Answer(response.status_code, response.headers, body, url, received, sent)

    def _post(
        self, url: str, headers: Mapping[str, str], form: bytes, context: ScanContext
    ) -> tuple[int, bytes]:
        message = httpx2.Request("POST", url, headers={"user-agent": "ripstop", **headers}, content=form)
        try:
            with self._lanes.lane(context) as lane, lane.send(message, context) as response:
                return response.status_code, response.read()
        except httpx2.HTTPError as error:
            raise self._failed(error) from None

    def _pause(self, answer: Answer | None, tries: int, context: ScanContext) -> None:
        asked = None if answer is None else _retry_after(answer.headers.get("retry-after"))
        if asked is not None and asked > LONGEST_PAUSE:
            raise Throttled(
                self._name,
                f"it asks for a pause of {asked:.0f} s",
                hint="wait, or lower rate_limit and limits.connections",
            )
        jitter = FIRST_PAUSE * 2**tries * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        context.wait(jitter if asked is None else asked + random.uniform(0, FIRST_PAUSE))  # noqa: S311

    def _moved(self, answer: Answer, moves: int) -> str:
        if moves > _REDIRECTS:
            raise SourceError(self._name, "it redirects in circles", hint="check uri and the table's path")
        return self.follow(answer.url, answer.headers["location"])

    def _refused(self, status: int) -> SourceError:
        if status in (401, 403):
            return SourceLoginRefused(
                self._name, f"it refused our credentials (status {status})", hint="check auth in fabric.yaml"
            )
        if status == 404:
            return BadData(self._name, "it knows no such path (status 404)", hint="check uri and path")
        if status == 429:
            return Throttled(
                self._name,
                "it still asked for fewer requests after the retries (status 429)",
                hint="lower rate_limit or limits.connections",
            )
        if status in _BUSY:
            return Unreachable(
                self._name,
                f"it was not available after the retries (status {status})",
                hint="try again later",
            )
        if status >= 500:
            return SourceError(
                self._name,
                f"it failed (status {status})",
                hint="ask the source's owner; its log knows more",
                retryable=True,
            )
        return BadData(
            self._name,
            f"it refused the request (status {status})",
            hint="EXPLAIN shows the request; check path, params and pagination",
        )

    def _failed(self, error: httpx2.HTTPError) -> SourceError:
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return IdentityRefused(
                self._name,
                "its certificate is not one that we trust, or TLS failed",
                hint="give its authority's certificate as ca_file, and check the host in uri",
            )
        if isinstance(error, httpx2.TimeoutException):
            return SourceTimeout(
                self._name, "it did not answer in time", hint="raise timeout or connect_timeout, or try again"
            )
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            return Unreachable(self._name, "its name does not resolve", hint="check the host in uri")
        if isinstance(error, httpx2.ConnectError):
            return Unreachable(self._name, "nothing listens there", hint="check host and port in uri")
        if isinstance(error, httpx2.LocalProtocolError):
            return SourceError(self._name, "a header cannot be sent", hint="check auth and headers")
        return Unreachable(self._name, "the connection broke, again after retries", hint="try again")


def _origin(url: str) -> tuple[str, str, int]:
    # The parser that connects must be the one that compares.
    parts = httpx2.URL(url)
    return parts.scheme, parts.host.lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)


def _again(error: httpx2.HTTPError) -> bool:
    broken = (
        httpx2.ConnectError
        | httpx2.ReadError
        | httpx2.WriteError
        | httpx2.RemoteProtocolError
        | httpx2.DecodingError
    )
    return isinstance(error, broken) and not any(isinstance(cause, ssl.SSLError) for cause in _causes(error))


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _retry_after(text: str | None) -> float | None:
    """Seconds, from the header's number or date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time())
