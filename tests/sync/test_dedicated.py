"""Law 10, its absolute half: where the target has a unique dedicated key, no repetition makes a second record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.mapping import FieldMapping, Integration, ObjectTransfer
from di_salesforce.retry import RetryPolicy
from di_salesforce.testing import Field, HttpStatus, LateWrite, LostAnswer, Meanwhile, ResetConnection, TruncatedBody
from di_salesforce.triggers import Direction, Trigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

PROJECT = 4400
KEY = "Integration_Key__c"
WRITES = "*/composite/sobjects*"


@pytest.fixture
def make_keyed(
    make_world: Callable[..., World], people_transfer: Callable[..., ObjectTransfer]
) -> Callable[..., tuple[World, Integration]]:
    """Make a world whose Salesforce has an external id that only this integration writes, filled with the address."""

    def make(*, dedicated: bool = True, **options: Any) -> tuple[World, Integration]:
        world = make_world(**options)
        world.salesforce.add_field("Contact", Field(KEY, "string", length=80, external_id=True, unique=dedicated))
        transfer = people_transfer(
            fields=[FieldMapping(KEY, "EMail", key=True), FieldMapping("LastName", "LastName")],
            dedicated_key=dedicated,
        )
        return world, Integration([transfer])

    return make


def keys(world: World) -> list[str]:
    return sorted(str(row[KEY]) for row in world.salesforce.rows("Contact"))


def assert_at_rest(world: World, integration: Integration) -> None:
    before = world.write_calls
    sync = world.sync(integration)
    assert sync.run().ok
    assert world.write_calls == before
    assert sync.compare().ok


def test_a_create_is_an_upsert_by_the_dedicated_key(make_keyed: Callable[..., tuple[World, Integration]]) -> None:
    """A dedicated key is what Salesforce finds a record by, and a record that is not there is made."""
    world, integration = make_keyed()
    world.person("ann@example.com")
    report = world.sync(integration).run(first_run=True)
    assert report.ok
    assert [line.kind for line in report.written] == ["create"]
    assert all(call.path.endswith(f"/Contact/{KEY}") for call in world.salesforce.writes)
    assert keys(world) == ["ann@example.com"]
    assert_at_rest(world, integration)


FAULTS = [LostAnswer(), ResetConnection(), TruncatedBody(0.3), HttpStatus(500), HttpStatus(503), LateWrite(5_000.0)]


@pytest.mark.parametrize("bulk_from", [None, 1])
@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_whatever_is_lost_nobody_is_doubled(
    make_keyed: Callable[..., tuple[World, Integration]], fault: Any, attempts: int, bulk_from: int | None
) -> None:
    """Any answer lost, repeated at once or by a later run, and even landing long after the quarantine: one record."""
    world, integration = make_keyed(retry=RetryPolicy(attempts=attempts), bulk_from=bulk_from)
    for name in ("ann", "bob"):
        world.person(f"{name}@example.com")
    path = WRITES if bulk_from is None else "*/jobs/ingest*"
    world.salesforce.inject(fault, method="PATCH", path=path)
    for _ in range(5):
        world.sync(integration).run(first_run=True)
        assert len(keys(world)) == len(set(keys(world)))
        world.clock.sleep(2_000)
    world.salesforce.land()
    for _ in range(2):
        world.clock.sleep(2_000)
        world.sync(integration).run()
    assert keys(world) == ["ann@example.com", "bob@example.com"]
    assert_at_rest(world, integration)


def test_without_a_dedicated_key_a_create_that_lands_after_the_quarantine_is_doubled(
    make_keyed: Callable[..., tuple[World, Integration]],
) -> None:
    """Why it is worth having one: a plain create that outlasts the quarantine makes the second record."""
    world, integration = make_keyed(dedicated=False)
    world.person("ann@example.com")
    world.salesforce.inject(LateWrite(5_000.0), method="POST", path=WRITES)
    for _ in range(3):
        world.sync(integration).run(first_run=True)
        world.clock.sleep(2_000)
    world.salesforce.land()
    assert keys(world) == ["ann@example.com"] * 2


def test_an_upsert_that_met_a_record_is_told_and_linked(make_keyed: Callable[..., tuple[World, Integration]]) -> None:
    """Somebody else wrote the key between our look and the create: no second record, no silence, and then a link."""
    world, integration = make_keyed()
    world.person("ann@example.com", last="Ours")
    act = Meanwhile(lambda: world.salesforce.load("Contact", [{KEY: "ann@example.com", "LastName": "Theirs"}]))
    world.salesforce.inject(act, method="PATCH", path=WRITES)
    report = world.sync(integration).run(first_run=True)
    [met] = report.of(kind="create")
    assert (met.outcome, met.code) == ("stale", "create.met_existing")
    assert "not known" in met.message
    assert "Met a record that was there already" in str(report)
    assert report.written == ()
    assert keys(world) == ["ann@example.com"]
    assert len(world.store.baseline("people")) == 1
    [done] = world.sync(integration).history("ann@example.com")
    assert not done.applied.sure
    assert_at_rest(world, integration)


def test_a_repetition_that_met_our_own_create_is_linked_within_the_run(
    make_keyed: Callable[..., tuple[World, Integration]],
) -> None:
    """The answer to a create got lost and it was sent again at once: the second finds the first, and all is settled."""
    world, integration = make_keyed(retry=RetryPolicy(attempts=3))
    world.person("ann@example.com")
    world.salesforce.inject(LostAnswer(), method="PATCH", path=WRITES)
    report = world.sync(integration).run(first_run=True)
    assert report.unknown == ()
    assert keys(world) == ["ann@example.com"]
    assert len(world.store.baseline("people")) == 1
    assert_at_rest(world, integration)


def test_killed_at_any_step_with_a_dedicated_key(make_keyed: Callable[..., tuple[World, Integration]]) -> None:
    """Whatever step is the last, in bulk and by collections, each person is there once in the end."""
    for bulk_from in (None, 2):

        def make(bulk_from: int | None = bulk_from) -> World:
            world, world.integration = make_keyed(bulk_from=bulk_from)
            for name in ("ann", "bob", "cat"):
                world.person(f"{name}@example.com")
            return world

        steps = make().drive(None)
        for last in range(len(steps)):
            world = make()
            world.drive(last)
            world.finish()
            assert keys(world) == [f"{name}@example.com" for name in ("ann", "bob", "cat")], f"step {last}"
            assert_at_rest(world, world.integration)


@pytest.mark.parametrize(
    "fields",
    [
        [FieldMapping(KEY, "EMail", key=True), FieldMapping("LastName", "LastName", key=True)],
        [FieldMapping("Id", "Code", key=True)],
        [FieldMapping(KEY, "EMail", key=True, direction=Direction.TO_DIALOG_INSIGHT)],
    ],
    ids=["two fields", "the record's id", "not written"],
)
def test_what_cannot_be_a_dedicated_key_is_refused(fields: list[FieldMapping]) -> None:
    """A dedicated key is one external id that the transfer writes."""
    with pytest.raises(ConfigurationError, match="dedicated"):
        ObjectTransfer("t", sobject="Contact", fields=fields, triggers=Trigger.ALL, dedicated_key=True)


def test_the_declaration_goes_through_plain_data(make_keyed: Callable[..., tuple[World, Integration]]) -> None:
    """What is written is read as the same, and an older declaration has no dedicated key."""
    _, integration = make_keyed()
    data = integration.to_dict()
    assert Integration.from_dict(data) == integration
    del data["transfers"][0]["dedicated_key"]
    assert not Integration.from_dict(data)["people"].dedicated_key
