"""Wishes, on both databases: there again after a restart, one limit for all processes, no secret in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from fabric.errors import LimitError
from fabric.state import State, open_state
from fabric.types import TableName
from fabric.wishes import KEPT_WISH_DAYS, MOST_WISHES, Wishes

CUSTOMER = TableName("acme", "crm", "customer")


@pytest.fixture
def state(state_place: str) -> Iterator[State]:
    with closing(open_state(state_place)) as made:
        yield made


def wish(wishes: Wishes, reason: str = "why", user: str = "ana") -> str:
    return wishes.wish(user, CUSTOMER, "crm.customer", reason, "crm-team")


def test_a_wish_is_there_after_a_restart(state_place: str) -> None:
    with closing(open_state(state_place)) as state:
        made = wish(Wishes(state))
    with closing(open_state(state_place)) as state:
        (found,) = Wishes(state).all()
    assert (found.request_id, found.user, found.name, found.object) == (made, "ana", CUSTOMER, "crm.customer")
    assert (found.reason, found.owner) == ("why", "crm-team")
    assert abs((datetime.now(UTC) - found.at).total_seconds()) < 600


def test_two_processes_share_wishes_and_their_limit(state: State, state_place: str) -> None:
    with closing(open_state(state_place)) as second:
        one, other = Wishes(state), Wishes(second)
        for number in range(MOST_WISHES):
            wish((one, other)[number % 2], str(number))
        for wishes in (one, other):
            with pytest.raises(LimitError):
                wish(wishes, "one more")
        assert wish(one, "3") == wish(other, "3")
        assert len(one.all()) == MOST_WISHES


def test_an_old_wish_is_forgotten_and_counts_no_more(state: State) -> None:
    wishes = Wishes(state)
    for number in range(MOST_WISHES):
        wish(wishes, str(number))
    with state.transaction() as run:
        run("UPDATE requests SET at = at - $1 WHERE number > 1", (KEPT_WISH_DAYS * 86_400,))
    assert [found.reason for found in wishes.all()] == ["0"]
    wish(wishes, "new")
    assert [found.reason for found in wishes.all()] == ["0", "new"]


def test_secrets_are_taken_out_of_a_wish(state: State) -> None:
    wishes = Wishes(state, lambda text: text.replace("hunter2", "***"))
    wish(wishes, "the password is hunter2")
    assert [found.reason for found in wishes.all()] == ["the password is ***"]
