"""Whether the rules fit what there is now: each bound to every object that it covers, nobody asking.

For what an attribute would give stands a value of the type that the rule asks for, so that a rule is judged in the
words in which it will be applied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from sqlglot import exp

from fabric.errors import FabricError
from fabric.naming import UPLOADS, of_nobody
from fabric.spi import Binder
from fabric.types import Column, Principal, Product, Table, TableName
from policies.attributes import target
from policies.case import Broken, Case
from policies.files import Snapshot
from policies.objects import EVERYTHING, SYSTEM_SCHEMAS, Estate, patterns_over
from policies.restrictions import Misfit
from policies.rules import AccessRule, ColumnRule, RowRule, RulesFailed, selects

_ATTRIBUTES = ("attr", "attrs")
_MOMENTS = ("DATE", "TIMESTAMP")
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Fitting:
    """What is told of the rules: ``misfits`` make objects refuse, ``warnings`` are likely not meant.

    Both begin with the rule's ``file:line``. ``unjudged`` are rules and objects of which too little is known.
    """

    misfits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()


def fitting(
    estate: Estate,
    snapshot: Snapshot,
    objects: Collection[Table | Product],
    binder: Binder,
    unlisted: Collection[str] = (),
) -> Fitting:
    """Judge every rule.

    Args:
        estate: what there is to govern.
        snapshot: the rules.
        objects: all tables and products that are known.
        binder: binds rules to them.
        unlisted: sources of which not even the tables are known.
    """
    if not snapshot.open:
        return Fitting(unjudged=("no rule is judged while policies/federation.csv does not load",))
    judge = _Judge(estate, snapshot, binder, frozenset(name.lower() for name in unlisted))
    judge.take(objects)
    for rules in snapshot.loaded:
        for row in rules.rows:
            judge.row(row)
        for column in rules.columns:
            judge.column(column)
    warnings = (*judge.unmeant(), *judge.empty(), *_publishing(estate, snapshot))
    return Fitting(tuple(judge.misfits()), tuple(dict.fromkeys(warnings)), tuple(judge.unjudged))


@dataclass(frozen=True, slots=True)
class _Object:
    """An object as it was found, and with its columns, as far as they are known."""

    name: str
    parts: tuple[str, ...]
    found: Table | Product
    shape: Table | Product


@dataclass
class _Judge:
    """Collects what does not fit, by rule and reason, and what cannot be judged."""

    estate: Estate
    snapshot: Snapshot
    binder: Binder
    unlisted: frozenset[str]
    unjudged: dict[str, None] = field(default_factory=dict)
    _under: dict[str, list[_Object]] = field(default_factory=dict)
    _known: dict[tuple[str | None, str, str], str] = field(default_factory=dict)
    _misfits: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _meant: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def take(self, objects: Collection[Table | Product]) -> None:
        """Know these objects, by every pattern that covers them."""
        case = self._case()
        for found in objects:
            parts = case.parts(found)
            one = _Object(".".join(parts), parts, found, case.shape(found))
            for pattern in patterns_over(parts):
                self._under.setdefault(pattern, []).append(one)

    def row(self, rule: RowRule) -> None:
        """Bind a row rule to all that it covers."""
        if not all(self._reads(written) for written in rule.tables):
            self.unjudged[f"{rule.at}: what its subquery reads is not known"] = None
            return
        for one in self._covered(rule.pattern):
            key = (rule.file, rule.text, one.name)
            if key not in self._known:
                self._known[key] = _said(rule.at, one, partial(self._apply, rule, one))
            self._tell(rule.at, self._known[key], one)

    def column(self, rule: ColumnRule) -> None:
        """Put a column rule on every column that it means."""
        meant, covered = False, self._covered(rule.pattern)
        for one in covered:
            columns = _selected(rule, one.shape.columns)
            meant = meant or bool(columns)
            if rule.names_one and not columns:
                self._tell(rule.at, f"there is no column '{rule.column}'", one)
            elif rule.mask.name == "hide" and len(columns) == len(one.shape.columns):
                self._tell(rule.at, "it leaves no column to be seen", one)
            for column in columns if rule.mask.name != "clear" else ():
                self._tell(rule.at, _said(rule.at, one, partial(self._mask, rule, column, one)), one)
        if covered and not rule.names_one and not self._unlisted(rule.pattern):
            known, before = self._meant.get(rule.at, (rule.column, False))
            self._meant[rule.at] = (known, before or meant)

    # ── what is told ────────────────────────────────────────────────────────────────────────

    def misfits(self) -> Iterator[str]:
        """What does not fit, each reason of a rule once."""
        for (at, why), names in self._misfits.items():
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            yield f"{at}: {why} ({', '.join(names[:_MOST_NAMED])}{more})"

    def unmeant(self) -> Iterator[str]:
        """Column rules that mean no column of anything."""
        for at, (column, meant) in self._meant.items():
            if not meant:
                yield f"{at}: nothing that it covers has a column '{column}'"

    def empty(self) -> Iterator[str]:
        """Rules on what is not there. Domains and sources that are not there are told when a file loads."""
        patterns: dict[tuple[str, int], list[str]] = {}
        for rules in self.snapshot.loaded:
            said = [(rule.at, 0, rule.pattern) for rule in rules.access]
            said += [(rule.at, 0, rule.pattern) for rule in rules.columns]
            said += [(rule.at, 0, rule.pattern) for rule in rules.rows]
            said += [(pair.at, 0, pair.left) for pair in rules.combinations]
            said += [(pair.at, 1, pair.right) for pair in rules.combinations]
            for at, side, pattern in said:
                patterns.setdefault((at, side), []).append(pattern)
        for (at, _), alternatives in patterns.items():
            if ".csv:" in at and not any(map(self._covers, alternatives)):
                yield f"{at}: '{alternatives[0]}' covers nothing that there is"

    def _covers(self, pattern: str) -> bool:
        first = pattern.partition(".")[0]
        named = first in SYSTEM_SCHEMAS or first in self.estate.owners or first in self.estate.sources
        # What may be uploaded need not be there yet.
        awaited = first in self.unlisted or first.endswith(UPLOADS)
        return pattern == EVERYTHING or pattern in self._under or awaited or not named

    def _tell(self, at: str, why: str, one: _Object) -> None:
        if why:
            self._misfits.setdefault((at, why), []).append(one.name)

    # ── judging ─────────────────────────────────────────────────────────────────────────────

    def _apply(self, rule: RowRule, one: _Object) -> None:
        case = self._case(rule.condition)
        case.decide_on_rules(one.parts, ((case.restrictions.row_filter(rule, one.found),),))

    def _mask(self, rule: ColumnRule, column: Column, one: _Object) -> None:
        declared = one.found.columns if isinstance(one.found, Product) else ()
        self._case(rule.mask.value).restrictions.mask(rule, column, one.shape, declared)

    def _case(self, tree: exp.Expr | None = None) -> Case:
        asker = Principal("ripstop-check", attributes=_stand_ins([] if tree is None else [tree]))
        return Case(self.estate, self.snapshot, asker, datetime.now(UTC), b"", self.binder, {})

    def _covered(self, pattern: str) -> list[_Object]:
        """What a pattern covers and whose columns are known; the rest is not judged."""
        for source in self._unlisted(pattern):
            self.unjudged[f"rules on {source}: its tables are not known"] = None
        covered = self._under.get(pattern, [])
        for one in covered:
            if not one.shape.columns:
                self.unjudged[f"rules on {one.name}: its columns are not known"] = None
        return [one for one in covered if one.shape.columns]

    def _unlisted(self, pattern: str) -> list[str]:
        """The sources under a pattern of which the tables are not known."""
        first = pattern.partition(".")[0]
        return sorted(source for source in self.unlisted if first in (source, EVERYTHING))

    def _reads(self, written: tuple[str, ...]) -> bool:
        """Whether what a subquery reads is known; what is not there is told where the rule is bound."""
        if written[0].lower() == self.estate.fabric:
            written = written[1:]
        parts = self.estate.parts(TableName(*(self.estate.fabric, *written)[-3:]))
        if parts[0] in self.unlisted or self.estate.domain_of(parts) in self.snapshot.refused:
            return False
        return all(one.shape.columns for one in self._under.get(".".join(parts), []))


def attributes_asked_for(snapshot: Snapshot) -> dict[str, object]:
    """For each attribute that any rule asks for, a value of the type that it wants."""
    trees = [row.condition for rules in snapshot.loaded for row in rules.rows]
    trees += [
        rule.mask.value for rules in snapshot.loaded for rule in rules.columns if rule.mask.value is not None
    ]
    return _stand_ins(trees)


def _stand_ins(trees: Iterable[exp.Expr]) -> dict[str, object]:
    """For each attribute, a text that every type can be read from but DATE and TIMESTAMP, or one for those."""
    values: dict[str, object] = {}
    for call in (call for tree in trees for call in tree.find_all(exp.Anonymous)):
        if call.name.lower() in _ATTRIBUTES:
            name, *wanted = [argument.name for argument in call.expressions]
            is_moment = bool(wanted) and target(wanted[0]) in _MOMENTS
            if is_moment or name not in values:
                values[name] = "2000-01-01" if is_moment else "0"
    return values


def _selected(rule: ColumnRule, columns: Collection[Column]) -> list[Column]:
    return [
        column
        for column in columns
        if selects(rule.column, column.name.lower(), {tag.strip().lower() for tag in column.tags})
    ]


def _said(at: str, one: _Object, attempt: Callable[[], None]) -> str:
    """What is wrong with a rule on an object; empty when it can be applied."""
    try:
        attempt()
    except Misfit as error:
        return error.why if error.at in (at, one.name) else str(error)
    except FabricError as error:
        return of_nobody(error.message)
    except (Broken, RulesFailed) as error:
        return str(error) or "what it reads is broken"
    return ""


def _publishing(estate: Estate, snapshot: Snapshot) -> Iterator[str]:
    """Who may put a product into a domain has it read what the domain may."""
    for rules in snapshot.loaded:
        for rule in rules.access:
            first = rule.pattern.partition(".")[0]
            if ".csv:" in rule.at and _publishes(rule) and (first == EVERYTHING or first in estate.owners):
                whose = "any domain" if first == EVERYTHING else f"domain:{first}"
                yield f"{rule.at}: `publish` lets {rule.subject} read whatever {whose} may read"


def _publishes(rule: AccessRule) -> bool:
    return rule.effect == "allow" and rule.action in ("publish", "*")
