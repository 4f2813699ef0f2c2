"""Any database with an ADBC driver, by the driver's name and the SQL dialect it speaks.

Only what every SQL database answers alike goes down: the columns, comparisons of integers, IS NULL and
a limit; everything else stays with Ripstop.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from pydantic import Field, SecretStr, field_validator
from sqlglot import Dialect

from connectors.adbc import scan as adbc_scan
from connectors.adbc.catalog import AdbcTable, Listed, listed_tables, made_table, schema_names
from connectors.adbc.conduct import AdbcConduct
from connectors.adbc.sqlite import declared_type
from connectors.relational.pool import Link
from connectors.relational.source import DeclaredTable, RelationalSource
from fabric.errors import InvalidConfig, MissingExtra
from fabric.settings import SourceSettings
from fabric.spi import Step
from fabric.types import Capabilities, Offer, Scan, Table, TableName


class AdbcSettings(SourceSettings):
    """The keys of a source of type ``adbc``."""

    driver: str = Field(description="a Python package such as adbc_driver_sqlite, or a shared library")
    entrypoint: str | None = Field(
        default=None, description="the library's entry point, if not the usual one"
    )
    dialect: str = Field(description="the SQL that the database speaks, by sqlglot's name for it")
    options: dict[str, SecretStr] = Field(
        default_factory=dict, description="the driver's database options; uri and path may be relative files"
    )
    tables: dict[str, DeclaredTable] = Field(
        default_factory=dict, description="by table, or schema.table: tags and descriptions of columns"
    )

    @field_validator("dialect")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in Dialect.classes or not value:
            raise ValueError("is not a dialect of sqlglot, such as sqlite, duckdb, mysql or snowflake")
        return value


class AdbcConnector(RelationalSource):
    """A ``ScanConnector`` for any ADBC driver."""

    Settings: ClassVar[type[SourceSettings]] = AdbcSettings
    extra: ClassVar[str] = "adbc"

    def __init__(self, name: str, settings: SourceSettings, directory: Path) -> None:
        if not isinstance(settings, AdbcSettings):
            raise TypeError("AdbcConnector takes AdbcSettings")
        self._settings = settings
        self._options = {key: _located(key, value, directory) for key, value in settings.options.items()}
        super().__init__(name, settings, settings.tables, AdbcConduct(name, settings.timeout))
        typed = next((c for own in self._declared.values() for c, one in own.items() if one.type), None)
        if typed is not None:
            raise InvalidConfig(
                f"source '{name}': column '{typed}' cannot be declared with a type",
                hint="an ADBC column has the driver's type; keep tags and description only",
            )

    def check(self) -> Iterator[Step]:
        """Connect and list.

        Raises:
            SourceError: at the step that fails.
        """
        self._ask(lambda link: None)
        yield Step("connected", f"by {self._settings.driver}")
        yield Step("listed", f"{len(self.tables())} tables")

    def tables(self) -> Sequence[Table]:
        """Every table and view that the driver lists.

        Raises:
            SourceError: the driver cannot say.
        """
        return self._ask(self._introspect)

    def capabilities(self, table: Table) -> Capabilities:
        """Integer comparisons, IS NULL and LIMIT."""
        return adbc_scan.capabilities(table)

    def offer(self, scan: Scan) -> Offer:
        """The scan as SQL of the source's dialect."""
        return adbc_scan.offer(scan, self._settings.dialect)

    def _introspect(self, link: Link) -> list[AdbcTable]:
        from adbc_driver_manager import GetObjectsDepth

        handle = link.connection.get_objects(GetObjectsDepth.ALL)
        found = listed_tables(pa.RecordBatchReader._import_from_c(handle.address).read_all().to_pylist())
        names = schema_names(found, _current_catalog(link))
        return [self._table(link, table, names[table.path[:2]]) for table in found]

    def _table(self, link: Link, table: Listed, schema: str) -> AdbcTable:
        catalog, inner, name = table.path
        handle = link.connection.get_table_schema(catalog or None, inner or None, name)
        arrow = pa.Schema._import_from_c(handle.address)
        if self._settings.dialect == "sqlite":
            arrow = pa.schema(
                [each.with_type(declared_type(table.natives.get(each.name, ""), each.type)) for each in arrow]
            )
        declared = self._declared.get(f"{schema}.{name}".lower()) or self._declared.get(name.lower()) or {}
        return made_table(TableName(self.name, schema, name), table, arrow, declared)

    def _connect(self) -> Link:
        try:
            import adbc_driver_manager as driver
        except ImportError:
            raise MissingExtra(
                f"source '{self.name}' needs ADBC's driver manager", hint="pip install 'ripstop[adbc]'"
            ) from None
        try:
            with self._first:
                if self._database is None:
                    secrets = {key: value.get_secret_value() for key, value in self._options.items()}
                    if self._settings.entrypoint:
                        secrets["entrypoint"] = self._settings.entrypoint
                    self._database = driver.AdbcDatabase(driver=self._library(), **secrets)
            return Link(driver.AdbcConnection(self._database), {})
        except driver.Error as error:
            raise self._conduct.failed(error, None) from None

    def _library(self) -> str:
        """The driver's shared library: a wheel says where it is, any other name is the manager's to find."""
        if not self._settings.driver.startswith("adbc_driver_"):
            return self._settings.driver
        try:
            package = importlib.import_module(self._settings.driver)
        except ImportError:
            raise MissingExtra(
                f"source '{self.name}' needs the driver {self._settings.driver}",
                hint=f"pip install {self._settings.driver.replace('_', '-')}",
            ) from None
        return str(package._driver_path())


def _located(key: str, value: SecretStr, directory: Path) -> SecretStr:
    """A file's name taken from the project directory; anything with a colon is no plain file's name."""
    text = value.get_secret_value()
    if key not in ("uri", "path") or ":" in text or not text:
        return value
    return SecretStr(str(directory / text))


def _current_catalog(link: Link) -> str:
    try:
        return str(link.connection.get_option("adbc.connection.catalog"))
    except Exception:  # noqa: BLE001  (an option that many drivers do not have)
        return ""
