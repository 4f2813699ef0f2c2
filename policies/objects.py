"""The names of objects as rules write them and as relations bear them, in one canonical spelling.

Canonical: lower case, parts joined by dots, a dot or star inside a part as ``%2e`` and ``%2a``. A product is
``domain.product`` without its version, a source's table always ``source.schema.table``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fabric.config import ProjectConfig
from fabric.naming import default_schema, uploads_of
from fabric.types import DEFAULT_SCHEMA, TableName

EVERYTHING = "*"
SYSTEM_SCHEMAS = frozenset({"system", "information_schema"})
"""Schemas of the fabric itself: their tables show each principal only what concerns them."""

_PART = re.compile(r'"((?:[^"]|"")+)"|([^\s."*]+)')
_VERSION = re.compile(r"@[0-9]+$")


@dataclass(frozen=True, slots=True)
class Estate:
    """What there is to govern: domains with their owners, sources with their domains.

    Names compare in lower case. ``default_schemas`` names, for a source, the schema that ``source.table``
    means: ``main`` where it says nothing, none for ``""``. ``spelled`` has each domain as the owner did.
    """

    fabric: str
    owners: Mapping[str, str]
    sources: Mapping[str, str]
    default_schemas: Mapping[str, str] = field(default_factory=dict)
    spelled: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fabric", self.fabric.lower())
        object.__setattr__(self, "spelled", {name.lower(): name for name in self.owners})
        object.__setattr__(self, "owners", {name.lower(): owner for name, owner in self.owners.items()})
        for name in ("sources", "default_schemas"):
            lowered = {key.lower(): value.lower() for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, lowered)

    def domain_of(self, parts: Sequence[str]) -> str | None:
        """The domain that owns the object of these canonical parts; None for what no domain owns."""
        return parts[0] if parts[0] in self.owners else self.sources.get(parts[0])

    def parts(self, name: TableName) -> tuple[str, ...]:
        """The canonical parts of a table's or product's name; products stand in the fabric's catalog."""
        if name.catalog.lower() == self.fabric:
            return self._canonical((name.schema, name.name))
        return self._canonical((name.catalog, name.schema, name.name))

    def parse_object(self, text: str) -> tuple[str, ...]:
        """The canonical parts of an object's name as text; double quotes may enclose a part.

        Without quotes the last part takes every dot that is left.

        Raises:
            ValueError: not a name of two or three parts.
        """
        text = text[len(self.fabric) + 1 :] if text.lower().startswith(f"{self.fabric}.") else text
        first = text.partition(".")[0].lower()
        try:
            parts = _split(text) if '"' in text else ()
        except ValueError:
            parts = ()
        parts = parts or tuple(text.split(".", 2 if first in self.sources else 1))
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise ValueError("an object is domain.product or source.schema.table")
        return self._canonical(parts)

    def parse_pattern(self, text: str) -> str:
        """The canonical pattern of a rule's object: ``*``, ``prefix.*``, or one object.

        Raises:
            ValueError: a pattern that could never match what it seems to mean; says why.
        """
        if text == EVERYTHING:
            return EVERYTHING
        stem, wild = (text[:-2], True) if text.endswith(".*") else (text, False)
        parts = _split(stem)
        if parts[0].lower() == self.fabric:
            if len(parts) == 1:
                raise ValueError(f"'{text}' is the fabric itself; everything in it is written *")
            parts = parts[1:]
        is_source = parts[0].lower() in self.sources
        if len(parts) > (3 - wild if is_source else 2 - wild) and self._known(parts[0]):
            raise ValueError("too many parts: an object is domain.product or source.schema.table")
        if not wild and len(parts) == 1:
            raise ValueError(f"'{text}' names no object; did you mean '{text}.*'?")
        if not is_source and len(parts) > 1 and _VERSION.search(parts[1]):
            raise ValueError("a rule covers every version of a product; leave the version out")
        if wild:
            return ".".join(_escape(part) for part in parts) + ".*"
        return ".".join(self._canonical(parts))

    def _known(self, first: str) -> bool:
        return first.lower() in self.owners or first.lower() in self.sources

    def _canonical(self, parts: Sequence[str]) -> tuple[str, ...]:
        first = parts[0].lower()
        if first in self.sources:
            if len(parts) == 2:
                table = parts[-1]
                schema = self.default_schemas.get(first, DEFAULT_SCHEMA)
                if not schema:
                    raise ValueError(f"'{first}' has several schemas; write {first}.<schema>.{table}")
                parts = (first, schema, table)
        elif first in self.owners:
            parts = (parts[0], *(_VERSION.sub("", part) for part in parts[1:]))
        return tuple(_escape(part) for part in parts)


def estate_of(config: ProjectConfig) -> Estate:
    """The estate that a project's configuration describes."""
    return Estate(
        fabric=config.name,
        owners={name: domain.owner for name, domain in config.domains.items()},
        sources={
            **{uploads_of(name): name for name in config.domains},
            **{name: settings.domain for name, settings in config.sources.items()},
        },
        default_schemas={name: default_schema(settings) for name, settings in config.sources.items()},
    )


def covers(pattern: str, name: str) -> bool:
    """Whether a canonical pattern covers a canonical object; ``*`` leaves the fabric's own schemas out."""
    if pattern == EVERYTHING:
        return name.partition(".")[0] not in SYSTEM_SCHEMAS
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def patterns_over(parts: Sequence[str]) -> Iterator[str]:
    """Every canonical pattern that covers the object of these parts."""
    if parts[0] not in SYSTEM_SCHEMAS:
        yield EVERYTHING
    for length in range(1, len(parts)):
        yield ".".join(parts[:length]) + ".*"
    yield ".".join(parts)


def _split(text: str) -> tuple[str, ...]:
    parts: list[str] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(match[1].replace('""', '"') if match[1] else match[2])
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            break
        position += 1
    raise ValueError(f"'{text}' is no name; a pattern is *, prefix.*, or a name, with * nowhere else")


def _escape(part: str) -> str:
    return part.lower().replace("%", "%25").replace(".", "%2e").replace("*", "%2a")
