"""The products of a project directory: read again when a file changes, named by version, written by SQL.

Of the versions of a product the newest active one bears the bare name, ``open_claims``; the others are
``open_claims@1`` and so on. A file ``open_claims.sql`` holds the version that its metadata says, a file
``open_claims@2.sql`` the second.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fabric import contract
from fabric.errors import InvalidConfig
from fabric.product_marks import Marks, read_marks
from fabric.products import log, read_product
from fabric.types import Product, TableName

CHECK_SECONDS = 0.5
SUFFIX = ".sql"

_ORDER = {"active": 0, "deprecated": 1, "retired": 2, "draft": 3, "proposed": 3}
_STATE = Path(".ripstop")

Key = tuple[str, str]
Stamps = dict[Path, tuple[int, int]]


class ProductFiles:
    """The products of a project directory, read again within a second of a change; thread-safe.

    A file whose new text does not load keeps its last good version, which says so in ``stale``.

    Args:
        directory: the project directory.
        fabric: the fabric's name.
        domains: the domains that may own products.
    """

    def __init__(self, directory: Path, fabric: str, domains: Collection[str]) -> None:
        self.folder = directory / "products"
        self._marks = directory / _STATE / "quality.json"
        self._guard = directory / _STATE / "products.lock"
        self._fabric = fabric
        self.domains = {domain.lower(): domain for domain in sorted(domains)}
        self._lock = threading.Lock()
        self._checked = 0.0
        self._stamps: Stamps = {}
        self._read: dict[Path, Product] = {}
        self._products: Mapping[Key, Product] = {}

    def current(self) -> Mapping[Key, Product]:
        """Every product once, by its lower-cased ``(domain, name)``; another mapping after every change."""
        with self._lock:
            now = time.monotonic()
            if not self._checked or now - self._checked >= CHECK_SECONDS:
                self._checked = now
                self._read_changes()
            return self._products

    def find(self, domain: str, name: str) -> Product | None:
        """The product of a lower-cased name, with or without a version."""
        return named(self.current(), domain, name)

    def imagined(self, file: Path, product: Product) -> Mapping[Key, Product]:
        """The products as they would be if a file held this one."""
        self.current()
        with self._lock:
            read = {**self._read, file: product}
            marks = read_marks(self._marks)
        return _named([self._completed(each, marks) for each in read.values()])

    def unmark(self) -> None:
        """Let violations count no more, so that those that are refused for them can be tested again."""
        with self._lock:
            self._marks = self._marks.with_name(".nothing")
            self._stamps, self._checked = {}, 0.0

    # ── reading ─────────────────────────────────────────────────────────────────────────────

    def _read_changes(self) -> None:
        stamps = self._look()
        if stamps == self._stamps:
            return
        read = {}
        for file in stamps:
            if file.suffix == SUFFIX:
                before = self._read.get(file)
                same = before is not None and self._stamps.get(file) == stamps[file]
                read[file] = before if same and before else self._loaded(file, before)
        marks = read_marks(self._marks)
        products = _named([self._completed(product, marks) for product in read.values()])
        self._stamps, self._read = stamps, read
        known = self._products
        # The same object for what has not changed: shapes are kept by it.
        self._products = {
            key: known[key] if known.get(key) == each else each for key, each in products.items()
        }

    def _look(self) -> Stamps:
        stamps: Stamps = {}
        for domain in self.domains.values():
            try:
                entries = sorted(os.scandir(self.folder / domain), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.name.endswith((SUFFIX, contract.SUFFIX)) and not entry.name.startswith("."):
                    _stamp(Path(entry.path), stamps)
        _stamp(self._marks, stamps)
        return stamps

    def _loaded(self, file: Path, before: Product | None) -> Product:
        product = read_product(self._fabric, file.parent.name, file)
        if product.broken and before is not None and not before.broken:
            return replace(before, stale=product.broken)
        return product

    def _completed(self, product: Product, marks: Marks) -> Product:
        """The product with what was promised of it, and what its last test found."""
        if product.broken:
            return product
        file = self.folder / product.domain / contract.file_of(product)
        try:
            promised = contract.read_contract(
                file.read_text("utf-8"), f"products/{product.domain}/{file.name}"
            )
        except FileNotFoundError:
            promised = None
        except (OSError, UnicodeDecodeError):
            return replace(product, broken=f"products/{product.domain}/{file.name} cannot be read")
        except InvalidConfig as error:
            return replace(product, broken=error.message)
        mark = marks.get((product.domain.lower(), product.bare.lower(), product.major))
        return replace(product, promised=promised, violations=mark.failed if mark else ())

    # ── writing ─────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One change at a time, in whatever process; it is seen at once in this one."""
        self._guard.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._guard, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
            with self._lock:
                self._checked = 0.0

    def write(self, file: Path, text: str | None) -> None:
        """Replace a file, or remove it; readers find the old text or the new one, whole, whatever happens.

        Args:
            file: relative to the folder of products.
            text: None removes it.

        Raises:
            OSError: the disk does not take it; nothing has changed then.
        """
        path = self.folder / file
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            try:
                with new.open("w", encoding="utf-8", newline="\n") as opened:
                    opened.write(text)
                    opened.flush()
                    os.fsync(opened.fileno())
                new.replace(path)
            finally:
                new.unlink(missing_ok=True)
        _sync(path.parent)


def named(products: Mapping[Key, Product], domain: str, name: str) -> Product | None:
    """The product of a lower-cased name, with or without a version."""
    found = products.get((domain, name))
    if found is None and "@" in name:
        bare, _, major = name.partition("@")
        newest = products.get((domain, bare))
        found = newest if newest is not None and major == str(newest.major) else None
    return found


def _stamp(file: Path, stamps: Stamps) -> None:
    try:
        stat = file.stat()
    except OSError:
        return
    stamps[file] = (stat.st_mtime_ns, stat.st_size)


def _named(read: Collection[Product]) -> dict[Key, Product]:
    """The products under their names: of each one's versions the newest active one has the bare name."""
    families: dict[Key, list[Product]] = {}
    for product in read:
        families.setdefault((product.domain.lower(), product.bare.lower()), []).append(product)
    named: dict[Key, Product] = {}
    for (domain, bare), versions in families.items():
        first, *others = sorted(versions, key=_rank)
        newest = f"{first.domain}.{first.bare}" if _rank(first)[0] == 0 else ""
        named[domain, bare] = _renamed(first, first.bare)
        majors = {first.major: first}
        for product in others:
            same = majors.setdefault(product.major, product)
            if same is not product and not product.broken:
                product = replace(product, broken=f"{same.file} is version {product.major} too")
                log.warning("product %s is broken: %s", product.file, product.broken)
            name = product.name.name if "@" in product.name.name else f"{product.bare}@{product.major}"
            named[domain, name.lower()] = replace(_renamed(product, name), replaced_by=newest)
    return named


def _renamed(product: Product, name: str) -> Product:
    return replace(product, name=TableName(product.name.catalog, product.domain, name))


def _rank(product: Product) -> tuple[int, int, str]:
    if product.broken and not product.sql:
        return (9, 0, product.name.name)  # nobody knows what it would be
    return (_ORDER[product.status], -product.major, product.name.name)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
