"""The shell that ``ripstop sql`` is at a terminal: history, completion, statements over many lines until ``;``, and timing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory

from fabric.errors import FabricError
from server.cli.failure import show
from server.cli.formats import write
from server.cli.options import Format
from server.cli.statements import statements
from server.client import Client

_HELP = """\
.tables   what you may read          .format [NAME]  table, csv, json or jsonl
.help     this                       .quit           leave; so does Ctrl-D

A statement ends with `;` and may span lines. SHOW, DESCRIBE and EXPLAIN work as in DuckDB.
Ctrl-C ends the running query, or drops the line."""

_WORDS = """
SELECT FROM WHERE GROUP BY ORDER LIMIT JOIN LEFT USING HAVING QUALIFY WITH UNION ALL DISTINCT EXPLAIN
ANALYZE DESCRIBE SHOW TABLES SCHEMAS COUNT SUM AVG MIN MAX CASE WHEN THEN ELSE END BETWEEN
""".split()  # noqa: SIM905


class Shell:
    """Reads statements from a terminal and writes their answers.

    Args:
        client: the connection that answers.
        form: the format to begin with.
        place: what the prompt shows: user and address.
    """

    def __init__(self, client: Client, form: Format, place: str) -> None:
        self._client = client
        self._form = form
        self._place = place
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(_history_file())),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(_WORDS, ignore_case=True),
            complete_while_typing=False,
        )

    def run(self) -> None:
        """Serve the person until they leave."""
        print(f"{self._place} · .help for help, .quit or Ctrl-D to leave")
        pending = ""
        while True:
            try:
                line = self._session.prompt("ripstop> " if not pending else "    ...> ")
            except KeyboardInterrupt:
                pending = ""
                continue
            except EOFError:
                return
            if not pending and line.strip().startswith("."):
                if not self._command(line.strip()):
                    return
                continue
            whole, pending = statements(f"{pending}\n{line}")
            for statement in whole:
                self._ask(statement)

    def _command(self, line: str) -> bool:
        """Run a dot command; false when the person leaves."""
        name, _, value = line.partition(" ")
        if name in (".quit", ".exit"):
            return False
        if name == ".tables":
            self._ask("SHOW TABLES")
        elif name == ".help":
            print(_HELP)
        elif name == ".format":
            self._choose(value.strip())
        else:
            show("USAGE", f"there is no command {name}", ".help lists them")
        return True

    def _choose(self, name: str) -> None:
        known = [form.value for form in Format if not form.binary]
        if name in known:
            self._form = Format(name)
        elif name:
            show("USAGE", f"the shell has no format {name}", f"one of {', '.join(known)}")
        print(f"format: {self._form.value}")

    def _ask(self, statement: str) -> None:
        started = time.monotonic()
        try:
            with self._client.query(statement) as reader:
                count = write(reader, self._form, sys.stdout)
        except FabricError as error:
            show(error.code, error.message, error.hint)
        except KeyboardInterrupt:
            show("CANCELLED", "the query was ended")
        else:
            rows = "1 row" if count == 1 else f"{count:,} rows"
            print(f"{rows} in {time.monotonic() - started:.3f} s")


def _history_file() -> Path:
    """Kept beside other programs' state, for its owner's eyes only."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "ripstop"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / "history"
    file.touch(mode=0o600)
    return file
