"""A real server is killed while clients ask; the benchmark does it many times more."""

from __future__ import annotations

from benchmarks import lake_kills
from benchmarks.kills import measure


def test_kill_9_under_load_loses_no_intent_and_nothing_that_was_shown() -> None:
    found = measure(5, 2.0)
    assert found["answered"]
    assert found["shown in system.queries"]
    assert found["answered, and no intent in the audit"] == 0
    assert found["findings of audit verify"] == 0
    assert found["shown, and not there any more"] == 0


def test_kill_9_while_runs_and_refreshes_are_under_way_leaves_nothing_half_and_no_orphan() -> None:
    found = lake_kills.measure(3, "s3", 5.0)
    assert found["succeeded"]
    assert found["refreshes asked for, and reported"]
    for what in (
        "not over",
        "acknowledged, and not in system.runs",
        "half, or older than was reported",
        "counts, and not readable whole",
        "files of nothing",
    ):
        assert not found[what], found
