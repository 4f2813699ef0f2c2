"""OpenLineage events of a real project's queries: to a file, over HTTP to a real server, and to one that hangs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2
from openlineage.client.generated.column_lineage_dataset import ColumnLineageDatasetFacet, Fields, InputField

from fabric.errors import FabricError, InvalidConfig
from fabric.types import Principal, TableName
from server.openlineage import dataset_namer
from tests.policies.governed import ANA, App, ask, company

Event = dict[str, Any]

AUDITOR = Principal("aud", frozenset({"role:auditor"}))
RULES = {
    "federation": "p, role:auditor, system.limits, read, allow\n",
    "claims": "p3, role:analyst, claims.claim, region = 'EU'\n",
    "crm": "p2, role:*, crm.customer, email, email\n",
}


@contextmanager
def telling(directory: Path, said: str, rules: dict[str, str] = RULES) -> Iterator[App]:
    """The company, with an ``openlineage`` in its fabric.yaml."""
    with company(directory, rules):
        pass
    from server.app import build

    with (directory / "fabric.yaml").open("a") as file:
        file.write(f"\nopenlineage: {said}\n")
    app = build(directory)
    try:
        yield app
    finally:
        app.close()


class Receiver:
    """An HTTP server that keeps what it gets; ``hangs`` makes it answer never."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.events: list[tuple[str, str | None, Event]] = []
        self.release = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.events.append((self.path, self.headers.get("Authorization"), json.loads(body)))
                if hangs:
                    outer.release.wait(60)
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *said: object) -> None:
                """Nothing is printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def lines(directory: Path) -> list[Event]:
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """What a file holds after three queries: one that succeeds, one that is refused, one that fails."""
    directory = tmp_path_factory.mktemp("acme")
    with telling(directory, "{file: events.jsonl}") as app:
        ask(
            app,
            "SELECT upper(email) AS mail, count(*) AS n FROM claims.open WHERE amount > 10 GROUP BY ALL",
            ANA,
        )
        ask(app, "SELECT claim_id, region FROM claims.claim", ANA)
        with pytest.raises(FabricError):
            ask(app, "SELECT * FROM lake.claim", ANA)
        with pytest.raises(FabricError):
            ask(app, "SELECT CAST(name AS INTEGER) AS x FROM crm.customer", ANA)
    return lines(directory)


def runs(told: list[Event], state: str) -> list[Event]:
    return [event for event in told if event.get("eventType") == state]


def test_each_query_starts_and_ends_and_what_is_refused_is_no_run(told: list[Event]) -> None:
    states = [event["eventType"] for event in told if "run" in event]
    assert states == ["START", "COMPLETE", "START", "COMPLETE", "START", "FAIL"]
    starts, ends = [event for event in told if event.get("eventType") == "START"], runs(told, "COMPLETE")
    assert [event["run"]["runId"] for event in starts[:2]] == [event["run"]["runId"] for event in ends]
    (failed,) = runs(told, "FAIL")
    assert failed["run"]["facets"]["errorMessage"]["programmingLanguage"] == "SQL"


def test_a_query_has_its_text_its_user_its_counts_and_what_it_read(told: list[Event]) -> None:
    first, _ = runs(told, "COMPLETE")
    assert first["job"]["namespace"] == "ripstop://acme"
    assert first["job"]["facets"]["sql"]["query"].startswith("SELECT upper(email)")
    tags = {tag["key"]: tag["value"] for tag in first["run"]["facets"]["tags"]["tags"]}
    assert tags["user"] == "ana"
    assert [(each["namespace"], each["name"]) for each in first["inputs"]] == [
        ("ripstop://acme", "claims.open")
    ]
    (answer,) = first["outputs"]
    assert answer["name"] == first["job"]["name"]
    assert answer["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert [field["name"] for field in answer["facets"]["schema"]["fields"]] == ["mail", "n"]


def test_columns_have_their_lineage_with_masks_and_row_rules(told: list[Event]) -> None:
    first, second = runs(told, "COMPLETE")
    found = first["outputs"][0]["facets"]["columnLineage"]
    assert found["_schemaURL"].startswith("https://openlineage.io/spec/facets/1-2-0/")
    (mail,) = found["fields"]["mail"]["inputFields"]
    assert (mail["namespace"], mail["name"], mail["field"]) == ("ripstop://acme", "claims.open", "email")
    assert mail["transformations"] == [{"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}]
    decided = {each["field"]: each["transformations"] for each in found["dataset"]}
    assert decided["amount"] == [{"type": "INDIRECT", "subtype": "FILTER", "masking": False}]
    assert decided["email"] == [{"type": "INDIRECT", "subtype": "GROUP_BY", "masking": True}]
    rows = second["outputs"][0]["facets"]["columnLineage"]["dataset"]
    assert [(each["field"], each["transformations"][0]["subtype"]) for each in rows] == [("region", "FILTER")]


def test_products_beneath_are_told_once_down_to_the_sources(told: list[Event]) -> None:
    products = [event for event in told if "run" not in event]
    assert [event["job"]["name"] for event in products] == [
        "product_claims.open", "product_crm.customer", "product_claims.claim",
    ]  # fmt: skip
    (opened, customer, _) = products
    assert {each["name"] for each in opened["inputs"]} == {"lake.claim", "crm.customer"}
    fields = customer["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert fields["email"]["inputFields"][0]["name"] == "crm_db.customer"


def test_the_events_are_as_openlineages_own_classes_have_them(told: list[Event]) -> None:
    """They check run ids, times and addresses, and know every key."""
    for event in told:
        job = event_v2.Job(**event["job"])
        outputs = [event_v2.OutputDataset(**each) for each in event["outputs"]]
        inputs = [event_v2.InputDataset(**each) for each in event["inputs"]]
        common = {"eventTime": event["eventTime"], "producer": event["producer"], "job": job}
        if "run" in event:
            run = event_v2.Run(**event["run"])
            state = event_v2.RunState(event["eventType"])
            made: object = event_v2.RunEvent(
                eventType=state, run=run, inputs=inputs, outputs=outputs, **common
            )
        else:
            made = event_v2.JobEvent(inputs=inputs, outputs=outputs, **common)
        assert made.schemaURL == event["schemaURL"]  # type: ignore[attr-defined]
        assert "/2-0-2/OpenLineage.json" in event["schemaURL"]
        for dataset in event["outputs"]:
            said = dict(dataset["facets"]["columnLineage"])
            said.pop("_schemaURL")
            fields = {
                name: Fields([InputField(**each) for each in one["inputFields"]])
                for name, one in said.pop("fields").items()
            }
            ColumnLineageDatasetFacet(
                fields, [InputField(**each) for each in said.pop("dataset")], producer=said.pop("_producer")
            )
            assert not said


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────


def test_events_go_to_an_http_server_with_its_key(tmp_path: Path, receiver: Receiver) -> None:
    with telling(tmp_path, f"{{url: '{receiver.url}', api_key: sesame, namespace: acme-prod}}") as app:
        ask(app, "SELECT name FROM crm.customer", ANA)
    assert [event.get("eventType") for _, _, event in receiver.events] == [None, "START", "COMPLETE"]
    assert {(path, key) for path, key, _ in receiver.events} == {("/api/v1/lineage", "Bearer sesame")}
    assert receiver.events[1][2]["job"]["namespace"] == "acme-prod"
    assert "sesame" not in (tmp_path / "fabric.yaml").read_text().partition("openlineage")[0]


def test_a_receiver_that_hangs_keeps_no_query_waiting_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    receiver = Receiver(hangs=True)
    try:
        with telling(tmp_path, f"{{url: '{receiver.url}', timeout: 30, queue: 4}}") as app:
            (feed,) = [each for each in app.feeds if each.name == "lineage_events"]
            for n in range(10):
                assert ask(app, f"SELECT name FROM crm.customer LIMIT {n}", ANA).num_rows == min(n, 3)
            assert not receiver.release.is_set()  # ten queries were answered, and not one event was
            assert feed.sent == 0
            assert feed.waiting <= 4
            assert feed.dropped >= 20 - 4 - 1  # so many wait, and one is being sent
            asked = "SELECT value, in_use, meaning FROM system.limits WHERE name = 'lineage_events'"
            (row,) = ask(app, asked, AUDITOR).to_pylist()
            assert row["value"] == 4
            (dropped,) = re.findall(r"(\d+) dropped", row["meaning"])
            assert 16 <= int(dropped) <= feed.dropped
            assert ask(app, asked, ANA).num_rows == 0
    finally:
        receiver.close()


def test_a_receiver_that_is_away_or_refuses_is_counted(tmp_path: Path, receiver: Receiver) -> None:
    receiver.close()
    with telling(tmp_path, f"{{url: '{receiver.url}', timeout: 1}}") as app:
        (feed,) = [each for each in app.feeds if each.name == "lineage_events"]
        assert ask(app, "SELECT name FROM crm.customer", ANA).num_rows == 3
        deadline = time.monotonic() + 30
        while feed.failed < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert feed.failed >= 1


# ── names, and what fabric.yaml may say ──────────────────────────────────────────────────────


def test_datasets_have_the_names_that_other_tools_give_them(tmp_path: Path) -> None:
    (tmp_path / "fabric.yaml").write_text(
        """
name: acme
domains: {d: {owner: "role:o"}}
sources:
  crm: {type: postgres, domain: d, uri: "postgresql://reader:hunter2@db.acme.example:5433/crm%20db"}
  lake:
    type: s3
    domain: d
    uri: s3://claims-lake/raw
    access_key_id: AKIA
    secret_access_key: hunter2
    tables: {claim: {path: "claim/**/*.parquet", format: parquet}}
  api: {type: http, domain: d, uri: "http://127.0.0.1:1/", tables: {score: {path: /s, columns: {a: BIGINT}}}}
"""
    )
    (tmp_path / "users.yaml").write_text("users: {}")
    from fabric.config import load_project
    from fabric.types import FileLayout, Table

    sources = load_project(tmp_path, {}).sources
    layout = FileLayout("claim/**/*.parquet", "parquet")
    claim = Table(TableName("lake", "main", "claim"), (), layout=layout)
    named = dataset_namer(
        "acme", "ripstop://acme", sources, lambda parts: claim if parts[0] == "lake" else None
    )
    assert named(TableName("crm", "public", "customer")) == (
        "postgres://db.acme.example:5433", "crm db.public.customer",
    )  # fmt: skip
    assert named(claim.name) == ("s3://claims-lake", "raw/claim")
    assert named(TableName("api", "main", "score")) == ("ripstop://acme", "api.score")
    assert named(TableName("acme", "claims", "open")) == ("ripstop://acme", "claims.open")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{}", "needs one of url, kafka and file"),
        ("{file: a, url: 'http://x'}", "needs one of url, kafka and file"),
        ("{file: a, api_key: b}", "api_key goes with url"),
        ("{url: 'ftp://x'}", "openlineage.url"),
        ("{url: 'https://me:hunter2@x'}", "a url holds no login: say api_key"),
        ("{url: 'http://x', api_key: hunter2}", "api_key needs https://"),
        ("{fil: a}", "file"),
        ("{file: a, queue: 0}", "openlineage.queue"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, said: str, told: str) -> None:
    from fabric.config import load_project

    (tmp_path / "fabric.yaml").write_text(f"name: acme\nopenlineage: {said}\n")
    (tmp_path / "users.yaml").write_text("users: {}")
    with pytest.raises(InvalidConfig, match=re.escape(told)) as refused:
        load_project(tmp_path)
    assert "hunter2" not in str(refused.value)
