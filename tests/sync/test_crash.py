"""Law 10: stop anywhere, run again, and the end is the same: no duplicate, no lost edit, on both services' own word.

The flow of a run is driven by hand and broken off at each of its steps in turn,
inside parallel work too.  What is left of the process is what a `kill -9` leaves: both services, and the store.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from di_salesforce.exceptions import AlreadyRunningError, DISalesforceError, StoreError, TransportError
from di_salesforce.records import Side
from di_salesforce.stores import MemoryStore, SQLiteStore
from di_salesforce.testing import sandbox as declared
from di_salesforce.wire import Flow, Local, Now, Renew, Send, SendAll, Sleep, Step, Ticks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sync.conftest import World

    from di_salesforce.stores import Store
    from di_salesforce.synchronizer import Synchronizer

T = TypeVar("T")
PROJECT = 4400


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """The store as a process sees it: once the process is gone, so is all that it would still do with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.alive = True

    def __getattr__(self, name: str) -> Any:
        if not self.alive:
            raise Killed
        return getattr(self._store, name)


class Doomed:
    """Carries a flow out step by step, and is gone before the effect of step number `last`.

    That is also after the effect of the step before it: between two steps a flow does nothing that anybody could see.
    Work that runs at once runs here one after the other, each of its steps counted.  A `Local` step is the store's own
    transaction: it happens, or it does not.
    """

    def __init__(
        self, sync: Synchronizer, store: Mortal, clock: Any, last: int | None, error: DISalesforceError | None = None
    ) -> None:
        self._error = error  # thrown into the flow after the effect of the last step, instead of dying before it
        self._connections = sync._connections
        self._store = store
        self._clock = clock
        self._last = last
        self.names: list[str] = []

    def run(self, flow: Flow[T]) -> T:
        """Carry the flow out; raises `Killed` at the last step."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = self._step(step)
                except DISalesforceError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _step(self, step: Step) -> object:
        if isinstance(step, SendAll):
            return [self._one(flow) for flow in step.flows]
        is_last = len(self.names) == self._last
        if is_last and self._error is None:
            self._store.alive = False
            raise Killed
        self.names.append(_named(step))
        answer = self._effect(step)
        if is_last and self._error is not None:
            raise self._error
        return answer

    def _one(self, flow: Flow[Any]) -> object:
        try:
            return self.run(flow)
        except DISalesforceError as error:
            return error

    def _effect(self, step: Step) -> object:
        match step:
            case Send(request, connection):
                return self._connections[connection].send(request)
            case Sleep(seconds):
                return self._clock.sleep(seconds)
            case Now():
                return self._clock()
            case Ticks():
                return self._clock.ticks()
            case Renew(connection, stale):
                return self._connections[connection].renew(stale)
            case Local(function):
                return function()
            case _:
                raise AssertionError(step)


def _named(step: Step) -> str:
    """Name a step; a request that changes something is told from one that reads."""
    if isinstance(step, Send):
        return "Send write" if step.request.writes else "Send"
    return step.name if isinstance(step, Local) else type(step).__name__


CHANGES = ("Send write", "record the intent", "note the outcomes", "remember", "take the lease", "claim the store")


def around_changes(steps: list[str]) -> list[int]:
    """Number the steps before and after which something changes: elsewhere a death is the same as a step later."""
    return sorted({number + later for number, name in enumerate(steps[:-1]) if name in CHANGES for later in (0, 1)})


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


def drive(world: World, last: int | None, error: DISalesforceError | None = None) -> list[str]:
    """Run until the step, and give the names of the steps that were carried out; the lease stays with the dead."""
    store = Mortal(world.store)
    sync = world.sync(store=store)
    doomed = Doomed(sync, store, world.clock, last, error)
    sync._runner = doomed
    with suppress(Killed, DISalesforceError):
        sync.run(first_run=True)
    return doomed.names


def finish(world: World) -> None:
    """Come back later, as the next nights' jobs do, with new processes; the dead one's lease has ended by then."""
    for _ in range(2):
        world.clock.sleep(3600)
        world.sync().run(first_run=True)


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
    finish(world)
    assert_at_rest(world)
    return world.truth()


def test_killed_at_any_step_of_a_run(make_world: Callable[..., World]) -> None:
    """Whatever step is the last, later runs come to the end that an undisturbed run comes to, and nobody is doubled."""
    end = expected(make_world)
    world = make_world()
    people(world)
    steps = drive(world, None)
    assert {"Send", "Send write", "Now", "record the intent", "note the outcomes", "remember"} <= set(steps)
    for last in range(len(steps)):
        world = make_world()
        people(world)
        assert drive(world, last) == steps[:last]
        finish(world)
        assert world.truth() == end, f"killed before step {last} ({steps[last]})"
        assert_at_rest(world)


def test_an_edit_after_a_death_is_not_lost(make_world: Callable[..., World]) -> None:
    """Somebody edits a field that the dead run may or may not have written: their value stands, whatever was done."""
    steps = drive(make_people(make_world), None)
    for last in around_changes(steps):
        world = make_people(make_world)
        drive(world, last)
        world.dialog_insight.edit_contact(PROJECT, world.person_id("ann@example.com"), LastName="Mine")
        world.salesforce.edit("Contact", world.contact_id("bob@example.com"), FirstName="Yours")
        finish(world)
        here, there = world.truth()
        assert [row[2] for row in there if row[0] == "ann@example.com"] == ["Mine"], f"step {last} ({steps[last]})"
        assert [row[1] for row in here if row[0] == "bob@example.com"] == ["Yours"], f"step {last} ({steps[last]})"
        assert_at_rest(world)


LOST = TransportError("the answer was lost", side=Side.SALESFORCE, may_have_applied=True)
ERRORS = {"Send": LOST, "Send write": LOST}


def test_an_error_after_any_effect(make_world: Callable[..., World]) -> None:
    """Whatever fails after it has happened, a write or a line in the store, later runs come to the same end."""
    end = expected(make_world)
    steps = drive(make_people(make_world), None)
    for last, name in enumerate(steps):
        if name not in CHANGES:
            continue
        world = make_people(make_world)
        drive(world, last, ERRORS.get(name, StoreError("the disk is gone")))
        finish(world)
        assert world.truth() == end, f"failed after step {last} ({name})"
        assert_at_rest(world)


def test_what_is_known_of_a_dead_run_settles(make_world: Callable[..., World]) -> None:
    """Killed after the answer to a create was noted, the next run remembers it at once: nothing waits."""
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.contact("new@example.com")
    steps = drive(world, None)
    world = make_world()
    world.pair("ann@example.com")
    world.sync().run(first_run=True)
    world.contact("new@example.com")
    noted = steps.index("note the outcomes")
    drive(world, noted + 1)
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
    drive(world, drive_names(make_world).index("Send write"))
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
    return drive(world, None)


def test_killed_again_and_again(make_world: Callable[..., World]) -> None:
    """A process that dies one step later each time that it is started gets there in the end, and doubles nobody."""
    end = expected(make_world)
    world = make_world()
    people(world)
    for last in range(500):  # far more than any run has steps
        world.clock.sleep(3600)
        if len(drive(world, last)) < last:
            break  # it lived: there was less left to do
    else:
        pytest.fail("no run came to its end")
    finish(world)
    assert world.truth() == end
    assert_at_rest(world)


def make_people(make_world: Callable[..., World]) -> World:
    world = make_world()
    people(world)
    return world


def test_killed_at_any_write_with_a_file_for_memory(make_world: Callable[..., World], tmp_path: Path) -> None:
    """The same with a SQLite store that is opened again after the death, as another process does."""
    end = expected(make_world)
    steps = drive(make_people(make_world), None)
    for last in around_changes(steps):
        path = tmp_path / f"killed-{last}.db"
        world = make_world(store=SQLiteStore(path))
        people(world)
        drive(world, last)
        world.store.close()
        with SQLiteStore(path) as world.store:
            finish(world)
            assert world.truth() == end, f"killed before step {last} ({steps[last]})"
            assert_at_rest(world)


def test_the_dead_keep_nobody_out_for_long(make_world: Callable[..., World]) -> None:
    """The lease of a process that was killed is still there, names it, and ends by itself."""
    world = make_people(make_world)
    drive(world, 12)
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
    finish(world)
    end = three_truth(world)
    assert [len(table) for table in end] == [3, 2, 3]
    steps = drive(fresh_three(), None)
    for last in around_changes(steps):
        world = fresh_three()
        drive(world, last)
        finish(world)
        assert three_truth(world) == end, f"killed before step {last} ({steps[last]})"
        assert_at_rest(world)
