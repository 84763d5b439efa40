"""Laws of repeating: what may be sent again, how long after, and what is known when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RecordLockedError,
    ServerError,
    TimedOutError,
    TransportError,
    UnexpectedResponseError,
)
from di_salesforce.records import Side
from di_salesforce.retry import RetryPolicy, may_have_applied, retry_after, with_retry
from di_salesforce.wire import Call, HttpRequest, HttpResponse, Renew, Send, Sleep

READ = HttpRequest(Side.SALESFORCE, "GET", "/things")
UPDATE = HttpRequest(Side.SALESFORCE, "PATCH", "/things/1", content=b"{}", writes=True)
CREATE = HttpRequest(Side.SALESFORCE, "POST", "/things", content=b"{}", writes=True, repeatable=False)

SF = {"side": Side.SALESFORCE}
BUSY = RateLimitError("busy", **SF)
LOCKED = RecordLockedError("locked", **SF)
SPENT = RateLimitError("spent", exhausted=True, **SF)
DOWN = ServerError("down", status=503, **SF)
BROKEN = ServerError("broken", status=500, **SF)
GARBLED = UnexpectedResponseError("garbled", status=200, **SF)
NOT_SENT = TransportError("no connection", may_have_applied=False)
LOST = TimedOutError("lost", may_have_applied=True)
BAD_CERTIFICATE = TransportError("bad certificate", may_have_applied=False, retryable=False)
ENDED = AuthenticationError("ended", status=401, **SF)
REFUSED = InvalidRequestError("refused", status=400, **SF)


@pytest.mark.parametrize(
    ("error", "read", "update", "create"),
    [
        (BUSY, True, True, True),
        (LOCKED, True, True, True),
        (SPENT, False, False, False),
        (DOWN, True, True, False),
        (BROKEN, False, False, False),
        (GARBLED, False, False, False),
        (NOT_SENT, True, True, True),
        (LOST, True, True, False),
        (BAD_CERTIFICATE, False, False, False),
        (ENDED, False, False, False),
        (REFUSED, False, False, False),
    ],
    ids=str,
)
def test_what_may_be_repeated(error: DISalesforceError, *, read: bool, update: bool, create: bool) -> None:
    """A request is repeated where it was refused before it was carried out, or where twice leaves the same as once."""
    allowed = [RetryPolicy().after(1, error, request) is not None for request in (READ, UPDATE, CREATE)]
    assert allowed == [read, update, create]


@pytest.mark.parametrize(
    ("error", "in_doubt"),
    [(LOST, True), (DOWN, True), (BROKEN, True), (GARBLED, True), (NOT_SENT, False), (BUSY, False), (REFUSED, False)],
    ids=str,
)
def test_what_may_have_been_applied(error: DISalesforceError, *, in_doubt: bool) -> None:
    """A write is in doubt where its answer is lost, unreadable or the server's failure; a read never is."""
    assert may_have_applied(error, CREATE) is in_doubt
    assert may_have_applied(error, UPDATE) is in_doubt
    assert not may_have_applied(error, READ)


@given(
    attempt=st.integers(1, 5000),
    base=st.floats(0, 100),
    cap=st.floats(0, 100),
    jitter=st.floats(0, 1),
    path=st.text(),
    content=st.binary(max_size=20),
)
def test_delays_stay_in_their_bounds(
    attempt: int, base: float, cap: float, jitter: float, path: str, content: bytes
) -> None:
    """A delay lies between its full size less the jitter and its full size, and is the same each time."""
    policy = RetryPolicy(attempts=5001, base=base, cap=cap, jitter=jitter, budget=1e9)
    request = attrs.evolve(UPDATE, path=path.encode("utf-8", "ignore").decode(), content=content)
    full = min(base * 2.0 ** min(attempt - 1, 63), cap)
    delay = policy.after(attempt, BUSY, request)
    assert delay is not None
    assert full * (1 - jitter) - 1e-9 <= delay <= full
    assert delay == policy.after(attempt, BUSY, request)


def test_slices_sent_together_do_not_come_back_together() -> None:
    """Requests that differ in their bodies alone wait for different times."""
    bodies = [f'{{"n":{number}}}'.encode() for number in range(50)]
    delays = {RetryPolicy().after(1, BUSY, attrs.evolve(UPDATE, content=body)) for body in bodies}
    assert len(delays) == len(bodies)


def test_a_long_retry_after_is_waited_for_or_ends_the_attempts() -> None:
    """What the service asks for prolongs a delay beyond the cap, but not beyond the budget."""
    policy = RetryPolicy(cap=1, budget=60)
    assert policy.after(1, BUSY, READ, retry_after=30) == 30
    assert policy.after(1, BUSY, READ, retry_after=61) is None
    assert policy.after(2, BUSY, READ, retry_after=31, waited=30) is None


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"base": -1.0}, {"cap": float("nan")}, {"jitter": 1.5}, {"budget": -1.0}], ids=str
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    """Impossible numbers are found when the policy is made, and all at once."""
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**wrong)
    assert [problem.path for problem in caught.value.problems] == list(wrong)
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(attempts=0, base=-1, jitter=2)
    assert len(caught.value.problems) == 3


@given(st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text(max_size=40)))
def test_retry_after_reads_anything(headers: dict[str, str]) -> None:
    """Whatever a header holds, it reads as seconds from zero up or as nothing."""
    seconds = retry_after(headers)
    assert seconds is None or seconds >= 0


# Flows, driven by hand --------------------------------------------------------------------------------------------

OK = HttpResponse(200, content=b'"done"', session=1)
DECODED: dict[int, DISalesforceError] = {401: ENDED, 429: BUSY, 503: DOWN, 400: REFUSED, 404: NotFoundError("", **SF)}


def decode(response: HttpResponse) -> str:
    if response.status in DECODED:
        raise DECODED[response.status]
    return str(response.json())


def drive(
    request: HttpRequest, answers: Sequence[HttpResponse | Exception | bool], policy: RetryPolicy | None = None
) -> tuple[list[object], Any]:
    """Feed a `with_retry` its answers: a list of its steps, and its result or its error."""
    flow = with_retry(Call(request, decode), "salesforce", policy or RetryPolicy())
    steps: list[object] = []
    rest = iter(answers)
    try:
        step = next(flow)
        while True:
            steps.append(step)
            answer = None if isinstance(step, Sleep) else next(rest)
            step = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as end:
        assert next(rest, None) is None, "answers were left over"
        return steps, end.value
    except DISalesforceError as error:
        assert next(rest, None) is None, "answers were left over"
        return steps, error


def test_a_repeated_request_is_the_same_request() -> None:
    """What is sent again has the headers and the body of the first time."""
    request = attrs.evolve(UPDATE, headers={"Sforce-Auto-Assign": "false"})
    steps, result = drive(request, [HttpResponse(429), NOT_SENT, OK])
    assert result == "done"
    assert [step for step in steps if isinstance(step, Send)] == [Send(request, "salesforce")] * 3
    assert [type(step) for step in steps] == [Send, Sleep, Send, Sleep, Send]


def test_an_ended_session_is_renewed_once() -> None:
    """A 401 leads to one renewal and one more request, without a pause; a second 401 ends it."""
    steps, result = drive(READ, [HttpResponse(401, session=7), True, OK])
    assert result == "done"
    assert steps == [Send(READ, "salesforce"), Renew("salesforce", 7), Send(READ, "salesforce")]
    steps, error = drive(READ, [HttpResponse(401, session=7), True, HttpResponse(401, session=8)])
    assert error is ENDED
    assert len(steps) == 3


def test_a_session_that_cannot_be_renewed_gives_the_refusal() -> None:
    """Where there is nothing to log in with, the first refusal stands."""
    steps, error = drive(READ, [HttpResponse(401, session=1), False])
    assert error is ENDED
    assert len(steps) == 2


def test_a_log_in_that_does_not_get_through_is_tried_again() -> None:
    """A renewal that finds no network is repeated as a request would be, before the request is."""
    steps, result = drive(READ, [HttpResponse(401, session=1), NOT_SENT, True, OK])
    assert result == "done"
    assert [type(step) for step in steps] == [Send, Renew, Sleep, Renew, Send]


def test_a_log_in_that_is_refused_ends_it() -> None:
    """A refused log-in is not repeated: it could lock the user out."""
    steps, error = drive(READ, [ENDED])
    assert error is ENDED
    assert [type(step) for step in steps] == [Send]


def test_a_create_whose_answer_is_lost_is_never_sent_again() -> None:
    """Sending it again could create two."""
    steps, error = drive(CREATE, [LOST])
    assert error is LOST
    assert len(steps) == 1
    steps, error = drive(CREATE, [HttpResponse(503)])
    assert error is DOWN
    assert len(steps) == 1


@pytest.mark.parametrize("last", [HttpResponse(429), NOT_SENT, PermissionDeniedError("no", **SF)], ids=str)
def test_a_lost_answer_is_not_hidden_by_a_later_refusal(last: HttpResponse | Exception) -> None:
    """Where an earlier attempt may have been carried out, the error says so; the last refusal is its cause."""
    _, error = drive(UPDATE, [LOST, last], RetryPolicy(attempts=2))
    assert isinstance(error, TransportError)
    assert error.may_have_applied
    assert isinstance(error.__cause__, DISalesforceError)


@pytest.mark.parametrize("status", [400, 404])
def test_a_verdict_on_the_record_stands(status: int) -> None:
    """An answer about the record as it is now needs no doubt about earlier attempts."""
    _, error = drive(UPDATE, [LOST, HttpResponse(status)])
    assert error is DECODED[status]


@given(
    request=st.sampled_from([READ, UPDATE, CREATE]),
    answers=st.lists(st.sampled_from([BUSY, LOCKED, DOWN, BROKEN, NOT_SENT, LOST, GARBLED, REFUSED]), max_size=6),
    attempts=st.integers(1, 6),
)
def test_doubt_is_told_truthfully(request: HttpRequest, answers: list[DISalesforceError], attempts: int) -> None:
    """A write that may have been carried out ends in success, in a verdict, or in an error that says so.

    And a create is never sent after an attempt that may have been carried out.
    """
    steps, final = drive_to_the_end(request, answers, RetryPolicy(attempts=attempts))
    sent = sum(isinstance(step, Send) for step in steps)
    met = answers[:sent]
    assert sent <= attempts
    if request is CREATE:
        assert not any(may_have_applied(error, request) for error in met[:-1] if len(met) == sent)
        assert len(met) == sent or not any(may_have_applied(error, request) for error in met)
    if isinstance(final, DISalesforceError) and not isinstance(final, InvalidRequestError):
        assert may_have_applied(final, request) is any(may_have_applied(error, request) for error in met)


def drive_to_the_end(
    request: HttpRequest, errors: Sequence[DISalesforceError], policy: RetryPolicy
) -> tuple[list[object], Any]:
    """Feed a `with_retry` errors for as long as there are any, and then its answer."""
    flow = with_retry(Call(request, decode), "salesforce", policy)
    steps: list[object] = []
    rest = iter(errors)
    try:
        step = next(flow)
        while True:
            steps.append(step)
            if isinstance(step, Sleep):
                step = flow.send(None)
            elif (error := next(rest, None)) is not None:
                step = flow.throw(error)
            else:
                step = flow.send(OK)
    except StopIteration as end:
        return steps, end.value
    except DISalesforceError as error:
        return steps, error
