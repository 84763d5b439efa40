"""What is remembered of the lines of a write that was done: the base moves to what the two sides hold now.

What may not go in here: which write was done, open items, links.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from di_salesforce.engine._actions import Change
from di_salesforce.engine._lines import BoundLine, value_flaw
from di_salesforce.engine._memory import FieldState, LinkRecord, Relation, fingerprint
from di_salesforce.engine._part import LineWords
from di_salesforce.records import UNSET, Row, Side, UnsetType, Value, is_blank

__all__ = [
    "LINE_BY_LINE",
    "PASSED_ON",
    "UNDONE",
    "WrittenLine",
    "agreeing",
    "born",
    "held_values",
    "undone",
    "values_mark",
    "written",
]

UNDONE: Final = "undo.write"
"""The rule of a write that takes an earlier one back."""

PASSED_ON: Final = "update.merged"
"""The rule of a write that carries a refusal from one record of Dialog Insight past another."""

LINE_BY_LINE: Final = frozenset({UNDONE, PASSED_ON})
"""Rules that write one line of a group and leave the others as they are."""


@attrs.frozen(repr=False)
class WrittenLine:
    """One line of a write that was done, with what the service told about its record."""

    words: LineWords
    bound: BoundLine | None  # None: the plan was read back
    side: Side  # that was written
    stored: Row | None

    @property
    def version(self) -> str:
        return self.words[2]

    @property
    def adopts(self) -> bool:
        """Whether what a service makes of a value counts as its own change."""
        return self.words[3]

    @property
    def kept(self) -> Value | UnsetType:
        """What the service keeps now, where it told that."""
        stored = self.stored or {}
        name = self.words[0] if self.side is Side.SALESFORCE else self.words[1]
        value = stored.get(name, UNSET)
        return UNSET if value_flaw(value) else value

    def pair(self, target: Value, source: Value) -> tuple[Value, Value]:
        return (target, source) if self.side is Side.SALESFORCE else (source, target)

    def seeing(self, target: Value) -> tuple[Value | UnsetType, Value | UnsetType]:
        return (target, UNSET) if self.side is Side.SALESFORCE else (UNSET, target)

    def relation(self, target: Value, source: Value, sent: Value) -> Relation:
        """Tell whether source and stored value agree: by the line's rule, or (for a plan read back) by equality."""
        if self.bound is not None:
            agree = self.bound.agree(*self.pair(target, source))
        else:
            agree = target == sent or (is_blank(target) and is_blank(sent))
        return Relation.AGREED if agree else Relation.REWRITTEN


def written(state: FieldState, change: Change, line: WrittenLine) -> FieldState:
    """Settle one line that was written: what the source held, and what the target now keeps."""
    kept = change.after if isinstance(line.kept, UnsetType) else line.kept
    source = None if isinstance(change.source, UnsetType) else change.source
    # A default is known to differ from birth: it is no data of the other side.
    told = change.rule != "default" and line.kept is not UNSET
    rel = line.relation(kept, source, change.after) if told else _untold(change)
    adopted = told and rel is Relation.REWRITTEN and line.adopts
    if change.rule == UNDONE:
        state = attrs.evolve(state, unverified=line.kept is UNSET, version=line.version)
        return undone(state, line.side, kept, change.source)
    if change.rule == PASSED_ON:  # what was sent is not the source's value
        rel = rel if line.bound is not None and told else Relation.REWRITTEN
    return attrs.evolve(
        state,
        # As if the service had taken the value as it was sent, and somebody there had changed it then.
        base=line.pair(change.after if adopted else kept, source),
        rel=Relation.AGREED if adopted else rel,
        seen=line.seeing(kept) if adopted else (UNSET, UNSET),
        bounce=change.bounce,
        wrote=line.side,
        unverified=line.kept is UNSET,
        version=line.version,
    )


def undone(state: FieldState, side: Side, kept: Value, source: Value | UnsetType = UNSET) -> FieldState:
    """Settle a line that was taken back: the sides differ because a person wants it so, or it would be undone itself.

    An edit of the other side that has not flowed yet stays one.
    """
    other = side.other
    before = source if isinstance(state.of(other), UnsetType) else state.of(other)
    there = None if isinstance(before, UnsetType) else before
    pending = state.seen_of(other)
    is_ours = side is Side.SALESFORCE
    return attrs.evolve(
        state,
        base=(kept, there) if is_ours else (there, kept),
        rel=Relation.ACCEPTED,
        seen=(UNSET, pending) if is_ours else (pending, UNSET),
        bounce=0,
        wrote=side,
    )


def _untold(change: Change) -> Relation:
    return Relation.REWRITTEN if change.rule == "default" else Relation.AGREED


def agreeing(state: FieldState, line: WrittenLine) -> FieldState:
    """Settle a line that was decided with others and not sent, since both sides held the same already."""
    values = [state.of(side) if state.seen_of(side) is UNSET else state.seen_of(side) for side in Side]
    if isinstance(values[0], UnsetType) or isinstance(values[1], UnsetType):
        return state
    return state.agreeing((values[0], values[1]), line.version, unverified=state.unverified)


def born(state: FieldState, line: WrittenLine) -> FieldState:
    """Settle one line that a create did not send: blank on the source, or flowing the other way only."""
    source = state.seen_of(line.side.other)
    value = None if isinstance(source, UnsetType) else source
    held = None if isinstance(line.kept, UnsetType) else line.kept
    return attrs.evolve(
        state,
        base=line.pair(held, value),
        # The plan says how a blank there compares; only what the service put there itself is compared now.
        rel=state.rel if is_blank(held) else line.relation(held, value, None),
        seen=(UNSET, UNSET),
        unverified=line.kept is UNSET,
    )


def held_values(link: LinkRecord, side: Side, lines: Iterable[BoundLine]) -> dict[str, Value | UnsetType]:
    """Give what a link remembers that one side holds in some lines."""
    states = {line.name: link.fields.get(line.name) or FieldState() for line in lines}
    return {
        name: state.of(side) if isinstance(state.seen_of(side), UnsetType) else state.seen_of(side)
        for name, state in states.items()
    }


def values_mark(lines: Iterable[BoundLine], side: Side, values: Mapping[str, Value | UnsetType]) -> str:
    """Name what one side holds in some lines, whatever its spelling."""
    normals = (None if isinstance(v := values[line.name], UnsetType) else line.normal(side, v) for line in lines)
    return fingerprint(side.value, *map(repr, normals))
