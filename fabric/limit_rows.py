"""``system.limits``: what applies to the one who asks, and how much of it is in use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fabric.config_model import QUOTAS, LimitSettings
from fabric.types import Product

if TYPE_CHECKING:
    from fabric.catalog import Entry
    from fabric.system import Desk

Row = tuple[Any, ...]


def limit_rows(desk: Desk, user: str, everyone: bool, entries: Sequence[Entry]) -> list[Row]:
    """A row for each limit of the user's, and for each of the products and sources that they may know of.

    Of what one statement may use, the most that a statement under way has used is in use.

    Args:
        desk: where the limits are, and what is under way.
        user: who asks.
        everyone: the server's use, instead of the user's own.
        entries: everything visible to the user.
    """
    counts, allowed = desk.underway.gate.counts(user), desk.allowed
    whose = "" if everyone else "my_"
    in_use: dict[str, float | None] = {
        "running": counts.get(f"{whose}running"),
        "queued": counts.get(f"{whose}queued"),
        "per_user": counts.get("my_running"),
    }
    for entry in desk.underway.entries(None if everyone else user):
        for key, used in entry.used.items():
            in_use[key] = max(in_use.get(key) or 0.0, used)
    own = [
        (key, getattr(allowed.limits, key), _whole(in_use.get(key)), allowed.given_by.get(key), _meaning(key))
        for key in LimitSettings.model_fields
    ]
    visible = {_subject(entry).lower() for entry in entries}
    of_objects = [
        (key, getattr(limits, key), None, subject, _meaning(key))
        for subject, limits in sorted(allowed.objects.items())
        if subject in visible
        for key in QUOTAS
        if getattr(limits, key) is not None
    ]
    return [*own, *of_objects]


def _subject(entry: Entry) -> str:
    if isinstance(entry.object, Product):
        return f"product:{entry.object.domain}.{entry.object.bare}"
    return f"source:{entry.name.catalog}"


def _meaning(key: str) -> str | None:
    return LimitSettings.model_fields[key].description


def _whole(used: float | None) -> int | None:
    return None if used is None else math.ceil(used)
