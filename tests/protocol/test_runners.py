"""Laws of the two runners: they carry out the same flows with the same results, and leave nothing running."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from di_salesforce.exceptions import ConfigurationError, ServerError, TransportError
from di_salesforce.records import Side
from di_salesforce.runners import AsyncRunner, Exchange, SyncRunner
from di_salesforce.wire import (
    Flow,
    HttpRequest,
    HttpResponse,
    Local,
    Renew,
    Send,
    SendAll,
    Sleep,
    pause,
    time_now,
    work,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Desk:
    """A connection that answers with the request's path, fails on `/lost`, and counts how many are at it at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.renewed: list[int] = []
        self.meet: threading.Barrier | None = None

    def send(self, request: HttpRequest) -> HttpResponse:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if self.meet is not None:
                self.meet.wait(timeout=30)
            return self.answer(request)
        finally:
            with self.lock:
                self.now -= 1

    def answer(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/lost":
            raise TransportError("lost", may_have_applied=request.writes)
        if request.path == "/bug":
            raise ZeroDivisionError
        return HttpResponse(200, content=request.path.encode())

    def renew(self, stale: int) -> bool:
        self.renewed.append(stale)
        return stale == 1


class AsyncDesk(Desk):
    """The same for asyncio: every request lets the others go first."""

    async def send(self, request: HttpRequest) -> HttpResponse:  # type: ignore[override]  # awaited
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            return self.answer(request)
        finally:
            self.now -= 1

    async def renew(self, stale: int) -> bool:  # type: ignore[override]  # awaited
        return super().renew(stale)


class World:
    """One of the two runners, run to the end of a flow."""

    def __init__(self, kind: str) -> None:
        self.slept: list[float] = []
        self.told: list[Exchange] = []
        self.kind = kind
        self.desk = Desk() if kind == "sync" else AsyncDesk()

    def run(self, flow: Flow[Any], observer: Callable[[Exchange], None] | None = None) -> Any:
        options: dict[str, Any] = {"clock": lambda: NOON, "observer": observer or self.told.append}
        if self.kind == "sync":
            return SyncRunner({"desk": self.desk}, sleep=self.slept.append, **options).run(flow)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        async def main() -> Any:
            before = asyncio.all_tasks()
            try:
                return await AsyncRunner({"desk": self.desk}, sleep=sleep, **options).run(flow)
            finally:
                assert asyncio.all_tasks() == before, "tasks are left"

        return asyncio.run(main())


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    before = threading.active_count()
    yield World(request.param)
    assert threading.active_count() <= before, "threads are left"


def get(path: str) -> HttpRequest:
    return HttpRequest(Side.SALESFORCE, "GET", path)


def ask(path: str) -> Flow[str]:
    response: HttpResponse = yield Send(get(path), "desk")
    return response.content.decode()


def test_every_step_is_carried_out(world: World) -> None:
    """Send, Sleep, Now, Renew and Local each get their answer."""

    def flow() -> Flow[list[object]]:
        text = yield from ask("/a")
        yield from pause(2.5)
        now = yield from time_now()
        done = yield from work("add", lambda: 1 + 1)
        fresh = yield Renew("desk", 1)
        stuck = yield Renew("desk", 2)
        return [text, now, done, fresh, stuck]

    assert world.run(flow()) == ["/a", NOON, 2, True, False]
    assert world.slept == [2.5]
    assert world.desk.renewed == [1, 2]


def test_failures_are_thrown_into_the_flow(world: World) -> None:
    """A flow may catch what goes wrong, of whatever kind, and go on."""

    def fails() -> None:
        raise KeyError("gone")

    def flow() -> Flow[list[str]]:
        caught: list[str] = []
        for step in (Send(get("/lost"), "desk"), Send(get("/bug"), "desk"), Local(fails, "fail"), Send(get("/a"), "?")):
            try:
                yield step
            except Exception as error:  # noqa: BLE001 - the law is about all of them
                caught.append(type(error).__name__)
        return [*caught, (yield from ask("/b"))]

    assert world.run(flow()) == ["TransportError", "ZeroDivisionError", "KeyError", "ConfigurationError", "/b"]


def test_an_unknown_connection_is_named(world: World) -> None:
    """A flow that asks for a connection that the runner has not gets an error with those that it has."""
    with pytest.raises(ConfigurationError, match=r"'nowhere' .*desk"):
        world.run(iter_flow(Send(get("/"), "nowhere")))


def iter_flow(*steps: Any) -> Flow[Any]:
    result = None
    for step in steps:
        result = yield step
    return result


def test_many_at_once_keep_their_order(world: World) -> None:
    """Results stand in the order of the flows; our errors are values among them; no more than `at_most` run at once."""
    paths = [f"/{number}" for number in range(20)] + ["/lost"]
    results = world.run(iter_flow(SendAll([ask(path) for path in paths], at_most=3)))
    assert results[:-1] == paths[:-1]
    assert isinstance(results[-1], TransportError)
    assert 1 <= world.desk.most <= 3


def test_they_really_run_at_once(world: World) -> None:
    """Flows that each wait for the others come to an end."""
    if world.kind == "sync":
        world.desk.meet = threading.Barrier(4)  # nobody passes before four are there
    assert (
        world.run(iter_flow(SendAll([ask("/a")] * 1 + [ask("/b") for _ in range(3)], at_most=4))) == ["/a"] + ["/b"] * 3
    )
    assert world.desk.most == 4


def test_several_at_once_may_do_several_at_once(world: World) -> None:
    """`SendAll` may stand inside `SendAll`."""

    def pair(name: str) -> Flow[list[str]]:
        return (yield SendAll([ask(f"/{name}1"), ask(f"/{name}2")]))

    assert world.run(iter_flow(SendAll([pair("a"), pair("b")]))) == [["/a1", "/a2"], ["/b1", "/b2"]]


def test_no_flows_are_no_work(world: World) -> None:
    """An empty `SendAll` is answered with an empty list."""
    assert world.run(iter_flow(SendAll([]))) == []


@pytest.mark.parametrize("at_most", [1, 4])
def test_a_bug_in_one_ends_them_all(world: World, at_most: int) -> None:
    """An error that is not ours comes out as it is, and the other flows are closed."""
    closed: list[int] = []

    def endless(number: int) -> Flow[None]:
        try:
            while True:
                yield from ask("/a")
        finally:
            closed.append(number)

    flows: list[Flow[Any]] = [endless(number) for number in range(3)]
    flows.insert(0 if at_most == 1 else 3, ask("/bug"))
    with pytest.raises(ZeroDivisionError):
        world.run(iter_flow(SendAll(flows, at_most=at_most)))
    assert sorted(closed) == (list(range(3)) if at_most == 4 else [])  # those that never began have nothing to close


@pytest.mark.parametrize("at_most", [1, 2, 4])
def test_flows_are_made_shortly_before_their_turn(world: World, at_most: int) -> None:
    """Of many flows no more are made than are carried out, waiting or done; results stand in their order."""
    made, done, ahead = 0, 0, 0

    def one(number: int) -> Flow[int]:
        nonlocal done
        yield from ask(f"/{number}")
        done += 1
        return number

    def flows() -> Iterator[Flow[int]]:
        nonlocal made, ahead
        for number in range(30):
            made += 1
            ahead = max(ahead, made - done)
            yield one(number)

    assert world.run(iter_flow(SendAll(flows(), at_most=at_most))) == list(range(30))
    assert ahead <= 2 * at_most + 1


@pytest.mark.parametrize("at_most", [1, 4])
def test_a_flow_that_cannot_be_made_ends_the_others(world: World, at_most: int) -> None:
    """What fails while a flow is made comes out as it is, and nothing goes on behind it."""
    begun: list[int] = []
    closed: list[int] = []

    def one(number: int) -> Flow[None]:
        begun.append(number)
        try:
            yield from ask(f"/{number}")
        finally:
            closed.append(number)

    def flows() -> Iterator[Flow[None]]:
        yield one(0)
        yield one(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.run(iter_flow(SendAll(flows(), at_most=at_most)))
    assert sorted(begun) == sorted(closed)


def test_a_flow_is_closed_however_it_ends(world: World) -> None:
    """What a flow holds is given back when it raises, and when a step raises through it."""
    closed: list[str] = []

    def holding(path: str) -> Flow[None]:
        try:
            yield from ask(path)
        finally:
            closed.append(path)

    world.run(holding("/a"))
    with pytest.raises(TransportError):
        world.run(holding("/lost"))
    assert closed == ["/a", "/lost"]


def test_a_cancelled_task_closes_its_flows() -> None:
    """Cancelling an async run ends every flow that it carries out."""
    closed: list[int] = []

    def waiting(number: int) -> Flow[None]:
        try:
            yield Sleep(3600)
        finally:
            closed.append(number)

    async def main() -> None:
        runner = AsyncRunner({})
        task = asyncio.create_task(runner.run(iter_flow(SendAll([waiting(number) for number in range(3)]))))
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert sorted(closed) == [0, 1, 2]


def test_the_blocking_runner_works_inside_an_event_loop() -> None:
    """A notebook has a running loop: the blocking runner does not mind."""

    async def main() -> str:
        return SyncRunner({"desk": Desk()}).run(ask("/a"))

    assert asyncio.run(main()) == "/a"


def test_observers_are_told_of_every_exchange(world: World) -> None:
    """An observer sees request, answer or error, and a duration."""
    with pytest.raises(TransportError):
        world.run(iter_flow(Send(get("/a"), "desk"), Send(get("/lost"), "desk")))
    told = [(exchange.request.path, exchange.response is not None, exchange.error) for exchange in world.told]
    assert told[0] == ("/a", True, None)
    assert told[1][:2] == ("/lost", False)
    assert isinstance(told[1][2], TransportError)
    assert all(exchange.seconds >= 0 and exchange.connection == "desk" for exchange in world.told)


def test_a_failing_observer_changes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The exchange has taken place: an observer's fault is logged and hides nothing."""

    def fails(exchange: Exchange) -> None:
        raise RuntimeError("observer")

    assert world.run(ask("/a"), observer=fails) == "/a"
    assert [record.levelname for record in caplog.records if record.name == "di_salesforce"] == ["ERROR"]


def test_the_log_shows_no_data(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """At its most talkative, the log holds the request's name and neither its path, query, headers nor body."""
    request = HttpRequest(
        Side.SALESFORCE,
        "PATCH",
        "/sobjects/Contact/Email/ada@example.com",
        query={"q": "ada@example.com"},
        headers={"X": "ada@example.com"},
        content=b"ada@example.com",
        name="upsert Contact by Email",
    )
    with caplog.at_level(logging.DEBUG, "di_salesforce"):
        world.run(iter_flow(Send(request, "desk")))
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "upsert Contact by Email" in text
    assert "ada@" not in text
    assert "ada@" not in repr(request)


def test_only_our_errors_are_values(world: World) -> None:
    """A flow that raises one of our errors itself gives it as its result, too."""

    def refusing() -> Flow[None]:
        yield from ask("/a")
        raise ServerError("no", side=Side.SALESFORCE, status=503)

    [result] = world.run(iter_flow(SendAll([refusing()])))
    assert isinstance(result, ServerError)
