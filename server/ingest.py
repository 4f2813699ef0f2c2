"""CommandStatementIngest: what a client wants done with the rows that it sends."""

from __future__ import annotations

from typing import Any

from fabric.errors import NotSupported
from fabric.ingest import IfMissing, IfThere, Target
from server import flightsql

# TableNotExistOption and TableExistsOption of FlightSql.proto; 0, not said, is what fails.
_MISSING: dict[int, IfMissing] = {0: "fail", 1: "create", 2: "fail"}
_THERE: dict[int, IfThere] = {0: "fail", 1: "fail", 2: "append", 3: "replace"}


def to_target(message: Any) -> Target:
    """The table that is meant, and what to do when it is there or not.

    Raises:
        NotSupported: a temporary table, or an option that nobody knows.
    """
    if message.temporary:
        raise NotSupported("temporary tables are not offered", hint="a table of your domain, which stays")
    options = message.table_definition_options
    if options.if_not_exist not in _MISSING or options.if_exists not in _THERE:
        raise NotSupported(
            "this way to ingest is not offered", hint="create, append, replace or create_append"
        )
    return Target(
        table=message.table,
        catalog=flightsql.sent(message, "catalog") or "",
        schema=flightsql.sent(message, "schema") or "",
        missing=_MISSING[options.if_not_exist],
        there=_THERE[options.if_exists],
    )
