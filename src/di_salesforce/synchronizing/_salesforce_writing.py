"""Writes of one kind to Salesforce: by which way, how locked rows are tried again, and what an answer means.

What may not go in here: deciding what to write.  A create is insert-only, unless the transfer's key is a dedicated
external id; an update addresses a record that exists; an outcome is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from di_salesforce.engine import Create, Outcome, Write
from di_salesforce.exceptions import DISalesforceError, InvalidRequestError, NotFoundError, PermissionDeniedError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.salesforce import Operation, RowResult, WriteWay
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.salesforce._write_flows import write_way
from di_salesforce.synchronizing._bulk_writing import (
    Journal,
    cells_of,
    failed_as_a_whole,
    may_go_on,
    row_of,
    write_in_bulk,
)
from di_salesforce.synchronizing._locks import in_slices, side_by_side
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow, Sleep

__all__ = ["Written", "outcomes_of", "piece_size", "way_of", "write_salesforce"]


@attrs.frozen
class Written:
    """What came of writes of one kind.

    Args:
        outcomes: by action id; a write without one was not tried.
        way: how they travelled, and why.
        left_open: why nothing may be concluded yet of writes that have no outcome; empty: all is known that can be.
    """

    outcomes: Mapping[str, Outcome]
    way: str = ""
    left_open: str = ""


def way_of(setup: Setup, transfer: ObjectTransfer, kind: str, count: int) -> WriteWay:
    """Choose how so many writes of one kind travel: the client's `bulk_from` is the threshold."""
    operation, key = _operation(transfer, kind)
    threshold = setup.salesforce.bulk_from
    many = threshold is not None and count >= threshold
    return write_way(setup.salesforce, operation, many=many, key="" if key == "Id" else key)


def piece_size(setup: Setup, transfer: ObjectTransfer, kinds: Sequence[tuple[str, Side]], count: int) -> int:
    """Say how many records that are written alike are recorded, sent and settled together: more where they go in bulk.

    All pieces of a kind go the way that the kind as a whole goes: the last is not left too small for it.
    """
    in_bulk = any(
        side is Side.SALESFORCE and way_of(setup, transfer, kind, count).way == "bulk" for kind, side in kinds
    )
    if not in_bulk:
        return setup.piece
    pieces = max(1, count // max(setup.bulk_piece, setup.salesforce.bulk_from or 0))
    return -(-count // pieces)


def _operation(transfer: ObjectTransfer, kind: str) -> tuple[Operation, str]:
    """Give what Salesforce is asked to do, and the field that names each record in it."""
    if kind == "update":
        return "update", "Id"
    if kind == "delete":
        return "delete", "Id"
    key = transfer.key_lines[0].salesforce
    return ("upsert" if transfer.dedicated_key else "create"), "" if key == "Id" else key


def write_salesforce(
    setup: Setup, transfer: ObjectTransfer, actions: Sequence[Write], parents: Mapping[str, str], journal: Journal
) -> Flow[Written]:
    """Carry out writes of one kind; raises only where nothing of it can have been applied.

    Args:
        setup: `bulk_from` of the client, and the pauses before locked rows are tried again.
        transfer: whose writes they are.
        actions: all of one kind.
        parents: what each write's record hangs under, by action id.
        journal: remembers bulk jobs.
    """
    operation, key = _operation(transfer, actions[0].kind)
    ordered = side_by_side(actions, parents)
    way = way_of(setup, transfer, actions[0].kind, len(actions))
    results: dict[str, RowResult] = {}
    if way.way == "bulk":
        try:
            results = yield from write_in_bulk(setup, transfer, operation, key, cells_of(ordered, key), journal)
        except (InvalidRequestError, NotFoundError, PermissionDeniedError) as error:
            way = WriteWay("collections", f"no bulk job could be made: {error}")
        # What is wrong with one column fails a whole job; by the other way each row is told by itself.
        results = {action: result for action, result in results.items() if not failed_as_a_whole(result)}
    rest = [action for action in ordered if action.id not in results]
    if rest:
        try:
            results |= yield from _collections(setup, transfer, (operation, key), rest)
        except DISalesforceError:
            if not results:
                raise  # else these were not tried, which is what no outcome says
    yield from _again(setup, transfer, (operation, key), ordered, parents, results)
    open_jobs = sum(map(may_go_on, results.values()))
    known = {action: each for action, each in results.items() if not may_go_on(each)}
    outcomes = outcomes_of(transfer, ordered, known)
    left_open = (
        f"a bulk job has not told what became of {open_jobs:,} records; the next run asks it" if open_jobs else ""
    )
    return Written(outcomes, str(way), left_open)


def _collections(
    setup: Setup, transfer: ObjectTransfer, asked: tuple[Operation, str], actions: Sequence[Write]
) -> Flow[dict[str, RowResult]]:
    operation, key = asked
    results = yield from salesforce_flows.write_collection(
        setup.salesforce,
        SALESFORCE,
        operation,
        transfer.sobject,
        map(row_of, actions),
        external_id=key if operation == "upsert" else "",
    )
    return {action.id: result for action, result in zip(actions, results, strict=True)}


def _again(
    setup: Setup,
    transfer: ObjectTransfer,
    asked: tuple[Operation, str],
    actions: Sequence[Write],
    parents: Mapping[str, str],
    results: dict[str, RowResult],
) -> Flow[None]:
    """Try locked rows again, siblings in one call and one call after the other, as often as there are pauses."""
    for pause in setup.lock_pauses:
        locked = [action for action in actions if (told := results.get(action.id)) is not None and _is_locked(told)]
        if not locked:
            return
        yield Sleep(pause)
        for part in in_slices(locked, parents, setup.salesforce.slice_size):
            try:
                results |= yield from _collections(setup, transfer, asked, part)
            except DISalesforceError:
                return  # nothing of this part was applied: its rows stay locked, which is what is known of them


# ------------------------------------------------------------------------------------------------ what an answer means

_LOCKED: Final = "UNABLE_TO_LOCK_ROW"
# Refusals that say nothing about the record: the write counts as not tried, and the next run tries it again.
_PASSING: Final = frozenset(
    {_LOCKED, "REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "request.failed", "row.unprocessed"}
)
# Codes that say that the record is not (or no longer) there: it moved since the plan was made.
_GONE: Final = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"})


# An upsert by a dedicated key made no record: an attempt of ours that seemed lost has landed, or another writes it.
_MET: Final = "create.met_existing"
_MET_WORDS: Final = (
    "a record with this key was there already, and took the values that were sent; what it held before is not known. "
    "It is read again, and linked"
)


def _is_locked(result: RowResult) -> bool:
    return not result.unknown and any(error.code == _LOCKED for error in result.errors)


def _is_passing(result: RowResult) -> bool:
    passes = not result.unknown and any(error.code in _PASSING for error in result.errors)
    return passes or failed_as_a_whole(result)


def outcomes_of(
    transfer: ObjectTransfer, actions: Sequence[Write], results: Mapping[str, RowResult]
) -> dict[str, Outcome]:
    """Give the outcomes of writes whose results are known; a write that met a passing refusal has none."""
    return {
        action.id: _outcome(transfer, action, result)
        for action in actions
        if (result := results.get(action.id)) is not None and not _is_passing(result)
    }


def _outcome(transfer: ObjectTransfer, action: Write, result: RowResult) -> Outcome:
    if result.unknown:
        return Outcome.unknown()
    if result.success and transfer.dedicated_key and isinstance(action, Create) and not result.created:
        return attrs.evolve(Outcome.stale(), record_id=result.record_id, code=_MET, message=_MET_WORDS)
    if result.success:
        return Outcome.done(result.record_id or action.record_id)
    error = result.errors[0] if result.errors else None
    if error is not None and error.code in _GONE and not error.fields:
        return Outcome.stale()
    causes = "; ".join(each.message for each in result.errors if each.message)
    fields = tuple(dict.fromkeys(name for each in result.errors for name in each.fields))
    return Outcome.refused(error.code if error else "refused", causes, fields)
