"""Product files: ``products/<domain>/<name>.sql``, metadata in front, then one SELECT."""

from __future__ import annotations

import logging
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError
from sqlglot import exp

from fabric.errors import FabricError, InvalidConfig
from fabric.materialize import Materialize
from fabric.parse import parameter_count, parse
from fabric.product_types import Quality, Status
from fabric.settings import Seconds, Strict
from fabric.types import Column, Parsed, Product, TableName

log = logging.getLogger("ripstop.products")

# The one in C reads a thousand files in a fifth of the time.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FRONT = re.compile(r"\A\s*/\*---\s*\n(?P<yaml>.*?)\n?\s*---\*/(?P<sql>.*)\Z", re.DOTALL)
_NAME = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:@(?P<major>[1-9][0-9]{0,5}))?")


class ProductColumn(Strict):
    """What a product promises of one of its columns."""

    description: str = ""
    type: str | None = None
    required: bool = False
    unique: bool = False
    tags: tuple[str, ...] = ()


class QualityRule(Strict):
    """A condition that no row may break."""

    name: str
    sql: str


class ProductFront(Strict):
    """The metadata in front of a product's SELECT."""

    owner: str = ""
    description: str = ""
    version: str = Field(default="1.0.0", pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")
    status: Status = "active"
    tags: tuple[str, ...] = ()
    columns: dict[str, ProductColumn] = Field(default_factory=dict)
    quality: tuple[QualityRule, ...] = ()
    on_violation: Literal["mark", "refuse"] = "mark"
    freshness: Seconds | None = None
    materialize: Materialize | None = None
    sunset: date | None = None
    reads_as: Literal["user", "domain"] = "user"


def split(text: str) -> tuple[str | None, str]:
    """The metadata's YAML, None where there is none, and the SELECT of a product file."""
    found = _FRONT.match(text)
    return (found["yaml"], found["sql"].strip()) if found else (None, text.strip())


def name_parts(stem: str) -> tuple[str, int | None]:
    """A product's bare name, and the major version that a file's name says.

    Raises:
        InvalidConfig: it is no name of a product.
    """
    found = _NAME.fullmatch(stem)
    if found is None:
        raise InvalidConfig(
            "a product's name is letters, digits and _, and may end in @ and its major version",
            hint="such as open_claims, or open_claims@2",
        )
    return found["name"], int(found["major"]) if found["major"] else None


def read_product(fabric: str, domain: str, file: Path) -> Product:
    """Read one product file; what is wrong with it is in ``broken``, for the owner.

    Args:
        fabric: the fabric's name, the catalog of every product.
        domain: the domain that owns it: the folder's name.
        file: the ``.sql`` file; its stem is the product's name.
    """
    where = f"products/{domain}/{file.name}"
    try:
        return product_of(fabric, domain, file.stem, file.read_text(encoding="utf-8"), where)
    except (FabricError, OSError, UnicodeDecodeError) as error:
        reason = error.message if isinstance(error, FabricError) else "it cannot be read as UTF-8 text"
        log.warning("product %s.%s is broken: %s", domain, file.stem, reason)
        name = TableName(fabric, domain, file.stem)
        return Product(name=name, domain=domain, sql="", file=where, broken=f"{where}: {reason}")


def product_of(fabric: str, domain: str, stem: str, text: str, where: str) -> Product:
    """The product of a file's text; arguments as for ``read_product``.

    Raises:
        FabricError: it is none.
    """
    _, major = name_parts(stem)
    yaml_text, sql = split(text)
    front = front_of(yaml_text or "")
    if major is not None and not front.version.startswith(f"{major}."):
        raise InvalidConfig(
            f"its name says major version {major}, and its metadata {front.version}",
            hint=f"version: {major}.0.0",
        )
    parsed = parse(sql)
    if parsed.kind != "query" or parameter_count(parsed):
        raise InvalidConfig("a product is one SELECT without parameters")
    return Product(
        name=TableName(fabric, domain, stem),
        domain=domain,
        sql=sql,
        owner=front.owner,
        description=front.description,
        version=front.version,
        status=front.status,
        tags=front.tags,
        columns=tuple(
            Column(
                column, said.type or "", not said.required, said.description, said.tags, unique=said.unique
            )
            for column, said in front.columns.items()
        ),
        file=where,
        reads_as_domain=front.reads_as == "domain",
        reads=names_in(parsed),
        quality=tuple(Quality(rule.name, rule.sql) for rule in front.quality),
        freshness=front.freshness,
        stored=front.materialize.materialization if front.materialize else None,
        sunset=front.sunset,
        refuses=front.on_violation == "refuse",
    )


def names_in(parsed: Parsed) -> tuple[tuple[str, ...], ...]:
    """The names of two or three parts in a statement: those of objects, for a WITH name has one part."""
    tables = parsed.tree.find_all(exp.Table)
    names = (tuple(part.name.lower() for part in table.parts) for table in tables if table.args.get("db"))
    return tuple(dict.fromkeys(names))


def front_of(text: str) -> ProductFront:
    """The metadata that a text says.

    Raises:
        InvalidConfig: it is none.
    """
    try:
        data: Any = yaml.load(text, _LOADER) if text.strip() else {}  # noqa: S506 - a safe one
        return ProductFront.model_validate(data or {})
    except yaml.YAMLError:
        raise InvalidConfig("the metadata is not YAML") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfig(f"{key}: {str(first['msg']).removeprefix('Value error, ')}") from None
