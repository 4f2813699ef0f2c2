"""CREATE VIEW, DROP VIEW and COMMENT ON: a statement becomes a change of a product's file.

Whoever may ``publish`` a product may define it. What it reads is judged as its domain, whose rights it will read
with. For everybody else a product that is there and one that is not answer alike, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from fabric import contract, impact
from fabric.catalog import Catalog
from fabric.catalog_names import known_to
from fabric.domains import DomainPrincipal
from fabric.engine import Engine
from fabric.errors import (
    AccessDenied,
    ContractBroken,
    FabricError,
    InvalidValue,
    NotFound,
    NotSupported,
    StateUnavailable,
)
from fabric.front_matter import file_text, front_text, with_value
from fabric.journal import Journal
from fabric.naming import unknown_object
from fabric.parse import parameter_count, parse
from fabric.product_graph import beneath, told
from fabric.product_shape import shaped
from fabric.product_types import UNPUBLISHED
from fabric.products import name_parts, product_of, split
from fabric.resolve import Find, only_now, relations, resolve
from fabric.rules import RuleBinder
from fabric.spi import Governor
from fabric.types import Definition, Parsed, Principal, Product, StoredTable, Table, TableName

DONE = pa.schema([pa.field("product", pa.string()), pa.field("state", pa.string())])
"""What a definition answers with, in one row: JDBC's driver runs a statement without columns twice, as an update and
then as a query (18.3).
"""


_UNASKED = "; whose queries name it cannot be told at the moment"


@dataclass(frozen=True, slots=True)
class Defining:
    """A change that may be made: new texts by file, None to remove it, and the texts that it was judged by.

    ``product`` is its name as it was written, ``state`` what becomes of it.
    """

    product: str
    state: str
    files: Mapping[Path, str | None] = field(default_factory=dict)
    before: Mapping[Path, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Target:
    """Which product is meant: ``name`` as it was written, ``product`` when it is there."""

    domain: str
    name: str
    written: str
    product: Product | None

    @property
    def file(self) -> Path:
        """Its file, below ``products``."""
        stem = Path(self.product.file).name if self.product else f"{self.name}.sql"
        return Path(self.domain) / stem


@dataclass(frozen=True, slots=True)
class _DomainNames:
    """What stands in a body: the names that its domain may know of."""

    find: Find
    body: Callable[[str], Find]
    governor: Governor
    domain: DomainPrincipal

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        found = self.find(parts)
        if found is None or isinstance(found, StoredTable):
            return found  # what it was made of is judged where it is governed
        return found if known_to(self.governor, self.domain, found) else None

    def candidates(self, name: str) -> list[str]:
        return []

    def at(self, product: Product, snapshot_id: str) -> Product:
        return only_now(product, snapshot_id)


class Definitions:
    """What defines products.

    Args:
        catalog: what there is.
        governor: says who may, and what a domain may read.
        engine: binds a SELECT.
        journal: knows who asked for what; absent, nobody did.
    """

    def __init__(self, catalog: Catalog, governor: Governor, engine: Engine, journal: Journal | None) -> None:
        self._catalog = catalog
        self._files = catalog.products
        self._governor = governor
        self._engine = engine
        self._journal = journal
        self._binder = RuleBinder(catalog, engine)

    def judge(self, parsed: Parsed, principal: Principal, schema: str | None) -> Defining:
        """Whether the principal may do it, and what it would change; nothing is done.

        Raises:
            NotFound: a place that is not there, or where the principal may not write, and what that place does not hold.
            AccessDenied: a product that they may know of and not define.
            ContractBroken: it breaks what was promised, or a standard.
            FabricError: the SELECT does not bind, or reads what its domain may not.
        """
        definition = parsed.defines
        assert definition is not None  # noqa: S101 - a statement of this kind has one
        try:
            target = self._target(definition, principal, schema)
        except NotFound:
            if definition.action == "drop" and definition.lenient:
                return Defining(".".join(definition.name), "unchanged")
            raise
        if definition.action == "create":
            return self._create(definition, parsed, target, principal)
        if target.product is None:
            if definition.action == "drop" and definition.lenient:
                return Defining(target.written, "unchanged")
            raise unknown_object(target.written)
        if definition.action == "drop":
            return self._drop(target, target.product, principal)
        return self._comment(definition, target, target.product, principal)

    def do(self, defining: Defining) -> pa.Table:
        """Do it.

        Raises:
            InvalidValue: somebody else has changed the product meanwhile.
            NotSupported: the project's files cannot be written.
        """
        try:
            with self._files.changing():
                if {file: self._text(file) for file in defining.before} != defining.before:
                    raise InvalidValue(
                        "the product was changed meanwhile", hint="run it again", retryable=True
                    )
                for file, text in defining.files.items():
                    self._files.write(file, text)
        except OSError as error:
            raise NotSupported(
                f"the project's files cannot be written ({error.strerror or 'disk'})",
                hint="whoever runs this fabric can let it write below products/",
            ) from None
        row = {"product": defining.product, "state": defining.state}
        return pa.Table.from_pylist([row], schema=DONE)

    # ── which product ───────────────────────────────────────────────────────────────────────

    def _target(self, definition: Definition, principal: Principal, schema: str | None) -> _Target:
        written = ".".join(definition.name)
        *front, name = definition.name
        if not front and schema:
            front = [schema]
        if len(front) == 2 and front[0].lower() == self._catalog.fabric.lower():
            front = front[1:]
        domain = self._files.domains.get(front[0].lower()) if len(front) == 1 else None
        product = self._files.find(domain.lower(), name.lower()) if domain else None
        place = TableName(self._catalog.fabric, domain or "", name)
        if domain is not None and self._governor.may(principal, "publish", place):
            return _Target(domain, name, written, product)
        if product is not None and known_to(self._governor, principal, product):
            raise AccessDenied(f"'{written}': not allowed; ask {self._governor.owner(product)}")
        if definition.action == "create":
            raise NotFound(
                "there is no such place that you may write to",
                hint="write a domain of yours in front: domain.name",
            )
        raise unknown_object(written)

    # ── CREATE VIEW ─────────────────────────────────────────────────────────────────────────

    def _create(
        self, definition: Definition, parsed: Parsed, target: _Target, principal: Principal
    ) -> Defining:
        try:
            _, major = name_parts(target.name)
        except FabricError as error:
            raise InvalidValue(error.message, hint=error.hint) from None
        before = self._text(target.file)
        # The file may be newer than what is known of it.
        if not definition.lenient and (target.product is not None or before is not None):
            raise InvalidValue(
                f"'{target.written}' is there already", hint="CREATE OR REPLACE VIEW changes it"
            )
        if parameter_count(parsed):
            raise InvalidValue("a product takes no parameters", hint="write their values into the SELECT")
        if before is None:
            front: str | None = front_text(
                {
                    "owner": principal.user,
                    "description": definition.comment or "",
                    "version": f"{major or 1}.0.0",
                    "status": "active",
                }
            )
        else:
            front = split(before)[0]
            if definition.comment is not None:
                front = with_value(front or "", ("description",), definition.comment)
        text = file_text(front, definition.sql)
        product = self.judged(target.domain, target.file, text, principal)
        files: dict[Path, str | None] = {target.file: text}
        if product.status not in UNPUBLISHED:
            files[Path(target.domain) / contract.file_of(product)] = contract.written(
                contract.promised_by(product, datetime.now(UTC).date().isoformat()), product
            )
        state = "created" if before is None else "replaced"
        return Defining(target.written, state, files, {target.file: before})

    def judged(self, domain: str, file: Path, text: str, principal: Principal | None) -> Product:
        """The shaped product that a file would hold, judged as its domain.

        Args:
            domain: as its owner spells it.
            file: below ``products``.
            text: of the file.
            principal: who is told of whom it would hit; None may know all.

        Raises:
            FabricError: it may not be published so.
        """
        made = product_of(self._catalog.fabric, domain, file.stem, text, f"products/{file}")
        products = self._files.imagined(self._files.folder / file, made)
        candidate = next(each for each in products.values() if each.file == made.file)
        if candidate.broken:
            raise InvalidValue(candidate.broken, hint="each major version has one file")

        find = self._catalog.within(domain, products)
        _, circle = beneath(candidate, find)
        if circle:
            raise NotSupported(f"a product cannot rest on itself: {told(circle, domain)}")
        self._judge_body(candidate, find, products)
        shape = shaped(candidate, find, self._engine, promises=False)
        if shape.broken:
            raise InvalidValue(shape.broken, hint="DESCRIBE shows the columns of what it reads")
        self._judge_contract(candidate, shape, principal)
        return shape

    def _judge_body(
        self, candidate: Product, find: Find, products: Mapping[tuple[str, str], Product]
    ) -> None:
        """Refuse what its domain may not read, or not combine."""
        reader = f"domain:{candidate.domain}"
        domain = DomainPrincipal(reader)
        names = _DomainNames(find, lambda of: self._catalog.within(of, products), self._governor, domain)
        resolved = resolve(parse(candidate.sql), names, None, reader)
        if any(
            relation.name.catalog == self._catalog.fabric and isinstance(relation.object, Table)
            for relation in relations(resolved)
        ):
            raise NotSupported("a product reads no table of the fabric's own")
        self._governor.govern(resolved, domain, self._binder)

    def _judge_contract(self, candidate: Product, shape: Product, principal: Principal | None) -> None:
        wrong = contract.amiss(candidate.columns, shape.columns, self._engine.type_named)
        if wrong:
            raise ContractBroken(wrong)
        if candidate.status in UNPUBLISHED:
            return
        promised = candidate.promised
        breaking = [c for c in contract.changes(promised, shape.columns) if c.breaking] if promised else []
        if promised is not None and breaking:
            said = "; ".join(contract.told(change) for change in breaking)
            hit = self.hits(candidate, [change.column for change in breaking if change.column], principal)
            raise ContractBroken(
                f"{candidate.written} breaks what version {promised.version} promised: {said}"
                + (f" ({hit})" if hit else ""),
                hint=f'a breaking change is a new major version: {candidate.domain}."{candidate.bare}@{candidate.major + 1}"',
            )
        breaches = self._governor.breaches(shape, self._binder)
        if breaches:
            raise ContractBroken("; ".join(breaches))

    def hits(self, product: Product, columns: Sequence[str], principal: Principal | None) -> str:
        """Whom a change would hit, as far as the principal may know; None may know all.

        Others' queries are told to those who administer the product.
        """
        readers = impact.downstream(product, self._files.current().values(), self._catalog.find)
        known = [each for each in readers if principal is None or known_to(self._governor, principal, each)]
        found: list[impact.Use] = []
        told = principal is None or self._governor.administers(principal, product.name)
        if told and self._journal is not None:
            try:
                queries = self._journal.queries(None)
            except StateUnavailable:
                return impact.told([each.written for each in known], found) + _UNASKED
            found = impact.uses(product, known, columns, queries, self._catalog.find)
        return impact.told([each.written for each in known], found)

    # ── DROP VIEW, COMMENT ON ───────────────────────────────────────────────────────────────

    def _drop(self, target: _Target, product: Product, principal: Principal) -> Defining:
        readers = impact.downstream(product, self._files.current().values(), self._catalog.find)
        if readers:
            known = [each.written for each in readers if known_to(self._governor, principal, each)]
            raise ContractBroken(
                f"'{target.written}' is read by {', '.join(known) or 'products of other domains'}",
                hint="change or drop those first, or say status: retired in its file",
            )
        promise = Path(target.domain) / contract.file_of(product)
        before = {target.file: self._text(target.file)}
        return Defining(target.written, "dropped", {target.file: None, promise: None}, before)

    def _comment(
        self, definition: Definition, target: _Target, product: Product, principal: Principal
    ) -> Defining:
        path: tuple[str, ...] = ("description",)
        if definition.column:
            shape = self._catalog.shaped(product)
            column = shape.column(definition.column) or product.column(definition.column)
            hidden = self._governor.view(principal, shape).hidden
            if column is None or column.name.lower() in hidden:
                raise NotFound(
                    f"there is no column '{definition.column}' in '{target.written}'",
                    hint="DESCRIBE shows the columns that it has",
                )
            path = ("columns", column.name, "description")
        before = self._text(target.file)
        if before is None:
            raise unknown_object(target.written)
        front, sql = split(before)
        changed = file_text(with_value(front or "", path, definition.comment or ""), sql)
        product_of(self._catalog.fabric, target.domain, target.file.stem, changed, product.file)
        return Defining(target.written, "commented", {target.file: changed}, {target.file: before})

    def _text(self, file: Path) -> str | None:
        try:
            return (self._files.folder / file).read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise NotSupported(
                "the product's file cannot be read", hint="whoever runs this fabric can see why"
            ) from None
