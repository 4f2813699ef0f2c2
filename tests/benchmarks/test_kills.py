"""A real server is killed while clients ask; the benchmark does it many times more."""

from __future__ import annotations

from benchmarks.kills import measure


def test_kill_9_under_load_loses_no_intent_and_nothing_that_was_shown() -> None:
    found = measure(5, 2.0)
    assert found["answered"]
    assert found["shown in system.queries"]
    assert found["answered, and no intent in the audit"] == 0
    assert found["findings of audit verify"] == 0
    assert found["shown, and not there any more"] == 0
