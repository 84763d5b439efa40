"""Laws of conflicts: what both sides changed is held, decided by a person, and then at rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.engine import Plan, Relation
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping, Integration
from di_salesforce.records import Side
from di_salesforce.triggers import ConflictPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400
ANN = "ann@example.com"


@pytest.fixture
def contested(settled: World) -> World:
    """Give a world in which Ann is Camille in Salesforce and Dominique in Dialog Insight."""
    settled.salesforce.edit("Contact", settled.contact_id(ANN), FirstName="Camille")
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id(ANN), FirstName="Dominique")
    return settled


def first_names(world: World) -> list[object]:
    return [row[1] for side in world.truth() for row in side if row[0] == ANN]


def test_the_same_field_on_both_sides_is_held(contested: World) -> None:
    """Neither value is written over the other, run after run, and the report names record and field."""
    sync = contested.sync()
    for _ in range(3):
        report = sync.run()
        assert report.ok  # held conflicts are counted apart
        [conflict] = report.conflicts
        assert conflict.key == ANN
        assert conflict.fields == ("FirstName:FirstName",)
    assert contested.write_calls == (0, 0)
    assert first_names(contested) == ["Camille", "Dominique"]


def test_other_fields_and_people_go_on(contested: World) -> None:
    """A held field holds nothing else: other fields of the record, and other records, still flow."""
    contested.dialog_insight.edit_contact(PROJECT, contested.person_id(ANN), Points=11)
    contested.salesforce.edit("Contact", contested.contact_id("bob@example.com"), LastName="Lee")
    assert len(contested.sync().run().written) == 2
    assert first_names(contested) == ["Camille", "Dominique"]


@pytest.mark.parametrize("keep", list(Side), ids=lambda side: side.value)
def test_keeping_a_side_writes_its_value_to_the_other(contested: World, keep: Side) -> None:
    """A person's choice is one write on the other side; then both agree, and the next run is quiet."""
    sync = contested.sync()
    sync.run()
    decided = sync.plan().resolve(ANN, keep=keep)
    [line] = sync.apply(decided).written
    assert line.side is keep.other
    value = "Camille" if keep is Side.SALESFORCE else "Dominique"
    assert first_names(contested) == [value, value]
    before = contested.write_calls
    report = sync.run()
    assert report.conflicts == ()
    assert contested.write_calls == before
    assert sync.compare().agree == 3


def test_a_decision_survives_being_saved(contested: World) -> None:
    """A decided plan can be saved, approved and applied by another process."""
    decided = contested.sync().plan().resolve(ANN, keep=Side.SALESFORCE)
    back = Plan.from_dict(json.loads(json.dumps(decided.to_dict())))
    contested.sync().apply(back)
    assert first_names(contested) == ["Camille", "Camille"]
    assert contested.sync().run().lines == ()


def test_accepting_leaves_both_as_they_are(contested: World) -> None:
    """An accepted difference is remembered as `!`: written nowhere, held no more, and explained by a comparison."""
    sync = contested.sync()
    sync.apply(sync.plan().accept(ANN))
    assert contested.write_calls == (0, 0)
    report = sync.run()
    assert report.conflicts == ()
    assert first_names(contested) == ["Camille", "Dominique"]
    [link] = [each for each in contested.store.baseline("people").links if each.salesforce_key == (ANN,)]
    assert link.fields["FirstName:FirstName"].rel is Relation.ACCEPTED
    comparison = sync.compare()
    assert comparison.ok
    assert [item.why for part in comparison.transfers for item in part.differences] == ["accepted"]


def test_an_edit_after_accepting_flows(contested: World) -> None:
    """Acceptance covers the two values of that day: a later edit of one side is an edit like any other."""
    sync = contested.sync()
    sync.apply(sync.plan().accept(ANN))
    contested.salesforce.edit("Contact", contested.contact_id(ANN), FirstName="Claude")
    assert not sync.compare().ok  # nothing explains it before it was carried over
    [line] = sync.run().written
    assert line.side is Side.DIALOG_INSIGHT
    assert first_names(contested) == ["Claude", "Claude"]


def test_a_conflict_that_people_settle_themselves_is_gone(contested: World) -> None:
    """Both sides come to one value on their own: nothing is written, nothing is held."""
    sync = contested.sync()
    sync.run()
    contested.salesforce.edit("Contact", contested.contact_id(ANN), FirstName="Dominique")
    assert sync.run().conflicts == ()
    assert contested.write_calls == (0, 0)
    assert contested.store.baseline("people").open_items == {}


def test_a_conflict_whose_one_side_went_back_flows(contested: World) -> None:
    """One side takes its edit back: the other's edit stands alone and is carried over."""
    sync = contested.sync()
    sync.run()
    contested.salesforce.edit("Contact", contested.contact_id(ANN), FirstName="Ann")
    [line] = sync.run().written
    assert line.side is Side.SALESFORCE
    assert first_names(contested) == ["Dominique", "Dominique"]


def test_a_decision_about_a_record_that_moved_since_is_stale(contested: World) -> None:
    """The loser's value was edited once more after the decision: it is not overwritten."""
    sync = contested.sync()
    decided = sync.plan().resolve(ANN, keep=Side.SALESFORCE)
    contested.clock.sleep(3600)
    contested.dialog_insight.edit_contact(PROJECT, contested.person_id(ANN), FirstName="Dominic")
    assert [line.outcome for line in sync.apply(decided).of(kind="update")] == ["stale"]
    assert first_names(contested) == ["Camille", "Dominic"]


def test_deciding_what_is_not_held_is_an_error(settled: World) -> None:
    """There is nothing to decide about a record that agrees, nor about one that does not exist."""
    plan = settled.sync().plan()
    for key in (ANN, "nobody@example.com"):
        with pytest.raises(ConfigurationError):
            plan.resolve(key, keep=Side.SALESFORCE)


@pytest.mark.parametrize(
    ("policy", "winner"),
    [(ConflictPolicy.SALESFORCE_WINS, "Camille"), (ConflictPolicy.DIALOG_INSIGHT_WINS, "Dominique")],
)
def test_a_policy_decides_by_itself(
    contested: World, people_transfer: Callable[..., Any], policy: ConflictPolicy, winner: str
) -> None:
    """A declared winner needs no person: one write, named by the policy's rule, then quiet."""
    lines = [
        FieldMapping("Email", "EMail", key=True),
        FieldMapping("FirstName", "FirstName", conflict=policy),
        *people_transfer().fields[2:],
    ]
    sync = contested.sync(Integration([people_transfer(fields=lines)]))
    [line] = sync.run().written
    assert line.reason.startswith("update.")
    assert first_names(contested) == [winner, winner]
    before = contested.write_calls
    sync.run()
    assert contested.write_calls == before


def test_a_first_meeting_that_differs_is_held_field_by_field(world: World) -> None:
    """Two records that meet for the first time are linked; where they differ nothing is overwritten."""
    world.contact(ANN, first="Camille", last="Roy", points=1)
    world.person(ANN, first="Dominique", last="Roy", points=1)
    sync = world.sync()
    report = sync.run(first_run=True)
    [conflict] = report.conflicts
    assert conflict.reason == "conflict.first_match"
    assert conflict.fields == ("FirstName:FirstName",)
    assert len(world.store.baseline("people")) == 1
    sync.apply(sync.plan().resolve(ANN, keep=Side.DIALOG_INSIGHT))
    assert first_names(world) == ["Dominique", "Dominique"]
    assert sync.run().lines == ()
