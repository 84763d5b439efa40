"""What a runner is given by those who make it: connections, a clock, somebody who observes.

What may not go in here: steps, flows and sleeping (`runners.py`), sockets (`transports`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import attrs

from di_salesforce.wire import HttpRequest, HttpResponse

__all__ = ["AsyncConnection", "Clock", "Connection", "Exchange", "Observer", "awaited_clock", "blocking_clock"]


class Connection(Protocol):
    """What carries one service's requests out, blocking; must bear several threads at once."""

    def send(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request with the credential in it, logging in first where that is needed; raises our errors only."""
        ...

    def renew(self, stale: int, /) -> bool:
        """Log in again unless the session is no longer number `stale`; False where there is nothing to log in with."""
        ...


class AsyncConnection(Protocol):
    """The same for asyncio."""

    async def send(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request with the credential in it, logging in first where that is needed; raises our errors only."""
        ...

    async def renew(self, stale: int, /) -> bool:
        """Log in again unless the session is no longer number `stale`; False where there is nothing to log in with."""
        ...


@attrs.frozen
class Exchange:
    """What an observer is told of: one request, its answer or its error, and how long it took in seconds."""

    connection: str
    request: HttpRequest
    response: HttpResponse | None
    error: Exception | None
    seconds: float


Observer: TypeAlias = Callable[[Exchange], None]
"""Called after every exchange, from whichever thread carried it out; an observer that fails is logged, no more."""


class Clock(Protocol):
    """A time of its own for a whole synchronizer: for tests and simulations, where hours pass at once."""

    def now(self) -> datetime:
        """Give the time, aware and in UTC."""
        ...

    def ticks(self) -> float:
        """Give seconds that only go forward, whatever is done to the time."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass; an async synchronizer calls it too, so it should not block."""
        ...


def blocking_clock(clock: Clock | None) -> dict[str, Any]:  # arguments of `SyncRunner`
    """Give a clock as arguments of the blocking runner; None: this machine's."""
    return {} if clock is None else {"sleep": clock.sleep, "clock": clock.now, "ticks": clock.ticks}


def awaited_clock(clock: Clock | None) -> dict[str, Any]:  # arguments of `AsyncRunner`
    """Give a clock as arguments of the runner for asyncio; None: this machine's."""
    if clock is None:
        return {}

    async def sleep(seconds: float) -> None:
        clock.sleep(seconds)

    return {"sleep": sleep, "clock": clock.now, "ticks": clock.ticks}
