"""Reading both sides of a transfer, and planning with what was read.

What may not go in here: deciding (the engine does), writing, and what is read how (`_feeds.py`).  What the engine still
needs is looked up by id or by key until nothing is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import attrs

from di_salesforce.engine import (
    BaselineLike,
    Context,
    Coverage,
    EngineCapabilities,
    Life,
    Plan,
    Snapshot,
    reconcile,
)
from di_salesforce.engine._actions import Key
from di_salesforce.engine._memory import KeyText
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side
from di_salesforce.synchronizing._erasing import read_erased
from di_salesforce.synchronizing._feed_choice import FeedUsed
from di_salesforce.synchronizing._feeds import observe, with_cursors, with_evidence
from di_salesforce.synchronizing._reading import both, look_up
from di_salesforce.synchronizing._setup import Setup, memory
from di_salesforce.wire import Flow, time_now, work

__all__ = ["Planned", "look_up_needs", "plan_transfer", "transfer_context"]


@attrs.frozen(repr=False)
class Planned:
    """A plan of one transfer, the hints that were followed for it, and how its sides were read."""

    plan: Plan
    heard: tuple[int, ...] = ()
    used: tuple[FeedUsed, ...] = ()


def plan_transfer(
    setup: Setup,
    transfer: ObjectTransfer,
    *,
    progress: Progress,
    keys: Sequence[Key] | None = None,
    links: Mapping[str, BaselineLike] | None = None,
    given: Mapping[Side, Snapshot] | None = None,
) -> Flow[Planned]:
    """Read both sides, ask the memory, and plan.

    `keys` narrows it, `links` stand for other transfers' memories, `given` for what would be read.
    """
    now = yield from time_now()
    baseline = yield from work("read the memory", partial(memory, setup.store, transfer.name))
    readings = yield from observe(setup, transfer, baseline, now, progress, keys=keys, given=given or {})
    erased = yield from read_erased(setup.store)
    snapshots = {
        side: attrs.evolve(reading.snapshot, rows=erased.left(transfer, side, reading.snapshot.rows))
        for side, reading in readings.items()
    }
    whole = any(snapshot.coverage is Coverage.COMPLETE for snapshot in snapshots.values())
    if whole:
        # Every link is looked at: all of them are read at once.
        baseline = yield from work("read the memory", lambda: setup.store.baseline(transfer.name))
    snapshots[Side.SALESFORCE] = yield from with_evidence(setup, transfer, snapshots[Side.SALESFORCE], baseline)
    context = yield from transfer_context(setup, transfer, baseline, links or {}, whole=whole)
    # As local work, since it may ask the store, and takes its time: an event loop is not kept waiting.
    plan = yield from work(
        "plan",
        lambda: reconcile(
            transfer,
            salesforce=snapshots[Side.SALESFORCE],
            dialog_insight=snapshots[Side.DIALOG_INSIGHT],
            baseline=baseline,
            now=now,
            context=context,
        ),
    )
    plan = yield from look_up_needs(setup, transfer, plan, progress)
    used = tuple(readings[side].used for side in Side)
    return Planned(with_cursors(plan, readings), readings[Side.DIALOG_INSIGHT].heard, used)


@attrs.frozen(repr=False)
class HeldByOthers:
    """Who holds which record of a table that several transfers share: looked up in their memories, one at a time."""

    memories: Mapping[str, BaselineLike]

    def holder(self, record_id: str | None, key: KeyText) -> str | None:
        """Name the transfer with a living link of a record, by its id, or by its key where it has none."""
        for name, known in self.memories.items():
            link = (
                known.find_key(Side.DIALOG_INSIGHT, key)
                if record_id is None
                else known.find(Side.DIALOG_INSIGHT, record_id)
            )
            if link is not None and link.life is Life.LIVE:
                return name
        return None


def look_up_needs(setup: Setup, transfer: ObjectTransfer, plan: Plan, progress: Progress) -> Flow[Plan]:
    """Look up what a plan asks for until it asks for nothing more."""
    erased = yield from read_erased(setup.store)
    for _ in range(setup.lookups_at_most):
        if not plan.needs:
            break
        progress(f"look up {transfer.name}", 0, len(plan.needs))
        found = yield from both({side: look_up(setup, transfer, side, plan.needs[side]) for side in Side})
        progress(f"look up {transfer.name}", len(plan.needs), len(plan.needs))
        found = {side: erased.left(transfer, side, rows) for side, rows in found.items()}
        plan = yield from work("plan", partial(_supplied, plan, found))
    return plan


def _supplied(plan: Plan, found: Mapping[Side, tuple[Row, ...]]) -> Plan:
    return plan.supplied(salesforce=found[Side.SALESFORCE], dialog_insight=found[Side.DIALOG_INSIGHT])


def transfer_context(
    setup: Setup,
    transfer: ObjectTransfer,
    baseline: BaselineLike,
    given: Mapping[str, BaselineLike],
    *,
    whole: bool = False,
) -> Flow[Context]:
    """Gather what other transfers know: the links that lookups are translated through, and who claims which record.

    `whole` says that a side was read in full: then claims are asked of so many records that a store is read at once.
    """
    links: dict[str, BaselineLike] = {}
    sharing: dict[str, BaselineLike] = {}
    referred = {*(line.references for line in transfer.lines), transfer.converted_from} - {None}
    place = setup.place(transfer, Side.DIALOG_INSIGHT)
    for other in setup.integration.transfers:
        shares_table = other.name != transfer.name and setup.place(other, Side.DIALOG_INSIGHT) == place
        if other.name not in referred and not shares_table:
            continue
        name = other.name
        remembered = setup.store.baseline if whole and shares_table else partial(memory, setup.store)
        known = baseline if name == transfer.name else (yield from work("read the memory", partial(remembered, name)))
        if name in referred:
            links[name] = given.get(name, known)
        if shares_table:
            sharing[name] = known
    capabilities = setup.settings(transfer).capabilities
    context = Context(
        limits=setup.limits,
        links=links,
        claims=HeldByOthers(sharing),
        capabilities=EngineCapabilities(
            writes_key=frozenset(Side) if capabilities.writes_key else frozenset({Side.SALESFORCE}),
            deletes=frozenset(Side) if capabilities.delete else frozenset({Side.SALESFORCE}),
        ),
    )
    return context if setup.quarantine is None else attrs.evolve(context, quarantine=setup.quarantine)
