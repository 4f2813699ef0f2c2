"""``materialize:`` in a product's metadata: how it is stored, and when anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError
from pydantic import field_validator, model_validator

from fabric.product_types import ON_CHANGE, Materialization
from fabric.settings import Seconds, Strict

_MOST_KEPT = 1_000
_EVERY_SECONDS = 60.0


class Materialize(Strict):
    """When a product is stored anew, in UTC, which of its snapshots stay, and whether only changed rows are asked."""

    refresh: str
    every: Seconds | None = None
    keep: int | Seconds = 2
    watermark: str = ""
    key: str | tuple[str, ...] = ()
    full: str = ""

    @field_validator("refresh", "full")
    @classmethod
    def _cron(cls, said: str) -> str:
        said = " ".join(said.split())
        if said in ("", ON_CHANGE):
            return said
        try:
            CronSim(said, datetime.now(UTC))
        except CronSimError:
            raise ValueError(f"it is '{ON_CHANGE}', or written as for cron, such as */15 * * * *") from None
        return said

    @field_validator("keep")
    @classmethod
    def _some(cls, keep: float) -> float:
        if isinstance(keep, int) and not 1 <= keep <= _MOST_KEPT:
            raise ValueError(
                f"so many snapshots are kept: 1 to {_MOST_KEPT}; or those of a time, such as 30d"
            )
        return keep

    @model_validator(mode="after")
    def _together(self) -> Materialize:
        if not self.refresh:
            raise ValueError(f"refresh is '{ON_CHANGE}', or written as for cron, such as */15 * * * *")
        if self.every is not None and self.refresh != ON_CHANGE:
            raise ValueError(f"every goes with refresh: {ON_CHANGE}")
        if self.key and not self.watermark:
            raise ValueError("key goes with watermark: the column that moves with every change of a row")
        if self.full and (not self.key or self.full == ON_CHANGE):
            raise ValueError("full says by cron when a product with watermark and key is stored whole")
        return self

    @property
    def materialization(self) -> Materialization:
        """The same for those who store."""
        return Materialization(
            refresh=self.refresh,
            every=self.every or _EVERY_SECONDS,
            keep=self.keep if isinstance(self.keep, int) else timedelta(seconds=self.keep),
            watermark=self.watermark,
            key=(self.key,) if isinstance(self.key, str) else tuple(self.key),
            full=self.full,
        )
