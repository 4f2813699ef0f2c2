"""The catalog: what every source and domain holds, cached, and what a principal may know of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa

from fabric.catalog_names import CatalogNames, known_to
from fabric.catalog_state import Listing, Shape
from fabric.catalog_state import Stamp as Stamp
from fabric.engine import Engine
from fabric.errors import FabricError, InternalError, Unreachable
from fabric.file_scan import FileTables
from fabric.lake import RESULTS
from fabric.product_files import ProductFiles, named
from fabric.product_graph import beneath
from fabric.product_shape import in_circle, shaped
from fabric.resolve import Find, Whole
from fabric.row_counts import carried, with_rows
from fabric.snapshots import SnapshotTables
from fabric.spi import Connector, FileConnector, Governor, View
from fabric.stored import StoredTable
from fabric.stored_results import StoredResults
from fabric.system import SYSTEM_TABLES
from fabric.types import DEFAULT_SCHEMA, Column, Principal, Product, Table, TableName
from fabric.uploads import Uploads

log = logging.getLogger("ripstop.catalog")

REFRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as metadata shows it to one principal: ``type`` is TABLE, VIEW, PRODUCT or SYSTEM TABLE.

    ``columns`` and ``schema`` are without those that are hidden; ``masked`` names columns in lower case.
    """

    name: TableName
    object: Table | Product
    type: str
    schema: pa.Schema
    comment: str = ""
    columns: tuple[Column, ...] = ()
    masked: frozenset[str] = frozenset()


class Catalog:
    """Every source's tables and every domain's products; ``results`` and ``retained`` find what is stored.

    Each source is listed in a thread of its own, at start, every ``refresh`` seconds and when a scan
    meets a changed table, so that a slow or dead source makes no other one wait.

    Args:
        fabric: the fabric's name.
        connectors: by source name.
        products: the product files.
        files: looks into the files of file-like sources.
        engine: knows the Arrow type of a DuckDB type.
        default_schemas: by source, the schema of a two-part name; ``main`` where it is not named.
        unpushed: sources that are asked for columns only.
        refresh: seconds between listings.
    """

    def __init__(
        self,
        fabric: str,
        connectors: Mapping[str, Connector],
        products: ProductFiles,
        files: FileTables,
        engine: Engine,
        *,
        default_schemas: Mapping[str, str] | None = None,
        unpushed: Iterable[str] = (),
        refresh: float = REFRESH_SECONDS,
    ) -> None:
        self.fabric = fabric
        self._default_schemas = {name.lower(): one.lower() for name, one in (default_schemas or {}).items()}
        self.unpushed = frozenset(name.lower() for name in unpushed)
        self.connectors = {name.lower(): connector for name, connector in connectors.items()}
        self.products = products
        self.results: StoredResults | None = None
        self.snapshots: Mapping[str, StoredTable] = {}
        self.retained: SnapshotTables | None = None
        self._files = files
        self._engine = engine
        self._refresh = refresh
        self._listings: dict[str, Listing] = {}
        self._pending: dict[str, Future[None]] = {}
        self._shapes: dict[tuple[str, ...], Shape] = {}
        self._generation = 0
        self._lock = threading.Lock()
        self._shaping = threading.RLock()
        self._pool = ThreadPoolExecutor(max(1, len(connectors)), thread_name_prefix="ripstop-catalog")
        self._closed = threading.Event()
        self._clock = threading.Thread(target=self._tick, name="ripstop-catalog-clock", daemon=True)

    def start(self, wait: float | None = None) -> None:
        """List every source; return when each was tried, or after ``wait`` seconds."""
        futures = [self.refresh(source) for source in self.connectors]
        deadline = None if wait is None else time.monotonic() + wait
        for future in futures:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                future.result(left)
            except TimeoutError:
                log.warning("a source is slow to list; the others serve")
        self._clock.start()

    def close(self) -> None:
        """Stop refreshing."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._clock.is_alive():
            self._clock.join()

    def refresh(self, source: str) -> Future[None]:
        """List a source again in the background; a listing already under way is joined."""
        key = source.lower()
        with self._lock:
            pending = self._pending.get(key)
            if pending is None or pending.done():
                pending = self._pool.submit(self._list, key)
                self._pending[key] = pending
            return pending

    def _tick(self) -> None:
        ahead: Stamp | None = None
        while not self._closed.wait(min(1.0, self._refresh)):
            ahead = self._shape_ahead(ahead)
            for source in self.connectors:
                listing = self._listings.get(source)
                if listing is None or time.monotonic() - listing.at >= self._refresh:
                    self.refresh(source)

    def _shape_ahead(self, before: Stamp | None) -> Stamp:
        """Shape what has changed before anybody asks for it; when this was done for the last time, or is now."""
        stamp = self.stamp()
        if before is not None and before.holds(stamp):
            return before
        for product in stamp.products.values():
            if self._closed.is_set():
                break
            try:
                self.shaped(product)
            except Exception:
                log.exception("product %s has no shape", product.name)
        return stamp

    def _list(self, source: str) -> None:
        connector = self.connectors[source]
        before = self._listings.get(source, Listing())
        tables: dict[tuple[str, str], Table] = {}
        problems: dict[tuple[str, str], FabricError] = {}
        try:
            for table in connector.tables():
                key = table.name.key[1:]
                tables[key] = table
                if table.layout is not None and isinstance(connector, FileConnector):
                    try:
                        tables[key] = replace(table, columns=self._files.columns(connector, table))
                    except FabricError as error:
                        problems[key] = error
                        log.warning("table %s: %s", table.name, error.message)
            listing = Listing(tables, problems, None, time.monotonic())
        except FabricError as error:
            log.warning("%s", error)
            listing = replace(before, failure=error, at=time.monotonic())
        except Exception as error:
            failure = InternalError()
            log.exception(
                "reference %s: source '%s' cannot be listed", failure.reference, source, exc_info=error
            )
            listing = replace(before, failure=failure, at=time.monotonic())
        with self._lock:
            now = self._listings.get(source, before)  # with what was counted meanwhile
            self._put(source, replace(listing, tables=carried(listing.tables, now.tables)))

    def _put(self, source: str, listing: Listing) -> None:
        before = self._listings.get(source)
        self._listings[source] = listing
        # Told when it is there: whoever read the number before may have seen either.
        if before is None or listing.tables != before.tables:
            self._generation += 1

    def learn(self, rows: Mapping[TableName, int]) -> None:
        """Know how many rows tables have, as they were counted, where their sources do not say so."""
        with self._lock:
            for name, counted in rows.items():
                source, *key = name.key
                listing = self._listings.get(source)
                table = listing.tables.get((key[0], key[1])) if listing else None
                if listing is not None and table is not None:
                    known = {**listing.tables, table.name.key[1:]: with_rows(table, counted)}
                    self._put(source, replace(listing, tables=known))

    def _listing(self, source: str) -> Listing:
        """A source's tables; only one that was never listed is waited for."""
        connector = self.connectors[source]
        if source not in self._listings or (isinstance(connector, Uploads) and connector.changed()):
            self.refresh(source).result()
        return self._listings[source]

    def serve_snapshots(self, current: Mapping[str, StoredTable]) -> None:
        """Serve products from these snapshots from now on, by ``fabric.snapshots.key_of`` and SELECT."""
        self.snapshots = current
        with self._lock:
            self._generation += 1

    def stamp(self) -> Stamp:
        """What tells whether anything has changed since; to be taken before the catalog is read."""
        return Stamp(self._generation, self.products.current())

    # ── look-ups ────────────────────────────────────────────────────────────────────────────

    def find(
        self, parts: tuple[str, ...], products: Mapping[tuple[str, str], Product] | None = None
    ) -> Table | Product | None:
        """The object of a two- or three-part name: domain.product first, then source.table.

        ``products`` are those that there would be; absent, those that there are. A table of a source that could not be listed is found without columns, so that rights are
        judged before anything is said of the source; ``problem`` then has the reason.
        """
        names = tuple(part.lower() for part in parts)
        if len(names) == 3 and names[0] == self.fabric.lower():
            return self._own(names[1], names[2], products)
        if len(names) == 2:
            own = self._own(names[0], names[1], products)
            if own is not None:
                return own
            return self._table(names[0], None, parts)
        return self._table(names[0], names[1], parts) if len(names) == 3 else None

    def within(
        self,
        domain: str,
        products: Mapping[tuple[str, str], Product] | None = None,
        results: frozenset[str] = frozenset(),
    ) -> Find:
        """What finds the names in bodies of a domain's products: as ``find``, and results that are shared with the domain.

        Args:
            domain: whose.
            products: as of ``find``.
            results: the runs in whose queries the body stands, which cannot rest on themselves.
        """

        def found(parts: tuple[str, ...]) -> Table | Product | None:
            if len(parts) == 2 and parts[0].lower() == RESULTS and self.results is not None:
                names = Whole(
                    self.within(domain, products, results | {parts[1]}),
                    lambda of: self.within(of, products, results | {parts[1]}),
                )
                return self.results.shared(parts[1], domain, names, results)
            return self.find(parts, products)

        return found

    def whole(self, domain: str | None = None) -> Whole:
        """All names, for what is asked on nobody's behalf; as they are in the bodies of a domain's products, if one is given."""
        return Whole(self.find if domain is None else self.within(domain), self.within)

    def _own(
        self, schema: str, name: str, products: Mapping[tuple[str, str], Product] | None
    ) -> Table | Product | None:
        system = SYSTEM_TABLES.get((schema, name))
        if system is not None:
            return replace(system, name=TableName(self.fabric, schema, name))
        return named(self.products.current() if products is None else products, schema, name)

    def _table(self, source: str, schema: str | None, parts: tuple[str, ...]) -> Table | None:
        connector = self.connectors.get(source)
        if connector is None:
            return None
        listing = self._listing(source)
        wanted = schema or self._default_schemas.get(source) or DEFAULT_SCHEMA
        found = listing.tables.get((wanted, parts[-1].lower()))
        if found is None and listing.failure is not None and not listing.tables:
            return Table(TableName(connector.name, schema or DEFAULT_SCHEMA, parts[-1]), ())
        return found

    def problem(self, name: TableName) -> FabricError:
        """Why a table has no columns."""
        listing = self._listing(name.catalog.lower())
        known = listing.problems.get(name.key[1:]) or listing.failure
        return known or Unreachable(name.catalog, f"table '{name.name}' is not known yet")

    def names(self, principal: Principal, governor: Governor) -> CatalogNames:
        """The look-ups that resolving a statement of this principal needs."""
        return CatalogNames(self, principal, governor)

    def tables(self) -> Iterable[Table]:
        """Every table of every source that is listed; none is waited for."""
        for listing in list(self._listings.values()):
            yield from listing.tables.values()

    def failures(self) -> Mapping[str, FabricError | None]:
        """Each source's failure at its last listing, None where it succeeded."""
        return {
            connector.name: listing.failure if (listing := self._listings.get(key)) else None
            for key, connector in self.connectors.items()
        }

    def visible(self, principal: Principal, governor: Governor) -> Sequence[Entry]:
        """Everything the principal may know of, without waiting for any source."""
        own = [replace(each, name=TableName(self.fabric, *key)) for key, each in SYSTEM_TABLES.items()]
        entries = [self._entry(each, "SYSTEM TABLE", governor.view(principal, each)) for each in own]
        for table in self.tables():
            if table.columns and known_to(governor, principal, table):
                kind = "VIEW" if "view" in table.kind else "TABLE"
                entries.append(self._entry(table, kind, governor.view(principal, table)))
        for product in self.products.current().values():
            if known_to(governor, principal, product):
                shaped = self.shaped(product)
                entries.append(self._entry(shaped, "PRODUCT", governor.view(principal, shaped)))
        return entries

    def shaped(self, product: Product) -> Product:
        """The product with the types that its SELECT has now, or with the reason why it has none."""
        stamp = self.stamp()
        known = self._shapes.get(product.key)
        if known is not None and known.product is product and known.stamp.holds(stamp) and not known.is_over:
            return known.shape
        ordered, circle = beneath(product, self.find)
        if circle and not product.broken:
            return in_circle(product, circle)
        shapes: dict[tuple[str, str, str], Product] = {}
        with self._shaping:  # of two who shape the same, one finds what the other has made
            for each in (*ordered, product):
                shapes[each.name.key] = self._shape(each, shapes, stamp)
        return shapes[product.name.key]

    def _shape(
        self, product: Product, shapes: Mapping[tuple[str, str, str], Product], stamp: Stamp
    ) -> Product:
        """The shape of a product whose parts are shaped; made anew only where one of them is another now."""
        known = self._shapes.get(product.key)
        if known is not None and known.product is product and self._holds(known, shapes, stamp):
            self._shapes[product.key] = replace(known, stamp=stamp)
            return known.shape
        looked: dict[tuple[str, ...], Table | Product | None] = {}
        look = self.within(product.domain)

        def find(parts: tuple[str, ...]) -> Table | Product | None:
            found = look(parts)
            looked[parts] = shapes.get(found.name.key) if isinstance(found, Product) else found
            return found

        part_of = lambda part: shapes[part.name.key]  # noqa: E731
        made = shaped(product, find, self._engine, part_of, promises=not product.at)
        self._shapes[product.key] = Shape(product, stamp, looked, made)
        return made

    def _holds(self, known: Shape, shapes: Mapping[tuple[str, str, str], Product], stamp: Stamp) -> bool:
        if known.stamp.holds(stamp):
            return not known.is_over
        find = self.within(known.product.domain)
        try:
            return all(_same(was, find(name), shapes) for name, was in known.parts.items())
        except FabricError:
            return False  # a stored result is gone

    def _entry(self, found: Table | Product, kind: str, view: View) -> Entry:
        columns = tuple(column for column in found.columns if column.name.lower() not in view.hidden)
        comment = found.comment if isinstance(found, Table) else found.description
        schema = self._engine.arrow_schema(columns)
        return Entry(found.name, found, kind, schema, comment, columns, view.masked)


def _same(
    was: Table | Product | None, found: Table | Product | None, shapes: Mapping[tuple[str, str, str], Product]
) -> bool:
    if isinstance(found, Product):
        shape = shapes.get(found.name.key)
        return shape is was or shape == was
    return found is was or found == was
