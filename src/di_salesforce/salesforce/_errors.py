"""What an answer of Salesforce that says no means, as an error of ours.

What may not go in here: requests, and retrying.  The tables say what each code and status means; the code below them
reads the shapes in which they arrive (fact sheet, 3.3): an array of `{message, errorCode, fields}`, an array of paths
for 300, `{error, error_description}` from the log-in, and whatever a proxy puts in between.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from di_salesforce.exceptions import (
    AmbiguousKeyError,
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RecordLockedError,
    ServerError,
    StaleRecordError,
    UnexpectedResponseError,
)
from di_salesforce.records import Side
from di_salesforce.retry import retry_after
from di_salesforce.salesforce._json import is_array, is_object
from di_salesforce.wire import HttpRequest, HttpResponse

__all__ = ["code_of", "error_of", "log_in_error", "names_of", "unreadable"]


@attrs.frozen
class _Meaning:
    kind: type[ApiError]
    sentence: str


# By `errorCode` (fact sheet, 3.3); a code that is not here is judged by its status.
_BY_CODE: Final[Mapping[str, _Meaning]] = {
    "INVALID_SESSION_ID": _Meaning(AuthenticationError, "the session has ended or the token is wrong; log in again"),
    "INVALID_AUTH_HEADER": _Meaning(AuthenticationError, "the token is malformed; check it for blanks and quotes"),
    "API_DISABLED_FOR_ORG": _Meaning(
        PermissionDeniedError, "this org or user may not use the API; grant the permission 'API Enabled'"
    ),
    "API_CURRENTLY_DISABLED": _Meaning(
        PermissionDeniedError, "the API is switched off for this user; grant the permission 'API Enabled'"
    ),
    "INSUFFICIENT_ACCESS_OR_READONLY": _Meaning(
        PermissionDeniedError, "the user may not change this record; check its sharing and the user's permissions"
    ),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _Meaning(
        PermissionDeniedError, "the user may not use the record that is referred to; check that record's sharing"
    ),
    "INSUFFICIENT_ACCESS": _Meaning(PermissionDeniedError, "the user may not do this; check the user's permissions"),
    "NOT_FOUND": _Meaning(NotFoundError, "there is no such record, object or resource, or the user may not see it"),
    "ENTITY_IS_DELETED": _Meaning(NotFoundError, "the record is deleted"),
    "INVALID_TYPE": _Meaning(
        InvalidRequestError, "there is no such object, or the user may not see it; check its API name (`__c`?)"
    ),
    "INVALID_FIELD": _Meaning(
        InvalidRequestError, "there is no such field, or the user may not see it; check its API name and field security"
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": _Meaning(
        InvalidRequestError, "a field may not be written by this user; leave it out or grant access to it"
    ),
    "MALFORMED_QUERY": _Meaning(InvalidRequestError, "the query does not parse"),
    "MALFORMED_ID": _Meaning(InvalidRequestError, "an id is not one of this object"),
    "REQUIRED_FIELD_MISSING": _Meaning(InvalidRequestError, "a required field is missing"),
    "DUPLICATE_VALUE": _Meaning(InvalidRequestError, "another record holds the same value in a unique field"),
    "DUPLICATES_DETECTED": _Meaning(InvalidRequestError, "a duplicate rule of the org found a similar record"),
    "STRING_TOO_LONG": _Meaning(InvalidRequestError, "a text is longer than its field"),
    "JSON_PARSER_ERROR": _Meaning(InvalidRequestError, "a value has the wrong form for its field"),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _Meaning(
        InvalidRequestError, "a value is not among those of its restricted picklist"
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _Meaning(InvalidRequestError, "a validation rule of the org refused it"),
    "INVALID_QUERY_LOCATOR": _Meaning(InvalidRequestError, "the query's cursor has ended; run the query again"),
    "EXCEEDED_ID_LIMIT": _Meaning(InvalidRequestError, "too many records for one answer; ask for less at once"),
    "INVALID_REPLICATION_DATE": _Meaning(
        InvalidRequestError, "the window is wrong, or begins further back than is kept; read the object in full"
    ),
    "QUERY_TIMEOUT": _Meaning(InvalidRequestError, "the query took too long; filter on indexed fields"),
    # Bulk jobs; the codes are those that other clients' tables list [S].
    "INVALIDJOB": _Meaning(InvalidRequestError, "the bulk job is not well-formed"),
    "INVALIDENTITY": _Meaning(InvalidRequestError, "there is no such object, or the user may not use it in bulk"),
    "INVALIDJOBSTATE": _Meaning(InvalidRequestError, "the bulk job is in a state that does not allow this"),
    "FEATURE_NOT_ENABLED": _Meaning(PermissionDeniedError, "the org or the user may not use this"),
    "LIMIT_EXCEEDED": _Meaning(InvalidRequestError, "an allowance of the org or a measure of the call is exceeded"),
    "STORAGE_LIMIT_EXCEEDED": _Meaning(InvalidRequestError, "the org's storage is full"),
    "UNABLE_TO_LOCK_ROW": _Meaning(RecordLockedError, "another transaction holds the record or its parent"),
    "REQUEST_LIMIT_EXCEEDED": _Meaning(RateLimitError, "the org's allowance of calls is used up"),
    "rate_limit_exceeded": _Meaning(RateLimitError, "too many log-ins"),
    "SERVER_UNAVAILABLE": _Meaning(ServerError, "the service is busy or under maintenance"),
    "UNKNOWN_EXCEPTION": _Meaning(ServerError, "the service failed"),
}

_BY_STATUS: Final[Mapping[int, _Meaning]] = {
    300: _Meaning(AmbiguousKeyError, "several records hold this external id; `.matches` has their paths"),
    401: _Meaning(AuthenticationError, "the session has ended or the token is wrong; log in again"),
    403: _Meaning(PermissionDeniedError, "the user may not do this; check the user's permissions"),
    404: _Meaning(NotFoundError, "there is no such record, object or resource; check the name and the API version"),
    412: _Meaning(
        StaleRecordError, "the record has changed since (a precondition of the request does not hold); read it again"
    ),
    414: _Meaning(InvalidRequestError, "the query is too long for a URL; split it (`chunked_in`)"),
    420: _Meaning(NotFoundError, "the org is gone: a deleted or expired scratch org answers so"),
    429: _Meaning(RateLimitError, "too many calls at once"),
    431: _Meaning(InvalidRequestError, "the query is too long for a URL; split it (`chunked_in`)"),
}


def _by_status(status: int) -> _Meaning:
    if status >= 500:
        return _Meaning(ServerError, "the service failed")
    if status >= 400:
        return _Meaning(InvalidRequestError, "the request was refused")
    return _Meaning(UnexpectedResponseError, "a redirection or an empty answer came instead; check the host name")


_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,79}")  # all that are known; no digits, so no token either
_NAME: Final = re.compile(r"[A-Za-z][\w.]{0,255}")

# "No such column 'Nme' on entity 'Contact'", "sObject type 'Contct' is not supported" [R].
_NAMED_COLUMN: Final = re.compile(r"(?:No such column|sObject type) '([\w.]{1,255})'")


@attrs.frozen
class _Body:
    """What the body of a refusal says."""

    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()


def _read(response: HttpResponse) -> _Body:
    try:
        data: object = response.json()
    except (ValueError, RecursionError):
        return _Body(message=response.content.decode("utf-8", "replace")[:500])  # the head of a page says enough
    if is_array(data):
        if data and all(isinstance(item, str) for item in data):
            return _Body(matches=tuple(data))
        data = data[0] if data else None
    if not is_object(data):
        return _Body()
    message = str(data.get("message") or data.get("error_description") or "")
    return _Body(
        code=code_of(data.get("errorCode") or data.get("error")),
        message=message,
        fields=names_of(data.get("fields")) or _named(message),
    )


def code_of(value: object) -> str:
    """Take a server's code if it looks like one: codes are shown, and a text may repeat anything, even a token."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def names_of(value: object) -> tuple[str, ...]:
    """Take a server's list of field names, those that look like one: they are shown, too."""
    return tuple(name for name in value if isinstance(name, str) and _NAME.fullmatch(name)) if is_array(value) else ()


def _named(message: str) -> tuple[str, ...]:
    """Find the field or object that a text names where the answer lists none: the org's own words, nobody's data."""
    found = _NAMED_COLUMN.search(message)
    return (found[1],) if found else ()


def error_of(request: HttpRequest, response: HttpResponse) -> ApiError:
    """Read a refusal as an error; its sentence names the request, what was wrong, the code and the fields."""
    body = _read(response)
    meaning = _BY_CODE.get(body.code) or _BY_STATUS.get(response.status) or _by_status(response.status)
    sentence = meaning.sentence
    rest: dict[str, Any] = {  # keyword arguments of ApiError
        "side": Side.SALESFORCE,
        "status": response.status,
        "code": body.code,
        "message": body.message,
        "request_id": _request_id(response),
        "fields": body.fields,
    }
    if meaning.kind is AmbiguousKeyError:
        rest["matches"] = body.matches
    elif meaning.kind is RateLimitError:
        # Only the text tells the two limits apart [S]: waiting helps with "Concurrent...", not with "TotalRequests".
        exhausted = body.code == "REQUEST_LIMIT_EXCEEDED" and "concurrent" not in body.message.lower()
        rest |= {"retry_after": retry_after(response.headers), "exhausted": exhausted}
        if body.code == "REQUEST_LIMIT_EXCEEDED" and not exhausted:
            sentence = "too many long requests run at once"
    detail = ", ".join(
        [body.code] * bool(body.code)
        + [f"HTTP {response.status}"]
        + [f"names: {', '.join(body.fields)}"] * bool(body.fields)
    )
    return meaning.kind(f"Salesforce, {request.shown}: {sentence} ({detail})", **rest)


def unreadable(request: HttpRequest, response: HttpResponse, why: str) -> UnexpectedResponseError:
    """Say that an answer which should hold a result cannot be read."""
    return UnexpectedResponseError(
        f"Salesforce, {request.shown}: the answer cannot be read ({why}, HTTP {response.status}); "
        "check the host name, and that no proxy or log-in page answers in its place",
        side=Side.SALESFORCE,
        status=response.status,
        message=response.content.decode("utf-8", "replace")[:500],  # the head of a page says enough
        request_id=_request_id(response),
    )


def _request_id(response: HttpResponse) -> str:
    return response.headers.get("x-sfdc-request-id") or response.headers.get("x-request-id") or ""


# By OAuth `error` and SOAP `exceptionCode` [R][S].
_LOG_IN: Final[Mapping[str, str]] = {
    "invalid_grant": "the user, the password, the key or the token is not accepted, or this way of logging in is not "
    "open on this host; client credentials need the org's own My Domain host and a run-as user",
    "invalid_client_id": "there is no app with this client id; a new app takes some minutes to be known",
    "invalid_client": "the client secret is wrong",
    "unsupported_grant_type": "the app does not allow this way of logging in",
    "inactive_user": "the user is not active",
    "inactive_org": "the org is not active",
    "INVALID_LOGIN": "the user name, the password or the security token is wrong, or the user is locked out",
    "INVALID_OPERATION": "the org does not allow SOAP log-ins; use client credentials or a JWT",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "a security token is needed from this network",
}


def log_in_error(code: str, message: str, *, status: int = 0) -> ApiError:
    """Read the refusal of a log-in as an error; a text that is no known code counts as a refusal all the same."""
    code = code_of(code)
    if code == "rate_limit_exceeded" or status == 429:
        return RateLimitError("Salesforce, log-in: too many log-ins", side=Side.SALESFORCE, code=code, message=message)
    if status >= 500 and code not in _LOG_IN:
        sentence = f"Salesforce, log-in: the service failed (HTTP {status})"
        return ServerError(sentence, side=Side.SALESFORCE, status=status, code=code, message=message)
    reason = _LOG_IN.get(code, "it was refused; the server's own words are in `.message`")
    shown = f" ({code})" if code else ""
    sentence = f"Salesforce, log-in: {reason}{shown}"
    return AuthenticationError(sentence, side=Side.SALESFORCE, status=status, code=code, message=message)
