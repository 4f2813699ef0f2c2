"""A domain as the one who asks: where its products are judged or tested, and no person is there."""

from __future__ import annotations

from dataclasses import dataclass

from fabric.types import Principal


@dataclass(frozen=True, slots=True)
class DomainPrincipal(Principal):
    """A domain; ``user`` is ``domain:<name>``.

    No login gives one: a user's name holds no colon.
    """
