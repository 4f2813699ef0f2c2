"""``system.usage``: who uses what, for those whose it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fabric.catalog import Entry
    from fabric.spi import Governor
    from fabric.types import Principal
    from fabric.usage import Usage, Used

Row = tuple[Any, ...]


def usage_rows(
    usage: Usage, governor: Governor, principal: Principal | None, entries: Sequence[Entry]
) -> list[Row]:
    """A row for each object, user and day: of all, of what the principal administers, and of their own use.

    Their own use shows what their statements named, and no sum of what a source did: of a restricted object that
    would count hidden rows.

    Args:
        usage: what was counted.
        governor: says what a principal administers.
        principal: who asks; None may know all.
        entries: everything visible to the principal.
    """
    found = usage.rows()
    if principal is None:
        return [_row(each) for each in found]
    names = {each.name for each in found}
    mine = {name for name in names if governor.administers(principal, name)}
    visible = {entry.name.key for entry in entries}
    rows = []
    for each in found:
        if each.name in mine:
            rows.append(_row(each))
        elif each.user == principal.user and each.named and each.name.key in visible:
            rows.append(_row(each, whole=False))
    return rows


def _row(used: Used, *, whole: bool = True) -> Row:
    amounts = (used.rows, used.bytes, used.requests) if whole else (None, None, None)
    return (
        used.domain,
        used.object,
        used.user,
        used.day,
        used.named,
        used.queries,
        used.failed,
        used.seconds,
        *amounts,
        used.last_at,
    )
