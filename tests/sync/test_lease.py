"""Who holds the store: a run that lasts longer than its lease, one that stood still, one that is asked to stop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from di_salesforce.exceptions import AlreadyRunningError, ConfigurationError
from di_salesforce.stores import MemoryStore, SQLiteStore
from di_salesforce.synchronizing._pieces import pieces
from di_salesforce.testing import Meanwhile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sync.conftest import World

MINUTE = 60.0

# As the how-to "Run it nightly" has it, in pieces of two records.
RUN = """
import attrs, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.sync.conftest import make_people_transfer
from di_salesforce import DialogInsightClient, Integration, SalesforceClient, SQLiteStore, Synchronizer
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.salesforce import AccessToken

_, _, url, token, host, id_key, key, path = sys.argv
with (
    SalesforceClient(auth=AccessToken(url, token)) as salesforce,
    DialogInsightClient(id_key=id_key, key=key, host=host, capabilities=Capabilities(clauseless_get=True)) as di,
    Synchronizer(
        Integration([make_people_transfer()]), salesforce=salesforce, dialog_insight=di, store=SQLiteStore(path)
    ) as sync,
):
    sync._setup = attrs.evolve(sync._setup, piece=2)
    signal.signal(signal.SIGTERM, lambda *_: sync.stop())
    report = sync.run(first_run=True)
    print(report.cut_short)
    sys.exit(0 if report.ok else 1)
"""


class Slow(MemoryStore):
    """A store that lets time pass at each line of its journal, and notes what happens to the lease."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__()
        self.world, self.seconds = world, seconds
        self.renewed = 0

    def intend(self, *arguments: Any, **named: Any) -> None:
        super().intend(*arguments, **named)
        self.world.clock.sleep(self.seconds)

    def renew(self, *arguments: Any, **named: Any) -> None:
        super().renew(*arguments, **named)
        self.renewed += 1


def in_small_pieces(sync: Any) -> Any:
    """Let a synchronizer send one record at a time."""
    sync._setup = attrs.evolve(sync._setup, piece=1)
    return sync


def test_a_run_that_lasts_longer_than_its_lease_keeps_it(world: World) -> None:
    """A run of an hour with a lease of ten minutes prolongs it before each piece; nobody else gets in meanwhile."""
    store = Slow(world, 8 * MINUTE)
    for number in range(8):
        world.contact(f"p{number}@example.com")
    sync = in_small_pieces(world.sync(store=store, lease=timedelta(minutes=10)))
    assert sync.run(first_run=True).ok
    assert store.renewed >= 8
    assert len(world.truth()[1]) == 8


def test_a_run_that_stood_still_writes_nothing_more(world: World) -> None:
    """Where another run took the store over meanwhile, the one that wakes up again sends nothing, and says so."""
    for number in range(4):
        world.contact(f"p{number}@example.com")
    store = Slow(world, 0)
    first = in_small_pieces(world.sync(store=store, lease=timedelta(minutes=10)))
    real = store.intend

    def taken_over(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        if len(world.dialog_insight.writes) == 1:
            world.clock.sleep(11 * MINUTE)  # this process was stopped, and another came
            store.acquire("the other", now=world.clock(), until=world.clock() + timedelta(minutes=10))

    store.intend = taken_over  # type: ignore[method-assign]  # as a process that is stopped by the system
    with pytest.raises(AlreadyRunningError) as told:
        first.run(first_run=True)
    assert told.value.holder == "the other"
    assert len(world.dialog_insight.writes) == 1
    store.release("the other")
    store.intend = real  # type: ignore[method-assign]  # likewise
    for _ in range(2):
        world.clock.sleep(11 * MINUTE)
        assert world.sync(store=store).run().cut_short == ""
    assert [len(side) for side in world.truth()] == [4, 4]


def test_a_lease_of_nothing_is_refused(world: World) -> None:
    """A lease must last."""
    with pytest.raises(ConfigurationError, match="lease"):
        world.sync(lease=timedelta(0))


def test_a_run_that_is_asked_to_stop_ends_clean(world: World) -> None:
    """What was sent is settled, what was not is told, the report says why, and the next run goes on where it was."""
    for number in range(4):
        world.contact(f"p{number}@example.com")
    sync = in_small_pieces(world.sync())
    world.dialog_insight.inject(Meanwhile(sync.stop), method="Merge", after=1)
    report = sync.run(first_run=True)
    assert report.cut_short == "stopped as asked"
    assert not report.ok
    assert (len(report.written), len(report.untried)) == (2, 2)
    assert world.store.intents() == ()
    [record] = world.store.runs()
    assert (record.cut_short, record.ok) == ("stopped as asked", False)
    assert record.finished is not None
    assert len(sync.run().written) == 2
    assert [len(side) for side in world.truth()] == [4, 4]


def test_a_run_that_is_asked_to_stop_gives_up_its_reading(world: World) -> None:
    """No further page is asked for, nothing is written, and the next run begins anew."""
    for number in range(9):
        world.contact(f"p{number}@example.com")
    world.salesforce.page_size = 3
    sync = world.sync()
    world.salesforce.inject(Meanwhile(sync.stop), path="*/query/*")
    report = sync.run(first_run=True)
    assert report.cut_short == "stopped as asked"
    assert not report.ok
    assert sum("query" in request.route for request in world.salesforce.requests) == 2
    assert world.write_calls == (0, 0)
    assert len(sync.run(first_run=True).written) == 9


@pytest.mark.skipif(sys.platform == "win32", reason="signals of that kind do not reach a process on Windows")
def test_a_signal_ends_a_process_clean(make_world: Callable[..., World], tmp_path: Path) -> None:
    """A real process that is told to end while a write is under way settles it, says so, and leaves the rest."""
    world = make_world(sockets=True)
    for number in range(6):
        world.contact(f"p{number}@example.com")
    token, fake = world.salesforce.access_token(), world.dialog_insight
    path, root = tmp_path / "memory.db", str(Path(__file__).parents[2])
    arguments = [root, world.salesforce.url, token, fake.url, str(fake.id_key), str(fake.key), str(path)]
    with subprocess.Popen([sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, text=True) as process:
        fake.inject(Meanwhile(lambda: process.send_signal(signal.SIGTERM)), method="Merge", after=1)
        told, _ = process.communicate()
    assert (process.returncode, told.strip()) == (1, "stopped as asked")
    with SQLiteStore(path) as store:
        assert store.intents() == ()
        assert len(store.baseline("people")) == 4
        assert world.sync(store=store).run().ok
    assert [len(side) for side in world.truth()] == [6, 6]


def test_pieces_hold_all_of_a_plan_once(make_world: Callable[..., World]) -> None:
    """Every action, link and item of a plan is in just one piece, all about one record in the same, in any size."""
    world = make_world()
    for name in ("ann", "bob", "cat", "dan"):
        world.pair(f"{name}@example.com", points=1)
    world.sync().run(first_run=True)
    world.contact("new@example.com")
    world.person("born@example.com")
    for name in ("ann", "bob"):
        world.salesforce.edit("Contact", world.contact_id(f"{name}@example.com"), LastName="Lee", FirstName="Eve")
        world.dialog_insight.edit_contact(4400, world.person_id(f"{name}@example.com"), Points=9, FirstName="Evelyn")
    plan = world.sync().plan()
    assert {action.kind for action in plan.actions} == {"create", "update", "conflict"}
    for size in (1, 2, 100):
        parts, rest = pieces(plan, lambda _kinds, _count, size=size: size)
        assert rest.writes == ()
        together = [action.id for piece in (*parts, rest) for action in piece.actions]
        assert sorted(together) == sorted(action.id for action in plan.actions)
        links = [link for piece in (*parts, rest) for link in piece.parts[0].links]
        assert sorted(links) == sorted(plan.parts[0].links)
        for piece in parts:
            assert len({action.link for action in piece.writes}) <= size
            others = [action.link for other in parts if other is not piece for action in other.actions]
            assert not {action.link for action in piece.actions} & set(others)


def test_an_awaited_run_gives_up_its_reading_too(world: World) -> None:
    """The awaited synchronizer stops like the blocking one."""
    for number in range(9):
        world.contact(f"p{number}@example.com")
    world.salesforce.page_size = 3

    async def story() -> None:
        sync = world.async_sync()
        world.salesforce.inject(Meanwhile(sync.stop), path="*/query/*")
        assert (await sync.run(first_run=True)).cut_short == "stopped as asked"
        assert len((await sync.run(first_run=True)).written) == 9
        await world.close_async()

    asyncio.run(story())
