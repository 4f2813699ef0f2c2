"""S3 against a real server, SeaweedFS, over its socket."""

import http.server
import io
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from connectors.s3 import S3Connector, S3Settings
from fabric.blocks import BlockCache
from fabric.errors import (
    BadData,
    SourceChanged,
    SourceError,
    SourceLoginRefused,
    SourceTimeout,
    Unreachable,
)
from fabric.filesystem import FileSystem
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileLayout
from server.demo.s3 import EmbeddedS3

SECRET = "top-secret-of-the-lake"
BODY = os.urandom(9_000_000)
CSV = FileLayout("**/*.csv", "csv")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with EmbeddedS3(tmp_path_factory.mktemp("s3"), "lakekey", SECRET) as running:
        client = running.client()
        client.create_bucket(Bucket="lake")
        client.close()
        yield running


@pytest.fixture
def client(server: EmbeddedS3) -> Iterator[Any]:
    made = server.client()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def connect(server: EmbeddedS3, tmp_path: Path) -> Iterator[Any]:
    opened: list[S3Connector] = []

    def make(**keys: object) -> S3Connector:
        given = {
            "type": "s3",
            "domain": "claims",
            "uri": "s3://lake",
            "endpoint": server.endpoint,
            "access_key_id": "lakekey",
            "secret_access_key": SECRET,
            **keys,
        }
        settings = S3Settings.model_validate({k: v for k, v in given.items() if v is not None})
        opened.append(S3Connector("claims_lake", settings, tmp_path))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_files_under_a_prefix_are_listed_with_their_etag(client: Any, connect: Any) -> None:
    for key in ("one/a.csv", "one/y=1/b.csv", "one/c.txt", "one2/x.csv", "one/empty/"):
        client.put_object(Bucket="lake", Key=key, Body=b"" if key.endswith("/") else key.encode())
    made = connect(uri="s3://lake/one/")
    assert isinstance(made, FileConnector)
    assert [file.path for file in made.files(CSV)] == ["a.csv", "y=1/b.csv"]
    assert [file.path for file in made.files(FileLayout("*", "csv"))] == ["a.csv", "c.txt"]
    assert [file.path for file in made.files(FileLayout("**", "csv"))] == ["a.csv", "c.txt", "y=1/b.csv"]
    (file,) = made.files(FileLayout("y=1/b.csv", "csv"))
    etag = client.head_object(Bucket="lake", Key="one/y=1/b.csv")["ETag"]
    assert (file.size, file.validator) == (13, etag)
    assert file.modified is not None
    assert made.read(file, [(0, 13)], ScanContext()) == [b"one/y=1/b.csv"]


@pytest.mark.parametrize(
    "name", ["with space", "ünï", "a%20b", "q?x#y", "a+b&c", "[b]*", "~t", "it's", ".hid", "k=v"]
)
def test_a_name_with_strange_characters_is_read(client: Any, connect: Any, name: str) -> None:
    client.put_object(Bucket="lake", Key=f"odd/{name}.csv", Body=name.encode())
    made = connect(uri="s3://lake/odd")
    file = next(file for file in made.files(CSV) if file.path == f"{name}.csv")
    assert made.read(file, [(0, file.size)], ScanContext()) == [name.encode()]
    client.delete_object(Bucket="lake", Key=f"odd/{name}.csv")


def test_many_listing_pages_are_one_listing(client: Any, connect: Any) -> None:
    for number in range(1100):
        client.put_object(Bucket="lake", Key=f"many/{number:04}.csv", Body=b"a\n")
    assert len(connect(uri="s3://lake/many").files(CSV)) == 1100
    assert len(connect(uri="s3://lake/many").files(FileLayout("*.csv", "csv"))) == 1100


@pytest.mark.parametrize("upload", ["put", "multipart"])
def test_ranges_are_read_in_order_and_whole(client: Any, connect: Any, upload: str) -> None:
    if upload == "put":
        client.put_object(Bucket="lake", Key="big/put.bin", Body=BODY)
    else:
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        client.upload_fileobj(io.BytesIO(BODY), "lake", "big/multipart.bin", Config=parts)
    made = connect(uri="s3://lake/big", limits={"connections": 2})
    (file,) = made.files(FileLayout(f"{upload}.bin", "csv"))
    ranges = [(8_999_990, 10), (0, 1), (3, 0), *((o, 250_000) for o in range(0, 9_000_000, 250_000))]
    assert made.read(file, ranges, ScanContext()) == [BODY[o : o + n] for o, n in ranges]
    assert made.read(file, [(4_194_300, 10)], ScanContext()) == [BODY[4_194_300:4_194_310]]


@pytest.mark.parametrize("change", ["other bytes", "same length", "gone"])
def test_an_object_that_changes_after_the_listing_is_an_error(client: Any, connect: Any, change: str) -> None:
    client.put_object(Bucket="lake", Key="change/a.csv", Body=b"a\n1\n")
    made = connect(uri="s3://lake/change")
    (file,) = made.files(CSV)
    if change == "gone":
        client.delete_object(Bucket="lake", Key="change/a.csv")
    else:
        client.put_object(
            Bucket="lake", Key="change/a.csv", Body=b"a\n2\n" if change == "same length" else b"a"
        )
    for ranges in ([(0, 1)], [(0, 1), (2, 1)]):
        with pytest.raises(SourceChanged, match=r"file 'a\.csv' changed") as caught:
            made.read(file, ranges, ScanContext())
        assert caught.value.retryable


def test_duckdb_reads_hive_partitions_of_a_bucket(client: Any, connect: Any, tmp_path: Path) -> None:
    sql = "SELECT range AS a, range % 5 AS k, md5(range::VARCHAR) AS t FROM range(50_000)"
    with duckdb.connect() as local:
        local.execute(f"COPY ({sql}) TO '{tmp_path}/hive' (FORMAT parquet, PARTITION_BY (k))")
    for path in (tmp_path / "hive").rglob("*.parquet"):
        client.upload_file(str(path), "lake", str(path.relative_to(tmp_path)))
    made, context, blocks = connect(), ScanContext(), BlockCache()
    filesystem = FileSystem(blocks)
    question = "SELECT k, count(*), sum(a), max(t) FROM read_parquet({}, hive_partitioning = true) GROUP BY k ORDER BY k"
    with duckdb.connect() as local, duckdb.connect() as connection:
        connection.register_filesystem(filesystem)
        mount = filesystem.mount(made, made.files(FileLayout("hive/**/*.parquet", "parquet")), context)
        expected = local.sql(question.format(f"'{tmp_path}/hive/**/*.parquet'")).fetchall()
        assert connection.sql(question.format(mount.paths)).fetchall() == expected
    blocks.close()
    assert context.bytes > 0


def test_check_proves_the_source_step_by_step(client: Any, connect: Any) -> None:
    client.put_object(Bucket="lake", Key="check/a.csv", Body=b"a\n1\n")
    table = {"t": {"path": "*.csv", "format": "csv"}}
    steps = list(connect(uri="s3://lake/check", tables=table).check())
    assert [step.name for step in steps] == ["resolved", "connected", "logged in", "listed"]
    assert steps[-1].detail == "1 tables, 1 files"
    with pytest.raises(BadData, match="no file matches"):
        list(connect(uri="s3://lake/elsewhere", tables=table).check())


def refused(action: Any, kind: type[SourceError]) -> SourceError:
    with pytest.raises(kind) as caught:
        action()
    assert caught.value.hint
    for forbidden in (SECRET, "lakekey", "127.0.0.1", "http", "Traceback", "wrong"):
        assert forbidden not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "keys", [{"secret_access_key": "wrong"}, {"access_key_id": "wrong"}, {"session_token": "wrong"}]
)
def test_refused_credentials_are_said_so(client: Any, connect: Any, keys: dict[str, str]) -> None:
    client.put_object(Bucket="lake", Key="login/a.csv", Body=b"a\n1\n")
    (file,) = connect(uri="s3://lake/login").files(CSV)
    made = connect(uri="s3://lake/login", **keys)
    refused(lambda: made.files(CSV), SourceLoginRefused)
    refused(lambda: made.files(FileLayout("a.csv", "csv")), SourceLoginRefused)
    refused(lambda: made.read(file, [(0, 1)], ScanContext()), SourceLoginRefused)


def test_anonymous_reads_without_credentials_and_is_refused_here(connect: Any) -> None:
    made = connect(anonymous=True, access_key_id=None, secret_access_key=None)
    assert next(made.check()).detail == "without credentials"
    refused(lambda: made.files(CSV), SourceLoginRefused)


def test_no_credentials_at_all_is_said_with_a_hint(connect: Any) -> None:
    made = connect(access_key_id=None, secret_access_key=None)
    assert "anonymous" in refused(lambda: made.files(CSV), SourceLoginRefused).hint


def test_an_unknown_bucket_is_named_as_such(connect: Any) -> None:
    error = refused(lambda: connect(uri="s3://nobucket").files(CSV), Unreachable)
    assert "bucket does not exist" in error.message
    assert not error.retryable


def test_a_store_that_is_down_is_unreachable(connect: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = connect(endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert refused(lambda: made.files(CSV), Unreachable).retryable


def test_a_store_that_stays_silent_times_out(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = connect(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout="500ms")
        assert refused(lambda: made.files(CSV), SourceTimeout).retryable


def test_the_environment_does_not_redirect_a_source(
    client: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket="lake", Key="env/a.csv", Body=b"a\n1\n")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "wrong")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert len(connect(uri="s3://lake/env").files(CSV)) == 1


def test_credentials_come_from_the_environment_or_a_profile(
    client: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client.put_object(Bucket="lake", Key="chain/a.csv", Body=b"a\n1\n")
    plain = {"uri": "s3://lake/chain", "access_key_id": None, "secret_access_key": None}
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = lakekey\naws_secret_access_key = {SECRET}\n"
    )
    assert len(connect(**plain, profile="work").files(CSV)) == 1
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lakekey")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert len(connect(**plain).files(CSV)) == 1


class _Sts(http.server.BaseHTTPRequestHandler):
    """Answers AssumeRole as STS does, with the store's own key; everything else goes to the store."""

    asked: list[bytes]

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])))
        body = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
            <Credentials><AccessKeyId>lakekey</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>
            <SessionToken></SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>
            </AssumeRoleResult></AssumeRoleResponse>""".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def test_a_role_is_assumed_with_the_sources_own_credentials(connect: Any) -> None:
    handler = type("Sts", (_Sts,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as sts:
        threading.Thread(target=sts.serve_forever, daemon=True).start()
        made = connect(
            endpoint=f"http://127.0.0.1:{sts.server_port}",
            role_arn="arn:aws:iam::1:role/reader",
            external_id="ripstop-1",
            access_key_id="first",
            secret_access_key="other",
        )
        provided = made._opened().credential_provider()
        sts.shutdown()
    assert (provided["access_key_id"], provided["secret_access_key"]) == ("lakekey", SECRET)
    (asked,) = handler.asked  # type: ignore[attr-defined]
    assert b"Action=AssumeRole" in asked
    assert b"ExternalId=ripstop-1" in asked


@pytest.mark.parametrize(
    "keys",
    [
        {"uri": "lake"},
        {"uri": "http://lake"},
        {"endpoint": "ftp://x"},
        {"endpoint": "http://user:pw@x"},
        {"secret_access_key": None},
        {"bucket": "x"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(connect: Any, keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        connect(**keys)


def test_what_was_written_survives_a_restart_of_the_embedded_server(tmp_path: Path) -> None:
    with EmbeddedS3(tmp_path, "k", "s") as running:
        client = running.client()
        client.create_bucket(Bucket="kept")
        client.put_object(Bucket="kept", Key="a", Body=BODY[:5_000_000])
        client.close()
    with EmbeddedS3(tmp_path, "k", "s") as running:
        client = running.client()
        assert client.get_object(Bucket="kept", Key="a")["Body"].read() == BODY[:5_000_000]
        client.close()
