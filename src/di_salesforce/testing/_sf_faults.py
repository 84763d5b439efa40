"""What can go wrong with the simulated Salesforce, and the rules that say when.

The faults of the road are those of the other simulator, so that a test says the same words for both.  What may not go
in here: sockets (a fault changes an answer, the façade carries it out), rows.
"""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

import attrs

from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing._faults import (
    ByteOrderMark,
    HtmlPage,
    HttpStatus,
    LostAnswer,
    Meanwhile,
    ResetConnection,
    SlowAnswer,
    TruncatedBody,
)
from di_salesforce.testing._loopback import SimResponse

__all__ = [
    "CONCURRENCY_LIMIT",
    "DAILY_LIMIT",
    "ROW_LOCK",
    "SERVER_BUSY",
    "ErrorAnswer",
    "ExpiredSession",
    "RequestRule",
    "SalesforceFault",
    "changed",
    "instead",
]


@attrs.frozen
class ErrorAnswer:
    """An error array in place of the work: nothing is carried out.

    Args:
        status, code, message: HTTP status, `errorCode` and text.
        retry_after: seconds for a `Retry-After` header; the vendor does not promise one (facts 3.12).
    """

    status: int
    code: str
    message: str = ""
    retry_after: int | None = None


@attrs.frozen
class ExpiredSession:
    """All sessions end just before the call, so that it and all later ones get 401 until somebody logs in again."""


SalesforceFault: TypeAlias = (
    ErrorAnswer
    | ExpiredSession
    | HttpStatus
    | HtmlPage
    | ResetConnection
    | LostAnswer
    | TruncatedBody
    | ByteOrderMark
    | SlowAnswer
    | Meanwhile
)
"""A closed union: what `FakeSalesforce.inject` takes."""

DAILY_LIMIT: Final = ErrorAnswer(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
CONCURRENCY_LIMIT: Final = ErrorAnswer(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
ROW_LOCK: Final = ErrorAnswer(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
SERVER_BUSY: Final = ErrorAnswer(503, "SERVER_UNAVAILABLE", "We are busy. Try again later.")


@attrs.define(eq=False)
class RequestRule:
    """When a fault happens: on requests of a method (None: any) whose path fits a shell pattern.

    The first `after` such requests go well, then it happens `times` often (None: always), each time with `chance`, from
    a random series of its own.
    """

    fault: SalesforceFault
    method: str | None = None
    path: str = "*"
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

    def strikes(self, method: str, path: str) -> bool:
        """Tell whether the fault happens on this request, and count the request."""
        if self.method not in (None, method) or not fnmatchcase(path, self.path):
            return False
        self._met += 1
        if self._met <= self.after or (self.times is not None and self._done >= self.times):
            return False
        if self.chance < 1 and self._random.random() >= self.chance:
            return False
        self._done += 1
        return True


def instead(fault: SalesforceFault) -> SimResponse | None:
    """Give the answer of a fault that takes the place of the work; None: the work is carried out."""
    match fault:
        case ErrorAnswer(status, code, message, retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            return SimResponse.of_json([{"message": message, "errorCode": code}], status=status, headers=headers)
        case HttpStatus(status, headers):
            return SimResponse(status, {"Content-Type": "text/html", **headers}, b"<html><body>Error</body></html>")
        case HtmlPage():
            return SimResponse(200, {"Content-Type": "text/html"}, b"<html><body>Please log in</body></html>")
        case ResetConnection():
            return SimResponse(0, reset=True)
        case _:
            return None


def changed(fault: SalesforceFault, answer: SimResponse) -> SimResponse:
    """Give what arrives of an answer to work that was carried out."""
    match fault:
        case LostAnswer():
            return attrs.evolve(answer, reset=True)
        case TruncatedBody(part):
            return attrs.evolve(answer, body=answer.body[: int(len(answer.body) * part)])
        case ByteOrderMark():
            return attrs.evolve(answer, body=b"\xef\xbb\xbf" + answer.body)
        case _:
            return answer
