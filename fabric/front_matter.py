"""The metadata in front of a product's SELECT as text: one value changed, everything else left as it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from fabric.errors import NotSupported

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*|\d+\.\d+\.\d+")
_TAKEN = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def file_text(front: str | None, sql: str) -> str:
    """A product file of its metadata, None for none, and its SELECT."""
    return f"{sql}\n" if front is None else f"/*---\n{front}\n---*/\n{sql}\n"


def front_text(values: Mapping[str, str]) -> str:
    """New metadata of these values."""
    return "\n".join(f"{key}: {scalar(value)}" for key, value in values.items())


def scalar(value: str) -> str:
    """A text as YAML that cannot end the comment that it stands in."""
    if _PLAIN.fullmatch(value) and value.lower() not in _TAKEN:
        return value
    said: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9)
    return said.strip().replace("*/", "*\\x2F")


def with_value(front: str, path: Sequence[str], value: str) -> str:
    """The metadata with a text at a path of keys, which compare without case; what is missing of the path is made.

    Raises:
        NotSupported: it is written in a way that cannot be changed and left as it is otherwise.
    """
    try:
        before = yaml.safe_load(front) or {}
        changed = _changed(front, path, value)
        if yaml.safe_load(changed) == _expected(before, path, value):
            return changed
    except (yaml.YAMLError, AttributeError, TypeError, RecursionError):
        pass
    raise NotSupported(
        "the product's metadata cannot be changed by a statement", hint="change the product's file itself"
    )


def _expected(before: Any, path: Sequence[str], value: str) -> Any:
    whole = _apart(before)
    found = whole
    for key in path[:-1]:
        name = _key(found, key)
        if not found.get(name):
            found[name] = {}
        found = found[name]
    found[_key(found, path[-1])] = value
    return whole


def _apart(value: Any) -> Any:
    """A copy in which nothing is shared: what an anchor stands for is changed in one place alone."""
    if isinstance(value, dict):
        return {key: _apart(each) for key, each in value.items()}
    return [_apart(each) for each in value] if isinstance(value, list) else value


def _key(mapping: Mapping[Any, Any], key: str) -> Any:
    return next((name for name in mapping if str(name).lower() == key.lower()), key)


def _changed(text: str, path: Sequence[str], value: str) -> str:
    node = yaml.compose(text, yaml.SafeLoader)
    if node is None:
        return f"{text}\n{_nested(path, value)}" if text.strip() else _nested(path, value)
    for depth, key in enumerate(path):
        if not isinstance(node, yaml.MappingNode):
            return _spliced(text, node, f"{{{_flow(path[depth:], value)}}}")
        found = next((v for k, v in node.value if str(k.value).lower() == key.lower()), None)
        if found is None:
            return _inserted(text, node, path[depth:], value)
        node = found
    return _spliced(text, node, scalar(value))


def _nested(path: Sequence[str], value: str) -> str:
    return f"{path[0]}: {scalar(value)}" if len(path) == 1 else f"{path[0]}: {{{_flow(path[1:], value)}}}"


def _flow(path: Sequence[str], value: str) -> str:
    """Keys within one another, without the outermost braces."""
    key = path[0] if re.fullmatch(r"[A-Za-z_]\w*", path[0]) and path[0] not in _TAKEN else scalar(path[0])
    return f"{key}: {scalar(value)}" if len(path) == 1 else f"{key}: {{{_flow(path[1:], value)}}}"


def _spliced(text: str, node: yaml.Node, new: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    old = text[start:end]
    if not old:
        new = f" {new}"  # a key without a value
    return text[:start] + new + ("\n" if old.endswith("\n") else "") + text[end:]


def _inserted(text: str, node: yaml.MappingNode, path: Sequence[str], value: str) -> str:
    if node.flow_style:
        at = node.start_mark.index + 1
        return f"{text[:at]}{_flow(path, value)}{', ' if node.value else ''}{text[at:]}"
    first = node.value[0][0].start_mark
    line = _flow(path, value)
    return f"{text[: first.index]}{line}\n{' ' * first.column}{text[first.index :]}"
