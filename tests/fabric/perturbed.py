"""What a statement's columns depend on, by trial: change one column's values and see what changes.

``person`` and ``claim`` share ``k`` and ``name``. Every change keeps different values different, so that what
DISTINCT and GROUP BY see as one stays one; statements use value columns in no condition on rows, for conditions
are no origins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from fabric.compose import probe
from fabric.engine import Engine
from fabric.lineage import lineage
from fabric.parse import parse
from fabric.product_types import Lineage
from fabric.resolve import Find, only_now, resolve
from fabric.types import Column, Origin, Product, Resolved, Table, TableName

Row = tuple[object, ...]

TABLES: dict[str, tuple[tuple[Column, ...], list[Row]]] = {
    "person": (
        (
            Column("k", "INTEGER"),
            Column("name", "VARCHAR"),
            Column("mail", "VARCHAR"),
            Column("age", "INTEGER"),
            Column("marks", "INTEGER[]"),
            Column("home", "STRUCT(city VARCHAR, zip INTEGER)"),
        ),
        [
            (k, f"name {10 * k + 3}", f"mail {10 * k}", 20 + 7 * k, [k, 60 - k], {"city": f"c{k}", "zip": k})
            for k in (1, 2, 3, 4, 6)
        ],
    ),
    "claim": (
        (
            Column("k", "INTEGER"),
            Column("name", "VARCHAR"),
            Column("note", "VARCHAR"),
            Column("amt", "INTEGER"),
        ),
        [(k, f"name {90 - n}", f"note {n + 50}", 300 + 11 * n) for n, k in enumerate((2, 2, 3, 4, 5, 7))],
    ),
}


class World:
    """The two tables as a catalog."""

    def body(self, domain: str) -> Find:
        return self.find

    def find(self, parts: tuple[str, ...]) -> Table | Product | None:
        found = TABLES.get(parts[-1].lower())
        return Table(TableName("world", "main", parts[-1].lower()), found[0]) if found else None

    def known(self, parts: tuple[str, ...]) -> Table | Product | None:
        return self.find(parts)

    def candidates(self, name: str) -> list[str]:
        return []

    def at(self, product: Product, snapshot_id: str) -> Product:
        return only_now(product, snapshot_id)


@dataclass(frozen=True)
class Statement:
    """A statement over the two tables, and what is said of its columns."""

    resolved: Resolved
    names: tuple[str, ...]
    lineage: Lineage

    @property
    def origins(self) -> tuple[tuple[Origin, ...], ...]:
        """What its columns are made of."""
        return self.lineage.origins

    @property
    def known(self) -> bool:
        """Whether some column's origins are less than everything."""
        tables = [table_columns(self.resolved, part) for part in range(len(self.resolved.relations))]
        return any(len(one) < sum(len(columns) for columns in tables) for one in self.origins)


def statement(text: str, engine: Engine) -> Statement:
    """Resolve a statement and ask for its origins."""
    resolved = resolve(parse(text), World(), "world", "ana")
    names = probe(resolved, engine).schema.names
    columns = {r.id: table_columns(resolved, part) for part, r in enumerate(resolved.relations)}
    return Statement(resolved, tuple(names), lineage(resolved, columns, len(names), engine))


def table_columns(resolved: Resolved, part: int) -> tuple[Column, ...]:
    """The columns of the table at a position."""
    table = resolved.relations[part].object
    assert isinstance(table, Table)
    return table.columns


# ── changes, none of which makes two values one ──────────────────────────────────────────────


def shifted(value: object) -> object:
    """Another value, in the same order."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, str):
        return f"{value}+"
    if isinstance(value, list):
        return [shifted(item) for item in value]
    return {key: shifted(item) for key, item in value.items()} if isinstance(value, dict) else value


def mirrored(value: object) -> object:
    """Another value, in the opposite order."""
    if isinstance(value, int):
        return 2000 - value
    if isinstance(value, str):
        return "".join(chr(ord("Z") - ord(c) + ord("0")) if c.isdigit() else c for c in value)
    if isinstance(value, list):
        return [mirrored(item) for item in value]
    return {key: mirrored(item) for key, item in value.items()} if isinstance(value, dict) else value


def _all_rows(change: Callable[[object], object]) -> Callable[[list[object]], list[object]]:
    return lambda values: [change(value) for value in values]


CHANGES: dict[str, Callable[[list[object]], list[object]]] = {
    "shifted": _all_rows(shifted),
    "mirrored": _all_rows(mirrored),
    "one is NULL": lambda values: [None if n == 2 else value for n, value in enumerate(values)],
}


# ── trial ────────────────────────────────────────────────────────────────────────────────────


class Trial:
    """Runs one statement over the tables as they are and over changed ones."""

    def __init__(self, one: Statement) -> None:
        self.one = one
        self.text = one.resolved.tree.sql(dialect="duckdb")
        self.connection = duckdb.connect(config={"threads": 1})
        for part in range(len(one.resolved.relations)):
            self._load(part, {})
        self.plain = self._values()

    def close(self) -> None:
        self.connection.close()

    def run(self, changed: dict[tuple[int, str], str]) -> list[Counter[str]]:
        """The values of each column of the result, when the columns that are named are changed as said."""
        for part, _ in changed:
            self._load(part, changed)
        values = self._values()
        for part, _ in changed:
            self._load(part, {})
        return values

    def _values(self) -> list[Counter[str]]:
        rows = self.connection.execute(self.text).fetchall()
        return [Counter(repr(row[n]) for row in rows) for n in range(len(self.one.names))]

    def _load(self, part: int, changed: dict[tuple[int, str], str]) -> None:
        relation = self.one.resolved.relations[part]
        columns, rows = TABLES[relation.name.name]
        vectors = []
        for n, column in enumerate(columns):
            values = [row[n] for row in rows]
            change = changed.get((part, column.name))
            vectors.append(CHANGES[change](values) if change else values)
        declared = ", ".join(f'"{column.name}" {column.type}' for column in columns)
        marks = ", ".join(f"({', '.join('?' for _ in columns)})" for _ in rows)
        self.connection.execute(f'CREATE OR REPLACE TABLE "{relation.id}" ({declared})')
        self.connection.execute(
            f'INSERT INTO "{relation.id}" VALUES {marks}',
            [value for row in zip(*vectors, strict=True) for value in row],
        )

    def missed(self) -> Iterator[str]:
        """Each column of the result that changed with a column which is not among its origins."""
        parts = range(len(self.one.resolved.relations))
        keys = {(part, "k"): "shifted" for part in parts}
        trials = [keys] if keys else []  # all keys at once: joins stay as they are
        for part in parts:
            for column in table_columns(self.one.resolved, part):
                if column.name != "k":
                    trials += [{(part, column.name): change} for change in CHANGES]
        for changed in trials:
            for name, was, made, now in zip(
                self.one.names, self.plain, self.one.origins, self.run(changed), strict=True
            ):
                # Columns that are called so count: what they count is no origin.
                if was != now and not name.startswith("n_"):
                    known = {(origin.part, origin.column) for origin in made}
                    if not known & set(changed):
                        yield f"{name} changed with {changed}, known are {sorted(known)}: {self.text}"

    def not_handed_on(self) -> Iterator[str]:
        """Each column that is said to be handed on and holds a value that no origin has."""
        for name, made, values in zip(self.one.names, self.one.origins, self.plain, strict=True):
            if made and all(origin.direct for origin in made):
                held = {"None"}
                for origin in made:
                    columns, rows = TABLES[self.one.resolved.relations[origin.part].name.name]
                    n = [column.name for column in columns].index(origin.column)
                    held |= {repr(row[n]) for row in rows}
                if not set(values) <= held:
                    yield f"{name} holds {set(values) - held}: {self.text}"
