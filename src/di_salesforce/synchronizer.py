"""The synchronizer: keep two services in agreement, and remember how.

What may not go in here: deciding (the engine), requests (the clients), SQL (the stores).  Both classes are one line a
method over the flows of `synchronizing`; they differ by `await`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from di_salesforce._check import Findings
from di_salesforce.engine import Limits, Plan, Snapshot, SyncReport
from di_salesforce.engine._actions import Key
from di_salesforce.mapping import Integration
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.runners import AsyncRunner, Clock, SyncRunner, awaited_clock, blocking_clock
from di_salesforce.stores import Store
from di_salesforce.synchronizing._comparing import Comparison
from di_salesforce.synchronizing._costing import Cost, RunBudget
from di_salesforce.synchronizing._feed_choice import FeedKind, Feeds, FeedUsed
from di_salesforce.synchronizing._looking import AsyncLooking, Looking
from di_salesforce.synchronizing._running import Asked
from di_salesforce.synchronizing._setup import silent
from di_salesforce.synchronizing._shared import FRESH_FOR, LEASE, MOST_TRIES, given_rows, new_holder
from di_salesforce.synchronizing._standing import FailedRow, Status
from di_salesforce.synchronizing._under_way import UnderWay
from di_salesforce.wire import Flow

if TYPE_CHECKING:
    from di_salesforce.clients import (
        AsyncDialogInsightClient,
        AsyncSalesforceClient,
        DialogInsightClient,
        SalesforceClient,
    )

__all__ = [
    "AsyncSynchronizer",
    "Comparison",
    "Cost",
    "FailedRow",
    "FeedKind",
    "FeedUsed",
    "Feeds",
    "RunBudget",
    "Status",
    "Synchronizer",
]

T = TypeVar("T")


class Synchronizer(Looking):
    """Keep Salesforce and Dialog Insight in agreement as an integration says, and remember how; its calls block.

    Use it for jobs, scripts and notebooks.  Whoever made the clients and the store closes them; the synchronizer closes
    the store only if it is used as a context manager.

    Args:
        integration: What corresponds to what; every transfer names its project.
        salesforce: A `SalesforceClient`.
        dialog_insight: A `DialogInsightClient`, or one by project name.
        store: Where the memory is kept; it belongs to one org.
        fresh_for: What was looked at longer ago than this is looked at again just before it is written.
        lease: How long a run that died without a word keeps others out of the store; a run that lives prolongs it.
        full_every: How often a side is read in full: one period for both, or by side (a side left out: at every run).
            In between, Salesforce is asked for what changed since the last run, and Dialog Insight for the contacts
            that come up by key or by `notify`: there nothing tells what changed.
        budget: What one run may spend in calls; None: whatever it takes.
        most_tries: How often a write is refused, its values changed each time, before it is set aside for good.
        limits: How much one plan may create, delete or write before it is stopped; None: deletes alone are limited.
        quarantine: By side, how long a write whose answer was lost may still land; None: ten minutes for Salesforce,
            one for Dialog Insight.
        history_for: How long what was written is kept with the values before it, for `undo` and `history`: a run drops
            what earlier runs wrote that began longer ago.  None: for ever.
        feeds: How Salesforce is read: from how many records on in bulk, and what follows changes; None: the defaults of
            `Feeds`.  What was chosen, and why, stands in `report.feeds` and in `status().feeds`.
        clock: A time of its own, for tests and simulations.

    Raises:
        ConfigurationError: A transfer without a project, or a project without a client.

    Example:
        `with Synchronizer(integration, salesforce=sf, dialog_insight=di, store=SQLiteStore("di-sync.db")) as sync:
        print(sync.plan())`
    """

    def __init__(
        self,
        integration: Integration,
        *,
        salesforce: SalesforceClient,
        dialog_insight: DialogInsightClient | Mapping[str, DialogInsightClient],
        store: Store,
        fresh_for: timedelta = FRESH_FOR,
        lease: timedelta = LEASE,
        full_every: timedelta | Mapping[Side, timedelta] = timedelta(0),
        budget: RunBudget | None = None,
        most_tries: int = MOST_TRIES,
        limits: Limits | None = None,
        quarantine: Mapping[Side, timedelta] | None = None,
        history_for: timedelta | None = None,
        feeds: Feeds | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            integration,
            store,
            (salesforce, dialog_insight),
            fresh_for,
            lease,
            full_every,
            budget,
            most_tries,
            limits,
            quarantine,
            history_for,
            feeds,
        )
        self._runner = SyncRunner(self._connections, observer=self._calls.note, **blocking_clock(clock))

    def _leased(self, do: Callable[[UnderWay], Flow[SyncReport]]) -> SyncReport:
        holder = new_holder()
        try:
            return self._runner.run(self._holding(holder, do))
        finally:
            self._stopping.clear()
            self.store.release(holder)

    def check(self) -> Findings:
        """Check the integration against itself and against both live schemas, before anything is written.

        Returns:
            All findings at once, with how the tables changed since the last run; `.raise_for_errors()` raises them.

        Raises:
            ApiError, TransportError: A service refused to describe a table, or did not answer.
        """
        return self._runner.run(self._check())

    def plan(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        salesforce: Snapshot | None = None,
        dialog_insight: Snapshot | None = None,
        progress: Progress | None = None,
    ) -> Plan:
        """Read both sides and plan what would bring them into agreement; writes nothing.

        Args:
            transfers: Names; none: all.
            keys: Only records with these keys (a value, or a tuple of several).
            salesforce: Rows of your own in place of a reading, of one transfer: an export, say, as
                `Snapshot.complete(rows, as_of=...)`; what it does not tell is still looked up.
            dialog_insight: Likewise.
            progress: Told of the phases: name, done, total (0: not known yet).

        Returns:
            One plan over the transfers, of what can be seen now (not of what its own writes will cause).

        Raises:
            ConfigurationError: An unknown transfer, or a side that cannot be read.
            EmptySideError: A side that holds linked records answered with none.
            ApiError, TransportError: A service refused, or did not answer.
        """
        return self._runner.run(self._plan(transfers, keys, progress, given_rows(salesforce, dialog_insight)))

    def apply(self, plan: Plan, progress: Progress | None = None) -> SyncReport:
        """Carry out exactly this plan, read back what the services kept, and remember it.

        A record that moved since the plan was made is skipped as stale; plan again to see it.

        Args:
            plan: From `plan`, filtered, decided in, or read back with `Plan.from_dict`.
            progress: Told of the phases: name, done, total.

        Returns:
            What became of each action; `.ok` where nothing was refused, unknown, untried or cut short.

        Raises:
            ConfigurationError: A plan of another mapping, or one that still waits for look-ups.
            SchemaChangedError: A table changed since the last run in a way that a person must accept.
            GuardError: A plan that goes past a limit; nothing was written.
            AlreadyRunningError: Another run holds the store.
        """
        return self._leased(lambda run: self._apply(run, plan, progress))

    def run(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        max_writes: int | None = None,
        first_run: bool = False,
        salesforce: Snapshot | None = None,
        dialog_insight: Snapshot | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Plan and apply the transfers in their order, and again where one saw another's writes, until all is quiet.

        Args:
            transfers: Names; none: all.
            keys: Only records with these keys.
            max_writes: Stop, before writing, a transfer that would go past so many writes in all.
            first_run: Allow a store that remembers nothing.
            salesforce: Rows of your own in place of a reading, of one transfer: an export, say, as
                `Snapshot.complete(rows, as_of=...)`.  Where they are older than what is remembered, that stays.
            dialog_insight: Likewise.
            progress: Told of the phases: name, done, total.

        Returns:
            What was done, held, refused; `.ok` where nothing was refused, unknown, untried or cut short.

        Raises:
            FirstRunError: The store remembers nothing, and `first_run` is not given.
            SchemaChangedError: A table changed since the last run in a way that a person must accept.
            AlreadyRunningError: Another run holds the store.
            EmptySideError: A side that holds linked records answered with none.
            ApiError, TransportError: A service could not be read.
        """
        given = given_rows(salesforce, dialog_insight)
        asked = Asked(keys, given, max_writes, first_run=first_run, progress=progress or silent)
        return self._leased(lambda run: self._run(run, transfers, asked))

    def compare(self, *transfers: str, progress: Progress | None = None) -> Comparison:
        """Read both sides afresh and say what agrees, what differs and why; writes nothing.

        Args:
            transfers: Names; none: all.
            progress: Told of the phases: name, done, total.

        Returns:
            Counts and differences; `.ok` where every difference has a remembered reason.

        Raises:
            ConfigurationError: A side that cannot be read in full.
            ApiError, TransportError: A service refused, or did not answer.
        """
        return self._runner.run(self._compare(transfers, progress))

    def resolved(self) -> Integration:
        """Give the integration with every converter filled in from both live schemas."""
        return self._runner.run(self._resolved())

    def schema_changes(self, *transfers: str) -> Findings:
        """Tell how the tables of the transfers changed since their last run, as far as it concerns them.

        Use it after a `SchemaChangedError`, before `accept_schemas`.  What only adds or widens is a note.

        Args:
            transfers: Names; none: all.

        Returns:
            Findings; its errors stop a run until they are mended or accepted.  None before a first run.

        Raises:
            ApiError, TransportError: A service refused to describe a table, or did not answer.
        """
        return self._runner.run(self._schema_changes(transfers))

    def accept_schemas(self, *transfers: str) -> Findings:
        """Accept the tables as this synchronizer sees them: what the next runs compare with.

        A person calls it after looking at `schema_changes`.  It writes to the store alone.  A line whose field is gone
        cannot be accepted away: take it out of the transfer, or restore the field.

        Args:
            transfers: Names; none: all.

        Returns:
            What was accepted.

        Raises:
            ApiError, TransportError: A service refused to describe a table, or did not answer.
        """
        return self._runner.run(self._accept_schemas(transfers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()


class AsyncSynchronizer(AsyncLooking):
    """Keep Salesforce and Dialog Insight in agreement as an integration says, and remember how; its calls are awaited.

    Use it in services.  The store is used in threads, so it never blocks the event loop.  Whoever made the clients and
    the store closes them; the synchronizer closes the store only if it is used as a context manager.

    Args:
        integration: What corresponds to what; every transfer names its project.
        salesforce: An `AsyncSalesforceClient`.
        dialog_insight: An `AsyncDialogInsightClient`, or one by project name.
        store: Where the memory is kept; it belongs to one org.
        fresh_for: What was looked at longer ago than this is looked at again just before it is written.
        lease: How long a run that died without a word keeps others out of the store; a run that lives prolongs it.
        full_every: How often a side is read in full: one period for both, or by side (a side left out: at every run).
            In between, Salesforce is asked for what changed since the last run, and Dialog Insight for the contacts
            that come up by key or by `notify`: there nothing tells what changed.
        budget: What one run may spend in calls; None: whatever it takes.
        most_tries: How often a write is refused, its values changed each time, before it is set aside for good.
        limits: How much one plan may create, delete or write before it is stopped; None: deletes alone are limited.
        quarantine: By side, how long a write whose answer was lost may still land; None: ten minutes for Salesforce,
            one for Dialog Insight.
        history_for: How long what was written is kept with the values before it, for `undo` and `history`: a run drops
            what earlier runs wrote that began longer ago.  None: for ever.
        feeds: How Salesforce is read: from how many records on in bulk, and what follows changes; None: the defaults of
            `Feeds`.  What was chosen, and why, stands in `report.feeds` and in `status().feeds`.
        clock: A time of its own, for tests and simulations.

    Raises:
        ConfigurationError: A transfer without a project, or a project without a client.
    """

    def __init__(
        self,
        integration: Integration,
        *,
        salesforce: AsyncSalesforceClient,
        dialog_insight: AsyncDialogInsightClient | Mapping[str, AsyncDialogInsightClient],
        store: Store,
        fresh_for: timedelta = FRESH_FOR,
        lease: timedelta = LEASE,
        full_every: timedelta | Mapping[Side, timedelta] = timedelta(0),
        budget: RunBudget | None = None,
        most_tries: int = MOST_TRIES,
        limits: Limits | None = None,
        quarantine: Mapping[Side, timedelta] | None = None,
        history_for: timedelta | None = None,
        feeds: Feeds | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            integration,
            store,
            (salesforce, dialog_insight),
            fresh_for,
            lease,
            full_every,
            budget,
            most_tries,
            limits,
            quarantine,
            history_for,
            feeds,
        )
        self._runner = AsyncRunner(self._connections, observer=self._calls.note, **awaited_clock(clock))

    async def _leased(self, do: Callable[[UnderWay], Flow[SyncReport]]) -> SyncReport:
        holder = new_holder()
        try:
            return await self._runner.run(self._holding(holder, do))
        finally:
            self._stopping.clear()
            await asyncio.to_thread(self.store.release, holder)

    async def check(self) -> Findings:
        return await self._runner.run(self._check())

    async def plan(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        salesforce: Snapshot | None = None,
        dialog_insight: Snapshot | None = None,
        progress: Progress | None = None,
    ) -> Plan:
        return await self._runner.run(self._plan(transfers, keys, progress, given_rows(salesforce, dialog_insight)))

    async def apply(self, plan: Plan, progress: Progress | None = None) -> SyncReport:
        return await self._leased(lambda run: self._apply(run, plan, progress))

    async def run(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        max_writes: int | None = None,
        first_run: bool = False,
        salesforce: Snapshot | None = None,
        dialog_insight: Snapshot | None = None,
        progress: Progress | None = None,
    ) -> SyncReport:
        given = given_rows(salesforce, dialog_insight)
        asked = Asked(keys, given, max_writes, first_run=first_run, progress=progress or silent)
        return await self._leased(lambda run: self._run(run, transfers, asked))

    async def compare(self, *transfers: str, progress: Progress | None = None) -> Comparison:
        return await self._runner.run(self._compare(transfers, progress))

    async def resolved(self) -> Integration:
        return await self._runner.run(self._resolved())

    async def schema_changes(self, *transfers: str) -> Findings:
        return await self._runner.run(self._schema_changes(transfers))

    async def accept_schemas(self, *transfers: str) -> Findings:
        return await self._runner.run(self._accept_schemas(transfers))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.store.close)


# One text for both twins: a copy would drift.
for _name in ("check", "plan", "apply", "run", "compare", "resolved", "schema_changes", "accept_schemas"):
    getattr(AsyncSynchronizer, _name).__doc__ = getattr(Synchronizer, _name).__doc__
