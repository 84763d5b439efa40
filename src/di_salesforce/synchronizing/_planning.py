"""Reading both sides of a transfer, and planning with what was read.

What may not go in here: deciding (the engine does), writing.  A feed says what it covers; what the engine still needs
is looked up by id or by key until nothing is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from di_salesforce.dialog_insight import _flows as dialog_insight_flows
from di_salesforce.engine import (
    Baseline,
    BaselineLike,
    Context,
    EngineCapabilities,
    Life,
    Need,
    Plan,
    Snapshot,
    reconcile,
)
from di_salesforce.engine._actions import Key, key_parts
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.mapping import ObjectTransfer
from di_salesforce.protocols import Progress
from di_salesforce.records import Row, Side, Value, record_id_18
from di_salesforce.salesforce import Soql, select
from di_salesforce.salesforce import _flows as salesforce_flows
from di_salesforce.synchronizing._setup import SALESFORCE, Setup
from di_salesforce.wire import Flow, SendAll, time_now, work

__all__ = ["both", "find_by_id", "find_by_key", "plan_transfer", "read_side", "transfer_context"]


def plan_transfer(
    setup: Setup,
    transfer: ObjectTransfer,
    *,
    progress: Progress,
    keys: Sequence[Key] | None = None,
    links: Mapping[str, BaselineLike] | None = None,
) -> Flow[Plan]:
    """Read both sides, ask the memory, and plan; `keys` narrows it, `links` stand for other transfers' memories."""
    now = yield from time_now()
    baseline = yield from work("read the memory", lambda: setup.store.baseline(transfer.name))
    context = yield from transfer_context(setup, transfer, baseline, links or {})
    snapshots = yield from (
        _observe(setup, transfer, now, progress) if keys is None else _look_at(setup, transfer, now, keys)
    )
    plan = reconcile(
        transfer,
        salesforce=snapshots[Side.SALESFORCE],
        dialog_insight=snapshots[Side.DIALOG_INSIGHT],
        baseline=baseline,
        now=now,
        context=context,
    )
    for _ in range(setup.lookups_at_most):
        if not plan.needs:
            break
        progress(f"look up {transfer.name}", 0, len(plan.needs))
        found = yield from both({side: _look_up(setup, transfer, side, plan.needs[side]) for side in Side})
        progress(f"look up {transfer.name}", len(plan.needs), len(plan.needs))
        plan = plan.supplied(salesforce=found[Side.SALESFORCE], dialog_insight=found[Side.DIALOG_INSIGHT])
    return plan


def transfer_context(
    setup: Setup, transfer: ObjectTransfer, baseline: Baseline, given: Mapping[str, BaselineLike]
) -> Flow[Context]:
    """Gather what other transfers know: the links that lookups are translated through, and who claims which record."""
    links: dict[str, BaselineLike] = {}
    claims: dict[str, str] = {}
    referred = {line.references for line in transfer.lines if line.references}
    place = setup.place(transfer, Side.DIALOG_INSIGHT)
    for other in setup.integration.transfers:
        shares_table = other.name != transfer.name and setup.place(other, Side.DIALOG_INSIGHT) == place
        if other.name not in referred and not shares_table:
            continue
        name = other.name
        known = baseline if name == transfer.name else (yield from _remembered(setup, name))
        if name in referred:
            links[name] = given.get(name, known)
        if shares_table:
            claims |= {
                link.dialog_insight_id: name
                for link in known.links
                if link.life is Life.LIVE and link.dialog_insight_id is not None
            }
    capabilities = setup.settings(transfer).capabilities
    return Context(
        links=links,
        claims=claims,
        capabilities=EngineCapabilities(
            writes_key=frozenset(Side) if capabilities.writes_key else frozenset({Side.SALESFORCE}),
            deletes=frozenset(Side) if capabilities.delete else frozenset({Side.SALESFORCE}),
        ),
    )


def _remembered(setup: Setup, name: str) -> Flow[Baseline]:
    return work("read the memory", lambda: setup.store.baseline(name))


def both(flows: Mapping[Side, Flow[tuple[Row, ...]]]) -> Flow[dict[Side, tuple[Row, ...]]]:
    """Do one thing on each side at once; raises the first error."""
    answers: list[tuple[Row, ...] | DISalesforceError] = yield SendAll(list(flows.values()))
    for answer in answers:
        if isinstance(answer, DISalesforceError):
            raise answer
    good = [answer for answer in answers if not isinstance(answer, DISalesforceError)]
    return dict(zip(flows, good, strict=True))


# ------------------------------------------------------------------------------------------------------- reading


def _fields(transfer: ObjectTransfer) -> list[str]:
    return list(dict.fromkeys(["Id", *(line.salesforce for line in transfer.lines)]))


def read_side(setup: Setup, transfer: ObjectTransfer, side: Side, progress: Progress) -> Flow[tuple[Row, ...]]:
    """Read every record of a transfer's scope on one side."""
    phase = f"read {transfer.name} from {side.label}"
    progress(phase, 0, 0)
    rows: Sequence[Row]
    if side is Side.SALESFORCE:
        # The filter is the declaration's own text, written by whoever writes the program.
        where = [Soql.trusted(transfer.salesforce_filter)] if transfer.salesforce_filter else []
        query = select(transfer.sobject, _fields(transfer), where=where)
        rows = yield from salesforce_flows.query_rows(setup.salesforce, SALESFORCE, query)
    else:
        rows = yield from dialog_insight_flows.read_rows(
            setup.settings(transfer), setup.connection(transfer), setup.target(transfer)
        )
    progress(phase, len(rows), len(rows))
    return tuple(rows)


def reads_in_full(setup: Setup, transfer: ObjectTransfer) -> bool:
    """Tell whether Dialog Insight may be asked for every row (a Get without a clause, which is not documented)."""
    return setup.settings(transfer).capabilities.clauseless_get


def _observe(setup: Setup, transfer: ObjectTransfer, now: datetime, progress: Progress) -> Flow[dict[Side, Snapshot]]:
    """Read Salesforce in full, and Dialog Insight in full or (where that is not allowed) by the keys that come up."""
    sides = list(Side) if reads_in_full(setup, transfer) else [Side.SALESFORCE]
    rows = yield from both({side: read_side(setup, transfer, side, progress) for side in sides})
    scope = {Side.SALESFORCE: transfer.salesforce_filter, Side.DIALOG_INSIGHT: None}
    return {
        side: Snapshot.complete(rows[side], scope=scope[side], as_of=now)
        if side in rows
        else Snapshot.sample((), as_of=now)
        for side in Side
    }


def _look_at(setup: Setup, transfer: ObjectTransfer, now: datetime, keys: Sequence[Key]) -> Flow[dict[Side, Snapshot]]:
    """Read only the records with these keys on both sides: samples, whose silence says nothing."""
    wanted = [key_parts(key) for key in keys]
    parts = len(transfer.key_lines)
    if wrong := [key for key in wanted if len(key) != parts]:
        raise ConfigurationError(f"{len(wrong)} keys do not have {parts} parts, as the key of {transfer.name!r} has")
    rows = yield from both({side: find_by_key(setup, transfer, side, wanted) for side in Side})
    return {side: Snapshot.sample(rows[side], as_of=now) for side in Side}


def _look_up(setup: Setup, transfer: ObjectTransfer, side: Side, needs: Sequence[Need]) -> Flow[tuple[Row, ...]]:
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
                setup.salesforce, SALESFORCE, transfer.sobject, _fields(transfer), key="Id", values=real
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
            _fields(transfer),
            key=names[0],
            values=list(dict.fromkeys(key[0] for key in usable)),
        )
    return tuple(rows)
