"""EXPLAIN POLICY FOR: what the rules say of a statement of somebody's, for the one who wants to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import pyarrow as pa

from fabric.errors import AccessDenied, FabricError
from fabric.parse import parse
from fabric.resolve import QueryNames, relations, resolve
from fabric.spi import Binder, Finding, Governor
from fabric.types import Principal, Resolved

POLICY_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in ("object", "reader", "effect", "rule", "detail")]
)


def policy_report(
    resolved: Resolved, about: Principal, teller: Principal | None, governor: Governor, binder: Binder
) -> Sequence[Finding]:
    """What decides on a statement, and at the end what comes of it.

    Args:
        resolved: the statement, resolved for ``about``.
        about: whose statement it would be; the teller themselves, as the same object, or somebody else.
        teller: who wants to know: of others only who has ``admin`` for all that it names; None may know all.
        governor: decides.
        binder: binds rules to objects.

    Raises:
        AccessDenied: see above.
    """
    # Not by name: who is only assumed to hold a role has a name that a user may have too.
    if teller is not None and about is not teller:
        for relation in resolved.relations:
            if not governor.administers(teller, relation.object.name):
                raise AccessDenied(
                    f"what others may see of '{relation.written}' is told to its owner only",
                    hint="it needs the right `admin`; EXPLAIN POLICY FOR yourself needs none",
                )
    found = governor.findings(resolved, about, binder, teller)
    try:
        governor.govern(resolved, about, binder)
        verdict = Finding("the query", about.user, "answers", "", "")
    except FabricError as error:
        # The message is for ``about``: it may name what they know of and the teller does not.
        whole = teller is None or about is teller or _administers_all(teller, resolved, governor)
        detail = f"{error.code}: {error.message}" if whole else error.code
        verdict = Finding("the query", about.user, "refused", "", detail)
    return [*found, verdict]


def object_report(
    name: str,
    about: Principal,
    names: QueryNames,
    governor: Governor,
    binder: Binder,
) -> Sequence[Finding]:
    """What decides on all of an object, for whoever runs the fabric; ``names`` are all that there are."""
    resolved = resolve(parse(f"FROM {name}"), names, None, about.user)
    return policy_report(resolved, about, None, governor, binder)


def _administers_all(teller: Principal, resolved: Resolved, governor: Governor) -> bool:
    return all(governor.administers(teller, relation.object.name) for relation in relations(resolved))


def policy_table(found: Sequence[Finding]) -> pa.Table:
    """The findings as a table of ``POLICY_SCHEMA``."""
    rows = [dict(zip(POLICY_SCHEMA.names, astuple(finding), strict=True)) for finding in found]
    return pa.Table.from_pylist(rows, schema=POLICY_SCHEMA)
