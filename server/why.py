"""Why a user sees what they see of an object, for whoever holds the project directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fabric.errors import InvalidValue, NotFound
from fabric.file_shapes import name as quoted
from fabric.naming import nearest, suggest
from fabric.spi import Finding
from fabric.types import DEFAULT_SCHEMA, Principal, Product
from server.app import App, build, known_principal


def explain_access(
    directory: Path, user: str, found: str, roles: Sequence[str] = (), attributes: Sequence[str] = ()
) -> Iterator[str]:
    """The findings as lines of text.

    Args:
        directory: the project directory.
        user: a user, known or not, or ``role:<name>``.
        found: an object, or one of its columns behind a dot.
        roles: roles held beside the user's own.
        attributes: ``name=value``, beside or instead of the user's own.

    Raises:
        NotFound: there is no such object, or no such column of it.
        InvalidValue: a role or an attribute that is not written so, or nobody who could ask.
    """
    _require_somebody(user)
    with closing(build(directory, recorded=False)) as app:
        name, column = _object(app, found)
        if user not in app.config.users and not user.startswith("role:"):
            yield f"'{user}' is not in users.yaml: nothing is known of them but what is said here"
        about = _assumed(known_principal(app.config)(user), roles, attributes)
        findings = app.line.why(name, about)
    for finding in findings:
        if not column or finding.effect != "column" or finding.detail.startswith(f"{column.lower()}: "):
            yield _line(finding)


def _object(app: App, found: str) -> tuple[str, str]:
    parts = tuple(found.split("."))
    for name, column in ((parts, ""), (parts[:-1], parts[-1])):
        there = app.catalog.find(name) if len(name) > 1 else None
        if there is None:
            continue
        columns = [
            each.name for each in (app.catalog.shaped(there) if isinstance(there, Product) else there).columns
        ]
        if column and columns and column.lower() not in {each.lower() for each in columns}:
            raise NotFound(
                f"'{'.'.join(name)}' has no column '{column}'", hint=suggest(column, columns, "columns")
            )
        return ".".join(quoted(part) for part in name), column
    known = nearest(found, (".".join(each) for each in _names(app)))
    meant = f"did you mean '{known}'? " if known else ""
    raise NotFound(
        f"there is no '{found}'", hint=f"{meant}an object is domain.product or source.schema.table"
    )


def _names(app: App) -> Iterator[tuple[str, ...]]:
    for product in app.catalog.products.current().values():
        yield (product.domain, product.name.name)
    for table in app.catalog.tables():
        parts = (table.name.catalog, table.name.schema, table.name.name)
        yield from (parts, (parts[0], parts[2])) if table.name.schema == DEFAULT_SCHEMA else (parts,)


def _require_somebody(user: str) -> None:
    """A domain, and everyone at once, are subjects of rules; neither asks a question."""
    if user.startswith("role:") and "*" not in user:
        return
    if ":" in user or "*" in user:
        raise InvalidValue(
            f"'{user}' is nobody who asks",
            hint="name a user or role:<name>; what a domain may read is told of its products",
        )


def _assumed(about: Principal, roles: Sequence[str], attributes: Sequence[str]) -> Principal:
    for role in roles:
        if not role.startswith("role:"):
            raise InvalidValue(f"'{role}' is no role", hint=f"write --role role:{role}")
    values = dict(about.attributes)
    for attribute in attributes:
        name, given, value = attribute.partition("=")
        if not given or not name:
            raise InvalidValue(f"'{attribute}' is no attribute", hint="write --attribute name=value")
        values[name] = value
    return replace(about, roles=about.roles | frozenset(roles), attributes=values)


def _line(finding: Finding) -> str:
    where = f"  ({finding.rule})" if finding.rule else ""
    detail = f"  {finding.detail}" if finding.detail else ""
    return f"{finding.object}  {finding.reader}: {finding.effect}{detail}{where}"
