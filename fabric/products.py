"""Product files: ``products/<domain>/<name>.sql``, metadata in front, then one SELECT."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from fabric.errors import FabricError, InvalidConfig
from fabric.parse import parameter_count, parse
from fabric.settings import Seconds, Strict
from fabric.types import Column, Product, TableName

log = logging.getLogger("ripstop.products")

CHECK_SECONDS = 0.5
_FRONT = re.compile(r"\A\s*/\*---\s*\n(?P<yaml>.*?)\n?\s*---\*/(?P<sql>.*)\Z", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class ProductColumn(Strict):
    """What a product says of one of its columns."""

    description: str = ""
    type: str | None = None
    required: bool = False
    unique: bool = False
    tags: tuple[str, ...] = ()


class QualityRule(Strict):
    """A condition that every row should meet."""

    name: str
    sql: str


class Materialize(Strict):
    """When a product is stored."""

    refresh: str


class ProductFront(Strict):
    """The metadata in front of a product's SELECT.

    ``quality``, ``freshness``, ``materialize`` and ``sunset`` are read and, in this version, not acted on: a
    product is always live.
    """

    owner: str = ""
    description: str = ""
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    status: Literal["proposed", "draft", "active", "deprecated", "retired"] = "active"
    tags: tuple[str, ...] = ()
    columns: dict[str, ProductColumn] = Field(default_factory=dict)
    quality: tuple[QualityRule, ...] = ()
    freshness: Seconds | None = None
    materialize: Materialize | None = None
    sunset: date | None = None
    reads_as: Literal["user", "domain"] = "user"


def read_product(fabric: str, domain: str, file: Path) -> Product:
    """Read one product file; what is wrong with it is in ``broken``, for the owner.

    Args:
        fabric: the fabric's name, the catalog of every product.
        domain: the domain that owns it: the folder's name.
        file: the ``.sql`` file; its stem is the product's name.
    """
    name = TableName(fabric, domain, file.stem)
    where = f"products/{domain}/{file.name}"
    try:
        text = file.read_text(encoding="utf-8")
        if not _NAME.fullmatch(file.stem):
            raise InvalidConfig(f"{where}: a product's name is letters, digits and _")
        found = _FRONT.match(text)
        front = _front(where, found["yaml"] if found else "")
        sql = (found["sql"] if found else text).strip()
        parsed = parse(sql)
        if parsed.kind != "query" or parameter_count(parsed):
            raise InvalidConfig(f"{where}: a product is one SELECT without parameters")
    except (FabricError, OSError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, FabricError) else f"{where} cannot be read"
        log.warning("product %s.%s is broken: %s", domain, file.stem, reason)
        return Product(name=name, domain=domain, sql="", file=where, broken=reason)
    return Product(
        name=name,
        domain=domain,
        sql=sql,
        owner=front.owner,
        description=front.description,
        version=front.version,
        status=front.status,
        tags=front.tags,
        columns=tuple(
            Column(column, said.type or "", not said.required, said.description, said.tags)
            for column, said in front.columns.items()
        ),
        file=where,
        reads_as_domain=front.reads_as == "domain",
    )


def _front(where: str, text: str) -> ProductFront:
    try:
        data: Any = yaml.safe_load(text) if text.strip() else {}
        return ProductFront.model_validate(data or {})
    except yaml.YAMLError:
        raise InvalidConfig(f"{where}: the metadata is not YAML") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfig(f"{where}: {key}: {first['msg']}") from None


class ProductFiles:
    """The products of a project directory, read again within a second of a change; thread-safe.

    Args:
        directory: the project directory.
        fabric: the fabric's name.
        domains: the domains that may own products.
    """

    def __init__(self, directory: Path, fabric: str, domains: Collection[str]) -> None:
        self._folder = directory / "products"
        self._fabric = fabric
        self._domains = sorted(domains)
        self._lock = threading.Lock()
        self._checked = 0.0
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._products: dict[tuple[str, str], Product] = {}

    def current(self) -> Mapping[tuple[str, str], Product]:
        """Every product by lower-cased ``(domain, name)``."""
        with self._lock:
            now = time.monotonic()
            if not self._checked or now - self._checked >= CHECK_SECONDS:
                self._checked = now
                self._read_changes()
            return self._products

    def _read_changes(self) -> None:
        stamps: dict[Path, tuple[int, int]] = {}
        domain_of: dict[Path, str] = {}
        for domain in self._domains:
            for file in sorted((self._folder / domain).glob("*.sql")):
                stat = file.stat()
                stamps[file] = (stat.st_mtime_ns, stat.st_size)
                domain_of[file] = domain
        if stamps == self._stamps:
            return
        products = {}
        for file, stamp in stamps.items():
            domain = domain_of[file]
            key = (domain.lower(), file.stem.lower())
            known = self._products.get(key)
            unchanged = known is not None and self._stamps.get(file) == stamp
            products[key] = known if unchanged and known else read_product(self._fabric, domain, file)
        self._stamps, self._products = stamps, products
