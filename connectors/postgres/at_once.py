"""A scan of a few small rows in one round trip, where a stream by COPY takes the driver three.

The driver holds all of such an answer in memory, so it is asked for no more than ``MOST_ROWS`` and one row. An answer as
long as that is thrown away, and the scan is streamed.
"""

from __future__ import annotations

from dataclasses import replace

from connectors.postgres.scan import Request
from fabric.estimates import groups, rows_asked
from fabric.types import Offer

MOST_ROWS = 1_000


def at_once(offer: Offer, *, inline: bool) -> Offer:
    """The offer, read at once where few rows are expected.

    Args:
        offer: of one split.
        inline: whether no value of the table lies out of line, in its TOAST, so that a row fits on a page of 8 kB.
    """
    table, columns = offer.scan.table, offer.scan.columns
    rows = rows_asked(replace(offer.scan, predicates=offer.taken, semi_joins=offer.semi_joins))
    if rows is not None and (offer.counts or offer.distinct):
        alike = [column for column in columns if column not in offer.scan.summed]
        rows = groups(table, alike, rows, dict(offer.scan.truncated))
    if rows is not None and offer.limit_taken and offer.scan.limit is not None:
        rows = min(rows, offer.scan.limit)
    if not inline or rows is None or rows > MOST_ROWS or len(offer.splits) > 1:
        return offer
    (whole,) = offer.splits
    request = whole.payload
    if not isinstance(request, Request):
        raise TypeError("a scan of Postgres has a request of Postgres")
    return replace(
        offer, splits=(replace(whole, payload=replace(request, at_once=_guarded(request, offer))),)
    )


def _guarded(request: Request, offer: Offer) -> str:
    limit = offer.scan.limit if offer.limit_taken else None
    return request.sql if limit is not None and limit <= MOST_ROWS else f"{request.sql} LIMIT {MOST_ROWS + 1}"
