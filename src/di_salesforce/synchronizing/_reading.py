"""Reading rows of a transfer from either side by id or by key.

What may not go in here: all rows of a side (`_full_reading.py`), what a reading covers (`_feeds.py`), planning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from di_salesforce.dialog_insight import _flows as dialog_insight_flows
from di_salesforce.engine import Need
from di_salesforce.engine._actions import key_parts
from di_salesforce.exceptions import DISalesforceError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.records import Row, Side, Value, record_id_18
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow, SendAll

__all__ = ["STAMP", "both", "fields_of", "find_by_id", "find_by_key", "look_up", "reads_in_full"]

T = TypeVar("T")

STAMP: Final = "SystemModstamp"
"""When Salesforce last changed a record, by its own clock: where a feed of changes goes on."""


def both(flows: Mapping[Side, Flow[T]]) -> Flow[dict[Side, T]]:
    """Do one thing on each side at once; raises the first error."""
    answers: list[T | DISalesforceError] = yield SendAll(list(flows.values()))
    for answer in answers:
        if isinstance(answer, DISalesforceError):
            raise answer
    good = [answer for answer in answers if not isinstance(answer, DISalesforceError)]
    return dict(zip(flows, good, strict=True))


def fields_of(transfer: ObjectTransfer) -> list[str]:
    return list(dict.fromkeys(["Id", *(line.salesforce for line in transfer.lines)]))


def reads_in_full(setup: Setup, transfer: ObjectTransfer) -> bool:
    """Tell whether Dialog Insight may be asked for every row (a Get without a clause, which is not documented)."""
    return setup.settings(transfer).capabilities.clauseless_get


def look_up(setup: Setup, transfer: ObjectTransfer, side: Side, needs: Sequence[Need]) -> Flow[tuple[Row, ...]]:
    """Fetch the rows that a plan asks for on one side."""
    ids = [need.record_id for need in needs if need.record_id is not None]
    keys = [key_parts(need.key) for need in needs if need.record_id is None]
    by_id = yield from find_by_id(setup, transfer, side, ids)
    by_key = yield from find_by_key(setup, transfer, side, keys)
    return (*by_id, *by_key)


def find_by_id(setup: Setup, transfer: ObjectTransfer, side: Side, ids: Sequence[str]) -> Flow[tuple[Row, ...]]:
    """Read records by native id, whatever the transfer's filter says."""
    rows: Sequence[Row] = ()
    if side is Side.SALESFORCE:
        # A text that is no record id names no record, and the service would refuse the whole query for it.
        real = [record_id for record_id in ids if record_id_18(record_id) is not None]
        if real:
            rows = yield from salesforce_flows.query_by_key(
                setup.salesforce, SALESFORCE, transfer.sobject, fields_of(transfer), key="Id", values=real
            )
    else:
        numbers: list[Value] = [int(record_id) for record_id in ids if record_id.isdecimal()]
        if numbers:
            rows = yield from dialog_insight_flows.find_rows(
                setup.settings(transfer), setup.connection(transfer), setup.target(transfer), "idContact", numbers
            )
    return tuple(rows)


def find_by_key(
    setup: Setup, transfer: ObjectTransfer, side: Side, keys: Sequence[tuple[Value, ...]]
) -> Flow[tuple[Row, ...]]:
    """Read all records that have one of these keys, whatever the transfer's filter says."""
    names = [line.field(side) for line in transfer.key_lines]
    usable = [key for key in keys if all(part not in (None, "") for part in key)]
    rows: Sequence[Row] = ()
    if not usable:
        return ()
    if side is Side.DIALOG_INSIGHT:
        rows = yield from dialog_insight_flows.find_rows(
            setup.settings(transfer), setup.connection(transfer), setup.target(transfer), names, usable
        )
    elif names[0] == "Id":
        rows = yield from find_by_id(setup, transfer, side, [str(key[0]) for key in usable])
    else:
        # By the first field of the key: rows that differ in a further field are harmless, the engine pairs by all.
        rows = yield from salesforce_flows.query_by_key(
            setup.salesforce,
            SALESFORCE,
            transfer.sobject,
            fields_of(transfer),
            key=names[0],
            values=list(dict.fromkeys(key[0] for key in usable)),
        )
    return tuple(rows)
