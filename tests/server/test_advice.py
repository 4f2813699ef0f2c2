"""What would have been saved, counted by hand over rows of the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.advice import Object, advise, of_history, of_usage, queries

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CLAIMS = Object("claims.open", "product", frozenset({"lake.claim", "db.public.policy"}))
RISK = Object("claims.risk", "product", frozenset({"lake.claim", "api.score"}))
POLICY = Object("db.public.policy", "table")


def scanned(
    number: int, named: str, *scans: tuple[str | None, float, int | None], **said: Any
) -> list[dict[str, Any]]:
    """A query's rows: it began ``number`` minutes after noon."""
    query = {
        "query_id": str(number),
        "user": said.get("user", "ana"),
        "started_at": NOON + timedelta(minutes=number),
        "run_seconds": said.get("ran", 100.0),
        "receipt": f'{{"restricted": {{{named}}}, "policy": "x"}}',
    }
    return [query | {"object": name, "seconds": seconds, "bytes": size} for name, seconds, size in scans]


def test_a_product_saves_all_reads_but_its_refreshes() -> None:
    rows = [
        *scanned(0, '"claims.open": "none"', ("lake.claim", 2.0, 200), ("db.public.policy", 1.0, 50)),
        *scanned(10, '"Claims.\\"open\\"": "none"', ("lake.claim", 4.0, 400), user="bo"),
        *scanned(70, '"claims.open": "none"', ("lake.claim", 4.0, 400)),
    ]
    spent = of_history(queries(rows), [CLAIMS])
    product, table = advise([spent])
    assert (product.object, product.spent.reads, product.spent.users) == (CLAIMS, 3, {"ana", "bo"})
    assert (product.spent.seconds, product.spent.bytes) == (11.0, 1050)
    # 70 minutes apart, refreshed each hour: twice, each as the dearest read.
    assert (product.refreshes, product.saved_seconds, product.saved_bytes) == (2, 3.0, 250)
    assert (table.object.name, table.spent.seconds, table.saved_seconds) == ("lake.claim", 10.0, 2.0)
    rarely = advise([spent], every=86_400)[0]
    assert (rarely.refreshes, rarely.saved_seconds) == (1, 7.0)
    assert not advise([spent], every=60)  # refreshes would have taken more than the reads


def test_what_is_stored_already_is_not_proposed() -> None:
    """Those whom its snapshot may not be shown read its live parts; what these are made of may still be worth storing."""
    stored = Object(CLAIMS.name, "product", CLAIMS.beneath, stored=True)
    rows = [r for n in range(3) for r in scanned(n, '"claims.open": "rows"', ("lake.claim", 1.0, 1))]
    usage = {"object": "claims.open", "user": "bo", "queries": 9, "seconds": 9.0, "bytes": 9, "last_at": NOON}
    proposals = advise([of_history(queries(rows), [stored]), of_usage([usage], [stored])])
    assert [each.object.name for each in proposals] == ["lake.claim"]


def test_a_declared_freshness_says_how_often() -> None:
    fresh = Object("claims.open", "product", CLAIMS.beneath, 600.0)
    rows = [r for n in range(3) for r in scanned(n * 5, '"claims.open": "none"', ("lake.claim", 1.0, 1))]
    (proposal,) = (each for each in advise([of_history(queries(rows), [fresh])]) if each.object == fresh)
    assert (proposal.every, proposal.refreshes) == (600.0, 2)


def test_no_query_saves_more_than_it_ran() -> None:
    rows = [
        row
        for n in range(2)
        for row in scanned(
            n, '"claims.open": "none"', ("lake.claim", 3.0, 1), ("db.public.policy", 3.0, 1), ran=4.0
        )
    ]
    assert of_history(queries(rows), [CLAIMS])[CLAIMS].seconds == 8.0


@pytest.mark.parametrize("written", ["db.policy", "DB.public.policy"])
def test_of_several_relations_only_what_is_one_s_own_counts(written: str) -> None:
    shared = scanned(
        0,
        '"claims.open": "none", "claims.risk": "none"',
        ("lake.claim", 1.0, 1),
        ("db.public.policy", 2.0, 2),
    )
    spent = of_history(queries(shared), [CLAIMS, RISK])
    assert (spent[CLAIMS].seconds, spent[CLAIMS].reads) == (2.0, 1)
    assert (spent[RISK].reads, spent[RISK].apart) == (0, 1)
    direct = scanned(
        0,
        f'"claims.open": "none", "{written}": "none"',
        ("lake.claim", 1.0, 1),
        ("db.public.policy", 2.0, 2),
    )
    spent = of_history(queries(direct), [CLAIMS])
    assert spent[CLAIMS].seconds == 1.0
    assert spent[POLICY].seconds == 2.0


def test_what_is_not_told_is_counted_as_not_told() -> None:
    rows = [
        r
        for n in range(2)
        for r in scanned(n, '"claims.open": "rows"', (None, 1.0, None), ("lake.claim", 1.0, 5))
    ]
    sums = of_history(queries(rows), [CLAIMS])[CLAIMS]
    assert (sums.reads, sums.seconds, sums.bytes, sums.untold, sums.restricted) == (2, 4.0, 10, 2, 2)


def test_an_owner_s_sums_by_day_count_where_they_tell_of_more_reads() -> None:
    used = {"object": "claims.open", "user": "ana", "last_at": NOON, "queries": 10}
    usage = [
        used | {"seconds": 20.0, "bytes": 1000},
        used
        | {
            "user": "bo",
            "seconds": 30.0,
            "bytes": 500,
            "last_at": NOON + timedelta(days=1),
        },
        used | {"user": "me", "seconds": 9.0, "bytes": None},  # my own use of what is not mine
    ]
    own = of_history(queries(scanned(0, '"claims.open": "none"', ("lake.claim", 1.0, 1))), [CLAIMS])
    (proposal,) = advise([own, of_usage(usage, [CLAIMS])], every=86_400)
    assert (proposal.spent.rests_on, proposal.spent.reads, proposal.spent.users) == (
        "usage",
        20,
        {"ana", "bo"},
    )
    assert (proposal.refreshes, proposal.saved_seconds, proposal.saved_bytes) == (2, 45.0, 1350)


def test_one_read_proposes_nothing() -> None:
    assert not advise(
        [of_history(queries(scanned(0, '"claims.open": "none"', ("lake.claim", 9.0, 9))), [CLAIMS])]
    )
    assert not advise([{}])
