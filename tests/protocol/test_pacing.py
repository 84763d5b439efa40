"""The laws of a pace: no more at once and no faster than was said, whoever calls; nothing is lost by waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.pacing import Pace, Turns
from di_salesforce.records import Side
from di_salesforce.runners import AsyncPacedConnection, PacedConnection
from di_salesforce.wire import HttpRequest, HttpResponse

REQUEST = HttpRequest(Side.SALESFORCE, "GET", "/x")


@given(st.lists(st.floats(0, 10), max_size=30), st.sampled_from([0.5, 1.0, 7.0, 100.0]))
def test_requests_are_spread_evenly(pauses: list[float], per_second: float) -> None:
    """Between two beginnings lies at least the share of a second, and nobody waits whose turn it is."""
    turns, now, begun = Turns(per_second), 0.0, list[float]()
    for pause in pauses:
        now += pause
        begun.append(now + turns.wait(now))
        if len(begun) > 1:
            free = begun[-2] + 1 / per_second
            assert begun[-1] == pytest.approx(max(now, free))


def test_without_a_rate_nobody_waits() -> None:
    """The default is no pace at all."""
    turns = Turns(Pace().per_second)
    assert [turns.wait(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"per_second": 0}, {"per_second": -1}, {"per_second": float("nan")}])
def test_a_pace_that_nothing_could_pass_is_refused(wrong: dict[str, Any]) -> None:
    """Measures lie above nothing."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Pace(**wrong)


class Busy:
    """A connection that counts who is inside, and lets go when `wanted` are or nobody else comes."""

    def __init__(self, at_once: int) -> None:
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.full = threading.Barrier(at_once)

    def send(self, _: HttpRequest) -> HttpResponse:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.full.wait(timeout=30)  # so many are inside together
        with self.lock:
            self.inside -= 1
        return HttpResponse(200)

    def renew(self, stale: int) -> bool:
        return stale == 1


def test_no_more_threads_than_places() -> None:
    """Of twelve threads exactly three are sending at a time; all get their answer."""
    busy = Busy(3)
    paced = PacedConnection(busy, Pace(at_once=3))
    threads = [threading.Thread(target=paced.send, args=(REQUEST,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert busy.most == 3
    assert busy.inside == 0
    assert paced.renew(1)


def test_no_more_tasks_than_places() -> None:
    """The same for asyncio: exactly three of twelve at a time."""
    seen: list[int] = []

    class Counting:
        inside = 0

        async def send(self, _: HttpRequest) -> HttpResponse:
            self.inside += 1
            seen.append(self.inside)
            for _turn in range(5):
                await asyncio.sleep(0)
            self.inside -= 1
            return HttpResponse(200)

        async def renew(self, stale: int) -> bool:
            return stale == 1

    async def run() -> None:
        paced = AsyncPacedConnection(Counting(), Pace(at_once=3))
        await asyncio.gather(*(paced.send(REQUEST) for _ in range(12)))
        assert await paced.renew(1)

    asyncio.run(run())
    assert max(seen) == 3


def test_both_wait_for_their_turn() -> None:
    """With four a second, six requests at once begin a quarter of a second after one another."""
    waited: list[float] = []

    class Still:
        def send(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse(200)

        def renew(self, stale: int) -> bool:
            return False

    class AsyncStill:
        async def send(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse(200)

        async def renew(self, stale: int) -> bool:
            return False

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    paced = PacedConnection(Still(), Pace(per_second=4), sleep=waited.append, clock=lambda: 1000.0)
    for _ in range(6):
        paced.send(REQUEST)
    assert waited == [0.25, 0.5, 0.75, 1.0, 1.25]
    waited.clear()

    async def run() -> None:
        awaited = AsyncPacedConnection(AsyncStill(), Pace(per_second=4), sleep=sleep, clock=lambda: 1000.0)
        await asyncio.gather(*(awaited.send(REQUEST) for _ in range(6)))

    asyncio.run(run())
    assert waited == [0.25, 0.5, 0.75, 1.0, 1.25]
