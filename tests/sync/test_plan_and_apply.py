"""Laws of plan and apply: the plan is the dry run, and exactly it is carried out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.engine import Create, Plan, Update
from di_salesforce.exceptions import ConfigurationError, EmptySideError, GuardError
from di_salesforce.mapping import Integration
from di_salesforce.records import Side

if TYPE_CHECKING:
    from tests.sync.conftest import World


def test_planning_writes_nothing(world: World) -> None:
    """However much there is to do, a plan asks both services for reads only, and the memory stays empty."""
    world.contact("ann@example.com")
    world.person("bob@example.com")
    plan = world.sync().plan()
    assert len(plan.writes) == 2
    assert world.write_calls == (0, 0)
    assert len(world.store.baseline("people")) == 0
    assert world.store.runs() == ()


def test_what_is_applied_is_what_was_planned(world: World) -> None:
    """Each planned write is done once, and its values stand on the server; nothing else is written."""
    world.contact("ann@example.com", first="Ann", last="Lee", points=7)
    world.person("bob@example.com", first="Bob", last="Ng")
    sync = world.sync()
    plan = sync.plan()
    report = sync.apply(plan)
    assert report.ok
    assert {(line.kind, line.side) for line in report.written} == {(a.kind, a.side) for a in plan.writes}
    here, there = world.truth()
    assert here == there == [("ann@example.com", "Ann", "Lee", 7.0), ("bob@example.com", "Bob", "Ng", None)]


def test_an_update_sends_only_the_fields_that_change(settled: World) -> None:
    """Law 5: of a record of four fields one was edited, and one is written; the others are not sent."""
    row = settled.salesforce.rows("Contact")[0]
    settled.salesforce.edit("Contact", str(row["Id"]), LastName="Lee")
    plan = settled.sync().plan()
    [update] = plan.writes
    assert isinstance(update, Update)
    assert dict(update.values) == {"LastName": "Lee"}
    assert dict(update.based_on) == {"LastName": "Roy"}


def test_a_filtered_plan_does_only_what_is_left(world: World) -> None:
    """What a person takes out is not written, and the next plan finds it again."""
    world.contact("ann@example.com")
    world.person("bob@example.com")
    sync = world.sync()
    sync.apply(sync.plan().without(side=Side.SALESFORCE))
    assert world.write_calls[0] == 0
    assert world.write_calls[1] == 1
    assert [action.side for action in sync.plan().writes] == [Side.SALESFORCE]


def test_a_plan_survives_being_saved(world: World) -> None:
    """A plan that went through JSON, and another synchronizer, does the same and is remembered the same."""
    world.contact("ann@example.com", points=3)
    world.person("bob@example.com")
    plan = world.sync().plan()
    back = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert back.digest == plan.digest
    sync = world.sync()
    assert sync.apply(back).ok
    here, there = world.truth()
    assert here == there
    assert sync.plan().writes == ()


def test_a_plan_of_another_mapping_is_refused(world: World, people_transfer: Any) -> None:
    """A plan belongs to the mapping that it was made with: with another one it is refused before anything is sent."""
    world.contact("ann@example.com")
    plan = world.sync().plan()
    narrower = Integration([people_transfer(fields=people_transfer().fields[:-1])])
    calls = len(world.dialog_insight.requests)
    with pytest.raises(ConfigurationError, match="another mapping"):
        world.sync(narrower).apply(plan)
    assert world.write_calls == (0, 0)
    assert all(not call.is_write for call in world.dialog_insight.requests[calls:])


def test_a_plan_of_an_unknown_transfer_is_refused(world: World, people_transfer: Any) -> None:
    """A plan about a transfer that the integration does not have is refused by its name."""
    world.contact("ann@example.com")
    plan = world.sync().plan()
    renamed = Integration([attrs.evolve(people_transfer(), name="others")])
    with pytest.raises(ConfigurationError, match="'people'"):
        world.sync(renamed).apply(plan)


def test_an_unknown_transfer_is_named(world: World) -> None:
    """The name of a transfer that there is not is told, with those that there are."""
    with pytest.raises(ConfigurationError, match=r"'peple'.*people"):
        world.sync().plan("peple")


def test_an_inactive_transfer_can_be_planned_not_applied(world: World, people_transfer: Any) -> None:
    """`active=False` is a look without a consequence: its plan shows all, and is refused where it would be applied."""
    world.contact("ann@example.com")
    sync = world.sync(Integration([people_transfer(active=False)]))
    plan = sync.plan()
    assert [type(action) for action in plan.writes] == [Create]
    with pytest.raises(ConfigurationError, match="not active"):
        sync.apply(plan)
    assert world.write_calls == (0, 0)


def test_an_emptied_side_stops_the_plan(settled: World) -> None:
    """A side that holds linked records and answers with none has lost a permission, not its people: nothing goes on."""
    for row in settled.dialog_insight.contacts(4400):
        settled.dialog_insight.delete_contact(4400, int(str(row["idContact"])))
    with pytest.raises(EmptySideError):
        settled.sync().plan()
    with pytest.raises(GuardError):
        settled.sync().run()
    assert settled.write_calls == (0, 0)
    assert len(settled.store.baseline("people")) == 3


def test_progress_is_told_in_order(world: World) -> None:
    """Each phase begins at nothing done and never goes back; a phase that writes ends with all of it."""
    for number in range(3):
        world.contact(f"person{number}@example.com")
    told: list[tuple[str, int, int]] = []
    sync = world.sync()
    plan = sync.plan(progress=lambda *step: told.append(step))
    sync.apply(plan, lambda *step: told.append(step))
    phases = dict.fromkeys(phase for phase, _, _ in told)
    for phase in phases:
        steps = [done for name, done, _ in told if name == phase]
        assert steps[0] == 0
        assert steps == sorted(steps)
    [writing] = [phase for phase in phases if "create" in phase]
    assert [step for step in told if step[0] == writing][-1] == (writing, 3, 3)


def test_the_report_counts_the_calls(world: World) -> None:
    """A report says how many calls each service took: as many as the servers' own logs hold."""
    world.contact("ann@example.com")
    sync = world.sync()
    plan = sync.plan()
    before = len(world.salesforce.requests), len(world.dialog_insight.requests)
    report = sync.apply(plan)
    assert report.calls.get("salesforce", 0) == len(world.salesforce.requests) - before[0]
    assert report.calls.get("dialog_insight", 0) == len(world.dialog_insight.requests) - before[1]


def test_each_application_is_one_line_of_history(world: World) -> None:
    """What was applied stands in the history with the plan's digest and counts."""
    world.contact("ann@example.com")
    sync = world.sync()
    plan = sync.plan()
    report = sync.apply(plan)
    [run] = world.store.runs()
    assert run.plan_digest == plan.digest
    assert run.ok
    assert dict(run.counts) == dict(report.counts)
    assert run.started <= run.finished


def test_check_finds_nothing_wrong_here(world: World) -> None:
    """The small world's own mapping has no error against both live schemas."""
    assert world.sync().check().errors == ()
