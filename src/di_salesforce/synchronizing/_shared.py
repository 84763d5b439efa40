"""What the blocking and the awaited synchronizer have in common: settings, flows, counted calls; nothing that waits.

What may not go in here: carrying flows out.
"""

from __future__ import annotations

import itertools
import os
import platform
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs

from di_salesforce._check import Findings, check
from di_salesforce._listing import Listing
from di_salesforce.dialog_insight import WebhookEvent
from di_salesforce.engine import Limits, Plan, Snapshot, SyncReport
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.mapping import Integration, ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.runners import Exchange
from di_salesforce.salesforce import Limit
from di_salesforce.stores import AppliedWrite, Owner, Store
from di_salesforce.stores._protocol import name_of, record_name
from di_salesforce.synchronizing import _applying as applying
from di_salesforce.synchronizing import _comparing as comparing
from di_salesforce.synchronizing import _running as running
from di_salesforce.synchronizing import _standing as standing
from di_salesforce.synchronizing import _undoing as undoing
from di_salesforce.synchronizing._comparing import Comparison
from di_salesforce.synchronizing._costing import Cost, RunBudget, cost, live_limit
from di_salesforce.synchronizing._drifting import drifted, keep, stop_at
from di_salesforce.synchronizing._erasing import forget
from di_salesforce.synchronizing._feed_choice import Feeds
from di_salesforce.synchronizing._feeds import full_every_side, hints_of
from di_salesforce.synchronizing._running import Asked
from di_salesforce.synchronizing._setup import (
    SALESFORCE,
    Setup,
    chosen,
    identify,
    named_connection,
    read_schemas,
    silent,
)
from di_salesforce.synchronizing._standing import FailedRow, Status
from di_salesforce.synchronizing._under_way import Hold, UnderWay
from di_salesforce.wire import Flow, time_now, work

__all__ = ["FRESH_FOR", "LEASE", "MOST_TRIES", "SynchronizerBase", "given_rows", "new_holder"]

LEASE: Final = timedelta(minutes=30)
"""How long a run may hold a store before another may take it over, if the first has died without giving it back."""

FRESH_FOR: Final = timedelta(seconds=60)
"""A plan older than this is checked against both services, record by record, before it is applied."""

MOST_TRIES: Final = 5
"""How often a write is refused, its values changed each time, before it is set aside for good."""

SCHEMAS_LAST: Final = timedelta(minutes=5)
"""How long a description of the tables is relied on: a service that runs for weeks notices what changes meanwhile."""

_HOLDERS: Final = itertools.count(1)


def new_holder() -> str:
    """Name one run among all processes: two runs of one synchronizer shut each other out like those of two."""
    return f"{platform.node()}:{os.getpid()}:{next(_HOLDERS)}"


class CallCounter:
    """Counts the exchanges with each service; told of them from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def note(self, exchange: Exchange) -> None:
        """Count one exchange."""
        with self._lock:
            self._counted[exchange.connection.partition(":")[0]] += 1

    @property
    def so_far(self) -> Mapping[str, int]:
        """The counts since they were last taken."""
        with self._lock:
            return dict(self._counted)

    def taken(self) -> Mapping[str, int]:
        """Give the counts since the last call."""
        with self._lock:
            counted, self._counted = dict(self._counted), Counter()
        return counted


def _clients_by_project(integration: Integration, given: Any) -> dict[str, Any]:  # a client, or a mapping of clients
    """Give each project its client: one for all, or one by project name."""
    if missing := [t.name for t in integration.transfers if t.project is None]:
        raise ConfigurationError(
            [Problem(f"transfers.{name}.project", "is needed to reach Dialog Insight") for name in missing],
            what="synchronizer",
        )
    names = [project.name for project in integration.projects]
    if not isinstance(given, Mapping):
        return dict.fromkeys(names, given)
    if absent := [name for name in names if name not in given]:
        raise ConfigurationError(f"no Dialog Insight client is given for project {', '.join(map(repr, absent))}")
    return {name: given[name] for name in names}  # pyright: ignore[reportUnknownVariableType]  # clients of either kind


def given_rows(salesforce: Snapshot | None, dialog_insight: Snapshot | None) -> dict[Side, Snapshot]:
    """Give the rows of one's own by side."""
    given = {Side.SALESFORCE: salesforce, Side.DIALOG_INSIGHT: dialog_insight}
    return {side: rows for side, rows in given.items() if rows is not None}


class SynchronizerBase:
    """What both synchronizers have in common: nothing that waits."""

    def __init__(
        self,
        integration: Integration,
        store: Store,
        clients: tuple[Any, Any],
        fresh_for: timedelta,
        lease: timedelta,
        full_every: timedelta | Mapping[Side, timedelta],
        budget: RunBudget | None,
        most_tries: int,
        limits: Limits | None,
        quarantine: Mapping[Side, timedelta] | None,
        history_for: timedelta | None,
        feeds: Feeds | None,
    ) -> None:
        salesforce, dialog_insight = clients  # of either kind
        if lease <= timedelta(0):
            raise ConfigurationError("lease must be longer than nothing")
        if most_tries < 1:
            raise ConfigurationError("most_tries must be at least 1")
        if history_for is not None and history_for <= timedelta(0):
            raise ConfigurationError("history_for must be longer than nothing; None keeps the history for ever")
        self._history_for = history_for
        self._lease = lease
        self._budget = budget or RunBudget()
        self._allowance: tuple[Limit | None, int] = (None, 0)  # of the day, and our calls when it was asked for
        self._stopping = threading.Event()
        self.integration = integration
        self.store = store
        self._clients = _clients_by_project(integration, dialog_insight)
        self._setup = Setup(
            integration,
            salesforce.settings,
            {name: client.settings for name, client in self._clients.items()},
            store,
            fresh_for,
            full_every=full_every_side(full_every),
            most_tries=most_tries,
            feeds=feeds or Feeds(),
            limits=limits or Limits(),
            quarantine=quarantine,
        )
        self._connections: dict[str, Any] = {  # connections of either kind
            SALESFORCE: salesforce.connection,
            **{named_connection(name): client.connection for name, client in self._clients.items()},
        }
        self._calls = CallCounter()
        self._described_at: datetime | None = None
        self._missing: list[Problem] = []
        self._owner: Owner | None = None

    def _opened(self) -> Flow[Setup]:
        """Log in and see whose the store is, once; read both schemas and fill in the converters, and again in time."""
        if self._owner is None:
            self._owner = yield from identify(self._setup)
        now = yield from time_now()
        if self._described_at is None or now - self._described_at > SCHEMAS_LAST:
            schemas = yield from read_schemas(self._setup)
            self._setup = attrs.evolve(self._setup, schemas=schemas, integration=schemas.resolve(self.integration))
            self._missing = [
                Problem(finding.path, finding.message, finding.code)
                for finding in self._findings(self._setup).errors
                if finding.code == "field.missing"
            ]
            self._described_at = now
        return self._setup

    def _usable(self) -> Flow[Setup]:
        """Open, and refuse a mapping that names fields which do not exist: a service may pass over them in silence."""
        setup = yield from self._opened()
        if self._missing:
            changes = yield from drifted(setup, setup.integration.transfers)
            stop_at((change for change in changes if change.code == "schema.field_disappeared"), self._missing)
            raise ConfigurationError(self._missing, what="integration")
        return setup

    def _findings(self, setup: Setup, settled: Mapping[str, Collection[str]] | None = None) -> Findings:
        return check(
            self.integration,
            salesforce=setup.schemas.salesforce,
            dialog_insight=setup.schemas.dialog_insight,
            settled=settled,
        )

    def _check(self) -> Flow[Findings]:
        setup = yield from self._opened()
        changes = yield from drifted(setup, setup.integration.transfers)
        settled = yield from work("read the memory", self._settled_lines)
        return Findings([*self._findings(setup, settled), *changes])

    def _settled_lines(self) -> dict[str, set[str]]:
        """Name the lines that earlier runs compared, by transfer."""
        baselines = {name: self.store.baseline(name) for name in self.integration.names}
        return {name: {line for link in known.links for line in link.fields} for name, known in baselines.items()}

    def _schema_changes(self, names: Sequence[str]) -> Flow[Findings]:
        setup = yield from self._opened()
        return (yield from drifted(setup, chosen(setup.integration, names)))

    def _accept_schemas(self, names: Sequence[str]) -> Flow[Findings]:
        changes = yield from self._schema_changes(names)
        yield from self._claim()
        yield from keep(self._setup, chosen(self._setup.integration, names))
        return changes

    def _plan(
        self,
        names: Sequence[str],
        keys: Sequence[Key] | None,
        progress: Progress | None,
        given: Mapping[Side, Snapshot],
    ) -> Flow[Plan]:
        setup = yield from self._usable()
        return (
            yield from running.plan(
                setup,
                chosen(setup.integration, names),
                keys=keys,
                progress=progress or silent,
                given=given,
            )
        )

    def _status(self) -> Flow[Status]:
        return standing.status(self.store, self.integration.transfers)

    def _failed(self, names: Sequence[str]) -> Flow[Listing[FailedRow]]:
        return standing.failed(self.store, chosen(self.integration, names))

    def _requeue(self, ids: Sequence[str]) -> Flow[int]:
        return standing.requeue(self.store, self.integration.transfers, ids)

    def _ignore(self, ids: Sequence[str]) -> Flow[int]:
        return standing.ignore(self.store, self.integration.transfers, ids)

    def _history(self, key: Key) -> Flow[Listing[AppliedWrite]]:
        by_name: dict[str, AppliedWrite] = {}
        for name in dict.fromkeys((name_of(key), *map(record_name, key_parts(key)))):
            for done in (yield from work("read the history", partial(self.store.applied, name=name))):
                by_name[f"{done.applied.at.isoformat()} {done.run_id} {done.applied.action}"] = done
        return Listing(done for _, done in sorted(by_name.items()))

    def _undo(self, run_id: str, *, deletes: bool) -> Flow[Plan]:
        setup = yield from self._usable()
        return (yield from undoing.plan_undo(setup, run_id, deletes=deletes))

    def _forget(self, key: Key) -> Flow[int]:
        return forget(self.store, self.integration.transfers, key)

    def _cost(self, plan: Plan) -> Flow[Cost]:
        setup = yield from self._usable()
        return (yield from cost(setup, plan))

    def _notify(self, events: Iterable[WebhookEvent]) -> Flow[int]:
        hints = hints_of(self.integration, events)
        for name, ids in hints.items():
            yield from work("keep the hints", partial(self.store.hint, name, ids))
        return sum(map(len, hints.values()))

    def _apply(self, under_way: UnderWay, plan: Plan, progress: Progress | None) -> Flow[SyncReport]:
        setup = yield from self._usable()
        transfers = [t for t in setup.integration.transfers if t.name in {part.transfer for part in plan.parts}]
        flow = applying.apply(setup, plan, under_way, progress=progress or silent)
        return (yield from self._watched(setup, transfers, flow))

    def _run(
        self,
        under_way: UnderWay,
        names: Sequence[str],
        asked: Asked,
    ) -> Flow[SyncReport]:
        setup = yield from self._usable()
        transfers = chosen(setup.integration, names)
        return (yield from self._watched(setup, transfers, running.run(setup, transfers, under_way, asked)))

    def _watched(self, setup: Setup, transfers: Sequence[ObjectTransfer], flow: Flow[SyncReport]) -> Flow[SyncReport]:
        """Stop before anything happens where a table changed dangerously; keep what they look like once all is done."""
        active = [transfer for transfer in transfers if transfer.active]
        changes = yield from drifted(setup, active)
        stop_at(changes.errors)
        report = yield from flow
        yield from keep(setup, active)
        return attrs.evolve(report, schema_changes=tuple(changes))

    def _compare(self, names: Sequence[str], progress: Progress | None) -> Flow[Comparison]:
        setup = yield from self._usable()
        return (yield from comparing.compare(setup, chosen(setup.integration, names), progress=progress or silent))

    def _resolved(self) -> Flow[Integration]:
        return (yield from self._opened()).integration

    def _holding(self, holder: str, do: Callable[[UnderWay], Flow[SyncReport]]) -> Flow[SyncReport]:
        """Take the lease, settle what a dead run left open, then work; the caller gives the lease back."""
        hold = Hold(self.store, holder, self._lease)
        yield from hold.take()
        self._calls.taken()
        under_way = yield from UnderWay.begun(hold, self._why_stop, self._history_for)
        setup = yield from self._usable()
        yield from self._claim()
        if self._budget.share_of_day is not None:
            self._allowance = ((yield from live_limit(setup)), self._calls.so_far.get(SALESFORCE, 0))
        yield from applying.recover(setup, under_way)
        report = yield from do(under_way)
        report = attrs.evolve(report, calls=self._calls.taken())
        yield from under_way.end(report, report.calls)
        return report

    def stop(self) -> None:
        """End the run that is under way at its next safe place, as soon as what has been sent is settled.

        Call it from a signal handler or another thread; the run comes back with `report.cut_short`, and the next one
        goes on where it was.  Without a run under way, the next one ends at once.
        """
        self._stopping.set()

    def _why_stop(self) -> str:
        if self._stopping.is_set():
            return "stopped as asked"
        limit, at_start = self._allowance
        return self._budget.spent(self._calls.so_far, limit, at_start)

    def _claim(self) -> Flow[None]:
        owner = self._owner
        if owner is not None:
            yield from work("claim the store", lambda: self.store.belong_to(owner))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.integration.names)}>"
