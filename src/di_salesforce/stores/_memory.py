"""A store in memory, and what every store must do.

What may not go in here: deciding.  A store keeps what settlements say, in one transaction each, and gives it back as
baselines; it never looks into values.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

import attrs

from di_salesforce.engine import Baseline, Settlement
from di_salesforce.exceptions import AlreadyRunningError, ForeignStoreError
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema

__all__ = ["MemoryStore", "Owner", "RunRecord", "Store"]


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


@attrs.frozen(repr=False)
class RunRecord:
    """What the history keeps of one application of a plan: never values, only what was done."""

    run_id: str
    transfers: tuple[str, ...]
    started: datetime
    finished: datetime
    plan_digest: str
    ok: bool
    counts: tuple[tuple[str, int], ...] = ()

    def __repr__(self) -> str:
        return f"<RunRecord {self.run_id} {'ok' if self.ok else 'not ok'}>"

    def to_dict(self) -> dict[str, Any]:  # JSON-safe data
        """Give the record as plain data."""
        return {
            "run_id": self.run_id,
            "transfers": list(self.transfers),
            "started": self.started.isoformat(),
            "finished": self.finished.isoformat(),
            "plan_digest": self.plan_digest,
            "ok": self.ok,
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:  # plain data of a store
        """Read what `to_dict` gave."""
        return cls(
            data["run_id"],
            tuple(data["transfers"]),
            datetime.fromisoformat(data["started"]),
            datetime.fromisoformat(data["finished"]),
            data["plan_digest"],
            data["ok"],
            tuple(data["counts"].items()),
        )


class Store(Protocol):
    """What a synchronizer asks of a store; all calls block, and may come from several threads, one at a time.

    `save` is one transaction: after a crash either all of it is there or none.  Errors are `StoreError`s.
    """

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        ...

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        ...

    def save(self, settlement: Settlement, run: RunRecord | None = None) -> None:
        """Keep a settlement, of one transfer or of several, in one transaction."""
        ...

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest applications of plans, newest first."""
        ...

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        ...

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        ...

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        ...

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class MemoryStore:
    """A store that forgets when the process ends: for tests, notebooks and first looks.

    Example:
        >>> with MemoryStore() as store:
        ...     store.baseline("contacts")
        <Baseline: 0 links, 0 open items>
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner: Owner | None = None
        self._baselines: dict[str, Baseline] = {}
        self._runs: list[RunRecord] = []
        self._schemas: dict[str, dict[Side, TableSchema]] = {}
        self._lease: tuple[str, datetime, datetime] | None = None

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        with self._lock:
            joined = owner if self._owner is None else self._owner.joined(owner)
            if claim:
                self._owner = joined

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        with self._lock:
            return self._baselines.get(transfer, Baseline.empty())

    def save(self, settlement: Settlement, run: RunRecord | None = None) -> None:
        """Keep a settlement, of one transfer or of several, in one transaction."""
        with self._lock:
            names = {link.transfer for link in settlement.changed_links} | {c.transfer for c in settlement.coverages}
            names |= {item.transfer for item in settlement.open_items} | {s.transfer for s in settlement.tombstones}
            names |= set(self._baselines)
            self._baselines |= {name: self.baseline(name).updated(settlement.of(name)) for name in names}
            if run is not None:
                self._runs.append(run)

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest applications of plans, newest first."""
        with self._lock:
            return tuple(self._runs[: -limit - 1 : -1])

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        with self._lock:
            return dict(self._schemas.get(transfer, {}))

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        with self._lock:
            self._schemas[transfer] = {**self._schemas.get(transfer, {}), **schemas}

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        with self._lock:
            self._lease = leased(self._lease, holder, now, until)

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        with self._lock:
            if self._lease is not None and self._lease[0] == holder:
                self._lease = None

    def close(self) -> None:
        """Let go of nothing: there is neither a file nor a connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._baselines)} transfers>"


def leased(
    lease: tuple[str, datetime, datetime] | None, holder: str, now: datetime, until: datetime
) -> tuple[str, datetime, datetime]:
    """Give the lease (holder, since, until) once `holder` has taken it; raises where another's has not run out."""
    if lease is not None and lease[0] != holder and lease[2] > now:
        raise AlreadyRunningError(
            f"another run ({lease[0]}) uses this store since {lease[1].isoformat()}; "
            f"its lease ends at {lease[2].isoformat()}",
            holder=lease[0],
            since=lease[1].isoformat(),
        )
    since = lease[1] if lease is not None and lease[0] == holder else now
    return (holder, since, until)
