"""What every store must do, and the records that it keeps besides baselines.

What may not go in here: keeping anything, deciding.  A store keeps what settlements say, in one transaction each, and
gives it back as baselines; it never looks into values.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any, Final, Protocol, Self

import attrs

from di_salesforce.engine import Applied, Baseline, OpenItem, Outcome, Settlement
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.engine._reasons import sentence
from di_salesforce.exceptions import AlreadyRunningError, ForeignStoreError
from di_salesforce.records import UNSET, Side, UnsetType, Value, record_id_18
from di_salesforce.schema import TableSchema
from di_salesforce.stores._journal import Intent, IntentJob

__all__ = ["AppliedWrite", "Lease", "Owner", "RunRecord", "Store", "StoreContents"]


def _projects(projects: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(projects))


@attrs.frozen
class Owner:
    """Whom a store belongs to: one Salesforce org, and the Dialog Insight projects that it was used with."""

    org_id: str
    projects: tuple[int, ...] = attrs.field(converter=_projects)

    def joined(self, other: Owner) -> Owner:
        """Give the owner with another run's projects added; raises `ForeignStoreError` for another org."""
        if other.org_id != self.org_id:
            raise ForeignStoreError(
                f"this store remembers the Salesforce org {self.org_id}, and the client is logged in to "
                f"{other.org_id}: give every org (a sandbox too) a store of its own"
            )
        strangers = sorted(set(other.projects) - set(self.projects))
        if self.projects and strangers and not set(other.projects) & set(self.projects):
            raise ForeignStoreError(
                f"this store remembers the Dialog Insight projects {', '.join(map(str, self.projects))}, and the "
                f"integration is about {', '.join(map(str, strangers))}: give it a store of its own"
            )
        return Owner(self.org_id, tuple({*self.projects, *other.projects}))

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the owner as plain data."""
        return {"org_id": self.org_id, "projects": list(self.projects)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(str(data["org_id"]), tuple(map(int, data["projects"])))


_RUN_FORMAT: Final = 2


@attrs.frozen(repr=False)
class RunRecord:
    """What the history keeps of one run: never values, only what was done.

    A run is recorded as it goes on; one without an end (`finished` is None) was killed, or is still under way.
    """

    run_id: str
    transfers: tuple[str, ...]
    started: datetime
    finished: datetime | None
    plan_digest: str
    ok: bool
    counts: tuple[tuple[str, int], ...] = ()
    cut_short: str = ""
    calls: tuple[tuple[str, int], ...] = ()

    def __repr__(self) -> str:
        return f"<RunRecord {self.run_id} {'ok' if self.ok else 'not ok' if self.finished else 'not finished'}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the record as plain data."""
        return {
            "format": _RUN_FORMAT,
            "run_id": self.run_id,
            "transfers": list(self.transfers),
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat() if self.finished else None,
            "plan_digest": self.plan_digest,
            "ok": self.ok,
            "counts": dict(self.counts),
            "cut_short": self.cut_short,
            "calls": dict(self.calls),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave, in this format or in an older one."""
        if data.get("format", 1) > _RUN_FORMAT:
            raise ValueError(f"a run of format {data['format']}; this version reads up to {_RUN_FORMAT}")
        finished = data["finished"]
        return cls(
            data["run_id"],
            tuple(data["transfers"]),
            datetime.fromisoformat(data["started"]),
            datetime.fromisoformat(finished) if finished else None,
            data["plan_digest"],
            data["ok"],
            tuple(data["counts"].items()),
            data.get("cut_short", ""),  # this and the next are new in format 2
            tuple(data.get("calls", {}).items()),
        )


_APPLIED_FORMAT: Final = 1


@attrs.frozen(repr=False)
class AppliedWrite:
    """One line of a record's history: what a run wrote, from what to what, and by which rule.

    Args:
        run_id: the run that did it.
        applied: the write, with a before-image in each of its changes.
        ids: the ids of the pair's records.
    """

    run_id: str
    applied: Applied
    ids: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the record can be asked for by: its key, and its ids on both sides."""
        ids = (*self.ids, *([self.applied.record_id] if self.applied.record_id else []))
        return tuple(dict.fromkeys((name_of(self.applied.key), *map(record_name, ids))))

    def __str__(self) -> str:
        done = self.applied
        changes = "; ".join(
            f"{change.field}: {'(new)' if change.before is UNSET else repr(change.before)} -> {change.after!r}"
            f" ({sentence(change.rule)})"
            for change in done.changes
        )
        sure = "" if done.sure else " (the answer was lost: perhaps)"
        return f"{done.at:%Y-%m-%d %H:%M} UTC, {done.side.label}, {done.kind}{sure}: {changes}"

    def __repr__(self) -> str:
        return f"<AppliedWrite {self.applied.transfer} {self.applied.kind} {self.applied.side.value}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the line as exact plain data."""
        return {
            "format": _APPLIED_FORMAT,
            "run_id": self.run_id,
            "applied": self.applied.to_dict(),
            "ids": list(self.ids),
        }

    def to_table(self) -> list[dict[str, Value]]:
        """Give flat rows with native values: one for each field that was written."""
        done = self.applied
        about: dict[str, Value] = {
            "at": done.at,
            "run": self.run_id,
            "transfer": done.transfer,
            "kind": done.kind,
            "side": done.side.value,
            "key": " / ".join(map(str, key_parts(done.key))),
            "record": done.record_id,
            "sure": done.sure,
        }
        return [
            {
                **about,
                "field": change.field,
                "before": None if isinstance(change.before, UnsetType) else change.before,
                "after": change.after,
                "why": sentence(change.rule),
            }
            for change in done.changes
        ] or [about]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        if data["format"] > _APPLIED_FORMAT:
            raise ValueError(f"a write of format {data['format']}; this version reads up to {_APPLIED_FORMAT}")
        return cls(data["run_id"], Applied.from_dict(data["applied"]), tuple(data["ids"]))

    @classmethod
    def of(cls, settlement: Settlement, run_id: str) -> list[Self]:
        """Give what a settlement adds to the history of its run."""
        ids = {link.id: (link.salesforce_id, link.dialog_insight_id) for link in settlement.changed_links}
        return [cls(run_id, done, tuple(filter(None, ids.get(done.link, ())))) for done in settlement.applied]


def name_of(key: Key) -> str:
    """Give a key, or an id, as the text under which history is kept: without regard to case and blanks around it."""
    return json.dumps([str(part).strip().casefold() for part in key_parts(key)])


def record_name(record_id: object) -> str:
    """Give a record id as the text under which history is kept; a Salesforce id in either length."""
    text = str(record_id).strip()
    return record_id_18(text) or text


@attrs.frozen
class Lease:
    """Who may write to a store: its holder, since when, and until when if it is not prolonged."""

    holder: str
    since: datetime
    until: datetime

    @staticmethod
    def taken(lease: Lease | None, holder: str, now: datetime, until: datetime) -> Lease:
        """Give the lease once `holder` has taken it or prolonged its own; raises where another's has not run out."""
        if lease is None or lease.holder == holder or lease.until <= now:
            return Lease(holder, lease.since if lease is not None and lease.holder == holder else now, until)
        raise AlreadyRunningError(
            f"another run ({lease.holder}) uses this store since {lease.since.isoformat()}; "
            f"its lease ends at {lease.until.isoformat()}",
            holder=lease.holder,
            since=lease.since.isoformat(),
        )

    @staticmethod
    def check(lease: Lease | None, holder: str | None) -> None:
        """Raise unless `holder` has the lease; None stands for a caller that needs none."""
        if holder is None or (lease is not None and lease.holder == holder):
            return
        raise AlreadyRunningError(
            f"this run's lease has run out, and {lease.holder} took the store over at {lease.since.isoformat()}"
            if lease is not None
            else "this run's lease has run out, and another run has used the store since",
            holder=lease.holder if lease is not None else "",
            since=lease.since.isoformat() if lease is not None else "",
        )

    def to_plain(self) -> list[str]:
        """Give the lease as plain data."""
        return [self.holder, self.since.isoformat(), self.until.isoformat()]

    @classmethod
    def from_plain(cls, data: Any) -> Self:  # plain data of a store
        """Read what `to_plain` gave."""
        holder, since, until = data
        return cls(str(holder), datetime.fromisoformat(since), datetime.fromisoformat(until))


@attrs.frozen
class StoreContents:
    """What is in a store, in numbers: whose it is, what of each kind in all, and of each transfer."""

    owner: Owner | None
    totals: Mapping[str, int]
    transfers: Mapping[str, Mapping[str, int]]


class Store(Protocol):
    """What a synchronizer asks of a store; all calls block, and may come from several threads, one at a time.

    Each call that writes is one transaction: after a crash either all of it is there or none.  With `holder` it is
    refused (`AlreadyRunningError`) unless that holder still has the lease.  Other errors are `StoreError`s.
    """

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        ...

    def owner(self) -> Owner | None:
        """Tell whose store this is; None: nobody's yet."""
        ...

    def transfers(self) -> tuple[str, ...]:
        """Give the names of the transfers that anything is remembered of, sorted."""
        ...

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        ...

    def save(
        self,
        settlement: Settlement,
        run: RunRecord | None = None,
        *,
        settles: Collection[str] = (),
        holder: str | None = None,
    ) -> None:
        """Keep a settlement, of one transfer or of several, and close the intents (by id) that it settles.

        A run that is known already is replaced by what is given; what was written is added to its history.
        """
        ...

    def applied(self, *, run_id: str | None = None, name: str | None = None) -> tuple[AppliedWrite, ...]:
        """Give the writes of a run, or those of a record (by one of `AppliedWrite.names`), oldest first."""
        ...

    def drop_writes(self, before: datetime, *, holder: str | None = None) -> None:
        """Drop what runs wrote that began before a moment; their own lines, which hold no value, stay."""
        ...

    def open_items(self, transfer: str) -> tuple[OpenItem, ...]:
        """Give what is not settled of a transfer, without reading its links."""
        ...

    def get(self, name: str) -> Any:  # JSON-safe data
        """Give a small value of the synchronizer's own; None: there is none."""
        ...

    def put(self, name: str, value: Any) -> None:  # JSON-safe data
        """Keep a small value of the synchronizer's own under a name; None: keep none."""
        ...

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest runs, newest first."""
        ...

    def intend(self, intent: Intent, *, holder: str | None = None) -> None:
        """Record what is about to be written, before it is."""
        ...

    def note(
        self,
        intent_id: str,
        outcomes: Mapping[str, Outcome],
        *,
        jobs: Sequence[IntentJob] = (),
        holder: str | None = None,
    ) -> None:
        """Record what came of writes of an open intent, and jobs made for them, besides what is recorded already."""
        ...

    def intents(self) -> tuple[Intent, ...]:
        """Give the intents that nothing has settled yet, oldest first."""
        ...

    def erase(
        self, *, links: Collection[str], items: Collection[str], names: Collection[str], value: tuple[str, Any]
    ) -> None:  # JSON-safe data
        """Erase links and open items by id, and the history of records by name; keep a small value with it."""
        ...

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        ...

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        ...

    def hint(self, transfer: str, ids: Iterable[str]) -> None:
        """Keep ids of Dialog Insight contacts that the next run is to read again."""
        ...

    def hints(self, transfer: str) -> Mapping[int, str]:
        """Give the ids that were hinted at and not read since, each under its own number."""
        ...

    def heard(self, transfer: str, numbers: Collection[int]) -> None:
        """Drop the hints of these numbers: their contacts were read."""
        ...

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        ...

    def renew(self, holder: str, *, until: datetime) -> None:
        """Prolong the lease that one holds; raises `AlreadyRunningError` where another has taken it over since."""
        ...

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        ...

    def export_to(self, path: str | PathLike[str]) -> None:
        """Write all that is kept, but the lease, into a file that any store can import."""
        ...

    def import_from(self, path: str | PathLike[str]) -> None:
        """Keep all that `export_to` wrote, or nothing; raises `StoreError` unless the store is empty."""
        ...

    def inspect(self) -> StoreContents:
        """Count what is kept, transfer by transfer, without any value."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
