"""How the demo company's columns are drawn: words, money, days, and a share of NULLs."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from server.demo import names

Numbers = npt.NDArray[Any]


def spell(name: str) -> str:
    """The name as a mail address spells it."""
    plain = unicodedata.normalize("NFKD", names.SPELLED.get(name, name)).replace("Đ", "D").replace("đ", "d")
    return "".join(c for c in plain.lower() if c.isascii() and c.isalnum())


def by_region(rng: np.random.Generator, region: Numbers, sizes: Sequence[int]) -> Numbers:
    """A draw from each row's own region, as an index into the regions' lists laid end to end."""
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    return cast("Numbers", starts[region] + (rng.random(len(region)) * np.asarray(sizes)[region]).astype(int))


def pick(words: Sequence[str], index: Numbers) -> pa.Array:
    """The words at ``index``."""
    return pa.array(words, pa.string()).take(pa.array(index))


def join(*parts: pa.Array | str) -> pa.Array:
    """The parts of each row, one behind the other; NULL where one is."""
    return pc.binary_join_element_wise(*parts, "")


def drop(rng: np.random.Generator, values: pa.Array, share: float) -> pa.Array:
    """The values, a share of them NULL."""
    return pc.if_else(pa.array(rng.random(len(values)) < share), pa.scalar(None, values.type), values)


def days(values: Numbers) -> pa.Array:
    """Dates."""
    return pa.array(values.astype("datetime64[D]"))


def instants(rng: np.random.Generator, days: Numbers, zone: str | None = None) -> pa.Array:
    """A moment of each day, in microseconds."""
    at = days.astype("datetime64[us]") + rng.integers(0, 86_400_000, len(days)).astype("timedelta64[ms]")
    return pa.array(at, pa.timestamp("us", zone))


def money(values: Numbers, precision: int, mask: Numbers | None = None) -> pa.Array:
    """Amounts as exact decimals with two digits; NULL where ``mask`` holds."""
    return decimal(np.round(values * 100).astype(np.int64), precision, 2, mask)


def decimal(scaled: Numbers, precision: int, scale: int, mask: Numbers | None = None) -> pa.Array:
    """Exact decimals from their integers scaled by ``10**scale``, without a float between."""
    words = np.empty((len(scaled), 2), np.int64)
    words[:, 0] = scaled
    words[:, 1] = np.where(scaled < 0, -1, 0)
    kind = pa.decimal128(precision, scale)
    values = pa.Array.from_buffers(kind, len(scaled), [None, pa.py_buffer(words.tobytes())])
    return values if mask is None else pc.if_else(pa.array(mask), pa.scalar(None, kind), values)
