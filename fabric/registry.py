"""Connectors by type name, found through the entry points of installed packages, imported when used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from fabric.errors import InvalidConfig, MissingExtra
from fabric.naming import suggest
from fabric.settings import SourceSettings
from fabric.spi import Connector

GROUP = "ripstop.connectors"
_OUR_PACKAGES = frozenset({"fabric", "connectors"})


@cache
def connector_types() -> Mapping[str, EntryPoint]:
    """The entry point of every connector type that is installed; nothing is imported.

    Raises:
        InvalidConfig: two packages offer the same type.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise InvalidConfig(
                f"two installed packages offer the connector type '{point.name}'",
                hint="uninstall one of them",
            )
    return found


def connector_class(kind: str) -> type[Connector]:
    """The class of a connector type; its module is imported, its library is not.

    Raises:
        InvalidConfig: no such type, or its module does not import.
    """
    point = connector_types().get(kind)
    if point is None:
        raise InvalidConfig(
            f"there is no source type '{kind}'; {suggest(kind, connector_types(), 'known types')}"
        )
    try:
        found: Any = point.load()
    except (ImportError, AttributeError) as error:
        raise InvalidConfig(
            f"the connector for source type '{kind}' does not import",
            hint="reinstall the package that offers it",
        ) from error
    settings = getattr(found, "Settings", None)
    if not (isinstance(settings, type) and issubclass(settings, SourceSettings)):
        raise InvalidConfig(f"the connector for source type '{kind}' declares no Settings")
    return found  # type: ignore[no-any-return]


def build_connector(name: str, settings: SourceSettings, directory: Path) -> Connector:
    """The connector of one source, ready to be asked; nothing is connected yet.

    Args:
        name: the source's name in fabric.yaml.
        settings: its keys, an instance of the connector class's ``Settings``.
        directory: the project directory, to which its paths are relative.

    Raises:
        MissingExtra: the connector's library is not installed.
        InvalidConfig: no such type.
    """
    found = connector_class(settings.type)
    try:
        return found(name, settings, directory)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in _OUR_PACKAGES:
            raise
        raise MissingExtra(
            f"source '{name}' needs a library that is not installed",
            hint=f"pip install 'ripstop[{found.extra}]'",
        ) from error
