"""``ripstop test``: the project's own policy tests; with ``--replay`` what changed rules would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Directory

Replay = Annotated[
    Path | None,
    typer.Option(
        "--replay", metavar="DIR", help="Instead: judge the last queries by that project's rules too."
    ),
]
Most = Annotated[int, typer.Option("-n", min=1, help="How many of the last queries --replay takes.")]


def run_tests(directory: Directory = Path("."), replay: Replay = None, most: Most = 100) -> None:
    """Run tests/*.yaml (as a user, a query gives these rows, or is denied), and the contracts of products."""
    failed = _replayed(directory, replay, most) if replay else _tested(directory)
    raise typer.Exit(1 if failed else 0)


def _tested(directory: Path) -> bool:
    from itertools import chain

    from server.policy_tests import run_policy_tests
    from server.product_tests import run_product_tests

    verdicts = []
    for verdict in chain(run_policy_tests(directory), run_product_tests(directory)):
        verdicts.append(verdict)
        print(f"{'FAILED' if verdict.problem else 'ok    '}  {verdict.test}")
        if verdict.problem:
            print(f"    {verdict.problem}")
    if not verdicts:
        print("there are no tests; they stand in tests/*.yaml, and in the contracts of products")
    failed = sum(bool(verdict.problem) for verdict in verdicts)
    print(f"\n{len(verdicts) - failed} passed, {failed} failed")
    return failed > 0


def _replayed(directory: Path, changed: Path, most: int) -> bool:
    from server.policy_tests import replay

    replayed = replay(directory, changed, most)
    for change in replayed.changes:
        print(f"{change.user}: {change.sql}\n    now:  {change.before}\n    then: {change.after}")
    print(f"\n{len(replayed.changes)} of {replayed.asked} queries would change")
    if replayed.unjudged:
        print(f"{replayed.unjudged} were not judged: users who are not in users.yaml, or refused either way")
    return False
