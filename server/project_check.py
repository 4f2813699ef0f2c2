"""Prove a whole project: its sources side by side, its rules, and that each product binds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fabric.check import RowReader, SourceReport, check_source
from fabric.config import ProjectConfig
from fabric.errors import AccessDenied, FabricError, NotFound
from fabric.pipeline import Session
from fabric.product_types import UNPUBLISHED
from fabric.registry import build_connector
from fabric.rules import RuleBinder
from fabric.settings import SourceSettings
from fabric.spi import Binder, Connector
from fabric.system import SYSTEM_TABLES
from fabric.types import Principal, Product, Table
from server.app import App, build


@dataclass(frozen=True, slots=True)
class ProductReport:
    """A product by its name, and what keeps it from answering, if anything does; ``unjudged`` while rules do not load.

    ``missing`` is what its team may want to add, or must before it is published.
    """

    product: str
    error: str = ""
    hint: str = ""
    unjudged: bool = False
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What is wrong with the rules, what is likely not meant, and of what too little is known to judge it."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    unjudged: tuple[str, ...]


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


def check_rules_and_products(directory: Path) -> tuple[RuleReport, list[ProductReport]]:
    """A report of the policy files, each rule bound to all that it covers, and one of each product."""
    with closing(build(directory, recorded=False)) as app:
        governor, fitting = app.governor, app.governor.fitting(*known_objects(app))
        rules = RuleReport(
            (*governor.errors(), *fitting.misfits, *_state(app)),
            (*governor.warnings(), *fitting.warnings),
            fitting.unjudged,
        )
        attributes = governor.stand_ins()
        products = app.catalog.products.current().values()
        # Whoever asks is refused where rules are missing: that is not the product's fault.
        loaded = not governor.errors()
        return rules, [_check_product(app, product, attributes, loaded) for product in products]


def _state(app: App) -> Iterator[str]:
    if app.state.fault:
        yield f"state: it cannot be reached, so that there is no history, wish or API token: {app.state.fault}"


def known_objects(app: App) -> tuple[list[Table | Product], Binder, list[str]]:
    """All tables and products, what binds rules to them, and the sources that could not be listed."""
    catalog = app.catalog
    own = [catalog.find((catalog.fabric, *key)) for key in SYSTEM_TABLES]
    objects: list[Table | Product] = [found for found in own if found is not None]
    objects += [*catalog.tables(), *catalog.products.current().values()]
    failed = [source for source, failure in catalog.failures().items() if failure is not None]
    return objects, RuleBinder(catalog, app.engine), failed


def _check_product(
    app: App, product: Product, attributes: Mapping[str, object], loaded: bool
) -> ProductReport:
    """Bind the product as its domain's owner, who may read whatever is the domain's own."""
    name = f"{product.domain}.{product.name.name}"
    if product.broken:
        return ProductReport(name, product.broken, f"correct {product.file}")
    shape = app.catalog.shaped(product)
    if shape.broken:
        return ProductReport(name, shape.broken, f"correct {product.file}")
    breaches = tuple(app.governor.breaches(shape, RuleBinder(app.catalog, app.engine))) if loaded else ()
    if breaches and product.status == "active":
        return ProductReport(name, "; ".join(breaches), f"correct {product.file}")
    asked = f'SELECT * FROM "{product.domain}"."{product.name.name}"'
    try:
        owner = replace(_owner(app.config.domains, product.domain), attributes=attributes)
        app.line.describe(asked, owner, Session())
    except FabricError as error:
        if not loaded and isinstance(error, AccessDenied | NotFound):
            return ProductReport(name, unjudged=True)
        return ProductReport(name, error.message, error.hint)
    return ProductReport(name, missing=(*_missing(shape, name), *breaches))


def _missing(product: Product, name: str) -> Iterator[str]:
    """What a product's team may want to add."""
    if not product.owner:
        yield "owner: who answers questions about it"
    if not product.description:
        yield "description: what a row is, and for whom"
    if product.status in UNPUBLISHED:
        yield f"it is {product.status}: readers see it after `ripstop product publish {name}`"
    elif product.promised is None and product.status == "active":
        yield f"nothing was promised to its readers yet: `ripstop product publish {name}` writes it down"
    if product.status == "deprecated" and product.sunset is None:
        yield "sunset: the day until which it is served"
    if product.until is not None:
        yield f"it rests on a stored result, which is there until {product.until:%Y-%m-%d %H:%M} UTC"
    if product.sunset is not None and product.sunset < datetime.now(UTC).date():
        yield f"its sunset, {product.sunset}, has passed: status: retired ends it"


def _owner(domains: Mapping[str, object], domain: str) -> Principal:
    owner = str(getattr(domains[domain], "owner", ""))
    if owner.startswith("role:"):
        return Principal("ripstop-check", frozenset({owner}))
    return Principal(owner)


def _maker(name: str, settings: SourceSettings, directory: Path) -> Callable[[], Connector]:
    return lambda: build_connector(name, settings, directory)
