"""What one user was answered is never another's: the same statements by many users, in turn and at once."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from server.app import build
from tests.attacks.conftest import Tally
from tests.attacks.judge import Court

STATEMENTS = {
    "SELECT * FROM lake.claim": ("aud", "ana", "sam"),
    "SELECT count(*) AS n, max(email) AS e, max(phone) AS p FROM lake.claim": ("aud", "ana", "sam"),
    "SELECT * FROM policy_db.policy": ("aud", "ana", "sam"),
    "SELECT region, count(*) AS n FROM policy_db.policy GROUP BY region": ("aud", "ana", "sam"),
    "SELECT * FROM claims.open_claim": ("aud", "ana", "sam", "dora"),
    "SELECT * FROM claims.claim_person": ("aud", "ana", "sam", "dora"),
    "SELECT * FROM claims.ssn_count": ("aud", "ana", "sam", "dora"),
    "SELECT * FROM claims.contact_count": ("aud", "ana", "sam", "dora"),
    "SELECT * FROM claims.region_count": ("aud", "ana", "sam", "dora"),
    "SELECT * FROM claims.shared_masked": ("aud", "dora", "finn"),
    "SELECT * FROM lake.shared": ("aud", "finn"),
    "SELECT * FROM fraud_api.score": ("aud", "ana", "sam"),
    "SELECT count(*) AS n FROM lake.note": ("aud", "ana", "sam"),
    "SELECT count(*) AS n FROM lake.note, fraud_api.score": ("aud", "ana!", "sam!"),
    "SELECT * FROM ledger.booking": ("aud", "ana"),
    "SELECT claim_id FROM lake.claim WHERE phone LIKE '+49%'": ("aud", "ana", "sam"),
}
ASKED = [(sql, user) for sql, users in STATEMENTS.items() for user in users]


@pytest.fixture(scope="module", params=["afresh", "kept", "shared"])
def sharing(
    request: pytest.FixtureRequest, court: Court, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Court]:
    """The estate as it is, with the rows of every live source kept for an hour, and with answers for all alike."""
    if request.param == "afresh":
        yield court
        return
    folder: Path = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(directory, folder, ignore=shutil.ignore_patterns(".ripstop"))
    file = folder / "fabric.yaml"
    text, live = re.subn(
        r"\btype: (postgres|http|adbc)\b(,?)(\n *|)",
        lambda m: f"{m[0]}max_age: 1h{m[2] or m[3]}" if m[3] else f"{m[0]} max_age: 1h,",
        file.read_text("utf-8"),
    )
    assert live == 6
    if request.param == "shared":
        assert "cache:" not in text
        text += "\ncache: {shared_results: true}\n"
    file.write_text(text, "utf-8")
    with closing(build(folder)) as app:
        yield Court(app, court.oracle)


def ask(court: Court, sql: str, user: str) -> None:
    court.compare(user.rstrip("!"), sql, court.ask(user.rstrip("!"), sql), "rows") if not user.endswith(
        "!"
    ) else court.judge(user.rstrip("!"), sql, "denied")


@pytest.mark.parametrize("seed", range(3))
def test_users_who_ask_the_same_in_turn_get_their_own(sharing: Court, tally: Tally, seed: int) -> None:
    asked = list(ASKED)
    random.Random(seed).shuffle(asked)
    for sql, user in asked:
        tally.add("shared answers")
        ask(sharing, sql, user)


def test_users_who_ask_the_same_at_once_get_their_own(sharing: Court, tally: Tally) -> None:
    asked = [pair for pair in ASKED * 4 if not pair[1].endswith("!")]
    random.Random(7).shuffle(asked)
    # The oracle's connections are one a user: its answers are taken beforehand.
    answers = {}
    with ThreadPoolExecutor(8) as pool:
        futures = [(sql, user, pool.submit(sharing.ask, user, sql)) for sql, user in asked]
        for sql, user, future in futures:
            answers.setdefault((sql, user), []).append(future.result())
    for (sql, user), given in answers.items():
        for got in given:
            tally.add("shared answers")
            sharing.compare(user, sql, got, "rows")


def test_what_is_shown_of_a_kept_scan_is_no_more_than_of_a_fresh_one(sharing: Court, tally: Tally) -> None:
    """Errors, EXPLAIN ANALYZE, receipts and system tables, the second time too."""
    for sql, user in ASKED[:40]:
        for _ in range(2):
            tally.add("shared answers")
            sharing.judge(user.rstrip("!"), sql, "denied" if user.endswith("!") else "rows")
