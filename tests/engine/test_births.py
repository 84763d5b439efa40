"""Records that are created: what is remembered of them from birth, and what a person said of them before."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from di_salesforce import Constant, FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import Context, Outcome, Relation, Snapshot, settle
from di_salesforce.records import UNSET, Side, Value
from di_salesforce.testing._loop import KEY as KEY_OF_LOOP
from di_salesforce.testing._loop import Loop
from di_salesforce.testing._pairs import contacts, plan_of, row
from di_salesforce.testing.world import World
from di_salesforce.triggers import ConflictPolicy, Direction, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
KEY = FieldMapping("Key", "key", key=True)


def dash_is_blank(value: Value) -> Value:
    return None if value == "-" else value


@pytest.mark.parametrize("born", Side)
@pytest.mark.parametrize("value", ["-", "x"])
def test_a_field_that_flows_to_the_new_record_s_source_alone_is_no_conflict(born: Side, value: str) -> None:
    """Born with a value that the blank there does not account for: known to differ, also where blanks have a sign."""
    sides = (dash_is_blank, str) if born is D else (str, dash_is_blank)
    back = Direction.TO_SALESFORCE if born is S else Direction.TO_DIALOG_INSIGHT
    line = FieldMapping("A", "a", converter=converters.pair(*sides), direction=back)
    world = World(ObjectTransfer("t", sobject="T", fields=[KEY, line], triggers=Trigger.ALL))
    world.add(born, {KEY.field(born): "k", line.field(born): value})
    world.one_pass()
    (link,) = world.baseline.links
    assert link.fields["A:a"].rel is Relation.REWRITTEN
    assert not world.one_pass().actions


@pytest.mark.parametrize("blank", [None, ""])
def test_a_blank_that_becomes_a_default_is_remembered_as_it_is(blank: str | None) -> None:
    """The source holds its own blank, whichever that is, and the new record the default: neither has moved since."""
    line = FieldMapping("A", "a", dialog_insight_default="d")
    world = World(ObjectTransfer("t", sobject="T", fields=[KEY, line], triggers=Trigger.ALL))
    world.add(S, {"Key": "k", "A": blank})
    world.one_pass()
    (link,) = world.baseline.links
    assert (link.fields["A:a"].base, link.fields["A:a"].rel) == ((blank, "d"), Relation.REWRITTEN)
    assert not world.one_pass().actions


# ----------------------------------------------------------------------------------------------- what a person said


def two_candidates(**settings: Any) -> Loop:
    """Give a record of Salesforce, and two people who agree with it in a match tier."""
    loop = Loop(FieldMapping("A", "a"), match=[("A:a",)], **settings)
    loop.salesforce("003000000000001AAA", Email="ada", A="x")
    for number in (1, 2):
        loop.person(number, EMail=f"other{number}", a="x")
    return loop


def test_two_answers_about_one_record_are_two_and_hold_as_long_as_it_has_no_link() -> None:
    """However often it is told for another reason meanwhile, nobody asks again whether they are the same."""
    loop = two_candidates(triggers=Trigger.NONE)
    plan = loop.plan()
    plan = plan.resolve_matches([{**each, "decision": "different"} for each in plan.match_rows()])
    told = loop.carry_out(plan)
    assert told.count(("skip", "match.different")) == 2
    for _ in range(3):
        assert loop.run() == [("skip", "trigger.off")] * 3
    assert not loop.plan(Snapshot.changes([]), Snapshot.changes([]), answers=False).needs, (
        "nor is anything looked up for it"
    )


def test_what_failed_is_open_no_more_once_it_is_done_and_what_a_person_said_stays() -> None:
    """A create was refused, and is done at the second try."""
    loop = two_candidates(triggers=Trigger.SALESFORCE_CREATED)
    plan = loop.plan()
    plan = plan.resolve_matches([{**each, "decision": "different"} for each in plan.match_rows()])
    refused = {write.id: Outcome.refused("no", "") for write in plan.writes}
    loop.baseline = loop.baseline.updated(settle(plan, refused, now=loop.now))
    loop.context = Context(retry_refused=True)
    assert ("create", "create.new") in loop.run()
    assert "outcome.refused" not in {item.reason for item in loop.baseline.open_items.values()}


@pytest.mark.parametrize(
    ("own", "theirs", "key"), [("ada", "bo", "ada"), (None, "bo", "bo"), ("ada", None, "ada"), (None, None, None)]
)
def test_a_link_that_a_person_made_is_named_by_its_record_of_salesforce(
    own: str | None, theirs: str | None, key: str | None
) -> None:
    """By its key, or where it has none by the person's; each record keeps the key that it has."""
    loop = two_candidates(triggers=Trigger.NONE)
    loop.salesforce("003000000000001AAA", Email=own)
    loop.person(1, EMail=theirs)
    plan = loop.plan()
    first, second = sorted(plan.match_rows(), key=lambda each: str(each["dialog_insight_id"]))
    plan = plan.resolve_matches([{**first, "decision": "link"}, second])
    (made,) = [action for action in plan.actions if action.kind == "link"]
    assert (made.key, made.key_text) == (key, () if key is None else (key,))
    loop.carry_out(plan)
    (link,) = loop.baseline.links
    expected = tuple(None if each is None else (each,) for each in (own, theirs))
    assert (link.salesforce_key, link.dialog_insight_key) == expected


def test_constants_are_made_from_nothing() -> None:
    """They belong to the side that is written alone, and no line remembers them."""
    constants = [Constant("source", "crm", side=D), Constant("Source__c", "di", side=S)]
    plan = plan_of(
        [row(S, 1)], [row(D, 2, "other")], transfer=attrs.evolve(contacts(), fields=[*contacts().fields, *constants])
    )
    told = {
        (write.side, change.field, change.after, change.line, change.source)
        for write in plan.writes
        for change in write.changes
        if change.rule == "constant"
    }
    assert told == {(D, "source", "crm", "", UNSET), (S, "Source__c", "di", "", UNSET)}


def test_the_same_record_decided_otherwise_is_another_action() -> None:
    """Whoever keeps a word about an action by its id does not take a create for the skip of yesterday."""
    plans = [
        plan_of([row(S, 1)], [], transfer=contacts(triggers=Trigger.NONE)),
        plan_of([row(S, 1)], []),
        plan_of([row(S, 1), row(S, 2)], []),
    ]
    actions = [next(action for action in plan.actions if action.salesforce_id == "s1") for plan in plans]
    assert [action.kind for action in actions] == ["skip", "create", "reject"]
    assert len({action.id for action in actions}) == len(actions)


def test_records_that_refer_to_each_other_wait_for_each_other() -> None:
    """Neither is created without its lookup, as `check` says; mapped later, it flows once both are there."""
    back = FieldMapping("Main", "main", references="accounts", direction=Direction.TO_DIALOG_INSIGHT)
    there = FieldMapping("Parent", "parent", references="contacts", direction=Direction.TO_DIALOG_INSIGHT)
    one, other = "003000000000001AAA", "003000000000002AAA"

    def rounds(*loops: Loop) -> list[list[tuple[str, str]]]:
        told: list[list[tuple[str, str]]] = []
        for each in loops * 2:
            each.context = Context(links={name: loop.baseline for name, loop in by_name.items()})
            told.append(each.run())
        return told

    contact, account = Loop(back, name="contacts"), Loop(there, name="accounts", first_match=ConflictPolicy.FILL_BLANKS)
    by_name = {"contacts": contact, "accounts": account}
    contact.salesforce(one, Email="a@test.example", Main=other)
    account.salesforce(other, Email="b@test.example", Parent=one)
    assert rounds(contact, account) == [[("skip", "reference.waiting")]] * 4
    account.transfer = attrs.evolve(account.transfer, fields=[KEY_OF_LOOP])
    assert rounds(account, contact) == [[("create", "create.new")]] * 2 + [[]] * 2
    account.transfer = attrs.evolve(account.transfer, fields=[KEY_OF_LOOP, there])
    (name,) = account.rows[D]
    account.rows[D][name] = {**account.rows[D][name], "parent": None}  # which was not mapped when the record was made
    assert [kind for kind, _ in rounds(account, contact)[0]] == ["update"]
    (number,) = (row["idContact"] for row in contact.rows[D].values())
    assert [row["parent"] for row in account.rows[D].values()] == [number]
