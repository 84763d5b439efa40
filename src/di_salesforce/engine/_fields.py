"""Linked pairs: each field group is classed, the field table asked, and a proposal led through the gates.

What may not go in here: finding pairs (`_rows.py`), the tables themselves (`_decision.py`), who wins (`_policies.py`),
what stops a write (`_gates.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from di_salesforce.engine import _sift
from di_salesforce.engine._actions import Change, Conflict, ConflictField, Reject, Skip, Update
from di_salesforce.engine._decision import Decision, Facts, SideClass, Verdict, decide
from di_salesforce.engine._gates import Stopped, proposal, through_gates
from di_salesforce.engine._lines import BoundLine, Undefined
from di_salesforce.engine._memory import SIDES, FieldState, LinkRecord, Relation, fingerprint
from di_salesforce.engine._observe import Observation, Presence
from di_salesforce.engine._packed import with_states
from di_salesforce.engine._pair import Pair, has_moved, noticed
from di_salesforce.engine._policies import GroupCase, choose, choose_first_match, is_consent, more_restrictive
from di_salesforce.engine._workspace import Workspace
from di_salesforce.engine._written import PASSED_ON, undone, values_mark
from di_salesforce.mapping import OptIn
from di_salesforce.records import UNSET, Side, UnsetType
from di_salesforce.triggers import Drift

__all__ = ["decide_fields", "decide_first_meeting"]

_S, _D = SIDES  # to name a member of an enumeration is slow, here and below
_UNKNOWN, _FIRST, _CHANGED, _UNCHANGED = SideClass.UNKNOWN, SideClass.FIRST, SideClass.CHANGED, SideClass.UNCHANGED


def decide_fields(
    work: Workspace,
    link: LinkRecord,
    observed: Mapping[Side, Observation],
    lines: Mapping[str, BoundLine],
) -> LinkRecord:
    """Decide all field groups of a live pair; give the link as it is to be remembered before any outcome.

    Of the groups whose `lines` are not given it is known that they agree as they did: line 3 of the table, with nothing
    to remember.
    """
    pair = Pair.of(work, link, observed, lines)
    before = dict(pair.states)
    groups = dict.fromkeys(line.mapping.group_name for line in lines.values())
    decisions = {_decide_group(pair, group, work.bound.groups[group]) for group in groups}
    work.refusals.pop(link.id, None)  # told, as long as they wait
    if len(groups) < len(work.bound.groups):
        work.counts["line_3"] += len(work.bound.groups) - len(groups)
        decisions.add(Decision.NOTE)
    if decisions == {Decision.NOTE}:
        work.counts["agreed"] += 1
    elif Decision.QUIET in decisions:
        work.counts["quiet"] += 1
    work.decided(pair.subject, but=pair.undecided)
    for side, changes in pair.writes.items():
        if changes:
            _update(pair, side, changes)
    changed = {name: state for name, state in pair.states.items() if state is not before[name]}
    return link.with_fields(with_states(link.fields, changed))


def decide_first_meeting(work: Workspace, link: LinkRecord, observed: Mapping[Side, Observation]) -> LinkRecord:
    """Decide a pair that was just found; give the link as `decide_fields` does.

    Lines that stand alone and agree are line 3 of the table; at a first run nearly all do, so they are noted at once.
    """
    one, other = observed[Side.SALESFORCE].ref, observed[Side.DIALOG_INSIGHT].ref
    agreed: dict[str, FieldState] = {}
    for lines in work.bound.groups.values() if _sift.IN_USE else ():
        line = lines[0]
        left = UNSET if one is None else one.value(line.fields[0])
        right = UNSET if other is None else other.value(line.fields[1])
        if (
            len(lines) == 1
            and not isinstance(left, UnsetType)
            and not isinstance(right, UnsetType)
            and line.agree(left, right)
        ):
            agreed[line.name] = FieldState(base=(left, right), version=line.version)
    if agreed:
        work.counts["noted"] += len(agreed)
    loud = {name: line for name, line in work.bound.lines.items() if name not in agreed}
    link = noticed(work, link.with_fields(agreed), observed, loud)
    link = link.with_fields({name: link.fields[name] for name in work.bound.lines})
    return decide_fields(work, link, observed, loud)


def _class(pair: Pair, side: Side, lines: tuple[BoundLine, ...]) -> SideClass:
    """Class one side of a group: unknown if any line is, first if any line has no base, changed if any line is."""
    known = [(line, pair.states[line.name], pair.value(side, line)) for line in lines]
    if any(value is UNSET for _, _, value in known):
        return _UNKNOWN
    if any(state.base is None for _, state, _ in known):
        return _FIRST
    return _CHANGED if any(has_moved(line, side, state, value) for line, state, value in known) else _UNCHANGED


def _decide_group(pair: Pair, group: str, lines: tuple[BoundLine, ...]) -> Decision | None:
    """Decide one group by the field table; None where what was read of it is no value."""
    if _passes_refusal_on(pair, group, lines) or _has_flaw(pair, group, lines):
        return None
    _settle_lost_undo(pair, group, lines)
    classes = {_S: _class(pair, _S, lines), _D: _class(pair, _D, lines)}
    case = pair.case(lines)
    differing = case.differing if case is not None else ()
    line, side = decide(
        Facts(
            classes[_S],
            classes[_D],
            agree=case is not None and not differing,
            rel=_relation(pair, differing),
            to_salesforce=lines[0].receives[0],
            to_dialog_insight=lines[0].receives[1],
            waits=case is not None and any(each.waits(*case.both(each)) for each in differing),
        )
    )
    before = {each.name: pair.states[each.name] for each in lines}
    _prepare(pair, group if len(lines) > 1 else None, lines, quiet=_is_quiet(classes))
    pair.work.counts[f"line_{line.number}"] += 1
    if line.decision is Decision.NEED:
        _need(pair, group, lines, side)
    elif line.decision is Decision.NOTHING:
        if not all(pair.asked(each) for each in SIDES if classes[each] is SideClass.UNKNOWN):
            pair.undecided.add(group)
    elif case is None:
        raise AssertionError(line)  # every other line of the table wants both sides known
    elif line.decision is Decision.NOTE:
        for each in lines:
            pair.states[each.name] = _noted(pair, case, each, before[each.name], unmoved=_is_quiet(classes))
    elif line.decision is not Decision.QUIET:
        _differ(pair, group, case, line.decision, side, before)
    return line.decision


def _settle_lost_undo(pair: Pair, group: str, lines: tuple[BoundLine, ...]) -> None:
    """Settle an undo whose answer was lost once it shows to have been carried out: as accepted, like any other undo."""
    marks = {item.fingerprint for item in pair.items if item.reason == "undo.unsure" and item.group == group}
    if not marks:
        return
    case = pair.case(lines)
    if case is None:
        pair.undecided.add(group)
        return
    for side in SIDES:
        held = {line.name: case.value(side, line) for line in lines}
        if values_mark(lines, side, held) in marks:
            for line in lines:
                state = pair.states[line.name]
                if has_moved(line, side, state, held[line.name]):
                    pair.states[line.name] = undone(state, side, held[line.name])


def _passes_refusal_on(pair: Pair, group: str, lines: tuple[BoundLine, ...]) -> bool:
    """Write a refusal that a merged record's counterpart was given, until Salesforce holds it; tell whether it waits.

    Kept open as long as it is not there, since the merge is told only once.
    """
    work, side = pair.work, Side.SALESFORCE
    if group not in work.refusals.get(pair.link.id, ()):
        return False
    line = next(line for line in lines if isinstance(line.mapping.dialog_insight, OptIn))
    value, refusal = pair.value(side, line), line.convert(False, to=side)
    if isinstance(value, UnsetType):
        if not pair.asked(side):
            work.need_row(side, pair.link)
    elif line.opted_in(side, value) is False:
        return False
    elif side.other in work.bound.updates_from and not isinstance(refusal, Undefined):
        source = pair.value(side.other, line)
        pair.writes[side].append(Change(line.field(side), value, refusal, PASSED_ON, line.name, source))
    work.actions.append(
        Skip(**pair.members("skip", group), reason="merge.refusal", side=side, fields=(line.name,), group=group)
    )
    return True


def _is_quiet(classes: Mapping[Side, SideClass]) -> bool:
    return classes[_S] is _UNCHANGED and classes[_D] is _UNCHANGED


def _has_flaw(pair: Pair, group: str, lines: tuple[BoundLine, ...]) -> bool:
    """Deal with fields of which no value was read: a row that was read twice is asked for, anything else rejected."""
    flaws = [(side, line.field(side), code) for side in SIDES for line in lines if (code := pair.flaw(side, line))]
    if not flaws:
        return False
    asking = [side for side, _, code in flaws if code == "value.unclear" and not pair.asked(side)]
    for side in asking:
        pair.work.need_row(side, pair.link)
        pair.undecided.add(group)
    if not asking:
        _reject(pair, group, flaws[0][2], flaws[0][0], tuple((name, code) for _, name, code in flaws))
    return True


def _need(pair: Pair, group: str, lines: tuple[BoundLine, ...], side: Side) -> None:
    """Ask for the row of which too little is known; what a look-up did not bring will not come by asking again."""
    if pair.asked(side):
        missing = [line.field(side) for line in lines if pair.value(side, line) is UNSET]
        _reject(pair, group, "value.not_read", side, tuple((name, "value.not_read") for name in missing))
    else:
        pair.work.need_row(side, pair.link)
        pair.undecided.add(group)


def _relation(pair: Pair, differing: tuple[BoundLine, ...]) -> Relation:
    if len(differing) == 1:
        return pair.states[differing[0].name].rel
    relations = {pair.states[line.name].rel for line in differing}
    return Relation.AGREED if Relation.AGREED in relations or not relations else min(relations)


def _prepare(pair: Pair, group: str | None, lines: tuple[BoundLine, ...], *, quiet: bool) -> None:
    """Remember which lines are decided as one, and start the count of rounds afresh after a quiet look."""
    for line in lines:
        state = pair.states[line.name]
        bounce = 0 if quiet else state.bounce
        if (state.group, state.bounce) != (group, bounce):
            pair.states[line.name] = attrs.evolve(state, group=group, bounce=bounce)


def _noted(pair: Pair, case: GroupCase, line: BoundLine, before: FieldState, *, unmoved: bool) -> FieldState:
    if not unmoved or before.rel is not Relation.AGREED:
        pair.work.counts["noted"] += 1
    return pair.states[line.name].agreeing(
        # Equal in normal form is equal: keeping the older spelling spares a write to the store at every run.
        before.base if unmoved and before.base is not None else case.both(line),
        line.version,
        # Only a look at both rows shows what became of a write; that nothing was told of them does not.
        unverified=before.unverified and any(pair.observed[side].presence is not Presence.HERE for side in SIDES),
    )


def _differ(
    pair: Pair,
    group: str,
    case: GroupCase,
    decision: Decision,
    side: Side,
    before: Mapping[str, FieldState],
) -> None:
    """Carry out a line of the table on which the two values differ, or cannot be compared."""
    if decision is Decision.WAIT:
        _skip(pair, group, case, "reference.waiting", None)
    elif decision is Decision.DRIFT and case.lines[0].mapping.drift is Drift.LEAVE:
        _skip(pair, group, case, "direction.one_way", side)
    else:
        winner, reason = _choice(case, decision, side)
        if winner is None:
            _conflict(pair, group, case, reason, before)
        else:
            _propose(pair, group, case, winner, reason, before)


def _choice(case: GroupCase, decision: Decision, side: Side) -> tuple[Side | None, str]:
    """Give whose values are to win and by which rule; or None, and why that is left to a person."""
    winner: Side | None
    match decision:
        case Decision.PROPOSE:
            return side, "update.changed"
        case Decision.OVERRULE:
            return _truth(case, side, "update.overruled")
        case Decision.DRIFT:
            return _truth(case, side.other, "update.enforced")
        case Decision.POLICY:
            winner = choose(case)
            return winner, "conflict.both_changed" if winner is None else "update.policy"
        case Decision.FIRST_MATCH:
            winner = choose_first_match(case)
            if winner is None or not case.lines[0].flows.allows(winner.other):
                return None, "conflict.consent" if is_consent(case.lines) else "conflict.first_match"
            return winner, "update.first_match"
        case Decision.MAPPING_CHANGED:
            return None, "conflict.mapping_changed"
        case _:
            raise AssertionError(decision)  # the callers have handled the rest


def _truth(case: GroupCase, keep: Side, rule: str) -> tuple[Side | None, str]:
    """Let the side to which a one-way field belongs win over what the other holds, unless that would loosen consent."""
    is_loosened = is_consent(case.lines) and more_restrictive(case) not in (None, keep)
    return (None, "conflict.consent") if is_loosened else (keep, rule)


def _propose(pair: Pair, group: str, case: GroupCase, keep: Side, rule: str, before: Mapping[str, FieldState]) -> None:
    answer = through_gates(pair, case, keep, rule, before, asks=True)
    if not isinstance(answer, Stopped):
        pair.writes[keep.other].extend(answer)
        return
    match answer.gate.verdict:
        case Verdict.HOLD:
            _conflict(pair, group, case, answer.reason, before)
        case Verdict.SKIP | Verdict.WAIT:
            _skip(pair, group, case, answer.reason, keep.other)
        case Verdict.REJECT:  # the last kind
            _reject(pair, group, answer.reason, keep, answer.causes)


def _inputs(case: GroupCase) -> str:
    return fingerprint(*(value for line in case.lines for value in case.both(line)))


def _skip(pair: Pair, group: str, case: GroupCase, reason: str, target: Side | None) -> None:
    pair.work.actions.append(
        Skip(
            **pair.members("skip", group),
            reason=reason,
            side=target,
            fields=tuple(line.name for line in case.differing),
            group=group,
            fingerprint=_inputs(case),
        )
    )


def _reject(pair: Pair, group: str, reason: str, at: Side, causes: tuple[tuple[str, str], ...]) -> None:
    values = [pair.value(side, line) for line in pair.work.bound.groups[group] for side in SIDES]
    pair.work.actions.append(
        Reject(
            **pair.members("reject", group),
            reason=reason,
            side=at,
            record_id=pair.link.record_id(at),
            group=group,
            causes=causes,
            fingerprint=fingerprint(*values),
        )
    )


def _conflict(pair: Pair, group: str, case: GroupCase, reason: str, before: Mapping[str, FieldState]) -> None:
    pair.work.actions.append(
        Conflict(
            **pair.members("conflict", group),
            reason=reason,
            group=group,
            fields=tuple(ConflictField(line.name, *case.both(line), *case.before[line.name]) for line in case.lines),
            proposals=tuple(proposal(pair, case, keep, before) for keep in SIDES),
            fingerprint=_inputs(case),
        )
    )


def _update(pair: Pair, side: Side, changes: list[Change]) -> None:
    reasons = {change.rule for change in changes}
    write = Update(
        **pair.members("update", side.value),
        reason=reasons.pop() if len(reasons) == 1 else "update.several",
        side=side,
        record_id=pair.link.record_id(side),
        address=pair.address(side),
        values={change.field: change.after for change in changes},
        based_on={change.field: change.before for change in changes if not isinstance(change.before, UnsetType)},
        changes=tuple(changes),
    )
    pair.work.add_write(write, tuple(change.line for change in changes))
