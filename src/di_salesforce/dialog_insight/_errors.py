"""Answers: the envelope, and what a refusal means.

What may not go in here: what a method's own members mean (`_calls.py`, `_merge.py`).

A refusal comes as an ordinary answer with `Success: false`; clients are written for HTTP 200 [seen], other statuses are
unknown, so the envelope is read whatever the status.  Real codes and texts are unknown: they are kept as they came, and
sorted by the patterns of `Capabilities`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from di_salesforce.dialog_insight._settings import Capabilities, ErrorKind
from di_salesforce.dialog_insight._values import JsonObject, is_object, load_json
from di_salesforce.exceptions import (
    ApiError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnexpectedResponseError,
)
from di_salesforce.records import Side
from di_salesforce.retry import retry_after
from di_salesforce.wire import HttpResponse

__all__ = ["open_envelope", "unexpected"]


@attrs.frozen
class _Meaning:
    """An error class of ours, and the end of its sentence: what to check."""

    error: type[ApiError]
    advice: str
    exhausted: bool = False


_KEY_PAGE: Final = "the key's page, under Users / Web services in Dialog Insight"

_MEANINGS: Final[Mapping[ErrorKind, _Meaning]] = {
    "key": _Meaning(
        AuthenticationError,
        f"the key was not accepted. Compare idKey and Key letter by letter (case counts), check that the host is your "
        f"account's, and look at the expiry date and the active flag on {_KEY_PAGE}",
    ),
    "address": _Meaning(
        PermissionDeniedError,
        f"the key may not be used from this machine's address. Add its outgoing IP address on {_KEY_PAGE}",
    ),
    "permission": _Meaning(
        PermissionDeniedError,
        f"the key has no right to this. Grant the key the project, the table and the method on {_KEY_PAGE}, and check "
        f"that the permitted IP addresses hold this machine's",
    ),
    "quota": _Meaning(
        RateLimitError,
        f"the key's number of permitted calls is used up. See {_KEY_PAGE}, or wait until the count begins anew",
        exhausted=True,
    ),
    "missing": _Meaning(
        NotFoundError,
        "there is no such project or table. Check the id (the number in the application's address line), and that the "
        "project or table has been built",
    ),
    "request": _Meaning(
        InvalidRequestError,
        "the request was refused. Compare the field codes with the project's or table's (case may count); after a "
        "change of definition, build the project or table again",
    ),
}
_OTHER: Final = _Meaning(
    ApiError,
    f"refused for a reason that is not known here. The server's own words are in .code and .message; the usual reasons "
    f"are an expired key, a missing right and a used-up quota, all on {_KEY_PAGE}",
)

_FAILING: Final = _Meaning(ServerError, "the service failed; whether it carried the call out is unknown")

# What an HTTP status says where no envelope came with it, or one whose texts say nothing.
_STATUSES: Final[Mapping[int, _Meaning]] = {
    400: _Meaning(InvalidRequestError, "the request was refused as a whole"),
    401: _MEANINGS["key"],
    403: _MEANINGS["permission"],
    404: _Meaning(NotFoundError, "there is no such address. Check the host, the service's and the method's name"),
    405: _Meaning(NotFoundError, "this address takes no such request. Check the host and the method's name"),
    413: _Meaning(InvalidRequestError, "the request is too large. Lower Capabilities.max_records_per_merge"),
    429: _Meaning(RateLimitError, "too many calls at this time"),
}

_SHOWABLE_CODE: Final = re.compile(r"[A-Za-z][\w.-]{0,59}")  # a code, not a sentence, which may hold anything


def open_envelope(response: HttpResponse, capabilities: Capabilities, what: str) -> JsonObject:
    """Read an answer and give its members; a `Trace` is never needed and never kept.

    Args:
        response: with any HTTP status.
        capabilities: holds the patterns that sort refusals.
        what: the call, in words that may be shown (`Contacts.Merge for the contacts of project 4321`).

    Raises:
        AuthenticationError, PermissionDeniedError, RateLimitError, NotFoundError, InvalidRequestError, ApiError: the
            call was refused, and sorted by the texts of the refusal.
        ServerError: a 5xx answer without an envelope that says more.
        UnexpectedResponseError: not JSON, cut short, or not an envelope.
    """
    try:
        members = load_json(response)
    except ValueError:
        refused = _by_status(response, what, _Words())
        raise refused or unexpected(response, what, f"the answer is not JSON ({_kind_of(response)})") from None
    if not is_object(members) or (success := _truth(members.get("Success"))) is None:
        raise _by_status(response, what, _Words()) or unexpected(response, what, "the answer has no Success member")
    if success and response.status < 300:
        members.pop("Trace", None)
        return members
    raise _refusal(_Words.read(members), response, capabilities, what)


@attrs.frozen
class _Words:
    """The server's own words: `ErrorCode`, `ErrorMessage`, `idRequest`."""

    code: str = ""
    message: str = ""
    request_id: str = ""

    @classmethod
    def read(cls, members: JsonObject) -> _Words:
        given = (members.get(name) for name in ("ErrorCode", "ErrorMessage", "idRequest"))
        return cls(*("" if word is None else str(word) for word in given))


def unexpected(response: HttpResponse, what: str, why: str) -> UnexpectedResponseError:
    """Make the error for an answer of another shape than was ever seen."""
    return UnexpectedResponseError(
        f"Dialog Insight, {what}: {why}. Check the host; a proxy or a maintenance page may have answered",
        side=Side.DIALOG_INSIGHT,
        status=response.status,
    )


def _truth(value: object) -> bool | None:
    """Read a truth value in any of its renderings; None for anything else."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).casefold())


def _refusal(words: _Words, response: HttpResponse, capabilities: Capabilities, what: str) -> ApiError:
    for text in (words.code, words.message):
        for known in capabilities.error_patterns:
            if known.matches(text):
                return _error(_MEANINGS[known.kind], response, what, words)
    return _by_status(response, what, words) or _error(_OTHER, response, what, words)


def _by_status(response: HttpResponse, what: str, words: _Words) -> ApiError | None:
    """Make the error that an HTTP status alone stands for; None where it says nothing."""
    if response.status in _STATUSES:
        return _error(_STATUSES[response.status], response, what, words)
    return _error(_FAILING, response, what, words) if response.status >= 500 else None


def _error(meaning: _Meaning, response: HttpResponse, what: str, words: _Words) -> ApiError:
    shown = f" ({words.code})" if _SHOWABLE_CODE.fullmatch(words.code) else ""
    common: dict[str, Any] = attrs.asdict(words) | {  # keyword arguments of ApiError
        "side": Side.DIALOG_INSIGHT,
        "status": response.status,
    }
    if meaning.error is RateLimitError:
        common |= {"retry_after": retry_after(response.headers), "exhausted": meaning.exhausted}
    return meaning.error(f"Dialog Insight, {what}: {meaning.advice}{shown}", **common)


def _kind_of(response: HttpResponse) -> str:
    """Name what came instead of JSON, without showing it."""
    head = response.content.lstrip()[:200].lower()
    if not head:
        return "it is empty"
    page = head.startswith((b"<!doctype", b"<html")) or "html" in response.headers.get("content-type", "")
    return f"HTTP {response.status}, a web page" if page else f"HTTP {response.status}, cut short or another format"
