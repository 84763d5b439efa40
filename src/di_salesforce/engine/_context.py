"""What belongs to a run rather than to the mapping: limits, what the services can, other transfers' links, decisions.

What may not go in here: anything that a declaration says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

import attrs

from di_salesforce.engine._baseline import BaselineLike
from di_salesforce.engine._memory import KeyText, digest
from di_salesforce.records import Side

__all__ = ["BOUNCE_LIMIT", "ERASED", "Claims", "Context", "EngineCapabilities", "Limits"]

ERASED: Final = "erased"
"""The cause of a tombstone of somebody who asked to be forgotten: it never expires."""

BOUNCE_LIMIT: Final = 3
"""Rounds after which a field that two systems keep rewriting is held (ENGINE: law 9)."""


@attrs.frozen
class Limits:
    """How much one plan may write before it is stopped: counts, and shares of what is linked (0.2 is a fifth)."""

    creates: int | None = None
    deletes: int | None = None
    writes: int | None = None
    creates_share: float | None = None
    deletes_share: float | None = 0.2
    writes_share: float | None = None


@attrs.frozen
class EngineCapabilities:
    """What a service can be asked to do; each default is the cautious answer, since Dialog Insight's are not known.

    `writes_key` names the sides on which a linked record's key field may be changed, `deletes` those on which records
    may be deleted.
    """

    writes_key: frozenset[Side] = frozenset({Side.SALESFORCE})
    deletes: frozenset[Side] = frozenset({Side.SALESFORCE})


class Claims(Protocol):
    """Who holds which record, asked record by record: a memory of many links need not be walked for it."""

    def holder(self, record_id: str | None, key: KeyText) -> str | None:
        """Name the transfer that holds a record of Dialog Insight, by its id, or by its key where it has none."""
        ...


@attrs.frozen(repr=False)
class Context:
    """The circumstances of one run.

    Args:
        links: Other transfers' memories by name, for lookups with `references=`.
        claims: Dialog Insight records (by id, or by key text where they have none) that another transfer of the same
            table holds, with that transfer's name; or what can be asked for the holder of one.
        limits: Where a plan is stopped.
        capabilities: What the services can be asked to do.
        quarantine: Per side, how long a write whose answer was lost may still land.
        bounce_limit: After how many rounds a field that both sides keep rewriting is held.
        allow_empty: Sides that may answer with no record at all although some are linked.
        retry_refused: Whether a write that was refused is tried again although nothing of it has changed.
        tombstone_retention: How long at least the memory of a deleted record is kept once no row has its name any more;
            a record that is undeleted later than that is a new one.  That of an erased person is kept for good.
    """

    links: Mapping[str, BaselineLike] = attrs.field(factory=dict[str, BaselineLike])
    claims: Mapping[str, str] | Claims = attrs.field(factory=dict[str, str])
    limits: Limits = Limits()
    capabilities: EngineCapabilities = EngineCapabilities()
    quarantine: Mapping[Side, timedelta] = attrs.field(
        # Salesforce ends a call after ten minutes; for Dialog Insight it is our own client's time-out.
        factory=lambda: {Side.SALESFORCE: timedelta(minutes=10), Side.DIALOG_INSIGHT: timedelta(seconds=60)}
    )
    bounce_limit: int = BOUNCE_LIMIT
    allow_empty: frozenset[Side] = frozenset()
    retry_refused: bool = False
    tombstone_retention: timedelta = timedelta(
        days=30
    )  # twice as long as Salesforce's recycle bin keeps a record [seen]

    def claimant(self, record_id: str | None, key: KeyText) -> str | None:
        """Name the other transfer that holds a record of Dialog Insight, by its id, or by its key where it has none."""
        if isinstance(self.claims, Mapping):
            return self.claims.get(record_id or digest(key))
        return self.claims.holder(record_id, key)

    def __repr__(self) -> str:
        told = f"{len(self.claims)} claims" if isinstance(self.claims, Mapping) else "claims on demand"
        return f"<Context: links of {len(self.links)} transfers, {told}>"
