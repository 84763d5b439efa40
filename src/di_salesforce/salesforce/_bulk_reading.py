"""A bulk query from its first step to its last: all of its rows, in the values that a plain query gives.

What may not go in here: the steps themselves (`_bulk_flows.py`) and what a cell means (`_bulk.py`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from di_salesforce.exceptions import DISalesforceError, UnexpectedResponseError
from di_salesforce.records import Side
from di_salesforce.retry import with_retry
from di_salesforce.salesforce._bulk import Bulk, BulkJob, BulkPage, close_job, reader_of
from di_salesforce.salesforce._bulk_query_flows import bulk_page, start_query
from di_salesforce.salesforce._settings import Settings
from di_salesforce.salesforce._soql import Soql
from di_salesforce.schema import TableSchema
from di_salesforce.wire import Flow

__all__ = ["bulk_rows"]


def bulk_rows(
    settings: Settings, connection: str, query: Soql, *, schema: TableSchema, bulk: Bulk, expected: int
) -> Flow[list[dict[str, Any]]]:  # rows of Values
    """Run a query as a bulk job to its end and give all of its rows, counted against what the job says of itself.

    Args:
        settings: retries.
        connection: its name.
        query: fields alone, of this object and of parents; each of them in `schema`.
        schema: gives every value its type; parents' fields stand in it under their paths.
        bulk: how long the job is waited for, and the rows of a page.
        expected: rows that the service counted before: fewer are not taken for all where the job itself counts none.

    Raises:
        UnexpectedResponseError: fewer or more rows came than were counted, or a value is none of its type.
        TimedOutError: patience has ended before the job; it is ended too.
        ApiError, TransportError: the service refused, or did not answer.
    """
    jobs: list[BulkJob] = []
    try:
        job = yield from start_query(settings, connection, query, bulk=bulk, on_job=jobs.append)
        rows: list[dict[str, Any]] = []  # see above
        page: BulkPage | None = None
        while page is None or page.locator:
            page = yield from bulk_page(settings, connection, job, page, bulk)
            rows += reader_of(page.header, schema)(page.lines)
        if job.processed != len(rows) and (job.processed or len(rows) < expected):
            raise _wrong(job, f"it has {job.processed or expected:,} rows, and {len(rows):,} came")
    except DISalesforceError:
        for made in jobs:  # whether it can be ended or not, nothing depends on it
            with suppress(DISalesforceError):
                yield from with_retry(close_job(settings, made.id, "Aborted", kind="query"), connection, settings.retry)
        raise
    return rows


def _wrong(job: BulkJob, why: str) -> UnexpectedResponseError:
    sentence = f"Salesforce, bulk query {job.id}: its rows cannot be relied on ({why})"
    return UnexpectedResponseError(sentence, side=Side.SALESFORCE)
