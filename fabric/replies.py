"""What the line answers with: a running query, or something with the same face."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from fabric.engine import Probe
from fabric.errors import FabricError
from fabric.execute import Answer
from fabric.kept_answer import KeptAnswer
from fabric.types import Kind, ScanReceipt

DESCRIBE_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("column_name", "column_type", "null")])
EXPLAIN_SCHEMA = pa.schema([pa.field("plan", pa.string())])
SCHEMAS: Mapping[Kind, pa.Schema] = {
    "explain": EXPLAIN_SCHEMA,
    "explain analyze": EXPLAIN_SCHEMA,
    "describe": DESCRIBE_SCHEMA,
}
"""Of statements that answer the same columns whatever they are about."""


class Prepared:
    """An answer that is already there (EXPLAIN, DESCRIBE); the same face as a running one."""

    def __init__(self, table: pa.Table) -> None:
        self.query_id = ""
        self.schema = table.schema
        self._table = table

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        yield from self._table.to_batches()

    def cancel(self, reason: FabricError | None = None) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Analysis:
    """EXPLAIN ANALYZE: the query runs when its lines are asked for, and can be cancelled meanwhile."""

    schema = EXPLAIN_SCHEMA

    def __init__(self, answer: Answer, explained: Callable[[Sequence[ScanReceipt]], list[str]]) -> None:
        self.query_id = answer.query_id
        self._answer = answer
        self._explained = explained

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Run the query, drop its rows, and say what was done.

        Raises:
            FabricError: whatever ended the query.
        """
        for _ in self._answer.batches():
            pass
        yield from plan_lines(self._explained(self._answer.receipts())).to_batches()

    def cancel(self, reason: FabricError | None = None) -> None:
        """Stop the query."""
        self._answer.cancel(reason)

    def close(self) -> None:
        """Give everything back."""
        self._answer.close()

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def described_columns(probe: Probe) -> Prepared:
    """The columns of a statement as DESCRIBE answers with them."""
    names = (probe.schema.names, [str(kind) for kind in probe.types], ["YES"] * len(probe.types))
    return Prepared(
        pa.Table.from_arrays([pa.array(each, pa.string()) for each in names], schema=DESCRIBE_SCHEMA)
    )


def plan_lines(lines: list[str]) -> pa.Table:
    """The lines of an EXPLAIN as its one column."""
    return pa.Table.from_pydict({"plan": lines}, schema=EXPLAIN_SCHEMA)


Reply = Answer | KeptAnswer | Prepared | Analysis
