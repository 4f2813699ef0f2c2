"""S3's rarer answers, from a store that gives exactly what it is told to."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.s3 import S3Connector, S3Settings
from fabric.errors import SourceError, SourceLoginRefused, Throttled, Unreachable
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat

FILE = FileStat("a.csv", 1000, '"tag"')
Answer = Callable[["Store"], None]


class Store(http.server.BaseHTTPRequestHandler):
    """One GET at a time per connection; ``answer`` is the test's."""

    protocol_version = "HTTP/1.1"
    answer: Answer

    def do_GET(self) -> None:
        type(self).answer(self)

    def log_message(self, *_: object) -> None:
        return

    def give(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def store(answer: Answer, folder: Path, connections: int = 16) -> Iterator[S3Connector]:
    handler = type("Answering", (Store,), {"answer": staticmethod(answer)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = S3Settings.model_validate(
            {
                "type": "s3",
                "domain": "claims",
                "uri": "s3://lake",
                "endpoint": f"http://127.0.0.1:{server.server_port}",
                "anonymous": True,
                "timeout": "2s",
                "limits": {"connections": connections},
            }
        )
        connector = S3Connector("lake", settings, folder)
        yield connector
        connector.close()
        server.shutdown()


def part(handler: Store) -> None:
    first, last = map(int, handler.headers["Range"].removeprefix("bytes=").split("-"))
    handler.give(
        206,
        bytes(last - first + 1),
        ETag='"tag"',
        Content_Range=f"bytes {first}-{last}/1000",
        Last_Modified="Mon, 23 Nov 2026 10:00:00 GMT",
    )


def test_no_more_connections_than_the_limit_are_used(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), 0, 0

    def answer(handler: Store) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        part(handler)

    with store(answer, tmp_path, connections=2) as connector:
        threads = [
            threading.Thread(target=connector.read, args=(FILE, [(n, 1) for n in range(5)], ScanContext()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 2


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (503, "SlowDown", Throttled, "fewer requests"),
        (500, "InternalError", Unreachable, "status 500"),
        (403, "AccessDenied", SourceLoginRefused, "may not be read"),
        (403, "ExpiredToken", SourceLoginRefused, "credentials are refused"),
        (403, "RequestTimeTooSkewed", SourceLoginRefused, "clocks"),
        (301, "PermanentRedirect", Unreachable, "another region"),
        (400, "AuthorizationHeaderMalformed", Unreachable, "another region"),
    ],
)
def test_an_answer_becomes_an_error_that_says_what_to_do(
    tmp_path: Path, status: int, code: str, kind: type[SourceError], words: str
) -> None:
    body = f"<Error><Code>{code}</Code><Message>inner detail</Message></Error>".encode()
    with store(lambda handler: handler.give(status, body), tmp_path) as connector:
        for action in (
            lambda: connector.files(FileLayout("**", "csv")),
            lambda: connector.read(FILE, [(0, 10)], ScanContext()),
        ):
            with pytest.raises(kind, match=words) as caught:
                action()
            assert caught.value.hint
            assert "inner detail" not in str(caught.value)


def test_an_answer_that_breaks_off_is_no_short_read(tmp_path: Path) -> None:
    def answer(handler: Store) -> None:
        handler.send_response(206)
        handler.send_header("Content-Length", "1000")
        handler.send_header("Content-Range", "bytes 0-999/1000")
        handler.send_header("ETag", '"tag"')
        handler.send_header("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
        handler.end_headers()
        handler.wfile.write(bytes(10))
        handler.close_connection = True

    with store(answer, tmp_path) as connector, pytest.raises(Unreachable):
        connector.read(FILE, [(0, 1000)], ScanContext())


def test_an_answer_for_another_state_of_the_file_is_refused_without_a_precondition(tmp_path: Path) -> None:
    def answer(handler: Store) -> None:
        assert handler.headers["If-Match"] == '"other"'
        part(handler)

    with store(answer, tmp_path) as connector, pytest.raises(SourceError, match="changed"):
        connector.read(FileStat("a.csv", 1000, '"other"'), [(0, 10)], ScanContext())
