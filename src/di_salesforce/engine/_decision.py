"""THE TABLES: what is decided about a field group of a linked pair, and what may stop a proposal.

What may not go in here: values, rows, state.  A line of a table says when it fits in a few words each of which is one
of a handful, and what is then done; `decide` walks the lines and takes the first that fits.  Everything that affects
the choice of a line lives here, and the reference page is made from these tables.
"""

from __future__ import annotations

import enum
import functools
from typing import Final

import attrs

from di_salesforce.engine._memory import Relation
from di_salesforce.records import Side

__all__ = ["FIELD_TABLE", "GATES", "Decision", "Facts", "FieldLine", "Gate", "SideClass", "Verdict", "decide"]


class SideClass(enum.StrEnum):
    """What one side's value is, compared with what is remembered of that side."""

    UNCHANGED = "U"
    CHANGED = "C"
    FIRST = "first"  # known, and nothing is remembered to compare it with
    UNKNOWN = "?"


class Flow(enum.StrEnum):
    """The field's direction, seen from the side that a line calls *one*."""

    OUT = "out"  # one-way, from one to other
    IN = "in"  # one-way, from other to one
    BOTH = "both"


class Decision(enum.StrEnum):
    """What a line of the table decides."""

    NEED = "need"
    NOTHING = "nothing"
    NOTE = "note"
    WAIT = "wait"
    FIRST_MATCH = "first_match"
    QUIET = "quiet"
    MAPPING_CHANGED = "mapping_changed"
    PROPOSE = "propose"
    DRIFT = "drift"
    OVERRULE = "overrule"
    POLICY = "policy"


@attrs.frozen
class FieldLine:
    """A line of the field table; an empty set means that the word does not matter."""

    number: int
    one: frozenset[SideClass]
    other: frozenset[SideClass]
    decision: Decision
    meaning: str
    agree: bool | None = None
    waits: bool | None = None
    rel: frozenset[Relation] = frozenset()
    flow: frozenset[Flow] = frozenset()


_U, _C, _F, _X = SideClass.UNCHANGED, SideClass.CHANGED, SideClass.FIRST, SideClass.UNKNOWN
_KNOWN: Final = frozenset({_U, _C, _F})


def _line(number: int, one: str, other: str, decision: Decision, meaning: str, **words: object) -> FieldLine:
    classes = {"U": _U, "C": _C, "F": _F, "?": _X}
    return FieldLine(
        number,
        frozenset(classes[letter] for letter in one),
        frozenset(classes[letter] for letter in other),
        decision,
        meaning,
        **words,  # type: ignore[arg-type]  # the literal table below is checked by its test, row by row
    )


FIELD_TABLE: Final[tuple[FieldLine, ...]] = (
    _line(1, "?", "CF", Decision.NEED, "the other side's value is not known: the row is asked for, the field waits"),
    _line(2, "?", "U?", Decision.NOTHING, "nothing is known to have changed"),
    _line(3, "UCF", "UCF", Decision.NOTE, "both sides agree: remembered", agree=True),
    _line(11, "CF", "UCF", Decision.WAIT, "not to be compared yet: the record that a lookup refers to is not linked",
          agree=False, waits=True),
    _line(12, "U", "U", Decision.WAIT, "not to be compared now: the record that a lookup refers to is no longer linked",
          agree=False, waits=True, rel=frozenset({Relation.AGREED})),
    _line(4, "F", "F", Decision.FIRST_MATCH, "the two meet for the first time and differ", agree=False),
    _line(5, "U", "U", Decision.QUIET, "known to differ (rewritten or accepted): counted, not told again",
          agree=False, rel=frozenset({Relation.REWRITTEN, Relation.ACCEPTED})),
    _line(6, "U", "U", Decision.MAPPING_CHANGED, "neither moved, yet they differ: the mapping changed",
          agree=False, rel=frozenset({Relation.AGREED})),
    _line(7, "C", "U", Decision.PROPOSE, "one side changed, and its value may flow",
          agree=False, flow=frozenset({Flow.OUT, Flow.BOTH})),
    _line(8, "C", "U", Decision.DRIFT, "the side that only receives changed: left, or put back",
          agree=False, flow=frozenset({Flow.IN})),
    _line(9, "C", "C", Decision.OVERRULE, "both changed, and one side is the truth",
          agree=False, flow=frozenset({Flow.OUT})),
    _line(10, "C", "C", Decision.POLICY, "both changed: the field's policy decides",
          agree=False, flow=frozenset({Flow.BOTH})),
)  # fmt: skip


@attrs.frozen
class Facts:
    """What the table is asked about: both sides' classes, whether they agree, the relation, and who may receive.

    `waits` says that they only seem to differ, since a lookup cannot be translated yet.
    """

    salesforce: SideClass
    dialog_insight: SideClass
    agree: bool
    rel: Relation
    to_salesforce: bool
    to_dialog_insight: bool
    waits: bool = False

    def of(self, side: Side) -> SideClass:
        """That side's class."""
        return self.salesforce if side is Side.SALESFORCE else self.dialog_insight

    def flow(self, one: Side) -> Flow:
        """The direction as seen from one side."""
        if self.to_salesforce and self.to_dialog_insight:
            return Flow.BOTH
        receives = self.to_salesforce if one is Side.SALESFORCE else self.to_dialog_insight
        return Flow.IN if receives else Flow.OUT


@functools.cache
def decide(facts: Facts) -> tuple[FieldLine, Side]:
    """Give the first line that fits, and which side it calls *one*."""
    for line in FIELD_TABLE:
        for one in Side:
            if _fits(line, facts, one):
                return line, one
    raise AssertionError(f"no line of the field table fits {facts}")  # a test walks every combination


def _fits(line: FieldLine, facts: Facts, one: Side) -> bool:
    return (
        facts.of(one) in line.one
        and facts.of(one.other) in line.other
        and (line.agree is None or line.agree == facts.agree)
        and (line.waits is None or line.waits == facts.waits)
        and (not line.rel or facts.rel in line.rel)
        and (not line.flow or facts.flow(one) in line.flow)
    )


class Verdict(enum.StrEnum):
    """What a gate does with a proposal that does not pass it."""

    HOLD = "hold"
    SKIP = "skip"
    WAIT = "wait"
    REJECT = "reject"


@attrs.frozen
class Gate:
    """One gate on a proposal from one side to the other; the first that fails decides.

    A person's choice passes the gates that ask what only a person can know.
    """

    number: int
    name: str
    verdict: Verdict
    meaning: str
    person_passes: bool = False


GATES: Final[tuple[Gate, ...]] = (
    Gate(1, "unsettled", Verdict.HOLD, "both sides kept rewriting the field for three rounds", person_passes=True),
    Gate(2, "trigger", Verdict.SKIP, "the transfer's triggers do not allow the update"),
    Gate(3, "reference", Verdict.WAIT, "the record that a lookup refers to is not linked yet"),
    Gate(4, "conversion", Verdict.REJECT, "the value has no form on the other side"),
    Gate(5, "writable", Verdict.HOLD, "the field cannot be written there, or a new key is not proven to be free"),
    Gate(6, "consent", Verdict.HOLD, "nobody opted in, and writing would lift a refusal", person_passes=True),
)
