"""The gates on a proposal: a test for each, their order, and what a person may pass."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import GATES, Context, EngineCapabilities, Plan, Snapshot
from di_salesforce.engine._decision import SideClass
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import ORDERS, LinkedPair, asked, linked, told
from di_salesforce.testing._served import Saving
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}
U, C, FIRST, UNKNOWN = SideClass.UNCHANGED, SideClass.CHANGED, SideClass.FIRST, SideClass.UNKNOWN
NOW = datetime(2026, 5, 1, tzinfo=UTC)
UPDATED = {S: Trigger.SALESFORCE_UPDATED, D: Trigger.DIALOG_INSIGHT_UPDATED}
CREATES = Trigger.SALESFORCE_CREATED | Trigger.DIALOG_INSIGHT_CREATED


def transfer(triggers: Trigger = Trigger.ALL, **line: Any) -> ObjectTransfer:  # of a FieldMapping
    return ObjectTransfer(
        "t",
        sobject="T",
        triggers=triggers,
        fields=[FieldMapping("Key", "key", key=True), FieldMapping("A", "a", **line)],
    )


def pair(triggers: Trigger = Trigger.ALL, *, start: str = "x", **line: Any) -> LinkedPair:
    return LinkedPair.of(transfer(triggers, **line), {"Key": "k", "A": start}, {"key": "k", "a": start})


def only(plan: Plan) -> Any:  # an action of any kind
    assert len(plan.actions) == 1, plan.actions
    return plan.actions[0]


def child_of(parents: LinkedPair) -> LinkedPair:
    """A linked pair whose field refers to the two records of another pair."""
    return LinkedPair.of(
        transfer(references="t"),
        {"Key": "k", "A": parents.names[S]},
        {"key": "k", "a": int(parents.names[D])},
        context=Context(links={"t": parents.world.baseline}),
    )


# ---------------------------------------------------------------------------------------------------- gates


def unsettled(triggers: Trigger = Trigger.ALL, side: Side = D) -> LinkedPair:
    """A field that both sides have rewritten for three rounds, and once more, on the side that is told."""
    one = pair()
    for count in range(4):
        changed = side.other if count % 2 == 0 else side
        one.edit(changed, **{FIELD[changed]: f"v{count}"})
        if count < 3:
            one.world.one_pass()
    one.world.transfer = transfer(triggers)
    return one


def gate_unsettled(side: Side) -> LinkedPair:
    return unsettled(side=side)


def gate_trigger(side: Side) -> LinkedPair:
    one = pair(Trigger.ALL & ~UPDATED[side])
    one.edit(side, **{FIELD[side]: "y"})
    return one


def gate_reference(side: Side) -> LinkedPair:
    one = child_of(pair())
    one.edit(side, **{FIELD[side]: "a parent that is not linked" if side is S else 999})
    return one


def gate_conversion(side: Side) -> LinkedPair:
    one = LinkedPair.of(
        transfer(converter=converters.choice({"English": "en"})), {"Key": "k", "A": "English"}, {"key": "k", "a": "en"}
    )
    one.edit(side, **{FIELD[side]: "Klingon"})
    return one


def gate_writable(side: Side) -> LinkedPair:
    one = pair()
    one.world.context = Context(capabilities=EngineCapabilities(writes_key=frozenset({side})))
    one.edit(side, **{"Key" if side is S else "key": "k2"})
    return one


def gate_consent(side: Side) -> LinkedPair:  # Dialog Insight: an opt-in flows from nowhere else
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("O", OptIn("n"), converter=converters.boolean(blank=None)),
    ]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "O": False}, {"key": "k", "optin_n": "0"}
    )
    one.edit(side, optin_n="")
    return one


GATE_CASES: dict[str, tuple[Callable[[Side], LinkedPair], str, str]] = {
    "unsettled": (gate_unsettled, "conflict", "conflict.unsettled"),
    "trigger": (gate_trigger, "skip", "trigger.off"),
    "reference": (gate_reference, "skip", "reference.waiting"),
    "conversion": (gate_conversion, "reject", "value.not_convertible"),
    "writable": (gate_writable, "conflict", "conflict.key_not_writable"),
    "consent": (gate_consent, "conflict", "conflict.consent"),  # a refusal is not lifted by silence
}


@pytest.mark.parametrize(
    ("gate", "side"),
    [(gate, side) for gate in GATES for side in Side if gate.name != "consent" or side is D],
    ids=lambda it: it.value if isinstance(it, Side) else f"gate-{it.number}-{it.name}",
)
def test_each_gate_stops_a_proposal(gate: Any, side: Side) -> None:
    """What a gate stops, from either side, is held, skipped, left waiting or rejected; the base does not move."""
    make, kind, reason = GATE_CASES[gate.name]
    one = make(side)
    before = {name: state.base for name, state in one.link.fields.items()}
    rows = {side: dict(one.row(side)) for side in Side}
    action = only(one.world.one_pass())
    assert (action.kind, action.reason) == (kind, reason)
    assert {name: state.base for name, state in one.link.fields.items()} == before
    assert {side: dict(one.row(side)) for side in Side} == rows, "the opposite write was tried instead"
    assert [item.reason for item in one.world.baseline.open_items.values()] == [reason]


def test_the_gates_stand_in_their_order() -> None:
    """Of two gates that would both stop a proposal, the first decides."""
    assert [gate.name for gate in GATES] == list(GATE_CASES)
    both = unsettled(Trigger.NONE)
    assert only(both.world.plan()).reason == "conflict.unsettled"  # 1 before 2
    choice = converters.choice({"English": "en"})
    off = transfer(Trigger.NONE, converter=choice)
    trigger_first = LinkedPair.of(transfer(converter=choice), {"Key": "k", "A": "English"}, {"key": "k", "a": "en"})
    trigger_first.edit(S, A="Klingon")
    trigger_first.world.transfer = off
    assert only(trigger_first.world.plan()).reason == "trigger.off"  # 2 before 4
    key = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True, converter=choice)])
    conversion_first = LinkedPair.of(key, {"Key": "English"}, {"key": "en"})
    conversion_first.edit(S, Key="Klingon")
    assert only(conversion_first.world.plan()).reason == "value.not_convertible"  # 4 before 5


def test_a_person_passes_the_first_gate_only() -> None:
    """A person's choice writes an unsettled field and starts its count afresh; a trigger that is off still stands."""
    one = unsettled()
    one.world.apply(one.world.plan().resolve("k", keep=D))
    assert one.row(S)["A"] == "v3" and one.state("A:a").bounce == 0
    off = unsettled(Trigger.NONE)
    decided = only(off.world.plan().resolve("k", keep=D))
    assert (decided.kind, decided.reason) == ("skip", "trigger.off")


def test_a_person_cannot_turn_a_direction_around() -> None:
    """Keeping the value of the side that only receives is an error that says what to do instead."""
    one = pair(direction=Direction.TO_DIALOG_INSIGHT, first_match=ConflictPolicy.HOLD)
    one.world.distrust()
    one.edit(D, a="y")
    with pytest.raises(ConfigurationError, match="accept"):
        one.world.plan().resolve("k", keep=D)


def test_a_key_that_would_be_blank_there_is_held() -> None:
    """Even where the service takes changed keys: nobody else could tell the record by nothing."""
    can = EngineCapabilities(writes_key=frozenset(Side))
    one = pair()
    one.world.context = attrs.evolve(one.world.context, capabilities=can)
    one.edit(S, Key=None)
    assert told(one.world.plan()) == [("conflict", "conflict.key_changed")]


# ------------------------------------------------------------------------------------------- keys, rounds, choices


def keyed() -> LinkedPair:
    """A pair whose service takes changed keys, beside another pair."""
    one = linked(converter=converters.text())
    can = EngineCapabilities(writes_key=frozenset(Side))
    one.world.context = attrs.evolve(one.world.context, capabilities=can)
    return one


def test_a_new_key_is_looked_for_before_it_is_written() -> None:
    """Where it is not known whether somebody has it, the record is held, and the key is asked for."""
    one = keyed()
    one.edit(S, Email="k2")
    plan = one.look(dialog_insight=Snapshot.changes([], as_of=one.world.now))
    assert told(plan) == [("conflict", "conflict.key_changed")] and asked(plan) == [(D, None, "k2")]


def test_a_new_key_that_a_record_without_a_link_has_is_held() -> None:
    """On the side that would be written as on the one where it was changed: there would be two of one key."""
    for side in Side:
        one = keyed()
        one.world.transfer = attrs.evolve(one.world.transfer, triggers=Trigger.ALL & ~CREATES)
        one.world.sides[side].saving = Saving(unique_key=False)
        one.world.add(side, {"Email" if side is S else "EMail": "k2"})
        one.edit(S, Email="k2")
        assert ("conflict", "conflict.key_changed") in told(one.world.plan()), side


def test_a_choice_that_a_person_has_not_made_asks_for_nothing() -> None:
    """What keeping either key would come to is said from what is known; only a decision is worth a look-up."""
    one = keyed()
    one.edit(S, Email="k2")
    one.edit(D, EMail="k3")
    plan = one.look(dialog_insight=Snapshot.changes([one.row(D)], as_of=one.world.now))
    assert told(plan) == [("conflict", "conflict.both_changed")] and asked(plan) == []


def test_a_choice_names_the_row_of_a_table_by_its_key() -> None:
    """A row without an id is addressed by its key as it stands there now."""
    one = LinkedPair.of(ORDERS, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    one.edit(S, A="y")
    one.edit(D, a="z")
    (conflict,) = one.world.plan().conflicts
    assert [dict(proposal.address) for proposal in conflict.proposals] == [{"EMail": "k"}, {"Email": "k"}]


def test_a_winner_that_was_not_written_last_makes_no_round() -> None:
    """Both sides change at every run and one always wins: that is a policy at work, and no two systems rewriting."""
    one = pair(conflict=ConflictPolicy.SALESFORCE_WINS)
    for number in range(6):
        one.edit(S, A=f"s{number}")
        one.edit(D, a=f"d{number}")
        assert told(one.world.one_pass()) == [("update", "update.policy")], number


def test_only_the_line_of_a_group_that_was_rewritten_makes_a_round() -> None:
    """Of a group the line that moved on the side that we wrote last counts; the one that goes with it does not."""
    lines = [FieldMapping("Key", "key", key=True)]
    lines += [FieldMapping(name.upper(), name, group="g") for name in "ab"]
    saving = {S: Saving(truncate=2), D: Saving()}
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines),
        {"Key": "k", "A": "x", "B": "x"},
        {"key": "k", "a": "x", "b": "x"},
        saving=saving,
    )
    one.edit(D, b="long")
    one.world.one_pass()
    one.edit(S, A="y")
    (write,) = one.world.plan().writes
    assert {change.line: change.bounce for change in write.changes} == {"A:a": 0, "B:b": 0}
