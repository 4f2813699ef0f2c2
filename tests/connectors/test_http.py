from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.http import HttpConnector
from fabric.errors import BadData, InvalidConfig, SourceLoginRefused, Unreachable
from fabric.predicates import AnyOf, Comparison, Membership, NullTest, Predicate
from fabric.pushdown import describe
from fabric.spi import FileConnector, ScanConnector, ScanContext
from server.demo.http import EmbeddedHttp, Filter
from tests.connectors.http_source import batches_of, offer_of, rows_of, source, table_of
from tests.connectors.scripted_http import Asked, Reply, in_turn, scripted
from tests.patience import PATIENCE

START = datetime(2026, 1, 1)
ROWS = [
    {
        "claim_id": n,
        "score": n / 7,
        "scored_at": START + timedelta(hours=n),
        "note": f"n{n % 3}" if n % 5 else None,
    }
    for n in range(1000)
]
STYLES: dict[str, dict[str, Any] | None] = {
    "cursor": {"type": "cursor", "param": "cursor", "next": "$.next"},
    "page": {"type": "page", "param": "page", "size_param": "size", "size": 90, "total": "$.total"},
    "offset": {"type": "offset", "param": "offset", "limit_param": "limit", "limit": 90, "total": "$.total"},
    "link": {"type": "link"},
    "none": None,
}


def declared(style: str) -> dict[str, Any]:
    paging = STYLES[style]
    return {
        "path": f"/v1/{style}",
        "records": "$.items",
        "columns": {"claim_id": "BIGINT", "score": "DOUBLE", "scored_at": "TIMESTAMP", "note": "VARCHAR"},
        "params": {
            "claim_id": {"name": "id", "op": "in", "max_values": 50},
            "score": {"name": "min", "op": ">="},
            "scored_at": [{"name": "since", "op": ">="}, {"name": "until", "op": "<"}],
        },
        **({"pagination": paging} if paging else {}),
    }


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedHttp]:
    filters = {
        "id": Filter("claim_id", "in"),
        "min": Filter("score", ">="),
        "since": Filter("scored_at", ">="),
        "until": Filter("scored_at", "<"),
    }
    with EmbeddedHttp("hush") as running:
        for style in ("cursor", "page", "offset", "link", "none"):
            running.table(f"/v1/{style}", ROWS, style, size=100, filters=filters)
        yield running


@pytest.fixture(scope="module")
def connector(server: EmbeddedHttp) -> Iterator[HttpConnector]:
    tables = {style: declared(style) for style in STYLES}
    with source(server.uri, tables, auth={"bearer": "hush"}) as made:
        yield made


@pytest.fixture(scope="module")
def local() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.register("t", pa.Table.from_pylist(ROWS))
        yield connection


def key(row: dict[str, Any]) -> int:
    return int(row["claim_id"])


def test_it_is_a_connector_of_both_kinds(connector):
    assert isinstance(connector, ScanConnector)
    assert isinstance(connector, FileConnector)
    assert connector.extra == "http"


def test_tables_are_those_declared(connector):
    table = table_of(connector, "cursor")
    assert str(table.name) == "fraud_api.cursor"
    assert [(column.name, column.type) for column in table.columns][:2] == [
        ("claim_id", "BIGINT"),
        ("score", "DOUBLE"),
    ]
    assert table.layout is None


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_paging_answers_every_row_once(connector, style):
    assert sorted(rows_of(connector, style), key=key) == ROWS


@pytest.mark.parametrize("style", STYLES)
def test_declared_parameters_reduce_what_is_read(connector, server, style):
    before = len(server.seen)
    context = ScanContext()
    ids = Membership("claim_id", tuple(range(0, 700, 10)))
    rows = rows_of(
        connector, style, ids, Comparison("scored_at", ">=", START + timedelta(hours=350)), context=context
    )
    assert sorted(map(key, rows)) == list(range(350, 700, 10))
    assert context.rows == 35
    assert context.requests == len(server.seen) - before == 2


@pytest.mark.parametrize("style", STYLES)
def test_a_limit_ends_early(connector, style):
    context = ScanContext()
    assert len(rows_of(connector, style, limit=101, context=context)) == 101
    assert context.requests <= 2


def test_columns_are_those_asked_for_in_their_order(connector):
    offer = offer_of(connector, "none", Comparison("claim_id", "=", 7), columns=("note", "claim_id"))
    (batch,) = batches_of(connector, offer)
    assert batch.schema == pa.schema([("note", pa.string()), ("claim_id", pa.int64())])
    assert batch.to_pylist() == [{"note": "n1", "claim_id": 7}]


def test_a_condition_may_stand_on_a_column_that_is_not_asked_for(connector):
    rows = rows_of(connector, "none", Comparison("claim_id", "=", 7), columns=("note",))
    assert rows == [{"note": "n1"}]


conditions = st.one_of(
    st.builds(
        Comparison, st.just("claim_id"), st.sampled_from(["=", "<>", "<", ">="]), st.integers(-2, 1002)
    ),
    st.builds(
        Membership,
        st.just("claim_id"),
        st.lists(st.integers(-2, 1002), min_size=1, max_size=70).map(tuple),
        st.booleans(),
    ),
    st.builds(
        Comparison,
        st.just("scored_at"),
        st.sampled_from(["=", "<", "<=", ">", ">="]),
        st.datetimes(START - timedelta(days=1), START + timedelta(days=45)),
    ),
    st.builds(
        Comparison, st.just("score"), st.sampled_from([">=", "<"]), st.integers(0, 999).map(lambda n: n / 7)
    ),
    st.builds(Comparison, st.just("note"), st.just("="), st.sampled_from(["n1", "", "N1"])),
    st.builds(NullTest, st.just("note"), st.booleans()),
    st.just(AnyOf((Comparison("claim_id", "=", 1), Comparison("claim_id", "=", 5)))),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(conditions, max_size=3), st.sampled_from(["cursor", "page", "offset", "link"]))
def test_pushed_and_rest_equal_duckdb_on_a_local_copy(connector, local, predicates, style):
    offer = offer_of(connector, style, *predicates)
    found = [row for batch in batches_of(connector, offer) for row in batch.to_pylist()]
    ids = [key(row) for row in found]
    assert len(set(ids)) == len(ids)
    taken = sql(local, offer.taken)
    assert sorted(ids) == taken, "exactly what was taken is applied"
    assert set(sql(local, predicates)) <= set(taken)


def sql(local: duckdb.DuckDBPyConnection, predicates: Any) -> list[int]:
    where = " AND ".join(f"({describe(predicate)})" for predicate in predicates) or "true"
    return [row[0] for row in local.sql(f"SELECT claim_id FROM t WHERE {where} ORDER BY 1").fetchall()]


def test_eight_readers_at_once(connector):
    found: list[int] = []
    styles = ["page", "cursor", "offset", "link"] * 2
    threads = [
        threading.Thread(target=lambda style=style: found.append(len(rows_of(connector, style))))
        for style in styles
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1000] * 8


# ── what records do not say, and what a source does not honour ───────────────────────────────


def one_table(**keys: Any) -> dict[str, Any]:
    return {"t": {"path": "/t", "columns": {"id": "BIGINT", "name": "VARCHAR"}, **keys}}


def answer(
    table: dict[str, Any], reply: Any, *predicates: Predicate, limit: int | None = None
) -> list[dict[str, Any]]:
    script = reply if callable(reply) else in_turn(Reply(reply))
    with scripted(script) as running, source(running.uri, table) as made:
        return rows_of(made, "t", *predicates, limit=limit)


def test_a_column_that_the_record_does_not_echo_comes_from_the_request():
    def script(asked: Asked) -> Reply:
        return Reply([{"name": asked.target.rpartition("/")[2]}])

    rows = answer(one_table(path="/t/{id}"), script, Membership("id", (1, 2)))
    assert rows == [{"id": 1, "name": "1"}, {"id": 2, "name": "2"}]
    by_param = answer(one_table(params={"id": {}}), [{"name": "x"}], Comparison("id", "=", 7))
    assert by_param == [{"id": 7, "name": "x"}]


def test_values_of_every_type_come_from_the_request():
    from datetime import UTC, date
    from decimal import Decimal
    from uuid import UUID

    values = {
        "DATE": date(2026, 1, 2),
        "TIMESTAMP": START,
        "TIMESTAMPTZ": START.replace(tzinfo=UTC),
        "UUID": UUID(int=5),
        "DECIMAL(9,2)": Decimal("1.50"),
        "HUGEINT": 7,
        "DOUBLE": 0.5,
        "BOOLEAN": True,
        "VARCHAR": "x",
    }
    for text, value in values.items():
        table = {"t": {"path": "/t/{k}", "columns": {"k": text, "name": "VARCHAR"}}}
        assert answer(table, [{"name": "x"}], Comparison("k", "=", value)) == [{"k": value, "name": "x"}]


def test_records_of_several_values_must_carry_the_column():
    with pytest.raises(BadData, match="'id'") as caught:
        answer(one_table(params={"id": {"op": "in"}}), [{"name": "x"}], Membership("id", (1, 2)))
    assert "max_values: 1" in caught.value.hint


def test_a_parameter_that_the_source_ignores_is_an_error_and_not_rows_twice():
    everything = [{"id": 1}, {"id": 2}, {"id": 3}]
    with pytest.raises(BadData) as caught:
        answer(one_table(params={"id": {}}), everything, Membership("id", (1, 2)))
    assert "exact: false" in caught.value.hint
    with pytest.raises(BadData):
        answer(one_table(params={"id": {"op": ">="}}), everything, Comparison("id", ">=", 2), limit=1)


def test_a_parameter_that_is_not_exact_gives_each_row_once():
    everything = [{"id": 1}, {"id": 2}, {"id": 3}]
    rows = answer(one_table(params={"id": {"exact": False}}), everything, Membership("id", (1, 2)))
    assert [row["id"] for row in rows] == [1, 2]


def test_not_found_is_an_error_unless_it_means_empty():
    def script(asked: Asked) -> Reply:
        return Reply(status=404) if asked.target.endswith("/2") else Reply([{"name": "x"}])

    both = Membership("id", (1, 2))
    with pytest.raises(BadData, match="404"):
        answer(one_table(path="/t/{id}"), script, both)
    rows = answer(one_table(path="/t/{id}", not_found="empty"), script, both)
    assert [row["id"] for row in rows] == [1]


def test_status_204_is_no_rows():
    assert answer(one_table(), in_turn(Reply(status=204))) == []


# ── freeing, checking, closing ───────────────────────────────────────────────────────────────


def test_closing_the_iterator_frees_the_connections():
    paging = {"type": "page", "param": "p", "total": "$.total"}
    table = one_table(records="$.items", pagination=paging)

    def script(asked: Asked) -> Reply:
        if asked.target.endswith("p=1"):
            return Reply({"items": [{"id": 1}], "total": 50})
        return Reply(silent=True)

    with scripted(script) as running, source(running.uri, table) as made:
        offer = offer_of(made, "t")
        context = ScanContext()
        reading = made.open().read(offer, offer.splits[0], context)
        assert next(reading).num_rows == 1
        ended = threading.Timer(0.2, context.cancel)
        ended.start()
        with pytest.raises(Exception, match="cancelled"):
            next(reading)
        ended.join()
        started = time.monotonic()
        reading.close()
        while running.open and time.monotonic() - started < PATIENCE * 0.5:
            time.sleep(0.01)
        assert running.open == 0


def test_an_iterator_that_is_left_ends_its_pages(connector, server):
    offer = offer_of(connector, "page")
    reading = connector.open().read(offer, offer.splits[0], ScanContext())
    next(reading)
    next(reading)
    started = time.monotonic()
    reading.close()
    assert time.monotonic() - started < PATIENCE * 0.5
    time.sleep(0.1)
    seen = len(server.seen)
    time.sleep(0.1)
    assert len(server.seen) == seen


def test_check_proves_each_step(connector):
    steps = list(connector.check())
    assert [step.name for step in steps] == ["resolved", "connected", "logged in", "listed"]
    assert steps[-1].detail == "5 REST tables answered, 0 files found"


def test_check_covers_files_and_says_what_was_not_asked(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n")
    tables = {**one_table(path="/t/{id}"), "f": {"path": "files/x.csv", "format": "csv"}}
    with (
        EmbeddedHttp("hush", tmp_path) as running,
        source(running.uri, tables, auth={"bearer": "hush"}) as made,
    ):
        *_, last = made.check()
    assert last.detail == "0 REST tables answered, 1 files found, 1 that need a value were not asked"


def test_check_stops_at_the_step_that_fails(server):
    with source(server.uri, {"t": declared("page")}, auth={"bearer": "wrong"}) as made:
        steps = made.check()
        assert [next(steps).name, next(steps).name] == ["resolved", "connected"]
        with pytest.raises(SourceLoginRefused):
            next(steps)
    with source("http://nobody.invalid", {}) as made, pytest.raises(Unreachable, match="resolve"):
        next(made.check())
    with source("http://127.0.0.1:9", {}) as made:
        steps = made.check()
        next(steps)
        with pytest.raises(Unreachable, match="listens"):
            next(steps)


def test_check_reports_a_table_that_does_not_fit(server):
    wrong = {"t": {**declared("page"), "columns": {"claim_id": "DATE"}, "params": {}}}
    with (
        source(server.uri, wrong, auth={"bearer": "hush"}) as made,
        pytest.raises(BadData, match="'claim_id'"),
    ):
        list(made.check())


def test_certificates_that_cannot_be_read_are_a_fault_of_the_configuration(tmp_path):
    with pytest.raises(InvalidConfig, match="ca_file"), source("https://h", {}, tmp_path, ca_file="none.pem"):
        pass
    (tmp_path / "bad.pem").write_text("hush")
    with pytest.raises(InvalidConfig, match="ca_file"), source("https://h", {}, tmp_path, ca_file="bad.pem"):
        pass


def test_the_settings_do_not_need_the_library():
    import subprocess
    import sys

    code = "import connectors.http, sys; sys.exit(any(name.startswith('httpx2') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
