"""The scope of a token: what a user's login is good for when it is limited to some of their roles.

A role does not only grant: with it go denials, row rules and masks, and who takes a role off may see more than
before. So a token's holder stays the whole user in everything that restricts, and a grant counts only where
the token's roles have one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fabric.errors import AccessDenied
from fabric.naming import unknown_object
from fabric.spi import Binder, Finding, Governor, Rule, View
from fabric.stored import StoredTable, asked_for, outdated
from fabric.types import Governed, Principal, Product, Resolved, Table, TableName
from policies.objects import SYSTEM_SCHEMAS

_NOBODY = " "
"""A user whom no rule can name, since blanks around names do not count."""


@dataclass(frozen=True, slots=True)
class ScopedPrincipal(Principal):
    """A user whose token is limited to what ``scope``, some of their roles, grants."""

    scope: frozenset[str] = frozenset()


def _granted(principal: ScopedPrincipal) -> Principal:
    """Somebody who is nothing but the token's roles."""
    return Principal(_NOBODY, principal.scope)


class ScopedGovernor:
    """A governor that refuses what is out of a token's scope, and has the one behind it decide the rest.

    Args:
        inner: decides for whole principals.
        fabric: the fabric's name, which is the catalog of its own tables.
    """

    def __init__(self, inner: Governor, fabric: str) -> None:
        self._inner = inner
        self._fabric = fabric.lower()

    @property
    def version(self) -> str:
        """The version of the rules that decide now."""
        return self._inner.version

    def govern(self, resolved: Resolved, principal: Principal, binder: Binder) -> Governed:
        """Decide on every relation; what the statement names must be in the scope.

        Raises:
            NotFound: an object that the principal may not know of with this token.
            AccessDenied: one that they may know of but not read.
        """
        if isinstance(principal, ScopedPrincipal):
            if any(isinstance(relation.object, StoredTable) for relation in resolved.relations):
                self._require_stored(resolved, principal)
            whole = [each for each in resolved.relations if not isinstance(each.object, StoredTable)]
            for relation in whole:
                if not self.may(principal, "discover", self._name(relation.object)):
                    raise unknown_object(relation.written)
            for relation in whole:
                name = self._name(relation.object)
                if not self._is_system(name) and not self.may(principal, "read", name):
                    raise AccessDenied(
                        f"'{relation.written}': not allowed with this token",
                        hint="its roles do not grant it; a token of more roles may",
                    )
        return self._inner.govern(resolved, principal, binder)

    def _require_stored(self, resolved: Resolved, principal: ScopedPrincipal) -> None:
        """Of what stored data was made of, no name is told."""
        for relation in resolved.relations:
            if isinstance(relation.object, StoredTable):
                for part in asked_for(Resolved(resolved.tree, (relation,))):
                    if not self.may(principal, "read", self._name(part.object)):
                        raise outdated(relation.written)

    def may(self, principal: Principal, action: str, object_name: str | TableName) -> bool:
        """Whether the user may do ``action`` with the object, and the token's roles grant it too."""
        if isinstance(principal, ScopedPrincipal) and not self._inner.may(
            _granted(principal), action, object_name
        ):
            return False
        return self._inner.may(principal, action, object_name)

    def view(self, principal: Principal, found: Table | Product) -> View:
        """What the whole user sees of the object's columns."""
        return self._inner.view(principal, found)

    def findings(
        self, resolved: Resolved, principal: Principal, binder: Binder, teller: Principal | None
    ) -> list[Finding]:
        """What decides on a statement of ``principal``, as far as ``teller`` may know, with no more than the token's
        roles.
        """
        teller = _granted(teller) if isinstance(teller, ScopedPrincipal) else teller
        return self._inner.findings(resolved, principal, binder, teller)

    def owner(self, found: Table | Product) -> str:
        """Whom to ask about an object."""
        return self._inner.owner(found)

    def administers(self, principal: Principal, name: TableName) -> bool:
        """Whether the user administers the object, and the token's roles would alone."""
        if isinstance(principal, ScopedPrincipal) and not self._inner.administers(_granted(principal), name):
            return False
        return self._inner.administers(principal, name)

    def roles(self, principal: Principal) -> frozenset[str]:
        """The whole user's."""
        return self._inner.roles(principal)

    def breaches(self, product: Product, binder: Binder) -> Sequence[str]:
        """The standards that a product does not meet."""
        return self._inner.breaches(product, binder)

    def rules(self, principal: Principal | None) -> Sequence[Rule]:
        """The rules on what the user administers, and the token's roles would alone; None, every rule."""
        found = self._inner.rules(principal)
        if isinstance(principal, ScopedPrincipal):
            granted = set(self._inner.rules(_granted(principal)))
            return [rule for rule in found if rule in granted]
        return found

    def _name(self, found: Table | Product) -> TableName:
        """The name that rules know the object by; the governor behind leaves a product's version out."""
        if isinstance(found, Product):
            return TableName(self._fabric, found.domain, found.name.name)
        return found.name

    def _is_system(self, name: TableName) -> bool:
        return name.catalog.lower() == self._fabric and name.schema.lower() in SYSTEM_SCHEMAS
