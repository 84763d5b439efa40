"""What is remembered of fields from plan to plan: groups, rounds, spellings, what is known to differ, what is open."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Plan, Relation, Snapshot, settle
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, asked, told
from di_salesforce.testing._served import Fate, Saving

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}


def of(*lines: FieldMapping, saving: dict[Side, Saving] | None = None, **values: Any) -> LinkedPair:
    """Give a pair of these lines besides its key; each starts with one value on both sides."""
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True), *lines])
    rows: dict[Side, dict[str, Any]] = {S: {"Key": "k"}, D: {"key": "k"}}
    for side in Side:
        rows[side] |= {line.field(side): values.get(line.name.partition(":")[2], "x") for line in lines}
    return LinkedPair.of(transfer, rows[S], rows[D], saving=saving)


def two(**settings: Any) -> list[FieldMapping]:
    return [FieldMapping(name.upper(), name, **settings) for name in "ab"]


# ---------------------------------------------------------------------------------------- known to differ, as a group


def test_a_group_is_quiet_where_all_that_differs_is_known_to() -> None:
    """Dialog Insight cuts both values of a group: that is known of both, and counted as one."""
    one = of(*two(group="g"), saving={S: Saving(), D: Saving(truncate=3)})
    one.edit(S, A="long text", B="longer text")
    one.world.one_pass()
    assert {one.state(line).rel for line in ("A:a", "B:b")} == {Relation.REWRITTEN}
    plan = one.world.plan()
    assert not plan.actions and plan.parts[0].counts["quiet"] == 1


@pytest.mark.parametrize("rewritten", ["A", "B"])
def test_a_group_is_held_where_something_in_it_differs_that_was_not_known_to(rewritten: str) -> None:
    """One line's difference is known; the other one's came with another mapping, and a person has to look."""
    language = converters.choice({"English": "en", "French": "fr", "French (old)": "f"})
    lines = {"A": FieldMapping("A", "a", group="g"), "B": FieldMapping("B", "b", group="g")}
    mapped = "B" if rewritten == "A" else "A"
    lines[mapped] = attrs.evolve(lines[mapped], converter=language)
    saving = {S: Saving(), D: Saving(truncate=3)}
    transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Key", "key", key=True), *lines.values()])
    one = LinkedPair.of(
        transfer,
        {"Key": "k", rewritten: "x", mapped: "French"},
        {"key": "k", rewritten.lower(): "x", mapped.lower(): "fr"},
        saving=saving,
    )
    one.edit(S, **{rewritten: "long text"})
    one.world.one_pass()
    assert one.state(f"{rewritten}:{rewritten.lower()}").rel is Relation.REWRITTEN
    assert not one.world.plan().actions
    lines[mapped] = attrs.evolve(lines[mapped], converter=converters.choice({"English": "en", "French": "f"}))
    one.world.transfer = attrs.evolve(transfer, fields=[FieldMapping("Key", "key", key=True), *lines.values()])
    (held,) = one.world.plan().conflicts
    assert (held.reason, held.group) == ("conflict.mapping_changed", "g")


# --------------------------------------------------------------------------------------------------------- rounds


@pytest.mark.parametrize("quiet", [False, True])
def test_a_quiet_look_starts_the_rounds_afresh(quiet: bool) -> None:
    """Two systems rewrite a field in turn; where both rest for one look they are no longer called unsettled."""
    one = of(FieldMapping("A", "a"))
    for count in range(4):
        side = S if count % 2 == 0 else D
        one.edit(side, **{FIELD[side]: f"v{count}"})
        plan = one.world.one_pass()
        if quiet and count == 2:
            assert one.state("A:a").bounce == 2
            assert not one.world.one_pass().actions
            assert one.state("A:a").bounce == 0
    assert told(plan) == [("update", "update.changed") if quiet else ("conflict", "conflict.unsettled")]


def test_a_line_that_joins_a_group_keeps_its_rounds_and_one_that_leaves_it_too() -> None:
    """Another declaration of what is decided as one says nothing about who rewrites what."""
    alone, grouped = two(), two(group="g")
    one = of(*alone)
    for count in range(2):
        side = S if count % 2 == 0 else D
        one.edit(side, **{FIELD[side]: f"v{count}"})
        if count == 1:
            one.world.transfer = attrs.evolve(one.world.transfer, fields=[one.world.transfer.fields[0], *grouped])
        one.world.one_pass()
        assert one.state("A:a").bounce == count
    assert (one.state("A:a").group, one.state("B:b").group) == ("g", "g")
    one.edit(S, A="v2")
    one.world.transfer = attrs.evolve(one.world.transfer, fields=[one.world.transfer.fields[0], *alone])
    assert told(one.world.one_pass()) == [("update", "update.changed")] and one.state("A:a").bounce == 2


# ------------------------------------------------------------------------------------------- spellings, unseen writes


@pytest.mark.parametrize("side", Side)
def test_another_spelling_of_the_same_is_no_news(side: Side) -> None:
    """Where the converter calls two values one, nothing is written and nothing is stored anew."""
    one = of(FieldMapping("A", "a", converter=converters.email()), a="ada@test.example")
    one.edit(side, **{FIELD[side]: "Ada@TEST.example"})
    before = one.link
    plan = one.world.plan()
    settlement = settle(plan, {}, now=one.world.now)
    assert not plan.actions and not settlement.changed_links
    one.world.one_pass()
    assert one.link == before


def test_what_became_of_a_write_is_known_once_both_records_were_seen() -> None:
    """The service did not tell what it kept: that stays unverified while nothing is told of the two rows."""
    one = of(FieldMapping("A", "a"))
    one.edit(S, A="y")
    one.world.apply(one.world.plan(), lambda write: Fate.SILENT)
    assert one.state("A:a").unverified
    one.edit(S, A="z")
    one.edit(D, a="z")
    for shown in ((), (S,), (D,)):
        rows = {side: [one.row(side)] if side in shown else [] for side in Side}
        shots = [Snapshot.changes(rows[side], as_of=one.world.now) for side in Side]
        plan = one.look(*shots)
        settled = one.world.baseline.updated(settle(plan, {}, now=one.world.now)).links[0].fields["A:a"]
        assert settled.unverified, shown
    one.world.one_pass()
    assert not one.state("A:a").unverified


# ----------------------------------------------------------------------------------------- open while not all is known


def conflicted() -> LinkedPair:
    """Give a pair with an open conflict in A, and a second field that nobody has touched."""
    one = of(*two())
    one.edit(S, A="y")
    one.edit(D, a="z")
    one.world.one_pass()
    assert [item.group for item in one.world.baseline.open_items.values()] == ["A:a"]
    one.edit(S, A="x")
    return one


def left_open(one: LinkedPair, plan: Plan) -> list[str]:
    """Name the groups that stay open after a plan."""
    return [item.group for item in one.world.baseline.updated(settle(plan, {}, now=one.world.now)).open_items.values()]


def test_a_conflict_stays_open_while_one_side_is_not_seen() -> None:
    """One side took its edit back; of the other nothing was read that would tell whether they agree now."""
    one = conflicted()
    assert left_open(one, one.look(one.snapshot(S, {"A"}), one.snapshot(D, {"b"}))) == ["A:a"]
    assert left_open(one, one.look(one.snapshot(S, {"B"}), one.snapshot(D, {"b"}))) == ["A:a"]


def test_a_look_at_one_side_does_not_close_what_the_other_side_leaves_open() -> None:
    """Salesforce's row was looked up for another field; what Dialog Insight holds of this one is unknown as before."""
    one = conflicted()
    one.edit(D, b="other")
    plan = one.look(Snapshot.sample([], as_of=one.world.now), one.snapshot(D, {"b"}))
    assert asked(plan) == [(S, one.names[S], None)]
    plan = plan.supplied(salesforce=[one.row(S)])
    assert told(plan) == [("update", "update.changed")] and "A:a" in left_open(one, plan)


def test_what_even_a_look_up_does_not_show_is_not_asked_for_for_ever() -> None:
    """Its row was looked up for another field and came without this one: there is nothing more to learn."""
    one = conflicted()
    one.edit(S, B="other")
    plan = one.look(one.snapshot(S, {"A", "B"}), Snapshot.sample([], as_of=one.world.now))
    assert asked(plan) == [(D, one.names[D], None)]
    short = {name: value for name, value in one.row(D).items() if name != "a"}
    plan = plan.supplied(dialog_insight=[short])
    assert told(plan) == [("update", "update.changed")] and not plan.needs
    assert left_open(one, plan) == [""], "nothing but the write, which was not carried out"
