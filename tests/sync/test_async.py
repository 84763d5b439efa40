"""Laws of the async synchronizer: the same words, the same results, and an event loop that is never kept waiting."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from di_salesforce.exceptions import AlreadyRunningError, FirstRunError
from di_salesforce.stores import MemoryStore, SQLiteStore
from di_salesforce.synchronizer import AsyncSynchronizer, Synchronizer
from di_salesforce.synchronizing._looking import LOOKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.sync.conftest import World

PROJECT = 4400


def populate(world: World) -> None:
    world.pair("ann@example.com", points=3)
    world.contact("bob@example.com", first="Bob")
    world.person("cat@example.com", first="Cat", points=8)
    world.contact("dan@example.com", first="Here")
    world.person("dan@example.com", first="There")


def awaited(world: World, story: Callable[[AsyncSynchronizer], Coroutine[Any, Any, Any]], store: Any = None) -> Any:
    """Tell an async story with a synchronizer whose clients are closed at its end."""

    async def whole() -> Any:
        sync = world.async_sync(store=store)
        try:
            return await story(sync)
        finally:
            await world.close_async()

    return asyncio.run(whole())


def test_both_give_the_same(make_world: Callable[..., World]) -> None:
    """Findings, plan, report, comparison, memory and both services: equal, step by step."""
    blocking, awaiting = make_world(), make_world()
    populate(blocking)
    populate(awaiting)
    sync = blocking.sync()
    expected = [sync.check(), sync.plan().digest, sync.run(first_run=True).to_dict(), sync.compare().to_dicts()]

    async def story(sync: AsyncSynchronizer) -> list[Any]:
        findings = await sync.check()
        plan = await sync.plan()
        report = await sync.run(first_run=True)
        return [findings, plan.digest, report.to_dict(), (await sync.compare()).to_dicts()]

    assert awaited(awaiting, story) == expected
    assert awaiting.truth() == blocking.truth()
    left, right = blocking.store.baseline("people"), awaiting.store.baseline("people")
    assert {link.id for link in left.links} == {link.id for link in right.links}
    assert set(left.open_items) == set(right.open_items)


def test_a_plan_of_one_can_be_applied_by_the_other(world: World) -> None:
    """A plan is a value: made by the blocking one, decided in, applied by the async one."""
    populate(world)
    plan = world.sync().plan()
    report = awaited(world, lambda sync: sync.apply(plan))
    assert report.ok
    assert len(report.written) == 2
    assert world.sync().plan().writes == ()


METHODS = ["check", "plan", "apply", "run", "compare", "resolved", "schema_changes", "accept_schemas", *LOOKING]


@pytest.mark.parametrize("name", METHODS)
def test_twins_have_the_same_parameters_and_words(name: str) -> None:
    """Each method has a twin with the same parameters, defaults, annotations and docstring; only `await` differs."""
    blocking, awaiting = getattr(Synchronizer, name), getattr(AsyncSynchronizer, name)
    assert inspect.signature(blocking) == inspect.signature(awaiting)
    assert blocking.__doc__ == awaiting.__doc__
    assert blocking.__doc__
    assert inspect.iscoroutinefunction(awaiting)
    assert not inspect.iscoroutinefunction(blocking)


def test_twins_have_the_same_names() -> None:
    """Neither has a public name that the other lacks, and the list above leaves none out."""
    public = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Synchronizer, AsyncSynchronizer)]
    assert public[0] == public[1]
    methods = {name for name in public[0] if callable(getattr(Synchronizer, name))}
    assert methods == {*METHODS, "stop"}  # which waits for nothing, so it has no twin
    parameters = [list(inspect.signature(kind).parameters) for kind in (Synchronizer, AsyncSynchronizer)]
    assert parameters[0] == parameters[1]


class Watched:
    """A store that notes on which thread it is used."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.used: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def noted(*arguments: Any, **named: Any) -> Any:
            self.used.append((name, threading.get_ident()))
            return method(*arguments, **named)

        return noted


def test_the_store_never_blocks_the_event_loop(world: World) -> None:
    """Every call of the store, leases and closing included, is made on another thread than the loop's."""
    populate(world)
    watched = Watched(world.store)

    async def story(sync: AsyncSynchronizer) -> int:
        async with sync:
            await sync.apply(await sync.plan())
            await sync.run()
            await sync.compare()
        return threading.get_ident()

    loop = awaited(world, story, watched)
    assert {name for name, _ in watched.used} >= {"belong_to", "baseline", "save", "acquire", "release", "close"}
    assert loop not in {thread for _, thread in watched.used}


def test_the_loop_goes_on_while_the_store_works(world: World) -> None:
    """While a save is under way other tasks run: the save waits here until one of them has."""
    populate(world)
    others_ran = threading.Event()

    class Slow(MemoryStore):
        def save(self, *arguments: Any, **named: Any) -> None:
            assert others_ran.wait(10)  # never comes where the loop is blocked
            super().save(*arguments, **named)

    async def story(sync: AsyncSynchronizer) -> Any:
        run = asyncio.create_task(sync.run(first_run=True))
        while world.write_calls == (0, 0):  # noqa: ASYNC110 - the simulator's log has no event to wait for
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(others_ran.set)
        return await run

    assert awaited(world, story, Slow()).ok


def test_a_sqlite_store_works_from_the_loop(make_world: Callable[..., World], tmp_path: Path) -> None:
    """The default store serves the async synchronizer, whichever thread a call falls on."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        world = make_world(store=store)
        populate(world)
        assert awaited(world, lambda sync: sync.run(first_run=True)).ok
        assert len(store.baseline("people")) == 4
        assert world.sync().run().written == ()


def test_two_runs_at_once_are_refused(world: World) -> None:
    """Two tasks that run one synchronizer at once: one goes on, the other is told so."""
    populate(world)

    async def story(sync: AsyncSynchronizer) -> list[Any]:
        await sync.plan()
        return await asyncio.gather(sync.run(first_run=True), sync.run(first_run=True), return_exceptions=True)

    results = awaited(world, story)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyRunningError", "SyncReport"]


def test_a_cancelled_run_gives_the_lease_back(world: World) -> None:
    """Cancelled in the middle, a run leaves the store free, and a later one finishes without a duplicate."""
    populate(world)

    async def story(sync: AsyncSynchronizer) -> Any:
        run = asyncio.create_task(sync.run(first_run=True))
        while world.write_calls == (0, 0):  # noqa: ASYNC110 - the simulator's log has no event to wait for
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        try:
            return await sync.run(first_run=True)
        except AlreadyRunningError:
            pytest.fail("the lease was kept")

    assert awaited(world, story).cut_short == ""
    here, there = world.truth()
    assert [row[0] for row in here] == [row[0] for row in there]
    assert len(here) == 4


def test_a_run_that_is_cancelled_while_it_takes_the_lease_leaves_none(world: World) -> None:
    """The thread that takes the lease cannot be cancelled: what it takes after the cancellation is given back, too."""
    populate(world)
    asked, go_on = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def acquire(self, *arguments: Any, **named: Any) -> None:
            asked.set()
            assert go_on.wait(10)
            super().acquire(*arguments, **named)

    store = Slow()

    async def story(sync: AsyncSynchronizer) -> None:
        await sync.plan()
        run = asyncio.create_task(sync.run(first_run=True))
        await asyncio.to_thread(asked.wait)
        run.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)  # after the cancellation has arrived
        with pytest.raises(asyncio.CancelledError):
            await run
        await asyncio.get_running_loop().shutdown_default_executor()  # the thread has come to its end

    awaited(world, story, store)
    world.sync(store=store).run(first_run=True)


def test_errors_are_the_same(world: World) -> None:
    """What the blocking one raises the async one raises."""
    populate(world)

    async def story(sync: AsyncSynchronizer) -> None:
        with pytest.raises(FirstRunError):
            await sync.run()

    awaited(world, story)


def test_the_context_manager_closes_the_store_alone(world: World, tmp_path: Path) -> None:
    """Leaving the synchronizer closes its store; the clients belong to whoever made them."""
    store = SQLiteStore(tmp_path / "memory.db")
    clients = world.clients()
    with world.sync(store=store, clients=clients) as sync:
        sync.plan()
    with pytest.raises(Exception, match="closed"):
        store.runs()
    assert list(clients["salesforce"].query("SELECT Id FROM Contact")) == []
