"""Feeds: the ways in which a side is read, each saying what it covers and where to go on.

What may not go in here: deciding what to write, and requests (`_full_reading.py`, `_following.py`, `_reading.py`).
Which feed serves a side follows from what is remembered of it (`_why_full`): what was never read in full, or not for
long, is read in full.  A cursor belongs to a transfer, and is kept with the settlement of the plan that was made from
its rows, never before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from di_salesforce.dialog_insight import WebhookEvent
from di_salesforce.engine import BaselineLike, Coverage, Life, Plan, Snapshot
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import CONTACT_TABLE, Integration, ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Side, record_id_18
from di_salesforce.salesforce import ChangeCursor
from di_salesforce.salesforce import _change_flows as change_flows
from di_salesforce.salesforce._changes import moment_of
from di_salesforce.synchronizing._feed_choice import FeedKind, FeedUsed
from di_salesforce.synchronizing._following import Followed, read_changes
from di_salesforce.synchronizing._full_reading import read_side
from di_salesforce.synchronizing._reading import (
    STAMP,
    both,
    find_by_id,
    find_by_key,
    reads_in_full,
)
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow, work

__all__ = ["Reading", "full_every_side", "hints_of", "observe", "with_cursors"]


# Deleted records can be asked for while they are in the recycle bin, fifteen days [D]: a longer gap needs a full read.
_RECYCLED_FOR: Final = timedelta(days=14)


@attrs.frozen(repr=False)
class Reading:
    """What a feed has read: the rows with what they cover, where it goes on, the hints that it followed, and why it."""

    snapshot: Snapshot
    used: FeedUsed
    cursor: str | None = None
    heard: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<Reading {self.snapshot!r}>"


def observe(
    setup: Setup,
    transfer: ObjectTransfer,
    baseline: BaselineLike,
    now: datetime,
    progress: Progress,
    *,
    keys: Sequence[Key] | None,
    given: Mapping[Side, Snapshot],
) -> Flow[dict[Side, Reading]]:
    """Read both sides at once, each by the feed that serves it now."""
    if keys is not None:
        return (yield from _by_key(setup, transfer, now, keys))
    readings = {
        side: Reading(snapshot, _used(transfer, side, FeedKind.GIVEN, snapshot)) for side, snapshot in given.items()
    }
    flows = {
        side: _feed(setup, transfer, side, baseline, now, progress, given=bool(given))
        for side in Side
        if side not in readings
    }
    return {**readings, **(yield from both(flows))}


def with_cursors(plan: Plan, readings: Mapping[Side, Reading]) -> Plan:
    """Let a plan remember, once it is settled, where its feeds go on and which hints they followed."""
    parts = tuple(
        attrs.evolve(
            part,
            coverages=tuple(
                attrs.evolve(coverage, cursor=readings[coverage.side].cursor)
                if readings[coverage.side].cursor is not None
                else coverage
                for coverage in part.coverages
            ),
        )
        for part in plan.parts
    )
    return attrs.evolve(plan, parts=parts)


def _used(transfer: ObjectTransfer, side: Side, kind: FeedKind, snapshot: Snapshot, why: str = "") -> FeedUsed:
    return FeedUsed(transfer.name, side, kind, snapshot.coverage, len(snapshot.rows), why)


def _feed(
    setup: Setup,
    transfer: ObjectTransfer,
    side: Side,
    baseline: BaselineLike,
    now: datetime,
    progress: Progress,
    *,
    given: bool,
) -> Flow[Reading]:
    """Choose how a side is read, and read it."""
    why = _why_full(setup, transfer, side, baseline, now)
    if side is Side.SALESFORCE:
        cursor = _cursor(baseline)
        if not why and cursor is None:
            why = "no reading left a cursor to go on from"
        if not why and _is_forgotten(baseline, now):
            why = "since the last reading, deleted records may have left the recycle bin"
        if not why and cursor is not None:
            reading = yield from read_changes(setup, transfer, cursor, baseline, progress)
            if isinstance(reading, Followed):
                used = _used(transfer, side, reading.kind, reading.snapshot, reading.why)
                return Reading(reading.snapshot, used, _written(reading.cursor))
            why = reading
        return (yield from _full_salesforce(setup, transfer, now, progress, why))
    if given or not why or not reads_in_full(setup, transfer):
        why = "the other side's rows were given" if given else ""
        if not reads_in_full(setup, transfer):
            why = "whether it gives every row is not known (capability clauseless_get)"
        return (yield from _hinted(setup, transfer, now, why or "it was read in full less than full_every ago"))
    found = yield from read_side(setup, transfer, side, progress, why)
    hints = yield from work("read the hints", lambda: setup.store.hints(transfer.name))
    return Reading(Snapshot.complete(found.rows, as_of=now), found.used, heard=tuple(hints))


def _why_full(setup: Setup, transfer: ObjectTransfer, side: Side, baseline: BaselineLike, now: datetime) -> str:
    """Say why a side must be read in full, or nothing: it never was, not for long, or for other fields or a filter."""
    known = baseline.coverage(side)
    if known is None or known.complete_as_of is None:
        return "it was never read in full"
    scope = transfer.salesforce_filter if side is Side.SALESFORCE else None
    if known.scope != scope:
        return "its filter is another than before"
    if new := sorted({line.field(side) for line in transfer.lines} - set(known.fields)):
        return f"{', '.join(new)} was not read before"
    period = setup.full_every.get(side, timedelta(0))
    if now - known.complete_as_of < period:
        return ""
    return f"the last full read is {period} ago or longer (full_every)" if period else "at every run (full_every)"


# ----------------------------------------------------------------------------------------------- Salesforce


def _cursor(baseline: BaselineLike) -> ChangeCursor | None:
    known = baseline.coverage(Side.SALESFORCE)
    if known is None or known.cursor is None:
        return None
    try:
        return ChangeCursor.from_dict(json.loads(known.cursor))
    except (ConfigurationError, ValueError):
        return None  # of another feed, or of an older release: a full read makes a new one


def _is_forgotten(baseline: BaselineLike, now: datetime) -> bool:
    """Tell whether records may have been deleted since the last reading of which nothing tells any more.

    Not since the cursor: it stands at the latest change, and where nothing changes for weeks it stays there.
    """
    known = baseline.coverage(Side.SALESFORCE)
    return known is None or known.as_of is None or now - known.as_of >= _RECYCLED_FOR


def _written(cursor: ChangeCursor) -> str:
    return json.dumps(cursor.to_dict())


def _full_salesforce(
    setup: Setup, transfer: ObjectTransfer, now: datetime, progress: Progress, why: str
) -> Flow[Reading]:
    """Read all of Salesforce's side; changes are followed from when this began, or from the latest row, if earlier.

    The earlier of the two, since this machine's clock may be ahead of the service's.
    """
    found = yield from read_side(setup, transfer, Side.SALESFORCE, progress, why)
    stamps = [moment_of(row[STAMP]) for row in found.rows if row.get(STAMP)]
    cursor = _written(ChangeCursor(min(max(stamps), now))) if stamps else None
    snapshot = Snapshot.complete(found.rows, scope=transfer.salesforce_filter, as_of=now)
    return Reading(snapshot, found.used, cursor)


def with_evidence(setup: Setup, transfer: ObjectTransfer, snapshot: Snapshot, baseline: BaselineLike) -> Flow[Snapshot]:
    """Add to a full read what became of linked records that it lacks: a merge shows in no row, nor a conversion."""
    known = baseline.coverage(Side.SALESFORCE)
    if snapshot.coverage is not Coverage.COMPLETE or known is None or known.as_of is None or not len(baseline):
        return snapshot
    there = {record_id_18(str(row.get("Id"))) or str(row.get("Id")) for row in snapshot.rows}
    lacks = any(link.life is Life.LIVE and link.salesforce_id not in there for link in baseline.links)
    if not (lacks or transfer.sobject == "Lead"):
        return snapshot
    since = known.as_of - change_flows.OVERLAP
    gone = yield from change_flows.evidence_since(setup.salesforce, SALESFORCE, transfer.sobject, since)
    return attrs.evolve(snapshot, merged=gone.merged, converted=gone.converted)


# ------------------------------------------------------------------------------------------- Dialog Insight


def _hinted(setup: Setup, transfer: ObjectTransfer, now: datetime, why: str) -> Flow[Reading]:
    """Read the records that webhooks named since the last run; what else there is comes up by key."""
    hints = yield from work("read the hints", lambda: setup.store.hints(transfer.name))
    ids = sorted(set(hints.values()))
    rows = yield from find_by_id(setup, transfer, Side.DIALOG_INSIGHT, ids)
    found = {str(row.get("idContact")) for row in rows}
    gone = [record_id for record_id in ids if record_id not in found]  # looked up by its number, and not there
    snapshot = Snapshot.sample(rows, as_of=now, deleted=gone)
    used = _used(transfer, Side.DIALOG_INSIGHT, FeedKind.HINTS, snapshot, why)
    return Reading(snapshot, used, heard=tuple(hints))


def _by_key(setup: Setup, transfer: ObjectTransfer, now: datetime, keys: Sequence[Key]) -> Flow[dict[Side, Reading]]:
    """Read only the records with these keys on both sides: samples, whose silence says nothing."""
    wanted = [key_parts(key) for key in keys]
    parts = len(transfer.key_lines)
    if wrong := [key for key in wanted if len(key) != parts]:
        raise ConfigurationError(f"{len(wrong)} keys do not have {parts} parts, as the key of {transfer.name!r} has")
    rows = yield from both({side: find_by_key(setup, transfer, side, wanted) for side in Side})
    snapshots = {side: Snapshot.sample(rows[side], as_of=now) for side in Side}
    return {
        side: Reading(snapshot, _used(transfer, side, FeedKind.BY_KEY, snapshot))
        for side, snapshot in snapshots.items()
    }


def hints_of(integration: Integration, events: Iterable[WebhookEvent]) -> dict[str, list[str]]:
    """Give the contacts that webhooks name, by transfer; tests and events without a contact say nothing."""
    found: dict[str, list[str]] = {}
    for event in events:
        if event.is_test or event.id_contact is None:
            continue
        for transfer in integration.transfers:
            project = transfer.project
            of_project = project is not None and event.id_project in (None, project.id)
            if of_project and transfer.table == CONTACT_TABLE:
                found.setdefault(transfer.name, []).append(str(event.id_contact))
    return {name: list(dict.fromkeys(ids)) for name, ids in found.items()}


def full_every_side(given: timedelta | Mapping[Side, timedelta]) -> Mapping[Side, timedelta]:
    """Give for each side how often it is read in full."""
    by_side = dict.fromkeys(Side, given) if isinstance(given, timedelta) else dict(given)
    if any(period < timedelta(0) for period in by_side.values()):
        raise ConfigurationError("full_every must not be negative")
    return by_side
