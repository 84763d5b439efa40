"""Laws of drift in a run: a table that changed is explained before it can do harm, and a person accepts it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.exceptions import SchemaChangedError, ServerError
from di_salesforce.mapping import FieldMapping, Integration
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore
from di_salesforce.testing import HttpStatus, Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400


def change_field(world: World, name: str, **changes: object) -> None:
    """Let an administrator change a field of Salesforce's Contact."""
    field = world.salesforce._field("Contact", name)
    world.salesforce.add_field("Contact", attrs.evolve(field, **changes))


def change_list(world: World, change: Callable[[Project], Project]) -> None:
    """Let somebody change the contact list in Dialog Insight's application."""
    world.dialog_insight.add_project(change(world.dialog_insight._desk.account.projects[PROJECT]))


def codes(told: SchemaChangedError) -> set[str]:
    return {problem.code for problem in told.problems}


def test_a_run_keeps_what_the_tables_look_like(settled: World) -> None:
    """The first run has nothing to compare with, and keeps both descriptions; later runs find nothing to tell."""
    kept = settled.store.schemas("people")
    assert {side: schema.name for side, schema in kept.items()} == dict.fromkeys(Side, "Contact")
    sync = settled.sync()
    assert sync.run().schema_changes == ()
    assert len(sync.schema_changes()) == 0


def test_looking_keeps_nothing(world: World) -> None:
    """Plans, checks and comparisons leave no trace: only what may write keeps the tables' descriptions."""
    world.pair("ann@example.com")
    sync = world.sync()
    sync.plan()
    sync.check()
    sync.compare()
    sync.schema_changes()
    assert world.store.schemas("people") == {}


def test_a_field_out_of_sight_is_never_null(settled: World) -> None:
    """A field that disappears stops plans and runs, says what may have happened, and loses no value anywhere."""
    before = settled.truth()
    remembered = settled.store.baseline("people")
    settled.salesforce.hide_field("Contact", "Loyalty_Points__c")
    for attempt in (settled.sync().run, settled.sync().plan, settled.sync().compare):
        with pytest.raises(SchemaChangedError, match="Its values did not become null") as told:
            attempt()
        assert codes(told.value) == {"schema.field_disappeared", "field.missing"}
        assert "field-level security" in str(told.value)
    settled.salesforce.hide_field("Contact", "Loyalty_Points__c", hidden=False)
    assert settled.store.baseline("people") == remembered
    assert settled.sync().run().written == ()
    assert settled.truth() == before


def test_a_field_deleted_in_dialog_insight_is_never_null(settled: World) -> None:
    """Dialog Insight's fields are watched like Salesforce's: the other side's values are not cleared."""
    points = [row["Loyalty_Points__c"] for row in settled.salesforce.rows("Contact")]
    change_list(settled, lambda p: attrs.evolve(p, fields=[f for f in p.fields if f.code != "Points"]))
    with pytest.raises(SchemaChangedError, match=r"people\.dialog_insight\.Points"):
        settled.sync().run()
    assert [row["Loyalty_Points__c"] for row in settled.salesforce.rows("Contact")] == points


def test_a_gone_field_cannot_be_accepted_away(settled: World) -> None:
    """Accepting does not let a line run whose field is gone; taking the line out does."""
    settled.salesforce.hide_field("Contact", "Loyalty_Points__c")
    settled.sync().accept_schemas()
    with pytest.raises(ValueError, match="has no field 'Loyalty_Points__c'"):
        settled.sync().run()
    [people] = settled.integration.transfers
    without = Integration([people.without_fields("Loyalty_Points__c")])
    assert settled.sync(without).run().ok


def test_a_line_that_is_taken_out_settles_the_matter(settled: World) -> None:
    """A change concerns the lines that name the field: without them there is nothing to accept."""
    settled.salesforce.hide_field("Contact", "Loyalty_Points__c")
    [people] = settled.integration.transfers
    assert settled.sync(Integration([people.without_fields("Loyalty_Points__c")])).run().schema_changes == ()


def test_a_dangerous_change_stops_until_a_person_accepts_it(settled: World) -> None:
    """Until then nothing is written; afterwards runs go on, and it is not told again."""
    change_field(settled, "FirstName", type="textarea")
    settled.contact("dan@example.com")
    writes = settled.write_calls
    sync = settled.sync()
    plan = sync.plan()  # looking is allowed: nothing can be lost by it
    for attempt in (sync.run, lambda: sync.apply(plan)):
        with pytest.raises(SchemaChangedError, match="accept_schemas") as told:
            attempt()
        assert codes(told.value) == {"schema.type_changed"}
    assert settled.write_calls == writes
    assert [change.code for change in sync.check().errors] == ["schema.type_changed"]
    assert [change.code for change in sync.accept_schemas().errors] == ["schema.type_changed"]
    assert len(sync.schema_changes()) == 0
    report = settled.sync().run()
    assert report.schema_changes == ()
    assert len(report.written) == 1


def test_what_is_not_dangerous_is_told_once(settled: World) -> None:
    """A warning does not stop the run: it stands in its report, on its page and in its data, and is then known."""
    change_field(settled, "LastName", length=40)
    report = settled.sync().run()
    assert report.ok
    assert [(change.code, change.path) for change in report.schema_changes] == [
        ("schema.less_room", "people.salesforce.LastName")
    ]
    assert "Tables that changed since the last run:" in str(report)
    assert report.to_dict()["schema_changes"] == [change.to_dict() for change in report.schema_changes]
    assert settled.sync().run().schema_changes == ()


def test_a_run_that_breaks_off_tells_it_again(settled: World, failing: Callable[[World], object]) -> None:
    """What was noticed is kept at the end of the run: an error on the way does not swallow it."""
    change_field(settled, "LastName", length=40)
    failing(settled)
    with pytest.raises(ServerError):
        settled.sync().run()
    settled.salesforce.withdraw()
    assert len(settled.sync().run().schema_changes) == 1


def test_what_does_not_concern_the_transfer_is_silent(settled: World) -> None:
    """A field that no line names may come, change and go."""
    change_field(settled, "Title", length=10)
    assert settled.sync().run().schema_changes == ()
    settled.salesforce.hide_field("Contact", "Title")
    assert settled.sync().run().schema_changes == ()


def test_a_right_that_is_taken_away_stops_the_run(settled: World) -> None:
    """A user who may no longer change records is told so by what was lost, not record by record."""
    contact = settled.salesforce._table("Contact").sobject
    settled.salesforce.declare(attrs.evolve(contact, updateable=False))
    with pytest.raises(SchemaChangedError, match="may no longer update records of 'Contact'"):
        settled.sync().run()


def test_a_line_that_is_new_is_told(settled: World) -> None:
    """Check knows from the store which lines earlier runs compared; before a first run none is new."""
    [people] = settled.integration.transfers
    longer = people.with_field(FieldMapping("Title", "Level"))
    new = [f.path for f in settled.sync(Integration([longer])).check() if f.code == "line.new"]
    assert new == ["transfers[0].fields[4]"]
    fresh = settled.sync(Integration([longer]), store=MemoryStore())
    assert "line.new" not in {finding.code for finding in fresh.check()}


def test_a_service_that_runs_for_weeks_looks_again(settled: World) -> None:
    """A synchronizer relies on a description for minutes, not for its life; one plan and its application need one."""
    sync = settled.sync()
    asked = sync.run().calls
    again = sync.run().calls
    assert sum(again.values()) < sum(asked.values())
    change_field(settled, "FirstName", type="textarea")
    settled.clock.sleep(timedelta(minutes=6).total_seconds())
    with pytest.raises(SchemaChangedError):
        sync.run()


def test_the_awaited_twin_does_the_same(settled: World) -> None:
    """The awaited synchronizer stops, tells and accepts like the blocking one."""
    change_field(settled, "FirstName", type="textarea")

    async def story() -> None:
        sync = settled.async_sync()
        with pytest.raises(SchemaChangedError):
            await sync.run()
        assert len(await sync.schema_changes()) == 1
        assert len(await sync.accept_schemas("people")) == 1
        assert (await sync.run()).ok
        await settled.close_async()

    asyncio.run(story())


def test_each_transfer_is_told_for_itself(three: World) -> None:
    """Where one transfer of a table has run, or was accepted for, the other still hears of the change."""
    three.sync().run(first_run=True)
    names = [t.name for t in three.integration.transfers if t.sobject == "Contact"]
    assert len(names) > 1
    change_field(three, "Email", type="string")
    first, second, *_ = names
    for name in (first, second):
        assert [c.path for c in three.sync().schema_changes(name)] == [f"{name}.salesforce.Email"]
        three.sync().accept_schemas(name)
    assert len(three.sync().schema_changes()) == 0


# ------------------------------------------------------------------------------------------------- fields of parents


@pytest.fixture
def with_account(world: World, people_transfer: Callable[..., Any]) -> tuple[World, Integration]:
    """Give a world of one person whose account's name is mapped, settled."""
    integration = Integration(
        [people_transfer(fields=[*people_transfer().fields, FieldMapping("Account.Name", "Level")])]
    )
    [account] = world.salesforce.load("Account", [{"Name": "Acme"}])
    contact, person = world.pair("ann@example.com")
    world.salesforce.edit("Contact", contact, AccountId=account)
    world.dialog_insight.edit_contact(PROJECT, person, Level="Acme")
    assert world.sync(integration).run(first_run=True).ok
    return world, integration


def test_a_parents_field_out_of_sight_is_never_null(with_account: tuple[World, Integration]) -> None:
    """The field that a path leads to is watched like the table's own: gone, it stops a run, and clears nothing."""
    world, integration = with_account
    world.salesforce.hide_field("Account", "Name")
    with pytest.raises(SchemaChangedError, match=r"Account\.Name.*did not become null") as told:
        world.sync(integration).run()
    assert codes(told.value) == {"schema.field_disappeared"}
    assert [row["Level"] for row in world.dialog_insight.contacts(PROJECT)] == ["Acme"]


def test_a_parents_field_of_another_type_stops_until_a_person_accepts_it(
    with_account: tuple[World, Integration],
) -> None:
    """A changed type of a parent's field is told once, and accepted like any other change."""
    world, integration = with_account
    field = world.salesforce._field("Account", "Name")
    world.salesforce.add_field("Account", attrs.evolve(field, type="textarea"))
    with pytest.raises(SchemaChangedError) as told:
        world.sync(integration).run()
    assert codes(told.value) == {"schema.type_changed"}
    sync = world.sync(integration)
    sync.accept_schemas()
    assert sync.run().schema_changes == ()


def test_a_new_path_is_no_change_of_a_table(settled: World, people_transfer: Callable[..., Any]) -> None:
    """Mapping a parent's field for the first time tells nothing; from then on the field is watched."""
    more = Integration([people_transfer(fields=[*people_transfer().fields, FieldMapping("Account.Name", "Level")])])
    assert settled.sync(more).run().schema_changes == ()
    assert "Account.Name" in settled.store.schemas("people")[Side.SALESFORCE]


def test_the_type_of_a_parents_field_chooses_its_converter(world: World, people_transfer: Callable[..., Any]) -> None:
    """A path has the type of the field that it leads to, over several steps, and can never be written."""
    lines = [FieldMapping("Account.CreatedDate", "Level"), FieldMapping("Account.Parent.Name", "Points")]
    sync = world.sync(Integration([people_transfer(fields=[*people_transfer().fields[:3], *lines])]))
    lenses = {line.salesforce: line.converter for line in sync.resolved()["people"].lines}
    lens = lenses["Account.CreatedDate"]
    assert lens is not None
    assert lens.version.startswith("datetime/")
    assert [(error.code, error.path) for error in sync.check().errors] == []


def test_a_parent_that_may_not_be_described_leaves_its_path_untyped(
    world: World, people_transfer: Callable[..., Any]
) -> None:
    """A user who may not see the parent's description still runs: the path is taken as text, as it was read."""
    world.salesforce.inject(HttpStatus(403), path="*/Account/describe*", times=None)
    world.contact("ann@example.com")
    more = Integration([people_transfer(fields=[*people_transfer().fields, FieldMapping("Account.Name", "Level")])])
    sync = world.sync(more)
    assert sync.run(first_run=True).ok
    assert "Account.Name" not in world.store.schemas("people")[Side.SALESFORCE]
