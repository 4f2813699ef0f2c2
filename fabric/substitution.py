"""A statement answered from the snapshot of a product: only where that is proven to be its answer of the snapshot's moment.

All that the statement reads comes from one snapshot, so that the answer is one that live parts gave at that moment. Considered are
products that the reader may read whole, and chosen is one no older than they accept.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from fabric.block_types import NotRead
from fabric.catalog import Catalog
from fabric.compose import probe
from fabric.confirm import confirm
from fabric.engine import Engine
from fabric.errors import FabricError
from fabric.parse import parameter_count
from fabric.product_types import Considered
from fabric.questions import UTC as UTC_ZONE
from fabric.questions import Question
from fabric.remembered import depends_on_the_moment
from fabric.resolve import relations, resolve_body
from fabric.rewriting import Rewriting, View
from fabric.rollups import Unmatched
from fabric.spi import Binder, Governor, StandIn
from fabric.stored import StoredTable, is_fresh, judged
from fabric.types import Decision, Kind, Parsed, Product, Relation, Resolved, Table

log = logging.getLogger("ripstop.substitution")

_KINDS: tuple[Kind, ...] = ("query", "explain", "explain analyze")


Looks = Callable[[Resolved, Mapping[str, Decision]], StandIn]
"""Looks for what answers a statement from a snapshot, given the decisions on all of it."""


@dataclass(frozen=True, slots=True)
class _Match:
    product: Product
    stored: StoredTable
    resolved: Resolved
    decisions: Mapping[str, Decision]


class Substitution:
    """Looks for a snapshot that answers one question.

    Args:
        catalog: what there is.
        engine: binds what would run over empty relations.
        governor: says what the one who asks may read.
        binder: binds rules, and has the snapshots.
        question: who asks, and how old the answer may be.
    """

    def __init__(
        self, catalog: Catalog, engine: Engine, governor: Governor, binder: Binder, question: Question
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._governor = governor
        self._binder = binder
        self._question = question

    def stand_in(self, resolved: Resolved, decisions: Mapping[str, Decision]) -> StandIn:
        """What answers the statement from a snapshot, and what was considered.

        Args:
            resolved: the statement, its products with their live parts.
            decisions: on all of it.
        """
        found = list(self._matches(resolved, decisions))
        accepted = self._question.max_staleness
        matches = [each for each in found if isinstance(each, _Match)]
        fresh = [m for m in matches if accepted is not None and is_fresh(m.stored, accepted)]
        # A snapshot of groups has fewer rows than one of their rows.
        chosen = min(fresh, key=lambda m: (m.stored.rows or 0, len(m.stored.columns)), default=None)
        considered = tuple(
            self._told(each, chosen, accepted) if isinstance(each, _Match) else each for each in found
        )
        if chosen is None:
            return StandIn(considered=considered)
        return StandIn(chosen.resolved, chosen.decisions, considered)

    def _told(self, match: _Match, chosen: _Match | None, accepted: float | None) -> Considered:
        why = "chosen"
        if match is not chosen:
            why = "it matches, and another is smaller"
            if accepted is None:
                why = "it matches, but max_staleness is not set"
            elif not is_fresh(match.stored, accepted):
                why = "it matches, but is older than max_staleness"
        return Considered(match.product.written, match.stored.as_of, match is chosen, why)

    # ── what matches ────────────────────────────────────────────────────────────────────────

    def _matches(
        self, resolved: Resolved, decisions: Mapping[str, Decision]
    ) -> Iterator[_Match | Considered]:
        tables = _tables(resolved)
        if not tables or depends_on_the_moment(resolved.text):
            return
        for product, stored in self._snapshots():
            if self._stored_tables(stored) != tables or not self._may_read(product):
                continue
            try:
                yield self._match(product, stored, resolved, decisions)
            except (NotRead, Unmatched) as error:
                yield Considered(product.written, stored.as_of, False, error.why)
            except (FabricError, RecursionError) as error:
                log.info("%s does not stand in: %s", product.written, error)
                yield Considered(product.written, stored.as_of, False, "it is not proven to be the same")
            except Exception:  # what is live needs no proof
                log.exception("whether %s stands in is not known", product.written)

    def _snapshots(self) -> Iterator[tuple[Product, StoredTable]]:
        snapshot = self._binder.snapshots()
        products = {id(each): each for each in self._catalog.products.current().values()}
        for product in products.values():
            how = product.stored
            # By a watermark some changes are not seen: whether that matters is for who reads that very product.
            if how is not None and not how.watermark and not product.broken and not product.stopped:
                stored = snapshot(product)
                if stored is not None:
                    yield product, stored

    def _stored_tables(self, stored: StoredTable) -> frozenset[tuple[str, ...]]:
        made_of = (tuple(each["object"]) for each in stored.made_under)
        return frozenset(key for key in made_of if key[0] != self._catalog.fabric.lower())

    def _may_read(self, product: Product) -> bool:
        """Whether the one who asks might read all of a product: else what it says of itself is not theirs."""
        principal = self._question.principal
        if not self._governor.may(principal, "read", product.name):
            return False
        names = self._catalog.names(principal, self._governor)
        if names.known((product.domain, product.name.name)) is None:
            return False
        id, name = f"r_{secrets.token_hex(8)}", product.name
        try:
            named = Relation(id, name, product, principal.user, product.written, self._body(product))
            alone = Resolved(exp.select("*").from_(exp.to_identifier(id, quoted=True)), (named,))
            governed = self._governor.govern(alone, principal, self._binder)
        except FabricError:
            return False
        decision = governed.decisions[named.id]
        return not (decision.rows or decision.masks or decision.hidden)

    def _body(self, product: Product) -> Resolved:
        return resolve_body(product.sql, self._catalog.whole(product.domain), f"domain:{product.domain}")

    def _match(
        self, product: Product, stored: StoredTable, resolved: Resolved, decisions: Mapping[str, Decision]
    ) -> _Match:
        body = self._body(product)
        beneath = list(judged(body))
        if any(isinstance(each.object, StoredTable) for each in beneath):
            raise Unmatched("it rests on a stored result")
        if len(beneath) != len(stored.made_under):
            raise Unmatched("rules on what it is made of read other tables")
        then = dict(zip((each.id for each in beneath), stored.made_under, strict=True))
        if any(
            tuple(ruled["object"]) != each.name.key
            for each, ruled in zip(beneath, then.values(), strict=True)
        ):
            raise Unmatched("it is made of something else now")
        for part in (resolved, body, *(each.body for each in relations(resolved) if each.body is not None)):
            confirm(part.text, self._engine.serialize, {each.id for each in part.relations})
        view = View(product, stored, body, then)
        bound = probe(resolved, self._engine, decisions)
        rewriting = Rewriting(view, decisions, self._binder.shaped)
        made, more = rewriting.statement(resolved, bound.schema.names)
        known = {**decisions, **more}
        confirm(made.text, self._engine.serialize, {each.id for each in made.relations})
        again = probe(made, self._engine, known)
        if (again.schema.names, again.types) != (bound.schema.names, bound.types):
            raise Unmatched("its columns would have other types")
        return _Match(product, stored, made, more)


def _tables(resolved: Resolved) -> frozenset[tuple[str, ...]]:
    """The tables that a statement reads, none where it reads stored data."""
    read = list(relations(resolved))
    if any(isinstance(each.object, StoredTable) or _is_of_then(each) for each in read):
        return frozenset()
    return frozenset(each.name.key for each in read if isinstance(each.object, Table))


def _is_of_then(relation: Relation) -> bool:
    """Whether a product is read as it was: of that there are no live parts."""
    return isinstance(relation.object, Product) and bool(relation.object.at)


def substitution_for(
    catalog: Catalog, engine: Engine, governor: Governor, binder: Binder, question: Question, parsed: Parsed
) -> Looks | None:
    """What looks for a snapshot that answers a question; None where none may, so that nobody need look.

    EXPLAIN looks without ``max_staleness`` too, and says that it is missing.
    """
    explains = parsed.kind in _KINDS[1:]
    if parsed.kind not in _KINDS or (question.max_staleness is None and not explains):
        return None
    if question.session.zone != UTC_ZONE or not catalog.snapshots:
        return None
    if question.parameters is None and parameter_count(parsed):
        return None  # what it will be asked with is not known
    return Substitution(catalog, engine, governor, binder, question).stand_in
