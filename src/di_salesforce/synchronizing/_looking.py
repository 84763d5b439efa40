"""What can be asked of a synchronizer besides plan, apply and run: how things stand, what was done, what it costs.

What may not go in here: the flows themselves.  Both classes are one line a method; they differ by `await`.
"""

from __future__ import annotations

from collections.abc import Iterable

from di_salesforce._listing import Listing
from di_salesforce.dialog_insight import WebhookEvent
from di_salesforce.engine import Plan
from di_salesforce.engine._actions import Key
from di_salesforce.runners import AsyncRunner, SyncRunner
from di_salesforce.stores import AppliedWrite
from di_salesforce.synchronizing._costing import Cost
from di_salesforce.synchronizing._shared import SynchronizerBase
from di_salesforce.synchronizing._standing import FailedRow, Status

__all__ = ["LOOKING", "AsyncLooking", "Looking"]


class Looking(SynchronizerBase):
    """What can be asked of the blocking synchronizer."""

    _runner: SyncRunner

    def notify(self, events: Iterable[WebhookEvent]) -> int:
        """Keep what webhooks tell, for the next run to read those contacts again; nothing is asked or trusted.

        Call it from the handler that Dialog Insight posts to, with what `parse_webhook` gave.

        Args:
            events: In any order; tests and repeated ones do no harm.

        Returns:
            How many contacts were noted, once for each transfer that they concern.
        """
        return self._runner.run(self._notify(events))

    def status(self) -> Status:
        """Tell how things stand, out of the store alone: for a health page.

        Returns:
            The last runs, the lag, and what is held, set aside, in doubt and waiting, by transfer.

        Raises:
            StoreError: The store cannot be read.
        """
        return self._runner.run(self._status())

    def failed(self, *transfers: str) -> Listing[FailedRow]:
        """List the records that a service refused or that cannot be synchronised, with what to do about each.

        A refused write is tried again when something of it changed, and set aside after `most_tries` refusals.

        Args:
            transfers: Names; none: all.
        """
        return self._runner.run(self._failed(transfers))

    def requeue(self, *ids: str) -> int:
        """Let the next run try refused writes although nothing of them changed, and tell ignored ones again.

        Args:
            ids: Of rows that `failed` gave.

        Returns:
            How many there were.

        Raises:
            ConfigurationError: An id that names nothing that failed.
        """
        return self._runner.run(self._requeue(ids))

    def ignore(self, *ids: str) -> int:
        """Leave failed records alone, whatever changes, until they are requeued.

        Args:
            ids: Of rows that `failed` gave.

        Returns:
            How many there were.

        Raises:
            ConfigurationError: An id that names nothing that failed.
        """
        return self._runner.run(self._ignore(ids))

    def history(self, key: Key) -> Listing[AppliedWrite]:
        """Tell what was written of a record: when, by which run and rule, from what to what; oldest first.

        Args:
            key: The value of its key (a tuple of several), or its record id on either side.
        """
        return self._runner.run(self._history(key))

    def forget(self, key: Key) -> int:
        """Erase what is remembered of a person, for an erasure request; deletes nothing in either service.

        Links, open items and history go, in every transfer.  What stays are keyed digests, by which the person's
        records are passed over from then on: without them the side that still has a record would bring it back.

        Args:
            key: The value of the person's key (a tuple of several), or their record id on either side.

        Returns:
            How many links were erased.

        Raises:
            ConfigurationError: A run that was killed is not settled yet.
        """
        return self._runner.run(self._forget(key))

    def undo(self, run_id: str, *, deletes: bool = False) -> Plan:
        """Plan to take back what a run wrote; look at it and apply it like any other plan.

        Each field goes back to its before-image if it still holds what the run wrote, as far as triggers and directions
        allow it; what was edited since stays.  What is taken back settles as accepted: it is written again only when
        one of the two sides changes.  Deletes cannot be taken back.

        Args:
            run_id: From `status` or `store.runs`.
            deletes: Also delete the records that the run created, on the side where it did.

        Raises:
            ConfigurationError: The history knows no write of such a run.
        """
        return self._runner.run(self._undo(run_id, deletes=deletes))

    def cost(self, plan: Plan) -> Cost:
        """Tell how many calls a plan takes on each side, and how many are left of Salesforce's day.

        Raises:
            ApiError, TransportError: Salesforce did not answer.
        """
        return self._runner.run(self._cost(plan))


class AsyncLooking(SynchronizerBase):
    """The same of the awaited one."""

    _runner: AsyncRunner

    async def notify(self, events: Iterable[WebhookEvent]) -> int:
        return await self._runner.run(self._notify(events))

    async def status(self) -> Status:
        return await self._runner.run(self._status())

    async def failed(self, *transfers: str) -> Listing[FailedRow]:
        return await self._runner.run(self._failed(transfers))

    async def requeue(self, *ids: str) -> int:
        return await self._runner.run(self._requeue(ids))

    async def ignore(self, *ids: str) -> int:
        return await self._runner.run(self._ignore(ids))

    async def history(self, key: Key) -> Listing[AppliedWrite]:
        return await self._runner.run(self._history(key))

    async def forget(self, key: Key) -> int:
        return await self._runner.run(self._forget(key))

    async def undo(self, run_id: str, *, deletes: bool = False) -> Plan:
        return await self._runner.run(self._undo(run_id, deletes=deletes))

    async def cost(self, plan: Plan) -> Cost:
        return await self._runner.run(self._cost(plan))


LOOKING = ("notify", "status", "failed", "requeue", "ignore", "history", "forget", "undo", "cost")
"""The methods that both have; one text for both, since a copy would drift."""

for _name in LOOKING:
    getattr(AsyncLooking, _name).__doc__ = getattr(Looking, _name).__doc__
