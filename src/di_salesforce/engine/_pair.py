"""One linked pair while it is decided: its values, what is remembered of them, and its actions' common members.

What may not go in here: choosing what is done (`_fields.py`, `_gates.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from di_salesforce.engine._actions import Change
from di_salesforce.engine._besides import OpenItem
from di_salesforce.engine._bytes import same
from di_salesforce.engine._lines import BoundLine
from di_salesforce.engine._memory import SIDES, FieldState, LinkRecord, digest
from di_salesforce.engine._observe import Observation, Presence, RowRef
from di_salesforce.engine._packed import states_of, with_states
from di_salesforce.engine._policies import GroupCase
from di_salesforce.engine._sift import Read
from di_salesforce.engine._workspace import Workspace, display_key
from di_salesforce.records import UNSET, Side, UnsetType, Value

__all__ = ["Known", "Pair", "has_moved", "is_untouched", "loud_lines", "noticed", "read_rows"]

Known = Value | UnsetType
_S, _D = SIDES  # to name a member of an enumeration is slow
_HERE = Presence.HERE
_COMPARABLE = (Presence.HERE, Presence.NOT_READ)


def read_rows(work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation]) -> Read | None:
    """Give a link's two rows as the sieve read them, where it told by them that something changed."""
    read = work.sifted.read.get(link.id)
    if read is None:
        return None
    left, right = seen[_S].ref, seen[_D].ref
    is_it = left is not None and right is not None and left.row is read.salesforce and right.row is read.dialog_insight
    return read if is_it else None


def is_untouched(work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation]) -> bool:
    """Tell by raw equality that nothing can have changed, which is so for most pairs of most runs."""
    salesforce, dialog_insight = seen[_S], seen[_D]
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
    if same(base, value):
        return False  # as the normal forms say, and sooner
    if isinstance(base, UnsetType) or isinstance(value, UnsetType):
        return not isinstance(value, UnsetType)
    return line.normal(side, value) != line.normal(side, base)


def loud_lines(
    work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation], read: Read | None
) -> Mapping[str, BoundLine]:
    """Give the lines to be looked at: for most links few, since raw equality tells of the others that nothing moved."""
    left, right = seen[_S], seen[_D]
    sides = (left.ref, left.gap_free), (right.ref, right.gap_free)
    return work.sieve.loud(link, sides, None if read is None else read.moved)


def noticed(
    work: Workspace, link: LinkRecord, seen: Mapping[Side, Observation], loud: Mapping[str, BoundLine]
) -> LinkRecord:
    """Remember what was read of a link's two rows, whatever is then decided about the link.

    A side's value is kept where it differs from the base, and forgotten where it does not.  A line that was taken out
    of the mapping keeps its state: it may come back.
    """
    left, right = seen[_S].ref, seen[_D].ref
    states, changed = states_of(link.fields, loud), dict[str, FieldState]()
    for name, line in loud.items():
        before = states.get(name)
        state = before or FieldState(version=line.version)
        now = (_seen(line, _S, state, left), _seen(line, _D, state, right))
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
    states: dict[str, FieldState]  # of the lines to be decided
    items: Sequence[OpenItem]  # about the link
    values: Mapping[Side, dict[str, Known]] = attrs.field(factory=lambda: {side: {} for side in SIDES})
    writes: dict[Side, list[Change]] = attrs.field(factory=lambda: {side: [] for side in SIDES})
    undecided: set[str] = attrs.field(factory=set[str])  # groups that wait for a row, or of which too little is known

    @classmethod
    def of(
        cls, work: Workspace, link: LinkRecord, observed: Mapping[Side, Observation], loud: Mapping[str, BoundLine]
    ) -> Self:
        """Lay a link out, with what is remembered of the lines to be decided."""
        return cls(work, link, observed, states_of(link.fields, loud), work.items.get(f"link:{link.id}", ()))

    @property
    def subject(self) -> str:
        """What open items about the link are filed under."""
        return f"link:{self.link.id}"

    def value(self, side: Side, line: BoundLine) -> Known:
        """The effective value: what was read, else what is remembered where the observation has no gaps."""
        values, name = self.values[side], line.name
        if name not in values:
            values[name] = self._effective(side, line)
        return values[name]

    def _effective(self, side: Side, line: BoundLine) -> Known:
        seen, field = self.observed[side], line.field(side)
        if seen.presence is _HERE and seen.ref is not None:
            value = seen.ref.value(field)
            if value is not UNSET or seen.ref.flaw(field):
                return value
        if not seen.gap_free:
            return UNSET
        # A line of the key that need not be decided has its state in the link alone, as it was before.
        state = self.states[line.name] if line.name in self.states else self.link.fields[line.name]
        remembered = state.seen_of(side)
        return state.of(side) if remembered is UNSET else remembered

    def flaw(self, side: Side, line: BoundLine) -> str:
        """Give the code of what is wrong with what was read of a field; empty where nothing is."""
        ref = self.observed[side].ref
        return "" if ref is None else ref.flaw(line.field(side))

    def asked(self, side: Side) -> bool:
        """Tell whether that side's row was looked up for this plan already."""
        return self.work.views[side].asked(self.link.record_id(side), self.link.key(side))

    def case(self, lines: tuple[BoundLine, ...]) -> GroupCase | None:
        """Give a group with both sides' values; None where any is not known."""
        salesforce, dialog_insight = dict[str, Value](), dict[str, Value]()
        for side, own in ((_S, salesforce), (_D, dialog_insight)):
            for line in lines:
                value = self.value(side, line)
                if isinstance(value, UnsetType):
                    return None
                own[line.name] = value
        bases = {line.name: self.states[line.name].base or (UNSET, UNSET) for line in lines}
        return GroupCase(self.work.name, lines, salesforce, dialog_insight, bases)

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
        work, link, now = self.work, self.link, {side: self.key(side) or () for side in SIDES}
        whole = next((now[side] for side in SIDES if work.is_key(side, now[side])), None)
        key = whole or work.link_key_values(_S, link) or work.link_key_values(_D, link) or now[_S] or now[_D]
        return {
            "id": digest(kind, self.link.id, about),
            "transfer": self.work.name,
            "key": display_key(key) if key else None,
            "key_text": self.link.salesforce_key or self.link.dialog_insight_key or (),
            "link": self.link.id,
            "subject": self.subject,
            "salesforce_id": self.link.salesforce_id,
            "dialog_insight_id": self.link.dialog_insight_id,
        }
