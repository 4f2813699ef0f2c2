"""``results."<run id>"``: the result of a run as a table, for its owner and those it is shared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fabric.domains import DomainPrincipal
from fabric.errors import FabricError, ResultOutdated, StateUnavailable
from fabric.file_scan import FileTables
from fabric.lake import RESULTS, LakeTables
from fabric.parse import parse
from fabric.resolve import QueryNames, resolve
from fabric.runs import Run, Runs
from fabric.spi import Governor
from fabric.stored import StoredTable, outdated
from fabric.types import DEFAULT_SCHEMA, FileLayout, Principal, Table, TableName

if TYPE_CHECKING:
    from fabric.catalog import Catalog

_LONGEST = 64


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
        return self._table(run, catalog.names(principal, governor), principal.user)

    def shared(self, run_id: str, domain: str, names: QueryNames, within: frozenset[str]) -> StoredTable:
        """The result of a run that is shared with a domain, as its products read it.

        Args:
            run_id: of the run.
            domain: whose products.
            names: in the run's query, as of the domain.
            within: the runs in whose queries the product stands.

        Raises:
            ResultOutdated: it is there no more or was never shared with the domain, its query does not resolve for it any more, or
                reads what is made of it.
            SourceError: its file cannot be read.
            StateUnavailable: nobody can tell.
        """
        run, subject = self._runs.readable(run_id), f"domain:{domain.lower()}"
        if run is None or subject not in run.subjects:
            raise ResultOutdated(
                f"there is no result '{run_id[:_LONGEST]}' that is shared with the domain '{domain}', or no more",
                hint=f"CALL system.share('<run id>', 'domain:{domain}') shares one",
            )
        if run_id in within:
            raise outdated(f"{RESULTS}.{run_id}")
        return self._table(run, names, f"domain:{domain}")

    def _table(self, run: Run, names: QueryNames, reader: str) -> StoredTable:
        if run.sql is None:
            raise outdated(f"{RESULTS}.{run.run_id}")
        try:
            parsed = parse(run.sql, run.session.get("dialect") or "duckdb")
            made_of = resolve(parsed, names, run.session.get("schema"), reader)
        except StateUnavailable:
            raise
        except FabricError:
            raise outdated(f"{RESULTS}.{run.run_id}") from None
        layout = FileLayout(run.file, "parquet")
        table = Table(TableName(RESULTS, DEFAULT_SCHEMA, run.run_id), (), layout=layout)
        return StoredTable(
            table.name,
            self._files.columns(self._lake, table),
            layout=layout,
            made_of=made_of,
            made_under=run.made_under,
            expires_at=run.expires_at,
        )


def _may_know(run: Run, principal: Principal, governor: Governor) -> bool:
    if isinstance(principal, DomainPrincipal):
        return False
    if run.owner == principal.user:
        return True
    roles = governor.roles(principal) | {role.lower() for role in principal.roles}
    return bool(run.subjects & {principal.user.lower(), "role:*", *roles})
