"""What ``ripstop product diff|publish|new`` do with the files of a project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from fabric import contract
from fabric.contract import Change
from fabric.definitions import Definitions
from fabric.errors import ContractBroken, InvalidConfig, InvalidValue, NotFound
from fabric.front_matter import file_text, with_value
from fabric.naming import suggest
from fabric.product_shape import shaped
from fabric.product_types import UNPUBLISHED, Contract
from fabric.products import split
from fabric.types import Product
from server.app import App, build


@dataclass(frozen=True, slots=True)
class Difference:
    """A product's file against what was published: ``before`` is None when nothing ever was."""

    product: Product
    before: Contract | None
    changes: tuple[Change, ...]
    hits: str = ""

    @property
    def refused(self) -> bool:
        """Whether it cannot be published under its version."""
        same = self.before is not None and self.before.version.partition(".")[0] == str(self.product.major)
        return same and any(change.breaking for change in self.changes)


@contextmanager
def opened(directory: Path) -> Iterator[App]:
    """The project, for what asks on nobody's behalf."""
    with closing(build(directory, recorded=False)) as app:
        yield app


def find_product(app: App, name: str) -> Product:
    """The product of a name as people write it: ``domain.name``, with or without a version.

    Raises:
        NotFound: there is none.
        InvalidConfig: its file does not load.
    """
    domain, _, rest = name.replace('"', "").lower().partition(".")
    found = app.catalog.products.find(domain, rest)
    if found is None:
        known = [f"{p.domain}.{p.name.name}" for p in app.catalog.products.current().values()]
        raise NotFound(f"there is no product '{name}'", hint=suggest(name, known, "products"))
    if found.stale or (found.broken and not found.sql):
        raise InvalidConfig(found.stale or found.broken, hint=f"correct {found.file}")
    return found


def definitions(app: App) -> Definitions:
    """What defines products, for whoever has the project's files."""
    return Definitions(app.catalog, app.governor, app.engine, app.journal)


def diff(directory: Path, name: str) -> Difference:
    """What publishing the file as it is would change for readers.

    Raises:
        NotFound: there is no such product.
        InvalidConfig: its file does not load, or its SELECT does not bind.
    """
    with opened(directory) as app:
        product = find_product(app, name)
        before = product.promised or _earlier(app, product)
        shape = shaped(product, app.catalog.within(product.domain), app.engine, promises=False)
        if shape.broken:
            raise InvalidConfig(f"{product.file}: {shape.broken}", hint="ripstop check says more")
        found = tuple(contract.changes(before, shape.columns)) if before else ()
        breaking = [change.column for change in found if change.breaking and change.column]
        hits = definitions(app).hits(product, breaking, None) if breaking else ""
        return Difference(product, before, found, hits)


def _earlier(app: App, product: Product) -> Contract | None:
    """What the newest major version before this one promised."""
    for major in range(product.major - 1, -1, -1):
        file = contract.file_of(replace(product, version=f"{major}.0.0"))
        path = app.catalog.products.folder / product.domain / file
        if path.is_file():
            return contract.read_contract(path.read_text("utf-8"), f"products/{product.domain}/{file}")
    return None


def publish(directory: Path, name: str) -> list[str]:
    """Have readers see a product, and write down what it promises them; what was done, line by line.

    Raises:
        ContractBroken: it breaks what its major version promised, its own declarations, or a standard.
        FabricError: it does not bind, or reads what its domain may not.
    """
    with opened(directory) as app:
        product = find_product(app, name)
        if product.status == "retired":
            raise InvalidValue(f"{product.written} is retired", hint="say another status in its file first")
        _require_newer(product)
        files = app.catalog.products
        file = Path(product.domain) / Path(product.file).name
        text = (files.folder / file).read_text("utf-8")
        if product.status in UNPUBLISHED:
            front, sql = split(text)
            text = file_text(with_value(front or "", ("status",), "active"), sql)
        shape = definitions(app).judged(product.domain, file, text, None)
        promise = Path(product.domain) / contract.file_of(product)
        today = datetime.now(UTC).date().isoformat()
        with files.changing():
            files.write(file, text)
            files.write(promise, contract.written(contract.promised_by(shape, today), shape))
        said = [
            f"published {shape.domain}.{shape.bare} {shape.version}",
            f"commit products/{file} and products/{promise}",
        ]
        return said + _left_behind(app, shape)


def _require_newer(product: Product) -> None:
    promised = product.promised
    if promised is None:
        return
    had, has = (tuple(map(int, each.split("."))) for each in (promised.version, product.version))
    if has < had:
        raise ContractBroken(
            f"{product.file} says version {product.version}, and {promised.version} is published",
            hint="versions only grow",
        )


def _left_behind(app: App, shape: Product) -> list[str]:
    """A hint where the version before this one was published and has no file any more."""
    before = _earlier(app, shape)
    if before is None:
        return []
    major = before.version.partition(".")[0]
    if app.catalog.products.find(shape.domain.lower(), f"{shape.bare.lower()}@{major}") is not None:
        return []
    old = f"products/{shape.domain}/{shape.bare}@{major}.sql"
    return [
        f"version {before.version} is served no more: those who read it get version {shape.version}",
        f"to serve both, write its text to {old}, with status: deprecated and a sunset",
    ]
