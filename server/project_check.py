"""Prove a whole project: its sources side by side, its rules, and that each product binds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fabric.check import RowReader, SourceReport, check_source
from fabric.config import ProjectConfig
from fabric.errors import FabricError
from fabric.pipeline import Session
from fabric.registry import build_connector
from fabric.settings import SourceSettings
from fabric.spi import Connector
from fabric.types import Principal, Product
from server.app import App, build


@dataclass(frozen=True, slots=True)
class ProductReport:
    """A product by its name, and what keeps it from answering, if anything does."""

    product: str
    error: str = ""
    hint: str = ""


def check_sources(config: ProjectConfig) -> Iterator[SourceReport]:
    """A report of each source as it is proved; a dead one holds up no other."""
    if not config.sources:
        return
    with closing(RowReader()) as rows, ThreadPoolExecutor(len(config.sources)) as pool:
        begun = [
            pool.submit(check_source, name, settings.type, _maker(name, settings, config.directory), rows)
            for name, settings in config.sources.items()
        ]
        for future in as_completed(begun):
            yield future.result()


def check_rules_and_products(directory: Path) -> tuple[tuple[str, ...], tuple[str, ...], list[ProductReport]]:
    """What is wrong with the policy files, what is likely not meant, and a report of each product."""
    with closing(build(directory, recorded=False)) as app:
        products = app.catalog.products.current().values()
        reports = [_check_product(app, product) for product in products]
        return app.governor.errors(), app.governor.warnings(), reports


def _check_product(app: App, product: Product) -> ProductReport:
    """Bind the product as its domain's owner, who may read whatever is the domain's own."""
    name = f"{product.domain}.{product.name.name}"
    if product.broken:
        return ProductReport(name, product.broken, f"correct {product.file}")
    asked = f'SELECT * FROM "{product.domain}"."{product.name.name}"'
    try:
        app.line.describe(asked, _owner(app.config.domains, product.domain), Session())
    except FabricError as error:
        return ProductReport(name, error.message, error.hint)
    return ProductReport(name)


def _owner(domains: Mapping[str, object], domain: str) -> Principal:
    owner = str(getattr(domains[domain], "owner", ""))
    if owner.startswith("role:"):
        return Principal("ripstop-check", frozenset({owner}))
    return Principal(owner)


def _maker(name: str, settings: SourceSettings, directory: Path) -> Callable[[], Connector]:
    return lambda: build_connector(name, settings, directory)
