"""A small real HTTP server on loopback: rows as paginated REST endpoints, and files with ranges.

It stands in for a partner's API in the demo and in tests; it is honest HTTP/1.1, and no more.
"""

from __future__ import annotations

import hmac
import json
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Style = Literal["cursor", "page", "offset", "link", "none"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Filter:
    """A parameter that keeps the rows whose ``column`` stands in ``op`` to its value (``in``: repeated)."""

    column: str
    op: Literal["=", "in", "<", "<=", ">", ">="] = "="


@dataclass(frozen=True)
class Endpoint:
    """A table under a path: its rows, how they are paged (``size`` rows a page), and its parameters.

    The answer is ``{"items": […], "total": n}``, with ``next`` for cursors and a Link header for links.
    """

    rows: Sequence[Row]
    style: Style = "cursor"
    size: int = 100
    filters: Mapping[str, Filter] = field(default_factory=dict)

    @cached_property
    def index(self) -> dict[str, dict[str, list[Row]]]:
        """The rows by the text of each column that is filtered by equality."""
        made: dict[str, dict[str, list[Row]]] = {}
        for column in {f.column for f in self.filters.values() if f.op in ("=", "in")}:
            made[column] = {}
            for row in self.rows:
                made[column].setdefault(_text(row[column]), []).append(row)
        return made

    def select(self, query: Sequence[tuple[str, str]]) -> Sequence[Row]:
        """The rows that every filter in the query keeps."""
        rows = self.rows
        for name, wanted in _grouped(query).items():
            found = self.filters.get(name)
            if found is None:
                continue
            if found.op in ("=", "in"):
                values = [part for text in wanted for part in text.split(",")]
                keys = self.index[found.column]
                kept = [row for value in dict.fromkeys(values) for row in keys.get(value, [])]
                known = {id(row) for row in rows} if rows is not self.rows else None
                rows = kept if known is None else [row for row in kept if id(row) in known]
            else:
                rows = [row for row in rows if _holds(row[found.column], found.op, wanted[-1])]
        return rows


class EmbeddedHttp:
    """The server: runs in a thread from ``start`` (or ``with``) to ``close``, on 127.0.0.1.

    Args:
        token: the bearer token that every request must carry; empty asks for none.
        files: a folder that is served under ``/files/``.
        port: a port; 0 takes a free one.
        delay: seconds that every answer takes.
        ranges: whether files answer Range requests.
    """

    def __init__(
        self,
        token: str = "",
        files: Path | None = None,
        *,
        port: int = 0,
        delay: float = 0.0,
        ranges: bool = True,
    ) -> None:
        self.token = token
        self.files = files
        self.delay = delay
        self.ranges = ranges
        self.endpoints: dict[str, Endpoint] = {}
        self.seen: list[str] = []
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def uri(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def table(
        self,
        path: str,
        rows: Sequence[Row],
        style: Style = "cursor",
        *,
        size: int = 100,
        filters: Mapping[str, Filter] | None = None,
    ) -> None:
        """Serve rows under a path; values are what JSON holds, or dates, times and decimals."""
        self.endpoints[path] = Endpoint(rows, style, size, dict(filters or {}))

    def start(self) -> Self:
        """Listen."""
        self._server.server_activate()
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening and end the thread."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], embedded: EmbeddedHttp) -> None:
        super().__init__(address, _Handler, bind_and_activate=False)
        self.embedded = embedded
        self.server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without buffering, headers and body leave as two packets, and the second waits for an ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    @property
    def _embedded(self) -> EmbeddedHttp:
        assert isinstance(self.server, _Server)  # noqa: S101 - made by it
        return self.server.embedded

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the demo's terminal belongs to the user."""

    def do_GET(self) -> None:
        """A page of rows, or a file."""
        embedded = self._embedded
        embedded.seen.append(self.path)
        if embedded.delay:
            time.sleep(embedded.delay)
        sent = self.headers.get("authorization", "")
        if embedded.token and not hmac.compare_digest(sent.encode(), f"Bearer {embedded.token}".encode()):
            self._send(401, b'{"error": "unauthorized"}', {"WWW-Authenticate": "Bearer"})
            return
        parts = urlsplit(self.path)
        endpoint = embedded.endpoints.get(parts.path)
        if endpoint is not None:
            self._page(endpoint, parts.path, parse_qsl(parts.query, keep_blank_values=True))
        elif embedded.files is not None and parts.path.startswith("/files/"):
            self._file(embedded.files, unquote(parts.path.removeprefix("/files/")))
        else:
            self._send(404, b'{"error": "not found"}')

    do_HEAD = do_GET

    def _page(self, endpoint: Endpoint, path: str, query: list[tuple[str, str]]) -> None:
        rows = endpoint.select(query)
        options = dict(query)
        asked = options.get("size") or options.get("limit") or endpoint.size
        size = min(int(asked), endpoint.size)
        if endpoint.style == "none":
            size = max(len(rows), 1)
        if endpoint.style == "page":
            start = (int(options.get("page", "1")) - 1) * size
        else:
            start = int(options.get("cursor") or options.get("offset", "0"))
        end = start + size
        body: dict[str, Any] = {"items": list(rows[start:end])}
        headers = {"Content-Type": "application/json"}
        if endpoint.style in ("page", "offset"):
            body["total"] = len(rows)
        elif endpoint.style == "cursor":
            body["next"] = str(end) if end < len(rows) else None
        elif endpoint.style == "link" and end < len(rows):
            more = [(name, value) for name, value in query if name != "cursor"] + [("cursor", str(end))]
            headers["Link"] = f'<{path}?{urlencode(more)}>; rel="next"'
        self._send(200, json.dumps(body, default=_text).encode(), headers)

    def _file(self, folder: Path, name: str) -> None:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            self._send(404, b"")
            return
        body = path.read_bytes()
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        modified = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
        headers = {"ETag": etag, "Last-Modified": format_datetime(modified, usegmt=True)}
        if self.headers.get("if-match", etag) not in (etag, "*"):
            self._send(412, b"", headers)
        elif self.headers.get("if-none-match") == etag:
            self._send(304, b"", headers)
        elif self._embedded.ranges and self.headers.get("if-range", etag) == etag and "range" in self.headers:
            self._range(body, self.headers["range"], headers)
        else:
            self._send(200, body, headers | ({"Accept-Ranges": "bytes"} if self._embedded.ranges else {}))

    def _range(self, body: bytes, asked: str, headers: dict[str, str]) -> None:
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(len(body) - int(last), 0)
        end = min(int(last) if first and last else len(body) - 1, len(body) - 1)
        if start > end:
            self._send(416, b"", headers | {"Content-Range": f"bytes */{len(body)}"})
            return
        headers |= {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
        self._send(206, body[start : end + 1], headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _grouped(query: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for name, value in query:
        made.setdefault(name, []).append(value)
    return made


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _holds(value: Any, op: str, text: str) -> bool:
    if value is None:
        return False
    wanted = _like(value, text)
    compared = -1 if value < wanted else int(value > wanted)
    return {"<": compared < 0, "<=": compared <= 0, ">": compared > 0, ">=": compared >= 0}[op]


def _like(value: Any, text: str) -> Any:
    """The text as a value of the same type."""
    if isinstance(value, datetime):
        made = datetime.fromisoformat(text)
        return made if value.tzinfo else made.replace(tzinfo=None)
    if isinstance(value, date):
        return date.fromisoformat(text)
    if isinstance(value, float):
        return float(text)
    if isinstance(value, int | Decimal):
        return Decimal(text)
    return text
