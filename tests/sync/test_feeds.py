"""What is read of each side, and how much of it: in full, what changed, what was hinted at, rows of one's own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.csvfiles import read_csv
from di_salesforce.dialog_insight import WebhookEvent
from di_salesforce.engine import Coverage, Snapshot
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.mapping import FieldMapping, Integration
from di_salesforce.records import Side
from di_salesforce.synchronizer import FeedKind, Feeds
from di_salesforce.testing import Field, HttpStatus, Meanwhile
from di_salesforce.testing import sandbox as declared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

    from di_salesforce.synchronizer import Synchronizer

PROJECT = 4400
DAY = timedelta(days=1)
OVERLAP = 601.0  # a little more than a feed of changes goes back each time


def following(world: World, **options: Any) -> Synchronizer:
    """Give a synchronizer that reads in full once a day."""
    return world.sync(**{"full_every": DAY} | options)


@pytest.fixture
def followed(world: World) -> World:
    """Give a world of twenty people who agree and were read in full some time ago."""
    for number in range(20):
        world.pair(f"p{number}@example.com", points=number)
    assert following(world).run(first_run=True).written == ()
    world.clock.sleep(2 * OVERLAP)
    return world


def reads(world: World, side: Side, act: Callable[[], object]) -> list[str]:
    """Give what was asked of a side while something was done: queries, or clauses."""
    fake = world.salesforce if side is Side.SALESFORCE else world.dialog_insight
    before = len(fake.requests)
    act()
    return [f"{request} {getattr(request, 'query', {}).get('q', '')}" for request in list(fake.requests)[before:]]


def cursor(world: World) -> dict[str, str]:
    coverage = world.store.baseline("people").coverage(Side.SALESFORCE)
    assert coverage is not None
    return json.loads(coverage.cursor or "{}")


def test_a_change_in_salesforce_is_found_without_reading_all(followed: World) -> None:
    """Between full reads Salesforce is asked for what changed, and only that record's counterpart is looked up."""
    followed.salesforce.edit("Contact", followed.contact_id("p3@example.com"), LastName="Lee")
    gets = reads(followed, Side.DIALOG_INSIGHT, lambda: following(followed).run())
    assert [row[2] for row in followed.truth()[1] if row[0] == "p3@example.com"] == ["Lee"]
    assert sum("Get" in get and "ProjectInfo" not in get for get in gets) <= 2


def test_a_quiet_run_between_full_reads_reads_nobody(followed: World) -> None:
    """Where nothing changed, Salesforce is asked for changes and deletions, Dialog Insight for nobody."""
    sync = following(followed)
    sync.run()
    followed.clock.sleep(OVERLAP)
    before = followed.write_calls
    assert len(reads(followed, Side.SALESFORCE, sync.run)) <= 3 + 1  # and the tables, described again
    assert len(reads(followed, Side.DIALOG_INSIGHT, sync.run)) <= 1
    assert followed.write_calls == before


def test_creates_and_deletes_are_followed(followed: World) -> None:
    """Between full reads a new record is created on the other side, and a deleted one is known to be."""
    followed.contact("new@example.com")
    gone = followed.contact_id("p7@example.com")
    followed.salesforce.delete("Contact", gone)
    report = following(followed).run()
    assert [line.kind for line in report.written] == ["create"]
    assert [line.reason for line in report.of(kind="skip")] == ["deleted.reported"]
    assert len(followed.truth()[1]) == 21


def test_the_cursor_is_each_transfer_s_own_and_moves_forward(followed: World) -> None:
    """A run that found something moves the cursor to it; the tie of equal stamps is kept apart by the record's id."""
    before = cursor(followed)
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="Lee")
    following(followed).run()
    after = cursor(followed)
    assert (after["moment"], after["record_id"]) > (before["moment"], before["record_id"])
    other = followed.store.baseline("people").coverage(Side.DIALOG_INSIGHT)
    assert other is not None
    assert other.cursor is None


def test_the_cursor_stays_where_a_run_did_not_come_to_its_end(followed: World) -> None:
    """A run that fails while it looks things up leaves the cursor: the next one reads the same changes again."""
    before = cursor(followed)
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="Lee")
    followed.dialog_insight.inject(HttpStatus(500), service="Contacts", method="Get")
    with pytest.raises(DISalesforceError, match="the service failed"):
        following(followed).run()
    assert cursor(followed) == before
    assert len(following(followed).run().written) == 1


def test_what_changes_while_a_run_reads_is_seen_by_the_next(followed: World) -> None:
    """An edit that lands after Salesforce was read, and before the run has ended, is carried by the next run."""
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="Lee")
    late = followed.contact_id("p2@example.com")
    followed.dialog_insight.inject(
        Meanwhile(lambda: followed.salesforce.edit("Contact", late, LastName="Late")), method="Merge"
    )
    sync = following(followed)
    assert [line.key for line in sync.run().written] == ["p1@example.com"]
    assert [line.key for line in sync.run().written] == ["p2@example.com"]


def test_a_full_read_comes_in_time(followed: World) -> None:
    """What no feed of changes tells (an edit in Dialog Insight) is found by the next full read."""
    followed.dialog_insight.edit_contact(PROJECT, followed.person_id("p5@example.com"), LastName="Silent")
    assert following(followed).run().written == ()
    followed.clock.sleep(DAY.total_seconds())
    assert [line.key for line in following(followed).run().written] == ["p5@example.com"]


def test_a_side_may_be_read_in_full_at_every_run(followed: World) -> None:
    """The period is set by side: Dialog Insight in full each time, Salesforce by its changes."""
    followed.dialog_insight.edit_contact(PROJECT, followed.person_id("p5@example.com"), LastName="Silent")
    sync = followed.sync(full_every={Side.SALESFORCE: DAY})
    assert [line.key for line in sync.run().written] == ["p5@example.com"]


def test_another_filter_or_field_asks_for_a_full_read(followed: World, people_transfer: Callable[..., Any]) -> None:
    """A line that is added, or a filter that is changed, concerns records that did not change."""
    lines = [line for line in people_transfer().fields if line.salesforce != "FirstName"]
    fewer = Integration([people_transfer(fields=lines)])
    following(followed).run()
    followed.salesforce.edit("Contact", followed.contact_id("p4@example.com"), FirstName="Eve")
    followed.sync(fewer, full_every=DAY).run()
    followed.clock.sleep(2 * OVERLAP)
    filtered = Integration([people_transfer(salesforce_filter="LastName = 'Roy'")])
    queries = reads(followed, Side.SALESFORCE, lambda: followed.sync(filtered, full_every=DAY).plan())
    filtered_queries = [query for query in queries if "LastName = 'Roy'" in query]
    assert filtered_queries
    assert not any("SystemModstamp >" in query for query in filtered_queries)


def test_who_leaves_the_filter_is_noticed(world: World, people_transfer: Callable[..., Any]) -> None:
    """A linked record that is edited out of the filter stops flowing, as with full reads, and comes back with it."""
    scoped = Integration([people_transfer(salesforce_filter="LastName != 'Gone'")])
    for name in ("ann", "bob"):
        world.pair(f"{name}@example.com")
    world.sync(scoped, full_every=DAY).run(first_run=True)
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Contact", world.contact_id("ann@example.com"), LastName="Gone")
    assert world.sync(scoped, full_every=DAY).run().written == ()
    [link] = [link for link in world.store.baseline("people").links if link.cause]
    assert link.cause == "scope.left"
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Contact", world.contact_id("ann@example.com"), LastName="Back")
    world.sync(scoped, full_every=DAY).run()
    assert [row[2] for row in world.truth()[1] if row[0] == "ann@example.com"] == ["Back"]


def test_a_parent_that_changed_brings_its_children(world: World, people_transfer: Callable[..., Any]) -> None:
    """A line that reads a parent's field is read again when the parent changes, though the record did not."""
    fields = [*people_transfer().fields, FieldMapping("Account.Name", "Level")]
    integration = Integration([people_transfer(fields=fields)])
    [account] = world.salesforce.load("Account", [{"Name": "Before"}])
    contact, person = world.pair("ann@example.com")
    world.salesforce.edit("Contact", contact, AccountId=account)
    world.dialog_insight.edit_contact(PROJECT, person, Level="Before")
    world.pair("bob@example.com")
    world.sync(integration, full_every=DAY).run(first_run=True)
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Account", account, Name="After")
    report = world.sync(integration, full_every=DAY).run()
    assert [line.key for line in report.written] == ["ann@example.com"]
    [row] = [row for row in world.dialog_insight.contacts(PROJECT) if row["EMail"] == "ann@example.com"]
    assert row["Level"] == "After"


def test_a_parent_brings_its_children_for_a_day_at_most(world: World, people_transfer: Callable[..., Any]) -> None:
    """Where no child changes the cursor stands still; a parent's children are not read again at each run for it."""
    fields = [*people_transfer().fields, FieldMapping("Account.Name", "Level")]
    sync = world.sync(Integration([people_transfer(fields=fields)]), full_every=30 * DAY)
    [account] = world.salesforce.load("Account", [{"Name": "Acme"}])
    contact, person = world.pair("ann@example.com")
    world.salesforce.edit("Contact", contact, AccountId=account)
    world.dialog_insight.edit_contact(PROJECT, person, Level="Acme")
    sync.run(first_run=True)
    world.clock.sleep(2 * OVERLAP)
    world.salesforce.edit("Account", account, Name="Roy")
    assert [line.key for line in sync.run().written] == ["ann@example.com"]

    def asked_again() -> int:
        asked = reads(world, Side.SALESFORCE, sync.run)
        return sum("AccountId IN" in query for query in asked)

    assert asked_again() == 1
    world.clock.sleep(2 * DAY.total_seconds())
    sync.run()
    world.clock.sleep(2 * OVERLAP)
    assert asked_again() == 0


@pytest.mark.parametrize("changes", ["modified_since", "replication"])
def test_a_later_transfer_reads_what_an_earlier_one_wrote(three: World, changes: Any) -> None:
    """An edit in the acquisition project reaches the communications project in one run, by feeds of changes alone."""
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID, [{"EMail": "noe@example.com", "FirstName": "Noé", "LastName": "Roy"}]
    )
    assert three.sync().run(first_run=True).ok
    three.clock.sleep(2 * OVERLAP)
    [person] = three.dialog_insight.contacts(declared.ACQUISITION_ID)
    number = int(str(person["idContact"]))
    three.dialog_insight.edit_contact(declared.ACQUISITION_ID, number, FirstName="Noah")
    sync = three.sync(full_every=DAY, feeds=Feeds(changes=changes))
    sync.notify([WebhookEvent("contact_modified", id_project=declared.ACQUISITION_ID, id_contact=number)])
    assert sync.run().ok
    assert [row["FirstName"] for row in three.salesforce.rows("Contact")] == ["Noah"]
    assert [row["FirstName"] for row in three.dialog_insight.contacts(declared.COMMUNICATIONS_ID)] == ["Noah"]
    assert {feed.covers for feed in sync.status().feeds["contacts"]} == {Coverage.CHANGES, Coverage.SAMPLE}


def test_records_of_one_stamp_are_all_carried(world: World) -> None:
    """Records of a bulk load have one stamp, and pages end between them: none is left behind or comes twice."""
    for number in range(12):
        world.pair(f"p{number}@example.com")
    assert following(world).run(first_run=True).ok
    world.clock.sleep(2 * OVERLAP)
    ids = [world.contact_id(f"p{number}@example.com") for number in range(12)]
    for record_id in ids:
        world.salesforce.edit("Contact", record_id, LastName="Lee")
    assert len({row["SystemModstamp"] for row in world.salesforce.rows("Contact")}) == 1
    world.salesforce.page_size = 5
    sync = following(world)
    assert len(sync.run().written) == 12
    assert sync.run().written == ()


def test_the_cursor_passes_what_is_stored_open(followed: World) -> None:
    """A run that is stopped before it writes moves the cursor past the change; the next run asks for it."""
    before = cursor(followed)
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="Lee")
    sync = following(followed)
    plan = sync.plan()
    sync.stop()
    report = sync.apply(plan)
    assert report.cut_short
    assert report.written == ()
    assert cursor(followed)["moment"] > before["moment"]
    followed.clock.sleep(10 * OVERLAP)
    assert [line.key for line in following(followed).run().written] == ["p1@example.com"]


def test_a_refused_record_is_passed_and_not_forgotten(followed: World) -> None:
    """The cursor passes a record that the other side refused; it is stored open, and flows once it is requeued."""
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="x" * 21)  # 20 fit there
    followed.salesforce.edit("Contact", followed.contact_id("p2@example.com"), LastName="Lee")
    sync = following(followed)
    assert len(sync.run().written) == 1
    followed.clock.sleep(10 * OVERLAP)
    followed.salesforce.edit("Contact", followed.contact_id("p3@example.com"), LastName="Roi")
    assert [line.key for line in sync.run().written] == ["p3@example.com"]
    assert sync.status().set_aside or sync.status().waiting
    followed.salesforce.edit("Contact", followed.contact_id("p1@example.com"), LastName="Short")
    assert [line.key for line in sync.run().written] == ["p1@example.com"]


# ----------------------------------------------------------------------------------------------------- formulas


def go_past_all(world: World, sync: Synchronizer) -> None:
    """Let a change of somebody else move the cursor, so that all others lie behind its overlap."""
    world.clock.sleep(2 * OVERLAP)
    world.contact("later@example.com")
    assert [line.key for line in sync.run().written] == ["later@example.com"]
    world.clock.sleep(2 * OVERLAP)


def test_a_formula_over_a_parent_is_read_again_when_the_parent_moved(
    world: World, people_transfer: Callable[..., Any]
) -> None:
    """The record's own stamp stands still; its parent's tells."""
    names = dict[str, str]()
    world.salesforce.add_field(
        "Contact", Field("Company__c", formula=lambda row: names.get(str(row.get("AccountId")), ""))
    )
    integration = Integration(
        [people_transfer(fields=[*people_transfer().fields, FieldMapping("Company__c", "Level")])]
    )
    [account] = world.salesforce.load("Account", [{"Name": "Before"}])
    names[account] = "Before"
    contact, person = world.pair("ann@example.com")
    world.salesforce.edit("Contact", contact, AccountId=account)
    world.dialog_insight.edit_contact(PROJECT, person, Level="Before")
    world.pair("bob@example.com")
    sync = world.sync(integration, full_every=DAY)
    assert sync.run(first_run=True).written == ()
    go_past_all(world, sync)
    names[account] = "After"
    assert sync.run().written == ()  # nothing in Salesforce has a new stamp
    world.salesforce.edit("Account", account, Name="After")
    assert [line.key for line in sync.run().written] == ["ann@example.com"]


def test_a_formula_over_time_is_found_by_the_slow_sweep(world: World, people_transfer: Callable[..., Any]) -> None:
    """What moves without any stamp, such as a formula over today, is found by the next full read."""
    age = ["41"]
    world.salesforce.add_field(
        "Contact", Field("Age__c", formula=lambda row: age[0] if row["Email"] == "ann@example.com" else "0")
    )
    integration = Integration([people_transfer(fields=[*people_transfer().fields, FieldMapping("Age__c", "Level")])])
    _, person = world.pair("ann@example.com")
    world.dialog_insight.edit_contact(PROJECT, person, Level="41")
    sync = world.sync(integration, full_every=DAY)
    assert sync.run(first_run=True).written == ()
    go_past_all(world, sync)
    age[0] = "42"
    assert sync.run().written == ()
    world.clock.sleep(DAY.total_seconds())
    assert [line.key for line in sync.run().written] == ["ann@example.com"]


# ------------------------------------------------------------------------------------------------------- hints


def event(number: int | None, **more: Any) -> WebhookEvent:
    return WebhookEvent("contact_modified", id_project=PROJECT, id_contact=number, **more)


def test_a_webhook_brings_an_edit_of_dialog_insight(followed: World) -> None:
    """A contact that a webhook names is read by the next run, once, and its edit flows."""
    number = followed.person_id("p5@example.com")
    followed.dialog_insight.edit_contact(PROJECT, number, LastName="Told")
    sync = following(followed)
    assert sync.notify([event(number), event(number), event(99, is_test=True), event(None)]) == 1
    assert [line.key for line in sync.run().written] == ["p5@example.com"]
    assert followed.store.hints("people") == {}


def test_a_hint_outlives_a_run_that_failed(followed: World) -> None:
    """What a failed run was told, the next one still knows."""
    number = followed.person_id("p5@example.com")
    followed.dialog_insight.edit_contact(PROJECT, number, LastName="Told")
    sync = following(followed)
    sync.notify([event(number)])
    followed.dialog_insight.inject(HttpStatus(500), service="Contacts", method="Get")
    with pytest.raises(DISalesforceError, match="the service failed"):
        sync.run()
    assert len(followed.store.hints("people")) == 1
    assert len(sync.run().written) == 1


def test_a_new_and_a_deleted_contact_are_heard_of(followed: World) -> None:
    """A webhook about somebody new creates them in Salesforce; one about somebody who is gone says so."""
    new = followed.person("born@example.com")
    gone = followed.person_id("p6@example.com")
    followed.dialog_insight.delete_contact(PROJECT, gone)
    sync = following(followed)
    sync.notify([event(new), event(gone)])
    report = sync.run()
    assert [(line.kind, line.key) for line in report.written] == [("create", "born@example.com")]
    [link] = [link for link in followed.store.baseline("people").links if link.cause]
    assert link.dialog_insight_id == str(gone)


def test_an_event_of_another_project_says_nothing(followed: World) -> None:
    """Numbers of contacts are each project's own."""
    assert following(followed).notify([attrs.evolve(event(1), id_project=1)]) == 0


# ----------------------------------------------------------------------------------------------- rows of one's own


def test_an_export_can_stand_for_a_side(world: World) -> None:
    """Where Dialog Insight may not be read in full, its export can: pairs are found in it, and nobody is doubled."""
    world.reads_all = False
    for number in range(5):
        world.pair(f"p{number}@example.com")
    exported = world.dialog_insight.contacts(PROJECT)
    taken = world.clock()
    world.clock.sleep(60)
    world.contact("new@example.com")
    sync = world.sync()
    gets = reads(
        world,
        Side.DIALOG_INSIGHT,
        lambda: sync.apply(sync.plan("people", dialog_insight=Snapshot.complete(exported, as_of=taken))),
    )
    assert len(world.store.baseline("people")) == 6
    assert len(world.truth()[1]) == 6
    assert sum("Get" in get and "ProjectInfo" not in get for get in gets) <= 2


def test_a_run_takes_an_export_for_a_side(world: World, tmp_path: Path) -> None:
    """A CSV export of Dialog Insight stands for its side in all rounds of a run, and undoes nothing."""
    world.reads_all = False
    for number in range(3):
        world.pair(f"p{number}@example.com", points=number)
    file = tmp_path / "contacts.csv"
    lines = [
        f"{row['idContact']};{row['EMail']};Ada;Roy;{row['Points']}" for row in world.dialog_insight.contacts(PROJECT)
    ]
    file.write_text("\n".join(["idContact;EMail;FirstName;LastName;Points", *lines]), encoding="utf-8")
    taken = world.clock()
    world.clock.sleep(60)
    world.contact("new@example.com")
    export = Snapshot.complete(read_csv(file), as_of=taken)
    report = world.sync().run("people", dialog_insight=export, first_run=True)
    assert [line.key for line in report.written] == ["new@example.com"]
    assert used_there(world) == (FeedKind.GIVEN, Coverage.COMPLETE)
    assert len(world.truth()[1]) == 4
    world.salesforce.edit("Contact", world.contact_id("p1@example.com"), LastName="Lee")
    assert [line.key for line in world.sync().run().written] == ["p1@example.com"]
    again = world.sync().run("people", dialog_insight=export)
    assert again.written == ()
    assert [row[2] for side in world.truth() for row in side if row[0] == "p1@example.com"] == ["Lee", "Lee"]


def used_there(world: World) -> tuple[FeedKind, Coverage]:
    [feed] = [each for each in world.sync().status().feeds["people"] if each.side is Side.DIALOG_INSIGHT]
    return feed.kind, feed.covers


def test_rows_of_ones_own_are_of_one_transfer(three: World) -> None:
    """An export belongs to one table: the transfer is named."""
    with pytest.raises(ConfigurationError, match="name it"):
        three.sync().plan(dialog_insight=Snapshot.complete([]))
    with pytest.raises(ConfigurationError, match="name it"):
        three.sync().run(dialog_insight=Snapshot.complete([]), first_run=True)


def test_a_thousand_changes_cost_five_calls_each(world: World) -> None:
    """A thousand changed records are written by five calls of Salesforce, and read back by at most five."""
    people = [
        {"Email": f"p{number}@example.com", "FirstName": "Ada", "LastName": "Roy", "Loyalty_Points__c": None}
        for number in range(1000)
    ]
    world.salesforce.load("Contact", people)
    theirs = [{"EMail": row["Email"], "FirstName": "Ada", "LastName": "Lee", "Points": None} for row in people]
    world.dialog_insight.load_contacts(PROJECT, [row | {"LastName": "Roy"} for row in theirs])
    assert world.sync().run(first_run=True).written == ()
    for row in world.dialog_insight.contacts(PROJECT):
        world.dialog_insight.edit_contact(PROJECT, int(str(row["idContact"])), LastName="Lee")
    plan = world.sync().plan()
    before = len(world.salesforce.requests)
    report = world.sync().apply(plan)
    assert len(report.written) == 1000
    calls = [str(request) for request in list(world.salesforce.requests)[before:]]
    assert sum("composite/sobjects" in call and "PATCH" in call for call in calls) == 5
    assert sum("query" in call for call in calls) <= 5
