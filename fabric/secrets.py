"""References to secrets (``${env:X}``, ``${file:PATH}``), and the redaction of every value they gave."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import BaseModel, SecretStr

from fabric.errors import InvalidConfig

REFERENCE = re.compile(r"\$\{([^{}\n]*)\}")
"""Anything between ``${`` and ``}``; ``resolve`` refuses what is neither ``env:`` nor ``file:``."""

_SHORTEST = 4  # below this a value is no secret, and redacting it would blank out ordinary words
_SECRET_PARAMETERS = re.compile(r"pass|secret|token|key|sig|credential", re.IGNORECASE)
_MASK = "***"


class Secrets:
    """The secret values that this process has met; any thread may add and redact."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, value: str) -> None:
        """Have ``value`` redacted from now on, also as it stands in URLs, JSON and line by line."""
        found = {form for form in _forms(value) if len(form) >= _SHORTEST}
        with self._lock:
            if found <= self._values:
                return
            self._values |= found
            longest_first = sorted(self._values, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def redact(self, text: str) -> str:
        """The text with ``***`` for every remembered value."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(_MASK, text)


SECRETS = Secrets()
"""Every secret of this process: a reload adds and never forgets, so that late log lines stay clean."""


def redact(text: str) -> str:
    """The text with ``***`` for every secret that this process has resolved."""
    return SECRETS.redact(text)


class RedactingFormatter(logging.Formatter):
    """A log formatter whose lines, tracebacks included, hold no secret."""

    def format(self, record: logging.LogRecord) -> str:
        """The formatted line, redacted."""
        return redact(super().format(record))


def resolve(text: str, directory: Path, environment: Mapping[str, str], files: set[Path]) -> str:
    """The text with every reference replaced; the values are remembered as secrets.

    Args:
        text: a string of a configuration file.
        directory: the project directory, to which ``${file:…}`` is relative.
        environment: where ``${env:…}`` looks.
        files: gets the path of every file that was read, so that a reload can watch it.

    Raises:
        InvalidConfig: a reference cannot be resolved; names it, never a value.
    """

    def replace(match: re.Match[str]) -> str:
        kind, _, name = match[1].partition(":")
        if kind == "env" and name:
            value = environment.get(name)
            if value is None:
                raise InvalidConfig(f"the environment variable {name} is not set")
        elif kind == "file" and name:
            value = _content(directory / name, name)
            files.add(directory / name)
        else:
            raise InvalidConfig("only ${env:NAME} and ${file:PATH} may stand in ${…}")
        SECRETS.remember(value)
        return value

    return REFERENCE.sub(replace, text)


def remember_secrets(value: object) -> None:
    """Remember every SecretStr inside a model, list or mapping, and every password inside a URL."""
    for secret in _secrets_in(value):
        SECRETS.remember(secret)


def _content(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except FileNotFoundError:
        raise InvalidConfig(f"the file {name} does not exist") from None
    except (OSError, ValueError):
        raise InvalidConfig(f"the file {name} cannot be read as UTF-8 text") from None


def _forms(value: str) -> Iterator[str]:
    for plain in {value, *_url_secrets(value), *(line for line in value.splitlines() if len(line) >= 8)}:
        yield from (plain, quote(plain), quote(plain, safe=""), json.dumps(plain)[1:-1], repr(plain)[1:-1])


def _url_secrets(text: str) -> Iterator[str]:
    if "://" not in text:
        return
    try:
        url = urlsplit(text)
        password, query = url.password, parse_qsl(url.query)
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
    for name, value in query:
        if _SECRET_PARAMETERS.search(name):
            yield value


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str):
        yield from _url_secrets(value)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secrets_in(item)
