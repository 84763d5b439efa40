"""Law 10: stop anywhere, run again, and the end is the same: no duplicate, no lost edit, on both services' own word.

The flow of a run is driven by hand and broken off at each of its steps in turn,
inside parallel work too.  What is left of the process is what a `kill -9` leaves: both services, and the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.exceptions import AlreadyRunningError, StoreError, TransportError
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore, SQLiteStore
from di_salesforce.testing import sandbox as declared
from di_salesforce.testing._deaths import CHANGES, around_changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World
PROJECT = 4400


def people(world: World) -> None:
    """Populate: a creation each way, an update each way, a conflict, somebody who is refused, somebody who is quiet."""
    world.salesforce.validation_rule("Contact", lambda row, *_: "No." if row.get("LastName") == "Robot" else None)
    for name in ("ann", "bob", "cat", "dan"):
        world.pair(f"{name}@example.com", first=name.title(), points=1)
    world.sync().run(first_run=True)
    world.contact("new-here@example.com", first="Noé", points=5)
    world.person("new-there@example.com", first="Zoé")
    world.person("robot@example.com", last="Robot")
    world.salesforce.edit("Contact", world.contact_id("ann@example.com"), LastName="Lee")
    world.dialog_insight.edit_contact(PROJECT, world.person_id("bob@example.com"), Points=9, FirstName="Robert")
    world.salesforce.edit("Contact", world.contact_id("cat@example.com"), FirstName="Catherine")
    world.dialog_insight.edit_contact(PROJECT, world.person_id("cat@example.com"), FirstName="Catalina")


def assert_at_rest(world: World) -> None:
    """Assert that there is nothing left to do, and that what differs has a reason."""
    before = world.write_calls
    sync = world.sync()
    sync.run()
    assert world.write_calls == before
    comparison = sync.compare()
    assert comparison.ok, str(comparison)


def expected(make_world: Callable[..., World]) -> tuple[Any, Any]:
    """Give the end that an undisturbed run comes to."""
    world = make_world()
    people(world)
    world.finish()
    assert_at_rest(world)
    return world.truth()


def test_killed_at_any_step_of_a_run(make_world: Callable[..., World]) -> None:
    """Whatever step is the last, later runs come to the end that an undisturbed run comes to, and nobody is doubled."""
    end = expected(make_world)
    world = make_world()
    people(world)
    steps = world.drive(None)
    assert {"Send", "Send write", "Now", "record the intent", "note the outcomes", "remember"} <= set(steps)
    for last in range(len(steps)):
        world = make_world()
        people(world)
        assert world.drive(last) == steps[:last]
        world.finish()
        assert world.truth() == end, f"killed before step {last} ({steps[last]})"
        assert_at_rest(world)


def test_an_edit_after_a_death_is_not_lost(make_world: Callable[..., World]) -> None:
    """Somebody edits a field that the dead run may or may not have written: their value stands, whatever was done."""
    steps = make_people(make_world).drive(None)
    for last in around_changes(steps):
        world = make_people(make_world)
        world.drive(last)
        world.dialog_insight.edit_contact(PROJECT, world.person_id("ann@example.com"), LastName="Mine")
        world.salesforce.edit("Contact", world.contact_id("bob@example.com"), FirstName="Yours")
        world.finish()
        here, there = world.truth()
        assert [row[2] for row in there if row[0] == "ann@example.com"] == ["Mine"], f"step {last} ({steps[last]})"
        assert [row[1] for row in here if row[0] == "bob@example.com"] == ["Yours"], f"step {last} ({steps[last]})"
        assert_at_rest(world)


LOST = TransportError("the answer was lost", side=Side.SALESFORCE, may_have_applied=True)
ERRORS = {"Send": LOST, "Send write": LOST}


def test_an_error_after_any_effect(make_world: Callable[..., World]) -> None:
    """Whatever fails after it has happened, a write or a line in the store, later runs come to the same end."""
    end = expected(make_world)
    steps = make_people(make_world).drive(None)
    for last, name in enumerate(steps):
        if name not in CHANGES:
            continue
        world = make_people(make_world)
        world.drive(last, ERRORS.get(name, StoreError("the disk is gone")))
        world.finish()
        assert world.truth() == end, f"failed after step {last} ({name})"
        assert_at_rest(world)


def test_what_is_known_of_a_dead_run_settles(make_world: Callable[..., World]) -> None:
    """Killed after the answer to a create was noted, the next run remembers it at once: nothing waits."""
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.contact("new@example.com")
    steps = world.drive(None)
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.contact("new@example.com")
    noted = steps.index("note the outcomes")
    world.drive(noted + 1)
    [intent] = world.store.intents()
    assert [outcome.kind.value for outcome in intent.outcomes.values()] == ["done"]
    world.clock.sleep(1801)
    report = world.sync().run()
    assert report.ok
    assert report.written == ()
    assert world.store.intents() == ()
    assert [len(side) for side in world.truth()] == [2, 2]
    assert len(world.store.baseline("people")) == 2


def test_what_is_not_known_of_a_dead_run_waits_for_the_quarantine(make_world: Callable[..., World]) -> None:
    """Killed while a create was under way, it may land for ten minutes yet: until then nobody is created again."""
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.person("new@example.com")
    before = world.write_calls
    world.drive(drive_names(make_world).index("Send write"))
    assert world.write_calls == before
    world.clock.sleep(1801)
    world.sync().run()
    assert world.write_calls == before
    world.clock.sleep(601)
    assert world.sync().run().ok
    assert [len(side) for side in world.truth()] == [2, 2]


def drive_names(make_world: Callable[..., World]) -> list[str]:
    """Give the steps of a run that creates one person in Salesforce."""
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.person("new@example.com")
    return world.drive(None)


def test_killed_again_and_again(make_world: Callable[..., World]) -> None:
    """A process that dies one step later each time that it is started gets there in the end, and doubles nobody."""
    end = expected(make_world)
    world = make_world()
    people(world)
    for last in range(500):  # far more than any run has steps
        world.clock.sleep(3600)
        if len(world.drive(last)) < last:
            break  # it lived: there was less left to do
    else:
        pytest.fail("no run came to its end")
    world.finish()
    assert world.truth() == end
    assert_at_rest(world)


def make_people(make_world: Callable[..., World]) -> World:
    world = make_world()
    people(world)
    return world


def test_killed_at_any_write_with_a_file_for_memory(make_world: Callable[..., World], tmp_path: Path) -> None:
    """The same with a SQLite store that is opened again after the death, as another process does."""
    end = expected(make_world)
    steps = make_people(make_world).drive(None)
    for last in around_changes(steps):
        path = tmp_path / f"killed-{last}.db"
        world = make_world(store=SQLiteStore(path))
        people(world)
        world.drive(last)
        world.store.close()
        with SQLiteStore(path) as world.store:
            world.finish()
            assert world.truth() == end, f"killed before step {last} ({steps[last]})"
            assert_at_rest(world)


def test_the_dead_keep_nobody_out_for_long(make_world: Callable[..., World]) -> None:
    """The lease of a process that was killed is still there, names it, and ends by itself."""
    world = make_people(make_world)
    world.drive(12)
    with pytest.raises(AlreadyRunningError):
        world.sync().run()
    world.clock.sleep(3600)
    assert world.sync().run().cut_short == ""


def three_populated(three: World) -> None:
    three.dialog_insight.load_contacts(
        declared.ACQUISITION_ID,
        [{"EMail": f"{n}@example.com", "FirstName": n, "LastName": "Roy", "optin_newsletter": True} for n in "ab"],
    )
    three.salesforce.load("Contact", [{"LastName": "Known", "Email": "c@example.com"}])


def three_truth(three: World) -> list[list[tuple[object, ...]]]:
    """Give all three tables without the ids that each world makes anew."""
    return [
        sorted((str(row["Email"]), str(row["LastName"])) for row in three.salesforce.rows("Contact")),
        *(
            sorted((str(row["EMail"]), str(row["LastName"])) for row in three.dialog_insight.contacts(number))
            for number in (declared.ACQUISITION_ID, declared.COMMUNICATIONS_ID)
        ),
    ]


@pytest.fixture
def fresh_three(three: World) -> Callable[[], World]:
    """Give the same world of three transfers again and again, as it was at first."""
    three_populated(three)
    at_first = three.salesforce.snapshot(), three.dialog_insight.snapshot()

    def again() -> World:
        three.salesforce.restore(at_first[0])
        three.dialog_insight.restore(at_first[1])
        three.store = MemoryStore()
        return three

    return again


def test_killed_between_transfers(fresh_three: Callable[[], World]) -> None:
    """A chain of transfers, B to Salesforce to A, broken at any step: nobody is created twice in any of the three."""
    world = fresh_three()
    world.finish()
    end = three_truth(world)
    assert [len(table) for table in end] == [3, 2, 3]
    steps = fresh_three().drive(None)
    for last in around_changes(steps):
        world = fresh_three()
        world.drive(last)
        world.finish()
        assert three_truth(world) == end, f"killed before step {last} ({steps[last]})"
        assert_at_rest(world)
