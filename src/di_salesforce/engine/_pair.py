"""One linked pair while it is decided: its values, what is remembered of them, and its actions' common members.

What may not go in here: choosing what is done (`_fields.py`, `_gates.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import attrs

from di_salesforce.engine._actions import Change
from di_salesforce.engine._lines import BoundLine
from di_salesforce.engine._memory import SIDES, FieldState, Life, LinkRecord, digest
from di_salesforce.engine._observe import Observation, Presence, RowRef
from di_salesforce.engine._packed import states_of, with_states
from di_salesforce.engine._policies import GroupCase
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.records import UNSET, Side, UnsetType, Value

__all__ = ["Known", "Pair", "has_moved", "is_untouched", "loud_lines", "noticed"]

Known = Value | UnsetType
_COMPARABLE = (Presence.HERE, Presence.NOT_READ)


def is_untouched(work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation]) -> bool:
    """Tell by raw equality that nothing can have changed, which is so for most pairs of most runs."""
    salesforce, dialog_insight = seen[Side.SALESFORCE], seen[Side.DIALOG_INSIGHT]
    if (
        not work.sieve.is_open
        or salesforce.presence not in _COMPARABLE
        or dialog_insight.presence not in _COMPARABLE
        or f"link:{link.id}" in work.items
    ):
        return False
    left, right = salesforce.ref, dialog_insight.ref
    if (left is not None and (left.unclear or link.salesforce_id is None)) or (
        right is not None and (right.unclear or link.dialog_insight_id != right.record_id)
    ):
        return False
    return work.sieve.passes(link, None if left is None else left.row, None if right is None else right.row)


def has_moved(line: BoundLine, side: Side, state: FieldState, value: Known) -> bool:
    """Tell whether a side's value is another one than the base holds; what is not known has not moved."""
    base = state.of(side)
    if isinstance(base, UnsetType) or isinstance(value, UnsetType):
        return not isinstance(value, UnsetType)
    return line.normal(side, value) != line.normal(side, base)


def loud_lines(work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation]) -> Mapping[str, BoundLine]:
    """Give the lines to be looked at: for most links few, since raw equality tells of the others that nothing moved."""
    if link.life is not Life.LIVE or any(seen[side].presence not in _COMPARABLE for side in SIDES):
        return work.bound.lines
    return work.sieve.loud(link, tuple((seen[side].ref, seen[side].gap_free) for side in SIDES))


def noticed(
    work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation], loud: Mapping[str, BoundLine]
) -> LinkRecord:
    """Remember what was read of a link's two rows, whatever is then decided about the link.

    A side's value is kept where it differs from the base, and forgotten where it does not.  A line that was taken out
    of the mapping keeps its state: it may come back.
    """
    left, right = seen[Side.SALESFORCE].ref, seen[Side.DIALOG_INSIGHT].ref
    states, changed = states_of(link.fields, loud), dict[str, FieldState]()
    for name, line in loud.items():
        before = states.get(name)
        state = before or FieldState(version=line.version)
        now = (_seen(line, Side.SALESFORCE, state, left), _seen(line, Side.DIALOG_INSIGHT, state, right))
        if before is None or now != state.seen:
            changed[name] = state.seeing(now)
    link = link.with_fields(with_states(link.fields, changed))
    for ref in (left, right):
        if ref is not None and isinstance(ref.key, tuple) and ref.key != link.key(ref.side):
            link = link.with_side(ref.side, key=ref.key)
    return link


def _seen(line: BoundLine, side: Side, state: FieldState, ref: RowRef | None) -> Known:
    value = UNSET if ref is None else ref.value(line.field(side))
    if value is UNSET:
        return state.seen_of(side)
    return value if has_moved(line, side, state, value) else UNSET


@attrs.define(repr=False)
class Pair:
    """One link while its field groups are decided."""

    work: Workspace
    link: LinkRecord
    observed: Mapping[Side, Observation]
    states: dict[str, FieldState]
    values: Mapping[Side, Mapping[str, Known]]
    writes: dict[Side, list[Change]] = attrs.field(factory=lambda: {side: [] for side in SIDES})
    undecided: set[str] = attrs.field(factory=set[str])  # groups that wait for a row, or of which too little is known

    @classmethod
    def of(
        cls, work: Workspace, link: LinkRecord, observed: Mapping[Side, Observation], loud: Mapping[str, BoundLine]
    ) -> Self:
        """Lay a link out: what is remembered of the lines to be decided and of the key, and their effective values."""
        lines = {**loud, **{line.name: line for line in work.bound.key_lines}}
        states = states_of(link.fields, lines)
        values = {
            side: {name: _effective(line, side, observed[side], states[name]) for name, line in lines.items()}
            for side in SIDES
        }
        return cls(work, link, observed, states, values)

    @property
    def subject(self) -> str:
        """What open items about the link are filed under."""
        return f"link:{self.link.id}"

    def value(self, side: Side, line: BoundLine) -> Known:
        """The effective value: what was read, else what is remembered where the observation has no gaps."""
        return self.values[side][line.name]

    def flaw(self, side: Side, line: BoundLine) -> str:
        """Give the code of what is wrong with what was read of a field; empty where nothing is."""
        ref = self.observed[side].ref
        return "" if ref is None else ref.flaw(line.field(side))

    def asked(self, side: Side) -> bool:
        """Tell whether that side's row was looked up for this plan already."""
        return self.work.views[side].asked(self.link.record_id(side), self.link.key(side))

    def case(self, lines: tuple[BoundLine, ...]) -> GroupCase | None:
        """Give a group with both sides' values; None where any is not known."""
        values: dict[Side, dict[str, Value]] = {}
        for side in SIDES:
            values[side] = own = {}
            for line in lines:
                value = self.values[side][line.name]
                if isinstance(value, UnsetType):
                    return None
                own[line.name] = value
        before = {
            line.name: (self.states[line.name].of(Side.SALESFORCE), self.states[line.name].of(Side.DIALOG_INSIGHT))
            for line in lines
        }
        return GroupCase(self.work.name, lines, values[Side.SALESFORCE], values[Side.DIALOG_INSIGHT], before)

    def key(self, side: Side) -> tuple[Value, ...] | None:
        """Give the key as one side holds it now; None where a part is not known."""
        values = tuple(self.value(side, line) for line in self.work.bound.key_lines)
        known = tuple(value for value in values if not isinstance(value, UnsetType))
        return known if len(known) == len(values) else None

    def address(self, side: Side) -> dict[str, Value]:
        """Give the row's key on that side as it stands there now: how a row without an id is addressed."""
        return {
            line.field(side): value
            for line in self.work.bound.key_lines
            if not isinstance(value := self.value(side, line), UnsetType)
        }

    def members(self, kind: str, about: str) -> dict[str, Any]:  # the members that all actions share
        """Give what every action about the pair has."""
        self.work.acted.add(self.link.id)
        known = (key for side in SIDES if (key := self.key(side)) is not None)
        key = next(known, None) or self.work.link_key_values(Side.SALESFORCE, self.link) or ()
        return {
            "id": digest(self.work.name, kind, self.link.id, about),
            "transfer": self.work.name,
            "key": display_key(key) if key else None,
            "key_text": self.link.key(Side.SALESFORCE) or self.link.key(Side.DIALOG_INSIGHT) or (),
            "link": self.link.id,
            "subject": self.subject,
            "salesforce_id": self.link.salesforce_id,
            "dialog_insight_id": self.link.dialog_insight_id,
        }


def _effective(line: BoundLine, side: Side, seen: Observation, state: FieldState) -> Known:
    field = line.field(side)
    if seen.presence is Presence.HERE and seen.ref is not None:
        value = seen.ref.value(field)
        if value is not UNSET or seen.ref.flaw(field):
            return value
    if not seen.gap_free:
        return UNSET
    remembered = state.seen_of(side)
    return state.of(side) if remembered is UNSET else remembered
