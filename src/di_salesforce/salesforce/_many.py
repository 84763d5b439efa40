"""Any number of records: cut into slices, several at once, with one outcome for each record.

What may not go in here: the shape of a call, which is in `_collections.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from di_salesforce._telling import Tally
from di_salesforce.exceptions import (
    ApiError,
    ConfigurationError,
    ConversionError,
    DISalesforceError,
    InvalidRequestError,
    Problem,
    RecordLockedError,
)
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, record_id_18
from di_salesforce.retry import may_have_applied, with_retry
from di_salesforce.salesforce._collections import MOST_RETRIEVED, retrieve_slice, write_slice
from di_salesforce.salesforce._rows import flat, record_text
from di_salesforce.salesforce._settings import Operation, RowError, RowResult, Settings, Writing
from di_salesforce.salesforce._soql import identifier
from di_salesforce.wire import Flow, SendAll, Sleep

__all__ = ["all_or_raise", "retrieve_many", "write_collection"]

T = TypeVar("T")

# Row codes that mean "another transaction was in the way": the row was not written, and may be tried again [S].
_LOCKED: Final = frozenset({"UNABLE_TO_LOCK_ROW"})

_OPEN: Final = RowResult(success=False)
"""Stands for a record until its outcome is known."""

# Calls for one slice that is refused as a whole: enough to find two bad rows among 200, little where all are bad.
_MOST_CALLS: Final = 32


def write_collection(
    settings: Settings,
    connection: str,
    operation: Operation,
    sobject: str,
    records: Iterable[Row],
    *,
    external_id: str = "",
    all_or_none: bool = False,
    on_slice: Callable[[int], None] | None = None,
    progress: Progress | None = None,
) -> Flow[list[RowResult]]:
    """Write any number of records in slices, several at once; one result for each record, in order.

    A record that cannot be sent (no key, a value without a form in JSON) is refused here and the others are sent.  The
    records of a slice whose answer was lost are `unknown`; other slices keep their outcomes.  A slice that is refused
    as a whole for what is in it is halved, so that only the records at fault stay refused.

    Args:
        settings: slice size, concurrency, retries.
        connection: its name.
        operation: what to do.
        sobject: the object of all records.
        records: rows by API name; an update needs `Id`, a delete nothing else.
        external_id: the field by which an upsert finds its records.
        all_or_none: write all of them or none; possible only for what fits into one slice.
        on_slice: told, after each slice, how many records it had; called from the runner's threads.
        progress: told how many records have an outcome.

    Raises:
        ConfigurationError: `all_or_none` and too many records, or one that cannot be sent.
        ApiError, TransportError: no slice was accepted, and none can have been applied.
    """
    writing = Writing(operation, identifier(sobject, "sObject"), external_id, all_or_none)
    if operation == "upsert":
        identifier(external_id, "external id")
    given = list(records)  # where they come from fails here if it does, and not half-way
    results = [_OPEN] * len(given)
    if all_or_none:
        _check_all_or_none(settings, [_prepare(writing, record) for record in given])
    sendable = _sendable(writing, given, results)
    slices: list[list[int]] = []
    tally = Tally(progress, f"{operation} {sobject}", len(given))
    yield from tally.begin()

    def flows() -> Iterator[Flow[list[RowResult]]]:
        for part in _slices(sendable, settings.slice_size):
            slices.append([place for place, _ in part])
            yield _write_slice(settings, connection, writing, [row for _, row in part], on_slice, tally)

    answers: list[list[RowResult] | DISalesforceError] = yield SendAll(flows(), at_most=settings.parallel)
    errors = [answer for answer in answers if isinstance(answer, DISalesforceError)]
    if errors and len(errors) == len(answers):
        raise errors[0]
    for places, answer in zip(slices, answers, strict=True):
        outcomes = [_not_sent(answer)] * len(places) if isinstance(answer, DISalesforceError) else answer
        for place, outcome in zip(places, outcomes, strict=True):
            results[place] = outcome
    yield from tally.finish()
    return results


def _sendable(writing: Writing, records: Sequence[Row], results: list[RowResult]) -> Iterator[tuple[int, bytes]]:
    """Give the records that can be sent with their places, written while others travel; note the rest in `results`."""
    for place, record in enumerate(records):
        try:
            row = _prepare(writing, record)
        except Exception as error:  # noqa: BLE001 - no row at all; records before it are on their way, and have outcomes
            row = _unsendable("row.unreadable", f"the record cannot be read ({type(error).__name__})", "")
        if isinstance(row, RowResult):
            results[place] = row
        else:
            yield place, row


def _write_slice(
    settings: Settings,
    connection: str,
    writing: Writing,
    rows: Sequence[bytes],
    on_slice: Callable[[int], None] | None,
    tally: Tally,
) -> Flow[list[RowResult]]:
    """Write one slice, and its locked rows again; raises only where nothing can have been applied."""
    results = yield from _write_parts(settings, connection, writing, rows)
    attempt, waited = 1, 0.0
    while not writing.all_or_none and (
        locked := [place for place, row in enumerate(results) if row.errors and _is_locked(row)]
    ):
        again = [rows[place] for place in locked]
        in_the_way = RecordLockedError("rows were locked", side=Side.SALESFORCE)
        request = write_slice(settings, writing, again).request
        delay = settings.retry.after(attempt, in_the_way, request, waited=waited)
        if delay is None:
            break
        yield Sleep(delay)
        attempt, waited = attempt + 1, waited + delay
        try:
            outcomes = yield from _write_parts(settings, connection, writing, again)
        except DISalesforceError:
            break  # the rows stay refused as locked, which is what is known of them
        for place, outcome in zip(locked, outcomes, strict=True):
            results[place] = outcome
    if on_slice is not None:
        on_slice(len(rows))
    yield from tally.add(len(rows))
    return results


def _write_parts(settings: Settings, connection: str, writing: Writing, rows: Sequence[bytes]) -> Flow[list[RowResult]]:
    """Write rows in one call; where that is refused as a whole, halve it until the rows at fault stand alone.

    One value of the wrong kind may refuse all rows of its call (to what extent is not known), though the others are
    good.  Raises only where nothing can have been applied.
    """
    results = [_OPEN] * len(rows)
    parts, calls, written = [range(len(rows))], 0, False
    while parts:
        part, calls = parts.pop(), calls + 1
        call = write_slice(settings, writing, [rows[place] for place in part])
        try:
            outcomes = yield from with_retry(call, connection, settings.retry)
            written = True
        except DISalesforceError as error:
            refused = isinstance(error, InvalidRequestError)
            if refused and len(part) > 1 and calls < _MOST_CALLS and not writing.all_or_none:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]  # the last is taken first, so the order of the rows is kept
                continue
            if may_have_applied(error, call.request):
                outcomes = [_lost(error)] * len(part)
                written = True
            elif refused or written:
                outcomes = [_not_sent(error)] * len(part)
            else:
                raise
        for place, outcome in zip(part, outcomes, strict=True):
            results[place] = outcome
    return results


def all_or_raise(parts: Sequence[T | DISalesforceError]) -> list[T]:
    """Give the results of a `SendAll` if all are there, else raise the first error."""
    good: list[T] = []
    for part in parts:
        if isinstance(part, DISalesforceError):
            raise part
        good.append(part)
    return good


def _slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _prepare(writing: Writing, record: Row) -> bytes | RowResult:
    """Write a record for a slice, or say why it cannot be sent."""
    operation, external_id = writing.operation, writing.external_id
    if operation in ("update", "delete"):
        record_id = record.get("Id")
        if not isinstance(record_id, str) or record_id_18(record_id) is None:
            return _unsendable("key.missing", "Id is missing or is no record id", "Id")
        if operation == "delete":
            return record_id.encode()
        record = {"id": record_id, **{name: value for name, value in record.items() if name != "Id"}}
    elif operation == "upsert" and record.get(external_id) in (None, ""):
        return _unsendable("key.missing", f"{external_id} is blank", external_id)
    try:
        return record_text(record, sobject=writing.sobject)
    except ConversionError as error:
        return _unsendable(error.code, str(error), error.field or "")


def _unsendable(code: str, message: str, field: str) -> RowResult:
    return RowResult(success=False, errors=(RowError(code, message, (field,) if field else ()),))


def _check_all_or_none(settings: Settings, prepared: Sequence[bytes | RowResult]) -> None:
    problems = [
        Problem(f"records[{place}].{error.fields[0]}", error.message, error.code)
        for place, row in enumerate(prepared)
        if isinstance(row, RowResult)
        for error in row.errors
    ]
    if len(prepared) > settings.slice_size:
        problems.append(
            Problem("all_or_none", f"{len(prepared)} records do not fit into one slice of {settings.slice_size}")
        )
    if problems:
        raise ConfigurationError(problems, what="all_or_none")


def _is_locked(row: RowResult) -> bool:
    return any(error.code in _LOCKED for error in row.errors)


def _lost(error: DISalesforceError) -> RowResult:
    return RowResult(success=False, unknown=True, errors=(RowError("answer.lost", str(error)),))


def _not_sent(error: DISalesforceError) -> RowResult:
    code = error.code if isinstance(error, ApiError) and error.code else "request.failed"
    return RowResult(success=False, errors=(RowError(code, str(error)),))


def retrieve_many(
    settings: Settings,
    connection: str,
    sobject: str,
    ids: Sequence[str],
    fields: Sequence[str],
    *,
    progress: Progress | None = None,
) -> Flow[list[dict[str, Any] | None]]:  # rows, see `_rows.flat`
    """Read records by id, in order, None for those that are not there or may not be seen."""
    wrong = [
        Problem(f"ids[{place}]", f"{record_id!r} is not a Salesforce record id")
        for place, record_id in enumerate(ids)
        if record_id_18(record_id) is None
    ]
    if wrong:
        raise ConfigurationError(wrong, what=f"retrieve {sobject}")
    tally = Tally(progress, f"retrieve {sobject}", len(ids))
    yield from tally.begin()
    flows = [
        _retrieve_slice(settings, connection, sobject, part, fields, tally) for part in _slices(ids, MOST_RETRIEVED)
    ]
    parts = yield SendAll(flows, at_most=settings.parallel)
    yield from tally.finish()
    return [None if record is None else flat(record) for part in all_or_raise(parts) for record in part]


def _retrieve_slice(
    settings: Settings, connection: str, sobject: str, ids: Sequence[str], fields: Sequence[str], tally: Tally
) -> Flow[list[dict[str, Any] | None]]:  # JSON objects
    records = yield from with_retry(retrieve_slice(settings, sobject, ids, fields), connection, settings.retry)
    yield from tally.add(len(ids))
    return records
