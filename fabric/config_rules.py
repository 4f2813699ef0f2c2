"""What must hold between keys: names, domains of sources, TLS and loopback, passwords, what comes later."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fabric.config_model import QUOTAS, FabricSettings, TlsSettings, is_password_hash
from fabric.config_problems import KeyPath, Problems
from fabric.config_yaml import Document
from fabric.naming import suggest, uploads_of
from fabric.secrets import REFERENCE
from fabric.settings import SourceSettings

RESERVED = frozenset({"system", "results", "information_schema", "pg_catalog"})
"""Names that no domain, source or fabric may take: the fabric's own schemas, and those of every catalog."""

ANONYMOUS = "anonymous"
"""The user name of those who do not log in."""

_NAME = re.compile(r"[^\W\d][\w-]*")
_POLICY_FILES = frozenset({"federation"})  # policies/federation.csv is no domain's file


def check_fabric(
    fabric: FabricSettings, sources: Mapping[str, SourceSettings], document: Document, problems: Problems
) -> dict[str, SourceSettings]:
    """Note what does not fit together; gives the sources with their domains as ``domains`` spells them."""
    _check_names(fabric, document, problems)
    _check_server(fabric, document, problems)
    _check_auth(fabric, document, problems)
    _check_limits(fabric, document, problems)
    if fabric.key is not None and len(fabric.key.get_secret_value()) < 16:
        document.report(
            problems, ("key",), "too short: at least 16 characters, such as `openssl rand -hex 32`"
        )
    by_lower = {name.lower(): name for name in fabric.domains}
    checked: dict[str, SourceSettings] = {}
    for name, settings in sources.items():
        domain = by_lower.get(settings.domain.lower())
        if domain is None:
            told = f"there is no domain '{settings.domain}'; {suggest(settings.domain, fabric.domains, 'domains')}"
            document.report(problems, ("sources", name, "domain"), told)
        else:
            checked[name] = settings.model_copy(update={"domain": domain})
    return checked


def check_users(document: Document, data: Mapping[str, Any], problems: Problems) -> None:
    """Note user names that rules could not tell apart, and passwords that stand in clear text."""
    users = data.get("users")
    if not isinstance(users, dict):
        return
    _check_twice((("users", name) for name in users), document, problems)
    for name, keys in users.items():
        if not name or set(name) & set(":*,") or name != name.strip():
            document.report(problems, ("users", name), "a user's name holds no ':', '*' or ','")
        if name.lower() == ANONYMOUS:
            document.report(problems, ("users", name), f"'{ANONYMOUS}' stands for those who do not log in")
        password = keys.get("password") if isinstance(keys, dict) else None
        written = document.data["users"][name].get("password") if isinstance(password, str) else None
        if isinstance(password, str) and not password:
            document.report(problems, ("users", name, "password"), "empty")
        elif isinstance(written, str) and not (is_password_hash(written) or REFERENCE.fullmatch(written)):
            told = "a clear-text password; put the hash here that `ripstop user hash` makes"
            document.report(problems, ("users", name, "password"), told)


def _check_names(fabric: FabricSettings, document: Document, problems: Problems) -> None:
    written = document.data.get("sources")
    sources = list(written) if isinstance(written, dict) else []
    paths: list[KeyPath] = [("domains", name) for name in fabric.domains]
    paths += [("sources", name) for name in sources]
    _check_twice(paths, document, problems)
    kept = {uploads_of(name).lower(): name for name in fabric.domains}
    for path in paths:
        if str(path[-1]).lower() in kept:
            told = f"'{path[-1]}' is where tables are that were uploaded to '{kept[str(path[-1]).lower()]}'"
            document.report(problems, path, told)
    for path in [("name",), *paths]:
        name = fabric.name if path == ("name",) else str(path[-1])
        if not _NAME.fullmatch(name):
            told = "a name starts with a letter or _ and holds letters, digits, _ and -"
            document.report(problems, path, told)
        elif name.lower() in RESERVED:
            document.report(problems, path, f"'{name}' is a name that the fabric keeps for itself")
        elif path[0] == "domains" and name.lower() in _POLICY_FILES:
            document.report(problems, path, f"'{name}' is the name of a policy file that binds every domain")
        elif path != ("name",) and name.lower() == fabric.name.lower():
            document.report(problems, path, f"'{name}' is the fabric's own name")


def _check_twice(paths: Iterable[KeyPath], document: Document, problems: Problems) -> None:
    first: dict[str, KeyPath] = {}
    for path in paths:
        other = first.setdefault(str(path[-1]).lower(), path)
        if other != path:
            kind = {"domains": "domain", "sources": "source", "users": "user"}[str(other[0])]
            told = (
                f"the {kind} '{other[-1]}' in line {document.line(other)} has this name (case does not count)"
            )
            document.report(problems, path, told)


def _check_server(fabric: FabricSettings, document: Document, problems: Problems) -> None:
    if fabric.server.tls is None and not _is_loopback(fabric.server.host):
        told = "without tls the server binds loopback only; give tls: {cert:, key:}, or say tls: off"
        document.report(problems, ("server", "host"), told)


def _check_auth(fabric: FabricSettings, document: Document, problems: Problems) -> None:
    if fabric.auth.jwt is not None and "://" in fabric.auth.jwt.jwks:
        told = _wrong_with_address(fabric.auth.jwt.jwks)
        if told:
            document.report(problems, ("auth", "jwt", "jwks"), told)
    tls = fabric.server.tls
    if fabric.auth.certificates and not (isinstance(tls, TlsSettings) and tls.client_ca):
        told = "certificates log in only where server.tls.client_ca says whose are trusted"
        document.report(problems, ("auth", "certificates"), told)


def _check_limits(fabric: FabricSettings, document: Document, problems: Problems) -> None:
    written = document.data.get("sources")
    known = {"product": list(fabric.domains), "source": list(written) if isinstance(written, dict) else []}
    for subject, limits in fabric.limits.items():
        kind, _, name = subject.partition(":")
        if kind == "role" and limits.memory is not None:
            told = "memory is the engine's, which all share: say it under default"
            document.report(problems, ("limits", subject, "memory"), told)
        if kind not in known:
            continue
        name, what = (name.partition(".")[0], "domain") if kind == "product" else (name, "source")
        if name.lower() not in {each.lower() for each in known[kind]}:
            told = f"there is no {what} '{name}'; {suggest(name, known[kind], f'{what}s')}"
            document.report(problems, ("limits", subject), told)
        for key in limits.model_fields_set - set(QUOTAS):
            told = f"a {kind} has no such limit; it may have {', '.join(QUOTAS)}"
            document.report(problems, ("limits", subject, key), told)


def _wrong_with_address(text: str) -> str:
    """Why keys may not be fetched there; empty when they may."""
    try:
        url = urlsplit(text)
        host, user, _ = url.hostname, url.username, url.port
    except ValueError:
        return "no address; give a file, or https://host/path"
    if user is not None:
        return "an address without user name and password is needed; public keys are public"
    if not host or not (url.scheme == "https" or (url.scheme == "http" and _is_loopback(host))):
        return "keys are fetched over https:// only (http:// from loopback), or read from a file"
    return ""


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
