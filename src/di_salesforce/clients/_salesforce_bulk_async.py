"""The bulk methods of the async Salesforce client: jobs that write, and queries that read by the million.

What may not go in here: decisions of any kind.  `_salesforce_bulk.py` has the same names, parameters and
docstrings, which a test compares; the two differ by `await` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, LiteralString

from di_salesforce._telling import Tally
from di_salesforce.clients._salesforce_records_async import AsyncSalesforceRecords
from di_salesforce.protocols import Progress
from di_salesforce.records import Row
from di_salesforce.salesforce import _bulk_flows as flows
from di_salesforce.salesforce import _bulk_query_flows as query_flows
from di_salesforce.salesforce import _write_flows as write_flows
from di_salesforce.salesforce._bulk import Bulk, BulkJob, BulkPage, BulkResults, reader_of
from di_salesforce.salesforce._bulk_flows import OnJob
from di_salesforce.salesforce._settings import Operation, RowResult
from di_salesforce.salesforce._soql import Soql
from di_salesforce.salesforce._soql import soql as with_values
from di_salesforce.salesforce._write_flows import WriteReport
from di_salesforce.schema import TableSchema
from di_salesforce.wire import Flow

__all__ = ["AsyncSalesforceBulk"]


class AsyncSalesforceBulk(AsyncSalesforceRecords):
    """What a Salesforce client does through Bulk API 2.0."""

    async def write(
        self,
        sobject: str,
        operation: Operation,
        rows: Iterable[Row],
        *,
        key: str = "",
        bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
        together: str = "",
        on_job: OnJob | None = None,
        progress: Progress | None = None,
    ) -> WriteReport:
        """Write any number of records the way that their number asks for: by collections, or in bulk jobs.

        From `bulk_from` records on (a setting of the client) they go in bulk, as far as that can tie results to rows.

        Args:
            sobject: their object's API name.
            operation: "create", "update", "upsert" or "delete".
            rows: by API name; an update and a delete need `Id`.
            key: of an upsert its external id; of a create a column with a value of its own in each row, without which
                none is made in bulk.
            bulk: how bulk work is cut into jobs and waited for.
            together: a lookup; rows that share it go into the same job.
            on_job: told of each job as soon as it is made.
            progress: told how many rows have an outcome; of bulk jobs first how many rows are handed over.

        Returns:
            A result for each row, in order, the way that was taken and the reason.

        Raises:
            ConfigurationError: an upsert without a key; nothing was sent.
            ApiError, TransportError: nothing was accepted, and no record is in doubt.
        """
        return await self.run(
            write_flows.write(
                *self.context,
                sobject,
                operation,
                rows,
                key=key,
                bulk=bulk,
                together=together,
                on_job=on_job,
                progress=progress,
            )
        )

    async def bulk_ingest(
        self,
        sobject: str,
        operation: Operation,
        rows: Iterable[Row],
        *,
        key: str = "",
        bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
        together: str = "",
        on_job: OnJob | None = None,
        progress: Progress | None = None,
    ) -> list[RowResult]:
        """Write any number of records through bulk jobs, and wait for them.

        For tens of thousands of records; below, `create_many` and its like answer sooner.  Rows may be a generator: no
        more than a few uploads are held at once.  `UNSET` leaves a field as it is, None clears it.

        Args:
            sobject: their object's API name.
            operation: "create", "update", "upsert" or "delete".
            rows: by API name; `Account.Ext__c` sets a lookup by the parent's external id.
            key: the column that ties results to rows, with a value of its own in each: of an upsert its external id, of
                a create any such column, else `Id`.
            bulk: how the work is cut into jobs and waited for.
            together: a lookup (`AccountId`): rows that share it go into the same job, so that jobs do not lock their
                parents against each other.  All rows are held then.
            on_job: told of each job as soon as it is made; keep its id, and `bulk_results` finds out after a crash.
            progress: told how many rows are handed over, then how many the jobs have come to.

        Returns:
            One result for each row, in order; `unknown` where a job did not tell.

        Raises:
            ConfigurationError: no key; nothing was sent.
            ApiError, TransportError: no job was accepted, and no record is in doubt.
        """
        return await self.run(
            flows.bulk_ingest(
                *self.context,
                sobject,
                operation,
                rows,
                key=key,
                bulk=bulk,
                together=together,
                on_job=on_job,
                progress=progress,
            )
        )

    async def bulk_results(
        self,
        job_id: str,
        *,
        key: str,
        bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
        progress: Progress | None = None,
    ) -> BulkResults:
        """Take up a job that writes by its id, as after a crash: wait for it and read its results.

        A job whose rows were never handed over whole is ended, and nothing of it is carried out.

        Args:
            job_id: the job's id, from `on_job`.
            key: the column that ties results to rows.
            bulk: how long it is waited for.
            progress: told how many rows the job has come to.

        Returns:
            The job, and a result for each row that it came to, by the text of the key.

        Raises:
            NotFoundError: there is no such job, or no longer (they are kept for seven days).
            ApiError, TransportError: the service refused, or did not answer.
        """
        return await self.run(flows.bulk_results(*self.context, job_id, key=key, bulk=bulk, progress=progress))

    def bulk_query(
        self,
        soql: LiteralString | Soql,
        params: Mapping[str, object] | None = None,
        *,
        schema: TableSchema | None = None,
        include_deleted: bool = False,
        bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
        on_job: OnJob | None = None,
        progress: Progress | None = None,
    ) -> AsyncIterator[dict[str, Any]]:  # rows of Values
        """Run a query as a bulk job and go through its rows; one page is held at a time.

        Nothing is sent before the first row is asked for.  Sub-queries, aggregates and compound fields (addresses) are
        not possible in bulk.

        Args:
            soql: a literal text with `:name` places for values, or a `Soql`.
            params: the values, as for `query`.
            schema: gives the query's own numbers and booleans their types; without it all values are texts.
            include_deleted: also rows in the recycle bin (`IsDeleted`).
            bulk: how long it is waited for, and the rows of a page.
            on_job: told of the job; `bulk_query_rows` takes it up after a crash.
            progress: told how many rows have been read.

        Raises:
            ConfigurationError: at once, where text and values do not fit together.
            ApiError, TransportError: on the way, where the service refuses or does not answer.
        """
        question = with_values(soql, **(params or {}))
        tally = query_flows.query_tally(progress, question)
        start = query_flows.start_query(
            *self.context, question, include_deleted=include_deleted, bulk=bulk, on_job=on_job, tally=tally
        )
        return self._bulk_rows(start, schema, bulk, tally)

    def bulk_query_rows(
        self,
        job_id: str,
        *,
        schema: TableSchema | None = None,
        bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
        progress: Progress | None = None,
    ) -> AsyncIterator[dict[str, Any]]:  # rows of Values
        """Go through the rows of a bulk query that was made before, from the first one on.

        Args:
            job_id: the job's id, from `on_job`.
            schema: gives the query's own numbers and booleans their types.
            bulk: how long it is waited for, and the rows of a page.
            progress: told how many rows have been read.

        Raises:
            ApiError, TransportError: on the way, where the service refuses or does not answer.
        """
        start = query_flows.finished_query(*self.context, job_id, bulk=bulk)
        return self._bulk_rows(start, schema, bulk, query_flows.query_tally(progress))

    async def _bulk_rows(
        self, start: Flow[BulkJob], schema: TableSchema | None, bulk: Bulk, tally: Tally
    ) -> AsyncIterator[dict[str, Any]]:
        job = await self.run(start)
        page: BulkPage | None = None
        while page is None or page.locator:
            page = await self.run(query_flows.bulk_page(*self.context, job, page, bulk, tally))
            for row in reader_of(page.header, schema)(page.lines):
                yield row
