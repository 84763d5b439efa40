"""What a write that was done leaves behind in the memory: whose record it was, which lines, how the values compare."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import attrs
import pytest

from di_salesforce import FieldMapping, ObjectTransfer, converters
from di_salesforce.engine import BoundTransfer, Context, Outcome, Plan, Relation, settle
from di_salesforce.records import Side
from di_salesforce.testing._pairs import LinkedPair, contacts, linked, told
from di_salesforce.testing._served import Fate

S, D = Side.SALESFORCE, Side.DIALOG_INSIGHT


def test_a_done_write_that_names_no_record_is_the_links_own() -> None:
    """An update is told without an id: the link's two records stay who they are."""
    one = linked()
    one.edit(S, A="y")
    plan = one.look()
    settlement = settle(plan, {write.id: Outcome.done() for write in plan.writes}, now=one.world.now)
    (link,), (said,) = settlement.changed_links, settlement.applied
    assert (link.salesforce_id, link.dialog_insight_id) == (one.names[S], one.names[D])
    assert said.record_id == one.names[D]


def test_a_row_without_an_id_is_given_none() -> None:
    """A relational row was created, and the service's answer names it by some number all the same: it is its key."""
    one = linked(table="Orders", converter=converters.text())
    one.world.add(S, {"Email": "born", "A": "x"})
    plan = one.look()
    settlement = settle(plan, {write.id: Outcome.done(7) for write in plan.writes}, now=one.world.now)
    (link,), (said,) = settlement.changed_links, settlement.applied
    assert (link.dialog_insight_id, link.dialog_insight_key, said.record_id) == (None, ("born",), None)


def test_a_create_that_met_another_record_names_that_in_the_history() -> None:
    """It may have changed a record that was there already: which one is all that is known of it."""
    one = linked()
    one.world.add(S, {"Email": "born", "A": "x"})
    plan = one.look()
    outcome = attrs.evolve(Outcome.stale(), record_id="77")
    settlement = settle(plan, {write.id: outcome for write in plan.writes}, now=one.world.now)
    assert [(said.kind, said.record_id, said.sure) for said in settlement.applied] == [("create", "77", False)]


def test_a_write_settles_the_lines_after_one_that_left_the_mapping() -> None:
    """The state of a line that was taken out is kept, in case it comes back, and stands in nobody's way."""
    lines = [FieldMapping("Email", "EMail", key=True), *(FieldMapping(name.upper(), name) for name in "abc")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    rows = [{"Email": "k", "A": 1, "B": 1, "C": 1}, {"EMail": "k", "a": 1, "b": 1, "c": 1}]
    one = LinkedPair.of(transfer, *rows)
    one.world.transfer = attrs.evolve(transfer, fields=[lines[0], *lines[2:]])
    one.edit(S, A=2, B=2, C=2)
    one.world.one_pass()
    assert {name: state.base for name, state in one.link.fields.items()} == {
        "Email:EMail": ("k", "k"),
        "A:a": (1, 1),
        "B:b": (2, 2),
        "C:c": (2, 2),
    }


def three_fields(group: str | None = None) -> LinkedPair:
    """A pair of which both sides changed two fields, each to something else, and Salesforce a third."""
    lines = [FieldMapping("Email", "EMail", key=True), FieldMapping("A", "a"), FieldMapping("B", "b", group=group)]
    lines += [FieldMapping("B2", "b2", group=group), FieldMapping("C", "c")]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Email": "k", "A": 1, "B": 1, "C": 1}, {"EMail": "k", "a": 1, "b": 1, "c": 1})
    one.edit(S, A=2, B=2, C=2)
    one.edit(D, a=3, b=3)
    return one


FATES = {"A:a": Fate.LOST, "B:b": Fate.REFUSED, "C:c": Fate.DONE}


@pytest.mark.parametrize(
    "fates", [dict(zip(FATES, each, strict=True)) for each in permutations(FATES.values())], ids=str
)
def test_each_write_of_a_record_stays_open_by_itself(fates: dict[str, Fate]) -> None:
    """A person decides two fields, and a rule a third: three writes of one side, none of which speaks for another."""
    one = three_fields()
    plan = one.world.plan().resolve("k", keep=S)
    assert sorted(write.reason for write in plan.writes) == ["update.changed", "update.person", "update.person"]
    one.world.apply(plan, lambda write: fates[write.changes[0].line])
    reasons = {Fate.LOST: "outcome.unknown", Fate.REFUSED: "outcome.refused"}
    names = {"A:a": "A:a", "B:b": "B:b", "C:c": ""}
    assert {item.group: item.reason for item in one.world.baseline.open_items.values() if item.side is D} == {
        names[line]: reasons[fate] for line, fate in fates.items() if fate in reasons
    }
    assert told(one.world.plan()) == [
        ("skip", "outcome.quarantine")
    ]  # whatever became of the others, it may still land


@pytest.mark.parametrize(("group", "name"), [(None, "B:b"), ("both", "both")])
def test_a_choice_stays_open_under_the_name_of_its_group(group: str | None, name: str) -> None:
    """What is decided as one value is one write, and one item: also from a file, also where a person left it out."""
    one = three_fields(group)
    plan = read_back(
        one.world.plan().resolve("k", keep=S, fields=["B"]), BoundTransfer.of(one.world.transfer, Context())
    )
    for each in (plan, plan.without(reason="update.person")):
        items = settle(each, {}, now=one.world.now).open_items
        assert [(item.group, item.reason) for item in items if item.side is D] == [
            ("", "outcome.not_tried"),
            (name, "outcome.not_tried"),
        ]


def as_planned(plan: Plan, bound: BoundTransfer) -> Plan:
    """The plan as it was made."""
    return plan


def read_back(plan: Plan, bound: BoundTransfer) -> Plan:
    """The plan from a file."""
    return Plan.from_dict(plan.to_dict())


def read_back_and_bound(plan: Plan, bound: BoundTransfer) -> Plan:
    """The plan from a file, with its transfer at hand."""
    return read_back(plan, bound).bound_to(bound)


@pytest.mark.parametrize(
    ("way", "relation"),
    [(as_planned, Relation.AGREED), (read_back, Relation.REWRITTEN), (read_back_and_bound, Relation.AGREED)],
)
def test_another_spelling_of_a_stored_value_is_told_by_the_lines_converter(
    way: Callable[[Plan, BoundTransfer], Plan], relation: Relation
) -> None:
    """The service wrote the address in small letters: that is the same one, for who has the mapping to know it by."""
    lines = [*contacts().lines, FieldMapping("Other", "other", converter=converters.email())]
    transfer = ObjectTransfer("t", sobject="T", fields=lines)
    one = LinkedPair.of(transfer, {"Email": "k", "A": 1}, {"EMail": "k", "a": 1})
    one.edit(S, Other="Ada@Test.example")
    plan = way(one.look(), BoundTransfer.of(transfer, Context()))
    (write,) = plan.writes
    stored = {**one.row(D), "other": "ada@test.example"}
    settlement = settle(plan, {write.id: Outcome.done(write.record_id, stored)}, now=one.world.now)
    state = settlement.changed_links[0].fields["Other:other"]
    assert (state.base, state.rel) == (("Ada@Test.example", "ada@test.example"), relation)


@pytest.mark.parametrize(("fate", "verified"), [(Fate.DONE, True), (Fate.SILENT, False)])
def test_the_report_says_whether_it_is_known_what_the_service_keeps(fate: Fate, verified: bool) -> None:
    """A line that nobody read back is not called verified."""
    one = linked()
    one.edit(S, A="y")
    settlement = one.world.apply(one.world.plan(), lambda write: fate)
    assert settlement is not None
    assert [line.verified for line in settlement.report.written] == [verified]
