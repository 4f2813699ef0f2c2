"""The shell's commands: one table, each under psql's name and under DuckDB's."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.errors import InvalidValue, NotFound
from server.cli.formats import visible
from server.cli.options import Format
from server.cli.output import Output

if TYPE_CHECKING:
    from server.cli.shell import Shell

FORMATS = [form.value for form in Format if not form.binary]
_SWITCH = ["on", "off"]
_MOST_NESTED = 16


class Leave(Exception):
    """The person leaves."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the shell.

    ``words`` are what may stand behind it, for completion; None where that is a relation.
    """

    names: tuple[str, ...]
    takes: str
    does: str
    run: Callable[[Shell, str], None]
    words: list[str] | None = None


def find(line: str) -> tuple[Command, str]:
    """The command that a line calls, and what stands behind it.

    Raises:
        NotFound: there is no such command.
    """
    name, _, value = line.strip().partition(" ")
    command = NAMED.get(name)
    if command is None:
        raise NotFound(f"there is no command {name}", hint=".help lists them")
    return command, value.strip().removesuffix(";").rstrip()


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _tables(shell: Shell, pattern: str) -> None:
    """Without a pattern the system's own tables are left out, as everywhere."""
    where = "table_schema NOT IN ('system', 'information_schema')"
    if pattern:
        like = pattern.replace("*", "%").replace("?", "_")
        like = _text(like if like != pattern or "%" in like else f"%{like}%")
        where = " OR ".join(
            f"{name} ILIKE {like}"
            for name in (
                "table_name",
                "table_schema || '.' || table_name",
                "table_catalog || '.' || table_name",
            )
        )
    shell.ask(
        "SELECT table_catalog AS catalog, table_schema AS schema, table_name AS name, table_type AS type, "
        f"table_comment AS description FROM information_schema.tables WHERE {where} ORDER BY ALL"
    )


def _describe(shell: Shell, name: str) -> None:
    if not name or "*" in name or "?" in name:
        _tables(shell, name)
    else:
        shell.ask(f"DESCRIBE {name}")


def _schemas(shell: Shell, _: str) -> None:
    shell.ask("SHOW SCHEMAS")


def _catalogs(shell: Shell, _: str) -> None:
    shell.ask("SHOW DATABASES")


def _sources(shell: Shell, _: str) -> None:
    shell.ask("SELECT * FROM system.sources ORDER BY ALL")


def _products(shell: Shell, _: str) -> None:
    shell.ask(
        "SELECT domain, name, version, status, state, owner, description FROM system.products ORDER BY ALL"
    )


def _whoami(shell: Shell, _: str) -> None:
    """Asked of the audit, which knows whose token it is; where that says nothing, what was logged in with."""
    mark = uuid.uuid4().hex
    asked = f"""SELECT DISTINCT "user" FROM system.audit WHERE sql LIKE '%{mark}%'"""
    found = [row["user"] for row in shell.rows(asked)]
    print(visible(f"{found[0]} ({shell.place})" if len(found) == 1 else shell.place))


def _format(shell: Shell, name: str) -> None:
    if name in FORMATS:
        shell.settings.form = Format(name)
    elif name:
        raise InvalidValue(f"the shell has no format {name}", hint=f"one of {', '.join(FORMATS)}")
    print(f"format: {shell.settings.form.value}")


def _expanded(shell: Shell, value: str) -> None:
    on = _switched(value, shell.settings.form is Format.line)
    shell.settings.form = Format.line if on else Format.table
    print(f"format: {shell.settings.form.value}")


def _timer(shell: Shell, value: str) -> None:
    shell.settings.timed = _switched(value, shell.settings.timed)
    print(f"timer: {'on' if shell.settings.timed else 'off'}")


def _pager(shell: Shell, value: str) -> None:
    shell.settings.paged = _switched(value, shell.settings.paged)
    print(f"pager: {'on' if shell.settings.paged else 'off'}")


def _switched(value: str, now: bool) -> bool:
    if value and value.lower() not in _SWITCH:
        raise InvalidValue(f"'{value}' is neither on nor off")
    return value.lower() == "on" if value else not now


def _most_rows(shell: Shell, value: str) -> None:
    if value:
        if not value.isdecimal():
            raise InvalidValue(f"'{value}' is not a number of rows", hint="0 shows all")
        shell.settings.most_rows = int(value)
    print(f"maxrows: {shell.settings.most_rows or 'all'}")


def _output(shell: Shell, value: str) -> None:
    if shell.settings.output is not None:
        shell.settings.output.close()
        shell.settings.output = None
    if value:
        shell.settings.output = Output(_path(value))
    print(f"output: {value or 'here'}")


def _read(shell: Shell, value: str) -> None:
    if not value:
        raise InvalidValue("which file?", hint=".read FILE")
    path = _path(value)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise NotFound(f"the file '{path}' is not there, or not UTF-8 text") from None
    if shell.nested >= _MOST_NESTED:
        raise InvalidValue(f"files read files more than {_MOST_NESTED} deep")
    shell.nested += 1
    try:
        shell.run_script(text)
    finally:
        shell.nested -= 1


def _edit(shell: Shell, value: str) -> None:
    """The last statement in an editor; what is saved stands at the prompt, to be run with Enter."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "statement.sql"
        file.write_text(value or shell.last, "utf-8")
        try:
            subprocess.run([*editor, str(file)], check=True)  # noqa: S603 - the person's own editor
            shell.prefill = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError, subprocess.CalledProcessError):
            raise InvalidValue(f"'{editor[0]}' did not edit", hint="EDITOR names the editor") from None


def _refresh(shell: Shell, _: str) -> None:
    shell.vocabulary.refresh(now=True)


def _help(shell: Shell, _: str) -> None:
    for command in COMMANDS:
        names = " ".join(command.names) + (f" {command.takes}" if command.takes else "")
        print(f"  {names:<36} {command.does}")
    print(
        "\nA statement ends with `;` and may span lines; Alt-Enter runs it as it is. Tab completes, Ctrl-R searches\n"
        "what was asked. SHOW, DESCRIBE and EXPLAIN work as in DuckDB. Ctrl-C ends the running query, or drops what is typed."
    )


def _quit(shell: Shell, _: str) -> None:
    raise Leave


def _path(value: str) -> Path:
    parts = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    return Path(parts).expanduser()


COMMANDS: tuple[Command, ...] = (
    Command((".tables", r"\dt"), "[PATTERN]", "what you may read; * and ? match", _tables),
    Command((".schema", r"\d"), "[NAME]", "the columns of a table or product", _describe),
    Command((".schemas", r"\dn"), "", "domains, and schemas of sources", _schemas),
    Command((".databases", r"\l"), "", "the fabric and its sources as catalogs", _catalogs),
    Command((".sources",), "", "sources of which you may read a table", _sources),
    Command((".products",), "", "products that you may know of", _products),
    Command((".whoami",), "", "who you are to the server", _whoami),
    Command((".format", ".mode"), "[NAME]", ", ".join(FORMATS), _format, FORMATS),
    Command((r"\x",), "[on|off]", "each column on a line of its own", _expanded, _SWITCH),
    Command((".timer", r"\timing"), "[on|off]", "say how long an answer took", _timer, _SWITCH),
    Command((".pager",), "[on|off]", "show what does not fit on the screen in $PAGER", _pager, _SWITCH),
    Command((".maxrows",), "[N]", "rows of a table shown here; 0, all", _most_rows, []),
    Command((".output", r"\o"), "[FILE]", "write answers to a file, in its suffix's format", _output, []),
    Command((".read", r"\i"), "FILE", "run a file of statements and commands", _read, []),
    Command((".edit", r"\e"), "", "edit the last statement in $EDITOR", _edit, []),
    Command((".refresh",), "", "fetch anew what Tab completes", _refresh, []),
    Command((".help", r"\?"), "", "this", _help, []),
    Command((".quit", ".exit", r"\q"), "", "leave; so does Ctrl-D", _quit, []),
)
NAMED = {name: command for command in COMMANDS for name in command.names}


def words_behind(name: str) -> list[str] | None:
    """What completion offers behind a command; None, relations."""
    command = NAMED.get(name)
    return command.words if command else []
