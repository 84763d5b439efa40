"""The synchronizer: keep two services in agreement, and remember how.

What may not go in here: deciding (the engine), requests (the clients), SQL (the stores).  Both classes are one line a
method over the flows of `synchronizing`; they differ by `await`.
"""

from __future__ import annotations

import asyncio
import os
import platform
import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

from di_salesforce._check import Findings, check
from di_salesforce.engine import Plan, SyncReport
from di_salesforce.engine._actions import Key
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.mapping import Integration
from di_salesforce.protocols import Progress
from di_salesforce.runners import AsyncRunner, Exchange, SyncRunner
from di_salesforce.stores import Store
from di_salesforce.synchronizing import _comparing as comparing
from di_salesforce.synchronizing import _running as running
from di_salesforce.synchronizing._comparing import Comparison
from di_salesforce.synchronizing._setup import (
    SALESFORCE,
    Schemas,
    Setup,
    chosen,
    identify,
    named_connection,
    read_schemas,
    silent,
)
from di_salesforce.wire import Flow

if TYPE_CHECKING:
    from di_salesforce.clients import (
        AsyncDialogInsightClient,
        AsyncSalesforceClient,
        DialogInsightClient,
        SalesforceClient,
    )

__all__ = ["AsyncSynchronizer", "Comparison", "Synchronizer"]

T = TypeVar("T")

LEASE: Final = timedelta(minutes=30)
"""How long a run may hold a store before another may take it over, if the first has died without giving it back."""

FRESH_FOR: Final = timedelta(seconds=60)
"""A plan older than this is checked against both services, record by record, before it is applied."""


class _Calls:
    """Counts the exchanges with each service; told of them from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def note(self, exchange: Exchange) -> None:
        """Count one exchange."""
        with self._lock:
            self._counted[exchange.connection.partition(":")[0]] += 1

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


class _Shared:
    """What both synchronizers have in common: nothing that waits."""

    def __init__(self, integration: Integration, store: Store, fresh_for: timedelta, clients: tuple[Any, Any]) -> None:
        salesforce, dialog_insight = clients  # of either kind
        self.integration = integration
        self.store = store
        self._clients = _clients_by_project(integration, dialog_insight)
        self._setup = Setup(
            integration,
            salesforce.settings,
            {name: client.settings for name, client in self._clients.items()},
            store,
            fresh_for,
        )
        self._connections: dict[str, Any] = {  # connections of either kind
            SALESFORCE: salesforce.connection,
            **{named_connection(name): client.connection for name, client in self._clients.items()},
        }
        self._calls = _Calls()
        self._schemas: Schemas | None = None

    def _opened(self) -> Flow[Setup]:
        """Log in, claim the store, read both schemas and fill in the converters: once, before the first plan."""
        if self._schemas is None:
            yield from identify(self._setup)
            self._schemas = yield from read_schemas(self._setup)
            self._setup = attrs.evolve(self._setup, integration=self._schemas.resolve(self.integration))
        return self._setup

    def _check(self) -> Flow[Findings]:
        yield from self._opened()
        assert self._schemas is not None  # `_opened` has set it
        return check(self.integration, salesforce=self._schemas.salesforce, dialog_insight=self._schemas.dialog_insight)

    def _plan(self, names: Sequence[str], keys: Sequence[Key] | None, progress: Progress | None) -> Flow[Plan]:
        setup = yield from self._opened()
        return (
            yield from running.plan(setup, chosen(setup.integration, names), keys=keys, progress=progress or silent)
        )

    def _apply(self, plan: Plan, progress: Progress | None) -> Flow[SyncReport]:
        setup = yield from self._opened()
        return (yield from running.apply(setup, plan, progress=progress or silent, run_id=uuid.uuid4().hex))

    def _run(
        self,
        names: Sequence[str],
        keys: Sequence[Key] | None,
        max_writes: int | None,
        first_run: bool,
        progress: Progress | None,
    ) -> Flow[SyncReport]:
        setup = yield from self._opened()
        return (
            yield from running.run(
                setup,
                chosen(setup.integration, names),
                keys=keys,
                max_writes=max_writes,
                first_run=first_run,
                progress=progress or silent,
                run_id=uuid.uuid4().hex,
            )
        )

    def _compare(self, names: Sequence[str], progress: Progress | None) -> Flow[Comparison]:
        setup = yield from self._opened()
        return (yield from comparing.compare(setup, chosen(setup.integration, names), progress=progress or silent))

    def _resolved(self) -> Flow[Integration]:
        return (yield from self._opened()).integration

    def _acquire(self) -> str:
        """Take the lease for one run: two runs of one synchronizer shut each other out like those of two."""
        holder = f"{platform.node()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        now = datetime.now(UTC)  # the lease is between processes: only the wall clock is common to them
        self.store.acquire(holder, now=now, until=now + LEASE)
        return holder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.integration.names)}>"


class Synchronizer(_Shared):
    """Keep Salesforce and Dialog Insight in agreement as an integration says, and remember how; its calls block.

    Use it for jobs, scripts and notebooks.  Whoever made the clients and the store closes them; the synchronizer closes
    the store only if it is used as a context manager.

    Args:
        integration: What corresponds to what; every transfer names its project.
        salesforce: A `SalesforceClient`.
        dialog_insight: A `DialogInsightClient`, or one by project name.
        store: Where the memory is kept; it belongs to one org.
        fresh_for: A plan older than this is checked against both services before it is applied.

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
    ) -> None:
        super().__init__(integration, store, fresh_for, (salesforce, dialog_insight))
        self._runner = SyncRunner(self._connections, observer=self._calls.note)

    def _leased(self, flow: Flow[SyncReport]) -> SyncReport:
        holder = self._acquire()
        try:
            self._calls.taken()
            return attrs.evolve(self._runner.run(flow), calls=self._calls.taken())
        finally:
            self.store.release(holder)

    def check(self) -> Findings:
        """Check the integration against itself and against both live schemas, before anything is written.

        Returns:
            All findings at once; `.raise_for_errors()` raises them.

        Raises:
            ApiError, TransportError: A service refused to describe a table, or did not answer.
        """
        return self._runner.run(self._check())

    def plan(self, *transfers: str, keys: Sequence[Key] | None = None, progress: Progress | None = None) -> Plan:
        """Read both sides and plan what would bring them into agreement; writes nothing.

        Args:
            transfers: Names; none: all.
            keys: Only records with these keys (a value, or a tuple of several).
            progress: Told of the phases: name, done, total (0: not known yet).

        Returns:
            One plan over the transfers, of what can be seen now (not of what its own writes will cause).

        Raises:
            ConfigurationError: An unknown transfer, or a side that cannot be read.
            EmptySideError: A side that holds linked records answered with none.
            ApiError, TransportError: A service refused, or did not answer.
        """
        return self._runner.run(self._plan(transfers, keys, progress))

    def apply(self, plan: Plan, progress: Progress | None = None) -> SyncReport:
        """Carry out exactly this plan, read back what the services kept, and remember it.

        A record that moved since the plan was made is skipped as stale; plan again to see it.

        Args:
            plan: From `plan`, filtered, decided in, or read back with `Plan.from_dict`.
            progress: Told of the phases: name, done, total.

        Returns:
            What became of each action; `.ok` where nothing was refused, unknown or cut short.

        Raises:
            ConfigurationError: A plan of another mapping, or one that still waits for look-ups.
            GuardError: A plan that goes past a limit; nothing was written.
            AlreadyRunningError: Another run holds the store.
        """
        return self._leased(self._apply(plan, progress))

    def run(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        max_writes: int | None = None,
        first_run: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        """Plan and apply the transfers in their order, and again where one saw another's writes, until all is quiet.

        Args:
            transfers: Names; none: all.
            keys: Only records with these keys.
            max_writes: Stop, before writing, a transfer that would go past so many writes in all.
            first_run: Allow a store that remembers nothing.
            progress: Told of the phases: name, done, total.

        Returns:
            What was done, held, refused; `.ok` where nothing was refused, unknown or cut short.

        Raises:
            FirstRunError: The store remembers nothing, and `first_run` is not given.
            AlreadyRunningError: Another run holds the store.
            EmptySideError: A side that holds linked records answered with none.
            ApiError, TransportError: A service could not be read.
        """
        return self._leased(self._run(transfers, keys, max_writes, first_run, progress))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()


class AsyncSynchronizer(_Shared):
    """Keep Salesforce and Dialog Insight in agreement as an integration says, and remember how; its calls are awaited.

    Use it in services.  The store is used in threads, so it never blocks the event loop.  Whoever made the clients and
    the store closes them; the synchronizer closes the store only if it is used as a context manager.

    Args:
        integration: What corresponds to what; every transfer names its project.
        salesforce: An `AsyncSalesforceClient`.
        dialog_insight: An `AsyncDialogInsightClient`, or one by project name.
        store: Where the memory is kept; it belongs to one org.
        fresh_for: A plan older than this is checked against both services before it is applied.

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
    ) -> None:
        super().__init__(integration, store, fresh_for, (salesforce, dialog_insight))
        self._runner = AsyncRunner(self._connections, observer=self._calls.note)

    async def _leased(self, flow: Flow[SyncReport]) -> SyncReport:
        holder = await asyncio.to_thread(self._acquire)
        try:
            self._calls.taken()
            return attrs.evolve(await self._runner.run(flow), calls=self._calls.taken())
        finally:
            await asyncio.to_thread(self.store.release, holder)

    async def check(self) -> Findings:
        return await self._runner.run(self._check())

    async def plan(self, *transfers: str, keys: Sequence[Key] | None = None, progress: Progress | None = None) -> Plan:
        return await self._runner.run(self._plan(transfers, keys, progress))

    async def apply(self, plan: Plan, progress: Progress | None = None) -> SyncReport:
        return await self._leased(self._apply(plan, progress))

    async def run(
        self,
        *transfers: str,
        keys: Sequence[Key] | None = None,
        max_writes: int | None = None,
        first_run: bool = False,
        progress: Progress | None = None,
    ) -> SyncReport:
        return await self._leased(self._run(transfers, keys, max_writes, first_run, progress))

    async def compare(self, *transfers: str, progress: Progress | None = None) -> Comparison:
        return await self._runner.run(self._compare(transfers, progress))

    async def resolved(self) -> Integration:
        return await self._runner.run(self._resolved())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.store.close)


# One text for both twins: a copy would drift.
for _name in ("check", "plan", "apply", "run", "compare", "resolved"):
    getattr(AsyncSynchronizer, _name).__doc__ = getattr(Synchronizer, _name).__doc__
