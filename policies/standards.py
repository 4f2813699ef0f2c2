"""``policies/standards.yaml``: what the federation demands of every product that is published.

    require: [owner, description, freshness]
    names: snake_case
    tag pii: must be masked for role:*
    shared keys: {claim_id: BIGINT}

The file fails closed: while none ever loaded nothing is published, and one that does not load leaves the last good one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlglot import exp
from sqlglot.errors import SqlglotError

from fabric.config_problems import Problems
from fabric.config_yaml import Document, read_document
from fabric.errors import InvalidConfig
from fabric.naming import suggest
from fabric.types import Column, Product

FILE = "standards.yaml"

IsMasked = Callable[[Product, Column, str], bool]
"""Whether a subject sees a column of a product masked or not at all."""

_REQUIRABLE: Mapping[str, Callable[[Product], bool]] = {
    "owner": lambda product: bool(product.owner),
    "description": lambda product: bool(product.description),
    "tags": lambda product: bool(product.tags),
    "freshness": lambda product: product.freshness is not None,
    "quality": lambda product: bool(product.quality),
    "unique": lambda product: any(column.unique for column in product.columns),
    "column descriptions": lambda product: all(column.comment for column in product.columns),
}
_SNAKE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_MASKED = re.compile(r"must be masked for (role:\S+)")
_TAG = "tag "


@dataclass(frozen=True, slots=True)
class Standard:
    """One demand: ``text`` is how the file says it, at ``at``."""

    at: str
    text: str
    kind: str
    what: str
    value: str = ""

    def breaches(self, product: Product, is_masked: IsMasked) -> Iterator[str]:
        """What a shaped product lacks; nothing where it meets the standard."""
        for lack in _LACKS[self.kind](self, product, is_masked):
            yield f"{self.at}: {self.text}: {lack}"


def _required(standard: Standard, product: Product, _: IsMasked) -> Iterator[str]:
    if not _REQUIRABLE[standard.what](product):
        yield f"{product.written} has no {standard.what}"


def _named(standard: Standard, product: Product, _: IsMasked) -> Iterator[str]:
    for name in (product.bare, *(column.name for column in product.columns)):
        if not _SNAKE.fullmatch(name):
            yield f"'{name}' of {product.written} is not"


def _masked(standard: Standard, product: Product, is_masked: IsMasked) -> Iterator[str]:
    for column in product.columns:
        tagged = standard.what.lower() in {tag.lower() for tag in column.tags}
        if tagged and not is_masked(product, column, standard.value):
            yield f"column '{column.name}' of {product.written} is not"


def _shared(standard: Standard, product: Product, _: IsMasked) -> Iterator[str]:
    column = product.column(standard.what)
    if column is not None and _type(column.type) != standard.value:
        yield f"column '{column.name}' of {product.written} is {column.type}"


_LACKS: Mapping[str, Callable[[Standard, Product, IsMasked], Iterator[str]]] = {
    "require": _required,
    "names": _named,
    "tag": _masked,
    "shared": _shared,
}


def read_standards(path: Path, label: str) -> tuple[Standard, ...]:
    """The standards of a file.

    Raises:
        InvalidConfig: it does not load; one line for each problem, with file and line.
    """
    problems = Problems()
    document = read_document(path, problems, label)
    found: list[Standard] = []
    if document is not None and document.data is not None:
        if isinstance(document.data, dict):
            for key in document.data:
                found += _read(str(key), document, problems)
        else:
            problems.add(label, 1, "it is a mapping, such as require: [owner]")
    problems.stop()
    return tuple(found)


def _read(key: str, document: Document, problems: Problems) -> Iterator[Standard]:
    value = document.data[key]
    at = f"{document.file}:{document.line((key,))}"
    if key == "require" and isinstance(value, list):
        text = f"require: [{', '.join(map(str, value))}]"
        for number, each in enumerate(value):
            if each in _REQUIRABLE:
                yield Standard(at, text, "require", each)
            else:
                told = suggest(str(each), _REQUIRABLE, "what can be required")
                document.report(problems, (key, number), f"'{each}' cannot be required; {told}")
    elif key == "names" and value == "snake_case":
        yield Standard(at, "names: snake_case", "names", "")
    elif key == "shared keys" and isinstance(value, dict):
        for name, kind in value.items():
            try:
                yield Standard(at, f"shared keys: {name} is {kind}", "shared", str(name), _type(str(kind)))
            except ValueError:
                document.report(problems, (key, name), f"'{kind}' is no type")
    elif key.startswith(_TAG) and isinstance(value, str) and (match := _MASKED.fullmatch(value.strip())):
        yield Standard(at, f"{key}: {value}", "tag", key.removeprefix(_TAG).strip(), match[1].lower())
    else:
        document.report(problems, (key,), _wrong(key))


def _wrong(key: str) -> str:
    forms = {
        "require": "it is a list, such as [owner, description]",
        "names": "it is snake_case",
        "shared keys": "it is a mapping of names to types, such as {claim_id: BIGINT}",
    }
    if key.startswith(_TAG):
        return "it is 'must be masked for role:*', or for another role"
    return forms.get(key) or f"unknown key; {suggest(key, [*forms, 'tag <name>'], 'keys')}"


def _type(text: str) -> str:
    try:
        return exp.DataType.build(text, dialect="duckdb").sql(dialect="duckdb")
    except (SqlglotError, ValueError):
        raise ValueError(text) from None


@dataclass
class StandardsFile:
    """The file of a project, read again when it changes; ``standards`` are the last good ones, None where none loaded."""

    path: Path
    label: str
    standards: tuple[Standard, ...] | None = ()
    error: str = ""
    _signature: tuple[int, int] | None = field(default=None)

    def refresh(self) -> None:
        """Read the file if it has changed."""
        try:
            stat = self.path.stat()
            signature = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            if self._signature is not None:
                self.error = f"{self.label}: the file has vanished"
            return
        if signature == self._signature:
            return
        first, self._signature = self._signature is None, signature
        try:
            self.standards, self.error = read_standards(self.path, self.label), ""
        except InvalidConfig as error:
            self.error = error.message
            if first:
                self.standards = None

    def breaches(self, product: Product, is_masked: IsMasked) -> list[str]:
        """What a shaped product lacks of what the standards demand, each with the standard's text."""
        if self.standards is None:
            return [f"{self.label} does not load: nothing is published until it does"]
        return [told for standard in self.standards for told in standard.breaches(product, is_masked)]
