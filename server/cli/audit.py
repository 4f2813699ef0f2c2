"""``ripstop audit``: what the server wrote down of every query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import InvalidConfig
from server.cli.options import Directory

if TYPE_CHECKING:
    from fabric.audit_verify import FileReport, Report
    from fabric.config import ProjectConfig

app = typer.Typer(help="The audit.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _root() -> None:
    pass  # or typer would take the one command for the whole


@app.command()
def verify(
    directory: Directory = Path("."),
    old_keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--old-key",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A key that the fabric had before; may be repeated.",
        ),
    ] = None,
    first: Annotated[
        int,
        typer.Option(
            "--from", metavar="N", min=1, help="Older files were taken away: it begins at record N."
        ),
    ] = 1,
    anchors: Annotated[
        list[str] | None,
        typer.Option("--anchor", metavar="HASH", help="A record's hash, kept elsewhere, that must be in it."),
    ] = None,
) -> None:
    """Prove that the audit stands as it was written: no line changed, removed, moved or put in.

    A server may go on writing meanwhile. The exit status is 1 when something is wrong; each file and line is named.
    """
    from fabric.audit_verify import verify as verified
    from fabric.config import load_project
    from fabric.key import load_key

    config = load_project(directory)
    _require_key(config)
    report = verified(
        config.directory / ".ripstop" / "audit",
        load_key(config),
        old_keys=[path.read_bytes().strip() for path in old_keys or ()],
        first=first,
        anchors=anchors or (),
    )
    _show(report)
    raise typer.Exit(1 if report.failures else 0)


def _require_key(config: ProjectConfig) -> None:
    if config.key is None and not (config.directory / ".ripstop" / "key").exists():
        raise InvalidConfig(
            ".ripstop/key: there is no such file", hint="only who has the fabric's key can verify its audit"
        )


def _show(report: Report) -> None:
    for file in report.files:
        _show_file(file)
    for problem in report.problems:
        print(f"FAILED  {problem}")
    writers = set().union(*(file.writers for file in report.files))
    print(f"\n{sum(file.records for file in report.files)} records of {len(writers)} writers")
    if report.unfinished:
        print(f"queries without an outcome: {report.unfinished}; they run, or ended with their server")
    print(f"newest: record {report.last.number}, {report.last.hash}")
    print(f"FAILED: {report.failures}" if report.failures else "ok")


def _show_file(file: FileReport) -> None:
    verdict = "FAILED" if file.problems else "ok    "
    times = f"  {file.first} to {file.last}" if file.records else ""
    print(f"{verdict}  {file.name}  {file.records} records{times}")
    for finding in file.problems:
        print(f"    {file.name}:{finding.line}: {finding.what}")
    for finding in file.notes:
        print(f"    note: {file.name}:{finding.line}: {finding.what}")
