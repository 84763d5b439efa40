"""How things stand, out of the store alone: the last runs, what waits, what failed; nothing is asked of a service.

What may not go in here: planning, writing to a service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs

from di_salesforce._listing import Listing
from di_salesforce.engine import OpenItem, Plan, ReportLine, Settlement, SyncReport
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.engine._reasons import sentence
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Side, Value, to_plain
from di_salesforce.stores import RunRecord, Store
from di_salesforce.synchronizing._advice import advice
from di_salesforce.synchronizing._feed_choice import FeedUsed
from di_salesforce.wire import Flow, time_now, work

__all__ = ["FailedRow", "Status", "failed", "ignore", "note_feeds", "requeue", "status", "without_exhausted"]

_FEEDS: Final = "feeds:"  # how the name of the store's value begins that tells how a transfer was last read
_IGNORED: Final = "ignored"  # the name of the store's value that holds ids of ignored items


@attrs.frozen(repr=False)
class FailedRow:
    """A record that a service refused, or that cannot be synchronised as it is; `set_aside`: it is not tried again."""

    id: str
    transfer: str
    key: Key
    side: Side | None
    code: str
    message: str
    advice: str
    count: int
    since: datetime
    set_aside: bool
    ignored: bool

    def __repr__(self) -> str:
        return f"<FailedRow {self.transfer} {self.code} x{self.count}>"

    def __str__(self) -> str:
        key = " / ".join(map(str, key_parts(self.key)))
        times = f"{self.count} times" if self.count > 1 else "once"
        return (
            f"{self.transfer}: {key}: {self.code}: {self.message} ({times} since {self.since:%Y-%m-%d}): {self.advice}"
        )

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the row as plain data."""
        return {
            "id": self.id,
            "transfer": self.transfer,
            "key": [to_plain(part) for part in key_parts(self.key)],
            "side": self.side.value if self.side else None,
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "count": self.count,
            "since": self.since.isoformat(),
            "set_aside": self.set_aside,
            "ignored": self.ignored,
        }

    def to_table(self) -> list[dict[str, Value]]:
        """Give the row as one flat row with native values."""
        return [{**self.to_dict(), "key": " / ".join(map(str, key_parts(self.key))), "since": self.since}]


@attrs.frozen(repr=False)
class Status:
    """How a synchronisation stands, for a health page.

    Args:
        now: when this was asked.
        last_run: the latest run, good or not; one without an end was killed, or is under way.
        last_good: the latest run in which nothing was refused, in doubt, left untried or cut short.
        lag: the time since the last good run began; None: there was none.
        held: conflicts that wait for a person, by transfer.
        set_aside: records that a service refused and that are not tried until they change, by transfer.
        in_doubt: writes whose answer was lost, by transfer.
        waiting: what else waits: writes not tried, parents not linked, rejects.
        unfinished: pieces of a killed run (or of one under way) that are not settled yet.
        feeds: how each side was last read in a run, what that covers and why, by transfer.
    """

    now: datetime
    last_run: RunRecord | None
    last_good: RunRecord | None
    lag: timedelta | None
    held: Mapping[str, int]
    set_aside: Mapping[str, int]
    in_doubt: Mapping[str, int]
    waiting: Mapping[str, int]
    unfinished: int
    feeds: Mapping[str, tuple[FeedUsed, ...]] = attrs.field(factory=dict[str, tuple[FeedUsed, ...]])

    def __repr__(self) -> str:
        return f"<Status: last good run {self.last_good.run_id if self.last_good else 'never'}>"

    def __str__(self) -> str:
        good = f"{self.last_good.started:%Y-%m-%d %H:%M} UTC, {_words(self.lag)} ago" if self.last_good else "never"
        counts = {"held": self.held, "set aside": self.set_aside, "in doubt": self.in_doubt, "waiting": self.waiting}
        told = ", ".join(f"{sum(count.values()):,} {name}" for name, count in counts.items())
        return f"Last good run: {good}.  {told}."

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the status as plain data, for a health page."""
        return {
            "now": self.now.isoformat(),
            "last_run": self.last_run.to_dict() if self.last_run else None,
            "last_good": self.last_good.to_dict() if self.last_good else None,
            "lag_seconds": self.lag.total_seconds() if self.lag is not None else None,
            "held": dict(self.held),
            "set_aside": dict(self.set_aside),
            "in_doubt": dict(self.in_doubt),
            "waiting": dict(self.waiting),
            "unfinished": self.unfinished,
            "feeds": {name: [used.to_dict() for used in feeds] for name, feeds in self.feeds.items()},
        }


def _words(lag: timedelta | None) -> str:
    return str(timedelta(seconds=round(lag.total_seconds()))) if lag is not None else "?"


def status(store: Store, transfers: Sequence[ObjectTransfer], depth: int = 500) -> Flow[Status]:
    """Gather how things stand; the last good run is looked for among the latest `depth`."""
    now = yield from time_now()
    runs = yield from work("read the history", partial(store.runs, depth))
    last_good = next((run for run in runs if run.ok), None)
    feeds: dict[str, tuple[FeedUsed, ...]] = {}
    counted: dict[str, Counter[str]] = {name: Counter() for name in ("held", "set_aside", "in_doubt", "waiting")}
    for transfer in transfers:
        for item in (yield from work("read what waits", partial(store.open_items, transfer.name))):
            counted[_kind(item)][transfer.name] += 1
        feeds[transfer.name] = yield from _last_feeds(store, transfer.name)
    unfinished = yield from work("look for unfinished writes", store.intents)
    return Status(
        now,
        runs[0] if runs else None,
        last_good,
        now - last_good.started if last_good is not None else None,
        **{name: dict(counts) for name, counts in counted.items()},
        unfinished=len(unfinished),
        feeds={name: used for name, used in feeds.items() if used},
    )


def note_feeds(store: Store, used: Sequence[FeedUsed]) -> Flow[None]:
    """Keep how the sides of one transfer were read, for a health page to tell."""
    for transfer in {each.transfer for each in used}:
        value = [each.to_dict() for each in used if each.transfer == transfer]
        yield from work("remember", partial(store.put, f"{_FEEDS}{transfer}", value))


def _last_feeds(store: Store, transfer: str) -> Flow[tuple[FeedUsed, ...]]:
    kept: list[dict[str, Any]] | None = yield from work("read how it was read", partial(store.get, _FEEDS + transfer))
    return tuple(map(FeedUsed.from_dict, kept or []))


def _kind(item: OpenItem) -> str:
    if item.reason.startswith("conflict."):
        return "held"
    return {"outcome.refused": "set_aside", "outcome.unknown": "in_doubt"}.get(item.reason, "waiting")


# ------------------------------------------------------------------------------------------------------- failed rows


def _ignored(store: Store) -> Flow[set[str]]:
    """Read the ids of the items that a person ignores."""
    kept: list[str] | None = yield from work("read what is ignored", partial(store.get, _IGNORED))
    return set(kept or [])


def _has_failed(item: OpenItem) -> bool:
    return item.reason == "outcome.refused" or item.reason.startswith(("key.", "value."))


def failed(store: Store, transfers: Sequence[ObjectTransfer]) -> Flow[Listing[FailedRow]]:
    """List what failed, each with its code, what to do, and how often it was tried."""
    ignored = yield from _ignored(store)
    found: list[FailedRow] = []
    for transfer in transfers:
        for item in (yield from work("read what waits", partial(store.open_items, transfer.name))):
            if _has_failed(item):
                code, _, message = item.detail.partition(": ") if item.detail else (item.reason, "", "")
                key = item.key[0] if len(item.key) == 1 else item.key
                found.append(
                    FailedRow(
                        item.id,
                        transfer.name,
                        key,
                        item.side,
                        code,
                        message or sentence(item.reason),
                        advice(code),
                        item.count,
                        item.since,
                        set_aside=item.reason == "outcome.refused",
                        ignored=item.id in ignored,
                    )
                )
    return Listing(sorted(found, key=lambda row: (row.transfer, row.code, row.id)))


def requeue(store: Store, transfers: Sequence[ObjectTransfer], ids: Collection[str]) -> Flow[int]:
    """Let refused writes be tried by the next run although nothing of them changed, and ignored ones be told again."""
    items = yield from _items(store, transfers, ids)
    again = [
        attrs.evolve(item, reason="outcome.not_tried", fingerprint="", count=0)
        for item in items
        if item.reason == "outcome.refused"
    ]
    settlement = Settlement(SyncReport(), open_items=tuple(again))
    yield from work("remember", partial(store.save, settlement))
    ignored = yield from _ignored(store)
    yield from work("remember", partial(store.put, _IGNORED, sorted(ignored - {item.id for item in items}) or None))
    return len(items)


def ignore(store: Store, transfers: Sequence[ObjectTransfer], ids: Collection[str]) -> Flow[int]:
    """Leave failed records alone, whatever changes, until they are requeued."""
    items = yield from _items(store, transfers, ids)
    ignored = yield from _ignored(store)
    yield from work("remember", partial(store.put, _IGNORED, sorted(ignored | {item.id for item in items})))
    return len(items)


def _items(store: Store, transfers: Sequence[ObjectTransfer], ids: Collection[str]) -> Flow[list[OpenItem]]:
    wanted, found = set(ids), dict[str, OpenItem]()
    for transfer in transfers:
        for item in (yield from work("read what waits", partial(store.open_items, transfer.name))):
            if item.id in wanted:
                found[item.id] = item
    if missing := sorted(wanted - found.keys()):
        raise ConfigurationError(f"{len(missing)} of these ids name nothing that failed: take them from failed()")
    return list(found.values())


def without_exhausted(store: Store, plan: Plan, most_tries: int) -> Flow[tuple[Plan, list[ReportLine]]]:
    """Leave out writes of records that were refused as often as is allowed, or that a person ignores."""
    ignored = yield from _ignored(store)
    gone: dict[str, list[ReportLine]] = {}
    for part in plan.parts:
        subjects = {
            item.subject
            for item in part.items
            if item.id in ignored or (item.reason == "outcome.refused" and item.count >= most_tries)
        }
        for action in plan.writes:
            if action.subject in subjects and action.transfer == part.transfer:
                gone.setdefault(action.id, []).append(
                    ReportLine(action.transfer, action.key, "skip", action.side, "refused.unchanged", "")
                )
    lines = [line for each in gone.values() for line in each]
    return (plan.forgetting(gone) if gone else plan), lines
