"""The shell that ``ripstop sql`` is at a terminal: history, completion, statements over many lines until ``;``."""

from __future__ import annotations

import os
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]

from fabric.errors import FabricError, NotFound
from server.cli.asking import Asker, Settings
from server.cli.completion import SqlCompleter
from server.cli.failure import show
from server.cli.options import Format
from server.cli.shell_commands import NAMED, Leave, find, words_behind
from server.cli.statements import entries, is_command
from server.cli.vocabulary import Vocabulary
from server.client import Client


class Shell:
    """Reads statements and commands from a terminal and writes their answers.

    Args:
        client: the connection that answers.
        form: the format to begin with.
        place: what the prompt shows: user and address.
    """

    def __init__(self, client: Client, form: Format, place: str) -> None:
        self.place = place
        self.settings = Settings(form)
        self.vocabulary = Vocabulary(client.again)
        self.last = ""
        self.prefill = ""
        self.nested = 0
        asker = Asker(client, self.settings)
        self.ask, self.rows = asker.ask, asker.rows
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(_history_file())),
            auto_suggest=AutoSuggestFromHistory(),
            completer=SqlCompleter(self.vocabulary, NAMED, words_behind),
            complete_while_typing=False,
            enable_open_in_editor=True,
            lexer=PygmentsLexer(SqlLexer),
            multiline=Condition(_unfinished),
            prompt_continuation="    ...> ",
        )

    def run(self) -> None:
        """Serve the person until they leave."""
        print(f"{self.place} · .help for help, .quit or Ctrl-D to leave")
        self.vocabulary.refresh()
        while True:
            try:
                text = self._session.prompt("ripstop> ", default=self.prefill)
            except KeyboardInterrupt:
                self.prefill = ""
                continue
            except EOFError:
                break
            self.prefill = ""
            try:
                self._run_all(text, stop=False)
            except Leave:
                break
            except KeyboardInterrupt:  # it ends all that was typed, not one statement of it
                show("CANCELLED", "the query was ended")
        if self.settings.output is not None:
            self.settings.output.close()
        self.vocabulary.wait(1.0)  # so that its connection ends in order

    def run_script(self, text: str) -> None:
        """Run a file's statements and commands until one fails.

        Raises:
            Leave: it says so.
        """
        self._run_all(text, stop=True)

    def _run_all(self, text: str, *, stop: bool) -> None:
        whole, rest = entries(text)
        for entry in [*whole, *([rest.strip()] if rest else [])]:
            done = self._command(entry) if is_command(entry) else self._ask(entry)
            if stop and not done:
                return

    def _ask(self, statement: str) -> bool:
        self.last = f"{statement};"
        return self.ask(statement)

    def _command(self, line: str) -> bool:
        """Run a command; false when it failed."""
        try:
            command, value = find(line)
        except NotFound as error:
            show("USAGE", error.message, error.hint)
            return False
        try:
            command.run(self, value)
        except FabricError as error:
            show(error.code, error.message, error.hint)
            return False
        return True


def _unfinished() -> bool:
    """Whether Enter begins a new line, for something in what is typed is not at its end."""
    return bool(entries(get_app().current_buffer.text)[1])


def _history_file() -> Path:
    """Kept beside other programs' state, for its owner's eyes only."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "ripstop"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = home / "history"
    file.touch(mode=0o600)
    return file
