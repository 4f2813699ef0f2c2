"""The estate under attack, once for each worker of the test run, and a summary of the attacks at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.app import build
from tests.attacks.judge import FORBIDDEN, LEAK, REFUSED, WRONG, Court, Wrong
from tests.attacks.oracle import oracle
from tests.attacks.project import Estate, estate

_KINDS = (LEAK, FORBIDDEN, WRONG, REFUSED)
_COUNTED = pytest.StashKey[Counter[tuple[str, str]]]()


@pytest.fixture(scope="session")
def served() -> Iterator[tuple[Estate, Court]]:
    with (
        estate() as (made, raw),
        oracle(raw, made.directory.parent) as knows,
        closing(build(made.directory)) as app,
    ):
        assert app.governor.errors() == ()
        yield made, Court(app, knows)


@pytest.fixture(scope="session")
def court(served: tuple[Estate, Court]) -> Court:
    return served[1]


@pytest.fixture(scope="session")
def directory(served: tuple[Estate, Court]) -> Path:
    return served[0].directory


class Tally:
    """Counts what a test tried, for the summary; it travels with the test's report."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._properties = request.node.user_properties

    def add(self, category: str, verdict: str = "") -> None:
        """One attack, and the verdict against us when there is one."""
        self._properties.append(("attack", (category, verdict)))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return Tally(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A verdict that ended the test belongs to the attack that was counted last."""
    if call.when == "call" and call.excinfo is not None and isinstance(call.excinfo.value, Wrong):
        counted = [n for n, (name, _) in enumerate(item.user_properties) if name == "attack"]
        if counted:
            category = item.user_properties[counted[-1]][1][0]
            item.user_properties[counted[-1]] = ("attack", (category, call.excinfo.value.kind))
    return (yield)  # type: ignore[misc]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A table: by category the attacks, and what went wrong."""
    counted: Counter[tuple[str, str]] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                found = [tuple(value) for name, value in report.user_properties if name == "attack"]
                counted.update(found)
                counted.update((category, "") for category, verdict in found if verdict)
    if not counted:
        return
    terminalreporter.section("attacks")
    categories = sorted({category for category, _ in counted})
    width = max(len(category) for category in categories) + 2
    terminalreporter.write_line(" " * width + "".join(f"{word:>20}" for word in ("attacks", *_KINDS)))
    for category in [*categories, ""]:
        rows = [category] if category else categories
        numbers = [sum(counted[row, kind] for row in rows) for kind in ("", *_KINDS)]
        terminalreporter.write_line(
            f"{category or 'all':<{width}}" + "".join(f"{number:>20}" for number in numbers)
        )
