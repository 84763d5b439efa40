"""Faults: what can go wrong on the road or in the service, and the rules that say when.

What may not go in here: sockets (a fault changes a reply, the façade and the loopback server carry it out), rows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._di_switches import CallCause
from di_salesforce.testing._di_values import Json

__all__ = [
    "ByteOrderMark",
    "EnvelopeError",
    "Fault",
    "FaultRule",
    "HtmlPage",
    "HttpStatus",
    "LostAnswer",
    "Meanwhile",
    "MissingTrace",
    "NumbersAsText",
    "ResetConnection",
    "SlowAnswer",
    "TruncatedBody",
    "numbers_as_text",
]


@attrs.frozen
class HttpStatus:
    """An HTTP error with an HTML body in place of the work: nothing is carried out."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen
class HtmlPage:
    """A page of HTML with status 200 in place of the work, as gateways send it: nothing is carried out."""


@attrs.frozen
class ResetConnection:
    """The connection ends before the call is looked at: nothing is carried out."""


@attrs.frozen
class EnvelopeError:
    """A refused call in the envelope, for any cause: nothing is carried out."""

    cause: CallCause


@attrs.frozen
class LostAnswer:
    """The connection ends after the call was carried out."""


@attrs.frozen
class TruncatedBody:
    """The call is carried out, of its answer only the first part (0 to 1) arrives."""

    part: float = 0.5


@attrs.frozen
class ByteOrderMark:
    """The call is carried out, its answer begins with a byte-order mark."""


@attrs.frozen
class NumbersAsText:
    """The call is carried out, every number of its answer is text."""


@attrs.frozen
class MissingTrace:
    """The call is carried out, its answer lacks `Trace`."""


@attrs.frozen
class SlowAnswer:
    """The call is carried out at once, its answer comes so many seconds later."""

    seconds: float


@attrs.frozen
class Meanwhile:
    """Somebody else acts just before the call is looked at: an edit, another key, a changed definition."""

    act: Callable[[], None]


Fault: TypeAlias = (
    HttpStatus
    | HtmlPage
    | ResetConnection
    | EnvelopeError
    | LostAnswer
    | TruncatedBody
    | ByteOrderMark
    | NumbersAsText
    | MissingTrace
    | SlowAnswer
    | Meanwhile
)
"""A closed union: what `FakeDialogInsight.inject` takes."""


@attrs.define(eq=False)
class FaultRule:
    """When a fault happens: on calls of a service and method (None: any), past the first `after`, `times` often.

    With `chance` below one each such call is hit with that probability, from a random series of its own (`seed`).
    """

    fault: Fault
    service: str | None = None
    method: str | None = None
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    seed: int = 0
    _met: int = attrs.field(default=0, init=False)
    _done: int = attrs.field(default=0, init=False)
    _random: random.Random = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise ConfigurationError("a fault's chance lies above 0 and up to 1")
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable on purpose, nothing is kept secret with it

    def strikes(self, service: str, method: str) -> bool:
        """Tell whether the fault happens on this call, and count the call."""
        if self.service is not None and self.service.lower() != service:
            return False
        if self.method is not None and self.method != method:
            return False
        self._met += 1
        if self._met <= self.after or (self.times is not None and self._done >= self.times):
            return False
        if self.chance < 1 and self._random.random() >= self.chance:
            return False
        self._done += 1
        return True


def numbers_as_text(value: Json) -> Json:
    """Turn every number inside a JSON value into text."""
    if isinstance(value, dict):
        return {name: numbers_as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [numbers_as_text(item) for item in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return str(value)
    return value
