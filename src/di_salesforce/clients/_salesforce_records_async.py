"""The record methods of the async Salesforce client: one and many, read and written.

What may not go in here: decisions of any kind.  `_salesforce_records.py` has the same names, parameters and docstrings,
which a test compares; the two differ by `await` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from di_salesforce.protocols import Progress
from di_salesforce.records import Row
from di_salesforce.salesforce import _flows as flows
from di_salesforce.salesforce._settings import RowResult, Settings
from di_salesforce.wire import Flow

__all__ = ["AsyncSalesforceRecords"]

T = TypeVar("T")


class AsyncSalesforceRecords(ABC):
    """What a Salesforce client does with records."""

    @property
    @abstractmethod
    def context(self) -> tuple[Settings, str]:
        """What every flow takes first: the settings, and the name of the connection."""

    @abstractmethod
    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow of `di_salesforce.salesforce` through this client."""

    async def get(
        self, sobject: str, record_id: str, fields: Sequence[str] | None = None
    ) -> dict[str, Any]:  # see `query`
        """Read a record.

        Args:
            sobject: its object's API name.
            record_id: its id, of 15 or 18 characters.
            fields: API names; None: all that the user may see.

        Raises:
            NotFoundError: there is no such record, or the user may not see it.
        """
        return await self.run(flows.get(*self.context, sobject, record_id, fields))

    async def create(self, sobject: str, values: Row) -> str:
        """Create a record and give its id.

        Where no answer comes it is not repeated, since that could create two: look for the record first.  An `upsert`
        by an external id has no such trouble.

        Args:
            sobject: its object's API name.
            values: by API name; `Account.Ext__c` sets a lookup by the parent's external id.

        Raises:
            ConversionError: a value has no form in JSON; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer (see `.may_have_applied`).
        """
        return await self.run(flows.create(*self.context, sobject, values))

    async def update(
        self, sobject: str, record_id: str, values: Row, *, unchanged_since: datetime | None = None
    ) -> None:
        """Write some fields of a record; None clears a field.

        Args:
            sobject: its object's API name.
            record_id: its id, of 15 or 18 characters.
            values: by API name.
            unchanged_since: write only if the record's `SystemModstamp` is not later, to the second; where no answer
                comes, such a write is not repeated.

        Raises:
            ConversionError: a value has no form in JSON; nothing was sent.
            NotFoundError: the record is not there any more.
            StaleRecordError: the record was changed since; nothing was written.
            ApiError, TransportError: the service refused, or did not answer (see `.may_have_applied`).
        """
        await self.run(flows.update(*self.context, sobject, record_id, values, unchanged_since=unchanged_since))

    async def upsert(self, sobject: str, external_id: str, value: str | int, values: Row) -> RowResult:
        """Update the record that holds an external id, or create it.

        Args:
            sobject: its object's API name.
            external_id: the field that is the external id.
            value: what it holds; any text.
            values: the other fields, by API name.

        Returns:
            Its `record_id` (None where the service did not tell) and whether it was `created`.

        Raises:
            AmbiguousKeyError: several records hold the value.
            ConfigurationError, ConversionError: a value that cannot be sent; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer (see `.may_have_applied`).
        """
        return await self.run(flows.upsert(*self.context, sobject, values, external_id=external_id, value=value))

    async def delete(self, sobject: str, record_id: str) -> None:
        """Delete a record; it goes to the org's recycle bin.

        Args:
            sobject: its object's API name.
            record_id: its id, of 15 or 18 characters.

        Raises:
            NotFoundError: the record is not there any more.
            ApiError, TransportError: the service refused, or did not answer (see `.may_have_applied`).
        """
        await self.run(flows.delete(*self.context, sobject, record_id))

    async def create_many(
        self,
        sobject: str,
        records: Iterable[Row],
        *,
        all_or_none: bool = False,
        progress: Progress | None = None,
    ) -> list[RowResult]:
        """Create records, 200 in a call, several calls at once.

        Look at every result: a call that returns has not necessarily created every record.  A record that cannot be
        sent is refused on its own; where the answer to a slice got lost, its records are `unknown` and were not sent
        again.

        Args:
            sobject: their object's API name.
            records: rows by API name.
            all_or_none: create all of them or none; at most 200 then.
            progress: told how many records have an outcome (`progress_bar` draws it).

        Returns:
            One result for each record, in order.

        Raises:
            ConfigurationError: `all_or_none` cannot be kept; nothing was sent.
            ApiError, TransportError: nothing was accepted, and no record is in doubt.
        """
        return await self.run(
            flows.write_collection(
                *self.context, "create", sobject, records, all_or_none=all_or_none, progress=progress
            )
        )

    async def update_many(
        self,
        sobject: str,
        records: Iterable[Row],
        *,
        all_or_none: bool = False,
        progress: Progress | None = None,
    ) -> list[RowResult]:
        """Write some fields of records, 200 in a call, several calls at once; see `create_many`.

        Args:
            sobject: their object's API name.
            records: rows by API name, each with its `Id`.
            all_or_none: update all of them or none; at most 200 then.
            progress: told how many records have an outcome (`progress_bar` draws it).

        Returns:
            One result for each record, in order.

        Raises:
            ConfigurationError: `all_or_none` cannot be kept; nothing was sent.
            ApiError, TransportError: nothing was accepted, and no record is in doubt.
        """
        return await self.run(
            flows.write_collection(
                *self.context, "update", sobject, records, all_or_none=all_or_none, progress=progress
            )
        )

    async def upsert_many(
        self,
        sobject: str,
        external_id: str,
        records: Iterable[Row],
        *,
        all_or_none: bool = False,
        progress: Progress | None = None,
    ) -> list[RowResult]:
        """Update the records that hold external ids, and create those that none holds; see `create_many`.

        Args:
            sobject: their object's API name.
            external_id: the field that is the external id.
            records: rows by API name, each with the external id.
            all_or_none: write all of them or none; at most 200 then.
            progress: told how many records have an outcome (`progress_bar` draws it).

        Returns:
            One result for each record, in order.

        Raises:
            ConfigurationError: `all_or_none` cannot be kept; nothing was sent.
            ApiError, TransportError: nothing was accepted, and no record is in doubt.
        """
        return await self.run(
            flows.write_collection(
                *self.context,
                "upsert",
                sobject,
                records,
                external_id=external_id,
                all_or_none=all_or_none,
                progress=progress,
            )
        )

    async def delete_many(
        self, sobject: str, ids: Iterable[str], *, all_or_none: bool = False, progress: Progress | None = None
    ) -> list[RowResult]:
        """Delete records, 200 in a call, several calls at once; see `create_many`.

        Args:
            sobject: their object's API name.
            ids: their ids.
            all_or_none: delete all of them or none; at most 200 then.
            progress: told how many records have an outcome (`progress_bar` draws it).

        Returns:
            One result for each id, in order.

        Raises:
            ConfigurationError: `all_or_none` cannot be kept; nothing was sent.
            ApiError, TransportError: nothing was accepted, and no record is in doubt.
        """
        records = [{"Id": record_id} for record_id in ids]
        return await self.run(
            flows.write_collection(
                *self.context, "delete", sobject, records, all_or_none=all_or_none, progress=progress
            )
        )

    async def retrieve_many(
        self, sobject: str, ids: Sequence[str], fields: Sequence[str], *, progress: Progress | None = None
    ) -> list[dict[str, Any] | None]:  # see `query`
        """Read records by their ids, 2,000 in a call.

        Args:
            sobject: their object's API name.
            ids: their ids.
            fields: API names.
            progress: told how many ids have been asked for.

        Returns:
            One row for each id, in order; None for records that are not there or may not be seen.

        Raises:
            ConfigurationError: something is no id; nothing was sent.
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self.run(flows.retrieve_many(*self.context, sobject, ids, fields, progress=progress))
