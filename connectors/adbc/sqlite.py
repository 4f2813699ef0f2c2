"""SQLite gives types to values, and its ADBC driver guesses a column's type from the first rows.

A text column that begins with NULLs would come as integers, and fail at its first text. So each column
gets the type of its declaration (https://www.sqlite.org/datatype3.html, section 3.1), and each query
begins with a row that holds a value of every type, marked so that it can be dropped.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

_SAMPLES: dict[pa.DataType, exp.Expr] = {
    pa.int64(): exp.Literal.number("0"),
    pa.float64(): exp.Literal.number("0.0"),
    pa.string(): exp.Literal.string(""),
    pa.binary(): exp.HexString(this=""),
}


def declared_type(native: str, guessed: pa.DataType) -> pa.DataType:
    """The type that SQLite's rules of affinity give to a declaration; without one, the driver's guess."""
    upper = native.upper()
    if "INT" in upper or "BOOL" in upper:
        return pa.int64()
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT", "DATE", "TIME")):
        return pa.string()
    if "BLOB" in upper:
        return pa.binary()
    if any(word in upper for word in ("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL")):
        return pa.float64()
    return guessed


def sampled(query: exp.Select, types: tuple[pa.DataType, ...]) -> exp.Expr:
    """``query`` behind one row of sample values; the first column is 1 in that row and 0 in the others."""
    sample = exp.select(exp.Literal.number(1), *(_SAMPLES[kind].copy() for kind in types))
    rest = exp.select(exp.Literal.number(0), exp.Star()).from_(query.subquery("rest"))
    return exp.union(sample, rest, distinct=False)


def without_sample(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows and columns of the query itself."""
    kept = batch.filter(pc.equal(batch.column(0), 0))
    return kept.select(range(1, batch.num_columns))
