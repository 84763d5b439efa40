"""Linked pairs: each field group is classed, the field table asked, and a proposal led through the gates.

What may not go in here: finding pairs (`_rows.py`), the tables themselves (`_decision.py`), who wins (`_policies.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from di_salesforce.engine._actions import Change, Conflict, ConflictField, Proposal, Reject, Skip, Update
from di_salesforce.engine._decision import GATES, Decision, Facts, Gate, SideClass, Verdict, decide
from di_salesforce.engine._lines import BoundLine, Undefined
from di_salesforce.engine._memory import FieldState, LinkRecord, Relation, digest
from di_salesforce.engine._observe import Observation, Presence
from di_salesforce.engine._policies import (
    GroupCase,
    choose,
    choose_first_match,
    is_consent,
    loosens_unasked,
    more_restrictive,
)
from di_salesforce.engine._workspace import Workspace, display_key, fingerprint
from di_salesforce.records import UNSET, Side, UnsetType, Value

__all__ = ["decide_fields"]

_Known = Value | UnsetType
_GATE: Final[Mapping[str, Gate]] = {gate.name: gate for gate in GATES}


@attrs.frozen(repr=False)
class _Stopped:
    """A proposal that a gate stopped."""

    gate: Gate
    reason: str
    causes: tuple[tuple[str, str], ...] = ()


@attrs.define(repr=False)
class _LinkWork:
    """One link while its groups are decided."""

    work: Workspace
    link: LinkRecord
    observed: Mapping[Side, Observation]
    states: dict[str, FieldState]
    writes: dict[Side, list[Change]] = attrs.field(factory=lambda: {side: [] for side in Side})

    @property
    def subject(self) -> str:
        return f"link:{self.link.id}"

    def value(self, side: Side, line: BoundLine) -> _Known:
        """The effective value: what was read, else what is remembered where the observation has no gaps."""
        seen = self.observed[side]
        if seen.presence is Presence.HERE:
            value = seen.row.get(line.field(side), UNSET)
            if value is not UNSET:
                return value
        if not seen.gap_free or seen.presence not in (Presence.HERE, Presence.NOT_READ):
            return UNSET
        state = self.states[line.name]
        remembered = state.seen_of(side)
        return state.of(side) if remembered is UNSET else remembered

    def key(self) -> tuple[Value, ...]:
        """The pair's key as Salesforce writes it, else as Dialog Insight does."""
        for side in Side:
            values = tuple(self.value(side, line) for line in self.work.bound.key_lines)
            known = tuple(value for value in values if not isinstance(value, UnsetType))
            if len(known) == len(values):
                return known
        return self.work.link_key_values(Side.SALESFORCE, self.link) or ()


def decide_fields(
    work: Workspace, link: LinkRecord, observed: Mapping[Side, Observation], *, is_new: bool
) -> LinkRecord:
    """Decide all field groups of a live pair; give the link as it is to be remembered before any outcome."""
    states = {
        name: link.fields.get(name) or FieldState(version=line.version) for name, line in work.bound.lines.items()
    }
    one = _LinkWork(work, link, observed, states)
    if not is_new and _untouched(one):
        work.counts["agreed"] += 1
        return link
    work.visited.add(one.subject)
    for group, lines in work.bound.groups.items():
        _decide_group(one, group, lines)
    for side, changes in one.writes.items():
        if changes:
            _update(one, side, changes)
    # A line that was taken out of the mapping keeps its state: it may come back.
    return attrs.evolve(link, fields={**link.fields, **one.states})


def _untouched(one: _LinkWork) -> bool:
    """Tell by raw equality that nothing can have changed, which is so for most pairs of most runs."""
    rows = {side: one.observed[side].row for side in Side}
    if any(one.observed[side].presence is not Presence.HERE for side in Side) or one.subject in one.work.items:
        return False
    for name, line in one.work.bound.lines.items():
        state = one.states[name]
        if (
            state.base is None
            or state.rel is not Relation.AGREED
            or state.bounce
            or state.unverified
            or state.version != line.version
            or line.mapping.references is not None
            or state.seen != (UNSET, UNSET)
            or rows[Side.SALESFORCE].get(line.field(Side.SALESFORCE), UNSET) != state.base[0]
            or rows[Side.DIALOG_INSIGHT].get(line.field(Side.DIALOG_INSIGHT), UNSET) != state.base[1]
        ):
            return False
    return True


def _class(one: _LinkWork, side: Side, lines: tuple[BoundLine, ...]) -> SideClass:
    """Class one side of a group: unknown if any line is, first if any line has no base, changed if any line is."""
    if any(one.value(side, line) is UNSET for line in lines):
        return SideClass.UNKNOWN
    if any(one.states[line.name].base is None for line in lines):
        return SideClass.FIRST
    changed = any(_moved(line, side, one.states[line.name], one.value(side, line)) for line in lines)
    return SideClass.CHANGED if changed else SideClass.UNCHANGED


def _moved(line: BoundLine, side: Side, state: FieldState, value: _Known) -> bool:
    base = state.of(side)
    if isinstance(base, UnsetType) or isinstance(value, UnsetType):
        return not isinstance(value, UnsetType)
    return line.normal(side, value) != line.normal(side, base)


def _decide_group(one: _LinkWork, group: str, lines: tuple[BoundLine, ...]) -> None:
    classes = {side: _class(one, side, lines) for side in Side}
    known = SideClass.UNKNOWN not in classes.values()
    case = _case(one, lines) if known else None
    differing = case.differing() if case is not None else ()
    flows = [lines[0].flows.allows(side) for side in Side]
    line, side = decide(
        Facts(
            classes[Side.SALESFORCE],
            classes[Side.DIALOG_INSIGHT],
            agree=case is not None and not differing,
            rel=_relation(one, differing),
            to_salesforce=flows[0],
            to_dialog_insight=flows[1],
        )
    )
    before = {each.name: one.states[each.name] for each in lines}
    _remember_seen(one, lines, quiet=set(classes.values()) == {SideClass.UNCHANGED})
    one.work.counts[f"line_{line.number}"] += 1
    match line.decision:
        case Decision.NEED:
            one.work.need_row(side, one.link)
        case Decision.NOTHING | Decision.QUIET:
            one.work.counts[line.decision.value] += 1
        case Decision.NOTE:
            for each in lines:
                one.states[each.name] = _noted(one, each, before[each.name], classes)
        case _:
            assert case is not None  # every other line of the table wants both sides known
            _differ(one, group, case, line.decision, side, before)


def _case(one: _LinkWork, lines: tuple[BoundLine, ...]) -> GroupCase:
    values: dict[Side, dict[str, Value]] = {side: {} for side in Side}
    for side in Side:
        for line in lines:
            value = one.value(side, line)
            assert not isinstance(value, UnsetType)  # the caller has classed both sides as known
            values[side][line.name] = value
    return GroupCase(
        one.work.name,
        lines,
        values[Side.SALESFORCE],
        values[Side.DIALOG_INSIGHT],
        {
            line.name: (one.states[line.name].of(Side.SALESFORCE), one.states[line.name].of(Side.DIALOG_INSIGHT))
            for line in lines
        },
    )


def _relation(one: _LinkWork, differing: tuple[BoundLine, ...]) -> Relation:
    relations = {one.states[line.name].rel for line in differing}
    return Relation.AGREED if Relation.AGREED in relations or not relations else min(relations)


def _remember_seen(one: _LinkWork, lines: tuple[BoundLine, ...], *, quiet: bool) -> None:
    """Keep what each side holds where it differs from the base, and forget it where it does not."""
    for line in lines:
        state = one.states[line.name]
        seen: list[_Known] = []
        for side in Side:
            value = one.value(side, line)
            if value is UNSET:
                seen.append(state.seen_of(side))
            else:
                seen.append(value if _moved(line, side, state, value) else UNSET)
        one.states[line.name] = attrs.evolve(
            state,
            seen=(seen[0], seen[1]),
            bounce=0 if quiet else state.bounce,
            group=line.mapping.group_name if len(lines) > 1 else None,
        )


def _noted(one: _LinkWork, line: BoundLine, before: FieldState, classes: Mapping[Side, SideClass]) -> FieldState:
    salesforce, dialog_insight = (one.value(side, line) for side in Side)
    assert not isinstance(salesforce, UnsetType) and not isinstance(dialog_insight, UnsetType)  # line 3: both known
    unmoved = set(classes.values()) == {SideClass.UNCHANGED} and before.base is not None
    if not unmoved or before.rel is not Relation.AGREED:
        one.work.counts["noted"] += 1
    return attrs.evolve(
        one.states[line.name],
        # Equal in normal form is equal: keeping the older spelling spares a write to the store at every run.
        base=before.base if unmoved else (salesforce, dialog_insight),
        rel=Relation.AGREED,
        seen=(UNSET, UNSET),
        unverified=False,
        version=line.version,
    )


def _differ(
    one: _LinkWork,
    group: str,
    case: GroupCase,
    decision: Decision,
    side: Side,
    before: Mapping[str, FieldState],
) -> None:
    """Carry out a line of the table on which the two values differ."""
    match decision:
        case Decision.PROPOSE:
            _propose(one, group, case, side, "update.changed", before)
        case Decision.DRIFT:
            _skip(one, group, case, "direction.one_way", side)
        case Decision.OVERRULE:
            if is_consent(case.lines) and more_restrictive(case) not in (None, side):
                _conflict(one, group, case, "conflict.consent", before)
            else:
                _propose(one, group, case, side, "update.overruled", before)
        case Decision.POLICY:
            winner = choose(case)
            if winner is None:
                _conflict(one, group, case, "conflict.both_changed", before)
            else:
                _propose(one, group, case, winner, "update.policy", before)
        case Decision.FIRST_MATCH:
            winner = choose_first_match(case)
            if winner is None or not case.lines[0].flows.allows(winner.other):
                reason = "conflict.consent" if is_consent(case.lines) else "conflict.first_match"
                _conflict(one, group, case, reason, before)
            else:
                _propose(one, group, case, winner, "update.first_match", before)
        case Decision.MAPPING_CHANGED:
            _conflict(one, group, case, "conflict.mapping_changed", before)
        case _:
            raise AssertionError(decision)  # `_decide_group` has handled the rest


def _propose(
    one: _LinkWork, group: str, case: GroupCase, keep: Side, reason: str, before: Mapping[str, FieldState]
) -> None:
    answer = _through_gates(one, case, keep, reason, before, ask=True)
    if not isinstance(answer, _Stopped):
        one.writes[keep.other].extend(answer)
        return
    match answer.gate.verdict:
        case Verdict.HOLD:
            _conflict(one, group, case, answer.reason, before)
        case Verdict.SKIP | Verdict.WAIT:
            _skip(one, group, case, answer.reason, keep.other)
        case Verdict.REJECT:
            _reject(one, group, case, answer, keep)


def _through_gates(
    one: _LinkWork,
    case: GroupCase,
    keep: Side,
    reason: str,
    before: Mapping[str, FieldState],
    *,
    ask: bool,
    person: bool = False,
) -> tuple[Change, ...] | _Stopped:
    """Lead a proposal through the gates in their order; `ask` lets a gate ask for the rows that would prove it."""
    target = keep.other
    # A person's decision starts the count of rounds afresh.
    bounces = {line.name: 0 if person else _bounced(before[line.name], line, keep, case) for line in case.lines}
    if max(bounces.values()) >= one.work.context.bounce_limit:
        return _Stopped(_GATE["unsettled"], "conflict.unsettled")
    if not one.work.bound.allowed.allows_update(keep):
        return _Stopped(_GATE["trigger"], "trigger.off")
    if not person and is_consent(case.lines) and loosens_unasked(case, keep):
        return _Stopped(_GATE["writable"], "conflict.consent")
    changes: list[Change] = []
    failed: list[tuple[str, Undefined]] = []
    for line in case.differing():
        source = case.value(keep, line)
        converted = line.convert(source, to=target)
        if isinstance(converted, Undefined):
            failed.append((line.field(keep), converted))
        else:
            now = case.value(target, line)
            changes.append(Change(line.field(target), now, converted, reason, line.name, source, bounces[line.name]))
    if any(undefined.waits for _, undefined in failed):
        return _Stopped(_GATE["reference"], "reference.waiting")
    if failed:
        return _Stopped(_GATE["conversion"], "value.not_convertible", tuple((name, u.code) for name, u in failed))
    if any(line.mapping.key for line in case.differing()):
        refusal = _key_refusal(one, case, keep, ask=ask)
        if refusal:
            return _Stopped(_GATE["writable"], refusal)
    return tuple(changes)


def _bounced(state: FieldState, line: BoundLine, keep: Side, case: GroupCase) -> int:
    """Count a round in which the side that changed is the one that we wrote last."""
    ours = state.wrote is keep and _moved(line, keep, state, case.value(keep, line))
    return state.bounce + (1 if ours else 0)


def _key_refusal(one: _LinkWork, case: GroupCase, keep: Side, *, ask: bool) -> str:
    """Say what stands against writing a changed key; empty where nothing does."""
    work, target = one.work, keep.other
    if one.link.record_id(target) is None or target not in work.context.capabilities.writes_key:
        return "conflict.key_not_writable"
    values = tuple(one.value(keep, line) for line in work.bound.key_lines)
    known = tuple(value for value in values if not isinstance(value, UnsetType))
    wanted = work.bound.normalised(keep, known) if len(known) == len(values) else None
    if not isinstance(wanted, tuple):
        return "conflict.key_changed"
    if work.views[target].with_key(wanted) or {link.id for link in work.held_keys[target].get(wanted, ())} - {
        one.link.id
    }:
        return "conflict.key_changed"
    if work.views[target].key_is_settled(wanted):
        return ""
    there = work.bound.key_for(target, known)
    if ask and there is not None:
        work.need(target, key=there)
    return "conflict.key_changed"


def _ids(one: _LinkWork, group: str, kind: str) -> dict[str, Any]:  # the members that all actions share
    one.work.acted.add(one.link.id)
    key = one.key()
    normal = one.link.key(Side.SALESFORCE) or one.link.key(Side.DIALOG_INSIGHT) or ()
    return {
        "id": digest(one.work.name, kind, one.link.id, group),
        "transfer": one.work.name,
        "key": display_key(key) if key else None,
        "key_text": normal,
        "link": one.link.id,
        "subject": one.subject,
        "salesforce_id": one.link.salesforce_id,
        "dialog_insight_id": one.link.dialog_insight_id,
    }


def _inputs(case: GroupCase) -> str:
    return fingerprint(*(case.value(side, line) for line in case.lines for side in Side))


def _skip(one: _LinkWork, group: str, case: GroupCase, reason: str, target: Side) -> None:
    one.work.actions.append(
        Skip(
            **_ids(one, group, "skip"),
            reason=reason,
            side=target,
            fields=tuple(line.name for line in case.differing()),
            group=group,
            fingerprint=_inputs(case),
        )
    )


def _reject(one: _LinkWork, group: str, case: GroupCase, stopped: _Stopped, keep: Side) -> None:
    one.work.actions.append(
        Reject(
            **_ids(one, group, "reject"),
            reason=stopped.reason,
            side=keep,
            record_id=one.link.record_id(keep),
            group=group,
            causes=stopped.causes,
            fingerprint=_inputs(case),
        )
    )


def _conflict(one: _LinkWork, group: str, case: GroupCase, reason: str, before: Mapping[str, FieldState]) -> None:
    one.work.actions.append(
        Conflict(
            **_ids(one, group, "conflict"),
            reason=reason,
            group=group,
            fields=tuple(
                ConflictField(
                    line.name, case.salesforce[line.name], case.dialog_insight[line.name], *case.before[line.name]
                )
                for line in case.lines
            ),
            proposals=tuple(_proposal(one, case, keep, before) for keep in Side),
            fingerprint=_inputs(case),
        )
    )


def _proposal(one: _LinkWork, case: GroupCase, keep: Side, before: Mapping[str, FieldState]) -> Proposal:
    if not case.lines[0].flows.allows(keep.other):
        return Proposal(keep, refusal="direction.one_way", verdict=Verdict.SKIP.value)
    answer = _through_gates(one, case, keep, "update.person", before, ask=False, person=True)
    if isinstance(answer, _Stopped):
        return Proposal(keep, refusal=answer.reason, verdict=answer.gate.verdict.value)
    return Proposal(keep, answer, address=_address(one, keep.other))


def _update(one: _LinkWork, side: Side, changes: list[Change]) -> None:
    reasons = {change.rule for change in changes}
    one.work.actions.append(
        Update(
            **_ids(one, side.value, "update"),
            reason=reasons.pop() if len(reasons) == 1 else "update.several",
            side=side,
            record_id=one.link.record_id(side),
            address=_address(one, side),
            values={change.field: change.after for change in changes},
            based_on={change.field: change.before for change in changes if not isinstance(change.before, UnsetType)},
            changes=tuple(changes),
        )
    )


def _address(one: _LinkWork, side: Side) -> dict[str, Value]:
    """Give the row's key on that side as it stands there now: how a row without an id is addressed."""
    address: dict[str, Value] = {}
    for line in one.work.bound.key_lines:
        value = one.value(side, line)
        if not isinstance(value, UnsetType):
            address[line.field(side)] = value
    return address
