"""A table that lies in files: which files a scan opens, and the SQL in which DuckDB reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from fabric.engine import Engine
from fabric.errors import SchemaChanged
from fabric.file_errors import blame
from fabric.file_shapes import (
    FileShape,
    FileShapes,
    hive_types,
    hive_values,
    look,
    merge,
    name,
    option_texts,
    text,
)
from fabric.filesystem import FileSystem
from fabric.footers import Footer, outermost
from fabric.listings import Listings
from fabric.predicates import (
    COMPARE,
    AllOf,
    AnyOf,
    ColumnComparison,
    Comparison,
    Membership,
    NullTest,
    Predicate,
    Value,
    columns_of,
)
from fabric.spi import FileConnector, ScanContext
from fabric.types import Column, ColumnStatistics, FileLayout, FileStat, Table

_READERS = {"parquet": "read_parquet", "csv": "read_csv", "json": "read_json"}
_BYTES_A_VALUE = {"parquet": 4, "csv": 8, "json": 20}
_SHOWN_FILES = 5


@dataclass(frozen=True, slots=True)
class FileScan:
    """The files of one scan, grouped by shape; ``listed`` counts them before pruning.

    ``estimated`` is the table with what its files tell of its rows; ``footers`` are those of Parquet files, as far as known, by path.
    """

    source: str
    table: Table
    layout: FileLayout
    groups: tuple[tuple[FileShape, tuple[FileStat, ...]], ...]
    listed: int
    pruned_by: tuple[Predicate, ...] = field(default=())
    estimated: Table | None = field(default=None, compare=False)
    footers: Mapping[str, Footer] = field(default_factory=dict, compare=False)

    @property
    def files(self) -> tuple[FileStat, ...]:
        """The files that will be opened."""
        return tuple(file for _, files in self.groups for file in files)

    @property
    def told(self) -> str:
        """How many files of how many, and the first of them by name."""
        files = self.files
        names = ", ".join(file.path for file in files[:_SHOWN_FILES])
        more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
        return f"{len(files)} of {self.listed}: {names}{more}"

    def sql(self, paths: Mapping[str, str]) -> str:
        """The SELECT that reads the files as the table's columns, in order; DuckDB reads only what it needs.

        Args:
            paths: ``ripstop://`` path by file path.
        """
        if not self.groups:
            columns = ", ".join(f"NULL::{c.type} AS {name(c.name)}" for c in self.table.columns)
            return f"SELECT {columns} WHERE false"
        return " UNION ALL ".join(
            self._group(shape, [paths[file.path] for file in files]) for shape, files in self.groups
        )

    def _group(self, shape: FileShape, paths: Sequence[str]) -> str:
        own = {column.lower(): (column, kind) for column, kind in shape.columns}
        keys = hive_types(self.layout, self.files)
        typed = self.layout.format != "parquet"
        parts = []
        for column in self.table.columns:
            key = column.name.lower()
            if key in keys:
                parts.append(f"{name(key)}::{column.type} AS {name(column.name)}")
            elif key not in own:
                parts.append(f"NULL::{column.type} AS {name(column.name)}")
            elif typed or own[key][1] == column.type:
                parts.append(f"{name(own[key][0])} AS {name(column.name)}")
            else:
                parts.append(f"CAST({name(own[key][0])} AS {column.type}) AS {name(column.name)}")
        return f"SELECT {', '.join(parts)} FROM {self._call(shape, paths, keys)}"

    def _call(self, shape: FileShape, paths: Sequence[str], keys: Mapping[str, tuple[str, str]]) -> str:
        arguments = [f"[{', '.join(text(path) for path in paths)}]"]
        arguments += [f"{option}={value}" for option, value in shape.options]
        if self.layout.format != "parquet":
            kinds = {column.name.lower(): column.type for column in self.table.columns}
            typed = ", ".join(f"{text(own)}: {text(kinds[own.lower()])}" for own, _ in shape.columns)
            arguments.append(f"columns={{{typed}}}")
        if self.layout.format == "csv":
            arguments.append("auto_detect=false")
        if keys:
            hive = ", ".join(f"{text(key)}: {text(kind)}" for key, (_, kind) in keys.items())
            arguments += ["hive_partitioning=true", "hive_types_autocast=false", f"hive_types={{{hive}}}"]
        else:
            arguments.append("hive_partitioning=false")
        return f"{_READERS[self.layout.format]}({', '.join(arguments)})"


class FileTables:
    """Looks into the files of tables and plans scans of them.

    Args:
        engine: reads through ``filesystem``.
        filesystem: where files are mounted while they are looked into.
    """

    def __init__(self, engine: Engine, filesystem: FileSystem) -> None:
        self._engine = engine
        self._filesystem = filesystem
        self._shapes = FileShapes()

    def columns(self, connector: FileConnector, table: Table) -> tuple[Column, ...]:
        """The schema over all of a table's files as they are now.

        Raises:
            SourceError: the files cannot be listed or read, or do not fit together.
            InvalidConfig: a reader option is not one.
        """
        layout = _layout(table)
        files = connector.files(layout)
        return merge(connector.name, layout, files, self._look(connector, table, files))

    def scan(
        self,
        connector: FileConnector,
        table: Table,
        predicates: Sequence[Predicate],
        listings: Listings | None = None,
    ) -> FileScan:
        """The files that a scan of the table opens: all that the predicates on hive keys leave.

        Args:
            connector: of the table's source.
            table: what is scanned.
            predicates: what the rows must meet.
            listings: what is listed already.

        Raises:
            SchemaChanged: the files' schema is no longer ``table.columns``.
        """
        layout = _layout(table)
        listed = (listings or Listings()).of(connector, layout)
        shapes = self._look(connector, table, listed)
        if merge(connector.name, layout, listed, shapes) != table.columns:
            raise SchemaChanged(
                connector.name,
                f"the files of table '{table.name.name}' have other columns now",
                hint="run the query again",
            )
        keys = hive_types(layout, listed)
        pruning = tuple(p for p in predicates if _columns(p) <= set(keys))
        groups: dict[FileShape, list[FileStat]] = {}
        kept: list[tuple[FileStat, FileShape]] = []
        for file, shape in zip(listed, shapes, strict=True):
            values = {
                key: _typed(v, keys[key][1]) for key, v in hive_values(file.path).items() if key in keys
            }
            if shape.columns and all(_holds(predicate, values) for predicate in pruning):
                groups.setdefault(shape, []).append(file)
                kept.append((file, shape))
        return FileScan(
            source=connector.name,
            table=table,
            layout=layout,
            groups=tuple((shape, tuple(files)) for shape, files in groups.items()),
            listed=len(listed),
            pruned_by=pruning,
            estimated=_estimated(table, layout, kept),
            footers={file.path: shape.footer for file, shape in kept if shape.footer is not None},
        )

    def _look(self, connector: FileConnector, table: Table, files: Sequence[FileStat]) -> list[FileShape]:
        layout = _layout(table)
        options = option_texts(layout, connector.name, table.name.name)
        keys = [(connector.name, table.name.name, file.path, file.validator) for file in files]
        unseen = [(key, file) for key, file in zip(keys, files, strict=True) if self._shapes.get(key) is None]
        empty = [key for key, file in unseen if file.size == 0]
        unseen = [(key, file) for key, file in unseen if file.size > 0]
        for key in empty:
            self._shapes.put(key, FileShape(()))
        if unseen:
            shapes = self._look_into(connector, layout, options, [file for _, file in unseen])
            for (key, _), shape in zip(unseen, shapes, strict=True):
                self._shapes.put(key, shape)
        return [self._shapes.get(key) or FileShape(()) for key in keys]

    def _look_into(
        self,
        connector: FileConnector,
        layout: FileLayout,
        options: tuple[tuple[str, str], ...],
        files: Sequence[FileStat],
    ) -> list[FileShape]:
        mount = self._filesystem.mount(connector, files, ScanContext())
        try:
            return look(
                lambda sql: self._engine.rows(sql, lambda said: blame(said, mount, alone=True)),
                layout,
                options,
                mount.paths,
            )
        finally:
            self._filesystem.unmount(mount)


def _estimated(table: Table, layout: FileLayout, kept: Sequence[tuple[FileStat, FileShape]]) -> Table:
    """The table with the rows and the bounds that its files' footers, or else their sizes, tell of."""
    guess = max(1, len(table.columns)) * _BYTES_A_VALUE[layout.format]
    rows = sum(shape.footer.rows if shape.footer else file.size // guess for file, shape in kept)
    known: dict[str, list[str]] = {}
    for _, shape in kept:
        for column, ends in shape.footer.ends.items() if shape.footer else ():
            known.setdefault(column, []).extend(ends)
    statistics = {column: ColumnStatistics(bounds=outermost(texts)) for column, texts in known.items()}
    return replace(table, rows=rows, statistics=statistics)


def _layout(table: Table) -> FileLayout:
    if table.layout is None:
        raise TypeError(f"{table.name} does not lie in files")
    return table.layout


def _columns(predicate: Predicate) -> set[str]:
    if isinstance(predicate, AllOf | AnyOf):
        return set().union(*(_columns(part) for part in predicate.parts))
    return {column.lower() for column in columns_of(predicate)}


def _typed(value: str | None, kind: str) -> Value | None:
    if value is None:
        return None
    if kind == "BIGINT":
        return int(value)
    if kind == "DATE":
        return date.fromisoformat(value)
    return value


def _holds(predicate: Predicate, values: Mapping[str, Value | None]) -> bool:
    """Whether rows of a partition may pass; anything that is not surely false may."""
    if isinstance(predicate, AllOf):
        return all(_holds(part, values) for part in predicate.parts)
    if isinstance(predicate, AnyOf):
        return any(_holds(part, values) for part in predicate.parts)
    if isinstance(predicate, ColumnComparison):
        return True
    key = predicate.column.lower()
    if key not in values:
        return True
    value = values[key]
    if isinstance(predicate, NullTest):
        return (value is None) != predicate.negated
    if value is None:
        return False
    if isinstance(predicate, Comparison):
        if type(value) is not type(predicate.value):
            return True
        return COMPARE[predicate.op](value, predicate.value)
    if isinstance(predicate, Membership):
        if any(type(v) is not type(value) for v in predicate.values):
            return True
        return (value in predicate.values) != predicate.negated
    return True
