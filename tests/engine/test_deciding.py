"""What a person decides in a plan: told as whole as what a rule decides, and refused in words where it cannot be."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Context, FieldState, Plan, Proposal, Relation, Skip, Snapshot, Update
from di_salesforce.engine._deciding import accepted, chosen
from di_salesforce.exceptions import ConfigurationError, Problem
from di_salesforce.records import UNSET, Side
from di_salesforce.testing._invariants import check_triggers
from di_salesforce.testing._pairs import LinkedPair, linked, plan_of, row, told
from di_salesforce.testing._told import check_told
from di_salesforce.testing.world import World
from di_salesforce.triggers import Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
UPDATED = {S: Trigger.SALESFORCE_UPDATED, D: Trigger.DIALOG_INSIGHT_UPDATED}


def disputed(**settings: Any) -> LinkedPair:  # of an ObjectTransfer
    """A pair of which both sides changed two fields, each to something else."""
    fields = [
        FieldMapping("Email", "EMail", key=True, converter=converters.text()),
        FieldMapping("A", "a"),
        FieldMapping("B", "b"),
    ]
    transfer = ObjectTransfer("t", sobject="T", fields=fields, **settings)
    one = LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1}, {"EMail": "k", "a": 1, "b": 1})
    one.edit(S, A=2, B=2)
    one.edit(D, a=3, b=3)
    return one


# ------------------------------------------------------------------------------------------------- what it comes to


@pytest.mark.parametrize("keep", Side)
@pytest.mark.parametrize("table", [{}, {"table": "Orders"}], ids=["contacts", "rows without an id"])
@pytest.mark.parametrize("triggers", [Trigger.ALL, UPDATED[S], UPDATED[D]], ids=str)
def test_a_decision_is_an_action_like_any_other(triggers: Trigger, table: dict[str, Any], keep: Side) -> None:
    """It names record, side, values and what they replace; where the trigger is off, it is left, and told as that."""
    one = disputed(triggers=triggers, **table)
    plan = one.world.plan()
    plan = plan.resolve(plan.conflicts[0].key, keep=keep)
    check_told(one.world.transfer, one.world.baseline, plan)
    check_triggers(one.world.transfer, plan)
    outcome = ("update", "update.person") if UPDATED[keep] in triggers else ("skip", "trigger.off")
    assert told(plan) == [outcome] * 2
    assert {getattr(action, "side", None) for action in plan.actions} == {keep.other}
    one.world.apply(plan)
    assert one.world.unaccounted(one.world.plan()) == []


def test_what_a_decision_says() -> None:
    """A write says what it replaces; what is left says which difference, so that it is found again."""
    one = disputed(triggers=UPDATED[S])
    plan = one.world.plan()
    conflict = next(each for each in plan.conflicts if each.group == "A:a")
    common = {
        name: getattr(conflict, name)
        for name in ("transfer", "key", "link", "subject", "key_text", "salesforce_id", "dialog_insight_id")
    }
    write, left = (plan.resolve("k", keep=keep, fields=["A"]).only(kind=kind).actions[0]
                   for keep, kind in ((S, "update"), (D, "skip")))  # fmt: skip
    assert write == Update(
        **common,
        id=write.id,
        reason="update.person",
        side=D,
        record_id=one.names[D],
        address={"EMail": "k"},
        values={"a": 2},
        based_on={"a": 3},
        changes=conflict.proposals[0].changes,
    )
    assert left == Skip(
        **common,
        id=left.id,
        reason="trigger.off",
        side=S,
        fields=("A:a",),
        group="A:a",
        fingerprint=conflict.fingerprint,
    )


def test_each_choice_is_an_action_of_its_own() -> None:
    """What became of one choice is never taken for what became of another: no two have one id."""
    plan = disputed().world.plan()
    decided = [plan.resolve("k", keep=keep, fields=[field]) for keep in Side for field in "AB"]
    ids = {action.id for each in decided for action in each.writes} | {conflict.id for conflict in plan.conflicts}
    assert len(ids) == 4 + 2


# ------------------------------------------------------------------------------------------------ what cannot be


def refusal(plan: Plan, keep: Side) -> tuple[str, tuple[Problem, ...]]:
    with pytest.raises(ConfigurationError) as refused:
        plan.resolve("k", keep=keep)
    return str(refused.value), refused.value.problems


def test_what_cannot_be_kept_is_told_by_field_and_rule() -> None:
    """Against the direction of a field nothing is written, whoever asks: an error with its field, and what to do."""
    fields = [FieldMapping("Email", "EMail", key=True)]
    fields += [FieldMapping(name, name.lower(), direction=Direction.TO_DIALOG_INSIGHT) for name in "AB"]
    world = World(ObjectTransfer("t", sobject="T", fields=fields))
    world.add(S, {"Email": "k", "A": 1, "B": 1})
    world.add(D, {"EMail": "k", "a": 2, "b": 2})
    text, problems = refusal(world.plan(), D)
    words = (
        "Dialog Insight's value cannot be kept here (direction.one_way): "
        "accept the difference, or change the record by hand"
    )
    assert set(problems) == {Problem(group, words, "direction.one_way") for group in ("A:a", "B:b")}
    assert len(problems) == 2
    assert text.startswith("resolve: 2 problems")


def test_a_record_that_is_held_as_a_whole_has_no_side_to_keep() -> None:
    """A merged record is no difference of values: neither side can be kept, nor the difference accepted."""
    one = linked()
    plan = one.look(salesforce=Snapshot.changes([], as_of=one.world.now, merged={one.names[S]: "003000000000009AAA"}))
    (conflict,) = plan.conflicts
    for keep in Side:
        _, (problem,) = refusal(plan, keep)
        assert (problem.path, problem.code) == ("", conflict.reason) and f"({conflict.reason})" in problem.message
    with pytest.raises(ConfigurationError, match=conflict.reason):
        plan.accept("k")


def test_a_choice_that_would_write_nothing_is_no_choice() -> None:
    """A conflict that offers neither changes nor what stands against them leaves nothing to decide: it says so."""
    (conflict, _) = disputed().world.plan().conflicts
    problem = chosen(attrs.evolve(conflict, proposals=tuple(map(Proposal, Side))), S)
    assert isinstance(problem, Problem) and "(nothing to write)" in problem.message


# ------------------------------------------------------------------------------------------------------ accepted


def test_only_what_was_read_of_a_group_can_be_accepted() -> None:
    """A conflict may name a line of which one side is not known: accepting the rest leaves that line as it was."""
    one = linked()
    one.edit(S, A="y")
    one.edit(D, a="z")
    (conflict,) = one.world.plan().conflicts
    unread = attrs.evolve(conflict.fields[0], line="Email:EMail", dialog_insight=UNSET)
    link = accepted(attrs.evolve(conflict, fields=(unread, *conflict.fields)), {one.link.id: one.link})
    assert link.fields["A:a"].rel is Relation.ACCEPTED and link.fields["Email:EMail"] == one.state("Email:EMail")


def test_accepting_starts_the_count_of_rounds_afresh() -> None:
    """What two systems kept rewriting is held; once a person accepts the difference, the next edit flows again."""
    one = linked(context=Context(bounce_limit=2))
    one.edit(S, A="u")
    one.world.one_pass()
    one.edit(D, a="v")
    one.world.one_pass()
    assert one.state("A:a").bounce == 1
    one.edit(S, A="w")
    plan = one.world.plan()
    assert told(plan) == [("conflict", "conflict.unsettled")]
    one.world.apply(plan.accept("k"))
    version = one.state("A:a").version
    assert one.state("A:a") == FieldState(("w", "v"), Relation.ACCEPTED, wrote=S, version=version)
    one.edit(S, A="new")
    assert told(one.world.one_pass()) == [("update", "update.changed")] and one.row(D)["a"] == "new"


def test_answering_forgets_nothing_of_where_the_reading_ended() -> None:
    """What a person answers about matches is planned with the same rows: the next read still begins where these end."""
    plan = plan_of([row(S, 1), row(S, 2)], [row(D, 1)])
    (part,) = plan.parts
    read = tuple(attrs.evolve(each, cursor=f"after {each.side.value}") for each in part.coverages)
    answers = [{**each, "decision": "link"} for each in plan.match_rows()[:1]]
    again = attrs.evolve(plan, parts=(attrs.evolve(part, coverages=read),)).resolve_matches(answers)
    assert ("link", "link.person") in told(again)
    assert again.parts[0].coverages == read
