"""What applies to a principal: the limits of ``default``, and those that their roles have instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric.config_model import LimitSettings


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of one principal, and by key the subject (``default``, ``role:x``) that gave each.

    ``objects`` are those of products and sources, by ``product:d.x`` and ``source:x`` in lower case: they hold for everyone.
    """

    limits: LimitSettings = field(default_factory=LimitSettings)
    given_by: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, LimitSettings] = field(default_factory=dict)


def allowance(limits: Mapping[str, LimitSettings], roles: Collection[str]) -> Allowance:
    """Of each key the most generous that one of the roles has; ``default``'s where none has it.

    Args:
        limits: by ``default``, ``role:x``, ``product:d.x`` and ``source:x``.
        roles: all that the principal holds, in any case.
    """
    held = {role.lower() for role in roles}
    mine = [(subject, each) for subject, each in limits.items() if subject.lower() in held]
    values: dict[str, Any] = {}
    given_by: dict[str, str] = {}
    for key in LimitSettings.model_fields:
        given = [(getattr(each, key), subject) for subject, each in mine if getattr(each, key) is not None]
        value, subject = max(given, default=(getattr(limits["default"], key), "default"))
        if value is not None:
            values[key], given_by[key] = value, subject
    objects = {
        subject.lower(): each
        for subject, each in limits.items()
        if subject.startswith(("product:", "source:"))
    }
    return Allowance(LimitSettings(**values), given_by, objects)


def size_text(size: int) -> str:
    """A number of bytes as fabric.yaml has it: ``20KB``, ``1.5GB``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if size >= factor:
            return f"{size / factor:g}{unit}"
    return f"{size}B"
