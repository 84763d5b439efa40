"""When to repeat a request: an outcome goes in, a delay or "stop" comes out.

What may not go in here: sleeping, clocks, random numbers, and anything that knows one vendor.  A vendor's readers say
what an answer means by the type of the error that they raise; the tables below say what may be done about each type.

Two things are kept apart.  *Refused before it was carried out* (too many calls, a locked row, no connection):
repeating is right for every request.  *May have been carried out* (a lost answer, a failing server): repeating is
right only for a request that leaves the same state when it is carried out twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, TypeVar

import attrs

from di_salesforce.exceptions import (
    AmbiguousKeyError,
    ApiError,
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    Problem,
    RateLimitError,
    RecordLockedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.wire import Call, Flow, HttpRequest, HttpResponse, Renew, Send, Sleep

__all__ = ["RetryPolicy", "may_have_applied", "retry_after", "with_retry"]

T = TypeVar("T")

_REFUSED: Final = (RateLimitError, RecordLockedError)
"""The service says no before it does anything: any request may be repeated."""

_IN_DOUBT: Final = (ServerError, UnexpectedResponseError)
"""The service answered, but not whether it did what was asked."""

_VERDICT: Final = (InvalidRequestError, NotFoundError, AmbiguousKeyError)
"""Answers about the record as it is now; they stand even where an earlier attempt got lost."""


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """Say how often, how long and after which failures a request is repeated.

    Use `RetryPolicy(attempts=1)` to repeat nothing.  The delay before attempt n+1 is `base * 2 ** (n - 1)` seconds,
    at most `cap`, less a share of up to `jitter` of it that follows from the request itself, so that requests sent
    together do not come back together and a test sees the same delays each time.  A `Retry-After` header prolongs it.

    Args:
        attempts: how often a request is sent at most, the first time included.
        base: the first delay, in seconds.
        cap: the longest delay of our own, in seconds.
        jitter: the share of a delay that may fall away, 0 to 1.
        budget: seconds of waiting in all for one request; a longer `Retry-After` ends the attempts at once.
        statuses: the 5xx answers after which a repeatable request is sent again.
    """

    attempts: int = 4
    base: float = 0.5
    cap: float = 20.0
    jitter: float = 0.5
    budget: float = 120.0
    statuses: frozenset[int] = attrs.field(default=frozenset({502, 503, 504}), converter=frozenset)

    def __attrs_post_init__(self) -> None:
        lowest = {"attempts": 1, "base": 0, "cap": 0, "budget": 0}
        given = {name: getattr(self, name) for name in lowest}
        wrong = [
            Problem(name, f"must be at least {low}, not {given[name]}")
            for name, low in lowest.items()
            if not given[name] >= low  # so that NaN is wrong, too
        ]
        if not 0 <= self.jitter <= 1:
            wrong.append(Problem("jitter", f"must be from 0 to 1, not {self.jitter}"))
        if wrong:
            raise ConfigurationError(wrong, what="RetryPolicy")

    def after(
        self,
        attempt: int,
        error: DISalesforceError,
        request: HttpRequest,
        *,
        waited: float = 0.0,
        retry_after: float | None = None,
    ) -> float | None:
        """Give the seconds to wait before the request is sent again, or None to let the error stand.

        Args:
            attempt: how often it was sent, 1 after the first time.
            error: what came of it.
            request: decides whether it may be repeated, and the jitter.
            waited: seconds spent waiting for it so far.
            retry_after: what the service asked for, in seconds.
        """
        if attempt >= self.attempts or not self._may_repeat(error, request):
            return None
        delay = max(self._own_delay(attempt, request), retry_after or 0.0)
        return delay if waited + delay <= self.budget else None

    def _may_repeat(self, error: DISalesforceError, request: HttpRequest) -> bool:
        if not error.retryable:
            return False
        if isinstance(error, _REFUSED):
            return True
        if isinstance(error, ServerError):
            return error.status in self.statuses and (request.repeatable or not request.writes)
        if isinstance(error, TransportError):
            return not error.may_have_applied or request.repeatable
        return False

    def _own_delay(self, attempt: int, request: HttpRequest) -> float:
        delay = min(self.base * 2.0 ** min(attempt - 1, 63), self.cap)  # 63: a float must not overflow before the cap
        named = f"{attempt} {request.method} {request.path}".encode()
        share = zlib.crc32(request.content, zlib.crc32(named)) / 2**32  # evenly from 0 to 1, alike in every process
        return delay * (1.0 - self.jitter * share)


def may_have_applied(error: DISalesforceError, request: HttpRequest) -> bool:
    """Tell whether a request may have changed the service's data although it ended in this error."""
    if not request.writes:
        return False
    return error.may_have_applied if isinstance(error, TransportError) else isinstance(error, _IN_DOUBT)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After` as seconds, in both its forms; a date counts from the answer's own `Date` header.

    Args:
        headers: an answer's headers, with lower-case names.

    Example:
        >>> retry_after({"retry-after": "7"})
        7.0
        >>> retry_after({"date": "Mon, 02 Mar 2026 10:00:00 GMT", "retry-after": "Mon, 02 Mar 2026 10:01:30 GMT"})
        90.0
        >>> retry_after({"retry-after": "soon"}) is None
        True
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    from email.utils import parsedate_to_datetime  # on use: it loads socket, and this module is loaded with the package

    try:
        then, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one with and one without a zone
        return None


def with_retry(call: Call[T], connection: str, policy: RetryPolicy) -> Flow[T]:
    """Carry out a call through the named connection, repeating it as the policy allows, as a flow.

    A session that has ended is renewed once; a request that is refused again after that is not repeated, so that a
    token which stays refused cannot cause a loop.

    Returns:
        What the call's reader makes of the answer.

    Raises:
        TransportError: no answer came.  `.may_have_applied` speaks of all attempts together, so it is true also
            where an earlier one got lost and the last was turned away.
        ApiError: as the call's reader raises it.
    """
    attempt, waited, in_doubt, renewals = 1, 0.0, False, 0
    refused: tuple[AuthenticationError, int] | None = None  # with the number of the session that has ended
    while True:
        answer: HttpResponse | None = None
        try:
            if refused is not None:
                if not (yield Renew(connection, refused[1])):
                    raise refused[0]
                refused = None
            response: HttpResponse = yield Send(call.request, connection)
            answer = response
            return call.decode(response)
        except DISalesforceError as raised:
            error = raised
        if isinstance(error, AuthenticationError) and answer is not None and not renewals:
            refused, renewals = (error, answer.session), 1
            continue
        asked = retry_after(answer.headers) if answer is not None else None
        delay = policy.after(attempt, error, call.request, waited=waited, retry_after=asked)
        in_doubt = in_doubt or may_have_applied(error, call.request)
        if delay is None:
            raise _final(error, call.request, in_doubt=in_doubt)
        yield Sleep(delay)
        attempt, waited = attempt + 1, waited + delay


def _final(error: DISalesforceError, request: HttpRequest, *, in_doubt: bool) -> DISalesforceError:
    """Let the last error stand, unless it would hide that an earlier attempt may have been carried out."""
    if isinstance(error, ApiError):
        error.may_have_applied = may_have_applied(error, request)
    if not in_doubt or may_have_applied(error, request) or isinstance(error, _VERDICT):
        return error
    side = error.side if isinstance(error, (ApiError, TransportError)) else request.side
    hidden = TransportError(
        f"{request.shown}: an earlier attempt got no answer and may have been carried out; then: {error}",
        side=side,
        may_have_applied=True,
        retryable=request.repeatable,
    )
    hidden.__cause__ = error
    return hidden
