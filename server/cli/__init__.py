"""The command line: one file per command; what a command needs is imported when it runs.

``--help`` must answer in 0.3 s, so nothing here, nor at the top of a command's file, imports more
than typer and ``fabric.errors``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated, NoReturn

import typer

from server.cli import (
    advise,
    audit,
    check,
    demo,
    events,
    export,
    init,
    lineage,
    product,
    runs,
    serve,
    sql,
    test,
    token,
    user,
    why,
)
from server.cli.failure import report

app = typer.Typer(
    name="ripstop",
    help="One governed SQL question across data that stays where it is, over Arrow Flight SQL.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    init.init,
    check.check,
    serve.serve,
    sql.sql,
    why.why,
    lineage.lineage,
    events.events,
    export.export,
    advise.advise,
    runs.submit,
    runs.result,
    demo.demo,
):
    app.command()(command)
app.command("test")(test.run_tests)
app.add_typer(user.app, name="user")
app.add_typer(audit.app, name="audit")
app.add_typer(token.app, name="token")
app.add_typer(product.app, name="product")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"ripstop {version('ripstop')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit: 0 done, 1 failed, 2 called wrongly, 130 interrupted."""
    try:
        status = app(arguments, prog_name="ripstop", standalone_mode=False)
    except Exception as error:  # noqa: BLE001
        status = report(error)
    _exit(status if isinstance(status, int) else 0)


def _exit(status: int) -> NoReturn:
    """Leave; without Python's own end where DuckDB is, whose binding then often lists its parts as leaked."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if "duckdb" in sys.modules:
        os._exit(status)
    sys.exit(status)
