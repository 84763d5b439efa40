"""What both simulators are as tools: a server, a lock, a clock, faults, calls that land late, a log.

What may not go in here: how either service behaves.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, Self, TypeVar

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._faults import FaultRule, LateWrite, Meanwhile, SlowAnswer
from di_salesforce.testing._loopback import LoopbackServer, SimRequest, SimResponse

if TYPE_CHECKING:
    from di_salesforce.transports._in_process import InProcessTransport

__all__ = ["Entry", "Facade", "Turn"]


class Entry(Protocol):
    """One line of a request log."""

    @property
    def is_write(self) -> bool:
        """Whether the call asked for a change of rows."""
        ...


_E = TypeVar("_E", bound=Entry)
_F = TypeVar("_F")


class Turn:
    """The lock around all that happens in a simulator.

    Whoever takes it first lets happen what is due by then; whoever gives it back last closes what was done (`closed`).
    """

    def __init__(self, due: Callable[[], None], closed: Callable[[], None]) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._due = due
        self._closed = closed

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            try:
                self._due()
            except BaseException:
                self.__exit__(None, None, None)
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._depth == 1:
                self._closed()
        finally:
            self._depth -= 1
            self._lock.release()


@attrs.frozen
class _Late:
    due: datetime
    request: SimRequest = attrs.field(repr=False)


class Facade(ABC, Generic[_F, _E]):
    """Base class of both simulators.

    Args:
        port: where to listen; 0 takes a free port.
        clock: gives the aware time; None is the real time.
    """

    _thread: ClassVar[str]
    """Name of the server's thread."""

    def __init__(self, port: int, clock: Callable[[], datetime] | None) -> None:
        self._port = port
        self._clock = clock or _now
        self._then: datetime | None = None
        self._lock = Turn(self._land_due, self._turn_closed)
        self._closing = threading.Event()
        self._server: LoopbackServer | None = None
        self._rules: list[FaultRule[_F]] = []
        self._log: list[_E] = []
        self._late: list[_Late] = []

    # serving --------------------------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Listen on loopback; does nothing where it already does."""
        if self._server is None:
            self._closing.clear()
            self._server = LoopbackServer(self.handle, name=self._thread, port=self._port)
        return self

    def close(self) -> None:
        """Stop listening; rows, log and rules stay; may be called twice."""
        self._closing.set()
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL, to be given to a client.

        Raises:
            ConfigurationError: it is not started.
        """
        if self._server is None:
            name = type(self).__name__
            raise ConfigurationError(f"{name} does not listen: use it in a with statement, or call start()")
        return self._server.url

    def transport(self) -> InProcessTransport:
        """Give an httpx transport that reaches this simulator without a socket; it need not be started."""
        from di_salesforce.testing.in_process import transport  # on use: it loads httpx and the clients

        return transport(self)

    def handle(self, request: SimRequest) -> SimResponse:
        """Answer one request, as the server does; for tests without sockets."""
        where, what = self._call_of(request)
        with self._lock:
            struck = [rule.fault for rule in self._rules if rule.strikes(where, what)]
        for fault in struck:
            if isinstance(fault, Meanwhile):
                fault.act()  # outside the lock: it may send requests of its own from another thread
        with self._lock:
            for fault in struck:
                if isinstance(fault, LateWrite):
                    due = self.now() + timedelta(seconds=fault.seconds)
                    self._late.append(_Late(due, request))
            response = self._answered(request, struck)
        for fault in struck:
            if isinstance(fault, SlowAnswer):
                self._closing.wait(fault.seconds)
        return response

    def _turn_closed(self) -> None:
        """Close what was done in one turn: by one request, or by one hand."""

    @abstractmethod
    def _call_of(self, request: SimRequest) -> tuple[str, str]:
        """Give the two names by which fault rules know a call."""

    @abstractmethod
    def _answered(self, request: SimRequest, struck: Sequence[_F]) -> SimResponse:
        """Answer and log a request that is struck by some faults."""

    @abstractmethod
    def _carried_out(self, request: SimRequest) -> None:
        """Carry out a request that nobody waits for any more."""

    # the time -------------------------------------------------------------------------------------------------------
    def now(self) -> datetime:
        """Give the simulator's time."""
        return self._then or self._clock()

    def land(self) -> None:
        """Carry out at once all calls that are on their way to land late."""
        with self._lock:
            self._land(list(self._late), self.now())

    def _land_due(self) -> None:
        if self._late and self._then is None:
            now = self._clock()
            self._land([late for late in self._late if late.due <= now], None)

    def _land(self, landing: Sequence[_Late], then: datetime | None) -> None:
        for late in sorted(landing, key=lambda one: one.due):
            self._late.remove(late)
            self._then = then or late.due
            try:
                self._carried_out(late.request)
            finally:
                self._then = None

    # faults ---------------------------------------------------------------------------------------------------------
    def _injected(self, rule: FaultRule[_F]) -> FaultRule[_F]:
        with self._lock:
            self._rules.append(rule)
        return rule

    def withdraw(self, *rules: FaultRule[_F]) -> None:
        """Take back the given fault rules, or all where none is given."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]

    # log ------------------------------------------------------------------------------------------------------------
    @property
    def requests(self) -> tuple[_E, ...]:
        """The log of all requests, numbered from 1."""
        with self._lock:
            return tuple(self._log)

    @property
    def writes(self) -> tuple[_E, ...]:
        """The requests that asked for a change of rows, refused ones among them."""
        return tuple(entry for entry in self.requests if entry.is_write)

    def requests_since(self, number: int) -> tuple[_E, ...]:
        """List the requests after the one with that number (0: all)."""
        return self.requests[number:]

    def _forget_calls(self) -> None:
        self._rules.clear()
        self._log.clear()
        self._late.clear()


def _now() -> datetime:
    return datetime.now(UTC)
