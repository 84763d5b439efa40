"""Who holds which record of a list that several transfers share, and what it costs to know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.engine import LinkRecord
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore, SQLiteStore, Store
from di_salesforce.triggers import Trigger

if TYPE_CHECKING:
    from tests.sync.conftest import World

FIELDS = [
    FieldMapping("Email", "EMail", key=True),
    FieldMapping("FirstName", "FirstName"),
    FieldMapping("LastName", "LastName"),
]
OVERLAP = 601.0  # a little more than a feed of changes goes back each time


@pytest.fixture
def sharing(
    make_world: Callable[..., World], people_transfer: Callable[..., ObjectTransfer]
) -> Callable[[Store, int], World]:
    """Make a world of leads and contacts in one contact list, so many of each, all of them linked."""

    def make(store: Store, number: int) -> World:
        contacts = people_transfer(fields=FIELDS, converted_from="leads")
        leads = ObjectTransfer(
            "leads", sobject="Lead", project=contacts.project, fields=FIELDS,
            triggers=Trigger.ALL & ~Trigger.DIALOG_INSIGHT_CREATED, salesforce_filter="IsConverted = false",
        )  # fmt: skip
        world = make_world(integration=Integration([leads, contacts]), store=store)
        world.salesforce.load(
            "Lead",
            [
                {"Email": f"lead{each}@example.com", "FirstName": "Lea", "LastName": "Roy", "Company": "Inc."}
                for each in range(number)
            ],
        )
        for each in range(number):
            world.person(f"lead{each}@example.com", first="Lea")
            world.pair(f"p{each}@example.com")
        assert world.sync().run(first_run=True).ok
        world.clock.sleep(2 * OVERLAP)
        for sobject in ("Lead", "Contact"):  # so that the next reading begins behind all of them
            world.salesforce.edit(sobject, str(world.salesforce.rows(sobject)[0]["Id"]), FirstName="Eve")
        assert world.sync(full_every=timedelta(days=1)).run().ok
        world.clock.sleep(2 * OVERLAP)
        return world

    return make


def test_what_a_shared_list_costs_depends_on_what_changed(
    sharing: Callable[[Store, int], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few changes read few links of the other transfer's memory, however many it has."""
    read: list[str] = []
    given = LinkRecord.from_dict.__func__  # type: ignore[attr-defined]  # a class method's own function

    def counted(cls: type[LinkRecord], data: Any) -> LinkRecord:
        read.append(data["id"])
        return given(cls, data)  # type: ignore[no-any-return]  # see above

    counts: list[int] = []
    for number in (5, 50):
        with SQLiteStore(":memory:") as store:
            world = sharing(store, number)
            world.salesforce.edit("Contact", world.contact_id("p1@example.com"), FirstName="Eve")
            sync = world.sync(full_every=timedelta(days=1))
            with monkeypatch.context() as patched:
                patched.setattr(LinkRecord, "from_dict", classmethod(counted))
                assert [line.key for line in sync.run().written] == ["p1@example.com"]
            counts.append(len(read))
            read.clear()
    assert counts[0] == counts[1]


@pytest.mark.parametrize("make_store", [MemoryStore, lambda: SQLiteStore(":memory:")])
def test_a_record_that_others_hold_is_left_to_them_where_only_changes_are_read(
    sharing: Callable[[Store, int], World], make_store: Callable[[], Store]
) -> None:
    """Somebody becomes a contact with a lead's address: their person is linked once, and nobody is doubled."""
    world = sharing(make_store(), 2)
    world.contact("lead1@example.com", first="Other")
    sync = world.sync(full_every={Side.SALESFORCE: timedelta(days=1), Side.DIALOG_INSIGHT: timedelta(days=1)})
    plan = sync.plan("people")
    assert {(action.kind, action.reason) for action in plan.actions} == {("skip", "claimed")}
    assert sync.run().written == ()
    assert len(world.dialog_insight.contacts(4400)) == 4
