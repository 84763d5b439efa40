"""Many writes of one kind through bulk jobs of Salesforce, each job in the journal before anything of it happens.

What may not go in here: choosing the way (`_salesforce_writing.py`).  A job is made, its id is remembered, and only
then is it given its rows and closed.  So whoever finds the journal later knows every job that can have done anything,
asks each what it did, and ends those that were never closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from di_salesforce.engine import Create, Write
from di_salesforce.exceptions import NotFoundError, TimedOutError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.salesforce import BulkJob, Operation, RowError, RowResult
from di_salesforce.salesforce._bulk_csv import cell_text
from di_salesforce.salesforce._bulk_flows import Watch, bulk_ingest, bulk_results, result_of
from di_salesforce.stores import Intent, IntentJob
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow

__all__ = [
    "Journal",
    "cells_of",
    "failed_as_a_whole",
    "may_go_on",
    "row_of",
    "write_in_bulk",
    "written_by_jobs",
]


@attrs.frozen
class Journal:
    """What a run does while jobs go on.

    Args:
        remember: keeps a job with the writes that it carries.
        goes_on: prolongs the lease; False where the run is to end, and its jobs with it.
    """

    remember: Callable[[IntentJob], Flow[None]]
    goes_on: Callable[[], Flow[bool]]


def row_of(action: Write) -> Row:
    """Give a write as a row to send: a create has no id yet."""
    return dict(action.values) if isinstance(action, Create) else {"Id": action.record_id, **action.values}


def _cell(action: Write, key: str) -> str | None:
    """Give the text by which the results name a write; None where it has none."""
    value = record_id_18(action.record_id) if key == "Id" and action.record_id else action.values.get(key)
    try:
        return cell_text(value) if value not in (None, "") else None
    except ValueError:
        return None


def cells_of(actions: Sequence[Write], key: str) -> dict[str, Write]:
    """Give the writes that a bulk job can carry, by the cell that ties its results to them.

    A value that a CSV of Bulk cannot hold (the text `#N/A`), a blank key, a key that another write has too: those
    are left for the other way.
    """
    found: dict[str, Write] = {}
    for action in actions:
        cell = _cell(action, key)
        if cell is not None and cell not in found and all(map(_is_sendable, action.values.values())):
            found[cell] = action
    return found


def _is_sendable(value: object) -> bool:
    try:
        cell_text(value)
    except ValueError:
        return False
    return True


def write_in_bulk(
    setup: Setup, transfer: ObjectTransfer, operation: Operation, key: str, cells: Mapping[str, Write], journal: Journal
) -> Flow[dict[str, RowResult]]:
    """Carry writes out by bulk jobs; raises only where nothing of it can have been applied."""

    def made(job: BulkJob, keys: Sequence[str]) -> Flow[None]:
        return journal.remember(IntentJob(job.id, key, [cells[cell].id for cell in keys]))

    results = yield from bulk_ingest(
        setup.salesforce,
        SALESFORCE,
        transfer.sobject,
        operation,
        map(row_of, cells.values()),
        key="" if key == "Id" else key,
        bulk=setup.bulk,
        watch=Watch(made, journal.goes_on),
    )
    return {action.id: result for action, result in zip(cells.values(), results, strict=True)}


_OF_A_JOB: Final = re.compile(r"[A-Z][a-z]|job\.failed")  # `InvalidBatch`; a row's own codes are `IN_CAPITALS` [R]
_MAY_GO_ON: Final = frozenset({"answer.lost", "job.unfinished"})


def failed_as_a_whole(result: RowResult) -> bool:
    """Tell whether a row was not even looked at, since something was wrong with its whole job."""
    return not result.unknown and any(_OF_A_JOB.match(error.code) for error in result.errors)


def may_go_on(result: RowResult) -> bool:
    """Tell whether a row's job may still be carried out, hours later: no quarantine is long enough for that."""
    return result.unknown and any(error.code in _MAY_GO_ON for error in result.errors)


def written_by_jobs(
    setup: Setup, intent: Intent, writes: Sequence[Write], journal: Journal
) -> Flow[dict[str, RowResult]]:
    """Ask the jobs of an intent that a dead run left open what they did; jobs that were never closed are ended.

    Raises:
        ApiError, TransportError: they could not be asked: nothing may be planned about these records yet.
    """
    by_id = {action.id: action for action in writes}
    known: dict[str, RowResult] = {}
    for job in intent.jobs:
        try:
            found = yield from bulk_results(
                setup.salesforce,
                SALESFORCE,
                job.id,
                key=job.key,
                bulk=setup.bulk,
                watch=Watch(_already_known, journal.goes_on),
            )
        except NotFoundError:  # jobs are kept for a week [D]: a look-up of each record says more
            results = dict.fromkeys(job.actions, _GONE)
        else:
            if not found.job.finished:
                raise TimedOutError(
                    f"bulk job {job.id} of the run {intent.run_id} goes on and cannot be ended; what it writes is "
                    "settled by a run that comes later",
                    side=Side.SALESFORCE,
                    may_have_applied=True,
                )
            carried = [by_id[each] for each in job.actions if each in by_id]
            results = {action.id: result_of(found, _cell(action, job.key) or "") for action in carried}
        for action_id, result in results.items():
            before = known.get(action_id)
            # A job whose upload got lost was ended, and its rows went on in the next: the news is in one of them.
            if before is None or not (before.success or before.unknown):
                known[action_id] = result
    return known


_GONE: Final = RowResult(success=False, unknown=True, errors=(RowError("answer.missing", "its job is gone"),))


def _already_known(_job: BulkJob, _keys: Sequence[str]) -> Flow[None]:
    yield from ()
