"""A line, a catalog and users in memory, small enough to see through: what the server is tested against."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
from adbc_driver_flightsql import dbapi
from pyarrow import flight  # noqa: TID251

from fabric.catalog import Entry
from fabric.config_model import LimitSettings, ServerSettings, UserSettings
from fabric.errors import Cancelled, FabricError, InvalidValue, NotFound, SyntaxProblem, Unreachable
from fabric.pipeline import Description, Session
from fabric.types import Column, ForeignKey, Principal, Product, Table, TableName
from server import flightsql
from server.auth import Authenticator
from server.flight import FlightServer
from server.keys import Signer

USERS = {"ana": "secret", "bob": "pw:with:colons"}


class TinyAnswer:
    def __init__(self, line: TinyLine, text: str, parameters: Sequence[object], schema: pa.Schema) -> None:
        self.query_id = "q1"
        self.schema = schema
        self._line, self._text, self._parameters = line, text, parameters
        self._cursor = line.connection.cursor()
        self.reason: FabricError | None = None
        self.closed = threading.Event()
        self.ended_at = 0.0
        line.answers.append(self)

    def __enter__(self) -> TinyAnswer:
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            if self.reason is not None:
                raise self.reason
            if self._text.startswith("DO "):
                self._line.done.append((self._text, tuple(self._parameters)))
                return
            if self._text.startswith("FAIL"):
                yield pa.record_batch([pa.array([1])], schema=self.schema)
                if "BUG" in self._text:
                    raise ZeroDivisionError("password=hunter2")
                raise Unreachable("policy_db", "the connection broke", hint="try again")
            with self._cursor.sql(self._text, params=list(self._parameters)).to_arrow_reader(
                100_000
            ) as reader:
                yield from reader
        except (duckdb.InterruptException, OSError):
            raise (self.reason or Cancelled("the query was cancelled")) from None
        except duckdb.ConversionException as error:
            raise InvalidValue(str(error).splitlines()[0]) from None
        finally:
            self.ended_at = time.monotonic()

    def cancel(self, reason: FabricError | None = None) -> None:
        self.reason = reason
        threading.Thread(target=self._interrupt, daemon=True).start()

    def _interrupt(self) -> None:
        # An interrupt counts only while DuckDB runs.
        with suppress(duckdb.Error):
            while not self.ended_at and not self.closed.is_set():
                self._cursor.interrupt()
                time.sleep(0.02)

    def close(self) -> None:
        self.closed.set()
        self._cursor.close()


class TinyLine:
    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 2})
        self.connection.execute("CREATE TABLE claim AS SELECT i AS id, 'c' || i AS name FROM range(10) t(i)")
        self.answers: list[TinyAnswer] = []
        self.done: list[tuple[str, tuple[object, ...]]] = []
        self.sessions: list[Session] = []
        self.policy_version = "v1"

    def metadata_asked(self, what: str, principal: Principal, session: Session) -> None:
        """Nothing is written down."""

    def described(self, *asked: object) -> None:
        """Nothing is known beforehand."""

    def kept(self, *asked: object) -> None:
        """Nothing is kept."""

    def describe(
        self, text: str, principal: Principal, session: Session, parameters: Sequence[object] | None = None
    ) -> Description:
        self.sessions.append(session)
        if text.startswith("DO "):
            return Description(pa.schema([]), text.count("?"), "v1")
        if text.startswith("FAIL"):
            return Description(pa.schema([pa.field("x", pa.int64())]), 0, "v1")
        if text == "BUG":
            raise ZeroDivisionError("password=hunter2")
        try:
            count = len(duckdb.extract_statements(text)[0].named_parameters)
            bound = [None] * count if parameters is None else list(parameters)
            with self.connection.cursor() as cursor:
                relation = cursor.sql(f"SELECT * FROM ({text}) LIMIT 0", params=bound)
                schema = relation.to_arrow_reader().schema
        except duckdb.CatalogException:
            raise NotFound("there is no such table that you may see", hint="SHOW TABLES") from None
        except duckdb.Error as error:
            raise SyntaxProblem(str(error).splitlines()[0], hint="look at the caret") from None
        receipt = {"restricted": {"claims.claim": "none"}, "user": principal.user}
        return Description(schema, count, self.policy_version, -1, receipt)

    def run(
        self,
        text: str,
        principal: Principal,
        session: Session,
        parameters: Sequence[object] = (),
        policy_version: str | None = None,
    ) -> TinyAnswer:
        self.sessions.append(session)
        schema = self.describe(text, principal, session, parameters).schema
        return TinyAnswer(self, text, parameters, schema)


class TinyCatalog:
    def __init__(self) -> None:
        customer = Table(
            TableName("policy_db", "public", "customer"),
            (Column("id", "BIGINT"), Column("email", "VARCHAR", comment="where to write")),
            primary_key=("id",),
        )
        policy = Table(
            TableName("policy_db", "public", "policy"),
            (Column("id", "BIGINT"), Column("customer_id", "BIGINT"), Column("premium", "DECIMAL(9,2)")),
            primary_key=("id",),
            foreign_keys=(ForeignKey(("customer_id",), customer.name, ("id",), "policy_customer"),),
        )
        hidden = TableName("policy_db", "public", "ledger")
        product = Product(TableName("acme", "claims", "open_claims"), "claims", "SELECT 1")
        entry_of_ledger = Table(
            TableName("claims_lake", "main", "claim"),
            (Column("id", "BIGINT"),),
            foreign_keys=(ForeignKey(("id",), hidden, ("id",), "to_hidden"),),
        )
        text, number = pa.utf8(), pa.int64()
        self.entries = [
            Entry(
                customer.name,
                customer,
                "TABLE",
                pa.schema([("id", number), ("email", text)]),
                columns=customer.columns,
            ),
            Entry(
                policy.name,
                policy,
                "TABLE",
                pa.schema([("id", number), ("customer_id", number), ("premium", pa.decimal128(9, 2))]),
                "",
            ),
            Entry(entry_of_ledger.name, entry_of_ledger, "TABLE", pa.schema([("id", number)]), ""),
            Entry(product.name, product, "PRODUCT", pa.schema([("claim_id", number)]), "not yet settled"),
        ]

    def visible(self, principal: Principal) -> Sequence[Entry]:
        if principal.user == "bob":
            return [e for e in self.entries if e.name.name != "customer"]
        return self.entries


class TinyApp:
    """What ``server.app.build`` returns, in small; the directory is not read."""

    def __init__(self) -> None:
        self.line = TinyLine()
        self.visible = TinyCatalog().visible
        self.signer = Signer(b"0123456789abcdef")
        users = {name: UserSettings(password=password) for name, password in USERS.items()}
        self.authenticator = Authenticator(users, self.signer)
        self.config = SimpleNamespace(
            name="acme",
            server=ServerSettings(port=0),
            limits={"default": LimitSettings()},
            cache=None,
            files=frozenset(),
        )

    def close(self) -> None:
        self.line.connection.close()


def build(directory: Path) -> TinyApp:
    return TinyApp()


@dataclass
class Served:
    """A server over a tiny app, and the ways into it."""

    app: TinyApp
    server: FlightServer

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.server.port}"

    @contextmanager
    def adbc(self, user: str = "ana", **options: str) -> Iterator[Any]:
        login = {"username": user, "password": USERS[user]} | options
        with dbapi.connect(self.uri, db_kwargs=login) as connection:
            yield connection

    @contextmanager
    def raw(self, user: str = "ana") -> Iterator[Raw]:
        with flight.connect(self.uri) as client:
            yield Raw(client, client.authenticate_basic_token(user, USERS[user]))


@dataclass
class Raw:
    """A plain Flight client with a login."""

    client: flight.FlightClient
    token: tuple[bytes, bytes]

    def options(self, **more: Any) -> flight.FlightCallOptions:
        return flight.FlightCallOptions(headers=[self.token], **more)

    def info(self, name: str, **fields: Any) -> flight.FlightInfo:
        command = flight.FlightDescriptor.for_command(flightsql.pack(name, **fields))
        return self.client.get_flight_info(command, self.options())

    def query(self, sql: str) -> flight.FlightInfo:
        return self.info("CommandStatementQuery", query=sql)

    def read(self, info: flight.FlightInfo, **more: Any) -> pa.Table:
        return self.client.do_get(info.endpoints[0].ticket, self.options(**more)).read_all()

    def act(self, name: str, body: bytes) -> list[bytes]:
        return [r.body.to_pybytes() for r in self.client.do_action((name, body), self.options())]


@contextmanager
def serving(**options: Any) -> Iterator[Served]:
    app = TinyApp()
    server = FlightServer(lambda: app, fabric="acme", **options)
    try:
        yield Served(app, server)
    finally:
        server.close()
        app.close()


def keep_option(connection: Any, key: str, value: str) -> None:
    """Set a session option over ADBC until the driver has kept it.

    arrow-go hands the headers of an answer to its middleware either at the end of the stream or when the stream's context is done,
    whichever comes first, and in the second case not at all: 4 of 3,000 answers to SetSessionOptions were lost (driver 1.13).
    """
    for _ in range(5):
        connection.adbc_connection.set_options(**{key: value})
        if connection.adbc_connection.get_option(key) == value:
            return
    raise AssertionError(f"{key} is not kept")


def until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait for the condition; the seconds that it took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - start
