"""The four ways to ask for page after page, until the source says that there is no more.

A page is delivered only when it is whole. Whatever would make the answer shorter than the table is an
error: the cap of pages, a cursor or page that comes twice, a page that is shorter than ``total`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from connectors.http.params import Ask, with_query
from connectors.http.records import RecordShape
from connectors.http.settings import (
    CursorPaging,
    LinkPaging,
    OffsetPaging,
    PagePaging,
    RestTableSettings,
)
from fabric.errors import SourceChanged, SourceError


@dataclass(frozen=True, slots=True)
class Page:
    """One page, whole.

    ``records`` counts what the source sent, ``rows`` holds those that belong to the scan. ``after`` is
    what the answer says of the next page (cursor or address), ``total`` of all pages.
    """

    records: int
    rows: pa.RecordBatch
    digest: bytes
    after: str = ""
    total: int | None = None
    received: int = 0
    requests: int = 1


Fetch = Callable[[str, int], Page]
"""Asks for a target (path and query, or an address) as the page of that number, from 1."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How one table is paged.

    ``workers`` bounds the pages that are asked for at once. ``stop`` ends requests that are under way.
    """

    shape: RecordShape
    table: RestTableSettings
    fetch: Fetch
    workers: int
    stop: Callable[[], None]

    def pages(self, ask: Ask, limit: int | None) -> Generator[Page, None, None]:
        """Every page of the request, or as many as hold ``limit`` records; order is the source's or none.

        Raises:
            SourceError: the pages do not end, or do not add up.
        """
        style = self.table.pagination
        if style is None:
            yield self.fetch(ask.target, 1)
        elif isinstance(style, CursorPaging):
            start = () if style.start is None else ((style.param, style.start),)
            yield from self._follow(_plus(ask, *start), ask)
        elif isinstance(style, LinkPaging):
            yield from self._follow(ask.target, ask)
        else:
            yield from self._numbered(ask, style, limit)

    def _follow(self, target: str, ask: Ask) -> Iterator[Page]:
        style = self.table.pagination
        seen = {target}
        for number in range(1, self.table.max_pages + 1):
            page = self.fetch(target, number)
            if page.records:
                yield page
            if not page.after or not page.records:
                return
            target = _plus(ask, (style.param, page.after)) if isinstance(style, CursorPaging) else page.after
            if target in seen:
                raise self._wrong("leads back to a page that was read already", "the pages would never end")
            seen.add(target)
        raise self._too_many()

    def _numbered(self, ask: Ask, style: PagePaging | OffsetPaging, limit: int | None) -> Iterator[Page]:
        first = self.fetch(_numbered(ask, style, 0, 0), 1)
        total = first.total if style.total else None
        if first.records:
            yield first
        elif total:
            raise self._short(1)
        if not first.records or (total is not None and first.records >= total):
            return
        if total is None:
            yield from self._until_empty(ask, style, first)
            return
        wanted = total if limit is None else min(limit, total)
        count = -(-wanted // first.records)
        if count > self.table.max_pages:
            raise self._too_many()

        def fetch(index: int) -> Page:
            page = self.fetch(_numbered(ask, style, index, index * first.records), index + 1)
            self._check_repeated(page, first)
            if page.records < min(first.records, total - index * first.records):
                raise self._short(index + 1)
            return page

        yield from _parallel(range(1, count), fetch, self.workers, self.stop)

    def _until_empty(self, ask: Ask, style: PagePaging | OffsetPaging, first: Page) -> Iterator[Page]:
        offset = first.records
        for index in range(1, self.table.max_pages + 1):
            page = self.fetch(_numbered(ask, style, index, offset), index + 1)
            if not page.records:
                return
            self._check_repeated(page, first)
            if index == self.table.max_pages:
                raise self._too_many()
            yield page
            offset += page.records

    def _check_repeated(self, page: Page, first: Page) -> None:
        if page.digest == first.digest and page.records:
            raise self._wrong("sent its first page again", "check the parameter's name under pagination")

    def _wrong(self, what: str, hint: str) -> SourceError:
        return SourceError(self.shape.source, f"table '{self.shape.table}' {what}", hint=hint)

    def _short(self, number: int) -> SourceError:
        return SourceChanged(
            self.shape.source,
            f"table '{self.shape.table}' sent fewer records on page {number} than its total promised",
            hint="its rows may have changed meanwhile: run the query again; if it stays, leave out pagination.total",
        )

    def _too_many(self) -> SourceError:
        return self._wrong(
            f"has more than {self.table.max_pages} pages",
            "raise its max_pages, or filter by one of its params",
        )


def first_target(table: RestTableSettings, ask: Ask) -> str:
    """Path and query of the first request, for EXPLAIN."""
    style = table.pagination
    if isinstance(style, PagePaging | OffsetPaging):
        return _numbered(ask, style, 0, 0)
    return ask.target


def _plus(ask: Ask, *more: tuple[str, str]) -> str:
    return with_query(ask.path, (*ask.query, *more))


def _numbered(ask: Ask, style: PagePaging | OffsetPaging, index: int, offset: int) -> str:
    if isinstance(style, PagePaging):
        where, size = (style.param, str(style.start + index)), (style.size_param, style.size)
    else:
        where, size = (style.param, str(style.start + offset)), (style.limit_param, style.limit)
    return _plus(ask, where) if size[0] is None else _plus(ask, where, (size[0], str(size[1])))


def _parallel(
    indexes: Iterable[int], fetch: Callable[[int], Page], workers: int, stop: Callable[[], None]
) -> Iterator[Page]:
    left = iter(indexes)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="http-page")
    try:
        pending: set[Future[Page]] = {pool.submit(fetch, index) for index in islice(left, workers)}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                page = future.result()
                pending |= {pool.submit(fetch, index) for index in islice(left, 1)}
                yield page
    finally:
        stop()
        pool.shutdown(wait=False, cancel_futures=True)
