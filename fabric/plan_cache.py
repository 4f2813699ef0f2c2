"""Plans of questions asked before: as long as the rules and the catalog are the same, a plan is made once.

A plan belongs to one principal, one text, one set of parameter values and one session. Nothing is kept whose answer
depends on the moment: DuckDB's optimizer puts ``now()`` into what is pushed. Files are listed anew for every run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import pyarrow as pa

from fabric.catalog import Stamp
from fabric.compose import meaning
from fabric.engine import Probe
from fabric.plan import Plan
from fabric.remembered import depends_on_the_moment
from fabric.resolve import relations
from fabric.stored import StoredTable
from fabric.types import Governed, Kind, Parsed

MOST_PLANS = 2_000
"""Plans that are kept; that of a point lookup takes 16 kB."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question that was judged; what DuckDB makes of it, and then its plan, once they were asked for.

    ``decided`` is the fingerprint of the decisions; ``stamp`` is the catalog's from before it was read.
    """

    parsed: Parsed
    governed: Governed
    decided: str
    parameters: int
    stamp: Stamp
    probe: Probe | None = None
    plan: Plan | None = None

    @property
    def schema(self) -> pa.Schema | None:
        """The columns of the answer."""
        found = self.plan or self.probe
        return None if found is None else found.schema

    @property
    def kind(self) -> Kind:
        """What kind of statement it is."""
        return self.parsed.kind


class PlanCache:
    """The newest ``most`` questions; any thread may ask."""

    def __init__(self, most: int = MOST_PLANS) -> None:
        self._most = most
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, stamp: Stamp, policy_version: str) -> Known | None:
        """What is known of a question, if rules and catalog are still those that it was judged by."""
        with self._lock:
            known = self._known.get(key)
            if known is None:
                return None
            if not known.stamp.holds(stamp) or known.governed.policy_version != policy_version:
                del self._known[key]
                return None
            self._known.move_to_end(key)
            return known

    def put(self, key: str, known: Known) -> Known:
        """Keep what is known of a question, unless its answer depends on the moment; the same."""
        if known.kind == "query" and is_lasting(known.governed):
            with self._lock:
                self._known[key] = known
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
        return known

    def complete(
        self, key: str, known: Known, *, probe: Probe | None = None, plan: Plan | None = None
    ) -> None:
        """Keep what DuckDB makes of it, or its plan, where the question itself is kept."""
        more = replace(known, probe=probe, plan=plan)
        with self._lock:
            if self._known.get(key) is known:
                self._known[key] = more


def is_lasting(governed: Governed) -> bool:
    """Whether the same question has the same answer over the same data at any time.

    Rules hold the instant of the query as a literal, so that their own texts are looked at.
    """
    read = list(relations(governed.resolved, governed.decisions))
    if any(isinstance(each.object, StoredTable) and not each.object.is_snapshot for each in read):
        return False  # a result may expire, or be shared no more
    decided = [governed.decisions[each.id] for each in read]
    rules = [each.text for decision in decided for group in decision.rows for each in group]
    masks = [mask.kind for decision in decided for mask in decision.masks]
    return not any(map(depends_on_the_moment, (meaning(governed), *rules, *masks)))
