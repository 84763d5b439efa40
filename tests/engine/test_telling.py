"""What needs, plans and reports say of themselves, and what a look-up cannot mend."""

from __future__ import annotations

import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import (
    Baseline,
    BoundTransfer,
    Context,
    EngineCapabilities,
    FieldState,
    Limits,
    Need,
    Needs,
    Outcome,
    Plan,
    Snapshot,
    settle,
)
from di_salesforce.engine._reasons import sentence
from di_salesforce.exceptions import ConfigurationError, GuardError
from di_salesforce.records import Side, Value
from di_salesforce.testing._pairs import NOW, LinkedPair, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing._served import Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


# ------------------------------------------------------------------------------------------------------------ needs


@pytest.mark.parametrize("key", [None, "k", 5, ("k", 5, None)])
@pytest.mark.parametrize("record_id", [None, "003000000000001AAA"])
def test_a_need_survives_saving(record_id: str | None, key: object) -> None:
    """A look-up by id, by a value, or by several values is read back as it was, with the types of its values."""
    needs = Needs(dialog_insight=[Need(record_id, key)])
    assert Needs.from_dict(needs.to_dict()) == needs and list(needs) == [(D, Need(record_id, key))]


def test_needs_stand_in_one_order_and_hide_values() -> None:
    """Ids come before keys, each sorted; their text shows no value."""
    by_id, by_key, other = Need("1", None), Need(None, "ada@test.example"), Need(None, "bo@test.example")
    needs = Needs(salesforce=[other, Need("2", None), by_key, by_id])
    assert needs.salesforce == (by_id, Need("2", None), by_key, other)
    assert len(needs) == 4 and bool(needs) and not Needs()
    assert repr(by_id) == "<Need by id>" and repr(by_key) == "<Need by key>"
    assert repr(needs) == "<Needs: 4 of Salesforce, 0 of Dialog Insight>"


@pytest.mark.parametrize("changed", Side)
def test_a_field_that_even_the_look_up_lacks_is_rejected(changed: Side) -> None:
    """One side changed, the other's field was looked up and did not come: rejected by its name, not asked for again."""
    one = linked()
    other, field = changed.other, {S: "A", D: "a"}
    one.edit(changed, **{field[changed]: "y"})
    plan = one.look(**{other.value: one.snapshot(other, set())})
    assert asked(plan) == [(other, one.names[other], None)]
    short = {name: value for name, value in one.row(other).items() if name != field[other]}
    plan = plan.supplied(**{other.value: [short]})
    assert [(each.reason, each.side, each.causes) for each in plan.rejects] == [
        ("value.not_read", other, ((field[other], "value.not_read"),))
    ]


# --------------------------------------------------------------------------------------------------------- explain


def test_explain_tells_each_kind_of_action() -> None:
    """A create shows no value before, an update the value before; a conflict both sides and what each choice writes."""
    made = plan_of([row(S, 1)], [])
    head, *fields = made.explain("k").splitlines()
    assert head.startswith("t: create (create.new): ")
    assert fields == [
        "  Dialog Insight EMail: (new) -> k by create.new",
        "  Dialog Insight a: (new) -> x by create.new",
    ]
    one = linked()
    one.edit(S, A="y")
    assert "  Dialog Insight a: x -> y by update.changed" in one.world.plan().explain("k")
    for value, shown in (("z", "z"), ("", "(blank)")):
        one.edit(D, a=value)
        assert one.world.plan().explain("k").splitlines() == [
            f"t: conflict (conflict.both_changed): {sentence('conflict.both_changed')}",
            f"  A:a: Salesforce y (was x), Dialog Insight {shown} (was x)",
            "  keep Salesforce: writes a",
            "  keep Dialog Insight: writes A",
        ]
    one.world.distrust()
    assert "Salesforce y (was (not known))" in one.world.plan().explain("k")
    for side in Side:
        one.remove(side)
    ended = one.world.plan().explain("k").splitlines()
    assert ended == [f"t: unlink (unlink.both_deleted): {sentence('unlink.both_deleted')}"]


def test_explain_tells_why_a_choice_is_not_possible() -> None:
    """A choice that cannot be written says so, and a skip and a reject name their fields."""
    one = linked(converter=converters.text())
    one.edit(S, Email="k2")
    told_ = one.world.plan().explain(one.names[S])
    assert "keep Salesforce: not possible (conflict.key_not_writable)" in told_
    wrong = plan_of([row(S, 1, value=object())], [])
    assert wrong.explain("k").splitlines() == [
        f"t: reject (value.not_scalar): {sentence('value.not_scalar')}",
        "  A: value.not_scalar",
    ]
    off = linked()
    off.world.transfer = contacts(triggers=Trigger.NONE)
    off.edit(S, A="y")
    assert off.world.plan().explain("k").splitlines() == [
        f"t: skip (trigger.off): {sentence('trigger.off')}",
        "  A:a",
    ]


def test_counts_by_transfer_kind_and_reason() -> None:
    """A plan counts its actions; a limit that it goes past is raised, one that it keeps is not."""
    plan = plan_of([row(S, 1), row(S, 2, "k2")], [])
    assert plan.counts() == {"t create create.new": 2}
    plan.raise_for_guards()
    stopped = plan_of([row(S, 1), row(S, 2, "k2")], [], context=Context(limits=Limits(creates=1)))
    with pytest.raises(GuardError, match="would make 2 creates; the limit is 1"):
        stopped.raise_for_guards()


# ------------------------------------------------------------------------------------- consent, in any spelling


@pytest.mark.parametrize(
    ("value", "means"),
    [
        ("1", True),
        ("true", True),
        (" True ", True),
        ("0", False),
        ("false", False),
        ("maybe", None),
        ("", None),
        (None, None),
    ],
)
def test_consent_without_a_converter_reads_as_dialog_insight_writes_it(value: Value, means: bool | None) -> None:
    """Without a converter, 1 and true are opted in, 0 and false are not, and anything else is not known."""
    line = FieldMapping("News__c", OptIn("news"), conflict=ConflictPolicy.MOST_RESTRICTIVE)
    bound = BoundTransfer.of(ObjectTransfer("t", sobject="T", fields=[*contacts().fields, line]), Context())
    assert bound.lines[line.name].opted_in(D, value) is means


def test_consent_that_has_no_form_there_is_not_known() -> None:
    """A value of Salesforce that cannot be converted says nothing about consent."""
    line = FieldMapping("News__c", OptIn("news"), converter=converters.boolean(blank=None))
    bound = BoundTransfer.of(ObjectTransfer("t", sobject="T", fields=[*contacts().fields, line]), Context())
    consent = bound.lines[line.name]
    assert consent.opted_in(S, "perhaps") is None and consent.opted_in(S, True) is True


# --------------------------------------------------------------------------------------------- deletes, made anew


def deleting(**settings: object) -> LinkedPair:
    both = EngineCapabilities(deletes=frozenset(Side))
    return linked(deletes=Deletes.DELETE, context=Context(capabilities=both), **settings)


def test_a_survivor_that_was_not_read_is_asked_for_before_it_is_deleted() -> None:
    """A delete is proven on one side, and the other was read in part: its row is asked for, then deleted."""
    one = deleting()
    one.remove(S)
    plan = one.look(
        Snapshot.changes([], as_of=one.world.now, deleted=[one.names[S]]), Snapshot.sample([], as_of=one.world.now)
    )
    assert not plan.writes and asked(plan) == [(D, one.names[D], None)]
    assert told(plan.supplied(dialog_insight=[one.row(D)])) == [("delete", "delete.proven")]


def test_a_delete_that_failed_is_looked_into_before_it_is_tried_again() -> None:
    """The answer to a delete was lost: while it may land nothing is done, then the survivor is read afresh."""
    one = deleting()
    one.remove(S)
    plan = one.world.plan()
    one.world.baseline = one.world.baseline.updated(
        settle(plan, {write.id: Outcome.unknown() for write in plan.writes}, now=one.world.now)
    )
    assert told(one.world.plan()) == [("skip", "outcome.quarantine")]
    one.world.rest()
    assert told(one.world.plan()) == [("delete", "delete.proven")]


def test_two_survivors_of_one_key_are_not_guessed_between() -> None:
    """Two links with one key lost their record on the same side; a new one has the key: it is nobody's by rule."""
    one = linked(converter=converters.text())
    other = next(name for name in one.world.rows(S) if name != one.names[S])
    for name in list(one.world.rows(D)):
        one.world.remove(D, name)
    one.world.context = Context(allow_empty=frozenset(Side))
    one.world.one_pass()
    one.world.sides[S].saving = Saving(unique_key=False)
    one.world.edit(S, other, {"Email": "k"})
    one.world.one_pass()
    one.world.add(D, {"EMail": "k"})
    plan = one.world.plan()
    assert told(plan).count(("reject", "key.ambiguous")) == 1 and not plan.writes


# --------------------------------------------------------------------------------------------------- small words


def test_what_shows_itself_shows_no_value() -> None:
    """Circumstances, outcomes and tombstones show counts, codes and causes; two memories are equal by their rows."""
    assert repr(Context(claims={"1": "leads"})) == "<Context: links of 0 transfers, 1 claims>"
    assert repr(Outcome.refused("BAD", "ada@test.example")) == "<Outcome refused BAD>"
    assert Outcome.unknown().to_dict() == {"kind": "unknown", "record_id": None, "code": "", "message": ""}
    one = linked()
    for side in Side:
        one.remove(side)
    one.world.one_pass()
    stones = one.world.baseline.tombstones.values()
    assert {repr(stone) for stone in stones} == {f"<Tombstone t {side.value} unlink.both_deleted>" for side in Side}
    assert one.world.baseline == Baseline.from_dicts(one.world.baseline.to_dicts()) != Baseline.empty()
    assert Baseline.empty() != "a memory"


def test_a_memory_of_one_transfer_takes_no_settlement_of_two() -> None:
    """With nothing remembered yet, whose memory it is cannot be told: an error says what to take."""
    other = ObjectTransfer("u", sobject="Lead", fields=contacts().fields)
    plan = Plan.joined([plan_of([row(S, 1)], []), plan_of([row(S, 2)], [], transfer=other)])
    settlement = settle(plan, {write.id: Outcome.done("9") for write in plan.writes}, now=NOW)
    with pytest.raises(ConfigurationError, match=r"t, u.*settlement\.of"):
        Baseline.empty().updated(settlement)
    assert len(Baseline.empty().updated(settlement.of("t"))) == 1


def test_a_key_that_does_not_flow_there_makes_no_record() -> None:
    """A create needs every part of the key: one that flows the other way only is rejected, with its name."""
    one_way = FieldMapping("Email", "EMail", key=True, direction=Direction.TO_SALESFORCE)
    plan = plan_of([row(S, 1)], [], transfer=ObjectTransfer("t", sobject="T", fields=[one_way, FieldMapping("A", "a")]))
    assert [(each.reason, each.causes) for each in plan.rejects] == [
        ("key.not_creatable", (("Email", "key.not_creatable"),))
    ]


# ------------------------------------------------------------------------------------------------------------ counts


def counts(plan: Plan) -> dict[str, int]:
    return {name: count for name, count in plan.parts[0].counts.items() if not name.startswith("line_") and count}


def lines_decided(plan: Plan) -> int:
    return sum(count for name, count in plan.parts[0].counts.items() if name.startswith("line_"))


def test_each_pair_and_each_line_is_counted_once() -> None:
    """At the first meeting every line that agrees is noted; then pairs agree, and each of their lines is line 3."""
    world = World(contacts())
    for number in range(3):
        world.add(S, {"Email": f"k{number}", "A": "x"})
        world.add(D, {"EMail": f"k{number}", "a": "x"})
    first = world.one_pass()
    assert counts(first) == {"agreed": 3, "noted": 6} and lines_decided(first) == 6
    second = world.one_pass()
    assert counts(second) == {"agreed": 3}
    for name in list(world.rows(S))[:2]:
        world.edit(S, name, {"A": "y"})
    for name in list(world.rows(D))[:2]:
        world.edit(D, name, {"a": "y"})
    assert counts(world.one_pass()) == {"agreed": 3, "noted": 2}, "both sides were given the same"


def test_pairs_that_are_known_to_differ_are_counted_apart() -> None:
    """Quiet is what neither moved and does not agree, once for each pair."""
    world = World(contacts(), {S: Saving(), D: Saving(truncate=1)})
    for number in range(3):
        world.add(S, {"Email": str(number), "A": "long" if number else "x"})
    world.one_pass()
    plan = world.one_pass()
    assert counts(plan) == {"agreed": 1, "quiet": 2} and not plan.actions


def test_several_fields_of_one_record_are_one_write() -> None:
    """Each by its own rule: the write says that they are several, and each change says which."""
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("A", "a", conflict=ConflictPolicy.SALESFORCE_WINS),
        FieldMapping("B", "b"),
    ]
    one = LinkedPair.of(
        ObjectTransfer("t", sobject="T", fields=lines), {"Key": "k", "A": 1, "B": 1}, {"key": "k", "a": 1, "b": 1}
    )
    one.edit(S, A=2, B=2)
    one.edit(D, a=3)
    (write,) = one.world.plan().writes
    assert write.reason == "update.several"
    assert {change.line: change.rule for change in write.changes} == {"A:a": "update.policy", "B:b": "update.changed"}


def test_pairs_that_sleep_and_rows_out_of_scope_are_counted() -> None:
    """Nothing is said of them again; how many there are is."""
    transfer = contacts(dialog_insight_filter=lambda row: row.get("a") != "out")
    world = World(transfer)
    for number in range(5):
        world.add(S, {"Email": f"k{number}", "A": "x"})
        world.add(D, {"EMail": f"k{number}", "a": "x"})
    world.one_pass()
    for name in list(world.rows(S))[:2]:
        world.remove(S, name)
    assert told(world.one_pass()) == [("skip", "deleted.reported")] * 2
    world.add(D, {"EMail": "o1", "a": "out"})
    world.add(D, {"EMail": "o2", "a": "out"})
    plan = world.plan()
    assert not plan.actions and counts(plan) == {"agreed": 3, "dormant": 2, "out_of_scope": 2}


def test_pairs_that_were_not_read_are_counted_apart_from_those_that_did_not_move() -> None:
    """Under gap-free changes what was not told of agrees; of a sample nothing is known."""
    one = linked()
    for side in Side:
        assert counts(one.look(**{side.value: Snapshot.changes([])})) == {"agreed": 2}
        assert counts(one.look(**{side.value: Snapshot.sample([])})) == {"unread": 2}


def test_actions_of_two_transfers_about_the_same_records_have_ids_of_their_own() -> None:
    """Joined plans are answered and filtered by id: the same rows under two names are told apart, of each kind."""
    plans: list[Plan] = []
    for name in ("t", "u"):
        transfer = ObjectTransfer(name, sobject="Contact", fields=contacts().fields)
        one = LinkedPair.of(transfer, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
        one.world.add(S, {"Email": "other"})
        one.edit(S, A="y")
        plans += [one.world.plan(), plan_of([row(S, 1), row(S, 2, None)], [row(D, 1)], transfer=transfer)]
        one.world.one_pass()
        one.remove(D)
        plans.append(one.world.plan())
    ids = [action.id for plan in plans for action in plan.actions]
    assert len(ids) == len(set(ids)) > 8


def test_a_state_and_a_coverage_name_themselves_without_values() -> None:
    """A state shows whether it has a base, and how the two sides stand; a coverage is named by what it is of."""
    one = linked()
    assert repr(one.state("A:a")) == "<FieldState =>" and repr(FieldState()) == "<FieldState no base>"
    assert {one.world.baseline.coverage(side).id for side in Side} == {"t/salesforce", "t/dialog_insight"}  # type: ignore[union-attr]  # both were read


def test_a_plan_as_text_is_its_summary_and_a_link_explains_itself_in_a_line() -> None:
    """What writes nothing has no fields to show."""
    plan = plan_of([row(S, 1)], [row(D, 1)])
    assert str(plan) == plan.summary() and "1" in str(plan)
    assert (
        plan.explain("k").splitlines()[0].startswith("t: link (link.key): ")
        and len(plan.explain("k").splitlines()) == 1
    )


def test_claims_may_be_a_collection_that_is_asked_record_by_record() -> None:
    """Where there are many, they are not handed over: each record is asked for, by its id or its key."""

    class Asked:
        def holder(self, record_id: str | None, key: tuple[str, ...]) -> str | None:
            return "others" if record_id == "d1" else None

    context = Context(claims=Asked())
    assert told(plan_of([], [row(D, 1), row(D, 2, "k2")], context=context)) == [
        ("create", "create.new"),
        ("skip", "claimed"),
    ]
