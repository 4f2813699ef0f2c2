"""The policy files of a project: each loads on its own, fails closed, and keeps its last good version."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fabric.errors import InvalidConfig
from fabric.naming import suggest, uploads_of
from policies.enforcer import RuleSet
from policies.load import Rules, read_rules
from policies.objects import Estate
from policies.rules import AccessRule
from policies.standards import FILE as STANDARDS
from policies.standards import StandardsFile

FOLDER = "policies"
FEDERATION = "federation.csv"

_LOG = logging.getLogger("ripstop.policies")
_POLL_SECONDS = 0.2
_SETTLE_SECONDS = 0.25  # a file younger than this may be half written: the first half of a file may load


Changed = Callable[[str, str, Mapping[str, str]], None]
"""Is told the old version of the rules, the new one, and the files' digests by name, before the new one decides."""


@dataclass(frozen=True)
class Snapshot:
    """The rules of one moment; ``refused`` are domains whose file never loaded, ``version`` names it all.

    ``open`` is false while no federation.csv ever loaded: everything then refuses. ``loaded`` is what each file
    says, what follows from fabric.yaml in front.
    """

    rules: RuleSet
    version: str
    open: bool
    refused: frozenset[str]
    loaded: tuple[Rules, ...] = ()


@dataclass
class PolicyFile:
    """One file: its last good rules (None: none yet), and what is wrong with it now."""

    path: Path
    domain: str | None
    rules: Rules | None = None
    digest: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()
    _signature: tuple[int, ...] | None = (0,)

    @property
    def label(self) -> str:
        """The file's name in messages."""
        return f"{FOLDER}/{self.path.name}"

    def refresh(self, estate: Estate, *, first: bool) -> bool:
        """Read the file when it has changed; true when anything about it has."""
        signature, age = _signature(self.path)
        if signature == self._signature or (not first and 0 <= age < _SETTLE_SECONDS):
            return False
        self._signature = signature
        if signature is None:
            self._vanish(first)
            return True
        self.error, self.warnings = "", ()
        try:
            text = self.path.read_text(encoding="utf-8")
            if _signature(self.path)[0] != signature:
                self._signature = (0,)  # it changed while we read: look again at the next poll
                return False
            self.rules = read_rules(text, self.label, self.domain, estate)
            self.warnings = self.rules.warnings
            self.digest = hashlib.sha256(text.encode()).hexdigest()
        except InvalidConfig as error:
            self.error = error.message
        except (OSError, UnicodeDecodeError):
            self.error = f"{self.label}: the file cannot be read as UTF-8 text"
        except Exception:  # noqa: BLE001 - it would be the answer to a query, and the file never read again
            _LOG.exception("reading %s failed", self.label)
            self.error = f"{self.label}: the file cannot be understood; the log says where it failed"
        return True

    def _vanish(self, first: bool) -> None:
        if first and self.domain is not None:
            self.rules = Rules()
            self.warnings = (f"{self.label}: there is no such file; the domain has no rules of its own",)
        else:
            what = "the file is missing" if first else "the file has vanished"
            self.error = f"{self.label}: {what}"


@dataclass
class PolicyFiles:
    """All policy files of a project, looked at again at most every 0.2 s, whenever the rules are asked for."""

    directory: Path
    estate: Estate
    standards: StandardsFile = field(init=False)
    _files: list[PolicyFile] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: float = 0.0
    _snapshot: Snapshot = field(init=False)
    _changed: Changed = field(default=lambda old, new, files: None)

    def __post_init__(self) -> None:
        folder = self.directory / FOLDER
        self._files = [PolicyFile(folder / FEDERATION, None)]
        self.standards = StandardsFile(folder / STANDARDS, f"{FOLDER}/{STANDARDS}")
        self.standards.refresh()
        for domain in self.estate.owners:
            self._files.append(PolicyFile(folder / f"{self.estate.spelled[domain]}.csv", domain))
        self._refresh(first=True)

    def current(self) -> Snapshot:
        """The rules as the files stand; a change shows within 1 s."""
        if time.monotonic() >= self._next and self._lock.acquire(blocking=False):
            try:
                self._refresh(first=False)
            finally:
                self._lock.release()
        return self._snapshot

    def errors(self) -> tuple[str, ...]:
        """What keeps a file from loading, each with file and line; the last good version serves on."""
        return (*(file.error for file in self._files if file.error), *self._strays())

    def warnings(self) -> tuple[str, ...]:
        """What loads and is likely not meant."""
        return tuple(warning for file in self._files for warning in file.warnings)

    def _refresh(self, *, first: bool) -> None:
        changed = [file for file in self._files if file.refresh(self.estate, first=first)]
        self._next = time.monotonic() + _POLL_SECONDS
        for file in changed:
            if file.error:
                _LOG.error("policy file does not load: %s", file.error)
            for warning in file.warnings:
                _LOG.warning("%s", warning)
        if changed or first:
            taken = self._take()
            if not first and taken.version != self._snapshot.version:
                self._changed(self._snapshot.version, taken.version, self._digests())
            self._snapshot = taken

    def observe(self, changed: Changed) -> None:
        """Have every change of the rules told from now on, and what they are now."""
        self._changed = changed
        changed("", self._snapshot.version, self._digests())

    def _digests(self) -> dict[str, str]:
        return {file.label: file.digest for file in self._files if file.digest}

    def _take(self) -> Snapshot:
        said = [file.rules for file in self._files if file.rules is not None]
        loaded = [Rules(access=tuple(owner_rules(self.estate))), *said]
        state = repr([(file.label, file.rules is None, file.digest) for file in self._files])
        return Snapshot(
            rules=RuleSet(
                [rule for rules in loaded for rule in rules.access],
                [group for rules in loaded for group in rules.groups],
                [rule for rules in loaded for rule in rules.columns],
                [rule for rules in loaded for rule in rules.rows],
                [rule for rules in loaded for rule in rules.combinations],
            ),
            version=hashlib.sha256(f"{self.estate}{state}".encode()).hexdigest()[:16],
            open=self._files[0].rules is not None,
            refused=frozenset(file.domain for file in self._files if file.domain and file.rules is None),
            loaded=tuple(loaded),
        )

    def _strays(self) -> Iterator[str]:
        known = {file.path.name for file in self._files}
        for path in sorted((self.directory / FOLDER).glob("*.csv")):
            if path.name not in known:
                told = suggest(path.stem, self.estate.spelled.values(), "domains")
                yield f"{FOLDER}/{path.name}: binds nobody, for there is no such domain; {told}"
        self.standards.refresh()
        if self.standards.error:
            yield self.standards.error


def owner_rules(estate: Estate) -> Iterator[AccessRule]:
    """The rules that need no writing: a domain reads what it owns; its owner may do everything with its
    products and what was uploaded to it, and reads its sources.
    """
    owned = [(domain, domain, "*") for domain in estate.owners]
    owned += [
        (domain, source, "*" if source == uploads_of(domain) else "read")
        for source, domain in estate.sources.items()
        if domain in estate.owners
    ]
    for domain, prefix, action in owned:
        at = f"fabric.yaml: domains.{domain}"
        yield AccessRule(estate.owners[domain].lower(), f"{prefix}.*", action, "allow", at)
        yield AccessRule(f"domain:{domain}", f"{prefix}.*", "read", "allow", at)


def _signature(path: Path) -> tuple[tuple[int, ...] | None, float]:
    """What changes when the file does, and its age in seconds; None for a file that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None, -1.0
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns), time.time() - found.st_mtime
