"""Following what changed in Salesforce since a cursor, by the feed that the settings name.

What may not go in here: whether changes are followed at all (`_feeds.py`), and the calls (`salesforce`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from di_salesforce.engine import BaselineLike, Life, Snapshot
from di_salesforce.exceptions import InvalidRequestError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.salesforce import ChangeCursor, Changes, Soql, select
from di_salesforce.salesforce import _change_flows as change_flows
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.salesforce._replication_flows import replicated_since
from di_salesforce.synchronizing._feed_choice import FeedKind
from di_salesforce.synchronizing._parents import parents_of
from di_salesforce.synchronizing._reading import fields_of
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow, work

__all__ = ["Followed", "read_changes"]


@attrs.frozen(repr=False)
class Followed:
    """What changed, where to go on, by which feed it was read and why by no other."""

    snapshot: Snapshot
    cursor: ChangeCursor
    kind: FeedKind
    why: str = ""


@attrs.frozen(repr=False)
class _Found:
    """What a feed gave, and the records that it named although they do not meet the transfer's filter."""

    changes: Changes
    outside: frozenset[str]
    kind: FeedKind
    why: str = ""


def read_changes(
    setup: Setup, transfer: ObjectTransfer, cursor: ChangeCursor, baseline: BaselineLike, progress: Progress
) -> Flow[Followed | str]:
    """Read what changed since the cursor; a sentence where only a full read can tell what happened.

    A linked record that changed and no longer meets the filter has left the scope, which a full read shows.
    """
    phase = f"read changes of {transfer.name} from {Side.SALESFORCE.label}"
    progress(phase, 0, 0)
    where = [Soql.trusted(transfer.salesforce_filter)] if transfer.salesforce_filter else []
    found = yield from _changed(setup, transfer, cursor, where)
    changes, outside = found.changes, found.outside
    if outside and (yield from work("read the memory", lambda: any(_is_live(baseline, each) for each in outside))):
        return "a linked record changed and does not meet the filter any more"
    rows: dict[str, Row] = {str(row["Id"]): row for row in changes.rows}
    for row in (yield from _of_moved_parents(setup, transfer, _parents_since(cursor, baseline), where)):
        rows.setdefault(str(row["Id"]), row)
    progress(phase, len(rows), len(rows))
    snapshot = Snapshot.changes(
        rows.values(),
        as_of=changes.as_of,
        deleted=changes.deleted,
        merged=changes.merged,
        converted=changes.converted,
    )
    return Followed(snapshot, changes.cursor, found.kind, found.why)


def _changed(setup: Setup, transfer: ObjectTransfer, cursor: ChangeCursor, where: Sequence[Soql]) -> Flow[_Found]:
    """Read what changed, and the ids of all that changed: a filter hides what does not meet it any more."""
    found = yield from _by_the_feed_asked_for(setup, transfer, cursor, where)
    if not where:
        return found
    every = yield from change_flows.changed_since(setup.salesforce, SALESFORCE, transfer.sobject, ["Id"], cursor)
    named = found.outside | {str(row["Id"]) for row in every.rows}
    return attrs.evolve(found, outside=named - {str(row["Id"]) for row in found.changes.rows})


def _by_the_feed_asked_for(
    setup: Setup, transfer: ObjectTransfer, cursor: ChangeCursor, where: Sequence[Soql]
) -> Flow[_Found]:
    reading = setup.salesforce, SALESFORCE, transfer.sobject, fields_of(transfer)
    if setup.feeds.changes == "replication":
        # With the overlap of the other feed: the cursor may be a full read's, which nobody has called complete.
        since = cursor.back(change_flows.OVERLAP)
        try:
            told = yield from replicated_since(*reading, since, where=where)
        except InvalidRequestError as error:
            changes = yield from change_flows.changed_since(*reading, cursor, where=where)
            return _Found(changes, frozenset(), FeedKind.MODIFIED, f"replication was asked for ({error})")
        outside = told.named - {str(row["Id"]) for row in told.changes.rows} if where else frozenset[str]()
        return _Found(told.changes, outside, FeedKind.REPLICATION)
    changes = yield from change_flows.changed_since(*reading, cursor, where=where)
    return _Found(changes, frozenset(), FeedKind.MODIFIED)


def _is_live(baseline: BaselineLike, record_id: str) -> bool:
    link = baseline.find(Side.SALESFORCE, record_id_18(record_id) or record_id)
    return link is not None and link.life is Life.LIVE


# Two clocks that are further apart than this would let nobody log in: certificates and tokens last for less.
_MOST_SKEW: Final = timedelta(days=1)


def _parents_since(cursor: ChangeCursor, baseline: BaselineLike) -> datetime:
    """Give the moment since which parents are looked at: the last reading, which may be long after the last change."""
    known = baseline.coverage(Side.SALESFORCE)
    start = cursor.back(change_flows.OVERLAP).moment
    return start if known is None or known.as_of is None else max(start, known.as_of - _MOST_SKEW)


def _of_moved_parents(
    setup: Setup, transfer: ObjectTransfer, since: datetime, where: Sequence[Soql]
) -> Flow[Iterable[Row]]:
    """Read the records whose parents changed: a parent's field, or a formula over it, moves without a new stamp."""
    found: dict[str, Row] = {}
    for lookup, parent in parents_of(transfer, setup.schemas.salesforce.get(transfer.name)):
        query = select(parent, ["Id"], where=[ChangeCursor(since).condition()])
        moved = yield from salesforce_flows.query_rows(setup.salesforce, SALESFORCE, query)
        if moved:
            rows = yield from salesforce_flows.query_by_key(
                setup.salesforce,
                SALESFORCE,
                transfer.sobject,
                fields_of(transfer),
                key=lookup,
                values=[row["Id"] for row in moved],
                where=where,
            )
            found |= {str(row["Id"]): row for row in rows}
    return found.values()
