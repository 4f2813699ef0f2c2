"""What a published product promises, and which changes break that.

A promise is a small file beside the product, ``products/<domain>/<name>@<major>.contract.yaml``, which publishing
writes and people commit: what was promised is in the history of the project, and each change of it in a diff.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from fabric.errors import InvalidConfig
from fabric.product_types import Contract
from fabric.settings import Strict
from fabric.types import Column, Product
from fabric.widening import widen

SUFFIX = ".contract.yaml"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SIZED = re.compile(r"\(.*\)$", re.DOTALL)
_UNSIZED = ("DECIMAL", "NUMERIC")


class _PromisedColumn(Strict):
    type: str
    required: bool = False
    unique: bool = False


class _Promised(Strict):
    product: str
    version: str
    published: str = ""
    columns: dict[str, _PromisedColumn]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what was promised and what is: ``column`` is empty where it is of the whole."""

    column: str
    text: str
    breaking: bool


def file_of(product: Product) -> str:
    """The name of the file that holds what a product's major version promises."""
    return f"{product.bare.lower()}@{product.major}{SUFFIX}"


def promised_by(product: Product, today: str) -> Contract:
    """What a product promises when it is published as it is; it must be shaped."""
    return Contract(product.version, product.columns, today)


def written(contract: Contract, product: Product) -> str:
    """The text of the file."""
    columns = {
        column.name: {
            "type": column.type,
            **({"required": True} if not column.nullable else {}),
            **({"unique": True} if column.unique else {}),
        }
        for column in contract.columns
    }
    said = {
        "product": f"{product.domain}.{product.bare}",
        "version": contract.version,
        "published": contract.published,
        "columns": columns,
    }
    body = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, default_flow_style=None, width=200)
    return f"# What readers were promised; written by `ripstop product publish`. Commit it.\n{body}"


def read_contract(text: str, where: str) -> Contract:
    """What the file promises.

    Raises:
        InvalidConfig: it is no such file.
    """
    try:
        said = _Promised.model_validate(yaml.load(text, _LOADER))  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValidationError):
        raise InvalidConfig(
            f"{where} is no contract", hint="take it from the project's history, or publish again"
        ) from None
    columns = tuple(
        Column(name, column.type, not column.required, unique=column.unique)
        for name, column in said.columns.items()
    )
    return Contract(said.version, columns, said.published)


def changes(before: Contract, now: Sequence[Column]) -> list[Change]:
    """What is other than was promised, breaking changes first."""
    found: list[Change] = []
    columns = {column.name.lower(): column for column in now}
    for promise in before.columns:
        column = columns.pop(promise.name.lower(), None)
        found += [Change(promise.name, "is gone", True)] if column is None else _compared(promise, column)
    had, has = (any(column.unique for column in each) for each in (before.columns, now))
    if had and not has:
        found.append(Change("", "nothing says any more what one row is: no column is unique", True))
    found += [Change(column.name, f"is new: {column.type}", False) for column in columns.values()]
    return sorted(found, key=lambda change: not change.breaking)


def _compared(promise: Column, column: Column) -> list[Change]:
    found = []
    if promise.type != column.type:
        wider = widen(promise.type, column.type) == column.type
        how = "is widened" if wider else "has another type"
        found.append(Change(promise.name, f"{how}: {promise.type} → {column.type}", not wider))
    if not promise.nullable and column.nullable:
        found.append(Change(promise.name, "may be NULL: it is required no more", True))
    if promise.unique and not column.unique:
        found.append(Change(promise.name, "may repeat: it is unique no more", True))
    if promise.nullable and not column.nullable:
        found.append(Change(promise.name, "is never NULL any more", False))
    if column.unique and not promise.unique:
        found.append(Change(promise.name, "never repeats any more", False))
    return found


def told(change: Change) -> str:
    """A change as a line."""
    return f"column '{change.column}' {change.text}" if change.column else change.text


def amiss(declared: Sequence[Column], bound: Sequence[Column], canonical: Callable[[str], str]) -> str:
    """What a product's file declares of its columns and its SELECT does not give; empty where all is as declared.

    A type must be the SELECT's own: no cast is put in, for readers would get values that nobody looked at. A
    DECIMAL without digits means any. Columns that are not declared are no fault.

    Args:
        declared: the columns of the file; ``type`` is empty where it says none.
        bound: those of the SELECT.
        canonical: DuckDB's own spelling of a type.

    Raises:
        FabricError: a text means no type.
    """
    columns = {column.name.lower(): column for column in bound}
    for said in declared:
        column = columns.get(said.name.lower())
        if column is None:
            return f"its contract has a column '{said.name}', and its SELECT has none of that name"
        if said.type and not _is(said.type, column.type, canonical):
            return (
                f"column '{said.name}' is {column.type}, and its contract says {said.type}: "
                "cast it in the SELECT, or correct the contract"
            )
    return ""


def _is(said: str, kind: str, canonical: Callable[[str], str]) -> bool:
    if said.strip().upper() in _UNSIZED:
        return _SIZED.sub("", kind) == "DECIMAL"
    return canonical(_spelled(said)) == kind


def _spelled(text: str) -> str:
    """The type that a text means as DuckDB's text, made anew from its tree.

    Raises:
        InvalidConfig: it is no type, or more than one.
    """
    try:
        if not _is_closed(text):  # sqlglot reads the type that stands in front, and no further
            raise ValueError
        return exp.DataType.build(text, dialect="duckdb").sql(dialect="duckdb")
    except (SqlglotError, ValueError):
        raise InvalidConfig(f"there is no type '{text[:60]}'") from None


def _is_closed(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0
