"""The gates on a proposal: what may stop a value from being written, in the order and with the verdicts of `GATES`.

What may not go in here: which line of the field table applies, who wins.  Each check answers for one gate, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from di_salesforce.engine._actions import Change, Proposal
from di_salesforce.engine._decision import GATES, Gate, Verdict
from di_salesforce.engine._lines import BoundLine, Undefined
from di_salesforce.engine._memory import SIDES, FieldState
from di_salesforce.engine._pair import Pair, has_moved
from di_salesforce.engine._policies import GroupCase, is_consent, loosens_unasked
from di_salesforce.records import Side
from di_salesforce.triggers import Drift

__all__ = ["Stopped", "proposal", "through_gates"]


@attrs.frozen(repr=False)
class Stopped:
    """A proposal that a gate stopped."""

    gate: Gate
    reason: str
    causes: tuple[tuple[str, str], ...] = ()


@attrs.frozen(repr=False)
class _Bid:
    """A proposal before the gates: whose values are to be written, and what they are on the other side."""

    pair: Pair
    case: GroupCase
    keep: Side
    bounces: Mapping[str, int]
    asks: bool  # whether a gate may ask for the rows that would prove it
    undefined: Sequence[tuple[BoundLine, Undefined]]  # the lines whose value has no form on the other side


def through_gates(
    pair: Pair,
    case: GroupCase,
    keep: Side,
    rule: str,
    before: Mapping[str, FieldState],
    *,
    asks: bool,
    person: bool = False,
) -> tuple[Change, ...] | Stopped:
    """Lead a proposal through the gates in their order; give its changes, or what stopped it."""
    target = keep.other
    # A person's decision starts the count of rounds afresh.
    bounces = {line.name: 0 if person else _bounced(before[line.name], line, keep, case) for line in case.lines}
    converted = {line.name: line.convert(case.value(keep, line), to=target) for line in case.differing}
    undefined = [(line, answer) for line in case.differing if isinstance(answer := converted[line.name], Undefined)]
    bid = _Bid(pair, case, keep, bounces, asks, undefined)
    for gate, check in _WALK:
        if person and gate.person_passes:
            continue
        refusal = check(bid)
        if refusal:
            causes = tuple((line.field(keep), answer.code) for line, answer in bid.undefined)
            return Stopped(gate, refusal, causes)
    return tuple(
        Change(
            line.field(target),
            case.value(target, line),
            after,
            rule,
            line.name,
            case.value(keep, line),
            bounces[line.name],
        )
        for line in case.differing
        if not isinstance(after := converted[line.name], Undefined)
    )


def proposal(pair: Pair, case: GroupCase, keep: Side, before: Mapping[str, FieldState]) -> Proposal:
    """Say what a person's keeping one side's values would come to."""
    if not case.lines[0].flows.allows(keep.other):
        return Proposal(keep, refusal="direction.one_way", verdict=Verdict.SKIP.value)
    answer = through_gates(pair, case, keep, "update.person", before, asks=False, person=True)
    if isinstance(answer, Stopped):
        return Proposal(keep, refusal=answer.reason, verdict=answer.gate.verdict.value)
    return Proposal(keep, answer, address=pair.address(keep.other))


def _bounced(state: FieldState, line: BoundLine, keep: Side, case: GroupCase) -> int:
    """Count a round in which the side that changed is the one that we wrote last."""
    side = state.wrote
    # Where the truth of a one-way field is enforced, it is the other side that changed.
    asked = side is keep or (side is not None and line.mapping.drift is Drift.ENFORCE)
    ours = asked and side is not None and has_moved(line, side, state, case.value(side, line))
    return state.bounce + (1 if ours else 0)


def _unsettled(bid: _Bid) -> str:
    return "conflict.unsettled" if max(bid.bounces.values()) >= bid.pair.work.context.bounce_limit else ""


def _trigger(bid: _Bid) -> str:
    return "" if bid.keep in bid.pair.work.bound.updates_from else "trigger.off"


def _reference(bid: _Bid) -> str:
    return "reference.waiting" if any(answer.waits for _, answer in bid.undefined) else ""


def _conversion(bid: _Bid) -> str:
    return "value.not_convertible" if bid.undefined else ""


def _writable(bid: _Bid) -> str:
    """Say what stands against writing a changed key; empty where nothing does, or no key changed."""
    pair, work, target = bid.pair, bid.pair.work, bid.keep.other
    if not any(line.mapping.key for line in bid.case.differing):
        return ""
    if pair.link.record_id(target) is None or target not in work.context.capabilities.writes_key:
        return "conflict.key_not_writable"
    values = pair.key(bid.keep)
    wanted = None if values is None else work.bound.normalised(bid.keep, values)
    if values is None or not isinstance(wanted, tuple):
        return "conflict.key_changed"
    own = {side: pair.link.record_id(side) for side in SIDES}
    for side in SIDES:  # also on the source's side: two records that both took a key must not both write it
        others = any(ref.record_id != own[side] for ref in work.views[side].with_key(wanted))
        if others or any(link.id != pair.link.id for link in work.holders(side, wanted)):
            return "conflict.key_changed"
    if work.views[target].key_is_settled(wanted):
        return ""
    there = work.bound.key_for(target, values)
    if bid.asks and there is not None:
        work.need(target, key=there)
    return "conflict.key_changed"


def _consent(bid: _Bid) -> str:
    is_loosened = is_consent(bid.case.lines) and loosens_unasked(bid.case, bid.keep)
    return "conflict.consent" if is_loosened else ""


_CHECKS: Final[Mapping[str, Callable[[_Bid], str]]] = {
    "unsettled": _unsettled,
    "trigger": _trigger,
    "reference": _reference,
    "conversion": _conversion,
    "writable": _writable,
    "consent": _consent,
}
_WALK: Final = tuple((gate, _CHECKS[gate.name]) for gate in GATES)
