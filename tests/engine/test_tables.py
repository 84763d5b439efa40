"""Plans and reports as rows and as plain data: every action stands there, with nothing about it lost."""

from __future__ import annotations

from di_salesforce import FieldMapping, converters
from di_salesforce.engine import SyncReport, settle
from di_salesforce.records import Side
from di_salesforce.testing._loop import Loop
from di_salesforce.testing._pairs import contacts, linked, plan_of, row
from di_salesforce.triggers import Deletes, Trigger

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT
COLUMNS = [
    *("transfer", "kind", "side", "key", "field", "before", "after", "salesforce", "dialog_insight"),
    *("reason", "why", "salesforce_id", "dialog_insight_id"),
]


def test_every_row_of_a_table_has_the_same_columns_in_one_order() -> None:
    """Whatever kind of action, so that the rows of any plans make one frame or one file."""
    one = linked()
    one.edit(S, A="y")
    plans = [one.world.plan(), plan_of([row(S, 1)], []), plan_of([row(S, 1, None)], [])]
    one.edit(D, a="z")
    plans.append(one.world.plan())
    assert {action.kind for plan in plans for action in plan.actions} == {"update", "create", "reject", "conflict"}
    assert {tuple(each) for plan in plans for each in plan.to_table()} == {tuple(COLUMNS)}


def test_a_write_has_a_row_for_each_field_with_what_it_replaces() -> None:
    """An update shows before and after and by which rule; a create replaces nothing."""
    one = linked()
    one.edit(S, A="y")
    (told,) = one.world.plan().to_table()
    assert (told["side"], told["field"], told["before"], told["after"]) == ("dialog_insight", "a", "x", "y")
    assert (told["kind"], told["key"], told["reason"]) == ("update", "k", "update.changed")
    assert told["why"] and (told["salesforce_id"], told["dialog_insight_id"]) == (one.names[S], one.names[D])
    made = plan_of([row(S, 1)], []).to_table()
    assert [(each["field"], each["before"], each["after"]) for each in made] == [("EMail", None, "k"), ("a", None, "x")]


def test_a_delete_has_a_row_for_each_field_that_is_lost() -> None:
    """What the record holds stands under "before", and nothing after."""
    one = linked(deletes=Deletes.DELETE)
    one.remove(D)
    told = one.world.plan().to_table()
    assert {(each["kind"], each["field"], each["before"], each["after"]) for each in told} == {
        ("delete", "Email", "k", None),
        ("delete", "A", "x", None),
    }


def test_a_conflict_has_a_row_for_each_line_with_both_values() -> None:
    """What was not read is null."""
    one = linked()
    one.edit(S, A="y")
    one.edit(D, a="z")
    (told,) = one.world.plan().to_table()
    assert (told["kind"], told["side"], told["field"]) == ("conflict", None, "A:a")
    assert (told["salesforce"], told["dialog_insight"], told["before"], told["after"]) == ("y", "z", None, None)


def test_a_reject_has_a_row_for_each_cause() -> None:
    """With the field's own reason, in words as well."""
    (told,) = plan_of([row(S, 1, value=object())], []).to_table()
    assert (told["field"], told["reason"]) == ("A", "value.not_scalar") and told["why"]


def test_a_skip_has_a_row_for_each_field_and_what_is_about_no_field_has_one() -> None:
    """Nothing that is in the plan is missing from the table."""
    off = linked()
    off.world.transfer = contacts(triggers=Trigger.NONE)
    off.edit(S, A="y")
    (told,) = off.world.plan().to_table()
    assert (told["kind"], told["field"], told["reason"]) == ("skip", "A:a", "trigger.off")
    (told,) = plan_of([row(S, 1)], [row(D, 1)]).to_table()
    assert (told["kind"], told["field"], told["reason"]) == ("link", None, "link.key")


def test_a_key_of_several_parts_is_one_cell() -> None:
    """Its parts stand in their order; one that is blank stands for nothing."""
    loop = Loop(FieldMapping("Year", "year", key=True, converter=converters.integer()), FieldMapping("A", "a"))
    loop.salesforce("003000000000001AAA", Email="k", Year=5, A="x")
    loop.salesforce("003000000000002AAA", Email="k2", Year=None, A="x")
    assert {each["kind"]: each["key"] for each in loop.plan().to_table()} == {"create": "k / 5", "reject": "k2"}


def test_an_action_as_plain_data_is_its_line_of_the_plan() -> None:
    """`to_dict` of an action, `to_dicts` of the plan and the saved plan say the same."""
    plan = plan_of([row(S, 1), row(S, 2, None)], [])
    assert [action.to_dict() for action in plan.actions] == plan.to_dicts()
    assert plan.to_dicts() == [each for part in [plan.to_dict()] for each in part["actions"]]


def test_a_report_has_a_row_for_each_action_and_says_the_same_as_plain_data() -> None:
    """One flat row a line; the whole report is plain data with its counts."""
    one = linked()
    one.edit(S, A="y")
    plan = one.world.plan()
    report: SyncReport = settle(plan, {}, now=one.world.now).report
    (told,) = report.to_table()
    assert (told["transfer"], told["kind"], told["side"], told["key"]) == ("t", "update", "dialog_insight", "k")
    assert (told["outcome"], told["fields"]) == ("not_tried", "a")
    plain = report.to_dict()
    assert plain["lines"] == report.to_dicts() and plain["ok"] is report.ok
    assert plain["counts"] == dict(report.counts) and len(report.to_dicts()) == len(report.to_table()) == 1


def test_what_is_asked_about_a_match_is_a_table() -> None:
    """Its rows are what a person fills in."""
    loop = Loop(FieldMapping("A", "a"), match=(("A:a",),))
    loop.salesforce("003000000000001AAA", Email="k", A="x")
    loop.person(1, EMail="j", a="x")
    rows = loop.plan().match_rows()
    assert rows.to_table() == list(rows) and len(rows) == 1
