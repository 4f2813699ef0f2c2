"""What applies to whom."""

from __future__ import annotations

import pytest

from fabric.config_model import LimitSettings
from fabric.limits import allowance, size_text

LIMITS = {
    "default": LimitSettings(running=8, per_user=4, rows=100),
    "role:Etl": LimitSettings(per_user=16, seconds=600, priority=-5),
    "role:analyst": LimitSettings(per_user=2, seconds=60),
}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ((), (8, 4, None, 100, None)),
        (("role:analyst",), (8, 2, 60, 100, None)),
        (("role:analyst", "role:etl"), (8, 16, 600, 100, -5)),
        (("role:other",), (8, 4, None, 100, None)),
    ],
)
def test_of_each_key_the_most_generous_role_counts_else_the_default(
    roles: tuple[str, ...], expected: tuple[object, ...]
) -> None:
    found = allowance(LIMITS, roles).limits
    assert (found.running, found.per_user, found.seconds, found.rows, found.priority) == expected


def test_who_gave_each_is_known() -> None:
    given_by = allowance(LIMITS, ["role:ETL"]).given_by
    assert given_by == {
        "running": "default",
        "per_user": "role:Etl",
        "seconds": "role:Etl",
        "rows": "default",
        "priority": "role:Etl",
    }


def test_sizes_are_written_as_in_the_configuration() -> None:
    sizes = (5, 20_000, 1_500_000_000, 10**12)
    assert [size_text(size) for size in sizes] == ["5B", "20KB", "1.5GB", "1TB"]
