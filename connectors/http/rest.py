"""REST tables: what a scan becomes, and the pages of its requests as Arrow batches."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from connectors.http.pages import Page, Paging, first_target
from connectors.http.params import Ask, Condition, Slot, plan_asks, slots_of, words_of
from connectors.http.records import (
    RecordShape,
    find,
    find_records,
    parse_body,
    parse_path,
    shape_column,
    to_batch,
)
from connectors.http.settings import CursorPaging, HttpSettings, LinkPaging, RestTableSettings
from fabric.pushdown import takes_limit
from fabric.spi import ScanContext
from fabric.types import Capabilities, Column, Offer, Scan, Split, Table, TableName

if TYPE_CHECKING:
    from connectors.http.client import Answer, HttpClient

_JSON = {"accept": "application/json", "accept-encoding": "gzip, deflate"}
_DIGITS = re.compile(r"[0-9]{1,18}")
_COMPARE = {"<": pc.less, "<=": pc.less_equal, ">": pc.greater, ">=": pc.greater_equal}


@dataclass(frozen=True, slots=True)
class Part:
    """The payload of a split: one series of requests, and after how many rows it may end."""

    ask: Ask
    limit: int | None = None


class RestTable:
    """One declared table.

    Args:
        name: its name in SQL.
        settings: its keys.
        source: the keys of its source.
    """

    def __init__(self, name: TableName, settings: RestTableSettings, source: HttpSettings) -> None:
        self.settings = settings
        self.workers = source.limits.connections
        columns = settings.columns.items()
        self.shape = RecordShape(
            source=name.catalog,
            table=name.name,
            records=parse_path(settings.records),
            columns=tuple(shape_column(key, c.type, c.source, c.format) for key, c in columns),
        )
        self.slots: tuple[Slot, ...] = slots_of(self.shape, settings)
        self.capabilities = Capabilities(
            predicates=words_of(self.slots),
            limit=True,
            projection=False,
            required=frozenset(slot.column.name.lower() for slot in self.slots if slot.required),
        )
        self.table = Table(
            name,
            tuple(Column(key, c.type, comment=c.description, tags=c.tags) for key, c in columns),
            comment=settings.description,
        )
        self._base = urlsplit(source.uri).path

    @property
    def askable(self) -> bool:
        """Whether it answers without a value for any parameter."""
        return not any(slot.required for slot in self.slots)

    def offer(self, scan: Scan) -> Offer:
        """What the source takes of a scan.

        Raises:
            InvalidValue: a required parameter has no value.
        """
        planned = plan_asks(scan, self.settings.path.lstrip("/"), self.slots)
        limited = takes_limit(scan, planned.taken, self.capabilities)
        count = len(planned.asks)
        splits = tuple(
            Split(f"{self.shape.table} {n}/{count}", Part(ask, scan.limit if limited else None))
            for n, ask in enumerate(planned.asks, 1)
        )
        return Offer(
            scan=scan,
            taken=planned.taken,
            splits=splits,
            request=self._request(planned.asks),
            # Several series end each for itself, and together may send more.
            limit_taken=limited and count <= 1,
            refused=planned.refused,
        )

    def _request(self, asks: Sequence[Ask]) -> str:
        if not asks:
            return "no request: the conditions exclude each other"
        more = " …" if self.settings.pagination is not None else ""
        times = f"{len(asks)} × " if len(asks) > 1 else ""
        return f"{times}GET {self._base}/{first_target(self.settings, asks[0])}{more}"

    def read(
        self, client: HttpClient, columns: Sequence[str], part: Part, context: ScanContext
    ) -> Generator[pa.RecordBatch, None, None]:
        """The rows of one series of requests, a batch a page.

        Raises:
            Cancelled: the query was cancelled.
            SourceError: the source failed, or sent what does not fit.
        """
        left = math.inf if part.limit is None else part.limit
        if not left:
            return
        # Pages under way end with the query, and with this iterator.
        inner = ScanContext()
        context.on_cancel(inner.cancel)
        reader = _PageReader(self, client, columns, part.ask, inner)
        paging = Paging(self.shape, self.settings, reader.fetch, self.workers, inner.cancel)
        with closing(paging.pages(part.ask, part.limit)) as pages:
            for page in pages:
                if page.total is not None and not part.ask.conditions:
                    context.total = page.total
                context.requests += page.requests
                context.bytes += page.received
                batch = page.rows if page.rows.num_rows <= left else page.rows.slice(0, int(left))
                context.rows += batch.num_rows
                left -= batch.num_rows
                if batch.num_rows:
                    yield batch
                if left <= 0:
                    return


@dataclass(frozen=True, slots=True)
class _PageReader:
    """Asks for single pages of one series; used by several threads."""

    of: RestTable
    client: HttpClient
    columns: Sequence[str]
    ask: Ask
    context: ScanContext

    def fetch(self, target: str, number: int) -> Page:
        from connectors.http.client import Request

        table, shape = self.of.settings, self.of.shape
        url = target if target.startswith(("http://", "https://")) else self.client.url(target)
        empty = {404} if table.not_found == "empty" else set()
        answer = self.client.get(Request(url, _JSON, frozenset({204} | empty)), self.context)
        if answer.status != 200:
            rows = to_batch(shape, [], self.columns, number, {})
            return Page(0, rows, b"", received=answer.received, requests=answer.requests)
        document = parse_body(shape, answer.body, number)
        records = find_records(shape, document, number)
        return Page(
            records=len(records),
            rows=self._rows(records, number),
            digest=hashlib.blake2b(answer.body, digest_size=16).digest(),
            after=self._after(document, answer, number),
            total=self._total(document, answer) if number == 1 else None,
            received=answer.received,
            requests=answer.requests,
        )

    def _rows(self, records: list[object], number: int) -> pa.RecordBatch:
        shape, conditions = self.of.shape, self.ask.conditions
        known = {name.lower() for name in self.columns}
        extra = {c.column.lower(): c.column for c in conditions if c.column.lower() not in known}
        fill = {
            c.column.lower(): c.values[0]
            for c in conditions
            if c.exact and c.op == "=" and len(c.values) == 1
        }
        batch = to_batch(shape, records, [*self.columns, *extra.values()], number, fill)
        for condition in conditions:
            batch = _hold(shape, batch, condition, number)
        return batch.select(list(self.columns))

    def _after(self, document: object, answer: Answer, number: int) -> str:
        style = self.of.settings.pagination
        if isinstance(style, LinkPaging) and style.next is None:
            after: object = answer.next_link
        elif isinstance(style, CursorPaging | LinkPaging) and style.next is not None:
            after = find(document, parse_path(style.next))
        else:
            return ""
        if after is None or after == "":
            return ""
        if isinstance(after, bool) or not isinstance(after, str | int):
            raise self.of.shape.bad(f"page {number} names its next page by no text", "check pagination.next")
        return self.client.follow(answer.url, str(after)) if isinstance(style, LinkPaging) else str(after)

    def _total(self, document: object, answer: Answer) -> int | None:
        style = self.of.settings.pagination
        if style is None or style.total is None:
            return None
        if style.total.startswith("$"):
            total = find(document, parse_path(style.total))
        else:
            # Content-Range (RFC 9110, 14.4) ends with it: items 0-49/3120.
            digits = answer.headers.get(style.total, "").rpartition("/")[2].strip()
            total = int(digits) if _DIGITS.fullmatch(digits) else None
        if type(total) is not int or total < 0:
            raise self.of.shape.bad(
                f"page 1 does not tell its total at {style.total}",
                "check pagination.total: $.path in the answer, or the name of a header",
            )
        return total


def _hold(shape: RecordShape, batch: pa.RecordBatch, condition: Condition, number: int) -> pa.RecordBatch:
    """The rows that satisfy a condition; one that does not is an error where the source is exact.

    A parameter that the source ignores would otherwise show as rows that come twice, once for each
    request, or as an answer that a pushed limit cut short.
    """
    column = batch.column(condition.column)
    wanted = shape.column(condition.column).type.arrow
    if isinstance(wanted, pa.BaseExtensionType):
        column, wanted = column.storage, wanted.storage_type
    if condition.op == "=":
        mask = pc.is_in(column, value_set=pa.array(condition.values, wanted))
    else:
        mask = pc.fill_null(_COMPARE[condition.op](column, pa.scalar(condition.values[0], wanted)), False)
    if pc.all(mask, min_count=0).as_py():
        return batch
    if condition.exact:
        raise shape.bad(
            f"page {number} holds records whose '{condition.column}' is not what its parameter asked for",
            "correct the parameter's name or op, or say exact: false; "
            "if the records do not carry the column, say max_values: 1",
        )
    return batch.filter(mask)
