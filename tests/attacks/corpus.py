"""The corpus: statements by category, each with the users who ask it and what they must be answered.

A file of ``corpus/`` is a category. Each of its blocks is a line of comment, ``-- name [users] expectation``, and
the statement. Expectations are those of ``Court.judge``, and:

- ``refused: <why>``: plain DuckDB answers, and Ripstop does not on purpose; they are counted;
- ``search``: whatever is shown is searched for canaries, and not compared;
- ``, in order`` behind it: the rows are ordered, without ties.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "corpus"
_TITLE = re.compile(r"-- (?P<name>.+) \[(?P<users>[\w ]+)\] (?P<expected>.+?)(?P<ordered>, in order)?")


@dataclass(frozen=True)
class Case:
    """One statement as one user."""

    category: str
    name: str
    user: str
    sql: str
    expected: str
    ordered: bool = False

    def __str__(self) -> str:
        return f"{self.category}: {self.name} [{self.user}]"


def _read(file: Path) -> Iterator[Case]:
    for block in re.split(r"\n\s*\n(?=-- )", file.read_text("utf-8").strip()):
        title, _, sql = block.partition("\n")
        found = _TITLE.fullmatch(title)
        if found is None:
            raise ValueError(f"{file.name}: {title}")
        for user in found["users"].split():
            yield Case(file.stem, found["name"], user, sql.strip(), found["expected"], bool(found["ordered"]))


CASES = [case for file in sorted(_FOLDER.glob("*.sql")) for case in _read(file)]
LEGITIMATE = [case for case in CASES if case.expected == "rows" or case.expected.startswith("refused")]
"""What plain DuckDB answers over the restricted copies."""
