"""The composition root: a project directory becomes a line, a catalog, and those who may ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fabric.audit import Audit
from fabric.blocks import BlockCache
from fabric.catalog import Catalog, Entry
from fabric.config import ProjectConfig, load_project
from fabric.engine import Engine
from fabric.file_scan import FileTables
from fabric.filesystem import FileSystem
from fabric.ingest import Ingest
from fabric.journal import Journal
from fabric.key import STATE_FOLDER, load_key
from fabric.lake import RESULTS, LakeTables, lake_tables, open_lake
from fabric.limits import Allowance, allowance
from fabric.lineage_feed import LineageFeed
from fabric.lineage_history import LineageHistory
from fabric.naming import default_schema, uploads_of
from fabric.pipeline import Line
from fabric.product_files import ProductFiles
from fabric.query_lineage import QueryLineages
from fabric.questions import hypothetical
from fabric.refresher import Refresher
from fabric.registry import build_connector
from fabric.results import ResultCache
from fabric.run_pool import RunPool
from fabric.scan_cache import ScanCache
from fabric.seal import Seal
from fabric.secrets import redact
from fabric.snapshot_maker import SnapshotMaker
from fabric.snapshots import SnapshotTables
from fabric.spi import Connector, Governor
from fabric.state import State, open_state
from fabric.stored_files import StoredFiles
from fabric.stored_results import StoredResults
from fabric.types import Principal
from fabric.underway import Underway
from fabric.uploads import Uploads
from policies.govern import CasbinGovernor
from policies.objects import estate_of
from policies.scope import ScopedGovernor
from server.api_tokens import ApiTokens
from server.auth import Authenticator, build_authenticator
from server.gates import OwnGate
from server.keys import Signer
from server.openlineage import openlineage_feed
from server.spill import spill_folder

_LINEAGE_QUEUE = 1_000


@dataclass(frozen=True, slots=True)
class App:
    """Everything that a server serves; ``close`` gives it back."""

    config: ProjectConfig
    line: Line
    ingest: Ingest
    catalog: Catalog
    governor: CasbinGovernor
    authenticator: Authenticator
    signer: Signer
    engine: Engine
    blocks: BlockCache
    state: State
    journal: Journal
    audit: Audit | None
    underway: Underway
    feeds: tuple[LineageFeed, ...]

    def visible(self, principal: Principal) -> Sequence[Entry]:
        """What the principal may know of, for the metadata calls."""
        return self.catalog.visible(principal, ScopedGovernor(self.governor, self.config.name))

    def close(self) -> None:
        """Cancel what runs and give back every connection."""
        for each in (self.line.procedures.runs, self.line.procedures.refresher):
            if each is not None:
                each.close()
        self.line.close()
        self.catalog.close()
        for connector in self.catalog.connectors.values():
            connector.close()
        self.blocks.close()
        for feed in self.feeds:
            feed.close()  # its thread asks the engine
        self.engine.close()
        self.state.close()
        if self.audit is not None:
            self.audit.close()


def build(
    directory: Path, *, recorded: bool = True, key: bytes | None = None, underway: Underway | None = None
) -> App:
    """Build the app of a project directory; every source has been tried when it returns.

    Args:
        directory: the project directory.
        recorded: what is asked is audited and in ``system.queries``; false for commands that ask on nobody's behalf.
        key: another fabric's, whose digests of decisions are then the same; absent, its own.
        underway: of the app before a reload, whose statements go on and count.

    Raises:
        InvalidConfig: the configuration does not load.
        MissingExtra: a connector's library is not installed.
    """
    config = load_project(directory)
    signer = Signer(key or load_key(config))
    state = open_state(config.state.get_secret_value())
    authenticator = build_authenticator(config, signer, ApiTokens(state, signer))
    reading, stored = _reading(config), lake_tables(open_lake(config.lake))
    catalog = _catalog(config, reading, stored)
    estate = estate_of(config)
    governor = CasbinGovernor(config.directory, estate, signer.derived("mask"))
    scoped = ScopedGovernor(governor, config.name)
    journal = Journal(
        state, redact, config.history, estate.sources, config.lake, Seal(signer.derived("runs"))
    )
    audit = _audit(config, governor) if recorded else None
    lineage = LineageHistory(state, config.name, config.history.keep) if recorded else None
    feeds = _feeds(config, catalog, reading.engine, lineage) if lineage else ()
    underway, allowed = underway or Underway(OwnGate()), _allowed(config, governor)
    line = Line(
        catalog,
        reading.engine,
        reading.filesystem,
        reading.files,
        scoped,
        allowed=allowed,
        underway=underway,
        journal=journal if recorded else None,
        audit=audit,
        principals=known_principal(config),
        secret=signer.derived("decisions"),
        results=_results(config),
        feeds=feeds,
        lineage=lineage,
    )
    catalog.results = StoredResults(journal.runs, stored, reading.files)
    if recorded:
        _store(line, journal, stored, reading, lambda: governor.version)
    ingest = Ingest(
        catalog,
        scoped,
        config.domains,
        most=lambda principal: allowed(principal).limits.ingest,
        audit=audit,
        journal=journal if recorded else None,
    )
    catalog.start()
    if line.procedures.refresher is not None:
        line.procedures.refresher.start()
    return App(
        config,
        line,
        ingest,
        catalog,
        governor,
        authenticator,
        signer,
        reading.engine,
        reading.blocks,
        state,
        journal,
        audit,
        underway,
        feeds,
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The engine, and what it reads files through."""

    blocks: BlockCache
    filesystem: FileSystem
    engine: Engine
    files: FileTables


def _reading(config: ProjectConfig) -> _Reading:
    folder, cache = config.directory / STATE_FOLDER, config.cache
    blocks = BlockCache(
        memory_bytes=cache.memory if cache else 0,
        directory=folder / "cache" if cache else None,
        disk_bytes=cache.disk if cache else 0,
    )
    filesystem = FileSystem(blocks)
    memory = config.limits["default"].memory
    engine = Engine(filesystem, memory=memory, spill=str(spill_folder(folder / "spill")))
    return _Reading(blocks, filesystem, engine, FileTables(engine, filesystem))


def _catalog(config: ProjectConfig, reading: _Reading, stored: LakeTables) -> Catalog:
    """The sources of the configuration, the domains' uploads, what is stored in the lake, and the products over them."""
    connectors: dict[str, Connector] = {
        name: build_connector(name, settings, config.directory) for name, settings in config.sources.items()
    }
    return Catalog(
        config.name,
        {**connectors, **_uploads(config), RESULTS: stored},
        ProductFiles(config.directory, config.name, config.domains),
        reading.files,
        reading.engine,
        default_schemas={name: default_schema(settings) for name, settings in config.sources.items()},
        unpushed=[name for name, settings in config.sources.items() if settings.pushdown == "off"],
    )


def _audit(config: ProjectConfig, governor: CasbinGovernor) -> Audit:
    """The audit, which is told of every change of the rules too."""
    audit = Audit(config.directory / STATE_FOLDER / "audit", load_key(config), config.audit.fsync, redact)
    governor.observe(audit.policy_changed)
    return audit


def _results(config: ProjectConfig) -> ResultCache | None:
    """What is kept of answers, and of rows of live sources."""
    cache = config.cache
    if cache is None:
        return None
    max_ages = {name: each.max_age for name, each in config.sources.items() if each.max_age}
    return ResultCache(cache.results, ScanCache(cache.scans, max_ages), shared=cache.shared_results)


def _store(
    line: Line, journal: Journal, stored: LakeTables, reading: _Reading, policy_version: Callable[[], str]
) -> None:
    """Have the line carry out runs, and keep snapshots of products."""
    lake = stored.lake
    line.procedures.runs = RunPool(journal.runs, lake, line.run, line.catalog.fabric)
    tables = line.catalog.retained = SnapshotTables(journal.snapshots, stored, reading.files)
    own = StoredFiles(reading.engine, reading.filesystem, reading.files, stored)
    maker = SnapshotMaker(line.catalog, journal.snapshots, tables, lake, own, line.run)
    line.procedures.refresher = Refresher(
        line.catalog, journal.snapshots, tables, lake, maker, policy_version
    )


def _feeds(
    config: ProjectConfig, catalog: Catalog, engine: Engine, history: LineageHistory
) -> tuple[LineageFeed, ...]:
    """Who is told of queries and their lineage: the history, and who fabric.yaml names."""
    lineages = QueryLineages(catalog, engine)
    kept = LineageFeed(lineages.of, history, _LINEAGE_QUEUE, "lineage_history", "queries' lineages")
    told = openlineage_feed(config, catalog, lineages)
    return (kept,) if told is None else (kept, told)


def _uploads(config: ProjectConfig) -> dict[str, Connector]:
    """The uploads of every domain, where the lake is a folder of this machine."""
    if "://" in config.lake.uri:
        return {}
    folder = Path(config.lake.uri) / "uploads"
    return {uploads_of(name): Uploads(uploads_of(name), folder / name.lower()) for name in config.domains}


def with_config(app: App, directory: Path) -> App | None:
    """The app with the users and logins that the directory has now; None when more than those has changed.

    Raises:
        InvalidConfig: the configuration does not load.
    """
    config = load_project(directory)
    same = replace(config, users=app.config.users, auth=app.config.auth, files=app.config.files)
    if same != app.config:
        return None
    assert app.authenticator.tokens is not None  # noqa: S101 - ``build`` gave it some
    authenticator = build_authenticator(config, app.signer, app.authenticator.tokens, app.authenticator)
    return replace(app, config=config, authenticator=authenticator)


def _allowed(config: ProjectConfig, governor: Governor) -> Callable[[Principal], Allowance]:
    """What applies to a principal; decided once for each set of roles."""
    known: dict[frozenset[str], Allowance] = {}
    limited = {subject.lower() for subject in config.limits}

    def allowed(principal: Principal) -> Allowance:
        # As many as there are sets of limited roles, whatever else people hold.
        roles = governor.roles(principal) & limited
        if roles not in known:
            known[roles] = allowance(config.limits, roles)
        return known[roles]

    return allowed


def known_principal(config: ProjectConfig) -> Callable[[str], Principal]:
    """Gives the principal of a local user's name; of any other name somebody of whom nothing is known."""

    def principal(name: str) -> Principal:
        user = config.users.get(name)
        return hypothetical(name) if user is None else Principal(name, frozenset(user.roles), user.attributes)

    return principal
