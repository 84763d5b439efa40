"""Requests, answers and flows: the words in which both vendors' calls and all longer work are written.

What may not go in here: sockets, clocks, sleeping, secrets, or anything that knows one vendor.  A flow is a generator
that *yields what it needs* and is given the answer; `runners.py` has the two loops that carry the steps out.

A request holds no credential: the connection that sends it adds the session header or the key at the last moment, so a
request can be shown, logged and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from di_salesforce.records import Side

__all__ = [
    "Call",
    "Flow",
    "HttpRequest",
    "HttpResponse",
    "Local",
    "Now",
    "Renew",
    "Send",
    "SendAll",
    "Sleep",
    "Step",
    "Tell",
    "Ticks",
    "pause",
    "ticks",
    "time_now",
    "work",
]

T = TypeVar("T")


@attrs.frozen(repr=False)
class HttpRequest:
    """A request to one service: a path below its base URL, no host and no credential.

    `writes` says that the request may change the service's data, `repeatable` that carrying it out twice leaves the
    same state as once; together they decide what a retry may do after a lost answer.  `path` is percent-encoded
    already, `query` is not.  `name` says what the request is for, in words that may be shown; a request whose path
    holds somebody's data (an e-mail address as external id) must have one.
    """

    side: Side
    method: str
    path: str
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    content: bytes = b""
    writes: bool = False
    repeatable: bool = True
    timeout: float | None = None
    name: str = ""

    @property
    def shown(self) -> str:
        """What may be shown of the request in logs and errors: its name, else its method and path."""
        return self.name or f"{self.method} {self.path}"

    def __repr__(self) -> str:
        """Leave out the query, the headers and the body: they hold people's data."""
        return f"HttpRequest({self.side.value}: {self.shown})"


@attrs.frozen
class HttpResponse:
    """An answer: status, headers with lower-case names, body; `session` counts the log-ins of its connection."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    content: bytes = attrs.field(default=b"", repr=False)
    session: int = 0

    def json(self, **options: Any) -> Any:  # any JSON value: this is the wire
        """Read the body as JSON, with or without a byte-order mark; raises `ValueError` for what is not JSON."""
        return json.loads(self.content.decode("utf-8-sig"), **options)


@attrs.frozen
class Call(Generic[T]):
    """A request, and the pure function that reads its answer (and raises our errors)."""

    request: HttpRequest
    decode: Callable[[HttpResponse], T]


@attrs.frozen
class Send:
    """Step: send one request through the named connection and be given its `HttpResponse`.

    A transport failure is thrown *into* the flow as `TransportError`.  `connection` names one of the connections that
    the runner holds: a service's own name, or `dialog_insight:<project>` where a project has a client of its own.
    """

    request: HttpRequest
    connection: str


@attrs.frozen
class SendAll:
    """Step: run several flows at once and be given, in order, each one's result or its `DISalesforceError`.

    Of an iterator each flow is taken shortly before its turn, so that what many of them hold is made piece by piece.
    """

    flows: Iterable[Flow[Any]]  # results of mixed types
    at_most: int = 8


@attrs.frozen
class Sleep:
    """Step: wait so many seconds."""

    seconds: float


@attrs.frozen
class Now:
    """Step: be given the time, aware and in UTC."""


@attrs.frozen
class Ticks:
    """Step: be given the seconds of a clock that nobody can set, to measure how long something takes."""


@attrs.frozen
class Renew:
    """Step: log in again, unless the session is no longer number `stale` (one renewal serves many callers).

    The answer is a bool: False where this connection has nothing to log in again with.
    """

    connection: str
    stale: int


@attrs.frozen
class Local:
    """Step: do blocking work on this machine (a store, a file); the async runner does it in a thread."""

    work: Callable[[], Any]  # typed by the helper `work`
    name: str


@attrs.frozen
class Tell:
    """Step: call back somebody who only watches, one at a time; what fails there is logged and changes nothing."""

    call: Callable[[], None]


Step: TypeAlias = Send | SendAll | Sleep | Now | Ticks | Renew | Local | Tell
Flow: TypeAlias = Generator[Step, Any, T]
"""Work of several steps: a generator that yields steps, is sent their answers, and returns a `T`."""


def pause(seconds: float) -> Flow[None]:
    """Wait, as a flow."""
    yield Sleep(seconds)


def time_now() -> Flow[datetime]:
    """Ask for the time, as a flow."""
    now: datetime = yield Now()
    return now


def ticks() -> Flow[float]:
    """Ask for the seconds of a clock that nobody can set, as a flow."""
    seconds: float = yield Ticks()
    return seconds


def work(name: str, function: Callable[[], T]) -> Flow[T]:
    """Do blocking local work, as a flow with the function's own type."""
    result: T = yield Local(function, name)
    return result
