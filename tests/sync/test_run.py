"""Laws of run: in order, until quiet, within its limits, and silent when there is nothing to do."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.exceptions import AlreadyRunningError, ConfigurationError, FirstRunError
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore
from di_salesforce.testing import Meanwhile
from di_salesforce.testing import sandbox as declared
from di_salesforce.triggers import Direction, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

COLLECTIONS = "*/composite/sobjects*"


def test_an_empty_store_is_refused(world: World) -> None:
    """A run without a memory would create whoever is missing: it is refused before anything is written."""
    world.contact("ann@example.com")
    with pytest.raises(FirstRunError, match="first_run=True"):
        world.sync().run()
    assert world.write_calls == (0, 0)


def test_a_first_run_that_is_asked_for_goes_on(world: World) -> None:
    """`first_run=True`, or a plan that was looked at and applied, is what lets a run begin."""
    world.contact("ann@example.com")
    assert world.sync().run(first_run=True).ok
    assert world.sync().run().ok
    fresh = MemoryStore()
    sync = world.sync(store=fresh)
    with pytest.raises(FirstRunError):
        sync.run()
    sync.apply(sync.plan())
    assert sync.run().ok


def test_a_second_run_writes_nothing(world: World) -> None:
    """With nothing changed neither side is asked for a write, by the servers' own logs, run after run."""
    world.contact("ann@example.com", points=1.0)
    world.person("bob@example.com", points=2)
    world.pair("cat@example.com")
    world.contact("dan@example.com", last="A name that is far too long for there")
    sync = world.sync()
    sync.run(first_run=True)
    after = world.write_calls
    for _ in range(3):
        world.clock.sleep(3600)
        assert sync.run().written == ()
        assert world.sync().run().written == ()
    assert world.write_calls == after


def test_a_quiet_run_makes_only_the_calls_that_reading_needs(settled: World) -> None:
    """A run with nothing to do reads each side once."""
    sync = settled.sync()
    sync.plan()  # schemas and the org's identity are read once for a synchronizer
    before = len(settled.salesforce.requests), len(settled.dialog_insight.requests)
    assert sync.run().ok
    assert (len(settled.salesforce.requests) - before[0], len(settled.dialog_insight.requests) - before[1]) == (1, 1)


def test_edits_on_both_sides_meet(settled: World) -> None:
    """Different fields of one record edited on the two sides both arrive, in one run."""
    ann = settled.contact_id("ann@example.com")
    settled.salesforce.edit("Contact", ann, FirstName="Anna")
    settled.dialog_insight.edit_contact(4400, settled.person_id("ann@example.com"), Points=99)
    report = settled.sync().run()
    assert len(report.written) == 2
    here, there = settled.truth()
    assert here == there
    assert ("ann@example.com", "Anna", "Roy", 99.0) in here


def test_an_edit_that_was_taken_back_leaves_nothing(settled: World) -> None:
    """A value that went there and back between two runs is no difference."""
    ann = settled.contact_id("ann@example.com")
    settled.salesforce.edit("Contact", ann, FirstName="Anna")
    settled.salesforce.edit("Contact", ann, FirstName="Ann")
    assert settled.sync().run().written == ()
    assert settled.write_calls == (0, 0)


def test_keys_narrow_the_run(settled: World) -> None:
    """`keys=` looks at these records alone: their edits arrive, all others wait for the next run."""
    for name in ("ann", "bob"):
        settled.salesforce.edit("Contact", settled.contact_id(f"{name}@example.com"), FirstName="New")
    sync = settled.sync()
    [line] = sync.run(keys=["ann@example.com"]).written
    assert line.key == "ann@example.com"
    [line] = sync.run().written
    assert line.key == "bob@example.com"


def test_keys_find_a_new_record(settled: World) -> None:
    """A record that one side has and the other lacks is created, once its absence there was looked up."""
    settled.contact("new@example.com")
    settled.contact("other@example.com")
    [line] = settled.sync().run(keys=["new@example.com"]).written
    assert (line.kind, line.key) == ("create", "new@example.com")
    assert len(settled.truth()[1]) == 4


def test_keys_say_nothing_of_who_is_not_asked_for(settled: World) -> None:
    """After a look at one key everybody else is still linked, and nobody counts as deleted."""
    settled.sync().run(keys=["ann@example.com"])
    report = settled.sync().run()
    assert report.lines == ()
    assert len(settled.store.baseline("people")) == 3


def test_keys_of_another_shape_are_refused(settled: World) -> None:
    """A key with more parts than the transfer's is a mistake, and is told as one."""
    with pytest.raises(ConfigurationError, match="parts"):
        settled.sync().run(keys=[("ann@example.com", "b")])


def test_max_writes_stops_before_writing(settled: World) -> None:
    """A transfer that would go past the limit is not begun: nothing is written, the report is not ok and says why."""
    for name in ("ann", "bob", "cat"):
        settled.salesforce.edit("Contact", settled.contact_id(f"{name}@example.com"), FirstName="New")
    report = settled.sync().run(max_writes=2)
    assert not report.ok
    assert "max_writes" in report.cut_short
    assert settled.write_calls == (0, 0)
    assert len(settled.sync().run(max_writes=3).written) == 3


def test_an_inactive_transfer_is_left_out(world: World, people_transfer: Any) -> None:
    """A run passes over a transfer that is not active: it writes nothing for it."""
    world.contact("ann@example.com")
    report = world.sync(Integration([people_transfer(active=False)])).run(first_run=True)
    assert report.ok
    assert world.write_calls == (0, 0)


def test_somebody_new_in_b_reaches_salesforce_and_a_in_one_run(three: World) -> None:
    """A person who is acquired in the type B project is created in Salesforce, and from there in the type A project."""
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID, [{"EMail": "new@example.com", "FirstName": "Noé", "LastName": "Roy"}]
    )
    report = three.sync().run(first_run=True)
    assert report.ok
    [contact] = three.salesforce.rows("Contact")
    [person] = three.dialog_insight.contacts(declared.COMMUNICATIONS_ID)
    assert person["ClientNo"] == contact["Id"]
    assert person["EMail"] == "new@example.com"
    assert person["FirstName"] == "Noé"
    before = three.write_calls
    assert three.sync().run().ok
    assert three.write_calls == before


def test_parents_come_before_children(three: World) -> None:
    """An order and the contact that it refers to are both new: the contact is created first, and the order finds it."""
    [account] = three.salesforce.load("Account", [{"Name": "Roy & Cie"}])
    [contact] = three.salesforce.load("Contact", [{"LastName": "Roy", "Email": "ann@example.com"}])
    three.salesforce.load(
        "Order",
        [
            {"Id": "8015g00000A9Nr4AAF", "OrderNumber": "00000001", "AccountId": account, "BillToContactId": contact,
             "EffectiveDate": "2026-02-01", "Status": "Draft", "TotalAmount": 12.5},
        ],
        trusted=True,
    )  # fmt: skip
    report = three.sync().run(first_run=True)
    assert report.ok
    [person] = three.dialog_insight.contacts(declared.COMMUNICATIONS_ID)
    [row] = three.dialog_insight.rows(declared.ORDERS_ID)
    assert row["idContact"] == person["idContact"]
    assert row["idOrder"] == "00000001"
    before = three.write_calls
    three.sync().run()
    assert three.write_calls == before


def test_a_relational_row_is_claimed_by_its_key(three: World) -> None:
    """A row without a record id that one transfer has linked is taken by no other transfer of the table."""
    [account] = three.salesforce.load("Account", [{"Name": "Roy & Cie"}])
    three.salesforce.load(
        "Order",
        [
            {"Id": "8015g00000A9Nr4AAF", "OrderNumber": "00000001", "AccountId": account,
             "EffectiveDate": "2026-02-01", "Status": "Draft", "TotalAmount": 12.5},
        ],
        trusted=True,
    )  # fmt: skip
    three.sync().run(first_run=True)
    orders = three.integration["orders"]
    again = ObjectTransfer(
        "again",
        sobject="Order",
        table="Orders",
        project=orders.project,
        fields=[FieldMapping("OrderNumber", "idOrder", key=True, direction=Direction.TO_SALESFORCE)],
    )
    plan = three.sync(Integration([*three.integration.transfers, again])).plan("again")
    assert {(action.kind, action.reason) for action in plan.actions} == {("skip", "claimed")}


def test_named_transfers_alone_run(three: World) -> None:
    """A run of one transfer leaves the others' tables alone."""
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID, [{"EMail": "new@example.com", "FirstName": "Noé", "LastName": "Roy"}]
    )
    three.sync().run("subscribers", first_run=True)
    assert len(three.salesforce.rows("Contact")) == 1
    assert three.dialog_insight.contacts(declared.COMMUNICATIONS_ID) == []


def test_changes_that_land_while_a_run_reads_are_seen_by_the_next(settled: World) -> None:
    """Somebody edits a record after Salesforce was read and before the run ends: the next run brings it over."""
    ann = settled.contact_id("ann@example.com")
    settled.salesforce.edit("Contact", ann, FirstName="First")
    settled.dialog_insight.inject(
        Meanwhile(lambda: settled.salesforce.edit("Contact", ann, LastName="Second")), method="Merge"
    )
    settled.sync().run()
    assert settled.sync().run().ok
    assert ("ann@example.com", "First", "Second", 10.0) in settled.truth()[1]


def test_two_runs_at_once_are_refused(settled: World) -> None:
    """While one run goes on, another on the same store is refused and told so, whichever synchronizer it is of."""
    refused: list[AlreadyRunningError] = []
    sync, other = settled.sync(), settled.sync()

    def begin_another() -> None:
        for each in (sync, other):
            try:
                each.run()
            except AlreadyRunningError as error:
                refused.append(error)

    other.plan()  # so that it is past its log-in: the simulator waits for this function
    settled.salesforce.inject(Meanwhile(begin_another), path="*/query*")
    assert sync.run().ok
    assert len(refused) == 2
    assert all(error.holder and error.since for error in refused)
    assert other.run().ok


def test_a_run_that_fails_gives_the_lease_back(settled: World, failing: Callable[[World], object]) -> None:
    """After an error the store is free: the next run need not wait for the lease to run out."""
    failing(settled)
    with pytest.raises(Exception, match="500"):
        settled.sync().run()
    settled.salesforce.withdraw()
    assert settled.sync().run().ok


def test_a_transfer_that_refers_to_itself_is_quiet_after_one_run(world: World) -> None:
    """A line of new people, each of whom reports to the one before, needs no second run to know of each other."""
    names = [f"{rank}@example.com" for rank in ("boss", "head", "lead", "member")]
    ids = [world.contact(name) for name in names]
    for superior, member in pairwise(ids):
        world.salesforce.edit("Contact", member, ReportsToId=superior)
    fields = [
        FieldMapping("Email", "EMail", key=True),
        FieldMapping("ReportsToId", "Points", references="people", direction=Direction.TO_DIALOG_INSIGHT),
    ]
    transfer = ObjectTransfer(
        "people", sobject="Contact", project=world.integration["people"].project, fields=fields, triggers=Trigger.ALL
    )
    world.sync(Integration([transfer])).run(first_run=True)
    people = {row["EMail"]: row for row in world.dialog_insight.contacts(4400)}
    assert len(people) == len(names)
    for superior, member in pairwise(names):
        assert people[member]["Points"] == people[superior]["idContact"]


def test_it_works_over_real_http(make_world: Any) -> None:
    """The same over sockets: both sides come into agreement, and the second run is silent."""
    world = make_world(sockets=True)
    world.contact("ann@example.com", points=4)
    world.person("bob@example.com")
    sync = world.sync()
    assert sync.run(first_run=True).ok
    here, there = world.truth()
    assert here == there
    assert len(here) == 2
    before = world.write_calls
    assert sync.run().ok
    assert world.write_calls == before


def test_a_report_names_the_side_of_each_write(world: World) -> None:
    """Where something was written stands in the report's lines."""
    world.contact("ann@example.com")
    world.person("bob@example.com")
    report = world.sync().run(first_run=True)
    assert {(line.key, line.side) for line in report.written} == {
        ("ann@example.com", Side.DIALOG_INSIGHT),
        ("bob@example.com", Side.SALESFORCE),
    }
