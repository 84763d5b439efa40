"""A store in memory.

What may not go in here: deciding, and what every store must do (`_protocol.py`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

from di_salesforce.engine import (
    Baseline,
    CoverageRecord,
    LinkRecord,
    OpenItem,
    Outcome,
    Settlement,
    SyncReport,
    Tombstone,
)
from di_salesforce.records import Side
from di_salesforce.schema import TableSchema
from di_salesforce.stores._journal import Intent, IntentJob, unknown_intent
from di_salesforce.stores._portable import Hint, Kept, KeptSchema, PortableStore, SmallValue, refuse_unless_empty
from di_salesforce.stores._protocol import AppliedWrite, Lease, Owner, RunRecord

__all__ = ["MemoryStore"]


class MemoryStore(PortableStore):
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
        self._runs: dict[str, RunRecord] = {}
        self._intents: dict[str, Intent] = {}
        self._schemas: dict[str, dict[Side, TableSchema]] = {}
        self._hints: dict[str, dict[int, str]] = {}
        self._hinted = 0
        self._applied: list[AppliedWrite] = []
        self._values: dict[str, Any] = {}  # JSON-safe data
        self._lease: Lease | None = None

    def belong_to(self, owner: Owner, *, claim: bool = True) -> None:
        """Remember whose store this is; raises `ForeignStoreError` for another org or wholly other projects.

        Without `claim` it is only looked at: a plan of a wrong declaration leaves no trace.
        """
        with self._lock:
            joined = owner if self._owner is None else self._owner.joined(owner)
            if claim:
                self._owner = joined

    def owner(self) -> Owner | None:
        """Tell whose store this is; None: nobody's yet."""
        with self._lock:
            return self._owner

    def transfers(self) -> tuple[str, ...]:
        """Give the names of the transfers that anything is remembered of, sorted."""
        with self._lock:
            return tuple(sorted(self._baselines))

    def baseline(self, transfer: str) -> Baseline:
        """Give what is remembered of a transfer."""
        with self._lock:
            return self._baselines.get(transfer, Baseline.empty())

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
        with self._lock:
            Lease.check(self._lease, holder)
            names = {link.transfer for link in settlement.changed_links} | {c.transfer for c in settlement.coverages}
            names |= {item.transfer for item in settlement.open_items} | {s.transfer for s in settlement.tombstones}
            names |= set(self._baselines)
            self._baselines |= {name: self.baseline(name).updated(settlement.of(name)) for name in names}
            if run is not None:
                self._runs[run.run_id] = run
            for intent_id in settles:
                self._intents.pop(intent_id, None)
            if run is not None:
                self._applied += AppliedWrite.of(settlement, run.run_id)

    def applied(self, *, run_id: str | None = None, name: str | None = None) -> tuple[AppliedWrite, ...]:
        """Give the writes of a run, or those of a record (by one of `AppliedWrite.names`), oldest first."""
        with self._lock:
            return tuple(
                write
                for write in self._applied
                if run_id in (None, write.run_id) and (name is None or name in write.names)
            )

    def drop_writes(self, before: datetime, *, holder: str | None = None) -> None:
        """Drop what runs wrote that began before a moment; their own lines, which hold no value, stay."""
        with self._lock:
            Lease.check(self._lease, holder)
            old = {run.run_id for run in self._runs.values() if run.started < before}
            self._applied = [write for write in self._applied if write.run_id not in old]

    def open_items(self, transfer: str) -> tuple[OpenItem, ...]:
        """Give what is not settled of a transfer, without reading its links."""
        with self._lock:
            return tuple(self.baseline(transfer).open_items.values())

    def get(self, name: str) -> Any:  # JSON-safe data
        """Give a small value of the synchronizer's own; None: there is none."""
        with self._lock:
            return self._values.get(name)

    def put(self, name: str, value: Any) -> None:  # JSON-safe data
        """Keep a small value of the synchronizer's own under a name; None: keep none."""
        with self._lock:
            self._values[name] = value

    def runs(self, limit: int = 50) -> tuple[RunRecord, ...]:
        """Give the latest runs, newest first."""
        with self._lock:
            return tuple(self._runs.values())[: -limit - 1 : -1]

    def intend(self, intent: Intent, *, holder: str | None = None) -> None:
        """Record what is about to be written, before it is."""
        with self._lock:
            Lease.check(self._lease, holder)
            self._intents[intent.id] = intent

    def note(
        self,
        intent_id: str,
        outcomes: Mapping[str, Outcome],
        *,
        jobs: Sequence[IntentJob] = (),
        holder: str | None = None,
    ) -> None:
        """Record what came of writes of an open intent, and jobs made for them, besides what is recorded already."""
        with self._lock:
            Lease.check(self._lease, holder)
            if intent_id not in self._intents:
                raise unknown_intent(intent_id)
            self._intents[intent_id] = self._intents[intent_id].noting(outcomes, jobs)

    def intents(self) -> tuple[Intent, ...]:
        """Give the intents that nothing has settled yet, oldest first."""
        with self._lock:
            return tuple(self._intents.values())

    def erase(
        self, *, links: Collection[str], items: Collection[str], names: Collection[str], value: tuple[str, Any]
    ) -> None:  # JSON-safe data
        """Erase links and open items by id, and the history of records by name; keep a small value with it."""
        with self._lock:
            gone = Settlement(SyncReport(), removed_links=tuple(links), closed_items=tuple(items))
            self._baselines = {name: known.updated(gone) for name, known in self._baselines.items()}
            self._applied = [line for line in self._applied if not set(names) & set(line.names)]
            self._values[value[0]] = value[1]

    def schemas(self, transfer: str) -> Mapping[Side, TableSchema]:
        """Give the schemas that were last kept for a transfer; a side of which none was kept is absent."""
        with self._lock:
            return dict(self._schemas.get(transfer, {}))

    def keep_schemas(self, transfer: str, schemas: Mapping[Side, TableSchema]) -> None:
        """Keep what a transfer's tables look like, for the next run to compare; sides that are not given stay."""
        with self._lock:
            self._schemas[transfer] = {**self._schemas.get(transfer, {}), **schemas}

    def hint(self, transfer: str, ids: Iterable[str]) -> None:
        """Keep ids of Dialog Insight contacts that the next run is to read again."""
        with self._lock:
            for record_id in ids:
                self._hinted += 1
                self._hints.setdefault(transfer, {})[self._hinted] = record_id

    def hints(self, transfer: str) -> Mapping[int, str]:
        """Give the ids that were hinted at and not read since, each under its own number."""
        with self._lock:
            return dict(self._hints.get(transfer, {}))

    def heard(self, transfer: str, numbers: Collection[int]) -> None:
        """Drop the hints of these numbers: their contacts were read."""
        with self._lock:
            for number in numbers:
                self._hints.get(transfer, {}).pop(number, None)

    def acquire(self, holder: str, *, now: datetime, until: datetime) -> None:
        """Take the lease, or prolong one's own; raises `AlreadyRunningError` while another holds it."""
        with self._lock:
            self._lease = Lease.taken(self._lease, holder, now, until)

    def renew(self, holder: str, *, until: datetime) -> None:
        """Prolong the lease that one holds; raises `AlreadyRunningError` where another has taken it over since."""
        with self._lock:
            Lease.check(self._lease, holder)
            self._lease = Lease.taken(self._lease, holder, until, until)

    def release(self, holder: str) -> None:
        """Give the lease back, if one holds it."""
        with self._lock:
            if self._lease is not None and self._lease.holder == holder:
                self._lease = None

    @contextmanager
    def _everything(self) -> Generator[Iterable[Kept]]:
        with self._lock:
            yield self._all()

    def _all(self) -> Iterator[Kept]:
        if self._owner is not None:
            yield self._owner
        for transfer, schemas in self._schemas.items():
            yield from (KeptSchema(transfer, side, schema) for side, schema in schemas.items())
        yield from (SmallValue(name, value) for name, value in self._values.items() if value is not None)
        for known in self._baselines.values():
            yield from known.links
            yield from known.open_items.values()
            yield from known.tombstones.values()
            yield from (kept for side in Side if (kept := known.coverage(side)) is not None)
        yield from self._runs.values()
        yield from self._applied
        yield from self._intents.values()
        hints = ((number, Hint(name, each)) for name, kept in self._hints.items() for number, each in kept.items())
        yield from (hint for _, hint in sorted(hints, key=itemgetter(0)))

    def _fill(self, everything: Iterable[Kept]) -> None:
        with self._lock:
            refuse_unless_empty("in memory", holds=next(self._all(), None) is not None, leased=self._lease is not None)
            rows: defaultdict[type, list[Any]] = defaultdict(list)  # each list holds what its class says
            for kept in everything:
                rows[type(kept)].append(kept)
            self._owner = next(iter(rows[Owner]), None)
            self._applied = rows[AppliedWrite]
            self._runs = {run.run_id: run for run in rows[RunRecord]}
            self._intents = {intent.id: intent for intent in rows[Intent]}
            self._values = {kept.name: kept.value for kept in rows[SmallValue]}
            for kept in rows[KeptSchema]:
                self.keep_schemas(kept.transfer, {kept.side: kept.schema})
            for kept in rows[Hint]:
                self.hint(kept.transfer, [kept.record_id])
            memory = (tuple(rows[kind]) for kind in (LinkRecord, OpenItem, Tombstone, CoverageRecord))
            links, items, stones, coverages = memory
            self.save(
                Settlement(SyncReport(), changed_links=links, open_items=items, tombstones=stones, coverages=coverages)
            )

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
