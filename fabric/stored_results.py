"""``results."<run id>"``: the result of a run as a table, for its owner and those it is shared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fabric.domains import DomainPrincipal
from fabric.errors import FabricError, StateUnavailable
from fabric.file_scan import FileTables
from fabric.lake import RESULTS, LakeTables
from fabric.parse import parse
from fabric.resolve import resolve
from fabric.runs import Run, Runs
from fabric.spi import Governor
from fabric.stored import StoredTable, outdated
from fabric.types import DEFAULT_SCHEMA, FileLayout, Principal, Table, TableName

if TYPE_CHECKING:
    from fabric.catalog import Catalog


class StoredResults:
    """Finds results by name.

    Args:
        runs: what there is.
        lake: has the files.
        files: looks into them.
    """

    def __init__(self, runs: Runs, lake: LakeTables, files: FileTables) -> None:
        self._runs = runs
        self._lake = lake
        self._files = files

    def find(
        self, run_id: str, principal: Principal, catalog: Catalog, governor: Governor
    ) -> StoredTable | None:
        """The result of a run; None of one that is not there or not the principal's to know, in the same time.

        Raises:
            ResultOutdated: its query does not resolve for the principal any more.
            SourceError: its file cannot be read.
            StateUnavailable: nobody can tell.
        """
        run = self._runs.readable(run_id)
        if run is None or not _may_know(run, principal, governor):
            return None
        written = f"{RESULTS}.{run_id}"
        try:
            parsed = parse(run.sql, run.session.get("dialect") or "duckdb")
            names = catalog.names(principal, governor)
            made_of = resolve(parsed, names, run.session.get("schema"), principal.user)
        except StateUnavailable:
            raise
        except FabricError:
            raise outdated(written) from None
        layout = FileLayout(run.file, "parquet")
        table = Table(TableName(RESULTS, DEFAULT_SCHEMA, run_id), (), layout=layout)
        columns = self._files.columns(self._lake, table)
        return StoredTable(table.name, columns, layout=layout, made_of=made_of, made_under=run.made_under)


def _may_know(run: Run, principal: Principal, governor: Governor) -> bool:
    if isinstance(principal, DomainPrincipal):
        return False
    if run.owner == principal.user:
        return True
    roles = governor.roles(principal) | {role.lower() for role in principal.roles}
    return bool(run.subjects & {principal.user.lower(), "role:*", *roles})
