"""Laws of old plans: a record that moved since the plan was made is left alone, and planned again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from di_salesforce.records import Side
from di_salesforce.testing import LateWrite, Meanwhile

if TYPE_CHECKING:
    from tests.sync.conftest import World

PROJECT = 4400
OLD = timedelta(hours=1)


def test_a_target_edited_since_is_not_overwritten(settled: World) -> None:
    """Ann's target field was edited after the plan: her write is stale, Bob's is done, and nothing of hers is lost."""
    for name in ("ann", "bob"):
        settled.salesforce.edit("Contact", settled.contact_id(f"{name}@example.com"), FirstName="Planned")
    sync = settled.sync()
    plan = sync.plan()
    settled.clock.time += OLD
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), FirstName="Meanwhile")
    report = sync.apply(plan)
    assert [line.key for line in report.of(outcome="stale")] == ["ann@example.com"]
    assert [line.key for line in report.written] == ["bob@example.com"]
    assert ("ann@example.com", "Meanwhile", "Roy", 10.0) in settled.truth()[1]
    [conflict] = sync.plan().conflicts  # planned again: both sides have moved
    assert conflict.reason == "conflict.both_changed"


def test_the_same_holds_towards_salesforce(settled: World) -> None:
    """The other way round: a Salesforce field that was edited after the plan is not overwritten."""
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), LastName="Planned")
    sync = settled.sync()
    plan = sync.plan()
    settled.clock.time += OLD
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), LastName="Meanwhile")
    report = sync.apply(plan)
    assert [line.outcome for line in report.lines] == ["stale"]
    assert settled.write_calls == (0, 0)
    assert ("ann@example.com", "Ann", "Meanwhile", 10.0) in settled.truth()[0]


def test_an_edit_that_differs_by_case_alone_is_an_edit(settled: World) -> None:
    """Roy became ROY on the target since: to the transfer these are two values, so the write is stale."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), LastName="Lee")
    sync = settled.sync()
    plan = sync.plan()
    settled.clock.time += OLD
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), LastName="ROY")
    report = sync.apply(plan)
    assert [line.outcome for line in report.lines] == ["stale"]


def test_another_field_of_the_record_may_have_moved(settled: World) -> None:
    """Only the fields that are written count: an edit beside them is no obstacle, and arrives with the next run."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Planned")
    sync = settled.sync()
    plan = sync.plan()
    settled.clock.time += OLD
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), Points=77)
    assert len(sync.apply(plan).written) == 1
    sync.run()
    here, there = settled.truth()
    assert here == there
    assert ("ann@example.com", "Planned", "Roy", 77.0) in here


def test_an_old_plan_whose_records_stood_still_is_done(settled: World) -> None:
    """Age alone is no fault: what nobody touched is written, after a look."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Planned")
    settled.contact("new@example.com")
    sync = settled.sync()
    plan = sync.plan()
    settled.clock.time += timedelta(days=3)
    assert len(sync.apply(plan).written) == 2
    assert settled.truth()[0] == settled.truth()[1]


def test_a_plan_applied_twice_writes_once(world: World) -> None:
    """The second time every write is stale and neither service is asked for a write; fresh or old, it is the same."""
    world.contact("ann@example.com")
    world.person("bob@example.com")
    world.pair("cat@example.com", first="Cat")
    sync = world.sync()
    plan = sync.plan()
    assert len(sync.apply(plan).written) == 2
    before, remembered = world.write_calls, world.store.baseline("people")
    for later in (timedelta(0), OLD):
        world.clock.time += later
        report = sync.apply(plan)
        assert [line.outcome for line in report.lines if line.kind == "create"] == ["stale", "stale"]
        assert report.written == ()
    assert world.write_calls == before
    assert world.store.baseline("people").links == remembered.links
    assert sync.run().written == ()


def test_a_plan_that_a_later_run_overtook_is_stale(settled: World) -> None:
    """An update that another run has done since is not done again, even if the record was edited to look as before."""
    ann, there = settled.contact_id("ann@example.com"), settled.person_id("ann@example.com")
    settled.salesforce.edit("Contact", ann, FirstName="Second")
    sync = settled.sync()
    plan = sync.plan()
    sync.run()
    settled.dialog_insight.edit_contact(PROJECT, there, FirstName="Ann")
    report = sync.apply(plan)
    assert [line.outcome for line in report.lines if line.kind == "update"] == ["stale"]
    sync.run()
    assert all(row[1] == "Ann" for side in settled.truth() for row in side if row[0] == "ann@example.com")


def test_an_old_plan_does_not_turn_the_memory_back(settled: World) -> None:
    """What later runs have learned stays: what was read last grows no older, what is settled is not opened again."""
    settled.contact("twice@example.com")
    second = settled.contact("Twice@example.com")
    sync = settled.sync()
    plan = sync.plan()
    assert len(plan.ambiguous) == 2
    settled.clock.sleep(3600)
    settled.salesforce.delete("Contact", second)
    sync.run()
    before = settled.store.baseline("people")
    assert before.open_items == {}
    sync.apply(plan)
    after = settled.store.baseline("people")
    assert [after.coverage(side) for side in Side] == [before.coverage(side) for side in Side]
    assert after.open_items == {}
    assert after.links == before.links


def test_an_old_note_does_not_turn_a_link_back(settled: World) -> None:
    """A pair that the old plan only noted, without any action, keeps what a later run has settled."""
    contact, person = settled.contact_id("ann@example.com"), settled.person_id("ann@example.com")
    settled.salesforce.edit("Contact", contact, LastName="Same")
    settled.dialog_insight.edit_contact(PROJECT, person, LastName="Same")
    sync = settled.sync()
    plan = sync.plan()
    assert not plan.actions
    settled.clock.sleep(3600)
    settled.salesforce.edit("Contact", contact, LastName="Later")
    sync.run()
    before = settled.store.baseline("people")
    sync.apply(plan)
    assert settled.store.baseline("people") == before
    [conflict] = sync.plan().conflicts  # Later against Same: the old note would have called that an edit of one side
    assert conflict.reason == "conflict.both_changed"


def test_a_create_whose_key_appeared_is_stale(world: World) -> None:
    """Somebody made the record on the other side meanwhile: no second one is made, and the two are linked next time."""
    world.contact("ann@example.com", first="Ann")
    world.person("bob@example.com", first="Bob")
    sync = world.sync()
    plan = sync.plan()
    world.clock.time += OLD
    world.person("ann@example.com", first="Ann")
    world.contact("bob@example.com", first="Bob")
    report = sync.apply(plan)
    assert [line.outcome for line in report.of(kind="create")] == ["stale", "stale"]
    assert world.write_calls == (0, 1)  # Dialog Insight is asked to insert, which is its own look
    assert list(map(len, world.truth())) == [2, 2]
    sync.run(first_run=True)
    here, there = world.truth()
    assert here == there
    assert len(here) == 2
    assert len(world.store.baseline("people")) == 2


def test_a_key_that_appeared_in_another_case_is_the_same_key(world: World) -> None:
    """E-mail addresses compare without regard to case in the look before a create, too."""
    world.person("ann@example.com")
    sync = world.sync()
    plan = sync.plan()
    world.clock.time += OLD
    world.contact("Ann@Example.COM")
    assert [line.outcome for line in sync.apply(plan).of(kind="create")] == ["stale"]
    assert len(world.truth()[0]) == 1


def test_dialog_insight_itself_refuses_to_insert_what_it_has(world: World) -> None:
    """A fresh plan is not checked, but an insert-only merge leaves a known key alone: stale, linked next time."""
    world.contact("ann@example.com", first="Ann")
    sync = world.sync()
    plan = sync.plan()
    world.person("ann@example.com", first="Meanwhile")
    report = sync.apply(plan)
    assert [line.outcome for line in report.of(kind="create")] == ["stale"]
    assert world.truth()[1] == [("ann@example.com", "Meanwhile", "Roy", None)]
    [conflict] = sync.plan().conflicts
    assert conflict.reason == "conflict.first_match"


def test_old_creates_in_dialog_insight_cost_no_look_each(world: World) -> None:
    """It takes one key a call, so that a first load which takes more than a minute would become one of days."""
    for number in range(5):
        world.contact(f"person{number}@example.com")
    sync = world.sync()
    plan = sync.plan()
    world.clock.time += OLD
    before = len(world.dialog_insight.requests)
    assert len(sync.apply(plan).written) == 5
    told = [call.method for call in world.dialog_insight.requests_since(before) if call.service == "contacts"]
    assert told == ["Merge"]


def test_a_record_deleted_since_is_stale(settled: World) -> None:
    """A record that is gone when its update comes is not refused and not made again: stale on either side."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="To DI")
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("bob@example.com"), FirstName="To SF")
    sync = settled.sync()
    for wait in (OLD, timedelta(0)):
        plan = sync.plan()
        if wait:
            saved = settled.salesforce.snapshot(), settled.dialog_insight.snapshot()
        settled.dialog_insight.delete_contact(PROJECT, settled.person_id("ann@example.com"))
        settled.salesforce.delete("Contact", settled.contact_id("bob@example.com"))
        settled.clock.time += wait
        report = sync.apply(plan)
        assert [line.outcome for line in report.of(kind="update")] == ["stale", "stale"]
        assert len(settled.truth()[0]) == len(settled.truth()[1]) == 2
        if wait:
            settled.salesforce.restore(saved[0])
            settled.dialog_insight.restore(saved[1])


def test_a_run_plans_stale_records_again(settled: World) -> None:
    """Within one run a record that turned out stale is looked at again, and settles."""
    settled.contact("new@example.com", first="New")
    settled.dialog_insight.inject(Meanwhile(lambda: settled.person("new@example.com", first="New")), method="Merge")
    report = settled.sync().run()
    assert report.ok
    assert len(settled.store.baseline("people")) == 4
    assert len(settled.truth()[1]) == 4


def test_the_before_image_is_what_the_server_held(settled: World) -> None:
    """No blind write: of each write the value that it was based on is the one that stood there."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Anna", LastName="Lee")
    settled.dialog_insight.edit_contact(PROJECT, settled.person_id("bob@example.com"), Points=5)
    held = {
        Side.DIALOG_INSIGHT: {str(row["idContact"]): row for row in settled.dialog_insight.contacts(PROJECT)},
        Side.SALESFORCE: {str(row["Id"]): row for row in settled.salesforce.rows("Contact")},
    }
    writes = settled.sync().plan().writes
    assert len(writes) == 2
    for write in writes:
        row = held[write.side][str(write.record_id)]
        assert {name: row[name] for name in write.based_on} == dict(write.based_on)
        assert set(write.based_on) == set(write.values)


def test_a_plan_that_grows_old_while_it_is_carried_out_is_looked_at_again(settled: World) -> None:
    """The first write takes two minutes, and the second record is edited meanwhile: that edit is not overwritten."""
    names = ["ann", "bob"]
    for name in names:
        settled.salesforce.edit("Contact", settled.contact_id(f"{name}@example.com"), FirstName="Planned")

    def meanwhile() -> None:
        settled.clock.time += timedelta(minutes=2)
        settled.dialog_insight.edit_contact(PROJECT, settled.person_id("bob@example.com"), FirstName="Meanwhile")

    sync = settled.sync()
    sync._setup = attrs.evolve(sync._setup, piece=1)
    settled.dialog_insight.inject(Meanwhile(meanwhile), method="Merge")
    report = sync.run()
    assert [line.key for line in report.written] == ["ann@example.com"]
    assert [line.key for line in report.of(outcome="stale")] == ["bob@example.com"]
    assert ("bob@example.com", "Meanwhile", "Roy", 10.0) in settled.truth()[1]


def test_a_read_that_takes_long_makes_what_it_read_old(settled: World) -> None:
    """Reading took two minutes, and a record was edited after it was read: it is looked at again, and left alone."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Planned")

    def meanwhile() -> None:
        settled.clock.time += timedelta(minutes=2)
        settled.dialog_insight.edit_contact(PROJECT, settled.person_id("ann@example.com"), FirstName="Meanwhile")

    dialog_insight, real = settled.dialog_insight, settled.dialog_insight.handle

    def slow(request: Any) -> Any:
        answer = real(request)
        if "contacts" in request.path.lower() and b"Ann" in answer.body and not edited:
            edited.append(True)
            meanwhile()
        return answer

    edited: list[bool] = []
    dialog_insight.handle = slow  # type: ignore[method-assign]  # somebody acts after the answer was made
    report = settled.sync().run()
    assert edited
    assert [line.outcome for line in report.lines if line.kind == "update"] == ["stale"]
    assert ("ann@example.com", "Meanwhile", "Roy", 10.0) in settled.truth()[1]


def test_the_remaining_window_is_told(settled: World) -> None:
    """The report says how long it was at most between a look at a record and the write that changed it."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Anna")
    settled.dialog_insight.inject(Meanwhile(lambda: settled.clock.sleep(7)), method="Merge")
    report = settled.sync().run()
    assert timedelta(seconds=7) < report.window < timedelta(seconds=8)
    assert report.to_dict()["window_seconds"] == report.window.total_seconds()
    assert "Between our last look at a record and its write lay 7." in str(report)
    assert settled.sync().run().window == timedelta(0)


def test_a_create_that_changes_nothing_has_no_window(world: World) -> None:
    """A create is insert-only, so that no edit can be overwritten by it."""
    world.contact("ann@example.com")
    world.person("bob@example.com")
    report = world.sync().run(first_run=True)
    assert len(report.written) == 2
    assert report.window == timedelta(0)


def test_what_was_set_aside_of_an_old_plan_turns_nothing_back_either(world: World) -> None:
    """A link was taken out of the plan and made by a run meanwhile: the rest of the plan is done, and is remembered."""
    world.pair("cat@example.com", first="Cat")
    world.contact("ann@example.com")
    sync = world.sync()
    plan = sync.plan()
    approved = plan.without(kind="link")
    sync.apply(plan.only(kind="link"))
    (link,) = world.store.baseline("people").links
    report = sync.apply(approved)
    assert [line.key for line in report.written] == ["ann@example.com"]
    after = world.store.baseline("people")
    assert after.link(link.id) == link and len(after) == 2
    assert sync.run().written == () and world.store.baseline("people").open_items == {}


def test_what_was_set_aside_of_an_old_plan_does_not_end_a_quarantine(world: World) -> None:
    """A run tried the create meanwhile and lost the answer: it may still land, and is not tried again before it has."""
    world.contact("ann@example.com")
    sync = world.sync()
    approved = sync.plan().without(kind="create")
    world.dialog_insight.inject(LateWrite(400.0), method="Merge")
    sync.run(first_run=True)
    before = world.store.baseline("people").open_items
    assert [item.reason for item in before.values()] == ["outcome.unknown"]
    sync.apply(approved)
    assert world.store.baseline("people").open_items == before
