"""Faults of the road, which both simulators have, and the rules that say when something goes wrong.

What may not go in here: sockets (a fault changes an answer; the façade and the loopback server carry it out), rows, and
what is a fault of one service alone (`_sf_faults.py`, `_di_faults.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeAlias, TypeVar

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._loopback import SimResponse

__all__ = [
    "ByteOrderMark",
    "FaultRule",
    "HtmlPage",
    "HttpStatus",
    "LateWrite",
    "LostAnswer",
    "Meanwhile",
    "ResetConnection",
    "RoadFault",
    "SlowAnswer",
    "TruncatedBody",
    "html_page",
    "in_place_of_the_work",
    "on_the_way_back",
]

_F = TypeVar("_F")


@attrs.frozen
class HttpStatus:
    """An HTTP error with an HTML body in place of the work, as gateways send it: nothing is carried out.

    Args:
        status: for instance 420, 429, 500, 502, 503 or 504.
        headers: further ones, for instance `{"Retry-After": "3"}`.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class HtmlPage:
    """A page of HTML with status 200 in place of the work, as gateways send it: nothing is carried out."""


@attrs.frozen
class ResetConnection:
    """The connection ends before the call is looked at: nothing is carried out."""


@attrs.frozen
class LostAnswer:
    """The connection ends after the call was carried out."""


@attrs.frozen
class LateWrite:
    """The connection ends at once, and the call is carried out so many seconds later: a write that lands late.

    The simulator's clock decides when that is (a test moves a `FakeClock`), and the stamps are of that moment.  Whoever
    looks at the simulator from then on finds it done.  `fake.land()` does not wait.  The log-in is checked as it lands.
    """

    seconds: float = 30.0


@attrs.frozen
class TruncatedBody:
    """The call is carried out, of its answer only the first part (0 to 1) arrives."""

    part: float = 0.5


@attrs.frozen
class ByteOrderMark:
    """The call is carried out, its answer begins with a byte-order mark."""


@attrs.frozen
class SlowAnswer:
    """The call is carried out at once, its answer comes so many seconds later."""

    seconds: float


@attrs.frozen
class Meanwhile:
    """Somebody else acts just before the call is looked at.

    Give it what happens then: an edit (see `Outsider` for random ones), a changed field, a used-up quota.
    """

    act: Callable[[], None]


RoadFault: TypeAlias = (
    HttpStatus
    | HtmlPage
    | ResetConnection
    | LostAnswer
    | LateWrite
    | TruncatedBody
    | ByteOrderMark
    | SlowAnswer
    | Meanwhile
)
"""A closed union: the faults that both simulators take."""

_MARK: Final = b"\xef\xbb\xbf"


def html_page(status: int, title: str, headers: Mapping[str, str] | None = None) -> SimResponse:
    """Give a page as web servers and gateways send it in place of an answer."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return SimResponse(status, {"Content-Type": "text/html; charset=utf-8", **(headers or {})}, body.encode())


def in_place_of_the_work(fault: object) -> SimResponse | None:
    """Give the answer of a fault that leaves the work out; None: the work is carried out."""
    match fault:
        case HttpStatus(status, headers):
            return html_page(status, f"Server error {status}", headers)
        case HtmlPage():
            return html_page(200, "Service under maintenance")
        case ResetConnection() | LateWrite():
            return SimResponse(0, reset=True)
        case _:
            return None


def on_the_way_back(fault: object, answer: SimResponse) -> SimResponse:
    """Give what arrives of an answer to work that was carried out."""
    match fault:
        case LostAnswer():
            return attrs.evolve(answer, reset=True)
        case TruncatedBody(part):
            return attrs.evolve(answer, body=answer.body[: int(len(answer.body) * part)])
        case ByteOrderMark():
            return attrs.evolve(answer, body=_MARK + answer.body)
        case _:
            return answer


@attrs.define(eq=False)
class FaultRule(Generic[_F]):
    """When a fault happens: on calls that fit, past the first `after`, `times` often (None: always).

    With `chance` below one each such call is hit with that probability, from a random series of its own (`seed`).
    """

    fault: _F
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    seed: int = 0
    fits: Callable[[str, str], bool] = attrs.field(default=lambda _where, _what: True, repr=False)
    _met: int = attrs.field(default=0, init=False)
    _done: int = attrs.field(default=0, init=False)
    _random: random.Random = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise ConfigurationError("a fault's chance lies above 0 and up to 1")
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable on purpose, nothing is kept secret with it

    def strikes(self, where: str, what: str) -> bool:
        """Tell whether the fault happens on this call, and count the call."""
        if not self.fits(where, what):
            return False
        self._met += 1
        if self._met <= self.after or (self.times is not None and self._done >= self.times):
            return False
        if self.chance < 1 and self._random.random() >= self.chance:
            return False
        self._done += 1
        return True
