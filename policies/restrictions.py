"""What the rules take away of one object: the filters of its rows, the masks of its columns.

Several readers may be asked of one object (beneath a product its domain and the asking user); the restrictions
of all hold.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlglot import exp

from fabric.errors import FabricError
from fabric.naming import of_nobody
from fabric.spi import Binder, View
from fabric.types import FEDERATION, Column, Mask, Product, Relation, Resolved, RowFilter, Table
from policies.combine import lifted, row_groups, strictest
from policies.enforcer import RuleSet
from policies.expressions import Asker, at_instant, with_values
from policies.masks import fits, mask_expression
from policies.rules import ColumnRule, RowRule

_LOG = logging.getLogger("ripstop.policies")
_TAG = "tag:"

Carried = Mapping[str, frozenset[str]]
"""By lower-cased column, the masks that are already on every value of it."""


class Misfit(Exception):
    """A rule does not fit an object as it is now; the object refuses for the subjects that the rule covers."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(f"{at}: {why}")
        self.at, self.why = at, why


@dataclass(frozen=True, slots=True)
class Reader:
    """One who is asked: all that they are to the rules, and the files whose restrictions are lifted for them."""

    subjects: frozenset[str]
    lifted: frozenset[str | None] = frozenset()


@dataclass(frozen=True, slots=True)
class Columns:
    """What is taken of an object's columns: those ``hidden``, and the masks of others; ``rules`` say so."""

    hidden: frozenset[str] = frozenset()
    masks: tuple[Mask, ...] = ()
    rules: tuple[str, ...] = ()


class Restrictions:
    """The restrictions of objects for one asker, under one set of rules.

    Args:
        rules: the rules.
        asker: whose values stand in conditions and masks.
        now: the instant of the query.
        secret: the key of the mask ``hash``.
        binder: knows objects, and binds conditions to them; without it only ``view`` can be asked.
        known: filters already made for this asker under these rules.
    """

    def __init__(
        self,
        rules: RuleSet,
        asker: Asker,
        now: datetime,
        secret: bytes,
        binder: Binder | None,
        known: dict[object, RowFilter],
    ) -> None:
        self._rules = rules
        self._asker = asker
        self._now = now
        self._secret = secret
        self._binder = binder
        self._known = known

    # ── rows ────────────────────────────────────────────────────────────────────────────────

    def rows(
        self, found: Table | Product, parts: tuple[str, ...], readers: Sequence[Reader]
    ) -> tuple[tuple[tuple[RowFilter, ...], ...], tuple[str, ...]]:
        """The groups of filters, and the ``file:line`` of their rules.

        Raises:
            Misfit: a rule is no condition over the object's columns.
            AccessDenied: the asker lacks an attribute.
        """
        groups: dict[tuple[str, ...], tuple[RowFilter, ...]] = {}
        used: list[str] = []
        for reader in readers:
            covering = self._rules.row_rules(reader.subjects, parts)
            covering = tuple(rule for rule in covering if rule.file not in reader.lifted)
            used += [rule.at for rule in covering]
            for group in row_groups(covering, reader.subjects):
                if any(_is_true(rule.condition) for rule in group):
                    continue
                filters = tuple(self.row_filter(rule, found) for rule in group)
                groups[tuple(f"{rule.file}: {f.text}" for rule, f in zip(group, filters, strict=True))] = (
                    filters
                )
        return tuple(groups.values()), tuple(used)

    def row_filter(self, rule: RowRule, found: Table | Product) -> RowFilter:
        """A row rule as a filter of the object's rows.

        Raises:
            Misfit: it is no condition over the object's columns.
            AccessDenied: the asker lacks an attribute.
        """
        shape = self._bound.shaped(found) if isinstance(found, Product) else found
        key = (rule.at, rule.text, found.name, shape.columns)
        made = self._known.get(key)
        if made is None:
            condition = with_values(rule.condition, self._asker)
            try:
                made = self._bound.bind(condition, found, owner_of(rule.file))
            except FabricError as error:
                raise Misfit(rule.at, of_nobody(error.message)) from None
            if not made.condition.relations:  # relations belong to one statement
                self._known[key] = made
        tree = at_instant(made.condition.tree, self._now)
        if tree is made.condition.tree:
            return made
        return replace(made, condition=Resolved(tree, made.condition.relations))

    # ── columns ─────────────────────────────────────────────────────────────────────────────

    def columns(
        self,
        found: Table | Product,
        parts: tuple[str, ...],
        readers: Sequence[Reader],
        carried: Carried,
        declared: Sequence[Column] = (),
        *,
        named: bool,
    ) -> Columns:
        """What is taken of the columns of one occurrence of an object.

        Args:
            found: the object; a product with its columns.
            parts: its canonical parts.
            readers: all who are asked.
            carried: the masks that its values bear from beneath.
            declared: a product's columns as its file declares them: other tags came along their lineage.
            named: whether the statement names it: a hidden column is then not there, and else NULL.

        Raises:
            Misfit: a mask does not fit its column, or the column is not there.
        """
        chosen = self._chosen(found.columns, parts, readers)
        hidden: set[str] = set()
        masks: list[Mask] = []
        for column in found.columns:
            rule = chosen.get(column.name.lower())
            if rule is None:
                continue
            if rule.mask.name == "hide" and named:
                hidden.add(column.name.lower())
                continue
            mask = self.mask(rule, column, found, declared)
            if mask.kind not in carried.get(mask.column, frozenset()):
                masks.append(mask)
        if hidden and len(hidden) == len(found.columns):
            raise Misfit(next(iter(chosen.values())).at, "it leaves no column to be seen")
        return Columns(frozenset(hidden), tuple(masks), tuple(rule.at for rule in chosen.values()))

    def view(self, found: Table | Product, parts: tuple[str, ...], reader: Reader) -> View:
        """Which columns of an object that a statement names are hidden or masked."""
        chosen = self._chosen(found.columns, parts, [reader])
        hidden = frozenset(column for column, rule in chosen.items() if rule.mask.name == "hide")
        return View(hidden, frozenset(chosen) - hidden)

    def _chosen(
        self, columns: Sequence[Column], parts: tuple[str, ...], readers: Sequence[Reader]
    ) -> dict[str, ColumnRule]:
        """The rule that counts for each column of which one says something."""
        candidates: dict[str, list[ColumnRule]] = {}
        for reader in readers:
            gone = self._rules.missing_columns(reader.subjects, parts, columns)
            if gone:
                raise Misfit(gone[0].at, f"there is no column '{gone[0].column}'")
            for column, rules in self._rules.column_rules(reader.subjects, parts, columns).items():
                counting = [rule for rule in rules if rule.file not in reader.lifted]
                candidates.setdefault(column, []).extend(lifted(counting))
        found = {column: strictest(rules) for column, rules in candidates.items()}
        return {column: rule for column, rule in found.items() if rule is not None}

    def mask(
        self, rule: ColumnRule, column: Column, found: Table | Product, declared: Sequence[Column]
    ) -> Mask:
        """A column rule as a mask of one column; arguments as for ``columns``.

        Raises:
            Misfit: it does not fit the column.
            AccessDenied: the asker lacks an attribute.
        """
        kind, lower = rule.mask, column.name.lower()
        if not fits(kind, column.type):
            if not _travelled(rule, column, found, declared):
                raise Misfit(rule.at, f"the mask '{kind.text}' does not fit column '{column.name}'")
            return _null(lower, "null", column)
        if kind.name in ("hide", "null"):
            return _null(lower, kind.text, column)
        said = kind.text
        if kind.value is not None:
            valued = with_values(kind.value, self._asker)
            said = f"sql:{valued.sql(dialect='duckdb')}"
            kind = replace(kind, value=at_instant(valued, self._now))
        try:
            text = mask_expression(kind, column, self._secret)
            if kind.value is not None and self._bound.type_of(text, found.columns) != column.type:
                raise ValueError("it gives another type")
        except (ValueError, FabricError) as error:
            why = error.message if isinstance(error, FabricError) else str(error)
            raise Misfit(rule.at, f"the mask does not fit column '{column.name}': {why}") from None
        return Mask(lower, said, text)

    @property
    def _bound(self) -> Binder:
        if self._binder is None:
            raise TypeError("without a binder only the view of an object is known")
        return self._binder


def _null(column: str, kind: str, of: Column) -> Mask:
    return Mask(column, kind, f"CAST(NULL AS {of.type})")


def carried_by(relation: Relation, shape: Product, of_parts: Mapping[str, Carried]) -> Carried:
    """The masks that a product's columns bear from beneath.

    A mask is carried where every origin of the column bears it and hands its value on as it is.

    Args:
        relation: the product's occurrence.
        shape: the product with its columns and origins.
        of_parts: by relation id, what each part's columns bear.
    """
    if relation.body is None or len(shape.origins) != len(shape.columns):
        return {}
    found: dict[str, frozenset[str]] = {}
    for column, origins in zip(shape.columns, shape.origins, strict=True):
        borne = [
            of_parts[relation.body.relations[origin.part].id].get(origin.column.lower(), frozenset())
            if origin.direct
            else frozenset[str]()
            for origin in origins
        ]
        if borne:
            found[column.name.lower()] = frozenset.intersection(*borne)
    return found


def with_masks(carried: Carried, columns: Columns) -> Carried:
    """What an object's columns bear when its own masks are on them."""
    found = dict(carried)
    for mask in columns.masks:
        found[mask.column] = found.get(mask.column, frozenset()) | {mask.kind}
    return found


def owner_of(file: str | None) -> str:
    """The reader with whose rights the subqueries of a file's rules read."""
    return FEDERATION if file is None else f"domain:{file}"


def _is_true(condition: exp.Expr) -> bool:
    return isinstance(condition, exp.Boolean) and bool(condition.this)


def _travelled(rule: ColumnRule, column: Column, found: Table | Product, declared: Sequence[Column]) -> bool:
    """Whether a rule means the column only for a tag that came along its lineage."""
    if not rule.column.startswith(_TAG) or not isinstance(found, Product):
        return False
    own = next((each.tags for each in declared if each.name.lower() == column.name.lower()), ())
    return rule.column.removeprefix(_TAG).lower() not in {tag.lower() for tag in own}
