"""The two loops that carry flows out, one blocking and one for asyncio; the only sleeps of the package.

What may not go in here: decisions.  A step is carried out as it says; whatever goes wrong is thrown into the flow,
which decides.  The two loops differ by `await` and by how they do several things at once; nothing else may differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final, TypeVar, assert_never

from di_salesforce._surroundings import (
    AsyncConnection,
    Clock,
    Connection,
    Exchange,
    Observer,
    awaited_clock,
    blocking_clock,
)
from di_salesforce.exceptions import ConfigurationError, DISalesforceError
from di_salesforce.pacing import Pace, Turns
from di_salesforce.wire import (
    Flow,
    HttpRequest,
    HttpResponse,
    Local,
    Now,
    Renew,
    Send,
    SendAll,
    Sleep,
    Step,
    Tell,
    Ticks,
)

__all__ = [
    "AsyncConnection",
    "AsyncPacedConnection",
    "AsyncRunner",
    "Clock",
    "Connection",
    "Exchange",
    "Observer",
    "PacedConnection",
    "SyncRunner",
    "awaited_clock",
    "blocking_clock",
]

T = TypeVar("T")

_log: Final = logging.getLogger("di_salesforce")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _observe(observer: Observer | None, exchange: Exchange) -> None:
    answered = exchange.response.status if exchange.response is not None else type(exchange.error).__name__
    _log.debug("%s: %s: %s in %.3f s", exchange.connection, exchange.request.shown, answered, exchange.seconds)
    if observer is not None:
        try:
            observer(exchange)
        except Exception:  # noqa: BLE001 - the exchange has taken place: an observer's fault must not hide its outcome
            _log.exception("an observer failed")


def _tell(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001 - what was done is done: who watches it must not hide its outcome
        _log.exception("a progress callback failed")


def _named(connections: Mapping[str, T], name: str) -> T:
    try:
        return connections[name]
    except KeyError:
        known = ", ".join(sorted(connections)) or "none"
        raise ConfigurationError(f"there is no connection named {name!r} (there are: {known})") from None


class PacedConnection:
    """A connection that keeps to a pace; for several threads.

    Args:
        connection: what it sends through.
        pace: what may be asked of the service.
        sleep: called with seconds.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._places = threading.Semaphore(pace.at_once) if pace.at_once is not None else contextlib.nullcontext()
        self._turns, self._lock = Turns(pace.per_second), threading.Lock()
        self._sleep, self._clock = sleep, clock

    def send(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request when there is a place and it is its turn."""
        with self._places:
            with self._lock:
                seconds = self._turns.wait(self._clock())
            if seconds > 0:
                self._sleep(seconds)
            return self._connection.send(request)

    def renew(self, stale: int, /) -> bool:
        """Log in again; a log-in waits for no place."""
        return self._connection.renew(stale)


class AsyncPacedConnection:
    """The same for asyncio.

    Args:
        connection: what it sends through.
        pace: what may be asked of the service.
        sleep: called with seconds, and awaited.
        clock: gives seconds that only grow.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        pace: Pace,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._places = asyncio.Semaphore(pace.at_once) if pace.at_once is not None else contextlib.nullcontext()
        self._turns = Turns(pace.per_second)
        self._sleep, self._clock = sleep, clock

    async def send(self, request: HttpRequest, /) -> HttpResponse:
        """Send a request when there is a place and it is its turn."""
        async with self._places:
            seconds = self._turns.wait(self._clock())
            if seconds > 0:
                await self._sleep(seconds)
            return await self._connection.send(request)

    async def renew(self, stale: int, /) -> bool:
        """Log in again; a log-in waits for no place."""
        return await self._connection.renew(stale)


class _Stopped(BaseException):
    """Ends the other flows of a `SendAll` when one of them has failed; never seen outside this file."""


class SyncRunner:
    """Carry flows out by blocking; works inside a notebook, since it knows no event loop.

    Args:
        connections: by name, as the flows' steps call them.
        sleep: called with seconds.
        clock: gives the time, aware and in UTC.
        ticks: gives the seconds of a clock that nobody can set.
        observer: told of every exchange.
    """

    def __init__(
        self,
        connections: Mapping[str, Connection],
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = _utc_now,
        ticks: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ) -> None:
        self._connections = dict(connections)
        self._sleep = sleep
        self._clock = clock
        self._ticks = ticks
        self._observer = observer
        self._telling = threading.RLock()  # a callback may use the client

    def run(self, flow: Flow[T]) -> T:
        """Carry a flow out to its end and give its result; raises what the flow raises."""
        return self._run(flow, threading.Event())

    def _run(self, flow: Flow[T], stop: threading.Event) -> T:
        try:
            step = next(flow)
            while True:
                if stop.is_set():
                    raise _Stopped
                try:
                    answer = self._carry_out(step)
                except Exception as error:  # noqa: BLE001 - whatever it is, the flow decides
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    def _carry_out(self, step: Step) -> object:
        match step:
            case Send(request, connection):
                return self._send(request, connection)
            case SendAll(flows, at_most):
                return self._send_all(flows, at_most)
            case Sleep(seconds):
                self._sleep(seconds)
                return None
            case Now():
                return self._clock()
            case Ticks():
                return self._ticks()
            case Renew(connection, stale):
                return _named(self._connections, connection).renew(stale)
            case Local(function):
                return function()
            case Tell(call):
                with self._telling:
                    _tell(call)
                return None
            case _:
                assert_never(step)

    def _send(self, request: HttpRequest, connection: str) -> HttpResponse:
        chosen = _named(self._connections, connection)
        response, failure, began = None, None, time.perf_counter()
        try:
            response = chosen.send(request)
        except Exception as error:
            failure = error
            raise
        else:
            return response
        finally:
            _observe(self._observer, Exchange(connection, request, response, failure, time.perf_counter() - began))

    def _send_all(self, flows: Iterable[Flow[Any]], at_most: int) -> list[object]:  # results of mixed types
        stop = threading.Event()

        def one(flow: Flow[Any]) -> object:
            try:
                return self._run(flow, stop)
            except DISalesforceError as error:
                return error
            except BaseException:
                stop.set()
                raise

        rest = iter(flows)
        few = list(islice(rest, 2))
        if at_most <= 1 or len(few) <= 1:
            return [one(flow) for flow in chain(few, rest)]
        # A flow is made while others are carried out, but none long before its turn: it may hold what it sends.
        ahead = threading.Semaphore(2 * at_most)
        with ThreadPoolExecutor(at_most, thread_name_prefix="di_salesforce") as pool:
            futures: list[Future[object]] = []
            try:
                for flow in chain(few, rest):
                    ahead.acquire()
                    if stop.is_set():
                        break
                    futures.append(pool.submit(one, flow))
                    futures[-1].add_done_callback(lambda _: ahead.release())
                failures = [error for future in futures if (error := future.exception()) is not None]
            except BaseException:  # this thread was interrupted while it waited, or no further flow could be made
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for error in failures:
            if not isinstance(error, _Stopped):
                raise error
        return [future.result() for future in futures]


async def _in_thread(function: Callable[[], Any]) -> object:  # of any type
    """Do blocking work in a thread; a cancelled flow waits for its end, so that no transaction is left behind it."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class AsyncRunner:
    """Carry flows out on the running asyncio event loop.

    Args:
        connections: by name, as the flows' steps call them.
        sleep: called with seconds, and awaited.
        clock: gives the time, aware and in UTC.
        ticks: gives the seconds of a clock that nobody can set.
        observer: told of every exchange.
    """

    def __init__(
        self,
        connections: Mapping[str, AsyncConnection],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], datetime] = _utc_now,
        ticks: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ) -> None:
        self._connections = dict(connections)
        self._sleep = sleep
        self._clock = clock
        self._ticks = ticks
        self._observer = observer

    async def run(self, flow: Flow[T]) -> T:
        """Carry a flow out to its end and give its result; raises what the flow raises."""
        try:
            step = next(flow)
            while True:
                try:
                    answer = await self._carry_out(step)
                except Exception as error:  # noqa: BLE001 - whatever it is, the flow decides
                    step = flow.throw(error)
                else:
                    step = flow.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            flow.close()

    async def _carry_out(self, step: Step) -> object:
        match step:
            case Send(request, connection):
                return await self._send(request, connection)
            case SendAll(flows, at_most):
                return await self._send_all(flows, at_most)
            case Sleep(seconds):
                await self._sleep(seconds)
                return None
            case Now():
                return self._clock()
            case Ticks():
                return self._ticks()
            case Renew(connection, stale):
                return await _named(self._connections, connection).renew(stale)
            case Local(function):
                return await _in_thread(function)
            case Tell(call):
                _tell(call)
                return None
            case _:
                assert_never(step)

    async def _send(self, request: HttpRequest, connection: str) -> HttpResponse:
        chosen = _named(self._connections, connection)
        response, failure, began = None, None, time.perf_counter()
        try:
            response = await chosen.send(request)
        except Exception as error:
            failure = error
            raise
        else:
            return response
        finally:
            _observe(self._observer, Exchange(connection, request, response, failure, time.perf_counter() - began))

    async def _send_all(self, flows: Iterable[Flow[Any]], at_most: int) -> list[object]:  # results of mixed types
        places = asyncio.Semaphore(max(at_most, 1))
        stop = asyncio.Event()

        async def one(flow: Flow[Any]) -> object:
            try:
                return await self.run(flow)
            except DISalesforceError as error:
                return error
            except BaseException:
                stop.set()
                raise
            finally:
                places.release()

        tasks: list[asyncio.Task[object]] = []
        try:
            for flow in flows:  # each is made when there is a place for it
                await places.acquire()
                if stop.is_set():
                    break
                tasks.append(asyncio.create_task(one(flow)))
            return list(await asyncio.gather(*tasks))
        finally:  # after a failure or a cancellation: nothing of ours may go on behind the caller's back
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
