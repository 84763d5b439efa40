"""What users of such systems run into, as far as it is decided here: each a test, named after what they would say.

The numbers are those of the list that this library was planned with: the table of users' pains, and with a B the bugs
that were met in peers.
"""

from __future__ import annotations

import json
from datetime import timedelta

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, OptIn, converters
from di_salesforce.engine import Baseline, Life, Limits, Plan, Relation, Snapshot, reconcile, settle
from di_salesforce.exceptions import EmptySideError, GuardError
from di_salesforce.records import Side
from di_salesforce.testing._pairs import NOW, LinkedPair, asked, contacts, linked, plan_of, row, told
from di_salesforce.testing._served import Fate, Saving
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy, Deletes, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
FIELD = {S: "A", D: "a"}


# -------------------------------------------------------------------------------------------------------------- loops


@pytest.mark.parametrize("side", Side)
def test_my_two_update_triggers_answer_each_other_for_ever(side: Side) -> None:
    """Pain 1: an edit is written once; its echo is no edit, whichever trigger is on."""
    one = linked()
    one.edit(side, **{FIELD[side]: "y"})
    assert [write.side for write in one.world.one_pass().writes] == [side.other]
    assert all(one.world.one_pass().writes == () for _ in range(3))


def test_one_record_is_linked_to_two_and_they_take_turns() -> None:
    """Pain 2: a second record with the key of a linked one is rejected, and the link keeps working."""
    one = linked()
    plan = plan_of([row(S, 1), row(S, 9, "other")], [row(D, 1), row(D, 2)], one.world.baseline)
    assert plan.writes == ()
    one.edit(S, A="y")
    assert told(one.world.one_pass()) == [("update", "update.changed")]


def test_the_guard_against_loops_swallows_my_own_edit() -> None:
    """Pain 3: an edit right after a write of ours is an edit, on either side, since values tell it from an echo."""
    one = linked()
    one.edit(S, A="y")
    one.world.one_pass()
    one.edit(D, a="z")
    assert [write.side for write in one.world.one_pass().writes] == [S]
    one.edit(S, A="w")
    assert [write.side for write in one.world.one_pass().writes] == [D]


def test_the_orgs_automation_runs_as_my_user_and_is_taken_for_me() -> None:
    """Pain 4: what an automation makes of a value after we wrote it is a change like any other, whoever ran it."""
    one = linked()
    one.edit(D, a="y")
    one.world.one_pass()
    one.edit(S, A="Y!")  # nothing tells who did it
    assert [write.side for write in one.world.one_pass().writes] == [D]


def test_two_systems_that_keep_rewriting_a_field_are_told() -> None:
    """Bug B3: a field that both ends hold otherwise is held after three rounds, not rewritten at every run."""
    one = LinkedPair.of(contacts(), {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
    reasons = [reason for number in range(4) for _, reason in _one_round(one, number)]
    assert reasons == ["update.changed"] * 3 + ["conflict.unsettled"]


def _one_round(one: LinkedPair, number: int) -> list[tuple[str, str]]:
    side = S if number % 2 else D  # the side that was just written answers with a value of its own
    one.edit(side, **{FIELD[side]: f"v{number}"})
    return told(one.world.one_pass())


# ------------------------------------------------------------------------------------------------- agreement and loss


def test_two_records_differ_and_the_tool_says_nothing() -> None:
    """Bug B1: sides that differ although neither moved are of a named kind, and counted at every run."""
    one = linked(saving={S: Saving(), D: Saving(truncate=3)})
    one.edit(S, A="abcdef")
    one.world.one_pass()
    assert one.state("A:a").rel is Relation.REWRITTEN
    plan = one.world.one_pass()
    assert plan.parts[0].counts["quiet"] == 1
    other = linked()
    kind = FieldMapping("A", "a", converter=converters.choice({"x": "not x"}))
    other.world.transfer = attrs.evolve(other.world.transfer, fields=[other.world.transfer.lines[0], kind])
    assert told(other.world.one_pass()) == [("conflict", "conflict.mapping_changed")]


def test_what_was_the_same_on_both_sides_is_forgotten_and_its_delete_undone() -> None:
    """Bug B2 and pain 44: records that agree when first met are remembered, so that a delete stays one."""
    one = linked(deletes=Deletes.UNLINK)
    one.remove(D)
    for _ in range(3):
        one.world.one_pass()
        assert len(one.world.rows(D)) == 1  # the other person


def test_an_edit_is_lost_because_the_state_was_saved_before_it_was_written() -> None:
    """Bug B7: a write that was not done moves nothing; the difference is found again."""
    for fate in (Fate.LOST, Fate.REFUSED, Fate.NOT_TRIED):
        one = linked()
        one.edit(S, A="y")
        one.world.apply(one.world.plan(), lambda write, fate=fate: fate)
        assert one.state("A:a").base == ("x", "x")
        one.world.rest()
        one.world.context = attrs.evolve(one.world.context, retry_refused=True)
        assert told(one.world.one_pass()) == [("update", "update.changed")]


def test_a_record_was_read_without_a_field_and_the_other_side_is_emptied() -> None:
    """Bug B4: absent is not null: what was not read says nothing, on either side."""
    for side in Side:
        one = linked()
        plan = one.look(**{side.value: Snapshot.sample([{k: v for k, v in one.row(side).items() if k != FIELD[side]}])})
        assert plan.writes == ()


def test_a_blank_empties_the_other_side_only_where_somebody_made_it_blank() -> None:
    """Pain 24: blank is a value that a person set; at a first meeting it overwrites nothing."""
    one = linked()
    one.edit(S, A=None)
    (write,) = one.world.one_pass().writes
    assert dict(write.based_on) == {"a": "x"}
    first = plan_of([row(S, 1, value=None)], [row(D, 1)])
    assert first.writes == ()
    assert [conflict.reason for conflict in first.conflicts] == ["conflict.first_match"]


# ----------------------------------------------------------------------------------------------- deletes and filters


def test_a_changed_filter_deletes_half_my_customers() -> None:
    """Bug B5: a record that is missing from a filtered read left the scope: nothing is deleted for it."""
    one = linked(deletes=Deletes.DELETE)
    rest = [values for name, values in one.world.rows(S).items() if name != one.names[S]]
    plan = one.look(Snapshot.complete(rest, scope="Active__c = true"))
    assert plan.writes == ()
    there = plan.supplied(salesforce=[one.row(S)])
    assert told(there) == [("skip", "scope.left")]


def test_a_lost_permission_empties_a_side_and_everything_goes() -> None:
    """Pain 26 the other way round: a side that answers with nothing raises; shares of deletes are limited."""
    one = linked(deletes=Deletes.DELETE)
    with pytest.raises(EmptySideError):
        one.look(Snapshot.complete([]))
    many = World(contacts(deletes=Deletes.DELETE))
    for number in range(10):
        many.add(S, {"Email": f"p{number}", "A": "x"})
    many.one_pass()
    for name in list(many.rows(D))[:4]:
        many.remove(D, name)
    with pytest.raises(GuardError, match="deletes"):
        many.plan().raise_for_guards()


def test_a_deleted_record_is_never_noticed() -> None:
    """Pain 26: what is missing from a full read is looked up, and what is found nowhere is reported as deleted."""
    one = linked()
    one.remove(S)
    plan = one.look()
    assert asked(plan) == [(S, one.names[S], None)]
    assert told(plan.supplied()) == [("skip", "deleted.reported")]


def test_what_i_deleted_comes_back() -> None:
    """Pain 44: the survivor of a delete is not created again, whatever the setting."""
    for rule in (Deletes.REPORT, Deletes.UNLINK):
        one = linked(deletes=rule)
        one.remove(S)
        for _ in range(3):
            one.world.one_pass()
        assert len(one.world.rows(S)) == 1


# ------------------------------------------------------------------------------------------------ links and matching


def test_every_edit_makes_a_new_record_since_the_link_is_not_found() -> None:
    """Pain 18: links are by native id; a changed key, or a second look at the same rows, creates nothing."""
    one = linked()
    count = {side: len(one.world.rows(side)) for side in Side}
    one.edit(S, Email="new")
    for _ in range(3):
        one.world.one_pass()
    assert {side: len(one.world.rows(side)) for side in Side} == count


def test_what_exists_on_both_sides_already_is_doubled() -> None:
    """Pains 12 and 17: at the first activation records with one key are linked, and creates are shown first."""
    plan = plan_of([row(S, 1, "A@b.ca"), row(S, 2, "c@d.ca")], [row(D, 1, "a@B.ca "), row(D, 2, "e@f.ca")])
    assert [kind for kind, _ in told(plan)].count("link") == 1
    assert {write.kind for write in plan.writes} == {"create"}
    assert len(plan.writes) == 2


def test_records_without_an_address_are_all_taken_for_one() -> None:
    """Pain 19: blank keys pair nothing and create nothing, and say so."""
    plan = plan_of([row(S, 1, None), row(S, 2, "")], [row(D, 1, None)])
    assert plan.writes == ()
    assert told(plan) == [("reject", "key.missing")] * 3


def test_ids_that_differ_in_case_alone_are_taken_for_one() -> None:
    """Pains 9 of the bugs, and 36: case is part of an id; 15 and 18 characters of one id are one."""
    upper, lower = "0035e00000AbCdE", "0035e00000aBcDe"
    rows = [{"Id": upper, "Email": "one", "A": "x"}, {"Id": lower, "Email": "two", "A": "x"}]
    plan = plan_of(rows, [])
    assert len(plan.writes) == 2
    settlement = settle(plan, {}, now=NOW)
    assert settlement.changed_links == ()
    assert plan.explain("0035e00000AbCdEAAV") == plan.explain(upper)


def test_the_answer_to_a_create_is_lost_and_there_are_two() -> None:
    """Pain 20: the record is looked for by its key, after the time is over in which it could still appear."""
    for fate in (Fate.LOST, Fate.LANDED, Fate.LATE):
        world = linked().world
        world.add(S, {"Email": "new", "A": "x"})
        world.apply(world.plan(), lambda write, fate=fate: fate)
        assert told(world.one_pass()) in ([("skip", "outcome.quarantine")], [("link", "link.key")])
        world.rest()
        world.settle_down()
        assert len([each for each in world.rows(D).values() if each["EMail"] == "new"]) == 1


def test_a_merged_contact_leaves_a_dead_id_that_fails_at_every_run() -> None:
    """Pain 27: the link goes to the winner, or ends where the winner has its own; nothing is written to the dead id."""
    one = linked()
    winner = next(name for name in one.world.rows(S) if name != one.names[S])
    gone = Snapshot.complete([one.world.rows(S)[winner]], merged={one.names[S]: winner})
    plan = one.look(gone)
    assert told(plan) == [("unlink", "unlink.merged")]
    assert plan.writes == ()


def test_a_converted_lead_is_written_to_at_every_run() -> None:
    """Pain 28: a converted lead takes no writes; its link is held, and a person is told."""
    one = linked()
    rest = [values for name, values in one.world.rows(S).items() if name != one.names[S]]
    one.edit(D, a="y")
    plan = one.look(Snapshot.complete(rest, converted={one.names[S]: "003000000000009AAA"}))
    assert told(plan) == [("conflict", "conflict.converted")]


# ------------------------------------------------------------------------------------------ consent, rules, looking


def test_an_opt_out_is_lost_or_turned_round() -> None:
    """Pain 37: a refusal wins at the first meeting and against whatever changed with it."""
    news = FieldMapping("News__c", OptIn("news"), converter=converters.boolean())
    key = FieldMapping("Email", "EMail", key=True)
    transfer = ObjectTransfer("t", sobject="Contact", fields=[key, news])
    rows = [{"Id": "1", "Email": "k", "News__c": False}], [{"idContact": 1, "EMail": "k", "optin_news": True}]
    first = plan_of(*rows, transfer=transfer)
    assert first.writes == ()
    assert [conflict.reason for conflict in first.conflicts] == ["conflict.consent"]
    rows[0][0]["News__c"], rows[1][0]["optin_news"] = True, False
    (write,) = plan_of(*rows, transfer=transfer).writes
    assert (write.side, dict(write.values)) == (S, {"News__c": False})


def test_i_want_to_say_per_field_who_may_overwrite() -> None:
    """Pain 38: overwrite, only if empty, never: a policy or a direction per line."""
    lines = [
        FieldMapping("Email", "EMail", key=True),
        FieldMapping("O", "o", first_match=ConflictPolicy.SALESFORCE_WINS),
        FieldMapping("E", "e", first_match=ConflictPolicy.FILL_BLANKS),
        FieldMapping("N", "n", direction=Direction.TO_SALESFORCE),
    ]
    transfer = ObjectTransfer("t", sobject="T", fields=lines, first_match=ConflictPolicy.HOLD)
    salesforce = [{"Id": "1", "Email": "k", "O": "s", "E": "s", "N": "s"}]
    dialog_insight = [{"idContact": 1, "EMail": "k", "o": "d", "e": "", "n": "d"}]
    plan = plan_of(salesforce, dialog_insight, transfer=transfer)
    assert {(write.side, *write.values.items()) for write in plan.writes} == {(D, ("o", "s"), ("e", "s"))}
    assert [conflict.fields[0].line for conflict in plan.conflicts] == ["N:n"]


def test_i_want_to_see_first_and_then_apply_just_that() -> None:
    """Pains 39 and 40: a plan is made without a write, is saved, and what is applied is the plan that was looked at."""
    one = linked()
    one.edit(S, A="y")
    plan = one.look()
    saved = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    one.edit(S, A="z")
    assert saved == plan
    assert [dict(write.values) for write in saved.writes] == [{"a": "y"}]
    assert "a" in plan.explain("k")


def test_the_state_is_lost_and_everything_is_doubled() -> None:
    """Pain 41: without memory records with one key are linked again; nothing is overwritten, nothing deleted."""
    one = linked()
    one.edit(S, A="y")
    plan = reconcile(
        one.world.transfer,
        salesforce=one.world.snapshot(S),
        dialog_insight=one.world.snapshot(D),
        baseline=Baseline.empty(),
        now=one.world.now,
    )
    assert plan.writes == ()
    assert sorted(kind for kind, _ in told(plan)) == ["conflict", "link", "link"]


def test_a_first_run_does_more_than_i_meant() -> None:
    """Pain 12: limits stop a plan that goes past them, as a plan that can be looked at."""
    world = World(contacts())
    world.context = attrs.evolve(world.context, limits=Limits(creates=2))
    for number in range(3):
        world.add(S, {"Email": f"p{number}", "A": "x"})
    plan = world.plan()
    assert [problem.code for problem in plan.guards] == ["limit.creates"]
    assert len(plan.writes) == 3


def test_a_child_is_left_out_because_its_parent_did_not_change() -> None:
    """Bug B6: each record is decided by itself; a parent matters only where a lookup is to be translated."""
    parents = linked()
    lines = [
        FieldMapping("Key", "key", key=True),
        FieldMapping("Parent", "parent", references="t"),
        FieldMapping("A", "a"),
    ]
    children = ObjectTransfer("children", sobject="C", table="C", fields=lines, triggers=Trigger.ALL)
    context = attrs.evolve(parents.world.context, links={"t": parents.world.baseline})
    one = LinkedPair.of(
        children,
        {"Key": "c", "Parent": parents.names[S], "A": "x"},
        {"key": "c", "parent": int(parents.names[D]), "a": "x"},
        context=context,
    )
    one.edit(S, A="y")
    assert told(one.world.one_pass()) == [("update", "update.changed")]


def test_who_wins_does_not_depend_on_who_asks() -> None:
    """Bug B10: with the sides exchanged every policy names the other side: the laws walk all of them, here two."""
    for policy, side in ((ConflictPolicy.SALESFORCE_WINS, D), (ConflictPolicy.DIALOG_INSIGHT_WINS, S)):
        line = FieldMapping("A", "a", conflict=policy)
        transfer = ObjectTransfer("t", sobject="T", fields=[FieldMapping("Email", "EMail", key=True), line])
        one = LinkedPair.of(transfer, {"Email": "k", "A": "x"}, {"EMail": "k", "a": "x"})
        one.edit(S, A="s")
        one.edit(D, a="d")
        assert [write.side for write in one.world.one_pass().writes] == [side]


def test_an_undo_tramples_what_was_edited_since() -> None:
    """The peers' blind undo: a value that moved since is left alone, and a create is not deleted unasked."""
    one = linked()
    one.edit(S, A="y")
    settlement = one.world.apply(one.world.plan())
    assert settlement is not None
    one.edit(D, a="z")
    assert told(one.world.undo(settlement.applied)) == [("skip", "undo.moved")]


def test_an_old_export_turns_the_clock_back() -> None:
    """What was observed before it was last written is ignored, not taken for an edit."""
    one = linked()
    old = one.world.snapshot(D)
    one.edit(S, A="y")
    one.world.one_pass()
    plan = one.look(dialog_insight=attrs.evolve(old, as_of=one.world.now - timedelta(minutes=5)))
    assert plan.writes == ()
    assert one.link.life is Life.LIVE
