"""Laws of ownership: a memory belongs to one org and its projects, and is never used for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.exceptions import FirstRunError, ForeignStoreError
from di_salesforce.mapping import DestinationProject, Integration
from di_salesforce.stores import MemoryStore, SQLiteStore
from di_salesforce.testing import FakeSalesforce, Project, ProjectField
from di_salesforce.testing import sandbox as declared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

OTHER_ORG = "00DFk0000000002MAA"
OTHER_PROJECT = 4401
CALLS = ["check", "plan", "run", "compare"]


@pytest.fixture
def sandbox_org(settled: World) -> World:
    """Give the same world after somebody logged in to another org, which has the same people."""
    other = FakeSalesforce(org_id=OTHER_ORG, clock=settled.clock)
    for field in declared._CUSTOM_FIELDS:
        other.add_field("Contact", field)
    settled.salesforce = other
    for name in ("ann", "bob", "cat"):
        settled.contact(f"{name}@example.com", first="Sandbox")
    return settled


@pytest.mark.parametrize("call", CALLS)
def test_another_org_is_refused_before_anything_is_read(sandbox_org: World, call: str) -> None:
    """With the memory of production and a log-in to a sandbox nothing is planned, and no record is even read."""
    before = len(sandbox_org.dialog_insight.requests)
    with pytest.raises(ForeignStoreError, match=OTHER_ORG):
        getattr(sandbox_org.sync(), call)()
    assert sandbox_org.write_calls == (0, 0)
    assert not [entry for entry in sandbox_org.salesforce.requests if entry.sobject == "Contact" and entry.row_count]
    assert all(entry.service.lower() != "contacts" for entry in sandbox_org.dialog_insight.requests_since(before))


def test_its_own_org_is_still_welcome_after_a_refusal(sandbox_org: World) -> None:
    """A refusal changes nothing: the memory of the real org is as it was."""
    before = sandbox_org.store.baseline("people")
    with pytest.raises(ForeignStoreError):
        sandbox_org.sync().run()
    assert sandbox_org.store.baseline("people") == before


def test_a_plan_of_another_org_is_refused(settled: World, sandbox_org: World) -> None:
    """A plan that was made for one org is not applied to another with the same store."""
    with pytest.raises(ForeignStoreError):
        sandbox_org.sync().apply(sandbox_org.sync(store=MemoryStore()).plan())
    assert sandbox_org.write_calls == (0, 0)


def second_project(world: World, people_transfer: Callable[..., Any], project: int = OTHER_PROJECT) -> Any:
    world.dialog_insight.add_project(
        Project(
            project,
            "second",
            fields=[
                ProjectField("EMail", "email", required=True, key=True),
                ProjectField("LastName", "text"),
                ProjectField("Points", "integer"),
            ],
        )
    )
    transfer = people_transfer(project=DestinationProject("second", id=project))
    return attrs.evolve(transfer, name="second")


def test_wholly_other_projects_are_refused(settled: World, people_transfer: Callable[..., Any]) -> None:
    """The same org with an integration about another project alone is another job: it gets a store of its own."""
    with pytest.raises(ForeignStoreError, match=str(OTHER_PROJECT)):
        settled.sync(Integration([second_project(settled, people_transfer)])).plan()
    assert settled.write_calls == (0, 0)


def test_a_project_may_join(settled: World, people_transfer: Callable[..., Any]) -> None:
    """A project that is added to the integration is added to the store; the old transfers keep their memory."""
    wider = Integration([*settled.integration.transfers, second_project(settled, people_transfer)])
    plan = settled.sync(wider).plan()
    assert {action.transfer for action in plan.writes} == {"second"}
    settled.sync(wider).apply(plan)
    assert settled.sync(wider).run().written == ()
    assert settled.sync().run().written == ()


def test_a_lost_store_creates_nobody(settled: World) -> None:
    """With an empty memory in the place of the real one a run is refused, and says that the store may be lost."""
    settled.contact("new@example.com")
    with pytest.raises(FirstRunError, match="lost"):
        settled.sync(store=MemoryStore()).run()
    assert settled.write_calls == (0, 0)


def test_a_lost_store_can_be_made_anew(settled: World) -> None:
    """Planned with an empty memory, people who agree are linked again without a write; who differs is held."""
    settled.salesforce.edit("Contact", settled.contact_id("ann@example.com"), FirstName="Edited")
    fresh = settled.sync(store=MemoryStore())
    plan = fresh.plan()
    assert plan.writes == ()
    assert len(plan.conflicts) == 1
    fresh.apply(plan)
    assert settled.write_calls == (0, 0)
    assert fresh.run().written == ()


def test_an_older_copy_of_the_store_overwrites_nothing_newer(make_world: Callable[..., World], tmp_path: Path) -> None:
    """A restored copy does not know the last runs; what it would write is still based on what stands there now."""
    path, copy = tmp_path / "memory.db", tmp_path / "copy.db"
    world = make_world(store=SQLiteStore(path))
    number = world.pair("ann@example.com", first="One")[1]
    world.sync().run(first_run=True)
    with SQLiteStore(path) as store:
        store._db.execute("VACUUM INTO ?", (str(copy),))
    world.salesforce.edit("Contact", world.contact_id("ann@example.com"), FirstName="Two")
    world.sync().run()
    world.dialog_insight.edit_contact(4400, number, FirstName="Three")
    world.store.close()
    with SQLiteStore(copy) as restored:
        sync = world.sync(store=restored)
        plan = sync.plan()
        assert plan.writes == ()  # both sides have moved since the copy: held, not overwritten
        assert len(plan.conflicts) == 1
