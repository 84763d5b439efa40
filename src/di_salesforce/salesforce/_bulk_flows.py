"""Bulk API 2.0 that writes, as work of several steps: cut, upload, close, wait, tie the results to the rows.

What may not go in here: the shape of a call (`_bulk.py`) and of a cell (`_bulk_csv.py`), queries
(`_bulk_query_flows.py`).  Nothing of a job is carried out before it is closed, so everything up to there may be begun
anew; what was closed is never sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, TypeAlias, TypeVar

import attrs

from di_salesforce._telling import SILENT, Tally, size_of
from di_salesforce.exceptions import (
    ApiError,
    ConfigurationError,
    ConversionError,
    DISalesforceError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.retry import may_have_applied, with_retry
from di_salesforce.salesforce import _bulk as calls
from di_salesforce.salesforce._bulk import Bulk, BulkJob, BulkResults, Keyed
from di_salesforce.salesforce._bulk_csv import Piece, cell_text, pieces
from di_salesforce.salesforce._settings import Operation, RowError, RowResult, Settings
from di_salesforce.salesforce._soql import identifier
from di_salesforce.wire import Call, Flow, SendAll, Sleep

__all__ = [
    "OnJob",
    "Watch",
    "bulk_ingest",
    "bulk_results",
    "result_of",
    "wait_for_job",
]

T = TypeVar("T")

OnJob: TypeAlias = Callable[[BulkJob], None]
"""Told of every job as soon as it is made, so that its id can be kept for after a crash."""


@attrs.frozen
class Watch:
    """What somebody does who must find jobs again after a crash; with it they go one after the other.

    Args:
        made: remembers a job and the key cells of its rows, before anything of them can be carried out.
        goes_on: asked between two looks at a job; where the answer is False the job is ended, and what it did is read.
    """

    made: Callable[[BulkJob, Sequence[str]], Flow[None]]
    goes_on: Callable[[], Flow[bool]]


_NOT_TIED: Final = RowResult(
    success=False, unknown=True, errors=(RowError("answer.missing", "the job's results do not mention this row"),)
)


def wait_for_job(
    settings: Settings,
    connection: str,
    job: BulkJob,
    bulk: Bulk,
    kind: str,
    watch: Watch | None = None,
    tally: Tally = SILENT,
) -> Flow[BulkJob]:
    """Look at a job until it has ended, or until patience has; the pauses grow by half each time."""
    pause, waited, seen = bulk.first_look, 0.0, 0
    while True:
        yield Sleep(pause)
        waited += pause
        job = yield from with_retry(calls.look_at(settings, job.id, kind=kind), connection, settings.retry)
        if job.processed > seen:
            yield from tally.add(job.processed - seen)
            seen = job.processed
        pause = min(max(pause, 0.01) * 1.5, bulk.longest_pause)  # 0.01: a first look at once does not make a busy loop
        if job.finished or waited + pause > bulk.patience:
            return job
        if watch is not None and not (yield from watch.goes_on()):
            return job


# Writing ----------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Ingest:
    """What is done to the rows, and what is known of each so far (by its place)."""

    operation: Operation
    sobject: str
    key: str
    results: dict[int, RowResult] = attrs.field(factory=dict[int, RowResult])

    def refuse(self, place: int, code: str, message: str) -> None:
        self.results[place] = RowResult(success=False, errors=(RowError(code, message, (self.key,)),))

    def refuse_value(self, place: int, error: ConversionError) -> None:
        self.results[place] = RowResult(False, errors=(RowError(error.code, str(error), (error.field or "",)),))

    def rows(self, pairs: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
        """Let through the rows that can be sent and found again in the results."""
        seen: set[str] = set()
        for place, given in pairs:
            value = given.get(self.key)
            if value is None or value == "":
                self.refuse(place, "key.missing", f"{self.key} is blank")
                continue
            row = given
            if self.key == "Id" and self.operation in ("update", "delete"):
                full = record_id_18(value) if isinstance(value, str) else None
                if full is None:
                    self.refuse(place, "key.missing", "Id is no record id")
                    continue
                row = {"Id": full} if self.operation == "delete" else {**given, "Id": full}
            try:
                text = cell_text(row[self.key])
            except ValueError as error:
                self.refuse(place, "value.not_sendable", f"{self.key} {error}")
                continue
            if text in seen:
                self.refuse(place, "key.duplicate", f"another row has this {self.key}: results could not be told apart")
                continue
            seen.add(text)
            yield place, row

    def settle(self, piece: Piece, outcome: Mapping[str, RowResult], missing: RowResult) -> None:
        for place, key in zip(piece.places, piece.keys, strict=True):
            self.results[place] = outcome.get(key, missing)


def bulk_ingest(
    settings: Settings,
    connection: str,
    sobject: str,
    operation: Operation,
    rows: Iterable[Row],
    *,
    key: str = "",
    bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
    together: str = "",
    on_job: OnJob | None = None,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Flow[list[RowResult]]:
    """Write any number of records through bulk jobs; one result for each, in order.

    Args:
        settings: concurrency and retries.
        connection: its name.
        sobject: the object of all records.
        operation: what to do.
        rows: by API name; read one after another, and held no longer than it takes to upload them.
        key: the column that ties results to rows: of an upsert its external id, of a create any column with distinct
            values, else `Id`.
        bulk: how the work is cut and waited for.
        together: a lookup; rows that share it go into the same job, since jobs run side by side and would lock the
            parent against each other [D].  Needs all rows at once.
        on_job: told of each job.
        watch: remembers each job, and may end it; a job that it does not see the end of is ended too.
        progress: told how many rows are handed over, then how many the jobs have come to.

    Raises:
        ConfigurationError: no key.
        ApiError, TransportError: no job was accepted, and nothing can have been applied.
    """
    work = _Ingest(operation, identifier(sobject, "sObject"), _key_column(operation, sobject, key))
    if watch is not None:
        settings = attrs.evolve(settings, parallel=1)  # what it remembers with takes one thing at a time
    pairs: Iterable[tuple[int, Row]] = enumerate(rows)
    if together:
        pairs = sorted(pairs, key=lambda pair: str(pair[1].get(together)))
    cut = pieces(
        work.rows(pairs),
        bulk.form,
        key=work.key,
        most_bytes=bulk.most_bytes,
        most_rows=bulk.most_rows,
        together=together,
        refuse=work.refuse_value,
    )
    uploads = Tally(progress, f"upload {sobject}", size_of(rows))
    yield from uploads.begin()
    started = yield from _start_all(settings, connection, work, cut, bulk, on_job, watch, uploads)
    yield from uploads.finish()
    jobs = Tally(progress, f"bulk {operation} {sobject}", sum(len(piece.places) for piece, _ in started))
    yield from jobs.begin()
    found: list[tuple[BulkJob, Keyed] | DISalesforceError] = yield SendAll(
        [_collect(settings, connection, job, work.key, bulk, jobs, watch) for _, job in started],
        at_most=settings.parallel,
    )
    yield from jobs.finish()
    for (piece, job), outcome in zip(started, found, strict=True):
        if isinstance(outcome, DISalesforceError):
            work.settle(piece, {}, _unknown("answer.lost", job, f"its results were not read: {outcome}"))
        else:
            work.settle(piece, outcome[1], _missing(outcome[0]))
    return [work.results[place] for place in sorted(work.results)]


def _key_column(operation: Operation, sobject: str, key: str) -> str:
    named = operation in ("update", "delete")
    if not key and not named:
        raise ConfigurationError(f"bulk {operation} of {sobject}: say by `key` which column tells the rows apart")
    if key not in ("", "Id") and named:
        raise ConfigurationError(f"bulk {operation} of {sobject}: records are named by Id, not by {key}")
    return key or "Id"


def _start_all(
    settings: Settings,
    connection: str,
    work: _Ingest,
    cut: Iterator[Piece],
    bulk: Bulk,
    on_job: OnJob | None,
    watch: Watch | None,
    tally: Tally,
) -> Flow[list[tuple[Piece, BulkJob]]]:
    """Upload and close one job for each piece, a few at once; give them without their bytes."""
    started: list[tuple[Piece, BulkJob]] = []
    refusal: DISalesforceError | None = None  # of a whole wave of jobs: the next ones would be refused as well
    while wave := list(islice(cut, settings.parallel)):
        answers: list[BulkJob | DISalesforceError]
        if refusal is not None:
            answers = [refusal] * len(wave)
        else:
            flows = [_start(settings, connection, work, piece, bulk, on_job, watch) for piece in wave]
            answers = yield SendAll(flows, at_most=settings.parallel)
            errors = [answer for answer in answers if isinstance(answer, DISalesforceError)]
            refusal = errors[0] if len(errors) == len(answers) else None
            if refusal is not None and not started and not any(map(_in_doubt, errors)):
                raise refusal
        for piece, answer in zip(wave, answers, strict=True):
            if isinstance(answer, BulkJob):
                started.append((attrs.evolve(piece, content=b""), answer))
            else:
                work.settle(piece, {}, _failure(answer))
        yield from tally.add(sum(len(piece.places) for piece in wave))
    return started


def _start(
    settings: Settings,
    connection: str,
    work: _Ingest,
    piece: Piece,
    bulk: Bulk,
    on_job: OnJob | None,
    watch: Watch | None,
) -> Flow[BulkJob]:
    """Make a job, give it its rows and close it; after a lost answer to the upload, anew with another job."""
    external_id = work.key if work.operation == "upsert" else ""
    create = calls.create_ingest(settings, work.operation, work.sobject, bulk.form, external_id=external_id)
    attempt, waited = 1, 0.0
    while True:
        job = yield from with_retry(create, connection, settings.retry)
        if on_job is not None:
            on_job(job)
        if watch is not None:
            yield from watch.made(job, piece.keys)
        send = calls.upload(settings, job, piece.content)
        try:
            yield from with_retry(send, connection, settings.retry)
        except (TransportError, ServerError, UnexpectedResponseError) as error:
            yield from _quietly(calls.close_job(settings, job.id, "Aborted"), settings, connection)
            anew = attrs.evolve(send.request, repeatable=True)  # a job that is not closed carries nothing out
            delay = settings.retry.after(attempt, error, anew, waited=waited)
            if delay is None:
                raise _nothing_applied(error, job) from None
            yield Sleep(delay)
            attempt, waited = attempt + 1, waited + delay
        else:
            return (yield from _close(settings, connection, job))


def _close(settings: Settings, connection: str, job: BulkJob) -> Flow[BulkJob]:
    """Close a job; whatever is answered, its state says whether it was."""
    call = calls.close_job(settings, job.id, "UploadComplete")
    try:
        yield from with_retry(call, connection, settings.retry)
    except DISalesforceError as error:
        try:
            seen = yield from with_retry(calls.look_at(settings, job.id), connection, settings.retry)
        except DISalesforceError:
            if may_have_applied(error, call.request):
                raise TransportError(
                    f"bulk job {job.id}: its closing got no answer, and it may be carried out; ask for its results",
                    side=Side.SALESFORCE,
                    may_have_applied=True,
                ) from None
            raise error from None
        if seen.state == "Open":
            yield from _quietly(calls.close_job(settings, job.id, "Aborted"), settings, connection)
            raise _nothing_applied(error, job) from None
    return job


def _quietly(call: Call[T], settings: Settings, connection: str) -> Flow[None]:
    """Tidy up: whether it works or not, what is known of the rows stays the same."""
    with suppress(DISalesforceError):
        yield from with_retry(call, connection, settings.retry)


def _nothing_applied(error: DISalesforceError, job: BulkJob) -> DISalesforceError:
    if not (isinstance(error, TransportError) and error.may_have_applied):
        return error
    sentence = f"bulk job {job.id} was not closed, so nothing of it is carried out: {error}"
    return TransportError(sentence, side=Side.SALESFORCE, may_have_applied=False)


def _collect(
    settings: Settings,
    connection: str,
    job: BulkJob,
    key: str,
    bulk: Bulk,
    tally: Tally,
    watch: Watch | None = None,
) -> Flow[tuple[BulkJob, Keyed]]:
    """Wait for a job and read its results, by key."""
    job = yield from wait_for_job(settings, connection, job, bulk, "ingest", watch, tally)
    if not job.finished and watch is not None:
        yield from _quietly(calls.close_job(settings, job.id, "Aborted"), settings, connection)
        job = yield from with_retry(calls.look_at(settings, job.id), connection, settings.retry)
    if not job.finished or (job.state == "Failed" and not job.processed):
        return job, {}
    wanted = [calls.successful_rows]
    if job.failed or not job.processed or job.state != "JobComplete":
        wanted.append(calls.failed_rows)
    if job.state != "JobComplete":
        wanted.append(calls.unprocessed_keys)
    found: Keyed = {}
    for results in wanted:
        found |= yield from with_retry(results(settings, job, key), connection, settings.retry)
    return job, found


def bulk_results(
    settings: Settings,
    connection: str,
    job_id: str,
    *,
    key: str,
    bulk: Bulk = Bulk(),  # noqa: B008 - a frozen value
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Flow[BulkResults]:
    """Take up a job by its id, as after a crash: wait for it and read its results.

    A job that was never closed is ended: nothing of it has been carried out, and nothing will be.
    """
    job = yield from with_retry(calls.look_at(settings, job_id), connection, settings.retry)
    if job.state == "Open":
        yield from with_retry(calls.close_job(settings, job.id, "Aborted"), connection, settings.retry)
        # Whoever left it open may have closed it in between: then something of it may have been carried out.
        job = yield from with_retry(calls.look_at(settings, job_id), connection, settings.retry)
        if job.state == "Aborted" and not job.processed:
            return BulkResults(job, {}, closed=False)
    tally = Tally(progress, f"bulk job {job.id}")
    yield from tally.begin()
    job, rows = yield from _collect(settings, connection, job, key, bulk, tally, watch)
    yield from tally.finish()
    return BulkResults(job, rows)


def _in_doubt(error: DISalesforceError) -> bool:
    return isinstance(error, TransportError) and error.may_have_applied


def _failure(error: DISalesforceError) -> RowResult:
    if _in_doubt(error):
        return RowResult(False, unknown=True, errors=(RowError("answer.lost", str(error)),))
    code = error.code if isinstance(error, ApiError) and error.code else "request.failed"
    return RowResult(False, errors=(RowError(code, str(error)),))


def result_of(found: BulkResults, cell: str) -> RowResult:
    """Say what is known of one row of a job that was taken up again, by the text of its key cell."""
    if not found.closed:
        return RowResult(False, errors=(RowError("row.unprocessed", "its job was never closed"),))
    return found.rows.get(cell) or _missing(found.job)


def _unknown(code: str, job: BulkJob, why: str) -> RowResult:
    return RowResult(False, unknown=True, errors=(RowError(code, f"bulk job {job.id}: {why}"),))


def _missing(job: BulkJob) -> RowResult:
    """Say what is known of a row that the results of its job do not mention."""
    if not job.finished:
        return _unknown("job.unfinished", job, f"it is still {job.state}; ask for its results later")
    if job.state == "Failed" and not job.processed:
        return RowResult(False, errors=(calls.job_error(job),))
    return _NOT_TIED
