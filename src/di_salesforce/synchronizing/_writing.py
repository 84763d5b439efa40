"""Carrying a plan's writes out: in batches of one kind, one outcome for each, and what the services kept read back.

What may not go in here: deciding what to write.  A create is insert-only, an update addresses a record that exists; one
call never mixes kinds.  An outcome is never guessed: what a service did not say is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from di_salesforce.dialog_insight import MergeOptions, MergeResult, MergeStatus
from di_salesforce.dialog_insight import _flows as dialog_insight_flows
from di_salesforce.engine import Create, Delete, Outcome, OutcomeKind, Write
from di_salesforce.exceptions import DISalesforceError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, Value, record_id_18
from di_salesforce.synchronizing._bulk_writing import Journal
from di_salesforce.synchronizing._reading import find_by_id, find_by_key
from di_salesforce.synchronizing._salesforce_writing import Written, write_salesforce
from di_salesforce.synchronizing._setup import Setup
from di_salesforce.wire import Flow

__all__ = ["moved_since", "verified", "write"]

_CREATE_ONLY: Final = MergeOptions(allow_insert=True, allow_update=False)
_UPDATE_ONLY: Final = MergeOptions(allow_insert=False, allow_update=True)


def write(
    setup: Setup,
    transfer: ObjectTransfer,
    side: Side,
    actions: Sequence[Write],
    parents: Mapping[str, str],
    journal: Journal,
) -> Flow[Written]:
    """Carry out writes of one kind on one side; raises only where nothing of it can have been applied."""
    if side is Side.SALESFORCE:
        return (yield from write_salesforce(setup, transfer, actions, parents, journal))
    return Written((yield from _write_dialog_insight(setup, transfer, actions)))


def verified(
    setup: Setup, transfer: ObjectTransfer, side: Side, outcomes: Mapping[str, Outcome]
) -> Flow[dict[str, Outcome]]:
    """Add what the service kept to the outcomes of writes; a failure leaves them unverified, never undone."""
    written = [
        o.record_id for o in outcomes.values() if o.kind is OutcomeKind.DONE and o.stored is None and o.record_id
    ]
    if side is not Side.SALESFORCE or not written:
        return dict(outcomes)
    try:
        rows = yield from find_by_id(setup, transfer, side, written)
    except DISalesforceError:
        rows = ()
    stored = {str(row["Id"]): row for row in rows}
    return {
        action_id: attrs.evolve(outcome, stored=stored.get(outcome.record_id or "", outcome.stored))
        for action_id, outcome in outcomes.items()
    }


def _write_dialog_insight(setup: Setup, transfer: ObjectTransfer, actions: Sequence[Write]) -> Flow[dict[str, Outcome]]:
    target, settings, connection = setup.target(transfer), setup.settings(transfer), setup.connection(transfer)
    if isinstance(actions[0], Delete):
        return (yield from _delete_dialog_insight(setup, transfer, actions))
    keys = [line.field(Side.DIALOG_INSIGHT) for line in transfer.key_lines]
    creates = isinstance(actions[0], Create)
    by_number = not creates and target.record_id_field is not None and all(action.record_id for action in actions)
    rows: list[Row] = []
    for action in actions:
        named: Mapping[str, Value]
        if by_number and target.record_id_field is not None:
            named = {target.record_id_field: int(action.record_id or 0)}
        else:
            named = {name: action.values.get(name, action.address.get(name)) for name in keys}
        rows.append({**named, **action.values})
    results = yield from dialog_insight_flows.merge_rows(
        settings,
        connection,
        target,
        rows,
        key=target.record_id_field if by_number and target.record_id_field is not None else keys,
        options=_CREATE_ONLY if creates else _UPDATE_ONLY,
    )
    has_ids = target.record_id_field is not None  # what a relational row's IdRecord means is unknown
    return {action.id: _merge_outcome(result, has_ids=has_ids) for action, result in zip(actions, results, strict=True)}


def _merge_outcome(result: MergeResult, *, has_ids: bool) -> Outcome:
    match result.status:
        case MergeStatus.CREATED | MergeStatus.UPDATED:
            return Outcome.done(result.record_id if has_ids else None, result.stored)
        case MergeStatus.EXISTS | MergeStatus.UNMATCHED:
            return Outcome.stale()
        case MergeStatus.UNKNOWN:
            return Outcome.unknown()
        case MergeStatus.REFUSED:
            return Outcome.refused(result.code, result.message)


def _delete_dialog_insight(
    setup: Setup, transfer: ObjectTransfer, actions: Sequence[Write]
) -> Flow[dict[str, Outcome]]:
    """Delete one record a call: `MaxRows=1` guards against a clause that matches more than was meant."""
    target, outcomes = setup.target(transfer), dict[str, Outcome]()
    for action in actions:
        equal: Mapping[str, Value] = (
            {target.record_id_field: int(action.record_id)}
            if target.record_id_field is not None and action.record_id
            else dict(action.address)
        )
        try:
            count = yield from dialog_insight_flows.delete_rows(
                setup.settings(transfer), setup.connection(transfer), target, equal=equal, max_rows=1
            )
        except DISalesforceError as error:
            outcomes[action.id] = (
                Outcome.unknown()
                if getattr(error, "may_have_applied", False)
                else Outcome.refused("delete", str(error))
            )
        else:
            outcomes[action.id] = Outcome.done() if count else Outcome.stale()
    return outcomes


def moved_since(setup: Setup, transfer: ObjectTransfer, side: Side, actions: Sequence[Write]) -> Flow[frozenset[str]]:
    """Read the records that are about to be written, and name the actions that no longer fit what is there.

    An update fits while each field that it changes still holds what the plan was based on; a create fits while no
    record has its key.  Dialog Insight sees to the latter itself: a create there is insert-only, and one that meets a
    record is stale by its answer, while to ask first would be a call for each key.
    """
    moved: set[str] = set()
    creates = [action for action in actions if isinstance(action, Create)]
    others = [action for action in actions if not isinstance(action, Create)]
    if creates and side is Side.SALESFORCE:
        keys = [tuple(action.address.values()) for action in creates]
        found = yield from find_by_key(setup, transfer, side, [key for key in keys if key])
        names = [line.field(side) for line in transfer.key_lines]
        there = {tuple(_text(row.get(name)) for name in names) for row in found}
        moved |= {action.id for action, key in zip(creates, keys, strict=True) if tuple(map(_text, key)) in there}
    if others:
        moved |= yield from _changed(setup, transfer, side, others)
    return frozenset(moved)


def _changed(setup: Setup, transfer: ObjectTransfer, side: Side, actions: Sequence[Write]) -> Flow[set[str]]:
    id_field = transfer.id_field(side)
    names = [line.field(side) for line in transfer.key_lines]
    by_field = {line.field(side): line for line in transfer.lines}
    rows: dict[object, Row] = {}
    with_id = [action.record_id for action in actions if action.record_id and id_field]
    if id_field and with_id:
        rows |= {_text(row.get(id_field)): row for row in (yield from find_by_id(setup, transfer, side, with_id))}
    without = [tuple(action.address.get(name) for name in names) for action in actions if not action.record_id]
    if without:
        found = yield from find_by_key(setup, transfer, side, without)
        rows |= {tuple(_text(row.get(name)) for name in names): row for row in found}
    moved: set[str] = set()
    for action in actions:
        name = _text(action.record_id) if action.record_id else tuple(_text(action.address.get(each)) for each in names)
        row = rows.get(name)
        if row is None:
            moved.add(action.id)
            continue
        for field, before in action.based_on.items():
            line = by_field.get(field)
            converter = line.converter if line is not None else None
            now = row.get(field)
            same = (
                converter.normal(side, now) == converter.normal(side, before)
                if converter
                else _text(now) == _text(before)
            )
            if not same:
                moved.add(action.id)
    return moved


def _text(value: object) -> str:
    """Give a key or an id as comparable text: record ids in their long form, addresses without regard to case."""
    written = "" if value is None else str(value).strip()
    return record_id_18(written) or written.lower()
