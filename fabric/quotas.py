"""Quotas: how much one statement may use, whose rule says so, and the error when it uses more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fabric.config_model import QUOTAS, LimitSettings
from fabric.discretion import Discretion
from fabric.errors import LimitError, ResultTooLarge, Timeout
from fabric.limits import Allowance, size_text
from fabric.resolve import relations
from fabric.stored import asked
from fabric.types import Governed, Product, Relation

_ON_SOURCES = ("source_bytes", "source_requests")


@dataclass(frozen=True, slots=True)
class Quota:
    """One bound.

    ``subject`` is whose: ``default``, ``role:x``, ``product:d.x`` or ``source:x``; empty where the user may not know of it.
    ``source``: only what that source does counts.
    """

    key: str
    most: float
    subject: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What a statement has used so far; ``sources`` has bytes and requests by the source's name in lower case."""

    seconds: float = 0.0
    rows: int = 0
    result_bytes: int = 0
    sources: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of(self, key: str, source: str = "") -> float:
        """How much of one quota; of the sources, of one of them or of all."""
        if key not in _ON_SOURCES:
            return float(getattr(self, key))
        position = _ON_SOURCES.index(key)
        return sum(each[position] for name, each in self.sources.items() if source in ("", name))


@dataclass(frozen=True, slots=True)
class Quotas:
    """Every bound on one statement.

    ``tells``: whether what its sources did may be told to its user; it is not where rows or columns are hidden from them.
    """

    bounds: tuple[Quota, ...] = ()
    tells: Callable[[], bool] = lambda: True

    def require(self, used: Used) -> None:
        """Refuse what is beyond a bound.

        Raises:
            LimitError: the first one that is; it names the rule and how much was used.
        """
        for bound in self.bounds:
            amount = used.of(bound.key, bound.source)
            if amount > bound.most:
                raise self._breach(bound, amount)

    def told(self, used: Used, *, whole: bool) -> dict[str, float]:
        """What was used, as far as its user may know, or all of it."""
        return {key: used.of(key) for key in QUOTAS if key not in _ON_SOURCES or whole or self.tells()}

    def _breach(self, bound: Quota, amount: float) -> LimitError:
        kind, text, hint = _TOLD[bound.key]
        if not bound.subject:
            return kind(f"{text.format('it may')}: a part of it has a limit of its own", hint=hint)
        said = f"limits.{bound.subject}.{bound.key}"
        if bound.key not in _ON_SOURCES or self.tells():
            said += f"; used so far: {_amount(bound.key, amount)}"
        return kind(f"{text.format(_amount(bound.key, bound.most))} ({said})", hint=hint)


_NARROW = "narrow it with WHERE or LIMIT, or aggregate it"
_LESS = "narrow it so that less is read: EXPLAIN shows what each source is asked"
_TOLD: Mapping[str, tuple[type[LimitError], str, str]] = {
    "seconds": (Timeout, "the query ran longer than {}", "narrow it, or ask for a higher limit"),
    "rows": (ResultTooLarge, "the result has more than {}", _NARROW),
    "result_bytes": (ResultTooLarge, "the result is larger than {}", _NARROW),
    "source_bytes": (LimitError, "the query read more than {} of its sources", _LESS),
    "source_requests": (LimitError, "the query sent its sources more than {}", _LESS),
}


def quotas_of(allowed: Allowance, governed: Governed, discretion: Discretion) -> Quotas:
    """The bounds on a statement: its user's, and those of every product and source that it reads.

    Args:
        allowed: what applies to the user.
        governed: the statement.
        discretion: what its user may be told of each part.
    """
    read = list(relations(asked(governed), governed.decisions))
    bounds = list(_bounds(allowed.limits, lambda key: allowed.given_by.get(key, "default")))
    if allowed.objects:
        for relation in read:
            bounds += _of_relation(relation, allowed.objects, discretion)
    return Quotas(tuple(dict.fromkeys(bounds)), lambda: all(map(discretion.shows_source, read)))


def _of_relation(
    relation: Relation, objects: Mapping[str, LimitSettings], discretion: Discretion
) -> Iterator[Quota]:
    found = relation.object
    is_product = isinstance(found, Product)
    subject = f"product:{found.domain}.{found.bare}" if is_product else f"source:{relation.name.catalog}"  # type: ignore[union-attr]
    limits = objects.get(subject.lower())
    if limits is None:
        return
    source = "" if is_product else relation.name.catalog.lower()
    shown = subject if discretion.shows(relation) else ""
    yield from _bounds(limits, lambda key: shown, source)


def _bounds(limits: LimitSettings, subject: Callable[[str], str], source: str = "") -> Iterator[Quota]:
    for key in QUOTAS:
        most = getattr(limits, key)
        if most is not None:
            yield Quota(key, most, subject(key), source if key in _ON_SOURCES else "")


def _amount(key: str, amount: float) -> str:
    if key == "seconds":
        return f"{amount:.4g} seconds"
    if key.endswith("_bytes"):
        return size_text(int(amount))
    return f"{int(amount):,} {'rows' if key == 'rows' else 'requests'}"
