from __future__ import annotations

import io
import os
import threading
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.http import HttpConnector
from fabric.errors import BadData, Cancelled, SourceChanged, SourceError, SourceLoginRefused
from fabric.spi import ScanContext
from fabric.types import FileLayout, FileStat
from server.demo.http import EmbeddedHttp
from tests.connectors.http_source import source, table_of
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted

BODY = bytes(range(256)) * 40
FILE = {"f": {"path": "files/a b.csv", "format": "csv", "columns": {"x": "BIGINT"}}}


def layout_of(connector: HttpConnector, name: str = "f") -> FileLayout:
    layout = table_of(connector, name).layout
    assert layout is not None
    return layout


def stat_of(connector: HttpConnector) -> FileStat:
    (file,) = connector.files(layout_of(connector))
    return file


def file_server(body: bytes = BODY, *, ranges: bool = True, **headers: str) -> Any:
    """Serves one file; a header given as empty is left out."""

    def script(asked: Asked) -> Reply:
        wanted = asked.headers.get("range", "").removeprefix("bytes=")
        if not ranges or not wanted:
            return Reply(body, headers=headers)
        start, end = (int(part) for part in wanted.split("-"))
        if start >= len(body):
            return Reply(status=416, headers={**headers, "Content-Range": f"bytes */{len(body)}"})
        part = body[start : end + 1]
        where = f"bytes {start}-{start + len(part) - 1}/{len(body)}"
        return Reply(part, status=206, headers={**headers, "Content-Range": where})

    return script


ETAG = {"ETag": '"one"'}
MODIFIED = {"Last-Modified": "Tue, 03 Feb 2026 04:05:06 GMT"}


def test_a_file_table_has_a_layout():
    with source("http://127.0.0.1:9", FILE) as connector:
        layout = layout_of(connector)
        assert connector.capabilities(table_of(connector, "f")).predicates == {}
    assert (layout.pattern, layout.format, dict(layout.declared)) == ("files/a b.csv", "csv", {"x": "BIGINT"})


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        (ETAG, '"one"'),
        ({"ETag": 'W/"one"', **MODIFIED}, 'W/"one"'),
        (MODIFIED, "Tue, 03 Feb 2026 04:05:06 GMT 10240"),
    ],
)
@pytest.mark.parametrize("ranges", [True, False])
def test_size_and_validator_come_from_one_request(headers, validator, ranges):
    with scripted(file_server(ranges=ranges, **headers)) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
    assert (file.path, file.size, file.validator) == ("files/a b.csv", len(BODY), validator)
    assert [asked.target for asked in server.asked] == ["/files/a%20b.csv"]
    assert file.modified == (
        datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC) if "Last-Modified" in headers else None
    )


@pytest.mark.parametrize("headers", [ETAG, {"ETag": 'W/"one"'}, MODIFIED])
def test_ranges_are_read_whole_and_in_order(headers):
    ranges = [(100, 50), (0, 1), (len(BODY) - 3, 3), (7, 0)]
    with scripted(file_server(**headers)) as server, source(server.uri, FILE) as connector:
        file, context = stat_of(connector), ScanContext()
        assert connector.read(file, ranges, context) == [BODY[o : o + n] for o, n in ranges]
        assert (context.requests, context.bytes) == (3, 54)
        strong = file.validator.startswith('"')
        assert all(("if-match" in asked.headers) == strong for asked in server.asked[1:])
        assert all(asked.headers["accept-encoding"] == "identity" for asked in server.asked)


@pytest.mark.parametrize("headers", [ETAG, MODIFIED, {}])
def test_a_server_without_ranges_is_downloaded_once(headers):
    with scripted(file_server(ranges=False, **headers)) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        for start in range(0, 1000, 100):
            assert connector.read(file, [(start, 100), (5, 5)], ScanContext()) == [
                BODY[start : start + 100],
                BODY[5:10],
            ]
        assert len(server.asked) <= 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_without_a_mark_is_known_by_its_content(ranges):
    bodies = [b"a" * 100]

    def script(asked: Asked) -> Reply:
        return file_server(bodies[0], ranges=ranges)(asked)

    with scripted(script) as server, source(server.uri, FILE) as connector:
        first = stat_of(connector)
        assert stat_of(connector) == first
        bodies[0] = b"b" * 100
        assert connector.read(first, [(0, 3)], ScanContext()) == [b"aaa"]
        second = stat_of(connector)
        assert second.validator != first.validator
        assert connector.read(second, [(0, 3)], ScanContext()) == [b"bbb"]


def test_a_size_that_is_not_told_is_found_by_download():
    unsized = {**ETAG, "Content-Length": "", "Connection": "close"}

    def script(asked: Asked) -> Reply:
        return Reply(BODY, headers=unsized, cut=len(BODY))

    with scripted(script) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        assert file.size == len(BODY)
        assert connector.read(file, [(9, 9)], ScanContext()) == [BODY[9:18]]


def test_an_empty_file_has_no_bytes():
    with scripted(file_server(b"", **ETAG)) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        assert file.size == 0
        assert connector.read(file, [(0, 0)], ScanContext()) == [b""]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ETAG, {"ETag": '"two"'}),
        ({"ETag": 'W/"one"'}, {"ETag": 'W/"two"'}),
        (MODIFIED, {"Last-Modified": "Tue, 03 Feb 2026 04:05:07 GMT"}),
        (ETAG, {}),
    ],
)
def test_a_file_that_changed_is_an_error(before, after, ranges):
    headers = [before]

    def script(asked: Asked) -> Reply:
        return file_server(ranges=ranges, **headers[0])(asked)

    with scripted(script) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        headers[0] = after
        with pytest.raises(SourceChanged) as caught:
            connector.read(file, [(0, 10)], ScanContext())
    assert caught.value.retryable
    assert "'files/a b.csv'" in str(caught.value)


@pytest.mark.parametrize("status", [404, 410, 412, 416])
def test_a_file_that_went_away_is_an_error(status):
    with (
        scripted(
            in_turn(file_server(**ETAG)(Asked("GET", "/", {"range": "bytes=0-0"})), Reply(status=status))
        ) as server,
        source(server.uri, FILE) as connector,
    ):
        file = stat_of(connector)
        with pytest.raises(SourceChanged):
            connector.read(file, [(0, 10)], ScanContext())


def test_another_range_than_asked_for_is_an_error():
    def script(asked: Asked) -> Reply:
        where = "bytes 0-9/10240" if "bytes=0-0" not in asked.headers["range"] else "bytes 0-0/10240"
        return Reply(b"0123456789", status=206, headers={**ETAG, "Content-Range": where})

    with scripted(script) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        with pytest.raises(SourceChanged):
            connector.read(file, [(5, 10)], ScanContext())
        with pytest.raises(SourceChanged):
            connector.read(file, [(0, 20)], ScanContext())


def test_a_body_that_is_cut_is_asked_again():
    script = file_server(**ETAG)
    cut = [True]

    def once(asked: Asked) -> Reply:
        made = script(asked)
        if asked.headers["range"] != "bytes=0-0" and cut.pop():
            cut.append(False)
            return Reply(made.body, made.status, made.headers, cut=20)
        cut.append(False)
        return made

    with scripted(once) as server, source(server.uri, FILE) as connector:
        assert connector.read(stat_of(connector), [(0, 500)], ScanContext()) == [BODY[:500]]


def test_a_download_that_is_cut_starts_anew():
    replies = in_turn(
        Reply(BODY, headers=ETAG),
        Reply(BODY, headers=ETAG),
        Reply(BODY, headers=ETAG, cut=5000),
        Reply(BODY, headers=ETAG),
    )
    with scripted(replies) as server, source(server.uri, FILE) as connector:
        file = stat_of(connector)
        assert connector.read(file, [(0, len(BODY))], ScanContext()) == [BODY]
    assert len(server.asked) == 4


def test_a_missing_file_is_named():
    missing = {"f": {"path": "files/none.csv", "format": "csv"}}
    with (
        scripted(in_turn(Reply(status=404))) as server,
        source(server.uri, missing) as connector,
        pytest.raises(BadData, match=r"files/none\.csv"),
    ):
        connector.files(layout_of(connector))


def test_refused_credentials_are_told():
    with (
        scripted(in_turn(Reply(status=403))) as server,
        source(server.uri, FILE) as connector,
        pytest.raises(SourceLoginRefused),
    ):
        stat_of(connector)


def test_a_redirect_of_a_file_to_another_origin_is_not_followed():
    with scripted(in_turn(Reply(b"x"))) as other:
        moved = Reply(status=302, headers={"Location": f"{other.uri}/f"})
        with (
            scripted(in_turn(moved)) as server,
            source(server.uri, FILE) as connector,
            pytest.raises(SourceError, match="another origin"),
        ):
            stat_of(connector)
        assert other.asked == []


def test_cancelling_ends_a_read():
    def script(asked: Asked) -> Reply:
        return file_server(**ETAG)(asked) if asked.headers.get("range") == "bytes=0-0" else Reply(silent=True)

    with scripted(script) as server, source(server.uri, FILE) as connector:
        file, context = stat_of(connector), ScanContext()
        timer = threading.Timer(0.2, context.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            connector.read(file, [(0, 10)], context)
        timer.join()


def test_members_of_a_zip_are_files(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.csv", "x\n1\n")
        archive.writestr("two.csv", "x\n2\n")
    table = {"f": {"path": "all.zip", "format": "csv"}}
    with scripted(file_server(packed.getvalue(), **ETAG)) as server, source(server.uri, table) as connector:
        files = connector.files(layout_of(connector))
        assert [file.path for file in files] == ["all.zip!/one.csv", "all.zip!/two.csv"]
        assert connector.read(files[1], [(0, 4)], ScanContext()) == [b"x\n2\n"]


@pytest.mark.parametrize("ranges", [True, False])
def test_many_threads_read_the_right_bytes(tmp_path: Path, ranges: bool):
    body = os.urandom(300_000)
    (tmp_path / "big.bin").write_bytes(body)
    wrong: list[int] = []
    table = {"f": {"path": "files/big.bin", "format": "csv"}}
    with (
        EmbeddedHttp("hush", tmp_path, ranges=ranges) as server,
        source(server.uri, table, auth={"bearer": "hush"}) as connector,
    ):
        file = stat_of(connector)

        def read(seed: int) -> None:
            for step in range(10):
                offset = (seed * 7919 + step * 104_729) % 290_000
                ranges = [(offset, 5000), (offset // 2, 100)]
                if connector.read(file, ranges, ScanContext()) != [body[o : o + n] for o, n in ranges]:
                    wrong.append(offset)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
