"""Taking back what a run wrote: a plan with its own preconditions, like any other.

What may not go in here: carrying out, reading services.  Each field goes back to its before-image only where it still
holds what the run wrote, which is looked at again before the write; what was edited since stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import attrs

from di_salesforce.engine import BaselineLike, BoundTransfer, Delete, LinkRecord, Plan, Update, mapping_version
from di_salesforce.engine._actions import Change, Write
from di_salesforce.engine._memory import digest
from di_salesforce.engine._part import Part
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import UNSET, Side, UnsetType, Value
from di_salesforce.stores import AppliedWrite
from di_salesforce.synchronizing._planning import transfer_context
from di_salesforce.synchronizing._setup import Setup, memory
from di_salesforce.wire import Flow, work

__all__ = ["plan_undo", "undo"]


def plan_undo(setup: Setup, run_id: str, *, deletes: bool) -> Flow[Plan]:
    """Read what a run wrote, and plan to take it back; the transfers in the contrary order of their writes."""
    done = yield from work("read the history", partial(setup.store.applied, run_id=run_id))
    if not done:
        raise ConfigurationError(f"the history knows no write of a run {run_id!r}: status() and store.runs() name runs")
    plans: list[Plan] = []
    for transfer in reversed(setup.integration.in_order()):
        own = [each for each in done if each.write.transfer == transfer.name]
        if own:
            baseline = yield from work("read the memory", partial(memory, setup.store, transfer.name))
            bound = BoundTransfer.of(transfer, (yield from transfer_context(setup, transfer, baseline, {})))
            plans.append((yield from work("plan", partial(undo, transfer, bound, own, baseline, deletes=deletes))))
    return Plan.joined(plans)


def undo(
    transfer: ObjectTransfer,
    bound: BoundTransfer,
    applied: Iterable[AppliedWrite],
    baseline: BaselineLike,
    *,
    deletes: bool,
) -> Plan:
    """Plan to take back one transfer's writes; the last first, so that a field goes back to where it was at first."""
    links: dict[str, LinkRecord] = {}
    actions: dict[tuple[str, Side], Write] = {}
    for done in reversed(tuple(applied)):
        link = baseline.link(done.write.link or "")
        if link is None:
            continue  # the pair is no longer linked: there is nothing to say about it
        reverse = _reverse(done, deletes=deletes)
        if reverse is None:
            continue
        place = (link.id, done.write.side)
        known = actions.get(place)
        actions[place] = _joined(known, reverse) if known is not None else reverse
        links[link.id] = attrs.evolve(link, rev=link.rev + 1)
    part = Part(
        transfer.name,
        links,
        version=mapping_version(transfer),
        keyed=frozenset(side for side in Side if transfer.id_field(side) is None),
        # What is taken back is known to differ, also where a rewritten value would be adopted.
        lines={name: (*line.fields, line.version, False) for name, line in bound.lines.items()},
        active=transfer.active,
    )
    # Without a time of its own the plan is never taken for fresh: every record is looked at before it is written.
    return Plan(actions=tuple(actions.values()), parts=(part,), now=None, bound={transfer.name: bound})


def _reverse(done: AppliedWrite, *, deletes: bool) -> Write | None:
    """Give the write that takes one back: for a create a delete, if that is asked for; for a delete there is none."""
    write = done.write
    if isinstance(write, Update):
        back = [_back(change) for change in write.changes]
        changes = tuple(change for change in back if change is not None)
        return _write(done, changes, dict(write.address)) if changes else None
    if isinstance(write, Delete) or not deletes:
        return None
    return Delete(
        **_about(done, "delete"),
        reason="update.person",
        side=write.side,
        record_id=done.record_id,
        address=write.address,
        based_on=dict(write.values),
    )


def _back(change: Change) -> Change | None:
    if isinstance(change.before, UnsetType) or not change.line:
        return None
    return Change(change.field, change.after, change.before, "update.person", change.line, change.source)


def _write(done: AppliedWrite, changes: tuple[Change, ...], address: Mapping[str, Value]) -> Update:
    return Update(
        **_about(done, "update"),
        reason="update.person",
        side=done.write.side,
        record_id=done.record_id or done.write.record_id,
        address=address,
        values={change.field: change.after for change in changes},
        based_on={change.field: change.before for change in changes if not isinstance(change.before, UnsetType)},
        changes=changes,
    )


def _about(done: AppliedWrite, kind: str) -> dict[str, Any]:  # members of several types
    write = done.write
    return {
        "id": digest(write.transfer, "undo", kind, done.run_id, write.link or "", write.side.value),
        "transfer": write.transfer,
        "key": write.key,
        "link": write.link,
        "subject": f"link:{write.link}",
        "key_text": write.key_text,
        "salesforce_id": write.salesforce_id,
        "dialog_insight_id": write.dialog_insight_id,
    }


def _joined(later: Write, earlier: Write) -> Write:
    """Join two steps back of one record: what is there now is the later one's, where it goes is the earlier one's."""
    if not (isinstance(later, Update) and isinstance(earlier, Update)):
        return earlier
    now = {change.field: change for change in later.changes}
    changes = {**now, **{change.field: change for change in earlier.changes}}
    joined = tuple(
        attrs.evolve(change, before=now[name].before) if name in now else change for name, change in changes.items()
    )
    return attrs.evolve(
        earlier,
        values={change.field: change.after for change in joined},
        based_on={change.field: change.before for change in joined if change.before is not UNSET},
        changes=joined,
    )
