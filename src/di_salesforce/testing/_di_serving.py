"""From a request to an answer with its faults: what the façade does for each call, and what it logs about it.

What may not go in here: state (the desk has it), waiting, sockets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from di_salesforce.testing._di_clauses import CallRefusal
from di_salesforce.testing._di_routes import Address, Desk, Reply, encoded
from di_salesforce.testing._di_switches import Switches
from di_salesforce.testing._faults import (
    ByteOrderMark,
    EnvelopeError,
    Fault,
    HtmlPage,
    HttpStatus,
    MissingTrace,
    NumbersAsText,
    ResetConnection,
    TruncatedBody,
    numbers_as_text,
)
from di_salesforce.testing._loopback import SimRequest, SimResponse

__all__ = ["LoggedCall", "log_entry", "replied", "response"]

_WRITES: Final = frozenset({"Merge", "Delete"})
_HTML: Final = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


@attrs.frozen
class LoggedCall:
    """One request as it was answered, without its values; status 0: a reset, `success` None: no envelope was sent."""

    number: int
    service: str
    method: str
    status: int
    is_write: bool
    id_project: int | None
    id_table: int | None
    row_count: int
    success: bool | None
    fault: str | None = None


def replied(desk: Desk, address: Address, request: SimRequest, struck: Iterable[Fault]) -> Reply | None:
    """Give the reply of the service, or of the first fault that stands in its place; None for a reset."""
    for fault in struck:
        match fault:
            case ResetConnection():
                return None
            case HttpStatus(status, headers):
                return Reply(status, page=f"Server error {status}", headers=headers)
            case HtmlPage():
                return Reply(200, page="Service under maintenance")
            case EnvelopeError(cause):
                return desk.refused(address, CallRefusal(cause))
            case _:
                pass  # a fault of the way back, or somebody else's hand
    return desk.answer(address, request)


def log_entry(number: int, address: Address, reply: Reply | None, struck: Iterable[Fault]) -> LoggedCall:
    """Write down one request."""
    known = reply or Reply(0)
    return LoggedCall(
        number,
        address.service,
        address.method,
        known.status,
        address.method in _WRITES,
        known.id_project,
        known.id_table,
        known.row_count,
        None if known.envelope is None else bool(known.envelope["Success"]),
        ", ".join(type(fault).__name__ for fault in struck) or None,
    )


def response(reply: Reply, struck: Iterable[Fault], switches: Switches) -> SimResponse:
    """Turn a reply into bytes, and let the faults of the way back at it."""
    headers = {"Cache-Control": "private", **reply.headers}
    if reply.envelope is None:
        body = _HTML.format(reply.page).encode()
        return SimResponse(reply.status, {"Content-Type": "text/html; charset=utf-8", **headers}, body)
    envelope = dict(reply.envelope)
    if any(isinstance(fault, MissingTrace) for fault in struck):
        envelope.pop("Trace", None)
    as_text = any(isinstance(fault, NumbersAsText) for fault in struck)
    body = encoded(numbers_as_text(envelope) if as_text else envelope, switches)
    for fault in struck:
        if isinstance(fault, TruncatedBody):
            body = body[: int(len(body) * fault.part)]
        elif isinstance(fault, ByteOrderMark):
            body = b"\xef\xbb\xbf" + body
    return SimResponse(reply.status, {"Content-Type": "application/json; charset=utf-8", **headers}, body)
