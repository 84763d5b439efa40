"""Who wins when both sides moved, or meet for the first time: small functions, chosen by name from two tables.

What may not go in here: which line of the field table applies, and whether the winner may write.  A policy names a
side, or None to hold the conflict for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, TypeAlias

import attrs

from di_salesforce._declared import tells_when
from di_salesforce.engine._lines import BoundLine, Undefined
from di_salesforce.engine._memory import SIDES
from di_salesforce.mapping import OptIn
from di_salesforce.protocols import FieldCase
from di_salesforce.records import Side, UnsetType, Value, is_blank
from di_salesforce.triggers import ConflictPolicy

__all__ = [
    "GroupCase",
    "choose",
    "choose_first_match",
    "is_consent",
    "loosens_unasked",
    "more_restrictive",
    "strictness",
]


def _differing(case: GroupCase) -> tuple[BoundLine, ...]:
    return tuple(line for line in case.lines if not line.agree(*case.both(line)))


@attrs.frozen(repr=False)
class GroupCase:
    """One field group with both sides' values, by line."""

    transfer: str
    lines: tuple[BoundLine, ...]
    salesforce: Mapping[str, Value]
    dialog_insight: Mapping[str, Value]
    before: Mapping[str, tuple[Value | UnsetType, Value | UnsetType]]
    differing: tuple[BoundLine, ...] = attrs.field(init=False, default=attrs.Factory(_differing, takes_self=True))
    """The lines whose two values are not the same one."""

    def value(self, side: Side, line: BoundLine) -> Value:
        """One side's value of one line."""
        return (self.salesforce if side is Side.SALESFORCE else self.dialog_insight)[line.name]

    def both(self, line: BoundLine) -> tuple[Value, Value]:
        """Both sides' values of one line, Salesforce's first."""
        return self.salesforce[line.name], self.dialog_insight[line.name]

    def blank(self, side: Side) -> bool:
        """Whether one side holds nothing in the whole group."""
        return all(is_blank(self.value(side, line)) for line in self.lines)


def is_consent(lines: tuple[BoundLine, ...]) -> bool:
    """Tell whether a group carries an opt-in."""
    return any(line.mapping.is_consent for line in lines)


def _status(case: GroupCase, side: Side) -> bool | None:
    for line in case.lines:
        if isinstance(line.mapping.dialog_insight, OptIn):
            return line.opted_in(side, case.value(side, line))
    return None


# Not opted in is more restrictive than unknown, unknown than opted in.
_STRICTNESS: Final[Mapping[bool | None, int]] = {False: 2, None: 1, True: 0}


def strictness(line: BoundLine, side: Side, value: Value) -> int:
    """Tell how strict a value of one line is: 2 refuses, 1 is unknown, 0 consents or is no consent."""
    is_status = isinstance(line.mapping.dialog_insight, OptIn)
    return _STRICTNESS[line.opted_in(side, value)] if is_status else 0


def more_restrictive(case: GroupCase) -> Side | None:
    """Give the side whose consent is the more restrictive; None where both are equally strict."""
    strict = {side: _STRICTNESS[_status(case, side)] for side in SIDES}
    if strict[Side.SALESFORCE] == strict[Side.DIALOG_INSIGHT]:
        return None
    return max(Side, key=lambda side: strict[side])


def loosens_unasked(case: GroupCase, winner: Side) -> bool:
    """Tell whether writing the winner's consent would lift a refusal although nobody opted in."""
    return _status(case, winner) is None and _status(case, winner.other) is False


def _hold(case: GroupCase) -> Side | None:
    return None


def _fill_blanks(case: GroupCase) -> Side | None:
    blank = [side for side in SIDES if case.blank(side)]
    return blank[0].other if len(blank) == 1 else None


def _restrictive(case: GroupCase) -> Side | None:
    winner = more_restrictive(case)
    if winner is not None:
        return winner
    # Equally strict, so only a date can differ: the value flows as the field does, and all of a group flow alike.
    return next(side for side in SIDES if case.lines[0].flows.allows(side.other))


def _newest(case: GroupCase) -> Side | None:
    """Give the side whose date is the later one; nobody wins where one is missing or cannot be compared."""
    line = next(line for line in case.lines if tells_when(line.mapping))  # no group without one may declare NEWEST
    salesforce, dialog_insight = case.both(line)
    # Both as Salesforce would write them: it has no local times, of which two may have the same name.
    there = line.convert(dialog_insight, to=Side.SALESFORCE)
    if isinstance(there, Undefined):
        return None
    ours, theirs = line.normal(Side.SALESFORCE, salesforce), line.normal(Side.SALESFORCE, there)
    if not isinstance(ours, date) or not isinstance(theirs, date) or ours == theirs:
        return None
    return Side.SALESFORCE if ours > theirs else Side.DIALOG_INSIGHT


_Rule: TypeAlias = Callable[[GroupCase], Side | None]
POLICIES: Final[Mapping[ConflictPolicy, _Rule]] = {
    ConflictPolicy.HOLD: _hold,
    ConflictPolicy.SALESFORCE_WINS: lambda case: Side.SALESFORCE,
    ConflictPolicy.DIALOG_INSIGHT_WINS: lambda case: Side.DIALOG_INSIGHT,
    ConflictPolicy.FILL_BLANKS: _fill_blanks,
    ConflictPolicy.MOST_RESTRICTIVE: _restrictive,
    ConflictPolicy.NEWEST: _newest,
}


def choose(case: GroupCase) -> Side | None:
    """Apply the conflict policy of a group's first line (a declaration holds a group to one policy)."""
    policy = case.lines[0].mapping.conflict
    if isinstance(policy, ConflictPolicy):
        return POLICIES[policy](case)
    line = case.lines[0]
    before = case.before[line.name]
    answer = policy(
        FieldCase(case.transfer, line.name, case.salesforce[line.name], case.dialog_insight[line.name], *before)
    )
    return answer if isinstance(answer, Side) else None


def choose_first_match(case: GroupCase) -> Side | None:
    """Apply the first-match rule; consent is joined restrictively unless its own line says otherwise."""
    line = case.lines[0]
    if is_consent(case.lines) and not line.first_match_declared:
        return _restrictive(case)
    return POLICIES[line.first_match](case)
