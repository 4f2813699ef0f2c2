"""The nastiest shapes over object storage, SFTP, FTP and files behind HTTP, too."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import duckdb

from server.app import build
from server.demo.ftp import EmbeddedFtp
from server.demo.http import EmbeddedHttp
from server.demo.s3 import EmbeddedS3
from server.demo.sftp import EmbeddedSftp
from tests.attacks import vault
from tests.attacks.conftest import Tally
from tests.attacks.judge import Court
from tests.attacks.oracle import oracle
from tests.attacks.project import KEY, raw_data
from tests.attacks.shapes import NASTY, SHAPES
from tests.attacks.test_evaluation_order import attack

PASSWORD = "remote"
FABRIC = """
name: acme
key: "{key}"
domains: {{vault: {{owner: "role:vault-owner"}}}}
sources:
  s3:
    type: s3
    domain: vault
    uri: s3://vault/
    endpoint: {s3}
    region: us-east-1
    access_key_id: remote
    secret_access_key: {password}
    tables: {{box: {{path: "box*.parquet", format: parquet}}}}
  sftp:
    type: sftp
    domain: vault
    uri: sftp://ripstop@127.0.0.1:{sftp}/outbox
    password: {password}
    known_hosts_file: known_hosts
    tables:
      box:          {{path: box.csv, format: csv}}
      zqdark_area:  {{path: area.csv, format: csv}}
      zqdark_block: {{path: block.csv, format: csv}}
  ftp:
    type: ftp
    domain: vault
    uri: ftp://ripstop@127.0.0.1:{ftp}
    password: {password}
    tables: {{box: {{path: box.jsonl, format: json}}, parquet: {{path: box.parquet, format: parquet}}}}
  http:
    type: http
    domain: vault
    uri: {http}
    auth: {{bearer: {password}}}
    tables: {{box: {{path: files/box.parquet, format: parquet}}, text: {{path: files/box.csv, format: csv}}}}
"""
TABLES = ("s3.box", "sftp.box", "ftp.box", "ftp.parquet", "http.box", "http.text")
USERS = ("v_equal", "v_in_query", "v_not_in", "v_raises")


@contextmanager
def remote(raw: duckdb.DuckDBPyConnection) -> Iterator[Path]:
    """A project over the servers."""
    folder = Path(tempfile.mkdtemp(prefix="ripstop-attacks-remote-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        for name in ("sftp/outbox", "ftp", "http", "project/policies", "s3"):
            (folder / name).mkdir(parents=True)
        s3 = stack.enter_context(EmbeddedS3(folder / "s3", "remote", PASSWORD))
        sftp = EmbeddedSftp(folder / "sftp", {"ripstop": PASSWORD})
        ftp = EmbeddedFtp(folder / "ftp", {"ripstop": PASSWORD})
        for server in (sftp, ftp):
            stack.callback(server.stop)
            server.start()
        http = stack.enter_context(EmbeddedHttp(PASSWORD, folder / "http"))
        for place in (
            "sftp/outbox/box.csv",
            "ftp/box.jsonl",
            "ftp/box.parquet",
            "http/box.parquet",
            "http/box.csv",
            "box.parquet",
        ):
            kind = {"csv": "csv, HEADER true", "jsonl": "json"}.get(place.rpartition(".")[2], "parquet")
            raw.execute(f"COPY vault TO '{folder / place}' (FORMAT {kind})")
        for name in ("area", "block"):
            file = folder / f"sftp/outbox/{name}.csv"
            raw.execute(f"COPY vault_zqdark_{name} TO '{file}' (FORMAT csv, HEADER true)")
        with closing(s3.client()) as client:
            client.create_bucket(Bucket="vault")
            client.put_object(Bucket="vault", Key="box.parquet", Body=(folder / "box.parquet").read_bytes())
        project = folder / "project"
        (project / "known_hosts").write_text(sftp.known_hosts_line())
        text = FABRIC.format(
            key=KEY, s3=s3.endpoint, sftp=sftp.port, ftp=ftp.port, http=http.uri, password=PASSWORD
        )
        (project / "fabric.yaml").write_text(text)
        (project / "users.yaml").write_text("users: {}\n")
        lines = [
            f"p, {subject}, {table}, read, allow"
            for subject in ("role:vault", "role:auditor")
            for table in TABLES
        ]
        for user in USERS:
            rule = vault.RULES[user].replace("vfiles.", "sftp.")
            lines += [f'p3, {user}, {table}, "{rule}"' for table in TABLES]
        (project / "policies/federation.csv").write_text("")
        (project / "policies/vault.csv").write_text("\n".join(lines) + "\n")
        yield project


def test_an_expression_never_meets_a_hidden_row_wherever_files_lie(tally: Tally) -> None:
    shapes = {name: SHAPES[name] for name in NASTY if not name.startswith("product")}
    found = []
    with (
        closing(raw_data()) as raw,
        remote(raw) as project,
        oracle(raw, project.parent) as knows,
        closing(build(project)) as app,
    ):
        assert app.governor.errors() == ()
        court = Court(app, knows)
        for table in TABLES:
            for user in USERS:
                found += attack(court, tally, user, shapes, table, table, "vfiles.pq")
    assert not found, "\n".join(found)
