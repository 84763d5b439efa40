"""Bulk API 2.0 that reads, as work of several steps: make a query, wait for it, page.

What may not go in here: the shape of a call (`_bulk.py`), what happens between two looks at a job (`_bulk_flows.py`).
"""

from __future__ import annotations

from di_salesforce._telling import SILENT, Tally
from di_salesforce.exceptions import InvalidRequestError, TimedOutError
from di_salesforce.protocols import Progress
from di_salesforce.records import Side
from di_salesforce.retry import with_retry
from di_salesforce.salesforce import _bulk as calls
from di_salesforce.salesforce._bulk import Bulk, BulkJob, BulkPage
from di_salesforce.salesforce._bulk_flows import OnJob, wait_for_job
from di_salesforce.salesforce._calls import sobject_of
from di_salesforce.salesforce._settings import Settings
from di_salesforce.salesforce._soql import Soql
from di_salesforce.wire import Flow

__all__ = ["bulk_page", "finished_query", "query_tally", "start_query"]


def query_tally(progress: Progress | None, query: Soql | None = None) -> Tally:
    """Count the rows of a bulk query; how many there are is told once it is done."""
    sobject = sobject_of(query) if query is not None else ""
    return Tally(progress, f"bulk query {sobject}" if sobject else "bulk query")


def start_query(
    settings: Settings,
    connection: str,
    query: Soql,
    *,
    include_deleted: bool = False,
    bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
    on_job: OnJob | None = None,
    tally: Tally = SILENT,
) -> Flow[BulkJob]:
    """Make a bulk query and wait until its rows are there."""
    yield from tally.begin()
    call = calls.create_query(settings, query, bulk.form, include_deleted=include_deleted)
    job = yield from with_retry(call, connection, settings.retry)
    if on_job is not None:
        on_job(job)
    return (yield from finished_query(settings, connection, job.id, bulk=bulk))


def finished_query(
    settings: Settings,
    connection: str,
    job_id: str,
    *,
    bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
) -> Flow[BulkJob]:
    """Wait until the rows of a bulk query are there.

    Raises:
        InvalidRequestError: the query failed or was ended.
        TimedOutError: patience has ended before it.
    """
    job = yield from wait_for_job(settings, connection, BulkJob(job_id, ""), bulk, "query")
    if job.state == "JobComplete":
        return job
    if not job.finished:
        raise TimedOutError(
            f"bulk query {job.id} is still {job.state}; ask for its rows later",
            side=Side.SALESFORCE,
            may_have_applied=False,
        )
    error = calls.job_error(job)
    sentence = f"Salesforce, bulk query {job.id}: it has ended without rows ({job.state}, {error.code})"
    raise InvalidRequestError(sentence, side=Side.SALESFORCE, code=error.code, message=error.message)


def bulk_page(
    settings: Settings, connection: str, job: BulkJob, page: BulkPage | None, bulk: Bulk, tally: Tally = SILENT
) -> Flow[BulkPage]:
    """Get the first page of a bulk query, or the one after `page`."""
    locator, header = (page.locator, page.header) if page is not None else ("", ())
    call = calls.query_page(settings, job, locator=locator, page_rows=bulk.page_rows, header=header)
    found = yield from with_retry(call, connection, settings.retry)
    yield from tally.add(len(found.lines), total=job.processed)
    if not found.locator:
        yield from tally.finish()
    return found
