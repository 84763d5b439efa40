"""A run while it goes on: the lease it holds, what it has done so far, and whether it may go on.

What may not go in here: planning, writing to a service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

import attrs

from di_salesforce.engine import Settlement, SyncReport
from di_salesforce.stores import RunRecord, Store
from di_salesforce.wire import Flow, ticks, time_now, work

__all__ = ["Hold", "UnderWay"]

# A lease is prolonged once so much of it has passed: two more chances are left before another may take it.
_RENEWED_AFTER = 1 / 3


@attrs.define
class Hold:
    """The lease of one run, as the run itself sees it: measured by a clock that nobody can set."""

    store: Store
    holder: str
    length: timedelta
    _renewed: float = 0.0

    def take(self) -> Flow[None]:
        """Take the lease; raises `AlreadyRunningError` while another run holds it."""
        self._renewed = yield from ticks()
        now = yield from time_now()
        until = now + self.length
        yield from work("take the lease", partial(self.store.acquire, self.holder, now=now, until=until))

    def keep(self) -> Flow[None]:
        """Prolong the lease in time; raises `AlreadyRunningError` where it ran out and another run has taken it."""
        passed = yield from ticks()
        if passed - self._renewed < self.length.total_seconds() * _RENEWED_AFTER:
            return
        now = yield from time_now()
        yield from work("keep the lease", partial(self.store.renew, self.holder, until=now + self.length))
        self._renewed = passed


@attrs.define
class UnderWay:
    """One run: who holds the store for it, and what its line of history says by now."""

    run_id: str
    started: datetime
    hold: Hold
    why_stop: Callable[[], str]  # why the run should end before its next step; empty: it should not
    history_for: timedelta | None = None  # how long what was written is kept; None: for ever
    transfers: list[str] = attrs.field(factory=list[str])
    digests: list[str] = attrs.field(factory=list[str])
    counts: Counter[str] = attrs.field(factory=Counter[str])
    ok: bool = True
    _intents: int = 0

    @classmethod
    def begun(cls, hold: Hold, why_stop: Callable[[], str], history_for: timedelta | None) -> Flow[UnderWay]:
        """Begin a run, named by when it began: the lease keeps two of one store from beginning at once."""
        now = yield from time_now()
        return cls(f"{now:%Y%m%dT%H%M%S.%fZ}", now, hold, why_stop, history_for)

    def next_intent(self) -> str:
        """Name the next writes that are about to be sent."""
        self._intents += 1
        return f"{self.run_id}/{self._intents:06}"

    def goes_on(self) -> Flow[bool]:
        """Prolong the lease in time, and tell whether the run goes on."""
        yield from self.hold.keep()
        return not self.why_stop()

    def begin(self, transfer: str) -> None:
        """Note that a plan of a transfer is carried out."""
        if transfer not in self.transfers:
            self.transfers.append(transfer)

    def save(
        self,
        settlement: Settlement,
        report: SyncReport,
        settles: Collection[str] = (),
    ) -> Flow[None]:
        """Keep a settlement, and the run's line of history with it, in one transaction."""
        self.counts.update(report.counts)
        self.ok = self.ok and report.ok
        record = self.record(None)
        yield from work(
            "remember",
            partial(self.hold.store.save, settlement, record, settles=settles, holder=self.hold.holder),
        )

    def end(self, report: SyncReport, calls: Mapping[str, int]) -> Flow[None]:
        """Close the run's line of history, and drop what is older than history is kept."""
        now = yield from time_now()
        if self.history_for is not None:
            drop = partial(self.hold.store.drop_writes, now - self.history_for, holder=self.hold.holder)
            yield from work("drop old history", drop)
        self.ok = report.ok
        record = attrs.evolve(self.record(now), cut_short=report.cut_short, calls=tuple(calls.items()))
        nothing = Settlement(SyncReport())
        yield from work("remember", partial(self.hold.store.save, nothing, record, holder=self.hold.holder))

    def record(self, finished: datetime | None) -> RunRecord:
        """Give the run's line of history as it is now."""
        return RunRecord(
            self.run_id,
            tuple(self.transfers),
            self.started,
            finished,
            " ".join(self.digests),
            ok=self.ok and finished is not None,
            counts=tuple(sorted(self.counts.items())),
        )
