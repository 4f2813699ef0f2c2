"""YAML read so that every value knows its line: one document, plain values, no surprises.

Scalars follow YAML 1.2's core schema: ``no``, ``off`` and ``12:30`` are text, as people mean them.
``${…}`` may stand unquoted inside ``{…}``, which YAML alone would not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fabric.config_problems import KeyPath, Problems, dotted
from fabric.errors import InvalidConfig
from fabric.secrets import REFERENCE, resolve

# Stand-ins from Unicode's private use area, so that a reference keeps its length and column.
_TO_MARKS = str.maketrans("${}", "\ue000\ue001\ue002")
_FROM_MARKS = str.maketrans("\ue000\ue001\ue002", "${}")
_WRITTEN = re.compile(r"'[^'<]{2,}'")  # PyYAML quotes the file's own text, which may be a secret
_DEEPEST = 40
_MOST_NODES = 200_000


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+|(?<=[0-9])\.|(?<=[0-9])(?=[eE]))(?:[eE][-+]?[0-9]+)?",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values as written, and the line of each key path (counted from 1)."""

    file: str
    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of a key path, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def report(self, problems: Problems, path: KeyPath, message: str, *, settles: bool = False) -> None:
        """Note a problem of the value at ``path``; see ``Problems.add``."""
        problems.add(self.file, self.line(path), message, dotted(path), settles=settles)


def read_document(path: Path, problems: Problems, label: str = "") -> Document | None:
    """Read a YAML file; what cannot be read is noted, and None says that nothing could.

    ``label`` is what messages call the file, its bare name where it is not said.
    """
    file = label or path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problems.add(file, 0, "the file does not exist")
        return None
    except (OSError, ValueError):
        problems.add(file, 0, "the file cannot be read as UTF-8 text")
        return None
    marked = REFERENCE.sub(lambda match: match[0].translate(_TO_MARKS), text)
    try:
        node = yaml.compose(marked, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = _WRITTEN.sub("'…'", error.problem or error.context or "")
        problems.add(file, mark.line + 1 if mark else 0, f"not YAML: {told}")
        return None
    except (yaml.YAMLError, RecursionError):
        problems.add(file, 0, "not YAML: a character or a nesting that YAML does not allow")
        return None
    reader = _Reader(file, problems)
    data = reader.build(node, ()) if node is not None else {}
    return Document(file, data, reader.lines)


def resolve_references(
    document: Document, directory: Path, environment: Mapping[str, str], problems: Problems
) -> tuple[Any, set[Path]]:
    """The document's values with every ``${…}`` replaced, and the files that were read for it."""
    files: set[Path] = set()

    def walk(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            try:
                return resolve(value, directory, environment, files)
            except InvalidConfig as error:
                document.report(problems, path, error.message, settles=True)
        return value

    return walk(document.data, ()), files


class _Reader:
    """Builds plain values from nodes, and notes each one's line."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.file = file
        self.problems = problems
        self.lines: dict[KeyPath, int] = {}
        self.nodes = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self.nodes += 1
        if len(path) > _DEEPEST or self.nodes > _MOST_NODES:
            self._tell(node, path[:_DEEPEST], "nested too deeply, or an anchor that contains itself")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._tell(key_node, path, "a key must be text")
                continue
            key = key_node.value.translate(_FROM_MARKS)
            if key == "<<" and isinstance(value_node, yaml.MappingNode):
                merged = self._mapping(value_node, path)
                continue
            if key in result:
                first = self.lines[(*path, key)]
                self._tell(key_node, (*path, key), f"this key stands here twice, first in line {first}")
                continue
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, (*path, key))
        return {**merged, **result}

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text: str = node.value.translate(_FROM_MARKS)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            if kind == "bool":
                return text.lower() == "true"
            if kind == "null":
                return None
            if kind in ("int", "float"):
                return int(text) if kind == "int" else float(text)
        except ValueError:
            kind = "bad"
        if kind != "str":
            self._tell(node, path, "a YAML tag that has no meaning here")
        return text

    def _tell(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.problems.add(self.file, node.start_mark.line + 1, message, dotted(path))
