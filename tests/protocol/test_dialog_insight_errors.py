"""Refusals and unreadable answers: the right class, our own sentence, the server's words kept apart."""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from di_salesforce.dialog_insight import Capabilities, ContactList, FieldClause, MergeOptions, TextPattern
from di_salesforce.dialog_insight._calls import delete_call, get_call, list_projects_call, project_call
from di_salesforce.dialog_insight._errors import open_envelope
from di_salesforce.dialog_insight._merge import Prepared, merge_call
from di_salesforce.dialog_insight._schema import contact_schema
from di_salesforce.dialog_insight._values import is_object, read_id
from di_salesforce.exceptions import (
    ApiError,
    AuthenticationError,
    DISalesforceError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from di_salesforce.records import Side
from di_salesforce.testing._di_switches import CALL_ERRORS, CallCause
from di_salesforce.wire import Call, HttpResponse

NOTHING_KNOWN = Capabilities()
CALL = "Contacts.Get for the contacts of project 4321"


def refused(code: object, message: object, *, status: int = 200, **headers: str) -> ApiError:
    body = {"Success": False, "ErrorCode": code, "ErrorMessage": message, "idRequest": 50000001, "Trace": "secret"}
    with pytest.raises(ApiError) as caught:
        open_envelope(HttpResponse(status, headers, json.dumps(body).encode()), NOTHING_KNOWN, CALL)
    return caught.value


# What each invented refusal of the simulator is to be taken for.
MEANINGS: dict[CallCause, type[ApiError]] = {
    CallCause.BAD_JSON: InvalidRequestError,
    CallCause.MISSING_KEY: AuthenticationError,
    CallCause.BAD_KEY: AuthenticationError,
    CallCause.INACTIVE_KEY: AuthenticationError,
    CallCause.EXPIRED_KEY: AuthenticationError,
    CallCause.FOREIGN_IP: PermissionDeniedError,
    CallCause.NO_RIGHT: PermissionDeniedError,
    CallCause.QUOTA: RateLimitError,
    CallCause.UNKNOWN_METHOD: InvalidRequestError,
    CallCause.BAD_PARAMETER: InvalidRequestError,
    CallCause.UNKNOWN_PROJECT: NotFoundError,
    CallCause.UNKNOWN_TABLE: NotFoundError,
    CallCause.UNKNOWN_FIELD: InvalidRequestError,
    CallCause.BAD_CLAUSE: InvalidRequestError,
    CallCause.CLAUSE_REQUIRED: InvalidRequestError,
    CallCause.TOO_MANY_RECORDS: InvalidRequestError,
    CallCause.TOO_MANY_ROWS: InvalidRequestError,
    CallCause.DUPLICATES: InvalidRequestError,
}


@pytest.mark.parametrize("part", ["code", "message"])
@pytest.mark.parametrize("cause", CallCause)
def test_refusal_is_sorted(cause: CallCause, part: str) -> None:
    """A plausible refusal is sorted by its code alone as by its text alone, since nobody knows which one speaks."""
    known = CALL_ERRORS[cause]
    error = refused(known.code, None) if part == "code" else refused("E-417", known.message)
    assert type(error) is MEANINGS[cause]


def test_refusal_keeps_the_servers_words_apart() -> None:
    """Code, text and request id stay verbatim; the sentence is ours and names the call."""
    error = refused("AuthKeyExpired", "Ada's key 0123 has expired", status=400)
    assert (error.side, error.status, error.code) == (Side.DIALOG_INSIGHT, 400, "AuthKeyExpired")
    assert (error.message, error.request_id) == ("Ada's key 0123 has expired", "50000001")
    assert CALL in str(error)
    assert "Ada" not in str(error)
    assert "secret" not in str(vars(error))
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(again), vars(again)) == (str(error), vars(error))


def test_refusal_without_words_is_a_plain_api_error() -> None:
    """A refusal that says nothing known is an ApiError as such: it is not guessed at."""
    for code, message in ((None, None), (17, "Nope"), ("", "")):
        assert type(refused(code, message)) is ApiError


def test_a_sentence_as_code_is_not_shown() -> None:
    """What stands where a code is expected shows in our sentence only if it is one."""
    assert "bea@test.example" not in str(refused("No contact bea@test.example", None))


def test_quota_is_not_tried_again_but_429_is() -> None:
    """A used-up number of calls is not worth a repetition; too many at a time are, after the time named."""
    used_up, too_fast = refused("QuotaExceeded", None), refused(None, None, status=429, **{"retry-after": "7"})
    assert isinstance(used_up, RateLimitError)
    assert (used_up.exhausted, used_up.retryable) == (True, False)
    assert isinstance(too_fast, RateLimitError)
    assert (too_fast.exhausted, too_fast.retryable, too_fast.retry_after) == (False, True, 7.0)


def test_patterns_can_be_corrected() -> None:
    """Once real codes are known, a setting replaces the guesses."""
    corrected = attrs.evolve(NOTHING_KNOWN, error_patterns=[TextPattern("key", "^E-417$")])
    with pytest.raises(AuthenticationError):
        open_envelope(HttpResponse(200, {}, b'{"Success": false, "ErrorCode": "E-417"}'), corrected, CALL)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<!DOCTYPE html><html><body>Maintenance</body></html>", UnexpectedResponseError),
        (302, b"<html>Moved</html>", UnexpectedResponseError),
        (200, b"", UnexpectedResponseError),
        (200, b'{"Success": true, "Records": [{"idCo', UnexpectedResponseError),
        (200, b"[]", UnexpectedResponseError),
        (200, b'{"Records": []}', UnexpectedResponseError),
        (200, b'{"Success": "perhaps"}', UnexpectedResponseError),
        (401, b"Unauthorized", AuthenticationError),
        (403, b"", PermissionDeniedError),
        (404, b"<html>Not found</html>", NotFoundError),
        (413, b"", InvalidRequestError),
        (429, b"", RateLimitError),
        (500, b"<html>Oops</html>", ServerError),
        (503, b'{"Success": false, "ErrorCode": null, "ErrorMessage": null}', ServerError),
    ],
)
def test_unreadable_answer_is_sorted_by_status(status: int, body: bytes, kind: type[ApiError]) -> None:
    """Without an envelope that speaks, the HTTP status does; a 200 that is no envelope is unexpected."""
    with pytest.raises(ApiError) as caught:
        open_envelope(HttpResponse(status, {}, body), NOTHING_KNOWN, CALL)
    assert type(caught.value) is kind
    assert caught.value.status == status


@pytest.mark.parametrize("success", [True, "true", "True", 1, "1"])
def test_success_is_read_leniently_and_trace_dropped(success: object) -> None:
    """Success opens the envelope in any rendering; the trace goes no further, decimals stay exact."""
    body = json.dumps({"Success": success, "Trace": "t", "n": 0}).replace('"n": 0', '"n": 0.10')
    members = open_envelope(HttpResponse(200, {}, body.encode()), NOTHING_KNOWN, CALL)
    assert "Trace" not in members
    assert str(members["n"]) == "0.10"


CONTACTS = ContactList(4321)
CLAUSE = FieldClause("EMail", "ada@test.example")
CALLS: list[Call[Any]] = [
    get_call(CONTACTS, [CLAUSE], capabilities=NOTHING_KNOWN),
    merge_call(CONTACTS, [Prepared({"key_f_EMail": "a"}, {})] * 2, MergeOptions(), capabilities=NOTHING_KNOWN),
    delete_call(CONTACTS, CLAUSE, 1, capabilities=Capabilities(delete=True)),
    list_projects_call(capabilities=NOTHING_KNOWN),
    project_call(4321, capabilities=NOTHING_KNOWN),
]
names = st.sampled_from(
    "Success ErrorCode ErrorMessage Records CreatedRecords UpdatedRecords DeletedRecords ProjectInfo idRequest "
    "IdRecord Status ValidationResult Message ID Data Record idContact f_EMail idProject ProjectName ProjectFields "
    "OptinFields Code DataType isRequired isKey Length Labels Value".split()
)
words = st.sampled_from(["OK", "Created", "Updated", "1", "", "9" * 5000, "\u0663"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6),
    max_leaves=30,
)


@pytest.mark.fuzz
@given(st.sampled_from(CALLS), st.sampled_from([200, 200, 200, 400, 500]), values | st.binary(max_size=40))
def test_no_answer_breaks_a_reader(call: Call[Any], status: int, answer: object) -> None:
    """Whatever comes, a reader gives a result or raises an error of ours."""
    if is_object(answer):
        answer.setdefault("Success", True)
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    try:
        result = call.decode(HttpResponse(status, {}, body))
    except DISalesforceError:
        return
    assert result is not None


SCHEMA_KNOWN = Capabilities(key_member="isKey", length_member="Length")


@pytest.mark.fuzz
@given(st.dictionaries(names, values, max_size=6))
def test_no_description_breaks_the_schema(info: dict[str, Any]) -> None:
    """Whatever a project's description holds, it becomes a schema or an error of ours."""
    with contextlib.suppress(DISalesforceError):
        assert contact_schema(info, id_project=4321, capabilities=SCHEMA_KNOWN).names


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 101])
def test_a_number_without_end_is_no_id(digits: str) -> None:
    """Python refuses to read texts of thousands of digits as numbers: no id has that many."""
    assert read_id(digits) is None
    assert read_id("9" * 18) == int("9" * 18)
