"""Uploads: what ADBC's ingest lands in a domain, who may, and that nothing half is ever seen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_flightsql import dbapi
from argon2 import PasswordHasher

from fabric.errors import FabricError, InvalidValue, LimitError, NotFound
from fabric.ingest import Target
from fabric.pipeline import Session
from fabric.types import Principal
from server.app import App, build
from server.flight import FlightServer

AUDITOR = Principal("audrey")
OWNER = Principal("olga", frozenset({"role:claims-owner"}))
WRITER, READER, OUTSIDER = Principal("wim"), Principal("rita"), Principal("eve")
HASH = PasswordHasher(time_cost=1, memory_cost=1024).hash("secret")

FILES = {
    "fabric.yaml": """
name: acme
domains:
  claims: {owner: "role:claims-owner"}
  crm: {owner: "role:crm-owner"}
limits: {default: {ingest: 2MB}}
""",
    "users.yaml": f"users:\n  olga: {{password: '{HASH}', roles: [role:claims-owner]}}\n  eve: {{password: '{HASH}'}}\n",
    "policies/federation.csv": "p, wim, claims_uploads.*, publish, allow\np, wim, claims_uploads.*, read, allow\n"
    "p, rita, claims_uploads.*, read, allow\np, audrey, system.audit, read, allow\n",
    "policies/claims.csv": "p2, wim, claims_uploads.fnol, secret, hide\np3, rita, claims_uploads.*, id < 2\n",
}
DATA = pa.table({"id": [1, 2, 3], "text": ["a", None, "ü"]})


def project(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


@pytest.fixture
def app(folder: Path) -> Iterator[App]:
    with closing(build(folder)) as made:
        yield made


def land(app: App, who: Principal = OWNER, data: pa.Table = DATA, *, table: str = "fnol", **said: str) -> int:
    target = Target(table, **{"schema": "claims", **said})  # type: ignore[arg-type]
    return app.ingest.land(target, data.schema, data.to_batches(), who, {}, {})


def ask(app: App, sql: str, who: Principal = OWNER) -> list[dict[str, object]]:
    described = app.line.describe(sql, who, Session())
    with app.line.run(sql, who, Session(), (), described.policy_version) as answer:
        return pa.Table.from_batches(list(answer.batches()), schema=answer.schema).to_pylist()


def test_what_landed_can_be_read_at_once_under_the_usual_policy(app: App) -> None:
    assert land(app) == 3
    assert ask(app, "SELECT * FROM claims_uploads.fnol ORDER BY id") == DATA.to_pylist()
    assert ask(app, "SELECT id FROM claims_uploads.fnol", READER) == [{"id": 1}]
    with pytest.raises(NotFound):
        ask(app, "SELECT id FROM claims_uploads.fnol", OUTSIDER)
    assert [e.name.name for e in app.visible(OWNER) if e.name.catalog == "claims_uploads"] == ["fnol"]


def test_modes(app: App) -> None:
    with pytest.raises(NotFound, match="no table 'fnol'"):
        land(app, missing="fail", there="append")
    assert land(app) == 3
    with pytest.raises(InvalidValue, match="'FNOL' is there already"):
        land(app, table="FNOL")
    assert land(app, missing="fail", there="append") == 3
    assert land(app, there="append") == 3
    assert ask(app, "SELECT count(*) AS n FROM claims_uploads.fnol") == [{"n": 9}]
    assert land(app, data=pa.table({"other": [1.5]}), there="replace") == 1
    assert ask(app, "SELECT * FROM claims_uploads.fnol") == [{"other": 1.5}]
    assert land(app, table="new", there="append") == 3
    assert land(app, data=DATA.slice(0, 0), table="none") == 0
    assert ask(app, "SELECT * FROM claims_uploads.none") == []


def test_an_append_fills_what_it_leaves_out_and_names_only_what_is_seen(app: App) -> None:
    land(app, data=pa.table({"id": [1], "secret": ["s"], "text": ["a"]}))
    append = {"missing": "fail", "there": "append"}
    assert land(app, WRITER, pa.table({"TEXT": ["b"], "id": pa.array([2], pa.int8())}), **append) == 1
    got = ask(app, "SELECT * FROM claims_uploads.fnol ORDER BY id")
    assert got == [{"id": 1, "secret": "s", "text": "a"}, {"id": 2, "secret": None, "text": "b"}]
    said = []
    for column in ("secret", "absent"):
        with pytest.raises(InvalidValue) as refused:
            land(app, WRITER, pa.table({"id": [1], column: ["x"]}), **append)
        said.append(str(refused.value).replace(column, "…"))
    assert said[0] == said[1]
    with pytest.raises(InvalidValue, match="values of column 'id' do not fit"):
        land(app, data=pa.table({"id": ["x"]}), **append)


def test_a_place_without_rights_is_as_one_that_is_not_there(app: App) -> None:
    land(app)
    said = set()
    for who, where in (
        (OUTSIDER, {"schema": "claims"}),
        (OUTSIDER, {"schema": "nowhere"}),
        (OUTSIDER, {"schema": ""}),
        (READER, {"schema": "claims", "there": "append"}),
        (OWNER, {"schema": "crm"}),
        (OWNER, {"schema": "system"}),
        (OWNER, {"catalog": "crm_uploads"}),
        (OWNER, {"catalog": "policy_db"}),
    ):
        with pytest.raises(NotFound) as refused:
            land(app, who, **where)
        said.add(str(refused.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../b",
        "..",
        ".",
        "table.json",
        "x\\y",
        "lock",
        "CON",
        "a'b\"c",
        "ü",
        "%2e%2e",
    ],
)
def test_a_table_s_name_leads_nowhere(app: App, folder: Path, name: str) -> None:
    before = {file for file in folder.rglob("*") if ".ripstop" not in file.parts}
    assert land(app, table=name) == 3
    quoted = name.replace('"', '""')
    assert ask(app, f'SELECT count(*) AS n FROM claims_uploads."{quoted}"') == [{"n": 3}]
    after = {file for file in folder.rglob("*") if ".ripstop" not in file.parts}
    assert after == before


@pytest.mark.parametrize("name", ["", " x", "x" * 129, "a\nb", "a\x00b"])
def test_names_that_are_none(app: App, name: str) -> None:
    with pytest.raises(InvalidValue, match="printable"):
        land(app, table=name)


@pytest.mark.parametrize("names", [["a", "A"], [""], []])
def test_columns_need_names_of_their_own(app: App, names: list[str]) -> None:
    data = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)
    with pytest.raises(InvalidValue, match="columns with names"):
        land(app, data=data)


def files(folder: Path) -> list[Path]:
    return sorted((folder / ".ripstop/lake/uploads/claims").rglob("*.parquet"))


def test_a_half_upload_is_never_seen_and_leaves_nothing(app: App, folder: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from DATA.to_batches()
        raise pa.ArrowInvalid("cut")

    for there in ("fail", "append", "replace"):
        with pytest.raises(InvalidValue):
            app.ingest.land(
                Target("half", schema="claims", there=there), DATA.schema, broken(), OWNER, {}, {}
            )
        with pytest.raises(NotFound):
            ask(app, "SELECT * FROM claims_uploads.half")
    assert files(folder) == []
    with pytest.raises(InvalidValue):
        land(app, data=pa.table({"u": pa.array([None], pa.month_day_nano_interval())}), table="odd")
    assert files(folder) == []


def test_more_than_the_limit_is_refused(app: App, folder: Path) -> None:
    big = pa.table({"x": ["x" * 1000] * 4000})
    with pytest.raises(LimitError, match="2,000,000 bytes"):
        land(app, data=big)
    assert files(folder) == []


def test_a_reader_keeps_the_files_that_it_began_with(app: App) -> None:
    many = pa.table({"id": range(200_000)})
    land(app, data=many)
    sql = "SELECT id FROM claims_uploads.fnol"
    with app.line.run(sql, OWNER, Session()) as answer:
        batches = answer.batches()
        first = next(batches).num_rows
        land(app, data=pa.table({"id": [7]}), there="replace")
        assert first + sum(batch.num_rows for batch in batches) == 200_000
    assert ask(app, sql) == [{"id": 7}]


def test_appends_at_once_are_all_there(app: App) -> None:
    land(app, data=DATA)
    threads = [threading.Thread(target=land, args=(app,), kwargs={"there": "append"}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(app, "SELECT count(*) AS n FROM claims_uploads.fnol") == [{"n": 27}]


def test_another_server_sees_it_at_its_next_query_and_a_new_one_too(app: App, folder: Path) -> None:
    with closing(build(folder)) as other:
        land(app)
        assert ask(other, "SELECT count(*) AS n FROM claims_uploads.fnol") == [{"n": 3}]
        land(app, data=pa.table({"z": [1]}), there="replace")
        assert ask(other, "SELECT * FROM claims_uploads.fnol") == [{"z": 1}]
    with closing(build(folder)) as later:
        assert ask(later, "SELECT * FROM claims_uploads.fnol") == [{"z": 1}]


def test_what_a_crash_left_is_swept(app: App, folder: Path) -> None:
    land(app)
    [file] = files(folder)
    left = file.with_name("f" * 32 + ".parquet")
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    land(app, there="replace")
    assert not left.exists()
    assert file.exists()  # for an hour, since somebody may read it


def test_a_server_that_is_killed_in_the_middle_leaves_a_whole_table(folder: Path) -> None:
    script = (
        "import sys, pyarrow as pa\n"
        "from pathlib import Path\n"
        "from fabric.ingest import Target\n"
        "from fabric.types import Principal\n"
        "from server.app import build\n"
        "app = build(Path(sys.argv[1]))\n"
        "who = Principal('olga', frozenset({'role:claims-owner'}))\n"
        "data = pa.table({'id': range(500), 'n': [0] * 500})\n"
        "print('ready', flush=True)\n"
        "for n in range(10**6):\n"
        "    target = Target('fnol', schema='claims', there='append' if n % 4 else 'replace')\n"
        "    app.ingest.land(target, data.schema, data.to_batches(100), who, {}, {})\n"
    )
    for pause in (0.05, 0.11, 0.23, 0.4):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(pause)
            process.kill()
        with closing(build(folder)) as app:
            land(app, data=pa.table({"id": [1] * 500, "n": [0] * 500}), there="append")
            [row] = ask(app, "SELECT count(*) AS n, count(*) % 500 AS rest FROM claims_uploads.fnol")
            assert row["rest"] == 0


def test_it_is_audited_before_and_after(app: App) -> None:
    land(app)
    with pytest.raises(NotFound):
        land(app, OUTSIDER)
    assert app.audit is not None
    found = ask(app, "SELECT * FROM system.audit WHERE sql LIKE 'INGEST%'", AUDITOR)
    assert [(r["user"], r["decision"], r["rows"]) for r in found if r["decision"] == "denied"] == [
        ("eve", "denied", None)
    ]
    [intent] = [r for r in found if r["user"] == "olga"]
    ended = ask(
        app,
        f"SELECT rows FROM system.audit WHERE query_id = '{intent['query_id']}' AND event <> 'intent'",
        AUDITOR,
    )
    assert (intent["decision"], ended) == ("allowed", [{"rows": 3}])
    assert ask(app, "SELECT rows, state FROM system.queries WHERE sql LIKE 'INGEST%'") == [
        {"rows": 3, "state": "succeeded"}
    ]


def test_no_source_may_take_the_name_of_uploads(folder: Path) -> None:
    text = (folder / "fabric.yaml").read_text("utf-8")
    text += "sources:\n  claims_uploads: {type: local, domain: claims, uri: data/, tables: {}}\n"
    (folder / "fabric.yaml").write_text(text, "utf-8")
    with pytest.raises(FabricError, match="tables are that were uploaded to 'claims'"):
        build(folder)


# ── through ADBC ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def served(app: App) -> Iterator[str]:
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield f"grpc://127.0.0.1:{server.port}"
    finally:
        server.close()


def connect(uri: str, user: str = "olga") -> dbapi.Connection:
    return dbapi.connect(uri, db_kwargs={"username": user, "password": "secret"}, autocommit=True)


def test_adbc_ingest(served: str) -> None:
    with connect(served) as connection, connection.cursor() as cursor:
        assert cursor.adbc_ingest("fnol", DATA, mode="create", db_schema_name="claims") == 3
        with pytest.raises(dbapi.Error, match="is there already"):
            cursor.adbc_ingest("fnol", DATA, mode="create", db_schema_name="claims")
        assert cursor.adbc_ingest("fnol", DATA, mode="append", db_schema_name="claims") == 3
        assert cursor.adbc_ingest("fnol", DATA, mode="create_append", catalog_name="claims_uploads") == 3
        assert cursor.adbc_ingest("fnol", DATA.to_reader(), mode="replace") == 3
        cursor.execute("SELECT count(*) FROM claims_uploads.fnol")
        assert cursor.fetchall() == [(3,)]
        with pytest.raises(dbapi.Error, match="temporary"):
            cursor.adbc_ingest("t", DATA, mode="create", temporary=True)
    with (
        connect(served, "eve") as connection,
        connection.cursor() as cursor,
        pytest.raises(dbapi.Error, match="no such place"),
    ):
        cursor.adbc_ingest("fnol", DATA, mode="append", db_schema_name="claims")


def test_a_client_that_dies_in_the_middle_lands_nothing(served: str, app: App, folder: Path) -> None:
    script = (
        "import os, pyarrow as pa, sys\n"
        "from adbc_driver_flightsql import dbapi\n"
        "schema = pa.schema([('id', pa.int64())])\n"
        "def batches():\n"
        "    yield pa.record_batch([pa.array(range(1000))], schema)\n"
        "    yield pa.record_batch([pa.array(range(1000))], schema)\n"
        "    import time; time.sleep(1)\n"
        "    os._exit(9)\n"
        f"c = dbapi.connect({served!r}, db_kwargs={{'username': 'olga', 'password': 'secret'}}, autocommit=True)\n"
        "c.cursor().adbc_ingest('half', pa.RecordBatchReader.from_batches(schema, batches()), mode='create', db_schema_name='claims')\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 9
    ended = "SELECT * FROM system.queries WHERE sql LIKE 'INGEST%'"
    deadline = time.monotonic() + 10
    while not ask(app, ended) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [row["state"] for row in ask(app, ended)] == ["failed"]
    with pytest.raises(NotFound):
        ask(app, "SELECT * FROM claims_uploads.half")
    assert files(folder) == []
