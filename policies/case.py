"""One principal before one version of the rules: what they may know, read and combine, and what is taken of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import combinations

from fabric.domains import DomainPrincipal
from fabric.errors import AccessDenied, NotFound
from fabric.naming import broken_product, unknown_object
from fabric.resolve import beneath
from fabric.spi import Binder
from fabric.stored import StoredTable, is_no_stricter, judged, outdated, outdated_product, stored_parts
from fabric.types import (
    FEDERATION,
    Decision,
    Principal,
    Product,
    Relation,
    Resolved,
    RowFilter,
    Table,
    TableName,
)
from policies.enforcer import Answer
from policies.expressions import Asker
from policies.files import FEDERATION as FEDERATION_FILE
from policies.files import FOLDER, Snapshot
from policies.objects import SYSTEM_SCHEMAS, Estate
from policies.restrictions import Carried, Misfit, Reader, Restrictions, carried_by, with_masks
from policies.rules import RulesFailed

_LOG = logging.getLogger("ripstop.policies")


@contextmanager
def _outdating(stored: Relation) -> Iterator[None]:
    """Say of stored data whose parts are refused only that it is outdated: whoever reads it may not know of them."""
    try:
        yield
    except (AccessDenied, NotFound):
        raise outdated(stored.written) from None


class Broken(Exception):
    """A product has no columns, and none of its parts says why."""


class Case:
    """Judges the relations of one statement; ``decisions`` collects what was decided, by relation id.

    Args:
        estate: what there is to govern.
        snapshot: the rules.
        principal: who asks.
        now: the instant of the query.
        secret: the key of the mask ``hash``.
        binder: binds rules to objects; None where no relation is decided on.
        known: filters already made for this principal under these rules.
    """

    def __init__(
        self,
        estate: Estate,
        snapshot: Snapshot,
        principal: Principal,
        now: datetime,
        secret: bytes,
        binder: Binder | None,
        known: dict[object, RowFilter],
    ) -> None:
        self.estate = estate
        self.snapshot = snapshot
        self.principal = principal
        whole = snapshot.rules
        # A domain is no person: what holds for every person does not hold for it.
        is_domain = isinstance(principal, DomainPrincipal)
        self.person = whole.domain(principal.user.lower()) if is_domain else whole.person(principal)
        self.decisions: dict[str, Decision] = {}
        roles = frozenset(subject for subject in self.person if subject.startswith("role:"))
        asker = Asker(principal.user, roles, principal.attributes)
        self.restrictions = Restrictions(snapshot.rules, asker, now, secret, binder, known)
        self._binder = binder
        self._carried: dict[str, Carried] = {}
        self._ruling: list[tuple[str, ...]] = []

    # ── what may be known, and read ─────────────────────────────────────────────────────────

    def may(self, parts: tuple[str, ...], action: str) -> bool:
        """Whether the principal may do this with the object of these canonical parts."""
        if parts[0] in SYSTEM_SCHEMAS and action == "discover":
            return self._opens(parts) and not self.ask(self.person, parts, "discover").denied
        wanted = ("discover", "read") if action == "discover" else (action,)
        return any(self.ask(self.person, parts, each).allow for each in wanted)

    def administers(self, parts: tuple[str, ...]) -> bool:
        """Whether the principal owns the object's domain, or has ``admin`` on the object, and no rule denies it."""
        owner = self.estate.owners.get(self.estate.domain_of(parts) or "", "")
        answer = self.ask(self.person, parts, "admin")
        return not answer.denied and (answer.allow or owner.lower() in self.person)

    def require_known(self, relation: Relation) -> None:
        """Answer alike for what is not there and what the principal may not know of.

        All relations pass here before any is refused for another reason, which would tell the two apart.
        """
        if isinstance(relation.object, StoredTable):
            with _outdating(relation):
                for part in stored_parts(relation.object):
                    self.require_known(part)
            return
        if relation.reader != self.principal.user or not self.may(self.parts(relation.object), "discover"):
            raise unknown_object(relation.written)

    def decide(self, named: Relation) -> None:
        """Decide on a relation that the statement names, and on all beneath it.

        Raises:
            AccessDenied: no right to read it, a part of it is denied, or a rule on it does not fit.
        """
        if isinstance(named.object, StoredTable):
            return self._decide_on_stored(named, named.object)
        parts = self.parts(named.object)
        answer = self.ask(self.person, parts, "read")
        if parts[0] in SYSTEM_SCHEMAS and not answer.denied:
            answer = Answer(True, rules=answer.rules)
        if not answer.allow:
            raise self._refused(named)
        try:
            self._beneath(named, named, frozenset(), asked=True)
            self._restrict(named, [Reader(self.person)], answer.rules, named=True)
        except Broken:
            raise broken_product(named.written, self._owner(named)) from None
        except (Misfit, RulesFailed) as error:
            _LOG.warning("'%s' refuses %s: %s", named.written, self.principal.user, error)
            raise AccessDenied(
                f"'{named.written}': a policy on it does not fit; ask {self._owner(named)}",
                hint="the owner finds what is wrong with `ripstop check`",
            ) from None

    def _decide_on_stored(self, named: Relation, found: StoredTable) -> None:
        """Decide on what stored data was made of; it may be read while that takes no more away than it did then."""
        with _outdating(named):
            for part in stored_parts(found):
                self.decide(part)
        if not self._is_no_stricter(found):
            raise outdated(named.written)
        self.decisions[named.id] = Decision(True)

    def _beneath(
        self, product: Relation, named: Relation, lifted: frozenset[str | None], asked: bool
    ) -> None:
        """Decide on a product's parts: its domain reads them, and the person must not be denied.

        No message names a part: the person may not know of it. ``lifted`` are the files whose restrictions of
        the person fall here; ``asked`` is false beneath a row rule, which reads with its owner's rights alone.
        """
        found = product.object
        if product.body is None or not isinstance(found, Product):
            return
        if found.reads_as_domain:
            lifted |= {found.domain.lower()}
        for part in product.body.relations:
            self._part(part, found, named, lifted, asked)

    def _part(
        self, part: Relation, product: Product, named: Relation, lifted: frozenset[str | None], asked: bool
    ) -> None:
        """Decide on a part of a product; of a stored result, on what that was made of."""
        if isinstance(part.object, StoredTable):
            for each in stored_parts(part.object):
                self._part(each, product, named, lifted, asked)
            if not self._is_no_stricter(part.object):
                raise outdated_product(named.written, self._owner(named))
            self.decisions[part.id], self._carried[part.id] = Decision(True), {}
            return
        parts, reader = self.parts(part.object), f"domain:{product.domain.lower()}"
        if asked and self.ask(self.person, parts, "read").denied:
            raise self._refused(named)
        subjects = self.snapshot.rules.domain(reader)
        answer = self.ask(subjects, parts, "read")
        if part.reader.lower() != reader or not answer.allow:
            raise AccessDenied(
                f"'{named.written}' rests on something that a domain beneath it may not read; "
                f"ask {self._owner(named)}",
                hint="the owner finds what is missing with `ripstop check`",
            )
        falling = lifted | self.declassified(subjects, parts) if product.reads_as_domain else lifted
        readers = [Reader(subjects)] + ([Reader(self.person, falling)] if asked else [])
        self._beneath(part, named, falling, asked)
        self._restrict(part, readers, answer.rules, named=False)

    def _is_no_stricter(self, found: StoredTable) -> bool:
        made_of = found.made_of
        return made_of is not None and is_no_stricter(
            found.made_under, made_of, self.decisions, of_a_person=True
        )

    def declassified(self, subjects: frozenset[str], parts: tuple[str, ...]) -> frozenset[str | None]:
        """The files that let the domain hand on what they restrict of this object."""
        answer = self.ask(subjects, parts, "declassify")
        if not answer.allow:
            return frozenset()
        files = {at.partition(".csv:")[0].rpartition("/")[2].lower() for at in answer.rules if ".csv:" in at}
        return frozenset(None if file == "federation" else file for file in files)

    def ask(self, subjects: frozenset[str], parts: tuple[str, ...], action: str) -> Answer:
        """What the rules say; no, while files that must have loaded for this object have not."""
        if not self._opens(parts):
            return Answer(False)
        return self.snapshot.rules.ask(subjects, parts, action)

    def _opens(self, parts: tuple[str, ...]) -> bool:
        """Whether the files that must have loaded for this object have, and a domain owns it at all."""
        if not self.snapshot.open or not self.person:
            return False
        domain = self.estate.domain_of(parts)
        if parts[0] in SYSTEM_SCHEMAS:
            return True
        return domain in self.estate.owners and domain not in self.snapshot.refused

    def closed_by(self, parts: tuple[str, ...]) -> str:
        """The policy file that must load before anything may be done with this object; empty when it has."""
        if not self.snapshot.open:
            return f"{FOLDER}/{FEDERATION_FILE}"
        domain = self.estate.domain_of(parts)
        return f"{FOLDER}/{self.estate.spelled[domain]}.csv" if domain in self.snapshot.refused else ""

    # ── what is taken of it ─────────────────────────────────────────────────────────────────

    def _restrict(
        self, relation: Relation, readers: list[Reader], allowed_by: tuple[str, ...], named: bool
    ) -> None:
        found = relation.object
        parts = self.parts(found)
        shape = self.shape(found)
        if not shape.columns:
            return self._restrict_unknown(relation, allowed_by)
        groups, row_rules = self.restrictions.rows(found, parts, readers)
        carried = (
            carried_by(relation, shape, self._carried)
            if isinstance(shape, Product)
            else dict[str, frozenset[str]]()
        )
        declared = found.columns if isinstance(found, Product) else ()
        columns = self.restrictions.columns(shape, parts, readers, carried, declared, named=named)
        self._carried[relation.id] = with_masks(carried, columns)
        self.decisions[relation.id] = Decision(
            allow=True,
            rows=groups,
            masks=columns.masks,
            hidden=columns.hidden,
            columns=shape.columns if columns.masks or columns.hidden else (),
            rules=tuple(dict.fromkeys((*allowed_by, *row_rules, *columns.rules))),
        )
        self.decide_on_rules(parts, groups)

    def shape(self, found: Table | Product) -> Table | Product:
        """The object with its columns."""
        return self._binder.shaped(found) if isinstance(found, Product) and self._binder else found

    def _restrict_unknown(self, relation: Relation, allowed_by: tuple[str, ...]) -> None:
        """Let pass an object of which no columns are known, if planning is sure to refuse it with the reason."""
        found = relation.object
        sure = isinstance(found, Table) or relation.body is None
        if not sure and all(
            part.object.columns for part in beneath(relation) if isinstance(part.object, Table)
        ):
            raise Broken
        self.decisions[relation.id] = Decision(True, rules=allowed_by)

    def decide_on_rules(self, parts: tuple[str, ...], groups: tuple[tuple[RowFilter, ...], ...]) -> None:
        """Decide on what the subqueries of an object's filters read, with the rights of the rule's file.

        Raises:
            Misfit: one reads the object itself, or what the owner of its file may not.
        """
        self._ruling.append(parts)
        for part in (part for group in groups for one in group for part in one.condition.relations):
            within = [self.parts(each.object) for each in (*beneath(part), part)]
            at = ".".join(parts)
            if any(each in self._ruling for each in within):
                raise Misfit(at, "a row rule on it reads the object itself")
            subjects = frozenset[str]()
            if part.reader != FEDERATION:
                subjects = self.snapshot.rules.domain(part.reader)
                if not self.ask(subjects, within[-1], "read").allow:
                    raise Misfit(at, f"a row rule reads what {part.reader} may not")
            self._beneath(part, part, frozenset(), asked=False)
            self._restrict(part, [Reader(subjects)] if subjects else [], (), named=False)
        self._ruling.pop()

    # ── what may be combined ────────────────────────────────────────────────────────────────

    def require_apart(self, resolved: Resolved) -> None:
        """Refuse a statement that combines what may not be, anywhere beneath it.

        The person is asked of all that the statement reads, a domain of what its product reads.

        Raises:
            AccessDenied: the reason is told to who may read both.
        """
        try:
            self._require_apart(self.person, judged(resolved), "the query")
            for relation in judged(resolved):
                if isinstance(relation.object, Product):
                    subjects = self.snapshot.rules.domain(f"domain:{relation.object.domain}")
                    read = judged(relation.body) if relation.body is not None else iter(())
                    self._require_apart(subjects, read, "a product beneath the query")
        except RulesFailed:
            raise AccessDenied("the rules on this query could not be judged") from None

    def _require_apart(self, subjects: frozenset[str], read: Iterator[Relation], what: str) -> None:
        names = {self.parts(relation.object) for relation in read}
        # Of all others no pair need be looked at, of which deep products have many.
        objects = sorted(name for name in names if self.snapshot.rules.is_combined(name))
        for one, other in combinations(objects, 2):
            for rule in self.snapshot.rules.combination_rules(subjects, one, other):
                if self.ask(self.person, one, "read").allow and self.ask(self.person, other, "read").allow:
                    raise AccessDenied(
                        f"'{'.'.join(one)}' and '{'.'.join(other)}' may not be combined: {rule.reason}",
                        hint=f"{self._decider(rule.file)} decides on that",
                    )
                raise AccessDenied(f"{what} combines what may not be combined")

    def _decider(self, file: str | None) -> str:
        """Who writes the rules of a file."""
        return self.estate.owners.get(file or "", "the federation")

    # ── names ───────────────────────────────────────────────────────────────────────────────

    def parts(self, found: Table | Product) -> tuple[str, ...]:
        """The canonical parts of an object's name; a product's without its version."""
        if isinstance(found, Product):
            return self.estate.parts(TableName(self.estate.fabric, found.domain, found.name.name))
        return self.estate.parts(found.name)

    def _refused(self, named: Relation) -> AccessDenied:
        return AccessDenied(f"'{named.written}': not allowed; ask {self._owner(named)}")

    def _owner(self, relation: Relation) -> str:
        return self.owner(relation.object)

    def owner(self, found: Table | Product) -> str:
        """Whom to ask about an object."""
        if isinstance(found, Product) and found.owner:
            return found.owner
        domain = self.estate.domain_of(self.parts(found))
        return self.estate.owners.get(domain or "", "whoever runs this fabric")
