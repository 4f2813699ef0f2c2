"""The governor: for every relation of a statement a decision, or a refusal. It alone makes a ``Governed``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fabric.errors import AccessDenied
from fabric.naming import unknown_object
from fabric.types import Decision, Governed, Principal, Product, Relation, Resolved, TableName
from policies.enforcer import Answer
from policies.files import PolicyFiles, Snapshot
from policies.load import ACTIONS
from policies.objects import SYSTEM_SCHEMAS, Estate


class CasbinGovernor:
    """Decides by the policy files of a project; implements ``fabric.spi.Governor``.

    Args:
        directory: the project directory, with its folder ``policies``.
        estate: domains, owners and sources; ``policies.objects.estate_of`` makes it of a configuration.
    """

    def __init__(self, directory: Path, estate: Estate) -> None:
        self._estate = estate
        self._files = PolicyFiles(directory, estate)

    @property
    def version(self) -> str:
        """The version of the rules that decide now; the same files give the same on every replica."""
        return self._files.current().version

    def errors(self) -> tuple[str, ...]:
        """What keeps a policy file from loading, one text a file, its lines as ``file:line: what``."""
        return self._files.errors()

    def warnings(self) -> tuple[str, ...]:
        """What loads and is likely not meant."""
        return self._files.warnings()

    def govern(self, resolved: Resolved, principal: Principal) -> Governed:
        """Decide on every relation, those beneath products included.

        Tables of the fabric's own schemas (``system``, ``information_schema``) are open to every person:
        whoever makes their rows gives each principal only what concerns them, and asks ``may`` for more.

        Raises:
            NotFound: an object that the principal may not know of.
            AccessDenied: one that they may know of but not read; names the owner to ask.
        """
        case = _Case(self._estate, self._files.current(), principal)
        for relation in resolved.relations:
            case.require_known(relation)
        decisions = dict(pair for relation in resolved.relations for pair in case.decide(relation))
        return Governed(resolved, principal, decisions, case.snapshot.version)

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
        case = _Case(self._estate, self._files.current(), principal)
        return action in ACTIONS and case.may(parts, action)


class _Case:
    """One principal before one version of the rules."""

    def __init__(self, estate: Estate, snapshot: Snapshot, principal: Principal) -> None:
        self.estate = estate
        self.snapshot = snapshot
        self.principal = principal
        self.person = snapshot.rules.person(principal)

    def may(self, parts: tuple[str, ...], action: str) -> bool:
        if parts[0] in SYSTEM_SCHEMAS and action == "discover":
            return self._opens(parts) and not self._ask(self.person, parts, "discover").denied
        wanted = ("discover", "read") if action == "discover" else (action,)
        return any(self._ask(self.person, parts, each).allow for each in wanted)

    def require_known(self, relation: Relation) -> None:
        """Answer alike for what is not there and what the principal may not know of.

        All relations pass here before any is refused for another reason, which would tell the two apart.
        """
        if relation.reader != self.principal.user or not self.may(self._parts(relation), "discover"):
            raise unknown_object(relation.written)

    def decide(self, relation: Relation) -> Iterator[tuple[str, Decision]]:
        """The decisions on a relation that the statement names, and on all beneath it."""
        parts = self._parts(relation)
        answer = self._ask(self.person, parts, "read")
        if parts[0] in SYSTEM_SCHEMAS and not answer.denied:
            answer = Answer(True, rules=answer.rules)
        if not answer.allow:
            raise AccessDenied(f"'{relation.written}': not allowed; ask {self._owner(relation)}")
        yield relation.id, Decision(True, rules=answer.rules)
        yield from self._beneath(relation, relation)

    def _beneath(self, product: Relation, named: Relation) -> Iterator[tuple[str, Decision]]:
        """The decisions on a product's parts: its domain reads them, and the person must not be denied.

        No message names a part: the person may not know of it.
        """
        if product.body is None or not isinstance(product.object, Product):
            return
        reader = f"domain:{product.object.domain}"
        for part in product.body.relations:
            parts = self._parts(part)
            person = self._ask(self.person, parts, "read")
            if person.denied:
                raise AccessDenied(f"'{named.written}': not allowed; ask {self._owner(named)}")
            domain = self._ask(self.snapshot.rules.domain(reader), parts, "read")
            if part.reader.lower() != reader.lower() or not domain.allow:
                raise AccessDenied(
                    f"'{named.written}' rests on something that a domain beneath it may not read; "
                    f"ask {self._owner(named)}",
                    hint="the owner finds what is missing with `ripstop check`",
                )
            yield part.id, Decision(True, rules=domain.rules)
            yield from self._beneath(part, named)

    def _ask(self, subjects: frozenset[str], parts: tuple[str, ...], action: str) -> Answer:
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

    def _parts(self, relation: Relation) -> tuple[str, ...]:
        found = relation.object
        if isinstance(found, Product):
            return self.estate.parts(TableName(self.estate.fabric, found.domain, found.name.name))
        return self.estate.parts(found.name)

    def _owner(self, relation: Relation) -> str:
        if isinstance(relation.object, Product) and relation.object.owner:
            return relation.object.owner
        domain = self.estate.domain_of(self._parts(relation))
        return self.estate.owners.get(domain or "", "whoever runs this fabric")
