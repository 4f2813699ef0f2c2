"""The governor: for every relation of a statement a decision, or a refusal. It alone makes a ``Governed``."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fabric.domains import DomainPrincipal
from fabric.spi import Binder, Finding, Rule, StandIn, View
from fabric.stored import answering, served_from
from fabric.types import Decision, Governed, Principal, Product, Resolved, RowFilter, Table, TableName
from policies.case import Case
from policies.files import Changed, PolicyFiles, Snapshot
from policies.fitting import Fitting, attributes_asked_for, fitting
from policies.listing import every_rule, rules_for
from policies.load import ACTIONS
from policies.objects import Estate
from policies.restrictions import Misfit, Reader
from policies.rules import EVERYONE, RulesFailed
from policies.why import Why

_MOST_ASKERS = 1_000
_NOBODY = " "  # a user whom no rule can name

Filters = dict[object, RowFilter]


def _no_snapshot(product: Product) -> None:
    """What a domain is served from."""


class CasbinGovernor:
    """Decides by the policy files of a project; implements ``fabric.spi.Governor``.

    Args:
        directory: the project directory, with its folder ``policies``.
        estate: domains, owners and sources; ``policies.objects.estate_of`` makes it of a configuration.
        secret: the key of the mask ``hash``, derived for this purpose alone.
    """

    def __init__(self, directory: Path, estate: Estate, secret: bytes = b"") -> None:
        self._estate = estate
        self._files = PolicyFiles(directory, estate)
        self._secret = secret
        self._lock = threading.Lock()
        self._filters: tuple[str, dict[str, Filters]] = ("", {})

    @property
    def version(self) -> str:
        """The version of the rules that decide now; the same files give the same on every replica."""
        return self._files.current().version

    def observe(self, changed: Changed) -> None:
        """Have every change of the rules told from now on, and what they are now."""
        self._files.observe(changed)

    def errors(self) -> tuple[str, ...]:
        """What keeps a policy file from loading, one text a file, its lines as ``file:line: what``."""
        return self._files.errors()

    def warnings(self) -> tuple[str, ...]:
        """What loads and is likely not meant."""
        return self._files.warnings()

    def govern(self, resolved: Resolved, principal: Principal, binder: Binder) -> Governed:
        """Decide on every relation, those beneath products and those that row rules read included.

        Tables of the fabric's own schemas (``system``, ``information_schema``) are open to every person:
        whoever makes their rows gives each principal only what concerns them, and asks ``may`` for more.

        Raises:
            NotFound: an object that the principal may not know of.
            AccessDenied: one that they may know of but not read; names the owner to ask.
        """
        case = self._case(principal, binder)
        for relation in resolved.relations:
            case.require_known(relation)
        for relation in resolved.relations:
            case.decide(relation)
        case.require_apart(resolved)
        is_domain = isinstance(principal, DomainPrincipal)  # as whom snapshots are made
        found = StandIn() if is_domain else binder.stand_in(resolved, case.decisions)
        decisions: Mapping[str, Decision] = found.decisions
        if found.resolved is None:
            snapshots = _no_snapshot if is_domain else binder.snapshots()
            served, decisions = served_from(resolved, case.decisions, snapshots)
        else:
            served = answering(found.resolved, resolved)
        return Governed(
            served,
            principal,
            {**case.decisions, **decisions},
            case.snapshot.version,
            None if found.resolved is None else resolved,
            found.considered,
        )

    def may(self, principal: Principal, action: str, object_name: str | TableName) -> bool:
        """Whether the principal may do ``action`` with the object.

        Who may read an object may also discover it. For ``system`` tables, ``discover`` is everyone's, and
        ``read`` means the rows of everyone.

        Args:
            principal: who asks.
            action: one of ``policies.load.ACTIONS``; anything else is refused.
            object_name: ``domain.product`` or ``source.schema.table``, quoted where a name holds a dot; or
                the relation's name, which needs no quoting.
        """
        try:
            if isinstance(object_name, TableName):
                parts = self._estate.parts(object_name)
            else:
                parts = self._estate.parse_object(object_name)
        except ValueError:
            return False
        return action in ACTIONS and self._case(principal).may(parts, action)

    def findings(
        self, resolved: Resolved, principal: Principal, binder: Binder, teller: Principal | None
    ) -> list[Finding]:
        """What decides on a statement of ``principal``, as far as ``teller`` may know; None may know all."""
        asks = None if teller is None else self._case(teller, binder)
        return list(Why(self._case(principal, binder), asks).findings(resolved))

    def view(self, principal: Principal, found: Table | Product) -> View:
        """What the principal sees of the columns of an object; a product must be shaped."""
        case = self._case(principal)
        try:
            return case.restrictions.view(found, case.parts(found), Reader(case.person))
        except (Misfit, RulesFailed):
            return View(frozenset(column.name.lower() for column in found.columns))

    def owner(self, found: Table | Product) -> str:
        """Whom to ask about an object."""
        return self._case(Principal("")).owner(found)

    def administers(self, principal: Principal, name: TableName) -> bool:
        """Whether the principal owns the object's domain, or has ``admin`` on the object."""
        try:
            return self._case(principal).administers(self._estate.parts(name))
        except ValueError:
            return False

    def roles(self, principal: Principal) -> frozenset[str]:
        """Every ``role:x`` that the principal holds, those that the rules give or imply included, in lower case."""
        held = self._files.current().rules.person(principal)
        return frozenset(subject for subject in held if subject.startswith("role:"))

    def rules(self, principal: Principal | None) -> Sequence[Rule]:
        """The rules on what the principal administers; None, every rule."""
        return every_rule(self._files.current()) if principal is None else rules_for(self._case(principal))

    def breaches(self, product: Product, binder: Binder) -> Sequence[str]:
        """The standards of the federation that a product, shaped, does not meet, each with its text."""
        standards = self._files.standards
        standards.refresh()
        return standards.breaches(
            product, lambda found, column, subject: self._hides(found, column.name, subject, binder)
        )

    def _hides(self, found: Table | Product, column: str, subject: str, binder: Binder) -> bool:
        """Whether somebody who holds no more than a role sees a column masked, here or in all that it is made of."""
        somebody = Principal(_NOBODY, frozenset[str]() if subject == EVERYONE else frozenset({subject}))
        shape = binder.shaped(found) if isinstance(found, Product) and not found.origins else found
        view = self.view(somebody, shape)
        if column.lower() in view.hidden | view.masked:
            return True
        if not isinstance(shape, Product) or shape.reads_as_domain:
            return False
        parts = binder.parts(shape)
        made_of = dict(zip((each.name.lower() for each in shape.columns), shape.origins, strict=False))
        beneath = made_of.get(column.lower(), ())
        return bool(beneath) and all(
            self._hides(parts[each.part], each.column, subject, binder) for each in beneath
        )

    def fitting(
        self, objects: Collection[Table | Product], binder: Binder, unlisted: Collection[str] = ()
    ) -> Fitting:
        """Whether each rule fits the objects that it covers; arguments as for ``policies.fitting.fitting``."""
        return fitting(self._estate, self._files.current(), objects, binder, unlisted)

    def stand_ins(self) -> dict[str, object]:
        """For each attribute that a rule asks for, a value that it can be judged with."""
        return attributes_asked_for(self._files.current())

    def _case(self, principal: Principal, binder: Binder | None = None) -> Case:
        snapshot = self._files.current()
        known = self._known(snapshot, principal) if binder is not None else {}
        return Case(self._estate, snapshot, principal, datetime.now(UTC), self._secret, binder, known)

    def _known(self, snapshot: Snapshot, principal: Principal) -> Filters:
        """The filters already made for this principal under these rules."""
        key = repr((principal.user, sorted(principal.roles), sorted(principal.attributes.items())))
        with self._lock:
            version, of_askers = self._filters
            if version != snapshot.version or len(of_askers) >= _MOST_ASKERS:
                of_askers = {}
                self._filters = (snapshot.version, of_askers)
            return of_askers.setdefault(key, {})
