"""A large table in parts that are read at once: ranges of its pages, of one snapshot."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from connectors.postgres.scan import Request
from fabric.types import Offer, Split

LEAST_PAGES = 1024
"""The pages (of 8 kB) of the smallest part that is worth a connection of its own."""


def in_splits(offer: Offer, pages: int | None, most: int) -> Offer:
    """The offer in at most ``most`` splits; as it is where the source reads less than the whole table.

    The last range has no end, so that a table which grew since its pages were counted is read whole. Of a row, a
    snapshot sees one version, which keeps its place until the table is rewritten; ``PostgresConduct.prepare`` notices.
    """
    once = offer.counts or offer.distinct
    narrowed = offer.taken or offer.semi_joins or offer.limit_taken or offer.order_taken or once
    number = min(most, (pages or 0) // LEAST_PAGES)
    if narrowed or number < 2 or pages is None:
        return offer
    (whole,) = offer.splits
    request = whole.payload
    if not isinstance(request, Request):
        raise TypeError("a scan of Postgres has a request of Postgres")
    bounds: list[int | None] = [None, *(pages * n // number for n in range(1, number)), None]
    splits = tuple(
        Split(f"{n}/{number}", replace(request, sql=f"{request.sql} WHERE {_within(*ends)}"))
        for n, ends in enumerate(pairwise(bounds), 1)
    )
    return replace(offer, splits=splits, request=f"{request.sql} /* in {number} ranges of ctid */")


def _within(first: int | None, end: int | None) -> str:
    bounds = ((">=", first), ("<", end))
    return " AND ".join(f"ctid {sign} '({page},0)'::tid" for sign, page in bounds if page is not None)
