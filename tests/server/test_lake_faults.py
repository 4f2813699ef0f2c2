"""A real S3 server of which every tenth request fails or is never answered: runs and refreshes are whole, or clearly failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.faulty import FaultyProxy, faulty
from fabric.errors import FabricError, SourceError
from server.demo.s3 import EmbeddedS3
from tests.policies.governed import ANA, App, ask, company, rows
from tests.server.test_snapshots import NEVER, OWNER, refresher
from tests.server.tiny import until

SEED = 11
ROWS = 200_000
BIG = f"SELECT range AS id, 'name-' || range AS name, hash(range) AS h FROM range({ROWS})"
PRODUCT = {"claims/big": f"/*---\nmaterialize: {{refresh: '{NEVER}', keep: 3}}\n---*/\n{BIG}"}
WHOLE = (ROWS, ROWS * (ROWS - 1) // 2)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[App, FaultyProxy]]:
    """An app whose lake is reached through a proxy that is well until it is told otherwise."""
    with EmbeddedS3(tmp_path / "s3", "lakekey", "lakesecret") as s3:
        client = s3.client()
        client.create_bucket(Bucket="lake")
        client.close()
        with faulty(s3.endpoint, 0.0, 1.5, SEED) as proxy:
            lake = (
                f"lake: {{uri: 's3://lake/acme', endpoint: 'http://127.0.0.1:{proxy.port}', region: us-east-1, "
                "access_key_id: lakekey, secret_access_key: lakesecret, timeout: 1s}\n"
            )
            (tmp_path / "acme").mkdir()
            with company(tmp_path / "acme", {}, PRODUCT, lake) as app:
                until(lambda: len(app.catalog.snapshots) == 1, 60.0)
                yield app, proxy


def read_whole(app: App, written: str) -> tuple[object, ...]:
    """What is read of it once reading succeeds; an error that does is one of the source's."""
    for _ in range(20):
        try:
            return rows(app, f"SELECT count(name) AS n, sum(id)::BIGINT AS s FROM {written}")[0]
        except SourceError:
            continue
    raise AssertionError("it is never read")


def test_runs_succeed_or_fail_clearly_and_never_by_half(proxied: tuple[App, FaultyProxy]) -> None:
    app, proxy = proxied
    proxy.part = 0.1
    ids = [
        str(ask(app, f"CALL system.submit('{BIG.replace(chr(39), chr(39) * 2)}')", ANA)["run_id"][0])
        for _ in range(12)
    ]

    def states() -> dict[str, tuple[str, str]]:
        found = ask(app, "SELECT run_id, state, error FROM system.runs", ANA).to_pylist()
        return {row["run_id"]: (row["state"], str(row["error"])) for row in found}

    until(lambda: not {"queued", "running"} & {state for state, _ in states().values()}, 120.0)
    good = [run_id for run_id in ids if states()[run_id][0] == "succeeded"]
    for run_id in ids:
        state, error = states()[run_id]
        if run_id in good:
            assert read_whole(app, f'results."{run_id}"') == WHOLE
        else:
            assert (state, error[: len("SOURCE_UNREACHABLE")]) == ("failed", "SOURCE_UNREACHABLE")
            with pytest.raises(FabricError):
                ask(app, f'SELECT * FROM results."{run_id}"', ANA)
    assert good
    assert sum(proxy.faults.values()) > 5
    proxy.part = 0.0
    runs = app.line.procedures.runs
    assert runs is not None
    runs.sweep()
    assert {file.path.split("/")[1] for file in runs._lake.listed("runs")} == set(good)


def test_refreshes_succeed_or_fail_clearly_and_the_last_good_one_is_served(
    proxied: tuple[App, FaultyProxy],
) -> None:
    app, proxy = proxied
    proxy.part = 0.1
    good = 0
    for _ in range(8):
        try:
            (told,) = ask(app, "REFRESH claims.big", OWNER).to_pylist()
        except SourceError as error:
            assert "the lake cannot be" in error.message  # noqa: PT017
        else:
            assert told["rows"] == ROWS
            good += 1
        assert read_whole(app, "claims.big") == WHOLE
    assert good
    assert sum(proxy.faults.values()) > 5
    for kept in ask(app, "SELECT snapshot_id FROM system.snapshots", ANA)["snapshot_id"].to_pylist():
        assert read_whole(app, f"claims.big AT (VERSION => '{kept}')") == WHOLE


def test_a_lake_that_never_answers_is_a_clear_error(proxied: tuple[App, FaultyProxy]) -> None:
    app, proxy = proxied
    proxy.part = 1.0
    with pytest.raises(SourceError, match="the lake cannot be"):
        ask(app, "REFRESH claims.big", OWNER)
    proxy.part = 0.0
    assert read_whole(app, "claims.big") == WHOLE
    assert refresher(app)._snapshots.told()["claims.big@1"][1]
