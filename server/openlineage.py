"""OpenLineage for a project: who is told of its queries, and how its datasets are called there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from fabric.catalog import Catalog
from fabric.config import ProjectConfig
from fabric.errors import InvalidConfig, MissingExtra
from fabric.lineage_feed import LineageFeed
from fabric.lineage_rows import plain_name
from fabric.query_lineage import QueryLineages
from fabric.secrets import redact
from fabric.settings import SourceSettings
from fabric.types import Table, TableName

_POSTGRES_PORT = 5432


def openlineage_feed(config: ProjectConfig, catalog: Catalog, lineages: QueryLineages) -> LineageFeed | None:
    """The feed that fabric.yaml asks for; None where it asks for none.

    Raises:
        MissingExtra: a library for it is not installed.
        InvalidConfig: the receiver cannot be set up.
    """
    settings = config.openlineage
    if settings is None:
        return None
    try:
        from fabric.openlineage import OpenLineageSink, transport_of

        transport = transport_of(settings)
    except ImportError as error:
        extra = "lineage" if settings.kafka is None else "kafka"
        raise MissingExtra(
            "`openlineage` needs a library that is not installed", hint=f"pip install 'ripstop[{extra}]'"
        ) from error
    except Exception as error:
        raise InvalidConfig(
            f"`openlineage` cannot be set up: {type(error).__name__}",
            hint="compare url, kafka and file with docs/configuration.md",
        ) from error
    namespace = settings.namespace or f"ripstop://{config.name}"
    names = dataset_namer(config.name, namespace, config.sources, catalog.find)
    sink = OpenLineageSink(transport, namespace, names, redact, version("ripstop"))
    return LineageFeed(lineages.of, sink, settings.queue, "lineage_events", "OpenLineage events")


def dataset_namer(
    fabric: str,
    namespace: str,
    sources: Mapping[str, SourceSettings],
    find: Callable[[tuple[str, ...]], object],
) -> Callable[[TableName], tuple[str, str]]:
    """Names datasets as OpenLineage's naming spec has it, so that other tools mean the same: tables of Postgres, and files.

    Args:
        fabric: the fabric's name.
        namespace: of what has no name of its own elsewhere: products, tables of APIs.
        sources: by name.
        find: the catalog's objects by their parts.
    """
    places = {name.lower(): _place(settings) for name, settings in sources.items()}

    def named(name: TableName) -> tuple[str, str]:
        place = places.get(name.catalog.lower())
        if place is None:
            return namespace, plain_name(name, fabric)
        address = place.hostname or ""
        port = place.port or (_POSTGRES_PORT if place.scheme == "postgres" else None)
        front = f"{place.scheme}://{address}{f':{port}' if port else ''}"
        if place.scheme == "postgres":
            return front, f"{unquote(place.path.strip('/'))}.{name.schema}.{name.name}"
        found = find(name.key)
        pattern = found.layout.pattern if isinstance(found, Table) and found.layout else name.name
        return front, f"{place.path.strip('/')}/{_folder(pattern)}".strip("/")

    return named


def _folder(pattern: str) -> str:
    """What stands in front of a pattern's first wildcard; the file itself where there is none."""
    parts = pattern.split("/")
    kept = [part for n, part in enumerate(parts) if not any(set("*?[{") & set(p) for p in parts[: n + 1])]
    return "/".join(kept)


def _place(settings: SourceSettings) -> SplitResult | None:
    """Where a source is, without who logs in; None where it has no address that others would know."""
    said: Any = getattr(settings, "uri", None)
    uri = said.get_secret_value() if isinstance(said, SecretStr) else said
    if not isinstance(uri, str) or settings.type not in ("postgres", "s3", "sftp", "ftp", "ftps"):
        return None
    try:
        place = urlsplit(uri)
        known = bool(place.hostname) and (place.port is None or place.port >= 0)
    except ValueError:
        return None
    if not known or (settings.type == "postgres" and not place.path.strip("/")):
        return None
    return place._replace(scheme="postgres") if settings.type == "postgres" else place
