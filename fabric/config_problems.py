"""Problems of a project's files, gathered so that all are told at once: file, line, key path, what."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fabric.errors import InvalidConfig
from fabric.naming import suggest
from fabric.secrets import redact

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong: ``line`` counts from 1 (0: the file as a whole), ``key`` is dotted."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


@dataclass
class Problems:
    """A gathering of problems."""

    found: list[Problem] = field(default_factory=list)
    _settled: set[tuple[str, str]] = field(default_factory=set)

    def add(self, file: str, line: int, message: str, key: str = "", *, settles: bool = False) -> None:
        """Note a problem, redacted.

        Args:
            file: the file's name.
            line: from 1; 0 for the file as a whole.
            message: what is wrong.
            key: the dotted path of the key.
            settles: that there is no value to judge: further problems of this key are dropped.
        """
        if (file, key) not in self._settled:
            self.found.append(Problem(file, line, key, redact(message)))
        if settles and key:
            self._settled.add((file, key))

    def stop(self) -> None:
        """Go no further when there is a problem.

        Raises:
            InvalidConfig: one line for each problem, by file and line.
        """
        if self.found:
            raise InvalidConfig(
                "\n".join(map(str, sorted(self.found))), hint="correct what is named and retry"
            )


def dotted(path: Iterable[str | int]) -> str:
    """``("sources", "lake", "tables", 0)`` as ``sources.lake.tables[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def describe_errors(
    error: ValidationError, model: type[BaseModel], data: object
) -> list[tuple[KeyPath, str]]:
    """Pydantic's findings as key paths that stand in the file, with a message free of input values.

    Of the branches of a union only the one is told that the value comes nearest to.
    """
    plain: list[tuple[KeyPath, str]] = []
    branches: dict[KeyPath, dict[str, list[tuple[KeyPath, str]]]] = {}
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        path, tag = _locate(detail["loc"], data)
        told = (path, _message(detail, model))
        if tag is None:
            plain.append(told)
        else:
            at = detail["loc"][: detail["loc"].index(tag)]
            branches.setdefault(at, {}).setdefault(tag, []).append(told)
    for at, by_tag in branches.items():
        plain += _nearest_branch(_locate(at, data)[0], by_tag)
    return plain


def _nearest_branch(
    at: KeyPath, by_tag: Mapping[str, Sequence[tuple[KeyPath, str]]]
) -> Sequence[tuple[KeyPath, str]]:
    inside = [found for found in by_tag.values() if any(path != at for path, _ in found)]
    if inside:
        return min(inside, key=len)
    messages = dict.fromkeys(message for found in by_tag.values() for _, message in found)
    return [(at, "; or ".join(messages))]


def _locate(location: Sequence[str | int], data: object) -> tuple[KeyPath, str | None]:
    """The part of a pydantic location that is a path in the file, and the first union tag in it."""
    path: list[str | int] = []
    tag: str | None = None
    for index, part in enumerate(location):
        here = part in data if isinstance(data, Mapping) else False
        if isinstance(data, list) and isinstance(part, int):
            here = part < len(data)
        if here:
            path.append(part)
            data = data[part]  # type: ignore[index]
        elif index == len(location) - 1 and isinstance(data, Mapping) and str(part).isidentifier():
            path.append(part)  # a key that is missing
        elif part != "[key]" and tag is None and isinstance(part, str):
            tag = part
    return tuple(path), tag


def _message(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return (
            f"unknown key; {suggest(str(detail['loc'][-1]), _known_keys(model, detail['loc']), 'known keys')}"
        )
    if kind == "missing":
        return "required"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "must be a mapping of keys to values"
    if kind == "string_type":
        return "must be text; put it in quotes"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> set[str]:
    """The keys that may stand where ``location`` ends."""
    models = {model}
    for part in location[:-1]:
        stepped = {
            inner
            for outer in models
            if str(part) in outer.model_fields
            for inner in _models_in(outer.model_fields[str(part)].annotation)
        }
        tagged = {each for each in models if each.__name__ == part}
        models = stepped or tagged or models
    return {field.alias or name for each in models for name, field in each.model_fields.items()}


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in typing.get_args(annotation) for model in _models_in(part)}
