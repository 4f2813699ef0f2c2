"""The demo's servers: started side by side, filled, and ended together."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from server.demo.company import Company
from server.demo.ftp import EmbeddedFtp
from server.demo.http import EmbeddedHttp, Filter
from server.demo.loading import READER, load_lake, load_postgres, write_repairs, write_tariffs
from server.demo.postgres import EmbeddedPostgres
from server.demo.project import Ports, Secrets
from server.demo.s3 import EmbeddedS3
from server.demo.sftp import EmbeddedSftp

ACCESS_KEY = "ripstop-demo"
LOGIN = "ripstop"


@dataclass(frozen=True, slots=True)
class Station:
    """One server: what is brought to it, how it starts, and a step that yields rows as they are in.

    ``tables`` are the names of the company's tables that it gets.
    """

    title: str
    start: Callable[[], object]
    load: Callable[[Company], Iterator[int]]
    tables: tuple[str, ...]


class Servers:
    """Postgres, S3, SFTP, FTP and HTTP on loopback, with fresh passwords, their data in a temporary folder.

    Use it in a ``with`` block: what was started inside it has ended behind it.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="ripstop-demo-"))
        # Postgres runs as another account when we are root, and must reach its folder.
        self._folder.chmod(0o711)
        self._passwords = {
            name: secrets.token_urlsafe(18) for name in ("s3", "sftp", "ftp", "http", "reader")
        }
        self._files = {name: self._folder / name for name in ("sftp", "ftp")}
        for folder in self._files.values():
            folder.mkdir(mode=0o700)
        self.postgres = EmbeddedPostgres(self._folder / "postgres")
        self.s3 = EmbeddedS3(self._folder / "s3", ACCESS_KEY, self._passwords["s3"])
        self.sftp = EmbeddedSftp(self._files["sftp"], {LOGIN: self._passwords["sftp"]})
        self.ftp = EmbeddedFtp(self._files["ftp"], {LOGIN: self._passwords["ftp"]})
        self.http = EmbeddedHttp(self._passwords["http"])

    def __enter__(self) -> Servers:
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        # Stopping what never started does nothing.
        for stop in (self.postgres.stop, self.s3.stop, self.sftp.stop, self.ftp.stop, self.http.close):
            self._stack.callback(stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def stations(self) -> list[Station]:
        """The servers, each to be started and then filled; they need not wait for one another."""
        folded = ("customers", "brokers", "policies")
        return [
            Station("Postgres: customers and policies", self.postgres.start, self._load_postgres, folded),
            Station("S3: claims, Parquet by month", self.s3.start, self._load_lake, ("claims",)),
            Station("SFTP: repair invoices, CSV", self.sftp.start, self._load_repairs, ("repairs",)),
            Station("FTP: tariffs, Parquet", self.ftp.start, self._load_tariffs, ("tariffs",)),
            Station("HTTP: fraud scores, REST", self.http.start, self._load_scores, ("scores",)),
        ]

    @property
    def secrets(self) -> Secrets:
        """What logs in to them."""
        return Secrets(
            postgres_uri=self.postgres.uri_of(READER, self._passwords["reader"]),
            s3_secret_key=self._passwords["s3"],
            sftp_password=self._passwords["sftp"],
            ftp_password=self._passwords["ftp"],
            fraud_token=self._passwords["http"],
            known_hosts=self.sftp.known_hosts_line(),
        )

    def ports(self, server_port: int) -> Ports:
        """Where they listen, beside the port that Ripstop itself will take."""
        return Ports(
            server_port=server_port,
            s3_port=int(self.s3.endpoint.rpartition(":")[2]),
            sftp_port=self.sftp.port,
            ftp_port=self.ftp.port,
            http_port=int(self.http.uri.rpartition(":")[2]),
        )

    def _load_postgres(self, company: Company) -> Iterator[int]:
        return load_postgres(self.postgres, self._passwords["reader"], company)

    def _load_lake(self, company: Company) -> Iterator[int]:
        return load_lake(self.s3.endpoint, ACCESS_KEY, self._passwords["s3"], company)

    def _load_repairs(self, company: Company) -> Iterator[int]:
        return write_repairs(self._files["sftp"] / "outbox", company)

    def _load_tariffs(self, company: Company) -> Iterator[int]:
        return write_tariffs(self._files["ftp"] / "tariffs", company)

    def _load_scores(self, company: Company) -> Iterator[int]:
        filters = {
            "claim_id": Filter("claim_id", "in"),
            "min_score": Filter("score", ">="),
            "since": Filter("scored_at", ">="),
        }
        self.http.table("/v1/scores", company.scores.to_pylist(), "page", size=1000, filters=filters)
        yield company.scores.num_rows
