"""A project directory's configuration: fabric.yaml and users.yaml, read, validated and frozen.

``python -m fabric.config`` writes the JSON Schema for editors to standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from fabric.config_model import (
    DEFAULT_LIMITS,
    AuditSettings,
    AuthSettings,
    CacheSettings,
    DomainSettings,
    FabricSettings,
    HistorySettings,
    HttpSettings,
    LakeSettings,
    LimitSettings,
    OpenLineageSettings,
    ServerSettings,
    TlsSettings,
    UserSettings,
    UsersFile,
)
from fabric.config_problems import KeyPath, Problems, describe_errors
from fabric.config_rules import check_fabric, check_users
from fabric.config_yaml import Document, read_document, resolve_references
from fabric.errors import InvalidConfig
from fabric.naming import suggest
from fabric.registry import connector_class, connector_types
from fabric.secrets import remember_secrets
from fabric.settings import SourceSettings

FABRIC_FILE = "fabric.yaml"
USERS_FILE = "users.yaml"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """A project directory, validated; paths are absolute, and every key has a value.

    ``state`` is a path or a ``postgresql://`` URL. ``files`` are all that were read, those of
    ``${file:…}`` included: when one changes, load again.
    """

    directory: Path
    name: str
    server: ServerSettings
    http: HttpSettings
    state: SecretStr
    lake: LakeSettings
    key: SecretStr | None
    audit: AuditSettings
    history: HistorySettings
    auth: AuthSettings
    domains: Mapping[str, DomainSettings]
    sources: Mapping[str, SourceSettings] = field(repr=False)
    users: Mapping[str, UserSettings]
    limits: Mapping[str, LimitSettings]
    cache: CacheSettings | None
    openlineage: OpenLineageSettings | None = None
    files: frozenset[Path] = frozenset()


def load_project(directory: Path, environment: Mapping[str, str] | None = None) -> ProjectConfig:
    """Read and validate a project directory; nothing is connected and no connector is built.

    Args:
        directory: holds fabric.yaml.
        environment: where ``${env:…}`` looks; the process's own when absent.

    Raises:
        InvalidConfig: names every problem at once, one a line, as ``file:line: key: what``.
    """
    directory = directory.absolute()
    env = os.environ if environment is None else environment
    problems = Problems()
    document, data, files = _read(directory / FABRIC_FILE, directory, env, problems)
    if document is None:
        problems.stop()
        raise InvalidConfig(f"{FABRIC_FILE}: the file is empty", hint="ripstop init writes a first one")
    sources = _sources(document, data.pop("sources", None) or {}, problems)
    fabric = _validate(FabricSettings, data, document, (), problems)
    users, users_files = _users(directory, data, fabric, env, problems)
    if fabric is not None:
        sources = check_fabric(fabric, sources, document, problems)
    problems.stop()
    assert fabric is not None  # noqa: S101 - or a problem was found
    remember_secrets([fabric, *sources.values(), *users.values()])
    return _project(directory, fabric, sources, users, files | users_files)


def _project(
    directory: Path,
    fabric: FabricSettings,
    sources: Mapping[str, SourceSettings],
    users: Mapping[str, UserSettings],
    files: set[Path],
) -> ProjectConfig:
    tls = fabric.server.tls
    if isinstance(tls, TlsSettings):
        given = {name: str(directory / path) for name, path in tls.model_dump(exclude_none=True).items()}
        tls = TlsSettings(**given)
    return ProjectConfig(
        directory=directory,
        name=fabric.name,
        server=fabric.server.model_copy(update={"tls": tls}),
        http=fabric.http,
        state=SecretStr(_absolute(directory, fabric.state.get_secret_value())),
        lake=fabric.lake.model_copy(update={"uri": _absolute(directory, fabric.lake.uri)}),
        key=fabric.key,
        audit=fabric.audit,
        history=fabric.history,
        auth=fabric.auth,
        domains=dict(fabric.domains),
        sources=dict(sources),
        users=dict(users),
        limits={**fabric.limits, "default": _with_defaults(fabric.limits.get("default"))},
        cache=fabric.cache if isinstance(fabric.cache, CacheSettings) else None,
        openlineage=_in_directory(fabric.openlineage, directory),
        files=frozenset(files),
    )


def _in_directory(settings: OpenLineageSettings | None, directory: Path) -> OpenLineageSettings | None:
    if settings is None or settings.file is None:
        return settings
    return settings.model_copy(update={"file": str(directory / settings.file)})


def _absolute(directory: Path, place: str) -> str:
    return place if "://" in place else str(directory / place)


def _with_defaults(said: LimitSettings | None) -> LimitSettings:
    given = {} if said is None else said.model_dump(exclude_none=True)
    return DEFAULT_LIMITS.model_copy(update=given)


def _read(
    path: Path, directory: Path, environment: Mapping[str, str], problems: Problems
) -> tuple[Document | None, dict[str, Any], set[Path]]:
    document = read_document(path, problems)
    if document is None:
        return None, {}, set()
    data, files = resolve_references(document, directory, environment, problems)
    if not isinstance(data, dict):
        problems.add(path.name, 1, "must be a mapping of keys to values")
        return None, {}, set()
    return document, data, files | {path}


def _validate(
    model: type[Model], data: object, document: Document, path: KeyPath, problems: Problems
) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for inner, message in describe_errors(error, model, data):
            document.report(problems, path + inner, message)
        return None


def _sources(document: Document, data: object, problems: Problems) -> dict[str, SourceSettings]:
    if not isinstance(data, dict):
        document.report(problems, ("sources",), "must be a mapping of names to sources")
        return {}
    found: dict[str, SourceSettings] = {}
    for name, keys in data.items():
        path = ("sources", name)
        kind = keys.get("type") if isinstance(keys, dict) else None
        if not isinstance(kind, str):
            known = ", ".join(sorted(connector_types()))
            document.report(problems, (*path, "type"), f"required; known types: {known}")
            continue
        if kind not in connector_types():
            told = f"there is no source type '{kind}'; {suggest(kind, connector_types(), 'known types')}"
            document.report(problems, (*path, "type"), told)
            continue
        try:
            model = connector_class(kind).Settings
        except InvalidConfig as error:
            document.report(problems, (*path, "type"), error.message)
            continue
        settings = _validate(model, keys, document, path, problems)
        if settings is not None:
            found[name] = settings
    return found


def _users(
    directory: Path,
    data: Mapping[str, Any],
    fabric: FabricSettings | None,
    environment: Mapping[str, str],
    problems: Problems,
) -> tuple[Mapping[str, UserSettings], set[Path]]:
    auth = data.get("auth")
    said = auth.get("users") if isinstance(auth, dict) else None
    path = directory / (said if isinstance(said, str) else USERS_FILE)
    if (
        said is None
        and not path.exists()
        and fabric is not None
        and (fabric.auth.anonymous or fabric.auth.jwt)
    ):
        return {}, set()
    document, raw, files = _read(path, directory, environment, problems)
    if document is None:
        return {}, set()
    users = _validate(UsersFile, raw, document, (), problems)
    check_users(document, raw, problems)
    return (users.users if users else {}), files


if __name__ == "__main__":
    from fabric.config_schema import schema_text

    sys.stdout.write(schema_text())
