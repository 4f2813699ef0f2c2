"""Why a principal sees what they see: for each object beneath a statement, the rules that decided.

Told in full of what the one who wants to know administers; of anything else only which domain restricts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from fabric.errors import AccessDenied, FabricError
from fabric.resolve import beneath, relations
from fabric.spi import Finding
from fabric.types import Column, Product, Relation, Resolved
from policies.case import Case
from policies.combine import lifted, strictest
from policies.objects import SYSTEM_SCHEMAS, covers
from policies.restrictions import Misfit
from policies.rules import ColumnRule, RulesFailed

_HARMLESS = frozenset({"allowed", "lifted", "overruled"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """One who is asked of an object: their name as a reader, and all that they are to the rules.

    ``lifted`` are the files whose restrictions of them fall beneath a product that reads as its domain.
    """

    name: str
    subjects: frozenset[str]
    lifted: frozenset[str | None] = frozenset()


class Why:
    """Finds the rules that decide on a statement.

    Args:
        case: the principal about whom is asked.
        teller: the case of the one who wants to know; None for whoever runs the fabric, who may know all.
    """

    def __init__(self, case: Case, teller: Case | None) -> None:
        self._case = case
        self._teller = teller

    def findings(self, resolved: Resolved) -> list[Finding]:
        """What decides, object by object, parts behind the product that they belong to.

        Raises:
            AccessDenied: the rules cannot be judged.
        """
        try:
            return list(self._findings(resolved))
        except RulesFailed:
            raise AccessDenied("the rules on this query could not be judged") from None

    def _findings(self, resolved: Resolved) -> Iterator[Finding]:
        person = _Asked(self._case.principal.user, self._case.person)
        for named in resolved.relations:
            yield from self._told(named, named, [person])
            yield from self._parts(named, named, person)
        yield from dict.fromkeys([*self._combined(resolved, person), *self._apart(resolved, person)])

    def _parts(self, product: Relation, named: Relation, person: _Asked) -> Iterator[Finding]:
        found = product.object
        if product.body is None or not isinstance(found, Product):
            return
        reader = f"domain:{found.domain.lower()}"
        domain = _Asked(reader, self._case.snapshot.rules.domain(reader))
        for part in product.body.relations:
            asked = person
            if found.reads_as_domain:
                granted = self._case.declassified(domain.subjects, self._case.parts(part.object))
                asked = replace(person, lifted=person.lifted | granted | {found.domain.lower()})
            yield from self._told(part, named, [domain, asked])
            yield from self._parts(part, named, asked)

    def _told(self, relation: Relation, named: Relation, asked: list[_Asked]) -> Iterator[Finding]:
        """The findings on one relation, as far as the teller may hear them."""
        found = list(self._on(relation, asked, named=relation is named))
        parts = self._case.parts(relation.object)
        if self._administered(parts):
            yield from found
            return
        domain = self._case.estate.domain_of(parts) or "the fabric"
        known = self._teller is not None and self._teller.may(parts, "discover")
        name = ".".join(parts) if known else f"a part of {named.written}"
        effects = {finding.effect for finding in found}
        if effects & {"denied", "not granted"}:
            yield Finding(name, "", "denied", "", f"restricted by {domain}")
        elif effects - _HARMLESS:
            yield Finding(name, "", "restricted", "", f"restricted by {domain}")
        elif known:
            yield Finding(name, "", "allowed", "", "")

    def _administered(self, parts: tuple[str, ...]) -> bool:
        return self._teller is None or self._teller.administers(parts)

    def _on(self, relation: Relation, asked: list[_Asked], named: bool) -> Iterator[Finding]:
        case, parts = self._case, self._case.parts(relation.object)
        name = ".".join(parts)
        for one in asked:
            yield from self._access(name, parts, one, needed=named or one is asked[0])
        asked = [one for one in asked if one.subjects]  # of a name that nobody can bear, no rule speaks
        for one in asked:
            for rule in case.snapshot.rules.row_rules(one.subjects, parts):
                if rule.file in one.lifted:
                    yield Finding(name, one.name, "lifted", rule.at, rule.text)
                    continue
                yield Finding(name, one.name, "rows", rule.at, rule.text)
                if self._columns(relation):
                    attempt = partial(case.restrictions.row_filter, rule, relation.object)
                    yield from _misfits(name, one, attempt)
        yield from self._masks(name, parts, relation, asked)
        for one in asked:
            for gone in case.snapshot.rules.missing_columns(one.subjects, parts, self._columns(relation)):
                yield Finding(name, one.name, "misfit", gone.at, f"there is no column '{gone.column}'")

    def _masks(
        self, name: str, parts: tuple[str, ...], relation: Relation, asked: list[_Asked]
    ) -> Iterator[Finding]:
        """Every rule on a column; of several one counts, as ``Restrictions`` chooses it."""
        shape = self._case.shape(relation.object)
        declared = relation.object.columns if isinstance(relation.object, Product) else ()
        of_name = {column.name.lower(): column for column in shape.columns}
        said: list[tuple[_Asked, str, ColumnRule]] = []
        counting: dict[str, list[ColumnRule]] = {}
        for one in asked:
            found = self._case.snapshot.rules.column_rules(one.subjects, parts, shape.columns)
            for column, rules in found.items():
                said += [(one, column, rule) for rule in rules]
                left = (rule for rule in rules if rule.file not in one.lifted)
                counting.setdefault(column, []).extend(lifted(left))
        for one, column, rule in said:
            detail = f"{column}: {rule.mask.text}"
            if rule.file in one.lifted:
                yield Finding(name, one.name, "lifted", rule.at, detail)
            elif rule != strictest(counting[column]):
                yield Finding(name, one.name, "overruled", rule.at, detail)
            else:
                yield Finding(name, one.name, "column", rule.at, detail)
                attempt = partial(self._case.restrictions.mask, rule, of_name[column], shape, declared)
                yield from _misfits(name, one, attempt)

    def _access(self, name: str, parts: tuple[str, ...], one: _Asked, needed: bool) -> Iterator[Finding]:
        """Who is asked needs to be allowed; beneath a product a person only must not be denied."""
        answer = self._case.ask(one.subjects, parts, "read")
        if parts[0] in SYSTEM_SCHEMAS and one.subjects and not answer.allow and not answer.denied:
            yield Finding(name, one.name, "allowed", "", "the rows that concern them")
        elif answer.denied or (needed and answer.allow):
            for at in answer.rules:
                yield Finding(name, one.name, "denied" if answer.denied else "allowed", at, "read")
        elif needed:
            known = self._case.ask(one.subjects, parts, "discover")
            closed = self._case.closed_by(parts)
            detail = "no rule lets it be read" + ("; it may be discovered" if known.allow else "")
            detail = f"nobody may read it, for {closed} does not load" if closed else detail
            yield Finding(name, one.name, "not granted", " ".join(known.rules), detail)

    def _columns(self, relation: Relation) -> tuple[Column, ...]:
        return self._case.shape(relation.object).columns

    def _combined(self, resolved: Resolved, person: _Asked) -> Iterator[Finding]:
        every = sorted({self._case.parts(relation.object) for relation in relations(resolved)})
        yield from self._pairs(person, every)
        for relation in relations(resolved):
            if isinstance(relation.object, Product):
                reader = f"domain:{relation.object.domain.lower()}"
                domain = _Asked(reader, self._case.snapshot.rules.domain(reader))
                yield from self._pairs(
                    domain, sorted({self._case.parts(r.object) for r in beneath(relation)})
                )

    def _apart(self, resolved: Resolved, person: _Asked) -> Iterator[Finding]:
        """With what else the person may not combine any of it, for whoever runs the fabric."""
        if self._teller is not None:
            return
        for parts in sorted({self._case.parts(relation.object) for relation in relations(resolved)}):
            for rule in self._case.snapshot.rules.apart(person.subjects, parts):
                sides = [rule.right] if covers(rule.left, ".".join(parts)) else []
                sides += [rule.left] if covers(rule.right, ".".join(parts)) else []
                for other in dict.fromkeys(sides):
                    name = f"{'.'.join(parts)} with {other}"
                    yield Finding(name, person.name, "combination", rule.at, rule.reason)

    def _pairs(self, one: _Asked, objects: list[tuple[str, ...]]) -> Iterator[Finding]:
        for left, right in combinations(objects, 2) if one.subjects else ():
            for rule in self._case.snapshot.rules.combination_rules(one.subjects, left, right):
                if self._administered(left) and self._administered(right):
                    name = f"{'.'.join(left)} with {'.'.join(right)}"
                    yield Finding(name, one.name, "combination", rule.at, rule.reason)
                else:
                    yield Finding("the query", "", "denied", "", "it combines what may not be combined")


def _misfits(name: str, one: _Asked, attempt: Callable[[], object]) -> Iterator[Finding]:
    """Why a rule does not fit its object; an attribute that is missing is told with the verdict."""
    try:
        attempt()
    except Misfit as error:
        yield Finding(name, one.name, "misfit", error.at, error.why)
    except FabricError:
        return
